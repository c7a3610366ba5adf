"""A described provider: left what the description says and what the world does, right what is made of it."""

from __future__ import annotations

import hmac
import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest

from dispatcher.carriers.generic import Generic, Place, from_description
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import SettingsError
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import unexplained

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECRET: Final = 's3cret & {to} "quoted" <ß>'
CREDENTIALS: Final = {"token": SECRET}
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
URL: Final = "https://sms.example.com/v1/messages"
EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "generic.toml"


def short(value: object) -> str:
    """The id of a test with such a value."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:50]}... {len(text)}"


def generic(
    *,
    request: Mapping[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
    receipts: Mapping[str, Any] | None = None,
    replies: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str] = CREDENTIALS,
) -> Generic:
    """A provider; what is not said is ordinary."""
    described: dict[str, Any] = {"request": {"url": URL} | dict(request or {}), "answer": dict(answer or {})}
    if receipts is not None:
        described["receipts"] = receipts
    if replies is not None:
        described["replies"] = replies
    return from_description(described, credentials)


def mt(text: str = "Join me", **given: Any) -> Submission:
    values: dict[str, Any] = {"key": "234234", "sender": "+12015550160", "to": "+13012223333", "segments": 1}
    return Submission(text=text, **(values | {"receipt_url": "https://us.example/hooks/x?id=234234"} | given))


# --- The submit ----------------------------------------------------------------------------------------------------

HOSTILE: Final = [
    "Join me: https://x.y/?a=b&c=d#e",
    "100% + 1 = \\ / ; , ' \" ` ~ ^ | $ * ? [ ] ( ) ! @",
    'a", "to": "+19005550100", "x": "',
    "a&to=%2B19005550100&from=x",
    "</text><to>+19005550100</to><text>",
    '" to="+19005550100" x="',
    "' to='+19005550100' x='",
    "]]> <!-- <![CDATA[ &lt; &amp;amp; &#x41;",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "{to} {token} {text} {{key}} {unknown} %(to)s ${to} <to>",
    "tab\tline\nend",
    "\N{PILE OF POO}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "\N{RIGHT-TO-LEFT OVERRIDE}הצטרפו אליי",
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ €[]{}\\^~|",
    "\N{ZERO WIDTH NO-BREAK SPACE}\N{LINE SEPARATOR}\N{REPLACEMENT CHARACTER}",
    " ",
    "x" * 1600,
]
hostile = pytest.mark.parametrize("text", HOSTILE, ids=short)
FIELDS: Final = ("to", "to_digits", "from", "from_digits", "text", "key", "segments", "receipt_url", "token")
VALUES: Final = {
    "to": "+13012223333", "to_digits": "13012223333", "from": "+12015550160", "from_digits": "12015550160",
    "key": "234234", "segments": "1", "receipt_url": "https://us.example/hooks/x?id=234234", "token": SECRET,
}  # fmt: skip


@hostile
def test_a_form(text: str) -> None:
    request = generic(request={"body": "&".join(f"{name}={{{name}}}" for name in FIELDS)}).build(mt(text), NOON)
    assert request.headers["Content-Type"] == FORM
    assert request.body.isascii()
    assert parse_qsl(request.body.decode(), strict_parsing=True) == [(n, (VALUES | {"text": text})[n]) for n in FIELDS]


@hostile
def test_json(text: str) -> None:
    body = "{" + ", ".join(f'"{name}": "{{{name}}}"' for name in FIELDS) + ', "deep": [{"x": "a {text} z"}]}'
    request = generic(request={"content_type": JSON, "body": body}).build(mt(text), NOON)
    assert request.headers["Content-Type"] == JSON
    assert json.loads(request.body) == VALUES | {"text": text, "deep": [{"x": f"a {text} z"}]}


@pytest.mark.parametrize("kind", ["application/xml", "text/xml"])
@hostile
def test_xml(text: str, kind: str) -> None:
    inside = "".join(f"<{name}>{{{name}}}</{name}>" for name in FIELDS)
    request = generic(request={"content_type": kind, "body": f"<sms>{inside}</sms>"}).build(mt(text), NOON)
    read = ElementTree.fromstring(request.body)  # noqa: S314 (our own words)
    assert {part.tag: part.text for part in read} == VALUES | {"text": text}


@pytest.mark.parametrize("quote", ['"', "'"])
@hostile
def test_attributes_of_xml(text: str, quote: str) -> None:
    """A text that closes its attribute could name another recipient."""
    body = f"<sms text={quote}{{text}}{quote} to='{{to}}'/>"
    request = generic(request={"content_type": "text/xml", "body": body}).build(mt(text), NOON)
    read = ElementTree.fromstring(request.body)  # noqa: S314 (our own words)
    seen = {text, re.sub(r"[\t\n]", " ", text)}  # XML 1.0, 3.3.3: unless such a character is written as a reference
    assert read.attrib.keys() == {"text", "to"}
    assert read.attrib["text"] in seen
    assert read.attrib["to"] == "+13012223333"


@pytest.mark.parametrize(
    "kind", [f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8", "Application/JSON", " application/json"]
)
def test_a_content_type_written_otherwise_escapes_alike_or_is_refused(kind: str) -> None:
    text = 'a", "to": "+19005550100", "x": "'
    try:
        carrier = generic(request={"content_type": kind, "body": '{"text": "{text}"}'})
    except SettingsError as error:
        assert "request.content_type" in str(error)  # noqa: PT017 (either is right)
        return
    assert json.loads(carrier.build(mt(text), NOON).body) == {"text": text}


@pytest.mark.parametrize("char", ["\x01", "\x07", "\x0c", "\x1b", "\ufffe", "\uffff"], ids=ascii)
def test_what_xml_cannot_hold_is_left_out(char: str) -> None:
    carrier = generic(request={"content_type": "text/xml", "body": "<t>{text}</t>"})
    read = ElementTree.fromstring(carrier.build(mt(f"a{char}b"), NOON).body)  # noqa: S314 (our own words)
    assert read.text in ("ab", "a b", "a\N{REPLACEMENT CHARACTER}b")


@hostile
def test_the_url(text: str) -> None:
    url = URL + "/{key}/{text}?to={to}&text={text}&token={token}"
    request = generic(request={"method": "get", "url": url}).build(mt(text), NOON)
    assert (request.method, request.body, dict(request.headers)) == ("GET", b"", {})
    assert re.fullmatch(r"[!-~]+", request.url)
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "sms.example.com", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "v1", "messages", "234234", text]
    assert parse_qsl(parts.query, strict_parsing=True) == [("to", "+13012223333"), ("text", text), ("token", SECRET)]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a b", "a b"),
        ("a\r\nX-Evil: 1", "aX-Evil: 1"),
        ("a\nb\tc\x00d\x1be", "abcde"),
        ("a\N{LINE SEPARATOR}b\x85c", "abc"),
        ("{token}", "{token}"),
    ],
)
def test_headers(text: str, header: str) -> None:
    carrier = generic(request={"headers": {"X-Text": "<{text}>", "Authorization": "Bearer {token}", "X": "{unknown"}})
    headers = carrier.build(mt(text), NOON).headers
    assert dict(headers) == {"X-Text": f"<{header}>", "Authorization": f"Bearer {SECRET}", "X": "{unknown"}


def test_a_credential_never_takes_the_place_of_the_message() -> None:
    """A credential that is called like a value would send the secret to everybody as the text."""
    for name in ("to", "text", "from", "key"):
        with pytest.raises(SettingsError, match=f"credentials.{name}"):
            generic(request={"body": f"x={{{name}}}"}, credentials={name: SECRET})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "post"])
def test_methods(method: str) -> None:
    assert generic(request={"method": method}).build(mt(), NOON).method == method.upper()


SHOWN: Final = {"token": "hunter2"}


def test_no_repr_shows_a_credential() -> None:
    url = "https://sms.example.com/{token}/send?password={token}"
    headers = {"Authorization": "Bearer {token}"}
    carrier = generic(
        request={"url": url, "headers": headers, "body": "token={token}"}, credentials={"token": "hunter2"}
    )
    request = carrier.build(mt(), NOON)
    for shown in (carrier, request, [carrier], {"x": request}):
        assert "hunter2" not in repr(shown)
        assert "hunter2" not in str(shown)
    assert "sms.example.com" in repr(carrier)


def test_no_repr_of_a_hook_shows_what_proves_it() -> None:
    asked = Hook(
        "GET", "https://us.example/hooks/x?token=hunter2", {"token": "hunter2"}, {"x-token": "hunter2"}, b"hunter2"
    )
    assert "hunter2" not in repr(asked)


# --- What became of it ---------------------------------------------------------------------------------------------

ANSWER: Final = {
    "taken": [200, 202],
    "id": "json:message.id",
    "refused": [
        {"status": 400, "where": "json:error.code", "equals": ["invalid", "unallocated", 21211], "code": 123},
        {"status": 400, "where": "json:error.code", "equals": "opted_out", "code": 127, "reason": "json:error.text"},
        {"where": "json:error.code", "equals": 30006, "code": 125},
        {"where": "json:ok", "equals": "false", "fate": "later", "retry_seconds": 90},
        {"status": 402, "fate": "stop_carrier", "reason": "json:error.text"},
        {"status": 409, "fate": "unknown"},
        {"status": 420, "fate": "later"},
        {"status": 430, "where": "header:X-Why", "equals": "sender", "fate": "other_sender"},
    ],
}


def no_id(status: int) -> Outcome:
    return Outcome(Fate.UNKNOWN, reason=f"HTTP {status} without an id")


def never(reason: str, code: Code = Code.SEND_FAILED) -> Outcome:
    return Outcome(Fate.NEVER, reason=reason, code=code)


def later(reason: str, seconds: float | None = None) -> Outcome:
    again = None if seconds is None else timedelta(seconds=seconds)
    return Outcome(Fate.LATER, reason=reason, retry_after=again, limit=True)


NO_IDS: Final = (b"false", b"true", b"{}", b"[]", b'" "', b"0", b"-1", b"0.5")
OUTCOMES: Final[list[tuple[Response, Outcome]]] = [
    (Response(200, body=b'{"message": {"id": "m1"}}'), Outcome(Fate.TAKEN, ref="m1")),
    (Response(202, body=b'{"message": {"id": 7}}'), Outcome(Fate.TAKEN, ref="7")),
    *((Response(200, body=b'{"message": {"id": %b}}' % found), no_id(200)) for found in NO_IDS),
    (Response(200, body=b'{"message": {"id": "' + b"m" * 999 + b'"}}'), Outcome(Fate.TAKEN, ref="m" * 255)),
    (Response(200, body=b'{"message": {"id": ""}}'), no_id(200)),
    (Response(200, body=b'{"message": {"id": null}}'), no_id(200)),
    (Response(200, body=b'{"message": "m1"}'), no_id(200)),
    (Response(200, body=b""), no_id(200)),
    (Response(200, body=b"\xff\xfe"), no_id(200)),
    (Response(200, body=b"[" * 60_000), no_id(200)),
    (Response(200, body=b"<html>"), no_id(200)),
    (Response(200, body=b'{"message": {"id": ' + b"1" * 5000 + b"}}"), no_id(200)),
    (Response(204), Outcome(Fate.UNKNOWN, reason="HTTP 204")),
    (Response(201, body=b'{"message": {"id": "m1"}}'), Outcome(Fate.UNKNOWN, reason="HTTP 201")),
    (Response(400, body=b'{"error": {"code": "invalid"}}'), never("invalid", Code.INVALID_PHONE)),
    (Response(400, body=b'{"error": {"code": 21211}}'), never("21211", Code.INVALID_PHONE)),
    (
        Response(400, body=b'{"error": {"code": "opted_out", "text": "STOP"}}'),
        never("STOP", Code.OPTED_OUT),
    ),
    (Response(400, body=b'{"error": {"code": "opted_out"}}'), never("HTTP 400", Code.OPTED_OUT)),
    (Response(400, body=b'{"error": {"code": "other"}}'), unexplained("HTTP 400")),
    (Response(400), unexplained("HTTP 400")),
    (Response(404), Outcome(Fate.STOP_CARRIER, reason="HTTP 404")),
    (Response(200, body=b'{"error": {"code": 30006}}'), never("30006", Code.NOT_MOBILE)),
    (Response(500, body=b'{"error": {"code": "30006"}}'), never("30006", Code.NOT_MOBILE)),
    (
        Response(200, body=b'{"ok": false}'),
        later("false", 90),
    ),
    (
        Response(200, {"retry-after": "5"}, b'{"ok": false}'),
        later("false", 5),
    ),
    (Response(402, body=b'{"error": {"text": "no money"}}'), Outcome(Fate.STOP_CARRIER, reason="no money")),
    (Response(402), Outcome(Fate.STOP_CARRIER, reason="HTTP 402")),
    (Response(409), Outcome(Fate.UNKNOWN, reason="HTTP 409")),
    (Response(420), later("HTTP 420")),
    (Response(430, {"x-why": "sender"}), Outcome(Fate.OTHER_SENDER, reason="sender")),
    (Response(430, {"x-why": "else"}), unexplained("HTTP 430")),
    (Response(401), Outcome(Fate.STOP_CARRIER, reason="HTTP 401")),
    (Response(403, body=b'{"message": {"id": "m1"}}'), Outcome(Fate.STOP_CARRIER, reason="HTTP 403")),
    (Response(307), Outcome(Fate.STOP_CARRIER, reason="HTTP 307, a redirect")),
    (Response(303), Outcome(Fate.UNKNOWN, reason="HTTP 303")),
    (Response(429), later("throttled")),
    (Response(429, {"retry-after": "7"}), later("throttled", 7)),
    (Response(500), Outcome(Fate.UNKNOWN, reason="HTTP 500")),
    (Response(503), Outcome(Fate.UNKNOWN, reason="HTTP 503")),
    (Response(503, {"retry-after": "7"}), later("HTTP 503", 7)),
    (Response(fault=Fault.UNREACHABLE, detail="refused"), Outcome(Fate.LATER, reason="refused")),
    (Response(fault=Fault.UNSENT), later("unsent")),
    (Response(fault=Fault.TIMEOUT), Outcome(Fate.UNKNOWN, reason="timeout")),
    (Response(fault=Fault.CUT, detail="reset"), Outcome(Fate.UNKNOWN, reason="reset")),
    (
        Response(400, {}, b'{"error": {"code": "invalid"}}', Fault.OVERSIZED),
        Outcome(Fate.UNKNOWN, reason="oversized"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("response", "outcome"), OUTCOMES)
def test_read(response: Response, outcome: Outcome) -> None:
    assert generic(answer=ANSWER).read(response) == outcome


WITHOUT_ID: Final = [(200, Fate.TAKEN), (201, Fate.TAKEN), (202, Fate.TAKEN), (203, Fate.UNKNOWN), (400, Fate.NEVER)]


@pytest.mark.parametrize(("status", "fate"), WITHOUT_ID)
def test_a_provider_that_gives_no_id(status: int, fate: Fate) -> None:
    assert generic().read(Response(status, body=b"\xff")).fate is fate


@pytest.mark.parametrize("status", [303, 301, 403, 429, 503, 599])
def test_a_status_that_is_described_as_taken_is_no_trouble(status: int) -> None:
    """Such as 303 after a POST (See Other): taken for a redirect, each message would be sent again and again."""
    carrier = generic(answer={"taken": [status], "id": "header:location"})
    answered = {"location": "/m1", "retry-after": "7"}
    assert carrier.read(Response(status, answered)) == Outcome(Fate.TAKEN, ref="/m1")
    assert carrier.read(Response(status)) == no_id(status)
    assert carrier.read(Response(status, answered, fault=Fault.OVERSIZED)).fate is Fate.UNKNOWN
    refused = [{"status": status, "where": "header:location", "equals": "/login", "fate": "stop_carrier"}]
    carrier = generic(answer={"taken": [status], "refused": refused})
    assert carrier.read(Response(status, {"location": "/login"})) == Outcome(Fate.STOP_CARRIER, reason="/login")


def test_the_first_refusal_that_fits_counts() -> None:
    refused = [{"status": 400, "code": 125}, {"status": 400, "where": "json:x", "equals": "y", "code": 127}]
    assert generic(answer={"refused": refused}).read(Response(400, body=b'{"x": "y"}')).code is Code.NOT_MOBILE


@pytest.mark.parametrize(
    "body",
    [b'{"id": "a\\u0000b"}', b'{"id": "\\u0000"}', b'{"id": "\\ud800"}', b'{"id": "a\\udfff"}'],
    ids=short,
)
def test_what_no_database_can_keep_never_leaves_a_carriers_file(body: bytes) -> None:
    """An id or a reason with NUL or half a surrogate pair could not be settled, and the row would stay in doubt."""
    answer = {"id": "json:id", "refused": [{"status": 400, "reason": "json:id"}]}
    for outcome in (generic(answer=answer).read(Response(status, body=body)) for status in (200, 400)):
        for text in (outcome.ref, outcome.reason):
            assert "\0" not in text
            assert text.encode().decode() == text


PLACES: Final = [
    ("json:a", b'{"a": "x"}', "x"),
    ("json:a.b", b'{"a": {"b": 1.5}}', "1.5"),
    ("json:a.0.b", b'{"a": [{"b": true}]}', "true"),
    ("json:a.1", b'{"a": ["x", "y"]}', "y"),
    ("json:a.2", b'{"a": ["x", "y"]}', ""),
    ("json:a.b", b'{"a": ["x"]}', ""),
    ("json:0", b'["x"]', "x"),
    ("json:0", b'{"0": "x"}', "x"),
    ("json:a", b'{"a": false}', "false"),
    ("json:a", b'{"a": 0}', "0"),
    ("json:a", b'{"a": null}', ""),
    ("json:a.b.c", b'{"a": "x"}', ""),
    ("json:a", b"\xff", ""),
    ("json:a", b"", ""),
    ("json:a:b", b'{"a:b": "x"}', "x"),
    ("json:ключ", '{"ключ": "да"}'.encode(), "да"),
    ("form:a", b"a=1+2%263&b=", "1 2&3"),
    ("form:b", b"a=1&b=", ""),
    ("form:c", b"a=1", ""),
    ("form:a", b"a=%ff", "\N{REPLACEMENT CHARACTER}"),
    ("form:a", b"\xff=1&a=2", "2"),
    ("regex:^0: (.*)$", b"0: Accepted for delivery", "Accepted for delivery"),
    ("regex:id=([0-9]+)", b"ok id=77 id=78", "77"),
    ("regex:(x)|y", b"y", ""),
    ("regex:id=([0-9]+)", b"\xff id=7", "7"),
    ("regex:(z)", b"a" * 70_000 + b"z", ""),
    ("header:X-Id", b"", "h"),
    ("header:x-id", b"", "h"),
    ("header:X-No", b"", ""),
    ("query:id", b"", "q"),
    ("query:ID", b"", ""),
]


@pytest.mark.parametrize(("place", "body", "found"), PLACES, ids=short)
def test_places(place: str, body: bytes, found: str) -> None:
    assert Place.of(place, "x").find({"x-id": "h"}, body, {"id": "q"}) == found


# --- Hooks ---------------------------------------------------------------------------------------------------------

WORDS: Final = {
    "key": "query:id",
    "ref": "json:id",
    "status": "json:status",
    "reason": "json:error",
    "delivered": ["delivered", "read"],
    "failed": ["failed", 3],
    "accepted": ["sent"],
    "codes": {"landline": 125, "404": 123},
}
BODY: Final = b'{"status": "delivered"}'


def hears(verify: Mapping[str, str] | str, credentials: Mapping[str, str] = CREDENTIALS) -> Generic:
    return generic(receipts=WORDS | {"verify": verify}, credentials=credentials)


def hook(body: bytes = BODY, query: Mapping[str, str] | None = None, **headers: str) -> Hook:
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Hook("POST", "https://us.example/hooks/x", dict(query or {}), named, body)


def signature(name: str = "sha256", body: bytes = BODY, key: str = SECRET) -> bytes:
    return hmac.new(key.encode(), body, name).digest()


HEADER: Final = {"by": "header", "name": "X-Token", "credential": "token"}
QUERY: Final = {"by": "query", "name": "Token", "credential": "token"}
HMAC: Final = {"by": "hmac", "name": "X-Signature", "credential": "token"}
VERIFIED: Final[list[tuple[Mapping[str, str] | str, Hook, bool]]] = [
    (HEADER, hook(X_Token=SECRET), True),
    (HEADER, hook(X_Token=SECRET + " "), False),
    (HEADER, hook(X_Token=""), False),
    (HEADER, hook(), False),
    (HEADER, hook(query={"X-Token": SECRET}), False),
    (HEADER, hook(X_Token="\xff\N{PILE OF POO}"), False),
    (QUERY, hook(query={"Token": SECRET}), True),
    (QUERY, hook(query={"token": SECRET}), False),
    (QUERY, hook(query={"Token": ""}), False),
    (QUERY, hook(Token=SECRET), False),
    (QUERY, hook(), False),
    (HMAC, hook(X_Signature=signature().hex()), True),
    (HMAC, hook(X_Signature=f"sha256={signature().hex()}"), True),
    (HMAC, hook(X_Signature=b64encode(signature()).decode()), True),
    (HMAC, hook(X_Signature=signature("sha1").hex()), False),
    (HMAC, hook(X_Signature=signature(key="").hex()), False),
    (HMAC, hook(X_Signature=signature(body=b"").hex()), False),
    (HMAC, hook(BODY + b" ", X_Signature=signature().hex()), False),
    (HMAC, hook(X_Signature=signature().hex()[:-1]), False),
    (HMAC, hook(X_Signature=SECRET), False),
    (HMAC, hook(X_Signature=""), False),
    (HMAC, hook(X_Signature="="), False),
    (HMAC, hook(X_Signature="sha256="), False),
    (HMAC, hook(), False),
    (HMAC | {"hash": "sha1"}, hook(X_Signature=signature("sha1").hex()), True),
    (HMAC | {"hash": "sha512"}, hook(X_Signature=b64encode(signature("sha512")).decode()), True),
    ("none", hook(), True),
]


@pytest.mark.parametrize(("verify", "asked", "genuine"), VERIFIED)
def test_verify(verify: Mapping[str, str] | str, asked: Hook, genuine: bool) -> None:
    assert hears(verify).verify(asked, NOON) is genuine


def test_without_a_demand_no_hook_is_genuine() -> None:
    assert not generic().verify(hook(X_Token=SECRET), NOON)


@pytest.mark.parametrize("verify", [HEADER, QUERY, HMAC], ids=lambda verify: verify["by"])
def test_what_was_proven_by_the_former_credential_is_genuine_while_it_changes(verify: Mapping[str, str]) -> None:
    changing = hears({**verify, "before": "former"}, {"token": "new", "former": SECRET})
    genuine = [asked for each, asked, genuine in VERIFIED if genuine and each == verify]
    assert genuine
    for asked in genuine:
        assert changing.verify(asked, NOON)
        assert hears(verify).verify(asked, NOON)
        assert not hears(verify, {"token": "new"}).verify(asked, NOON)


@pytest.mark.parametrize("verify", [HEADER, QUERY, HMAC], ids=lambda verify: verify["by"])
def test_an_empty_credential_proves_nothing(verify: Mapping[str, str]) -> None:
    """A variable that is set to nothing, an empty file: whoever sends nothing must not be believed."""
    asked = hook(X_Signature=signature(key="").hex())
    try:
        assert not hears(verify, {"token": ""}).verify(asked, NOON)
    except SettingsError as error:
        assert "credential" in str(error)  # noqa: PT017 (either is right)


EVENTS: Final[list[tuple[bytes, str, list[Receipt]]]] = [
    (b'{"status": "delivered"}', "7", [Receipt(Event.DELIVER, "7", "", "delivered")]),
    (b'{"status": "read", "id": "r"}', "", [Receipt(Event.DELIVER, "", "r", "read")]),
    (b'{"status": "failed", "id": "r"}', "7", [Receipt(Event.REFUSE, "7", "r", "failed")]),
    (b'{"status": "failed", "error": "x"}', "7", [Receipt(Event.REFUSE, "7", "", "x")]),
    (b'{"status": 3, "error": "landline"}', "7", [Receipt(Event.REFUSE, "7", "", "landline", Code.NOT_MOBILE)]),
    (b'{"status": "failed", "error": 404}', "7", [Receipt(Event.REFUSE, "7", "", "404", Code.INVALID_PHONE)]),
    (b'{"status": "sent"}', "7", [Receipt(Event.SUBMIT, "7", "", "sent")]),
    (b'{"status": "queued"}', "7", []),
    (b'{"status": "DELIVERED"}', "7", []),
    (b'{"status": "delivered", "id": "' + b"r" * 999 + b'"}', "", [Receipt(Event.DELIVER, "", "r" * 255, "delivered")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "key", "receipts"), EVENTS, ids=short)
def test_events(body: bytes, key: str, receipts: list[Receipt]) -> None:
    assert hears("none").events(hook(body, {"id": key})) == receipts


UNREAD: Final = [b"", b"{}", b"[]", b"\xff", b'{"status": ""}', b'{"status": null}', b"[" * 60_000]


@pytest.mark.parametrize("body", UNREAD, ids=short)
def test_hooks_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as raised:
        hears("none").events(hook(body, {"id": "7"}))
    assert (raised.value.http, raised.value.code) == (400, 400)


def test_a_hook_without_an_id() -> None:
    with pytest.raises(Refusal, match="id"):
        hears("none").events(hook())
    for none in NO_IDS:
        with pytest.raises(Refusal, match="id"):
            hears("none").events(hook(b'{"status": "delivered", "id": %b}' % none, {"id": " "}))


def test_a_provider_that_never_reports() -> None:
    with pytest.raises(Refusal):
        generic().events(hook())


# --- The description -----------------------------------------------------------------------------------------------

ADDRESS: Final = {"url": URL}
SAYS: Final = {"their_number": "json:from", "our_number": "form:to", "text": "query:text", "ref": "header:X-Id"}
HEARS: Final = {"ref": "json:id", "status": "json:status", "verify": "none"}


def refusal(**given: object) -> dict[str, Any]:
    return {"answer": {"refused": [{"status": 400, **given}]}}


WRONG: Final[list[tuple[dict[str, Any], str]]] = [
    ({"requests": {}}, "requests: unknown; allowed are answer, credentials, receipts, replies, request"),
    ({"replies": SAYS}, "replies.verify: must be a table"),
    ({"replies": SAYS | {"verify": "none", "from": "json:from"}}, "replies.from: unknown"),
    ({"replies": {"text": "json:text", "verify": "none"}}, "replies: needs their_number, our_number and text"),
    ({"replies": SAYS | {"text": "body", "verify": "none"}}, "replies.text:"),
    ({"replies": SAYS | {"verify": {"by": "header"}}}, "replies.verify: needs by"),
    ({"replies": SAYS | {"verify": "none"}, "receipts": HEARS}, "replies.verify: is told by receipts.verify"),
    ({"request": "https://x.y"}, "request:"),
    ({"request": [ADDRESS]}, "request:"),
    ({"request": ADDRESS | {"uri": "x"}}, "request.uri: unknown"),
    ({"request": {}}, "request.url:"),
    ({"request": {"url": ""}}, "request.url:"),
    ({"request": {"url": "ftp://x.y/"}}, "request.url:"),
    ({"request": {"url": "https://"}}, "request.url:"),
    ({"request": {"url": "https:///path"}}, "request.url:"),
    ({"request": {"url": "https://{to}.example.com/"}}, "request.url:"),
    ({"request": {"url": "https://x.y:{key}/"}}, "request.url:"),
    ({"request": {"url": 7}}, "request.url:"),
    ({"request": ADDRESS | {"method": "DELETE"}}, "request.method: must be one of GET, POST, PUT, PATCH"),
    ({"request": ADDRESS | {"method": ""}}, "request.method:"),
    ({"request": ADDRESS | {"content_type": "text/plain", "body": "{text}"}}, "request.content_type:"),
    ({"request": ADDRESS | {"body": "{secret}"}}, "body names {secret}"),
    ({"request": ADDRESS | {"body": ["{text}"]}}, "request.body:"),
    ({"request": {"url": "https://x.y/?a={secret}"}}, "url names {secret}"),
    ({"request": ADDRESS | {"headers": {"X": "{secret}"}}}, "X names {secret}"),
    ({"request": ADDRESS | {"headers": "X: y"}}, "request.headers:"),
    ({"request": ADDRESS | {"headers": ["X: y"]}}, "request.headers:"),
    ({"answer": []}, "answer:"),
    ({"answer": {"ids": "json:x"}}, "answer.ids: unknown"),
    ({"answer": {"id": "x"}}, "answer.id: must be json:, form:, query:, header: or regex: and a path"),
    ({"answer": {"id": "xpath:x"}}, "answer.id:"),
    ({"answer": {"id": "json:"}}, "answer.id:"),
    ({"answer": {"id": ["json:x"]}}, "answer.id:"),
    ({"answer": {"id": "regex:("}}, "answer.id:"),
    ({"answer": {"id": "regex:x"}}, "answer.id: the pattern needs a group"),
    ({"answer": {"taken": ["ok"]}}, "answer.taken:"),
    ({"answer": {"taken": [2000]}}, "answer.taken:"),
    ({"answer": {"refused": {"status": 400}}}, "answer.refused:"),
    ({"answer": {"refused": "400"}}, "answer.refused:"),
    ({"answer": {"refused": [400]}}, "answer.refused[0]:"),
    (refusal(why=1), "why: unknown"),
    ({"answer": {"refused": [{"status": 400}, {}]}}, "answer.refused[1]: needs a status, or where and equals"),
    (refusal(where="json:x"), "answer.refused[0]: where and equals go together"),
    (refusal(equals="x"), "answer.refused[0]: where and equals go together"),
    ({"answer": {"refused": [{"where": "x", "equals": "y"}]}}, "answer.refused[0].where:"),
    (refusal(reason="x"), "answer.refused[0].reason:"),
    (refusal(fate="lost"), "answer.refused[0].fate: must be one of"),
    (refusal(fate="taken"), "answer.refused[0].fate:"),
    ({"answer": {"refused": [{"status": "bad"}]}}, "answer.refused[0].status:"),
    (refusal(code=128), "answer.refused[0].code: must be one of 123, 124, 125, 127"),
    (refusal(code="123"), "answer.refused[0].code: must be one of"),
    (refusal(code=[123]), "answer.refused[0].code: must be one of"),
    (refusal(retry_seconds="soon"), "answer.refused[0].retry_seconds:"),
    (refusal(retry_seconds=-1), "answer.refused[0].retry_seconds:"),
    (refusal(retry_seconds=float("nan")), "answer.refused[0].retry_seconds:"),
    (refusal(retry_seconds=float("inf")), "answer.refused[0].retry_seconds:"),
    ({"receipts": "none"}, "receipts:"),
    ({"receipts": HEARS | {"word": "x"}}, "receipts.word: unknown"),
    ({"receipts": {"status": "json:x", "verify": "none"}}, "receipts: needs status, and key or ref"),
    ({"receipts": {"key": "query:id", "verify": "none"}}, "receipts: needs status, and key or ref"),
    ({"receipts": HEARS | {"status": "x"}}, "receipts.status:"),
    ({"receipts": {"ref": "json:id", "status": "json:status"}}, "receipts.verify:"),
    ({"receipts": HEARS | {"verify": "maybe"}}, "receipts.verify:"),
    ({"receipts": HEARS | {"verify": {"by": "header"}}}, "receipts.verify: needs by"),
    ({"receipts": HEARS | {"verify": HEADER | {"by": "ip"}}}, "receipts.verify: needs by"),
    ({"receipts": HEARS | {"verify": HEADER | {"name": ""}}}, "receipts.verify: needs by"),
    ({"receipts": HEARS | {"verify": HEADER | {"name": ["X"]}}}, "receipts.verify.name:"),
    ({"receipts": HEARS | {"verify": HEADER | {"credential": "nobody"}}}, "receipts.verify.credential: must name"),
    ({"receipts": HEARS | {"verify": HEADER | {"before": "nobody"}}}, "receipts.verify.before: must name"),
    ({"receipts": HEARS | {"verify": HEADER | {"secret": "x"}}}, "receipts.verify.secret: unknown"),
    ({"receipts": HEARS | {"verify": HMAC | {"hash": "md5"}}}, "receipts.verify.hash: must be sha1, sha256 or sha512"),
    ({"receipts": HEARS | {"failed": 7}}, "receipts.failed:"),
    ({"receipts": HEARS | {"codes": ["x"]}}, "receipts.codes:"),
    ({"receipts": HEARS | {"codes": {"x": 1}}}, "receipts.codes.x: must be one of 123, 124, 125, 127"),
    ({"receipts": HEARS | {"codes": {"x": "landline"}}}, "receipts.codes.x: must be one of"),
]  # fmt: skip


@pytest.mark.parametrize(("described", "sentence"), WRONG)
def test_a_description_that_cannot_work(described: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_description({"request": ADDRESS} | described, CREDENTIALS)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_one_word_where_a_list_is_wanted_is_that_word_or_refused() -> None:
    """`--set` writes nothing but words, and a word taken apart into its letters would mean something else."""
    carrier = generic(answer={"refused": [{"where": "json:x", "equals": "y"}]})
    assert carrier.read(Response(200, body=b'{"x": "y"}')) == never("y")
    for taken in (200, "200"):
        try:
            assert generic(answer={"taken": taken}).read(Response(200)).fate is Fate.TAKEN
        except SettingsError as error:
            assert str(error).startswith("answer.taken:")  # noqa: PT017 (either is right)
    try:
        carrier = generic(receipts=WORDS | {"verify": "none", "delivered": "delivered"})
        assert carrier.events(hook(query={"id": "7"})) == [Receipt(Event.DELIVER, "7", "", "delivered")]
    except SettingsError as error:
        assert str(error).startswith("receipts.delivered:")  # noqa: PT017


def test_the_example_works_as_it_is() -> None:
    described = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    carrier = from_description(described, dict.fromkeys(described["credentials"], "t0ken"))
    request = carrier.build(mt('Join "me"'), NOON)
    assert (request.method, request.headers["Authorization"]) == ("POST", "Bearer t0ken")
    assert json.loads(request.body)["text"] == 'Join "me"'
    assert carrier.read(Response(201, body=b'{"message": {"id": "m1"}}')) == Outcome(Fate.TAKEN, ref="m1")
    assert carrier.verify(hook(X_Webhook_Token="t0ken"), NOON)
    assert carrier.events(hook(b'{"message": {"id": "m1", "status": "rejected", "error": "landline"}}')) == [
        Receipt(Event.REFUSE, "", "m1", "landline", Code.NOT_MOBILE)
    ]


# --- Replies -------------------------------------------------------------------------------------------------------

OF_REPLIES: Final = {"their_number": "json:from", "our_number": "json:to", "text": "json:text", "ref": "json:id"}


@pytest.mark.parametrize("receipts", [None, WORDS | {"verify": "none"}], ids=["alone", "beside receipts"])
def test_what_people_answer(receipts: Mapping[str, Any] | None) -> None:
    carrier = generic(receipts=receipts, replies=OF_REPLIES | ({} if receipts else {"verify": "none"}))
    body = json.dumps({"from": "13012223333", "to": 42420, "text": "Stop\n", "id": 7}).encode()
    assert carrier.verify(hook(body, {}), NOON)
    assert carrier.events(hook(body, {})) == [
        Reply(their_number="13012223333", our_number="42420", text="Stop\n", ref="7")
    ]
    said = b'{"from": "13012223333", "text": "STOP"}'
    assert carrier.events(hook(said, {})) == [Reply(their_number="13012223333", our_number="", text="STOP")]
    [found] = carrier.events(hook(body.replace(b"7}", b"false}"), {}))
    assert found.ref == ""


@pytest.mark.parametrize(("at", "said_at"), [("2026-11-22T12:00:00Z", NOON), ("1795348800000", NOON), ("noon", None)])
def test_when_people_answered(at: str, said_at: datetime | None) -> None:
    carrier = generic(replies=OF_REPLIES | {"said_at": "json:at", "verify": "none"})
    [told] = carrier.events(hook(json.dumps({"from": "1301", "to": "42420", "text": "STOP", "at": at}).encode(), {}))
    assert isinstance(told, Reply)
    assert told.said_at == said_at


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"from": "1"}', b'{"to": "1", "text": "STOP"}', b"\xff"])
def test_what_is_no_reply(body: bytes) -> None:
    with pytest.raises(Refusal) as raised:
        generic(replies=OF_REPLIES | {"verify": "none"}).events(hook(body, {}))
    assert raised.value.http == 400


def test_replies_are_proven_as_their_description_demands() -> None:
    carrier = generic(replies=OF_REPLIES | {"verify": HEADER})
    assert not carrier.verify(hook(b"{}", {}), NOON)
