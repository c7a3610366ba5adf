"""Whatever comes in: a 4xx that says what is wrong, JSON of exactly `code` and `message`, and nothing stored."""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

import pytest

from dispatcher.dialects.social_invite.wire import INVITE as DECLARED
from dispatcher.store.statement import Statement
from tests.factories import SECRET
from tests.web.api import FORM, INVITE, JSON, Api, Post, accepted, basic, beside, invitation, phone, refused, short

REQUIRED: Final = ("phone", "osType", "message", "appId")
OPTIONAL: Final = ("isoCountryCode", "senderPhone", "referenceId", "inviterId", "inviterName", "campaign")
MOST: Final = {
    "phone": 64, "osType": 16, "message": 10_000, "appId": 255, "isoCountryCode": 2, "senderPhone": 64,
    "referenceId": 255, "inviterId": 255, "inviterName": 255, "campaign": 255,
}  # fmt: skip
MOST_BYTES: Final = 65_536
PARAMETERS: Final = (*REQUIRED, *OPTIONAL)
parameter = pytest.mark.parametrize("name", PARAMETERS)


def as_json(given: object) -> Post:
    return Post(json.dumps(given).encode(), JSON)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in invitation().items() if key != name}


# --- Parameters ----------------------------------------------------------------------------------------------------


def test_every_declared_parameter_is_tried_here() -> None:
    assert [field.name for field in DECLARED] == list(MOST)
    assert {field.name: field.most for field in DECLARED if field.name != "phone"}.items() <= MOST.items()
    assert tuple(field.name for field in DECLARED if field.required) == REQUIRED


@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
@parameter
def test_a_parameter_without_a_value(api: Api, name: str, value: str | None) -> None:
    given = without(name) | ({} if value is None else {name: value})
    if name in OPTIONAL:
        accepted(api.invite(given))
        accepted(api.send(as_json(given | {"phone": phone(), name: value})))
        return
    with api.nothing_stored():
        refused(api.invite(given), 400, 102, name)
        refused(api.send(as_json(given | {name: value})), 400, 102, name)


def test_every_missing_name_is_listed(api: Api) -> None:
    with api.nothing_stored():
        refused(api.send(Post(b"")), 400, 102, *REQUIRED)
        refused(api.send(as_json({})), 400, 102, *REQUIRED)
        refused(api.send(Post(b"phone&osType&message=&appId")), 400, 102, *REQUIRED)
        refused(api.invite({"referenceId": "1", "osType": "IOS"}), 400, 102, "phone", "message", "appId")
        refused(api.send(replace(Post(b""), path=f"{INVITE}?{urlencode(invitation())}")), 400, 102, *REQUIRED)


@parameter
def test_a_parameter_given_twice(api: Api, name: str) -> None:
    given = invitation() | {name: "x"}
    with api.nothing_stored():
        for again in ("x", "y", ""):
            refused(api.send(Post(f"{urlencode(given)}&{name}={again}".encode())), 400, 101, name, "more than once")
            doubled = json.dumps(given)[:-1] + f', "{name}": "{again}"}}'
            refused(api.send(Post(doubled.encode(), JSON)), 400, 101, name, "more than once")


@parameter
def test_a_parameter_that_is_too_long(api: Api, name: str) -> None:
    code = 123 if name == "phone" else 101  # whatever cannot be a phone number is 123
    with api.nothing_stored():
        for length in (MOST[name] + 1, 20_000):
            refused(api.invite(invitation() | {name: "1" * length}), 400, code, name, str(MOST[name]))
            refused(api.send(as_json(invitation() | {name: "1" * length})), 400, code, name, str(MOST[name]))


@pytest.mark.parametrize("name", ["referenceId", "inviterId", "inviterName", "campaign"])
def test_a_parameter_that_is_just_short_enough(api: Api, name: str) -> None:
    for longest in ("x" * 255, "\N{PILE OF POO}" * 255):
        accepted(api.invite(invitation() | {name: longest}))


@pytest.mark.parametrize("value", [3, 3.5, 10**30, True, False, 0, [], ["x"], {}, {"a": {"b": None}}], ids=short)
@parameter
def test_a_parameter_of_the_wrong_type(api: Api, name: str, value: object) -> None:
    with api.nothing_stored():
        refused(api.send(as_json(invitation() | {name: value})), 400, 101, name, "string")


@parameter
def test_a_parameter_that_is_no_text(api: Api, name: str) -> None:
    with api.nothing_stored():
        refused(api.invite(invitation() | {name: "\0"}), 400, 101, name)
        for broken in ("\0", "\ud800", "\udfff", "\udc00\ud800"):
            refused(api.send(as_json(invitation() | {name: broken})), 400, 101, name)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("osType", "WINDOWS", ["IOS", "ANDROID", "IOS_ANDROID"]),
        ("osType", "android", ["ANDROID"]),
        ("osType", " ANDROID", ["ANDROID"]),
        ("osType", "ANDROID\n", ["ANDROID"]),
        ("osType", "IOS,ANDROID", ["IOS_ANDROID"]),
        ("isoCountryCode", "XX", ["ISO 3166"]),
        ("isoCountryCode", "U", ["ISO 3166"]),
        ("isoCountryCode", "1", ["ISO 3166"]),
        ("isoCountryCode", "  ", ["ISO 3166"]),
        ("isoCountryCode", "USA", ["2"]),
        ("isoCountryCode", "001", ["2"]),
        ("isoCountryCode", "ß", ["ISO 3166"]),  # whose upper case is SS, South Sudan
        ("isoCountryCode", "\N{LATIN SMALL LIGATURE FI}", ["ISO 3166"]),  # FI, Finland
        ("isoCountryCode", "\N{LATIN SMALL LETTER DOTLESS I}t", ["ISO 3166"]),  # IT, Italy
        ("message", "a" * (153 * 10 + 1), ["11 segments", "GSM-7", "10"]),
        ("message", "я" * (67 * 10 + 1), ["11 segments", "UCS-2", "10"]),
        ("message", "я" * 67 * 70, ["70 segments", "10"]),
        ("message", "[" * 800, ["segments", "10"]),
    ],
)
def test_a_malformed_parameter(api: Api, name: str, value: str, words: list[str]) -> None:
    with api.nothing_stored():
        refused(api.invite(invitation() | {name: value}), 400, 101, name, *words)


def test_every_parameter_at_fault_is_named(api: Api) -> None:
    wrong = {"osType": "X", "isoCountryCode": "USA", "campaign": "c" * 256, "senderPhone": "1" * 65}
    with api.nothing_stored():
        refused(api.invite(invitation() | wrong), 400, 101, *wrong)
        many = [("x", str(n)) for n in range(101)]
        refused(api.send(Post(urlencode([*invitation().items(), *many]).encode())), 400, 101, "100 parameters")


def test_an_app_that_is_not_provisioned(api: Api) -> None:
    with api.nothing_stored():
        answers = [
            api.invite(invitation(appId=name))
            for name in ("com.example.9", "com.other.1", "COM.EXAMPLE.1", "1", "%", "' or 1=1 --", "\N{SNOWMAN}", " ")
        ]
        for answer in answers:
            refused(answer, 404, 103, "appId")
    assert len({answer.data for answer in answers}) == 1, "another account's app is like one that does not exist"


def test_a_senders_number_that_cannot_be_is_named_where_it_decides_the_country(api: Api) -> None:
    with api.nothing_stored():
        for broken in ("+999", "+", "+1", "+x", "+49" + "1" * 20):
            refused(api.invite(invitation(appId="com.example.3", senderPhone=broken)), 400, 101, "senderPhone")


def test_the_inviter_is_the_ascii_digits_of_the_senders_number(api: Api) -> None:
    for written in ("+1 (650) 212-3456", "+\N{FULLWIDTH DIGIT ONE}６５０２１２３４５６", "+١٦٥٠٢١٢٣٤٥٦"):
        made = accepted(api.invite(invitation(senderPhone=written)))
        [[inviter]] = api.query(Statement("select inviter from messages where id = :id"), id=int(made["messageId"]))
        assert inviter == "16502123456"


# --- Numbers -------------------------------------------------------------------------------------------------------

WORSE: Final = [
    "hello",
    "1-800-FLOWERS",
    "301222333a",
    "３０１２２２３３３ａ",
    "1" * 300,
    "+" + "1" * 300,
    "+" * 64,
    "-",
    " ",
    "\t\r\n",
    "()",
    "0",
    "911",
    "+1",
    "+0",
    "+++13012223333",
    "13012223333+",
    "+1+3012223333",
    "+999 123456789",
    "3012223333 3012223334",
    "3012223333,3012223334",
    "3012223333 ext. 5",
    "3012223333x5",
    "3012223333;ext=5",
    "3012223333#5",
    "tel:+13012223333",
    "sip:3012223333@example.com",
    "3012223333;phone-context=+44",
    "3.012223333e9",
    "0x3012223333",
    "1013012223",
    "1113012223",
    "3010223333",
    "0013012223",
    "+13012223333'; drop table messages; --",
    "+1301222<b>3333",
    "{phone}",
    "%2B13012223333",
    "\N{SUPERSCRIPT TWO}" * 10,
    "\N{CIRCLED DIGIT ONE}" * 10,
    "\N{ROMAN NUMERAL ONE}" * 10,
    "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 10,
    "\N{TELEPHONE SIGN}3012223333",
    "\N{PILE OF POO}",
    "3012223333\N{COMBINING ENCLOSING KEYCAP}",
    "+1\N{INFINITY}3012223333",
    "א3012223333",
]


@pytest.mark.parametrize("number", WORSE, ids=short)
def test_a_number_that_cannot_be(api: Api, number: str) -> None:
    with api.nothing_stored():
        answer = api.invite(invitation(phone=number))
        refused(answer, 400, 123, "phone")
        assert number.strip() not in answer.get_json()["message"] or len(number.strip()) < 4, "no number in messages"
        refused(api.send(as_json(invitation(phone=number))), 400, 123, "phone")


def every(category: str) -> list[str]:
    return [char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == category]


def test_digits_of_every_script_are_read(api: Api) -> None:
    zeros = [char for char in every("Nd") if unicodedata.decimal(char) == 0]
    assert len(zeros) > 50
    for zero in zeros:
        number = "".join(chr(ord(zero) + int(digit)) for digit in phone())
        accepted(api.invite(invitation(phone=number)))


def test_every_dash_and_space_may_stand_in_a_number(api: Api) -> None:
    dashes = every("Pd")
    assert len(dashes) > 20
    for char in dashes + every("Zs"):
        digits = phone()
        accepted(api.invite(invitation(phone=f"{digits[:3]}{char}{digits[3:6]}{char}{digits[6:]}")))


def test_other_numerals_are_no_digits(api: Api) -> None:
    with api.nothing_stored():
        for char in every("No")[::40]:
            refused(api.invite(invitation(phone=char * 10)), 400, 123, "phone")


LEGITIMATE: Final[Mapping[str, Callable[[], dict[str, str]]]] = {
    "emoji": lambda: {"message": "Join me \N{PARTY POPPER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}"},
    "right to left": lambda: {"message": "הצטרפו אליי \N{RIGHT-TO-LEFT OVERRIDE}انضم إليّ", "inviterName": "שָׁלוֹם"},
    "a byte order mark": lambda: {"message": "\N{ZERO WIDTH NO-BREAK SPACE}Join"},
    "every segment it may have": lambda: {"message": "я" * 67 * 10},
    "markup": lambda: {"message": "<script>alert('{phone}')</script> & %s \\x00", "campaign": "'; drop table x; --"},
    "lines": lambda: {"message": "Join\r\nme\tnow"},
    "the plus of a form": lambda: {"message": "a+b c%20d"},
    "international": lambda: {"phone": f"+1 {phone()}"},
    "brackets and dots": lambda: {"phone": "({0:.3}) {0}".format(phone()).replace(") 301", ") ") + " "},
    "fullwidth": lambda: {"phone": "＋１" + "".join(chr(ord(digit) + 0xFEE0) for digit in phone())},
    "invisible marks": lambda: {"phone": f"\N{LEFT-TO-RIGHT EMBEDDING}{phone()}\N{POP DIRECTIONAL FORMATTING}"},
    "a prefix of another country": lambda: {"phone": f"001{phone()}", "isoCountryCode": "DE"},
    "lower case country": lambda: {"isoCountryCode": "us"},
    "names that nobody declared": lambda: {"userAgent": "x", "x": "y", "\N{SNOWMAN}": "z", "__proto__": "1"},
}


@pytest.mark.parametrize("given", LEGITIMATE.values(), ids=LEGITIMATE)
def test_what_is_legitimate_is_accepted(api: Api, given: Callable[[], dict[str, str]]) -> None:
    form = invitation() | given()
    made = accepted(api.invite(form))
    [[text]] = api.query(Statement("select text from messages where id = :id"), id=int(made["messageId"]))
    assert text == form["message"], "a text is sent as given"
    form = invitation() | given()
    accepted(api.send(as_json(form)))


# --- Encodings and bodies ------------------------------------------------------------------------------------------


def form_with(raw: bytes) -> bytes:
    """A form that would be accepted, but for these bytes at its end."""
    return urlencode(without("message")).encode() + b"&message=" + raw


def json_with(raw: str) -> bytes:
    return (json.dumps(without("message"))[:-1] + f', "message": {raw}}}').encode()


BODIES: Final[Mapping[str, tuple[bytes, str, str]]] = {
    "percent escapes that are not UTF-8": (form_with(b"caf%E9"), FORM, "UTF-8"),
    "overlong": (form_with(b"%C0%AF"), FORM, "UTF-8"),
    "escaped surrogate": (form_with(b"%ED%A0%80"), FORM, "UTF-8"),
    "cut character": (form_with(b"%E2%82"), FORM, "UTF-8"),
    "beyond Unicode": (form_with(b"%F4%90%80%80"), FORM, "UTF-8"),
    "a name that is not UTF-8": (form_with(b"a&%FF=1"), FORM, "UTF-8"),
    "latin-1": (form_with("café".encode("latin-1")), FORM, "UTF-8"),
    "latin-1 declared": (form_with(b"caf%E9"), f"{FORM}; charset=iso-8859-1", "UTF-8"),
    "form in UTF-16": (urlencode(invitation()).encode("utf-16"), FORM, "UTF-8"),
    "form after a byte order mark": (b"\xef\xbb\xbf" + form_with(b"x"), FORM, "UTF-8"),
    "gzip": (gzip.compress(form_with(b"x"), mtime=0), FORM, "UTF-8"),
    "JSON in latin-1": (json_with('"caf\u00e9"').decode().encode("latin-1"), JSON, "UTF-8"),
    "JSON in UTF-16": (json.dumps(invitation()).encode("utf-16"), JSON, "JSON"),
    "JSON in UTF-32": (json.dumps(invitation()).encode("utf-32"), f"{JSON}; charset=utf-32", "JSON"),
    "JSON after a byte order mark": (b"\xef\xbb\xbf" + json_with('"x"'), JSON, "JSON"),
    "no JSON": (b"phone=1", JSON, "JSON"),
    "empty JSON": (b"", JSON, "JSON"),
    "blank JSON": (b" \r\n", JSON, "JSON"),
    "JSON that ends early": (json_with('"x"')[:-1], JSON, "JSON"),
    "JSON that goes on": (json_with('"x"') + b"{}", JSON, "JSON"),
    "single quotes": (str(invitation()).encode(), JSON, "JSON"),
    "a comma too many": (json_with('"x",'), JSON, "JSON"),
    "a control character": (json_with('"\x01"'), JSON, "JSON"),
    "a NUL between": (json_with('"x"\0'), JSON, "JSON"),
    "a list": (json.dumps([invitation()]).encode(), JSON, "object"),
    "a string": (json.dumps("phone=1").encode(), JSON, "object"),
    "a number": (b"1", JSON, "object"),
    "null": (b"null", JSON, "object"),
    "not a number": (json_with("NaN"), JSON, "message"),
    "infinite": (json_with("-Infinity"), JSON, "message"),
    "a float beyond all": (json_with("1e999"), JSON, "message"),
    "a number of 5000 digits": (json_with("1" * 5000), JSON, "JSON"),
    "deep lists": (json_with("[" * 30_000 + "]" * 30_000), JSON, "JSON"),
    "deep objects": (json_with('{"a":' * 10_000 + "1" + "}" * 10_000), JSON, "JSON"),
    "endless lists": (b"[" * MOST_BYTES, JSON, "JSON"),
    "half a surrogate pair": (json_with('"\\ud83d"'), JSON, "message"),
}


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_be_read(api: Api, case: tuple[bytes, str, str]) -> None:
    body, kind, word = case
    with api.nothing_stored():
        refused(api.send(Post(body, kind)), 400, 101, word)


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 10_000_000])
@pytest.mark.parametrize("kind", [FORM, JSON])
def test_a_body_that_is_too_long(api: Api, kind: str, length: int) -> None:
    with api.nothing_stored():
        refused(api.send(Post(b"a" * length, kind)), 413, 413, str(MOST_BYTES))


def test_a_body_that_is_just_short_enough(api: Api) -> None:
    given = urlencode(invitation()).encode() + b"&x="
    accepted(api.send(Post(given + b"a" * (MOST_BYTES - len(given)))))


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        " ",
        "text/plain",
        "text/html",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded2",
        "application/json-patch+json",
        "application/problem+json",
        "application/*",
        "*/*",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "json",
        "; charset=utf-8",
        "application/x-www-form-urlencoded, application/json",
        "a" * 5000,
        "caf\xe9/latin",
    ],
)
def test_a_content_type_that_is_not_read(api: Api, kind: str | None) -> None:
    with api.nothing_stored():
        for body in (urlencode(invitation()).encode(), b"", b"--x\r\n\r\n--x--"):
            refused(api.send(Post(body, kind)), 415, 415, "Content-Type", FORM, JSON)


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=UTF-8", f"{FORM};x", FORM.upper(), f" {FORM} "])
def test_content_types_of_a_form(api: Api, kind: str) -> None:
    accepted(api.send(Post.form(invitation(), content_type=kind)))


# --- Credentials ---------------------------------------------------------------------------------------------------


def encoded(text: str | bytes) -> str:
    return b64encode(text if isinstance(text, bytes) else text.encode()).decode()


CREDENTIALS: Final[Mapping[str, str | None]] = {
    "none": None,
    "empty": "",
    "blank": " ",
    "the scheme alone": "Basic",
    "the scheme and a space": "Basic ",
    "another scheme": f"Bearer {encoded(f'key:{SECRET}')}",
    "Digest": 'Digest username="key"',
    "no scheme": encoded(f"key:{SECRET}"),
    "a tab": f"Basic\t{encoded(f'key:{SECRET}')}",
    "in the clear": f"Basic key:{SECRET}",
    "a wrong secret": basic("key", "wrong"),
    "an unknown key": basic("nobody"),
    "another's secret": basic("other", "wrong"),
    "upper case": basic("KEY"),
    "no key": basic(""),
    "no secret": basic("key", ""),
    "no colon": f"Basic {encoded('key')}",
    "only a colon": f"Basic {encoded(':')}",
    "nothing": f"Basic {encoded('')}=",
    "a space before the secret": basic("key", f" {SECRET}"),
    "a line after the secret": basic("key", f"{SECRET}\n"),
    "NUL in the key": basic("key\0"),
    "NUL in the secret": basic("key", f"{SECRET}\0"),
    "latin-1": f"Basic {encoded(f'kéy:{SECRET}'.encode('latin-1'))}",
    "UTF-16": f"Basic {encoded(f'key:{SECRET}'.encode('utf-16'))}",
    "half a surrogate pair": f"Basic {encoded(b'key:' + bytes([0xED, 0xA0, 0x80]))}",
    "no base64": "Basic !!!!",
    "base64 with something in it": f"Basic {encoded(f'key:{SECRET}')[:8]}*{encoded(f'key:{SECRET}')[8:]}",
    "base64 cut": f"Basic {encoded(f'key:{SECRET}')[:-1]}",
    "base64 of URLs": "Basic a2V5OmEgc2VjcmV0_-8=",
    "base64 in UTF-8": "Basic kéy",
    "two": f"{basic()}, {basic()}",
    "something after it": f"{basic()} x",
    "10 KB": f"Basic {encoded('key:' + 's' * 10_000)}",
    "10 KB of key": f"Basic {encoded('k' * 10_000 + ':s')}",
    "SQL": basic("' or '1'='1", "' or '1'='1"),
    "percent": basic("%", "%"),
}


@pytest.mark.parametrize("header", CREDENTIALS.values(), ids=CREDENTIALS)
def test_a_credential_that_is_none(api: Api, header: str | None) -> None:
    with api.nothing_stored():
        refused(api.invite(invitation(), Authorization=header), 401, 100, "apiKey")
        refused(api.ask(f"{INVITE}/1", Authorization=header), 401, 100, "apiKey")


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_has_no_case(api: Api, scheme: str) -> None:
    accepted(api.invite(invitation(), Authorization=f"{scheme} {encoded(f'key:{SECRET}')}"))
    accepted(api.invite(invitation(), Authorization=f"{scheme}  {encoded(f'key:{SECRET}')} "))


def test_a_colon_in_a_secret_belongs_to_it(api: Api) -> None:
    with api.nothing_stored():
        refused(api.invite(invitation(), Authorization=basic("key", f":{SECRET}")), 401, 100)
        refused(api.invite(invitation(), Authorization=basic("key:", SECRET)), 401, 100)


# --- Ids in the path -----------------------------------------------------------------------------------------------

IDS: Final = [
    "0",
    "1",
    "-1",
    "-0",
    "+1",
    "1.0",
    "1e3",
    "0x1",
    "1_000",
    " 1",
    "1 ",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "99999999999999999999",
    "0" * 19 + "1",
    "9" * 5000,
    "１２３",
    "١٢٣",
    "\N{SUPERSCRIPT TWO}",
    "\N{PILE OF POO}",
    "\0",
    "1\0",
    "1\n",
    "%00",
    "..",
    "...",
    "..%2f..%2fetc%2fpasswd",
    "null",
    "None",
    "NaN",
    "true",
    "{messageId}",
    "' or 1=1 --",
    "1;drop table messages",
    "<script>",
    "\\",
    "\udcff\udcfe",  # bytes that are no UTF-8
    "a" * 5000,
]


@pytest.mark.parametrize("name", IDS, ids=short)
def test_an_id_that_nothing_has(api: Api, name: str) -> None:
    """The same answer for all of them, so that nobody learns which ids exist."""
    with api.nothing_stored():
        answer = api.ask(f"{INVITE}/{name}")
        refused(answer, 404, 103)
        refused(api.ask(f"{INVITE}/{name}", "HEAD"), 404, 103)
        refused(api.ask(f"{INVITE}/{name}", Authorization=None), 401, 100)
    assert answer.data == api.ask(f"{INVITE}/2").data


def test_an_id_of_another_account_is_like_one_that_never_existed(api: Api) -> None:
    made = accepted(api.invite(invitation()))["messageId"]
    theirs = api.ask(f"{INVITE}/{made}", Authorization=basic("other"))
    never = api.ask(f"{INVITE}/{int(made) + 1}", Authorization=basic("other"))
    assert api.ask(f"{INVITE}/{made}").status_code == 200
    assert (theirs.status_code, theirs.data) == (404, never.data)
    assert list(theirs.headers) == list(never.headers)


# --- Methods and paths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "\N{SNOWMAN}"])
def test_a_method_that_the_door_does_not_know(api: Api, method: str) -> None:
    with api.nothing_stored():
        answer = api.send(Post.form(invitation(), method=method))
        refused(answer, 405, 405)
        assert "POST" in answer.headers["Allow"]
        assert "GET" not in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "TRACE"])
def test_a_method_that_a_status_does_not_know(api: Api, method: str) -> None:
    made = accepted(api.invite(invitation()))["messageId"]
    with api.nothing_stored():
        answer = api.send(Post.form(invitation(), method=method, path=f"{INVITE}/{made}"))
        refused(answer, 405, 405)
        assert {"GET", "HEAD"} <= set(answer.headers["Allow"].split(", "))


def test_options_tells_what_is_allowed_and_does_nothing(api: Api) -> None:
    with api.nothing_stored():
        for path, allowed in ((INVITE, "POST"), (f"{INVITE}/1", "GET")):
            answer = api.send(Post.form(invitation(), method="OPTIONS", path=path))
            assert (answer.status_code, answer.data) == (200, b"")
            assert allowed in answer.headers["Allow"]


def test_head_of_a_status_is_its_get_without_the_body(api: Api) -> None:
    made = accepted(api.invite(invitation()))["messageId"]
    got, head = api.ask(f"{INVITE}/{made}"), api.ask(f"{INVITE}/{made}", "HEAD")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.data))


PATHS: Final = [
    "/",
    "",
    "/ws",
    "/ws/",
    "/ws/invitations",
    "/ws/invitation/",
    "/ws/invitation2/3",
    "/ws/invitation/1/",
    "/ws/invitation/1/2",
    "/WS/INVITATION",
    "/ws/invitation\0",
    "/ws/invitation ",
    "/ws/invitation;x=1",
    "/ws/./invitation",
    "/ws/../ws/invitation",
    "/ws%2finvitation",
    "/ws//invitation",
    "/ws/invitation//",
    "/ws/invitation//1",
    "//evil.example/ws/invitation",
    "/favicon.ico",
    "/.env",
    "/static/x",
    "/console",
    "*",
    "\udcff",
    "/" + "a" * 10_000,
    "/{messageId}",
    "/<script>alert(1)</script>",
]


@pytest.mark.parametrize("path", PATHS, ids=short)
def test_a_path_that_does_not_exist(api: Api, path: str) -> None:
    with api.nothing_stored():
        for method in ("POST", "GET", "DELETE", "HEAD", "OPTIONS"):
            answer = api.send(Post.form(invitation(), method=method, path=path))
            refused(answer, 404, 404)
            assert "Location" not in answer.headers


@pytest.mark.parametrize("host", ["[", "a b", "é", "a:b:c", "a" * 70, "..", "<script>", "", "x:99999", "\0", "evil/.."])
def test_a_host_that_cannot_be(api: Api, host: str) -> None:
    with api.nothing_stored():
        answer = api.ask(f"{INVITE}/1", Host=host or None)
        assert answer.status_code in (400, 404)
        refused(answer, answer.status_code, 400 if answer.status_code == 400 else 103)


# --- Idempotency-Key -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k" * 256, "k" * 10_240, "schl\xfcssel", "\xff", "a\tb", "\x7f", "x\xa0y"], ids=short)
def test_an_idempotency_key_that_cannot_be(api: Api, key: str) -> None:
    with api.nothing_stored():
        answer = api.invite(invitation(), Idempotency_Key=key)
        refused(answer, 400, 101, "Idempotency-Key", "255", "ASCII")


@pytest.mark.parametrize("key", ["k", "k" * 255, "a b", "'; drop table messages; --", "r:1", "{}", "%00"])
def test_an_idempotency_key_that_may_be(api: Api, key: str) -> None:
    form = invitation()
    first, again = api.invite(form, Idempotency_Key=key), api.invite(form, Idempotency_Key=key)
    assert accepted(first)["messageId"] == accepted(again)["messageId"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_that_was_used_for_something_else(api: Api) -> None:
    form = invitation()
    accepted(api.invite(form | {"referenceId": "once"}))
    accepted(api.invite(invitation(), Idempotency_Key="once"))
    with api.nothing_stored():
        for change in ({"message": "Join us"}, {"osType": "IOS"}, {"phone": phone()}, {"inviterId": "7"}):
            refused(api.invite(form | {"referenceId": "once"} | change), 409, 409, "referenceId")
            refused(api.invite(form | change, Idempotency_Key="once"), 409, 409, "Idempotency-Key")


# --- The order of judgement ----------------------------------------------------------------------------------------

Fault = tuple[str, Callable[[Post], Post], tuple[int, int, str]]


def _also(post: Post, name: str, value: str) -> Post:
    return replace(post, body=post.body + f"&{name}={quote(value)}".encode())


FAULTS: Final[list[Fault]] = [
    ("credential", lambda p: replace(p, headers={**p.headers, "Authorization": basic("nobody")}), (401, 100, "apiKey")),
    ("size", lambda p: _also(p, "x", "x" * MOST_BYTES), (413, 413, "bytes")),
    ("type", lambda p: replace(p, content_type="text/plain"), (415, 415, "Content-Type")),
    ("idempotency", lambda p: replace(p, headers={**p.headers, "Idempotency-Key": "\xff"}), (400, 101, "ASCII")),
    ("missing", lambda p: replace(p, body=p.body.replace(b"message=", b"x=")), (400, 102, "message")),
    ("parameter", lambda p: replace(p, body=p.body.replace(b"ANDROID", b"BEOS")), (400, 101, "osType")),
    ("app", lambda p: replace(p, body=p.body.replace(b"com.example.2", b"com.example.9")), (404, 103, "appId")),
    ("country", lambda p: replace(p, body=p.body.replace(b"phone=", b"phone=%2B49301234567&x=")), (403, 100, "DE")),
]  # fmt: skip
ONE_STEP: Final = {("size", "type")}  # one step of judgement: either may be told
PAIRS: Final = [
    pytest.param(first, second, id=f"{first[0]} before {second[0]}")
    for n, first in enumerate(FAULTS)
    for second in FAULTS[n + 1 :]
    if (first[0], second[0]) not in ONE_STEP
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_faults_the_earlier_one_is_told(api: Api, first: Fault, second: Fault) -> None:
    post = Post.form(invitation(appId="com.example.2"))
    with api.nothing_stored():
        refused(api.send(second[1](post)), *second[2])
        refused(api.send(first[1](second[1](post))), *first[2])


APP: Final = {"callback_secret": "s", "hours": {"always": True}}
RULES: Final[Mapping[str, str]] = {
    "the country is no longer allowed": "update apps set countries = 'CA' where app_id = :name",
    "long texts are no longer allowed": "update apps set most_segments = 0 where app_id = :name",
    "the account was paused": "update accounts set paused_at = 1 where company = :name",
}


@pytest.mark.parametrize("change", RULES.values(), ids=RULES)
def test_a_repeat_gets_the_first_answer_whatever_the_rules_have_become(api: Api, change: str) -> None:
    """Idempotency is judged before rules: who never heard the first answer must not hear that it was refused."""
    name = f"com.example.{hash(change)}"
    number = api.rows.add_account(name, "c@example.com", name, sha256(SECRET.encode()).hexdigest())
    api.rows.add_app(number, APP | {"app_id": name})
    form = invitation(appId=name, referenceId="once")
    first = accepted(api.invite(form, Authorization=basic(name)))
    with api.database.write() as tx:
        tx.run(Statement(change), name=name)
    with api.nothing_stored(), beside(api) as later:
        assert accepted(later.invite(form, Authorization=basic(name)))["messageId"] == first["messageId"]
        assert later.invite(invitation(appId=name), Authorization=basic(name)).status_code in (400, 403)


def test_a_used_key_is_told_before_a_malformed_parameter(api: Api) -> None:
    """Idempotency is judged before parameters: with other content, whatever it is, a used key is a conflict."""
    form = invitation()
    accepted(api.invite(form, Idempotency_Key="used before"))
    with api.nothing_stored():
        for change in ({"osType": "BEOS"}, {"message": ""}, {"phone": "911"}, {"appId": "com.example.9"}):
            refused(api.invite(form | change, Idempotency_Key="used before"), 409, 409, "Idempotency-Key")
