"""Telnyx's words: left what it says, right what is made of it."""

from __future__ import annotations

import json
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.carriers.telnyx import Telnyx, from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission, Wish
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.engine.transport import Answerable
from dispatcher.wiring.carriers import carrier_of
from tests.carriers import noise
from tests.carriers.meanings import unexplained
from tests.carriers.noise import NOON, PAGE, short

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "telnyx.toml"
PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
CREDENTIALS: Final = {"api_key": "KEY1", "public_key": PUBLIC}
CARRIER: Final = from_settings(Given({}, CREDENTIALS))
PROFILED: Final = from_settings(Given({"messaging_profile_id": "p1"}, CREDENTIALS))
URL: Final = "https://us.example/hooks/telnyx?id=77"
MT: Final = Submission("77", "+15005550006", "+13012223333", "Join me", 1, URL)

# --- The submit ----------------------------------------------------------------------------------------------------


def body(carrier: Telnyx = CARRIER, **given: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "key": "77",
        "sender": MT.sender,
        "to": MT.to,
        "text": "Join me",
        "segments": 1,
        "receipt_url": URL,
    }
    return dict(json.loads(carrier.build(Submission(**(values | given)), NOON).body))


def test_build() -> None:
    request = CARRIER.build(MT, NOON)
    assert (request.method, request.url) == ("POST", "https://api.telnyx.com/v2/messages")
    assert request.headers["Authorization"] == "Bearer KEY1"
    assert body() == {
        "to": "+13012223333",
        "from": "+15005550006",
        "text": "Join me",
        "use_profile_webhooks": False,
        "webhook_url": URL,
    }


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Join me", None), ("Ünique {€}", None), ("\N{LEFT DOUBLE QUOTATION MARK}x", "ucs2"), ("\N{PILE OF POO}", "ucs2")],
)
def test_no_character_is_replaced(text: str, encoding: str | None) -> None:
    assert (body(text=text)["text"], body(text=text).get("encoding")) == (text, encoding)


@pytest.mark.parametrize(
    ("sender", "profile"), [("+15005550006", None), ("72345", None), ("ACME", "p1"), ("ACME 24", "p1"), ("4ALL", "p1")]
)
def test_the_profile_of_alphanumeric_senders(sender: str, profile: str | None) -> None:
    assert (body(PROFILED, sender=sender)["from"], body(PROFILED, sender=sender).get("messaging_profile_id")) == (
        sender, profile
    )  # fmt: skip


def test_one_idempotency_key_for_one_message_by_one_sender() -> None:
    def key(**given: Any) -> str:
        values: dict[str, Any] = {"key": "77", "sender": "+15005550006", "to": MT.to, "text": "Join me", "segments": 1}
        return CARRIER.build(Submission(**(values | given)), NOON).headers["Idempotency-Key"]

    assert key() == MT.sent_by
    assert len({key(), key(key="78"), key(sender="+15005550007"), key(sender="My App"), key(sender="My_App")}) == 5


def test_asking_is_to_submit_again() -> None:
    assert isinstance(CARRIER, Answerable)
    assert CARRIER.asking_submits
    assert CARRIER.ask(MT, NOON + timedelta(minutes=5)) == CARRIER.build(MT, NOON)


def test_secrets_are_not_shown() -> None:
    assert repr(CARRIER) == "Telnyx(base_url='https://api.telnyx.com/v2', profile='')"
    assert "KEY1" not in repr(CARRIER.build(MT, NOON))


# --- The answer ----------------------------------------------------------------------------------------------------


def taken(**data: object) -> bytes:
    return json.dumps({"data": {"id": "m1", "to": [{"status": "queued"}], "errors": [], **data}}).encode()


def error(code: str, title: str = "Title", **more: object) -> bytes:
    return json.dumps({"errors": [{"code": code, "title": title, "detail": "d", **more}]}).encode()


STOPPED: Final = error("40300", "Blocked due to STOP message")
TO: Final[dict[str, Any]] = {"source": {"pointer": "/to", "parameter": "to"}}
FROM: Final[dict[str, Any]] = {"source": {"pointer": "/from", "parameter": "from"}}
SEVEN: Final = timedelta(seconds=7)
READ: Final = [
    (200, taken(), Outcome(Fate.TAKEN, ref="m1")),
    (202, taken(id="m2"), Outcome(Fate.TAKEN, ref="m2")),
    (200, b'{"data": {}}', Outcome(Fate.UNKNOWN, reason="HTTP 200 without an id")),
    (200, taken(id=None), Outcome(Fate.UNKNOWN, reason="HTTP 200 without an id")),
    (200, b"", Outcome(Fate.UNKNOWN, reason="HTTP 200 without an id")),
    (200, PAGE, Outcome(Fate.UNKNOWN, reason="HTTP 200 without an id")),
    (204, b"", Outcome(Fate.UNKNOWN, reason="HTTP 204 without an id")),
    # One number
    (400, error("40310", "Invalid 'to'"), Outcome(Fate.NEVER, "", "40310 Invalid 'to'", Code.INVALID_PHONE)),
    (400, error("10002", **TO), Outcome(Fate.NEVER, "", "10002 Title", Code.INVALID_PHONE)),
    (400, error("10016"), Outcome(Fate.NEVER, "", "10016 Title", Code.INVALID_PHONE)),
    (400, error("40301"), Outcome(Fate.NEVER, "", "40301 Title")),
    (403, STOPPED, Outcome(Fate.NEVER, "", "40300 Blocked due to STOP message", Code.OPTED_OUT)),
    (400, STOPPED, Outcome(Fate.NEVER, "", "40300 Blocked due to STOP message", Code.OPTED_OUT)),
    (403, error("40309"), Outcome(Fate.NEVER, "", "40309 Title")),
    (422, error("10015", "Bad Request"), unexplained("10015 Bad Request")),
    (400, error("99999", "New"), unexplained("99999 New")),
    (400, error("9" * 300), unexplained("9" * 255)),
    (400, b'{"errors": []}', unexplained("HTTP 400")),
    (400, PAGE, unexplained("HTTP 400")),
    # One sender
    (400, error("40305", "Invalid 'from' address"), Outcome(Fate.OTHER_SENDER, "", "40305 Invalid 'from' address")),
    (400, error("10002", **FROM), Outcome(Fate.OTHER_SENDER, "", "10002 Title")),
    (403, error("40300", "Invalid 'from' address"), Outcome(Fate.OTHER_SENDER, "", "40300 Invalid 'from' address")),
    (403, error("40010"), Outcome(Fate.OTHER_SENDER, "", "40010 Title")),
    # The connection
    (401, error("10009", "Authentication failed"), Outcome(Fate.STOP_CARRIER, "", "10009 Authentication failed")),
    (401, b"", Outcome(Fate.STOP_CARRIER, "", "HTTP 401")),
    (403, error("10010"), Outcome(Fate.STOP_CARRIER, "", "10010 Title")),
    (403, PAGE, Outcome(Fate.STOP_CARRIER, "", "HTTP 403")),
    (403, error("99999"), Outcome(Fate.STOP_CARRIER, "", "99999 Title")),
    (402, b"", Outcome(Fate.STOP_CARRIER, "", "HTTP 402")),
    (403, error("20100", "Insufficient Funds"), Outcome(Fate.STOP_CARRIER, "", "20100 Insufficient Funds")),
    (404, PAGE, Outcome(Fate.STOP_CARRIER, "", "HTTP 404")),
    (400, error("40312"), Outcome(Fate.STOP_CARRIER, "", "40312 Title")),
    (308, b"", Outcome(Fate.STOP_CARRIER, "", "HTTP 308, a redirect")),
    # Its pace
    (429, error("10011"), Outcome(Fate.LATER, "", "10011 Title", retry_after=SEVEN, limit=True)),
    (429, b"", Outcome(Fate.LATER, "", "throttled", retry_after=SEVEN, limit=True)),
    (400, error("40318"), Outcome(Fate.LATER, "", "40318 Title", retry_after=SEVEN, limit=True)),
    # Nobody can tell
    (409, error("10036", "Under way"), Outcome(Fate.UNKNOWN, "", "10036 Under way")),
    (409, b"", Outcome(Fate.UNKNOWN, "", "HTTP 409")),
    (408, b"", Outcome(Fate.UNKNOWN, "", "HTTP 408")),
    (500, error("10007"), Outcome(Fate.UNKNOWN, "", "HTTP 500")),
    (502, error("40310"), Outcome(Fate.UNKNOWN, "", "HTTP 502")),
    (302, taken(), Outcome(Fate.UNKNOWN, "", "HTTP 302")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "answer", "outcome"), READ, ids=short)
def test_read(status: int, answer: bytes, outcome: Outcome) -> None:
    headers = {"retry-after": "7"} if outcome.limit else {}
    assert CARRIER.read(Response(status, headers, answer)) == outcome


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_judged_whatever_was_read_of_the_body(fault: Fault) -> None:
    sure = fault in (Fault.UNSENT, Fault.UNREACHABLE, Fault.FORBIDDEN)
    for status, answer in ((0, b""), (200, taken()), (400, error("40310"))):
        assert CARRIER.read(Response(status, {}, answer, fault)).fate is (Fate.LATER if sure else Fate.UNKNOWN)


TOLD: Final = [
    (Response(200, body=taken()), Outcome(Fate.TAKEN, ref="m1")),
    (Response(400, body=error("40310")), Outcome(Fate.NEVER, "", "40310 Title", Code.INVALID_PHONE)),
    (Response(403, body=STOPPED), Outcome(Fate.NEVER, "", "40300 Blocked due to STOP message", Code.OPTED_OUT)),
    (Response(422, body=error("99999")), None),  # such as the same key with another body
    (Response(400, body=PAGE), None),
    (Response(409, body=error("10036")), None),
    (Response(400, body=error("40305")), None),
    (Response(401), None),
    (Response(429), None),
    (Response(503, {"retry-after": "1"}), None),
    (Response(200, body=b"{}"), None),
    (Response(fault=Fault.UNREACHABLE), None),
    (Response(fault=Fault.TIMEOUT), None),
]  # fmt: skip


@pytest.mark.parametrize(("response", "outcome"), TOLD, ids=short)
def test_told(response: Response, outcome: Outcome | None) -> None:
    assert CARRIER.told(response) == outcome


# --- Hooks ---------------------------------------------------------------------------------------------------------


CALLED: Final = "https://us.example/hooks/telnyx?id="


def signed(content: bytes, query: str = "id=another", stamp: str = "", key: Ed25519PrivateKey = PRIVATE) -> Hook:
    stamp = stamp or str(int(NOON.timestamp()))
    signature = b64encode(key.sign(stamp.encode() + b"|" + content)).decode()
    headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}
    named = dict(part.split("=") for part in query.split("&") if part)
    return Hook("POST", f"https://us.example/hooks/telnyx?{query}", named, headers, content)


def event(kind: str = "message.finalized", **payload: Any) -> bytes:
    return json.dumps({"data": {"event_type": kind, "id": "e1", "payload": payload}, "meta": {"attempt": 1}}).encode()


def receipt(
    status: str, *errors: Mapping[str, str], kind: str = "message.finalized", url: str = f"{CALLED}77"
) -> bytes:
    to = [{"phone_number": "+13012223333", "status": status, "carrier": "T-MOBILE", "line_type": "Wireless"}]
    return event(kind, id="m1", direction="outbound", to=to, errors=list(errors), webhook_url=url)


def refused(code: str, title: str = "Title") -> bytes:
    return receipt("delivery_failed", {"code": code, "title": title})


SUBMIT, DELIVER, REFUSE = Event.SUBMIT, Event.DELIVER, Event.REFUSE
EVENTS: Final = [
    (receipt("queued", kind="message.sent"), Receipt(SUBMIT, "77", "m1", "queued")),
    (receipt("sending", kind="message.sent"), Receipt(SUBMIT, "77", "m1", "sending")),
    (receipt("sent", kind="message.sent"), Receipt(SUBMIT, "77", "m1", "sent")),
    (receipt("delivered"), Receipt(DELIVER, "77", "m1", "delivered")),
    (receipt("read", kind="message.read"), Receipt(DELIVER, "77", "m1", "read")),
    (receipt("delivery_unconfirmed"), Receipt(SUBMIT, "77", "m1", "delivery_unconfirmed")),
    (receipt("delivery_failed"), Receipt(REFUSE, "77", "m1", "delivery_failed")),
    (receipt("sending_failed"), Receipt(REFUSE, "77", "m1", "sending_failed")),
    (receipt("expired"), Receipt(REFUSE, "77", "m1", "expired")),
    (refused("40001", "Not routable"), Receipt(REFUSE, "77", "m1", "40001 Not routable", Code.NOT_MOBILE)),
    (refused("40012"), Receipt(REFUSE, "77", "m1", "40012 Title")),
    (refused("40300", "Blocked due to STOP message"),
     Receipt(REFUSE, "77", "m1", "40300 Blocked due to STOP message", Code.OPTED_OUT)),
    (refused("40008", "Undeliverable"), Receipt(REFUSE, "77", "m1", "40008 Undeliverable")),
    (refused("40002"), Receipt(REFUSE, "77", "m1", "40002 Title", filtered=True)),
    (refused("40003"), Receipt(REFUSE, "77", "m1", "40003 Title", filtered=True)),
    (refused("40010"), Receipt(REFUSE, "77", "m1", "40010 Title", filtered=True)),
    (refused("40011"), Receipt(REFUSE, "77", "m1", "40011 Title", filtered=True)),
    (refused("77777"), Receipt(REFUSE, "77", "m1", "77777 Title")),
    (receipt("delivered", {"code": "40002", "title": "T"}), Receipt(DELIVER, "77", "m1", "40002 T")),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), EVENTS, ids=short)
def test_receipts(content: bytes, expected: Receipt) -> None:
    hook = signed(content)
    assert CARRIER.verify(hook, NOON)
    assert CARRIER.events(hook) == [expected]


@pytest.mark.parametrize("url", ["", "https://us.example/hooks/telnyx", f"{CALLED}%00", "https://[?x", f"{CALLED}%20"])
def test_a_receipt_without_our_key_in_the_address_that_is_signed(url: str) -> None:
    found = CARRIER.events(signed(receipt("delivered", url=url), "id=77"))
    assert found == [Receipt(DELIVER, "", "m1", "delivered")], "what was called is not signed"


@pytest.mark.parametrize(
    "content",
    [receipt("teleported"), receipt(""), event("message.finalized", id="m1"), event("10dlc.brand.update", x=1)],
    ids=short,
)
def test_hooks_that_tell_nothing_that_is_known(content: bytes) -> None:
    assert CARRIER.events(signed(content)) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", PAGE, b'{"data": null}', b'{"data": {"event_type": "message.sent"}}', b"\xff",
     event("message.received"), event("message.received", **{"from": "+1", "to": [{"phone_number": "+2"}]})],
    ids=short,
)  # fmt: skip
def test_hooks_that_cannot_be_read(content: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        CARRIER.events(signed(content))
    assert refusal.value.http == 400


def test_a_receipt_without_any_id() -> None:
    with pytest.raises(Refusal):
        CARRIER.events(signed(event("message.finalized", to=[{"status": "delivered"}]), "id=77"))


def reply(text: object = "Stop", **more: object) -> bytes:
    numbers = {"from": {"phone_number": "+13012223333"}, "to": [{"phone_number": "+15005550006"}]}
    return event(
        "message.received", **(numbers | {"id": "mo1", "direction": "inbound", "type": "SMS", "text": text} | more)
    )


REPLIES: Final = [
    (reply(), "Stop", None),
    (reply("\N{PILE OF POO}\n& +"), "\N{PILE OF POO}\n& +", None),
    (reply(autoresponse_type="STOP"), "Stop", Wish.STOP),
    (reply("START", autoresponse_type="start"), "START", Wish.START),
    (reply("Info", autoresponse_type="HELP"), "Info", Wish.HELP),
    (reply(autoresponse_type="DANCE"), "Stop", None),
    (reply(autoresponse_type=None), "Stop", None),
    (reply(None, type="MMS"), "", None),
    (reply("a\0b"), "ab", None),
    (reply("x" * 5000), "x" * 4096, None),
]  # fmt: skip


@pytest.mark.parametrize(("content", "text", "wish"), REPLIES, ids=short)
def test_replies(content: bytes, text: str, wish: Wish | None) -> None:
    [told] = CARRIER.events(signed(content, ""))
    assert told == Reply(
        their_number="+13012223333", our_number="+15005550006", text=text, ref="mo1", answered=wish
    )  # fmt: skip


def test_when_a_reply_was_written() -> None:
    [told] = CARRIER.events(signed(reply(received_at="2026-11-22T07:00:00.000-05:00"), ""))
    assert isinstance(told, Reply)
    assert told.said_at == NOON


def test_a_reply_needs_no_more_than_who_wrote() -> None:
    content = event("message.received", text="STOP", **{"from": {"phone_number": "+13012223333"}, "to": "+2"})
    assert CARRIER.events(signed(content, "")) == [Reply(their_number="+13012223333", our_number="", text="STOP")]


# --- What is genuine -----------------------------------------------------------------------------------------------


def test_a_signature_made_elsewhere() -> None:
    """With the same private key, by another library."""
    stamp = "1795358000"
    signature = "JIZ2ka6g/K4apAhdRHyZXIE1n2QBen1qy3OmWDLs/WbjQfZ8f6FkLHnrZwue68N6jT1S1tAFA3/pvBGKOXA1BA=="
    hook = Hook("POST", URL, {}, {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}, b'{"a":1}')
    assert signed(b'{"a":1}', stamp=stamp).headers["telnyx-signature-ed25519"] == signature
    assert CARRIER.verify(hook, NOON.fromtimestamp(1795358000, NOON.tzinfo))


@pytest.mark.parametrize(
    ("seconds", "genuine"), [(0, True), (-300, True), (300, True), (-301, False), (301, False), (86_400, False)]
)
def test_only_lately_signed(seconds: int, genuine: bool) -> None:
    assert CARRIER.verify(signed(b"{}"), NOON + timedelta(seconds=seconds)) is genuine


GENUINE: Final = signed(receipt("delivered"))
SIGNATURE: Final = GENUINE.headers["telnyx-signature-ed25519"]
STAMPS: Final = [
    "", "1", "+1795348800", " 1795348800", "1795348800 ", "1795348800.0", "9" * 400, "é", "१७९५३४८८००", "1795348801",
]  # fmt: skip
SIGNATURES: Final = [
    "", "x", "é" * 88, SIGNATURE[:-4], SIGNATURE + "AAAA", SIGNATURE.lower(), SIGNATURE + chr(10), chr(0),
    b64encode(bytes(64)).decode(),
]  # fmt: skip
FORGED: Final[list[Mapping[str, Any]]] = [
    {"body": receipt("delivery_failed")},
    {"body": GENUINE.body + b" "},
    {"body": b""},
    {"headers": {}},
    {"headers": {"telnyx-timestamp": GENUINE.headers["telnyx-timestamp"]}},
    {"headers": {"telnyx-signature-ed25519": SIGNATURE}},
    *({"headers": dict(GENUINE.headers) | {"telnyx-timestamp": stamp}} for stamp in STAMPS),
    *({"headers": dict(GENUINE.headers) | {"telnyx-signature-ed25519": signature}} for signature in SIGNATURES),
    {"headers": signed(GENUINE.body, key=Ed25519PrivateKey.from_private_bytes(bytes(32))).headers},
]


@pytest.mark.parametrize("changed", FORGED, ids=short)
def test_forged_hooks(changed: Mapping[str, Any]) -> None:
    assert CARRIER.verify(GENUINE, NOON)
    values: Mapping[str, Any] = {"body": GENUINE.body, "headers": GENUINE.headers, **changed}
    assert CARRIER.verify(Hook("POST", GENUINE.url, {}, values["headers"], values["body"]), NOON) is False


# --- Noise ---------------------------------------------------------------------------------------------------------


NAMES: Final = [
    "data",
    "id",
    "event_type",
    "payload",
    "to",
    "from",
    "status",
    "errors",
    "code",
    "title",
    "phone_number",
]
SIGNED: Final = ["telnyx-signature-ed25519", "telnyx-timestamp"]


@given(noise.responses(NAMES, [taken(), error("40310")]))
def test_noise_is_never_taken(response: Response) -> None:
    noise.read_calmly(CARRIER, response)
    assert CARRIER.told(response) is None


@given(noise.broken(taken()) | noise.broken(error("40310")), st.integers(0, 600))
def test_broken_answers(content: bytes, status: int) -> None:
    response = Response(status, {}, content)
    assert CARRIER.read(response).fate is not Fate.TAKEN or 200 <= status < 300
    CARRIER.told(response)


@given(noise.hooks(NAMES, [receipt("delivered"), reply()], SIGNED))
def test_noise_delivers_nothing(hook: Hook) -> None:
    noise.heard_calmly(CARRIER, hook, ["delivered", "read"])


@given(noise.broken(receipt("delivery_failed")) | noise.broken(reply()))
def test_broken_hooks(content: bytes) -> None:
    noise.heard_calmly(CARRIER, Hook("POST", "", {"id": "77"}, {}, content), [])


# --- Settings ------------------------------------------------------------------------------------------------------


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELNYX_API_KEY", "KEY1")
    monkeypatch.setenv("TELNYX_PUBLIC_KEY", PUBLIC)
    carrier = carrier_of("telnyx", tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert carrier.build(MT, NOON) == CARRIER.build(MT, NOON)
    assert carrier.verify(GENUINE, NOON)


@pytest.mark.parametrize(
    ("settings", "credentials", "said"),
    [
        ({}, {"api_key": "k"}, "credentials.public_key: is missing"),
        ({}, {"public_key": PUBLIC}, "credentials.api_key: is missing"),
        ({}, CREDENTIALS | {"public_key": "x"}, "credentials.public_key: must be as the portal shows it"),
        ({}, CREDENTIALS | {"public_key": b64encode(bytes(31)).decode()}, "credentials.public_key: must be as"),
        ({}, CREDENTIALS | {"public_key": "é" * 44}, "credentials.public_key: must be as"),
        ({"base_url": "ftp://x"}, CREDENTIALS, "base_url: must be"),
        ({"messaging_profile_id": ""}, CREDENTIALS, "messaging_profile_id: must be"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], credentials: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        from_settings(Given(settings, credentials))
