"""Sinch: left what the world does, right what is made of it."""

from __future__ import annotations

import hmac
import json
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from dispatcher.carriers.sinch import Sinch, from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.engine.transport import Answerable
from dispatcher.wiring.carriers import carrier_of
from tests.carriers.meanings import unexplained

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PLAN: Final = {"service_plan_id": "plan1"}
SECRET: Final = "foo_secret1234"
TOKEN: Final = "s3cret & of/a hook"
BY_HMAC: Final = {"api_token": "tok1", "hmac_secret": SECRET}
BY_TOKEN: Final = {"api_token": "tok1", "hook_token": TOKEN}
EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "sinch.toml"


def sinch(credentials: Mapping[str, str] = BY_HMAC, **settings: str) -> Sinch:
    given = Given(PLAN | settings, credentials)
    made = from_settings(given)
    given.check_known()
    return made


SINCH: Final = sinch()


def mt(**given: str) -> Submission:
    values = {"key": "234234", "sender": "+12015550160", "to": "+13012223333", "text": "Join me"}
    return Submission(segments=1, **({"receipt_url": "https://us.example/hooks/s?id=234234"} | values | given))


# --- The settings --------------------------------------------------------------------------------------------------

WRONG: Final = [
    ({}, {"hmac_secret": SECRET}, "credentials.api_token: is missing"),
    ({}, {"api_token": "tok1"}, "credentials.hmac_secret: give either"),
    ({}, BY_HMAC | BY_TOKEN, "credentials.hmac_secret: give either"),
    ({"service_plan_id": "a/b"}, BY_HMAC, "service_plan_id: must be"),
    ({"service_plan_id": ""}, BY_HMAC, "service_plan_id: must be"),
    ({"base_url": "us.sms.api.sinch.com"}, BY_HMAC, "base_url: must be"),
    ({"region": "us"}, BY_HMAC, "region: unknown"),
]


@pytest.mark.parametrize(("settings", "credentials", "sentence"), WRONG)
def test_settings_that_cannot_work(settings: dict[str, str], credentials: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=f"^{sentence}"):
        sinch(credentials, **settings)


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINCH_API_TOKEN", "tok1")
    monkeypatch.setenv("SINCH_HOOK_TOKEN", TOKEN)
    made = carrier_of("sinch", tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert isinstance(made, Sinch)
    assert made == sinch(BY_TOKEN, service_plan_id="0123456789abcdef0123456789abcdef")
    for shown in (repr(made), repr(SINCH)):
        assert not [secret for secret in ("tok1", TOKEN, SECRET) if secret in shown]


# --- The submit ----------------------------------------------------------------------------------------------------


def test_the_request() -> None:
    request = SINCH.build(mt(text="Hé “x” \N{PILE OF POO} & \n"), NOON)
    assert (request.method, request.url) == ("POST", "https://us.sms.api.sinch.com/xms/v1/plan1/batches")
    assert request.headers == {"Authorization": "Bearer tok1", "Content-Type": "application/json"}
    assert request.body.isascii()
    assert json.loads(request.body) == {
        "to": ["+13012223333"],
        "from": "+12015550160",
        "body": "Hé “x” \N{PILE OF POO} & \n",
        "type": "mt_text",
        "delivery_report": "per_recipient",
        "callback_url": "https://us.example/hooks/s?id=234234",
        "client_reference": "234234",
    }


@pytest.mark.parametrize("sender", ["+12015550160", "12345", "Ex 1"])
def test_senders(sender: str) -> None:
    assert json.loads(SINCH.build(mt(sender=sender), NOON).body)["from"] == sender


ADDRESSES: Final = [
    ("https://us.example/hooks/s?id=1", "https://us.example/hooks/s?id=1&token=s3cret%20%26%20of%2Fa%20hook"),
    ("https://us.example/hooks/s", "https://us.example/hooks/s?token=s3cret%20%26%20of%2Fa%20hook"),
    ("", None),
]


@pytest.mark.parametrize(("receipt_url", "written"), ADDRESSES)
def test_the_token_stands_in_the_address_for_receipts(receipt_url: str, written: str | None) -> None:
    asked = json.loads(sinch(BY_TOKEN).build(mt(receipt_url=receipt_url), NOON).body)
    assert asked.get("callback_url") == written


# --- The answer ----------------------------------------------------------------------------------------------------


def said(code: str, text: str = "Text.") -> bytes:
    return json.dumps({"code": code, "text": text}).encode()


def no(fate: Fate, reason: str, code: Code = Code.SEND_FAILED, *, limit: bool = False) -> Outcome:
    return Outcome(fate, reason=reason, code=code, limit=limit)


FORMAT: Final = "syntax_invalid_parameter_format"
CREATED: Final = b'{"id": "01FC", "to": ["13012223333"], "canceled": false, "client_reference": "234234"}'
ARGUMENT: Final = json.dumps(
    {"error": {"code": 400, "message": 'parsing field "to": "1" is not a number', "status": "INVALID_ARGUMENT"}}
).encode()
ANSWERS: Final = [
    (201, CREATED, Outcome(Fate.TAKEN, ref="01FC")),
    (200, CREATED, Outcome(Fate.TAKEN, ref="01FC")),
    (201, b"", no(Fate.UNKNOWN, "HTTP 201 without an id")),
    (201, b"{}", no(Fate.UNKNOWN, "HTTP 201 without an id")),
    (201, b'{"id": {"a": 1}}', no(Fate.UNKNOWN, "HTTP 201 without an id")),
    (201, b"<html>Welcome</html>", no(Fate.UNKNOWN, "HTTP 201 without an id")),
    (200, said("illegal_number_type"), no(Fate.UNKNOWN, "HTTP 200 without an id")),
    (400, said(FORMAT, 'The parameter "to" is no number'),
     no(Fate.NEVER, f'{FORMAT} The parameter "to" is no number', Code.INVALID_PHONE)),
    (400, said(FORMAT, "`from` is no number"), no(Fate.OTHER_SENDER, f"{FORMAT} `from` is no number")),
    (400, said(FORMAT, "failed to read from it"), unexplained(f"{FORMAT} failed to read from it")),
    (400, ARGUMENT, no(Fate.NEVER, 'INVALID_ARGUMENT parsing field "to": "1" is not a number', Code.INVALID_PHONE)),
    (400, said("syntax_constraint_violation"), unexplained("syntax_constraint_violation Text.")),
    (400, said("x", "t" * 500), unexplained(f"x {'t' * 253}")),
    (400, b"", unexplained("HTTP 400")),
    (400, b"<html>", unexplained("HTTP 400")),
    (403, said("illegal_number_type"), no(Fate.NEVER, "illegal_number_type Text.", Code.INVALID_PHONE)),
    (403, said("blocked_account"), no(Fate.STOP_CARRIER, "blocked_account Text.")),
    (403, said("missing_callback_url"), no(Fate.STOP_CARRIER, "missing_callback_url Text.")),
    (403, said("another", 'the field "to"'), no(Fate.STOP_CARRIER, 'another the field "to"')),
    (403, b"", no(Fate.STOP_CARRIER, "HTTP 403")),
    (401, b"", no(Fate.STOP_CARRIER, "HTTP 401")),
    (402, b"{}", no(Fate.STOP_CARRIER, "HTTP 402")),
    (404, b"", no(Fate.STOP_CARRIER, "HTTP 404")),
    (409, b"", unexplained("HTTP 409")),
    (429, b"", no(Fate.LATER, "throttled", limit=True)),
    (500, said("illegal_number_type"), no(Fate.UNKNOWN, "HTTP 500")),
    (502, b"<html>", no(Fate.UNKNOWN, "HTTP 502")),
    (503, b"", no(Fate.UNKNOWN, "HTTP 503")),
    (302, CREATED, no(Fate.UNKNOWN, "HTTP 302")),
    (308, b"", no(Fate.STOP_CARRIER, "HTTP 308, a redirect")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "outcome"), ANSWERS)
def test_answers(status: int, body: bytes, outcome: Outcome) -> None:
    assert SINCH.read(Response(status, body=body)) == outcome


def test_retry_after_is_heeded() -> None:
    outcome = SINCH.read(Response(429, {"retry-after": "15"}))
    assert (outcome.fate, outcome.retry_after, outcome.limit) == (Fate.LATER, timedelta(seconds=15), True)


@pytest.mark.parametrize("fault", Fault)
def test_no_answer(fault: Fault) -> None:
    fate = Fate.UNKNOWN if fault in (Fault.TIMEOUT, Fault.CUT, Fault.OVERSIZED) else Fate.LATER
    assert SINCH.read(Response(201, body=CREATED, fault=fault)).fate is fate
    assert SINCH.told(Response(200, body=found({"id": "01FC", "client_reference": "1"}), fault=fault)) is None


# --- The question --------------------------------------------------------------------------------------------------


def test_the_question() -> None:
    assert isinstance(SINCH, Answerable)
    assert not SINCH.asking_submits
    request = SINCH.ask(mt(), NOON)
    expected = "https://us.sms.api.sinch.com/xms/v1/plan1/batches?page_size=10&client_reference=234234"
    assert (request.method, request.url, request.body) == ("GET", expected, b"")
    assert request.headers == {"Authorization": "Bearer tok1"}


def found(*batches: object, count: object = None) -> bytes:
    listed = {"count": len(batches) if count is None else count, "page": 0, "page_size": 10, "batches": batches}
    return json.dumps(listed).encode()


OURS: Final = {"id": "01FC", "client_reference": "234234"}
LISTS: Final = [
    (200, found(OURS), Outcome(Fate.TAKEN, ref="01FC")),
    (200, found(OURS, OURS | {"id": "01FD"}), Outcome(Fate.TAKEN, ref="01FC")),
    (200, found(), Outcome(Fate.LATER, reason="it has no such batch")),
    (200, found(count=3), None),
    (200, found(count="0"), None),
    (200, found(OURS, OURS | {"client_reference": "1"}), None),  # a list of everything proves nothing
    (200, found({"id": "01FC"}), None),
    (200, found({"client_reference": "234234"}), None),
    (200, found(OURS | {"client_reference": ["234234"]}), None),
    (200, found("01FC"), None),
    (200, b"", None),
    (200, b"{}", None),
    (200, b"[]", None),
    (200, b'{"batches": {}}', None),
    (200, b"<html>", None),
    (201, found(OURS), None),
    (204, b"", None),
    (401, b"", None),
    (404, found(), None),
    (429, b"", None),
    (500, found(), None),
]


@pytest.mark.parametrize(("status", "body", "outcome"), LISTS)
def test_what_is_told(status: int, body: bytes, outcome: Outcome | None) -> None:
    assert SINCH.told(Response(status, body=body)) == outcome


# --- Webhooks: whose they are --------------------------------------------------------------------------------------

EXPECTED: Final = "7SX1GL1pogDFSUzCu9AKTxkvIBlwUH2Y2rrDlNoegnc="  # of BODY and NONCE at LONG_AGO, under SECRET
LONG_AGO: Final = 1634579353
NONCE: Final = "01FJA8B4A7BM43YGWSG9GBV067"
BODY: Final = b'{"type":"recipient_delivery_report_sms","batch_id":"b"}'
SIGNATURE: Final = "x-sinch-webhook-signature"
AT_NOON: Final = int(NOON.timestamp())


def signed(body: bytes = BODY, at: object = AT_NOON, nonce: str = NONCE, secret: str = SECRET) -> Hook:
    words = body + f".{nonce}.{at}".encode()
    digest = b64encode(hmac.new(secret.encode(), words, "sha256").digest()).decode()
    headers = {SIGNATURE: digest, f"{SIGNATURE}-nonce": nonce, f"{SIGNATURE}-timestamp": str(at)}
    return Hook(
        "POST", "https://us.example/hooks/s", headers=headers | {f"{SIGNATURE}-algorithm": "HmacSHA256"}, body=body
    )


def but(hook: Hook, body: bytes | None = None, **headers: str | None) -> Hook:
    """The hook with another body or other headers, None for one that is missing."""
    changed = dict(hook.headers)
    for name, value in headers.items():
        full = f"{SIGNATURE}-{name}" if name != "signature" else SIGNATURE
        changed.pop(full)
        changed |= {} if value is None else {full: value}
    return Hook(hook.method, hook.url, hook.query, changed, hook.body if body is None else body)


HOUR: Final = 3600
GENUINE: Final[Mapping[str, Hook]] = {
    "now": signed(),
    "tried again for the last time": signed(at=AT_NOON - 24 * HOUR),
    "their clock is ahead": signed(at=AT_NOON + 299),
    "no body": signed(b""),
    "no ASCII": signed("é €".encode()),
    "an empty nonce": signed(nonce=""),
    "an algorithm is not asked for": but(signed(), algorithm=None),
}


@pytest.mark.parametrize("hook", GENUINE.values(), ids=GENUINE)
def test_a_genuine_hook(hook: Hook) -> None:
    assert SINCH.verify(hook, NOON)


def test_a_signature_that_was_worked_out_elsewhere() -> None:
    hook = signed(at=LONG_AGO)
    assert hook.headers[SIGNATURE] == EXPECTED
    assert SINCH.verify(hook, datetime.fromtimestamp(LONG_AGO, UTC))
    assert not SINCH.verify(hook, NOON), "years later"


def test_the_former_secret_signs_until_it_is_taken_away() -> None:
    changing = sinch({"api_token": "tok1", "hmac_secret": "new", "hmac_secret_before": SECRET})
    assert changing.verify(signed(), NOON)
    assert changing.verify(signed(secret="new"), NOON)
    assert not changing.verify(signed(secret="older"), NOON)


FORGED: Final[Mapping[str, Hook]] = {
    "no header": Hook("POST", "", body=BODY),
    "another body": but(signed(), BODY + b" "),
    "no body any more": but(signed(), b""),
    "another secret": signed(secret=SECRET[::-1]),
    "no secret": signed(secret=""),
    "the secret in the open": but(signed(), signature=SECRET),
    "no signature": but(signed(), signature=None),
    "an empty signature": but(signed(), signature=""),
    "half a signature": but(signed(), signature=signed().headers[SIGNATURE][:20]),
    "a signature in hex": but(signed(), signature="ed25f518bd69a200c54944b30abbd002"),
    "a signature without ASCII": but(signed(), signature="\xff" * 44),
    "a signature without UTF-8": but(signed(), signature="\udcff"),
    "no nonce": but(signed(), nonce=None),
    "another nonce": but(signed(), nonce="x"),
    "a nonce without UTF-8": but(signed(), nonce="\udcff"),
    "no instant": but(signed(), timestamp=None),
    "another instant": but(signed(), timestamp=str(AT_NOON + 1)),
    "an instant that is no number": signed(at="now"),
    "an instant that is no ASCII": signed(at="١٧٩٥٣٥٨٠٠٠"),
    "an instant with a sign": signed(at=f"+{AT_NOON}"),
    "an instant of 5000 digits": signed(at="1" * 5000),
    "too old": signed(at=AT_NOON - 26 * HOUR),
    "from the future": signed(at=AT_NOON + 301),
    "in milliseconds": signed(at=AT_NOON * 1000),
    "a token": Hook("POST", "", {"token": SECRET}, body=BODY),
}


@pytest.mark.parametrize("hook", FORGED.values(), ids=FORGED)
def test_a_forged_hook(hook: Hook) -> None:
    assert not SINCH.verify(hook, NOON)


def test_a_token_in_the_address() -> None:
    carrier = sinch(BY_TOKEN)
    assert carrier.verify(Hook("POST", "", {"id": "1", "token": TOKEN}), NOON)
    for token in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é", "\udcff"):
        assert not carrier.verify(Hook("POST", "", {"token": token}), NOON)
    assert not carrier.verify(Hook("POST", "", {"id": "1"}), NOON)
    assert not carrier.verify(signed(), NOON)
    assert not carrier.verify(signed(secret=""), NOON)


# --- Webhooks: what they tell --------------------------------------------------------------------------------------


def told(said: Mapping[str, object], **query: str) -> Hook:
    return Hook("POST", "", query, body=json.dumps(said).encode())


REPORT: Final[dict[str, object]] = {
    "type": "recipient_delivery_report_sms",
    "batch_id": "01FC",
    "recipient": "13012223333",
    "at": "2026-11-22T12:00:00.000Z",
    "client_reference": "234234",
}


def receipt(event: Event, reason: str, code: Code = Code.SEND_FAILED, *, filtered: bool = False) -> Receipt:
    return Receipt(event, "234234", "01FC", reason, code, filtered)


TOLD: Final = [
    (400, "Queued", receipt(Event.SUBMIT, "400 Queued")),
    (401, "Dispatched", receipt(Event.SUBMIT, "401 Dispatched")),
    (0, "Delivered", receipt(Event.DELIVER, "0 Delivered")),
    ("0", "DELIVERED", receipt(Event.DELIVER, "0 DELIVERED")),
    (None, "Delivered", receipt(Event.DELIVER, "Delivered")),
    (402, "Aborted", receipt(Event.REFUSE, "402 Aborted")),
    (407, "Cancelled", receipt(Event.REFUSE, "407 Cancelled")),
    (1, "Rejected", receipt(Event.REFUSE, "1 Rejected")),
    (10, "Deleted", receipt(Event.REFUSE, "10 Deleted")),
    (2, "Failed", receipt(Event.REFUSE, "2 Failed")),
    (406, "Expired", receipt(Event.REFUSE, "406 Expired")),
    (300, "Failed", receipt(Event.REFUSE, "300 Failed", Code.INVALID_PHONE)),
    (62, "Failed", receipt(Event.REFUSE, "62 Failed", filtered=True)),
    (60, "Rejected", receipt(Event.REFUSE, "60 Rejected", filtered=True)),
    (62, "Dispatched", receipt(Event.SUBMIT, "62 Dispatched")),
    (0, "Unknown", receipt(Event.SUBMIT, "0 Unknown")),
]


@pytest.mark.parametrize(("code", "status", "expected"), TOLD)
def test_receipts(code: object, status: str, expected: Receipt) -> None:
    assert SINCH.events(told(REPORT | {"code": code, "status": status})) == [expected]
    assert SINCH.events(told(REPORT | {"code": code, "status": status}, id="another")) == [expected]
    assert SINCH.events(told(REPORT | {"type": "recipient_delivery_report_mms", "code": code, "status": status}))
    summary = {
        "type": "delivery_report_sms",
        "batch_id": "01FC",
        "total_message_count": 1,
        "client_reference": "234234",
    }
    listed = [{"code": code, "status": status, "count": 1, "recipients": ["13012223333"]}]
    assert SINCH.events(told(summary | {"statuses": listed})) == [expected]


def test_a_summary_tells_all_that_it_has() -> None:
    statuses = [
        {"code": 401, "status": "Dispatched", "count": 1},
        {"code": 402, "status": "Aborted", "count": 0},
        {"code": 0, "status": "Delivered"},
        {"code": 7, "status": "Something", "count": 1},
    ]
    summary = {"type": "delivery_report_sms", "batch_id": "01FC", "statuses": statuses}
    expected = [receipt(Event.SUBMIT, "401 Dispatched"), receipt(Event.DELIVER, "0 Delivered")]
    assert sinch(BY_TOKEN).events(told(summary, id="234234")) == expected
    unsigned = [replace(each, key="") for each in expected]
    assert SINCH.events(told(summary, id="234234")) == unsigned, "a signature does not cover the address"


def test_ids_are_cut_and_clean() -> None:
    report = {"type": "recipient_delivery_report_sms", "batch_id": "b\0\ud800" + "1" * 5000, "status": "Delivered"}
    [found] = sinch(BY_TOKEN).events(told(report, id="\0" + "9" * 5000))
    assert isinstance(found, Receipt)
    assert (found.key, found.ref) == ("9" * 64, "b" + "1" * 254)


@pytest.mark.parametrize("status", ["Sent", "delivered ", "0", 7, "Ｄelivered"])
def test_a_status_that_is_not_known_tells_nothing(status: object) -> None:
    assert SINCH.events(told(REPORT | {"status": status, "code": 0})) == []


INBOUND: Final[dict[str, object]] = {
    "type": "mo_text",
    "id": "01XX",
    "from": "13012223333",
    "to": "12015550160",
    "body": "Stop please",
    "received_at": "2026-11-22T12:00:00.000Z",
}
REPLY: Final = Reply(their_number="13012223333", our_number="12015550160", text="Stop please", ref="01XX", said_at=NOON)


def test_a_reply() -> None:
    assert SINCH.events(told(INBOUND)) == [REPLY]
    media = INBOUND | {"type": "mo_media", "body": {"subject": None, "message": "Stop please", "media": []}}
    assert SINCH.events(told(media)) == [REPLY]
    assert SINCH.events(told(media | {"body": {"media": []}})) == []
    assert SINCH.events(told(INBOUND | {"type": "mo_binary", "udh": "00"})) == []
    assert SINCH.events(told({"type": "something_new"})) == []


def test_a_reply_needs_no_more_than_who_wrote_what() -> None:
    reply = Reply(their_number="13012223333", our_number="", text="STOP")
    assert SINCH.events(told({"type": "mo_text", "from": "13012223333", "body": "STOP"})) == [reply]


UNREADABLE: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "a form": b"type=mo_text&body=x",
    "a list": b"[]",
    "a string": b'"mo_text"',
    "no UTF-8": b'{"type": "\xff"}',
    "cut short": BODY[:-1],
    "deep": b'{"a":' * 50_000,
    "a long number": b'{"type": ' + b"1" * 5000 + b"}",
    "no type": b'{"batch_id": "b", "status": "Delivered"}',
    "a type that is an object": b'{"type": {"a": 1}}',
    "no ids": b'{"type": "recipient_delivery_report_sms", "status": "Delivered"}',
    "no status": b'{"type": "recipient_delivery_report_sms", "batch_id": "b"}',
    "a status that is a list": b'{"type": "recipient_delivery_report_sms", "batch_id": "b", "status": ["Delivered"]}',
    "no statuses": b'{"type": "delivery_report_sms", "batch_id": "b", "statuses": []}',
    "statuses of another shape": b'{"type": "delivery_report_sms", "batch_id": "b", "statuses": {"status": "x"}}',
    "a status among them is none": b'{"type": "delivery_report_sms", "batch_id": "b", "statuses": ["Delivered"]}',
    "a reply from nobody": b'{"type": "mo_text", "id": "1", "to": "2", "body": "x"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as found:
        SINCH.events(Hook("POST", "", body=body))
    assert found.value.http == 400


# --- Noise ---------------------------------------------------------------------------------------------------------

NAMES: Final = ["type", "id", "batch_id", "status", "statuses", "code", "text", "error", "batches", "count", "body"]
KINDS: Final = ["recipient_delivery_report_sms", "delivery_report_sms", "mo_text", "mo_media"]
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(KINDS),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
NOISE: Final = st.binary() | JSON.map(lambda value: json.dumps(value).encode())


@for_all(st.integers(0, 999), NOISE)
def test_noise_is_never_taken(status: int, body: bytes) -> None:
    if not 200 <= status < 300:
        assert SINCH.read(Response(status, body=body)).fate is not Fate.TAKEN
        assert SINCH.told(Response(status, body=body)) is None
    found = SINCH.read(Response(201, body=body))
    assert (found.fate is Fate.TAKEN) is bool(found.ref)
    assert found.fate in (Fate.TAKEN, Fate.UNKNOWN)
    answered = SINCH.told(Response(200, body=body))
    assert answered is None or answered.fate is Fate.LATER


@for_all(NOISE, st.text(), st.text())
def test_noise_never_proves_itself_and_never_delivers(body: bytes, signature: str, at: str) -> None:
    for hook in (but(signed(), body, signature=signature), but(signed(), body, timestamp=at)):
        assert not SINCH.verify(hook, NOON)
    assert not sinch(BY_TOKEN).verify(Hook("POST", "", {"token": signature}, body=body), NOON)
    with suppress(Refusal):
        events = SINCH.events(Hook("POST", "", {"id": "1"}, body=body))
        assert not [event for event in events if isinstance(event, Receipt) and event.event is Event.DELIVER]
