"""A described provider of lookups: what it is asked, what its answers mean, and what no description may say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.core.exchange import Fate, Outcome, Request, Response
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.phone import LineType
from dispatcher.lookups.generic import Generic, from_settings
from tests.carriers.stand import Stand
from tests.lookups.asking import asked

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "lookups" / "generic.toml"
NUMBER: Final = "+13012223333"
DESCRIBED: Final[dict[str, Any]] = {
    "url": "https://api.example/v1/{digits}?key={token}",
    "headers": {"X-Token": "Token {token}"},
    "type": "data.0.type",
    "types": {"CELL": "mobile", "Land Line": "fixed", "Gone": "none"},
    "no_such_number": [404],
}


def words(**given: Any) -> Generic:
    return from_settings(Given(DESCRIBED | given, {"token": "a/b"}))


def test_the_request() -> None:
    assert words().build(NUMBER) == Request(
        "GET", "https://api.example/v1/13012223333?key=a%2Fb", {"X-Token": "Token a/b"}
    )
    assert words(url="https://api.example/{number}", headers={}).build(NUMBER) == Request(
        "GET", "https://api.example/%2B13012223333"
    )
    assert "a/b" not in repr(words())


ANSWERS: list[tuple[Response, LineType | Outcome]] = [
    (Response(200, body=b'{"data": [{"type": "CELL"}]}'), LineType.MOBILE),
    (Response(200, body=b'{"data": [{"type": "cell"}]}'), LineType.MOBILE),
    (Response(200, body=b'{"data": [{"type": "LAND LINE"}]}'), LineType.FIXED),
    (Response(200, body=b'{"data": [{"type": "Gone"}]}'), LineType.NONE),
    (Response(200, body=b'{"data": [{"type": "satellite"}]}'), LineType.UNKNOWN),
    (Response(200, body=b'{"data": []}'), LineType.UNKNOWN),
    (Response(200, body=b"{}"), LineType.UNKNOWN),
    (Response(200, body=b"[1]"), LineType.UNKNOWN),
    (Response(404), LineType.NONE),
    (Response(410), Outcome(Fate.NEVER, reason="HTTP 410")),
    (Response(204), Outcome(Fate.NEVER, reason="HTTP 204")),
    (Response(401), Outcome(Fate.STOP_CARRIER, reason="HTTP 401")),
    (Response(302), Outcome(Fate.STOP_CARRIER, reason="HTTP 302, a redirect")),
    (Response(303), Outcome(Fate.STOP_CARRIER, reason="HTTP 303, a redirect")),
    (Response(503), Outcome(Fate.UNKNOWN, reason="HTTP 503")),
    (Response(200, body=b"CELL"), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
    (Response(200, body=b'"CELL"'), Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")),
]


@pytest.mark.parametrize(("response", "found"), ANSWERS, ids=range(len(ANSWERS)))
def test_its_answers(response: Response, found: LineType | Outcome) -> None:
    assert words().read(response) == found


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": "ftp://api.example/{number}"}, "url: must be an http"),
    ({"url": "https://{number}.example/"}, "url: must be an http"),
    ({"url": "https://u:p@api.example/{number}"}, "url: must be an http"),
    ({"url": "https://api.example:0/{number}"}, "url: must be an http"),
    ({"url": "https://[api/{number}"}, "url: must be an http"),
    ({"url": "https://api.example/{number} "}, "url: must be an http"),
    ({"url": "https://api.example/"}, "url: must name"),
    ({"url": "https://api.example/{number}?k={secret}"}, "neither number, digits nor a credential"),
    ({"url": 7}, "url: must be"),
    ({"headers": {"X": "{secret}"}}, "X: names"),
    ({"headers": {"X Y": "a"}}, "headers: 'X Y'"),
    ({"headers": {"X": "a\nb"}}, "headers: 'X'"),
    ({"headers": {"X": "\N{SNOWMAN}"}}, "headers: 'X'"),
    ({"headers": {"X": 7}}, "headers: 'X'"),
    ({"headers": 7}, "headers: must be a table"),
    ({"type": ""}, "type: must be"),
    ({"types": {}}, "types: must be a table"),
    ({"types": []}, "types: must be a table"),
    ({"types": {"CELL": "phone"}}, "types.CELL: must be one of mobile"),
    ({"types": {"CELL": ["mobile"]}}, "types.CELL: must be one of mobile"),
    ({"no_such_number": [200]}, "no_such_number: must be"),
    ({"no_such_number": "404"}, "no_such_number: must be"),
    ({"typs": {}}, "typs: unknown"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_descriptions_that_cannot_work(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        words(**given)


@pytest.mark.parametrize("secret", ["a\nb", "\N{SNOWMAN}"])
def test_a_credential_that_no_header_takes(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"credentials.token: must "):
        from_settings(Given(DESCRIBED, {"token": secret}))


def test_the_example_works_over_a_socket() -> None:
    described = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))["lookups"]["settings"]
    with Stand(Response(200, body=b'{"data": {"line": {"type": "LANDLINE"}}}')) as stand:
        described["url"] = described["url"].replace("https://api.example.com", stand.url)
        made = from_settings(Given(described, {"token": "t0ken"}))
        assert made.read(asked(made.build(NUMBER))) is LineType.FIXED
        seen = stand.take()
    assert (seen.method, seen.target) == ("GET", "/v1/numbers/%2B13012223333?fields=line")
    assert seen.headers["authorization"] == "Bearer t0ken"
