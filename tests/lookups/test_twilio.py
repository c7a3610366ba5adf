"""Twilio Lookup v2: our words beside its own SDK's, over a socket, and what each of its answers means."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from dispatcher.core.exchange import Fate, Fault, Outcome, Request, Response
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.phone import LineType
from dispatcher.lookups.twilio import Twilio, from_settings
from tests.carriers.stand import Seen, Stand
from tests.lookups.asking import asked

NUMBER = "+14159929960"
CREDENTIALS = {"username": "AC1", "password": "s3cret"}


def words(url: str = "https://lookups.twilio.com") -> Twilio:
    return from_settings(Given({"url": url}, CREDENTIALS))


def answer(**fields: Any) -> bytes:
    told: dict[str, Any] = {
        "calling_country_code": "1",
        "country_code": "US",
        "phone_number": NUMBER,
        "national_format": "(415) 992-9960",
        "valid": True,
        "validation_errors": [],
        "caller_name": None,
        "url": f"https://lookups.twilio.com/v2/PhoneNumbers/{NUMBER}",
    }
    return json.dumps(told | fields).encode()


def line(word: object, error: object = None) -> bytes:
    told = {
        "error_code": error,
        "mobile_country_code": "313",
        "mobile_network_code": "981",
        "carrier_name": "Bandwidth",
    }
    return answer(line_type_intelligence=told | {"type": word})


def by_the_sdk(stand: Stand, host: str) -> str:
    """What the vendor's own client makes of the same answer; the stand-in sees its request."""
    http = TwilioHttpClient(pool_connections=False)

    class Elsewhere:
        def request(self, method: str, url: str, *args: Any, **given: Any) -> object:
            return http.request(method, url.replace("https://lookups.twilio.com", host), *args, **given)

    client = Client(CREDENTIALS["username"], CREDENTIALS["password"], http_client=Elsewhere())
    found = client.lookups.v2.phone_numbers(NUMBER).fetch(fields="line_type_intelligence")
    return str(found.line_type_intelligence["type"])


def test_it_asks_as_the_sdk_does() -> None:
    with Stand(Response(200, body=line("landline"))) as stand:
        assert by_the_sdk(stand, stand.url) == "landline"
        theirs = stand.take()
        ours_words = words(stand.url)
        found = asked(ours_words.build(NUMBER))
        ours = stand.take()
    assert ours_words.read(found) is LineType.FIXED
    assert said(ours) == said(theirs)


def said(seen: Seen) -> tuple[object, ...]:
    """The number's plus may be escaped or not: in a path both are the same (RFC 3986, 6.2.2.2 and 3.3)."""
    return (seen.method, seen.target.replace("%2B", "+"), seen.body, seen.headers["authorization"])


TYPES = [
    ("mobile", LineType.MOBILE),
    ("landline", LineType.FIXED),
    ("fixedVoip", LineType.VOIP),
    ("nonFixedVoip", LineType.NON_FIXED_VOIP),
    ("personal", LineType.PERSONAL),
    ("tollFree", LineType.TOLL_FREE),
    ("premium", LineType.PREMIUM),
    ("sharedCost", LineType.SHARED_COST),
    ("uan", LineType.UAN),
    ("voicemail", LineType.VOICEMAIL),
    ("pager", LineType.PAGER),
    ("unknown", LineType.UNKNOWN),
    ("hologram", LineType.UNKNOWN),  # a type of next year's
    (None, LineType.UNKNOWN),
    (7, LineType.UNKNOWN),
    ({"a": 1}, LineType.UNKNOWN),
]


@pytest.mark.parametrize(("word", "line_type"), TYPES)
def test_its_types(word: object, line_type: LineType) -> None:
    assert words().read(Response(200, body=line(word))) is line_type


NOT_FOUND = b'{"code": 20404, "message": "The requested resource %b was not found", "status": 404}'
# What it answers, and what we make of that.
ANSWERS: list[tuple[Response, LineType | Outcome]] = [
    (Response(200, body=line(None, 60601)), LineType.UNKNOWN),  # Canada, without the approval
    (Response(200, body=line(None, 60600)), LineType.UNKNOWN),  # nothing known of that number
    (Response(200, body=answer(line_type_intelligence=None)), LineType.UNKNOWN),
    (Response(200, body=answer(valid=False, validation_errors=["TOO_SHORT"])), LineType.NONE),
    (Response(200, body=answer(valid=False, line_type_intelligence={"type": "mobile"})), LineType.NONE),
    (Response(404, body=NOT_FOUND % b"/PhoneNumbers/+15005550000"), LineType.NONE),
    (Response(404, body=NOT_FOUND % b"/PhoneNumbers/%2B15005550000"), LineType.NONE),
    *(
        (Response(404, body=NOT_FOUND % path), Outcome(Fate.NEVER, reason="HTTP 404, error 20404"))
        for path in (b"/v2/PhoneNumbers/+15005550000", b"/2010-04-01/PhoneNumbers/+15005550000", b"/PhoneNumbers/")
    ),
    (
        Response(404, body=b'{"code": 20404, "message": "not found"}'),
        Outcome(Fate.NEVER, reason="HTTP 404, error 20404"),
    ),
    (Response(404, body=b"<html>"), Outcome(Fate.NEVER, reason="HTTP 404")),
    (Response(400, body=b'{"code": 60200, "status": 400}'), Outcome(Fate.NEVER, reason="HTTP 400, error 60200")),
    (Response(401, body=b'{"code": 20003}'), Outcome(Fate.STOP_CARRIER, reason="HTTP 401")),
    (Response(403), Outcome(Fate.STOP_CARRIER, reason="HTTP 403")),
    (Response(301), Outcome(Fate.STOP_CARRIER, reason="HTTP 301, a redirect")),
    (Response(302), Outcome(Fate.STOP_CARRIER, reason="HTTP 302, a redirect")),
    (
        Response(429, {"retry-after": "7"}, b'{"code": 20429}'),
        Outcome(Fate.LATER, reason="throttled", retry_after=timedelta(seconds=7), limit=True),
    ),
    (Response(500), Outcome(Fate.UNKNOWN, reason="HTTP 500")),
    (Response(200), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
    (Response(200, body=b"<html>"), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
    (Response(200, body=b'"mobile"'), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
    (Response(200, body=b"{}"), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
    (Response(200, body=b"[" * 100_000), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
    (Response(fault=Fault.TIMEOUT, detail="no answer in time"), Outcome(Fate.UNKNOWN, reason="no answer in time")),
    (Response(200, fault=Fault.OVERSIZED, detail="endless"), Outcome(Fate.UNKNOWN, reason="endless")),
    (Response(fault=Fault.UNREACHABLE, detail="no way"), Outcome(Fate.LATER, reason="no way")),
]


@pytest.mark.parametrize(("response", "found"), ANSWERS, ids=range(len(ANSWERS)))
def test_its_answers(response: Response, found: LineType | Outcome) -> None:
    assert words().read(response) == found


def test_what_the_sdk_raises_is_what_we_take_for_no_number() -> None:
    with Stand(Response(404, body=NOT_FOUND % b"/PhoneNumbers/+15005550000")) as stand:
        with pytest.raises(TwilioRestException) as raised:
            by_the_sdk(stand, stand.url)
        assert raised.value.code == 20404


def test_the_request() -> None:
    request = words().build(NUMBER)
    login = b64encode(b"AC1:s3cret").decode()
    assert request == Request(
        "GET",
        "https://lookups.twilio.com/v2/PhoneNumbers/%2B14159929960?Fields=line_type_intelligence",
        {"Authorization": f"Basic {login}", "Accept": "application/json"},
    )
    assert login not in repr(words())


@pytest.mark.parametrize(
    ("settings", "credentials", "said"),
    [
        ({}, {}, "credentials.username: is missing"),
        ({}, {"username": "AC1"}, "credentials.password: is missing"),
        ({"url": "lookups.twilio.com"}, CREDENTIALS, "url: must be an http"),
        ({"url": "https://a@b"}, CREDENTIALS, "url: must be an http"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], credentials: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        from_settings(Given(settings, credentials))


def test_a_key_that_is_misspelt() -> None:
    given = Given({"urll": "https://x.example"}, CREDENTIALS)
    from_settings(given)
    with pytest.raises(SettingsError, match="urll: unknown"):
        given.check_known()
