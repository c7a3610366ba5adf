"""Vonage: left what the world does, right what is made of it."""

from __future__ import annotations

import json
import tomllib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given as for_all
from hypothesis import strategies as st

from dispatcher.carriers.vonage import Vonage, application_token, from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.wiring.carriers import carrier_of
from tests.carriers.meanings import unexplained

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UUID: Final = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
SECRET: Final = "Z6vl4PTfHXHdOwLyDwBNVlPRRl3RDQxWZx5cS1C2"
ACCOUNT: Final = {"api_key": "abcd1234"}
SECRETS: Final = {"api_secret": "sEcReT", "signature_secret": SECRET}
EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "vonage.toml"


NOT_LOCKED: Final = NoEncryption()


def pem(key: RSAPrivateKey | EllipticCurvePrivateKey, lock: KeySerializationEncryption = NOT_LOCKED) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode().strip()


@pytest.fixture(scope="module")
def private_key() -> str:
    return pem(rsa_key(65537, 2048))


def vonage(settings: Mapping[str, Any] = ACCOUNT, credentials: Mapping[str, str] = SECRETS) -> Vonage:
    given = Given(settings, credentials)
    made = from_settings(given)
    given.check_known()
    return made


VONAGE: Final = vonage()


def mt(**given: str) -> Submission:
    values = {"key": "234234", "sender": "+12015550160", "to": "+13012223333", "text": "Join me"}
    return Submission(segments=1, **({"receipt_url": "https://us.example/hooks/v?id=234234"} | values | given))


# --- The settings --------------------------------------------------------------------------------------------------

NOT_ENOUGH: Final = "application_id: give it with"
WRONG: Final[list[tuple[dict[str, str], dict[str, str], str]]] = [
    ({}, SECRETS, NOT_ENOUGH),
    ({}, {"signature_secret": SECRET}, NOT_ENOUGH),
    (ACCOUNT, {"signature_secret": SECRET}, NOT_ENOUGH),
    (ACCOUNT | {"application_id": UUID}, SECRETS, NOT_ENOUGH),
    ({"application_id": UUID}, SECRETS, NOT_ENOUGH),
    (ACCOUNT, SECRETS | {"private_key": "k"}, NOT_ENOUGH),
    (ACCOUNT, {"api_secret": "s"}, "credentials.signature_secret: is missing"),
    ({"api_key": "a:b"}, SECRETS, "api_key: must be"),
    ({"api_key": "a b"}, SECRETS, "api_key: must be"),
    ({"application_id": "mine"}, SECRETS, "application_id: must be"),
    (ACCOUNT | {"base_url": "api.nexmo.com"}, SECRETS, "base_url: must be"),
    (ACCOUNT | {"apikey": "x"}, SECRETS, "apikey: unknown"),
    (ACCOUNT, SECRETS | {"token": "x"}, "credentials.token: unknown"),
]


@pytest.mark.parametrize(("settings", "credentials", "sentence"), WRONG)
def test_settings_that_cannot_work(settings: dict[str, str], credentials: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=f"^{sentence}"):
        vonage(settings, credentials)


def test_a_private_key_that_cannot_sign() -> None:
    good, weak = rsa_key(65537, 2048), rsa_key(65537, 1024)  # noqa: S505  # which is the point
    locked = pem(good, BestAvailableEncryption(b"password"))
    for wrong in ("/etc/key", locked, pem(good)[:200], pem(weak), pem(elliptic_key(SECP256R1()))):
        with pytest.raises(SettingsError, match=r"^credentials\.private_key: must be") as found:
            vonage({"application_id": UUID}, {"private_key": wrong, "signature_secret": SECRET})
        assert wrong not in str(found.value)


def test_the_example(private_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    (tmp_path / "vonage.key").write_text(private_key)
    described["credentials"]["private_key"] = f"file:{tmp_path}/vonage.key"
    monkeypatch.setenv("VONAGE_SIGNATURE_SECRET", SECRET)
    made = carrier_of("vonage", described)
    assert isinstance(made, Vonage)
    assert (made.base_url, made.application_id, made.signature_secrets) == ("https://api.nexmo.com", UUID, (SECRET,))
    shown = repr(made)
    assert not [secret for secret in (private_key, SECRET, "PRIVATE") if secret in shown]
    assert SECRET not in repr(VONAGE)
    assert b64encode(b"abcd1234:sEcReT").decode() not in repr(VONAGE)


# --- The submit ----------------------------------------------------------------------------------------------------


def test_the_request() -> None:
    request = VONAGE.build(mt(text="Hé “x” \N{PILE OF POO} & \n"), NOON)
    assert (request.method, request.url) == ("POST", "https://api.nexmo.com/v1/messages")
    assert request.headers == {
        "Authorization": f"Basic {b64encode(b'abcd1234:sEcReT').decode()}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    assert request.body.isascii()
    assert json.loads(request.body) == {
        "to": "13012223333",
        "client_ref": "234234",
        "webhook_url": "https://us.example/hooks/v?id=234234",
        "webhook_version": "v1",
        "from": "12015550160",
        "text": "Hé “x” \N{PILE OF POO} & \n",
        "channel": "sms",
        "message_type": "text",
    }


@pytest.mark.parametrize(("sender", "written"), [("+12015550160", "12015550160"), ("12345", "12345"), ("Ex 1", "Ex 1")])
def test_senders(sender: str, written: str) -> None:
    assert json.loads(VONAGE.build(mt(sender=sender), NOON).body)["from"] == written


def test_without_a_receipt_url_none_is_asked_for() -> None:
    asked = json.loads(VONAGE.build(mt(receipt_url=""), NOON).body)
    assert not [name for name in asked if name.startswith("webhook")]


def test_a_token_is_signed_once_for_minutes_and_is_good_for_minutes_more(private_key: str) -> None:
    carrier = vonage({"application_id": UUID}, {"private_key": private_key, "signature_secret": SECRET})
    tokens: dict[str, list[int]] = {}
    for second in range(0, 900, 50):
        token = carrier.build(mt(), NOON + timedelta(seconds=second)).headers["Authorization"]
        tokens.setdefault(token, []).append(second)
    assert [(seconds[0], seconds[-1]) for seconds in tokens.values()] == [(0, 250), (300, 550), (600, 850)]
    assert len({jwt.decode(t.partition(" ")[2], options={"verify_signature": False})["jti"] for t in tokens}) == 3
    for token, seconds in tokens.items():
        claims = jwt.decode(token.partition(" ")[2], options={"verify_signature": False})
        began = int(NOON.timestamp())
        assert claims["iat"] <= began + seconds[0]
        assert claims["exp"] >= began + seconds[-1] + 600
    assert application_token(UUID, private_key, 0) is application_token(UUID, private_key, 0)


# --- The answer ----------------------------------------------------------------------------------------------------


def problem(code: str, detail: str = "Details.", title: str = "Title") -> bytes:
    kind = f"https://developer.vonage.com/api-errors/messages#{code}"
    return json.dumps({"type": kind, "title": title, "detail": detail, "instance": "bf0"}).encode()


def no(fate: Fate, reason: str, code: Code = Code.SEND_FAILED, *, limit: bool = False) -> Outcome:
    return Outcome(fate, reason=reason, code=code, limit=limit)


ANSWERS: Final = [
    (202, b'{"message_uuid": "m1"}', Outcome(Fate.TAKEN, ref="m1")),
    (200, b'{"message_uuid": "m1", "workflow_id": "w1"}', Outcome(Fate.TAKEN, ref="m1")),
    (202, b"", no(Fate.UNKNOWN, "HTTP 202 without an id")),
    (202, b"{}", no(Fate.UNKNOWN, "HTTP 202 without an id")),
    (202, b'{"message_uuid": ["m1"]}', no(Fate.UNKNOWN, "HTTP 202 without an id")),
    (202, b"<html>Welcome</html>", no(Fate.UNKNOWN, "HTTP 202 without an id")),
    (202, problem("1170"), no(Fate.UNKNOWN, "HTTP 202 without an id")),
    (422, problem("1170"), no(Fate.NEVER, "1170 Details.", Code.INVALID_PHONE)),
    (422, problem("1430"), no(Fate.NEVER, "1430 Details.", Code.INVALID_PHONE)),
    (422, problem("1040"), no(Fate.NEVER, "1040 Details.")),
    (422, problem("1240"), no(Fate.NEVER, "1240 Details.", Code.OPTED_OUT)),
    (422, problem("1050"), no(Fate.NEVER, "1050 Details.", Code.OPTED_OUT)),
    (422, problem("1120"), no(Fate.OTHER_SENDER, "1120 Details.")),
    (422, problem("1420"), no(Fate.OTHER_SENDER, "1420 Details.")),
    (422, problem("1000"), no(Fate.LATER, "1000 Details.", limit=True)),
    (422, problem("1100"), no(Fate.LATER, "1100 Details.")),
    (422, problem("1070"), no(Fate.STOP_CARRIER, "1070 Details.")),
    (422, problem("1150"), unexplained("1150 Details.")),
    (422, problem("9999", "d" * 500), unexplained(f"9999 {'d' * 250}")),
    (422, b'{"detail": "No valid JSON"}', unexplained("No valid JSON")),
    (400, b"", unexplained("HTTP 400")),
    (400, b"<html>", unexplained("HTTP 400")),
    (403, problem("1170"), no(Fate.NEVER, "1170 Details.", Code.INVALID_PHONE)),  # the number's fault, not the key's
    (403, problem("forbidden"), no(Fate.STOP_CARRIER, "forbidden Details.")),
    (403, b"", no(Fate.STOP_CARRIER, "HTTP 403")),
    (401, problem("unauthorized"), no(Fate.STOP_CARRIER, "unauthorized Details.")),
    (401, problem("unathorized"), no(Fate.STOP_CARRIER, "unathorized Details.")),  # so in their own description
    (402, problem("low-balance"), no(Fate.STOP_CARRIER, "low-balance Details.")),
    (402, b"{}", no(Fate.STOP_CARRIER, "HTTP 402")),
    (404, b"", no(Fate.STOP_CARRIER, "HTTP 404")),
    (429, b"", no(Fate.LATER, "throttled", limit=True)),
    (429, problem("throttled"), no(Fate.LATER, "throttled Details.", limit=True)),
    (500, problem("internal-error"), no(Fate.UNKNOWN, "HTTP 500")),
    (500, problem("1030"), no(Fate.UNKNOWN, "HTTP 500")),
    (503, problem("1000"), no(Fate.LATER, "1000 Details.", limit=True)),
    (503, b"", no(Fate.UNKNOWN, "HTTP 503")),
    (302, b'{"message_uuid": "m1"}', no(Fate.UNKNOWN, "HTTP 302")),
    (307, b"", no(Fate.STOP_CARRIER, "HTTP 307, a redirect")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "outcome"), ANSWERS)
def test_answers(status: int, body: bytes, outcome: Outcome) -> None:
    assert VONAGE.read(Response(status, body=body)) == outcome


def test_retry_after_is_heeded() -> None:
    for body in (b"", problem("1000")):
        outcome = VONAGE.read(Response(429, {"retry-after": "15"}, body))
        assert (outcome.fate, outcome.retry_after, outcome.limit) == (Fate.LATER, timedelta(seconds=15), True)


@pytest.mark.parametrize("fault", Fault)
def test_no_answer(fault: Fault) -> None:
    fate = Fate.UNKNOWN if fault in (Fault.TIMEOUT, Fault.CUT, Fault.OVERSIZED) else Fate.LATER
    assert VONAGE.read(Response(202, body=b'{"message_uuid": "m1"}', fault=fault)).fate is fate


# --- Webhooks: whose they are --------------------------------------------------------------------------------------


def claims(body: bytes, now: datetime = NOON, **given: object) -> dict[str, object]:
    return {
        "iat": int(now.timestamp()),
        "jti": UUID,
        "iss": "Vonage",
        "payload_hash": sha256(body).hexdigest(),
        "api_key": "abcd1234",
        "application_id": UUID,
    } | given


def signed(body: bytes, secret: str = SECRET, algorithm: str = "HS256", **given: object) -> Hook:
    token = jwt.encode(claims(body, **given), secret, algorithm=algorithm)  # type: ignore[arg-type]
    return Hook("POST", "https://us.example/hooks/v", headers={"authorization": f"Bearer {token}"}, body=body)


DELIVERED: Final = b'{"message_uuid":"m1","client_ref":"234234","status":"delivered","channel":"sms"}'
AT_NOON: Final = NOON.timestamp()
HOUR: Final = 3600
GENUINE: Final[Mapping[str, Hook]] = {
    "now": signed(DELIVERED),
    "tried again a day later": signed(DELIVERED, iat=AT_NOON - 24 * HOUR),
    "their clock is ahead": signed(DELIVERED, iat=AT_NOON + 299),
    "not over yet": signed(DELIVERED, exp=AT_NOON + 1),
    "hash in capitals": signed(DELIVERED, payload_hash=sha256(DELIVERED).hexdigest().upper()),
    "hash of the JSON without spaces": signed(
        b'{"message_uuid": "m1", "text": "\\u00e9 \xe2\x82\xac"}\n',
        payload_hash=sha256('{"message_uuid":"m1","text":"é €"}'.encode()).hexdigest(),
    ),
    "scheme in capitals": Hook(
        "POST", "", headers={"authorization": f"BEARER {jwt.encode(claims(DELIVERED), SECRET)}"}, body=DELIVERED
    ),
    "no body": signed(b""),
}


@pytest.mark.parametrize("hook", GENUINE.values(), ids=GENUINE)
def test_a_genuine_hook(hook: Hook) -> None:
    assert VONAGE.verify(hook, NOON)


def tokened(token: str, scheme: str = "Bearer", body: bytes = DELIVERED) -> Hook:
    return Hook("POST", "", headers={"authorization": f"{scheme} {token}"}, body=body)


def encoded(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_the_former_secret_signs_until_it_is_taken_away() -> None:
    former, new = SECRET, SECRET[::-1]
    changing = vonage(credentials=SECRETS | {"signature_secret": new, "signature_secret_before": former})
    for secret in (former, new):
        assert changing.verify(signed(DELIVERED, secret=secret), NOON)
    assert not changing.verify(signed(DELIVERED, secret=SECRET[1:] + "x"), NOON)


TOKEN: Final = jwt.encode(claims(DELIVERED), SECRET)
FORGED: Final[Mapping[str, Hook]] = {
    "no header": Hook("POST", "", body=DELIVERED),
    "an empty header": Hook("POST", "", headers={"authorization": ""}, body=DELIVERED),
    "no token": tokened(""),
    "another scheme": tokened(TOKEN, "Basic"),
    "the token alone": Hook("POST", "", headers={"authorization": TOKEN}, body=DELIVERED),
    "another secret": signed(DELIVERED, secret=SECRET[::-1]),
    "the secret in the open": tokened(SECRET),
    "another algorithm": signed(DELIVERED, secret=SECRET * 2, algorithm="HS512"),
    "no algorithm": tokened(jwt.encode(claims(DELIVERED), "", algorithm="none")),
    "no signature": tokened(TOKEN.rpartition(".")[0] + "."),
    "half a signature": tokened(TOKEN[:-20]),
    "two parts": tokened(TOKEN.rpartition(".")[0]),
    "no ASCII": tokened("\xff" * 64),
    "no UTF-8": tokened("\udcff"),
    "not claims": tokened(jwt.PyJWS().encode(b"[1]", SECRET)),
    "not JSON": tokened(jwt.PyJWS().encode(b"x", SECRET)),
    "deep JSON": tokened(jwt.PyJWS().encode(b"[" * 50_000, SECRET)),
    "another body": tokened(TOKEN, body=DELIVERED.replace(b"delivered", b"rejected")),
    "a body that is longer": tokened(TOKEN, body=DELIVERED + b"x"),
    "an empty body": tokened(TOKEN, body=b""),
    "a deep body": tokened(TOKEN, body=b"[" * 50_000),
    "half of a surrogate pair": tokened(TOKEN, body=b'"\\ud800"'),
    "no hash": signed(DELIVERED, payload_hash=""),
    "the hash is a list": signed(DELIVERED, payload_hash=[sha256(DELIVERED).hexdigest()]),
    "the hash is no text": signed(DELIVERED, payload_hash=None),
    "the header is another's": tokened(f"{encoded({'alg': 'RS256'})}.{TOKEN.partition('.')[2]}"),
    "too old": signed(DELIVERED, iat=AT_NOON - 26 * HOUR),
    "from the future": signed(DELIVERED, iat=AT_NOON + 301),
    "of no time": signed(DELIVERED, iat=None),
    "of no number": signed(DELIVERED, iat="now"),
    "of NaN": signed(DELIVERED, iat=float("nan")),
    "of true": signed(DELIVERED, iat=True),
    "over": signed(DELIVERED, exp=AT_NOON),
    "over some time": signed(DELIVERED, exp="later"),
}  # fmt: skip


@pytest.mark.parametrize("hook", FORGED.values(), ids=FORGED)
def test_a_forged_hook(hook: Hook) -> None:
    assert not VONAGE.verify(hook, NOON)


# --- Webhooks: what they tell --------------------------------------------------------------------------------------


def told(said: Mapping[str, object], **query: str) -> Hook:
    return Hook("POST", "", query, body=json.dumps(said).encode())


STATUS: Final[dict[str, object]] = {
    "message_uuid": "m1",
    "client_ref": "234234",
    "to": "13012223333",
    "from": "12015550160",
}
REJECTED: Final = STATUS | {"status": "rejected"}


def error(code: str, *, bare: bool = False) -> dict[str, object]:
    kind = "https://developer.vonage.com/api-errors/messages" + ("" if bare else f"#{code}")
    return {"error": {"type": kind, "title": code, "detail": "Why", "instance": "bf0"}}


def receipt(event: Event, reason: str, code: Code = Code.SEND_FAILED, *, filtered: bool = False) -> Receipt:
    return Receipt(event, "234234", "m1", reason, code, filtered)


TOLD: Final[list[tuple[dict[str, object], Receipt]]] = [
    (STATUS | {"status": "submitted"}, receipt(Event.SUBMIT, "submitted")),
    (STATUS | {"status": "delivered"}, receipt(Event.DELIVER, "delivered")),
    (STATUS | {"status": "read"}, receipt(Event.DELIVER, "read")),
    (STATUS | {"status": "undeliverable"}, receipt(Event.REFUSE, "undeliverable")),
    (REJECTED, receipt(Event.REFUSE, "rejected")),
    (REJECTED | {"error": None}, receipt(Event.REFUSE, "rejected")),
    (REJECTED | {"error": {"detail": "Why"}}, receipt(Event.REFUSE, "Why")),
    (REJECTED | error("1260"), receipt(Event.REFUSE, "1260 Why")),
    (REJECTED | error("1240"), receipt(Event.REFUSE, "1240 Why", Code.OPTED_OUT)),
    (REJECTED | error("1240", bare=True), receipt(Event.REFUSE, "1240 Why", Code.OPTED_OUT)),
    (REJECTED | error("1190"), receipt(Event.REFUSE, "1190 Why", Code.INVALID_PHONE)),
    (REJECTED | error("1000"), receipt(Event.REFUSE, "1000 Why")),
    (REJECTED | error("1210"), receipt(Event.REFUSE, "1210 Why", filtered=True)),
    (REJECTED | error("1120"), receipt(Event.REFUSE, "1120 Why", filtered=True)),
    (REJECTED | error("1490"), receipt(Event.SUBMIT, "1490 Why")),
    (STATUS | {"status": "submitted"} | error("1220"), receipt(Event.SUBMIT, "1220 Why")),
    (STATUS | {"status": "submitted"} | error("1210"), receipt(Event.SUBMIT, "1210 Why")),
]


@pytest.mark.parametrize(("said", "found"), TOLD)
def test_receipts(said: dict[str, object], found: Receipt) -> None:
    assert VONAGE.events(told(said)) == [found]
    assert VONAGE.events(told(said, id="another")) == [found], "what is signed goes before what is not"


def test_the_address_names_nothing_for_it_is_not_signed() -> None:
    [found] = VONAGE.events(told({"message_uuid": "m1", "status": "delivered"}, id="234234"))
    assert found == replace(receipt(Event.DELIVER, "delivered"), key="")
    with pytest.raises(Refusal):
        VONAGE.events(told({"status": "delivered"}, id="234234"))


def test_ids_are_cut_and_clean() -> None:
    said = {"message_uuid": "m\0\ud800" + "1" * 5000, "status": "delivered", "client_ref": "\0" + "9" * 5000}
    [found] = VONAGE.events(told(said))
    assert isinstance(found, Receipt)
    assert (found.key, found.ref) == ("9" * 64, "m" + "1" * 254)


@pytest.mark.parametrize("status", ["Delivered", "DELIVERED", "delivered ", "buffered", "unknown", "0", 7])
def test_a_status_that_is_not_known_tells_nothing(status: object) -> None:
    assert VONAGE.events(told(STATUS | {"status": status})) == []


INBOUND: Final[dict[str, object]] = {
    "channel": "sms",
    "message_uuid": "m2",
    "to": "12015550160",
    "from": "13012223333",
    "timestamp": "2026-11-22T12:00:00Z",
    "text": "Stop please",
    "sms": {"num_messages": "1", "keyword": "STOP"},
}


def test_a_reply() -> None:
    their_number, our_number = "13012223333", "12015550160"
    reply = Reply(their_number=their_number, our_number=our_number, text="Stop please", ref="m2", said_at=NOON)
    assert VONAGE.events(told(INBOUND)) == [reply]
    assert VONAGE.events(told(INBOUND | {"message_type": "text"})) == [reply]
    picture = {name: value for name, value in INBOUND.items() if name != "text"}
    captioned = picture | {"channel": "mms", "message_type": "image", "image": {"url": "u", "caption": "Stop please"}}
    assert VONAGE.events(told(captioned)) == [reply]
    assert VONAGE.events(told(picture)) == []


def test_a_reply_needs_no_more_than_who_wrote_what() -> None:
    reply = Reply(their_number="13012223333", our_number="", text="STOP")
    assert VONAGE.events(told({"channel": "sms", "from": "13012223333", "text": "STOP"})) == [reply]


UNREADABLE: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "a form": b"status=delivered&message_uuid=m1",
    "a list": b"[]",
    "a string": b'"delivered"',
    "no UTF-8": b'{"status": "\xff"}',
    "cut short": DELIVERED[:-1],
    "deep": b'{"a":' * 50_000,
    "a long number": b'{"status": ' + b"1" * 5000 + b"}",
    "no ids": b'{"status": "delivered"}',
    "no status": b'{"status": "", "message_uuid": "m1"}',
    "a status that is an object": b'{"status": {"a": 1}, "message_uuid": "m1"}',
    "neither": b"{}",
    "the older form of a message": json.dumps(
        {"message_uuid": "m", "to": {"type": "sms", "number": "1"}, "from": {"type": "sms", "number": "2"}}
    ).encode(),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as found:
        VONAGE.events(Hook("POST", "", body=body))
    assert found.value.http == 400


# --- Noise ---------------------------------------------------------------------------------------------------------

NAMES: Final = ["message_uuid", "status", "error", "type", "title", "from", "to", "text", "client_ref", "image"]
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
NOISE: Final = st.binary() | JSON.map(lambda value: json.dumps(value).encode())


@for_all(st.integers(0, 999), NOISE)
def test_noise_is_never_taken(status: int, body: bytes) -> None:
    if not 200 <= status < 300:
        assert VONAGE.read(Response(status, body=body)).fate is not Fate.TAKEN
    found = VONAGE.read(Response(202, body=body))
    assert (found.fate is Fate.TAKEN) is bool(found.ref)
    assert found.fate in (Fate.TAKEN, Fate.UNKNOWN)


@for_all(NOISE, st.text())
def test_noise_never_proves_itself_and_never_delivers(body: bytes, token: str) -> None:
    assert not VONAGE.verify(tokened(token, body=body), NOON)
    with suppress(Refusal):
        events = VONAGE.events(Hook("POST", "", {"id": "1"}, body=body))
        assert not [event for event in events if isinstance(event, Receipt) and event.event is Event.DELIVER]
