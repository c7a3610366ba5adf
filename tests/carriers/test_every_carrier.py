"""What holds for every carrier: it speaks the words of the port, has an example and a place in the docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

from dispatcher.carriers import generic, infobip, kannel, plivo, simulated, sinch, smpp, telnyx, twilio, vonage
from dispatcher.core.exchange import Fate, Hook, Response, Submission
from dispatcher.core.given import Given
from dispatcher.engine.transport import Carrier
from dispatcher.wiring.carriers import CARRIERS
from tests.carriers.noise import NOON

ROOT: Final = Path(__file__).parents[2]
# They are loaded by name, so it is here that types are checked.
MAKERS: Final[Mapping[str, Callable[[Given], Carrier]]] = {
    "generic": generic.from_settings,
    "infobip": infobip.from_settings,
    "kannel": kannel.from_settings,
    "plivo": plivo.from_settings,
    "simulated": simulated.from_settings,
    "sinch": sinch.from_settings,
    "smpp": smpp.from_settings,
    "telnyx": telnyx.from_settings,
    "twilio": twilio.from_settings,
    "vonage": vonage.from_settings,
}


SETTINGS: Final[Mapping[str, tuple[dict[str, object], dict[str, str]]]] = {
    "generic": ({"request": {"url": "https://sms.example/"}, "credentials": {}}, {}),
    "infobip": ({"base_url": "https://x1.api.infobip.com"}, {"api_key": "k", "hook_token": "t"}),
    "kannel": ({"url": "https://kannel.example/", "username": "u"}, {"password": "p", "hook_token": "t"}),
    "plivo": ({"auth_id": "MA" + 18 * "0"}, {"auth_token": "t"}),
    "sinch": ({"service_plan_id": "p"}, {"api_token": "t", "hook_token": "t"}),
    "telnyx": ({}, {"api_key": "k", "public_key": 43 * "A" + "="}),
    "twilio": ({"account_sid": "AC" + 32 * "0"}, {"auth_token": "t"}),
    "vonage": ({"api_key": "k"}, {"api_secret": "s", "signature_secret": "s"}),
}
STATUSES: Final = {
    Fate.STOP_CARRIER: (301, 307, 308, 401, 402, 403, 404, 405, 407, 410, 415, 421),
    Fate.LATER: (425, 429),
    Fate.NEVER: (400, 406, 411, 413, 414, 422, 451),
    Fate.UNKNOWN: (0, 302, 303, 304, 408, 500, 502, 503, 504, 520),
}


def test_all_are_known() -> None:
    assert tuple(MAKERS) == CARRIERS


@pytest.mark.parametrize("name", [name for name in CARRIERS if name != "simulated"])
def test_it_is_explained(name: str) -> None:
    assert (ROOT / "config" / "connections" / f"{name}.toml").is_file()
    assert f"## {name}" in (ROOT / "docs" / "carriers.md").read_text("utf-8").casefold()


@pytest.mark.parametrize("status", [(status, fate) for fate, statuses in STATUSES.items() for status in statuses])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_status_without_a_word_means_the_same_of_each(name: str, status: tuple[int, Fate]) -> None:
    assert MAKERS[name](Given(*SETTINGS[name])).read(Response(status[0])).fate is status[1]


def test_each_that_speaks_http_is_in_that_table() -> None:
    assert {*SETTINGS, "simulated", "smpp"} == set(CARRIERS)


JSON: Final = '{"code": 4711, "message": "No.", "error": "No.", "errors": [{"code": "4711"}], "title": "4711"}'


@pytest.mark.parametrize("body", ["", "<html>", JSON])
@pytest.mark.parametrize("status", [400, 409, 413, 422])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_refusal_that_no_table_knows_is_unexplained(name: str, status: int, body: str) -> None:
    outcome = MAKERS[name](Given(*SETTINGS[name])).read(Response(status, body=body.encode()))
    # Telnyx says 409 of a key that is in use, which is a doubt.
    assert outcome.unexplained == (name != "telnyx" or status != 409)


# About this text or this number, each as its carrier says it.
EXPLAINED: Final = [
    ("generic", 400, '{"error": "spam"}'),
    ("infobip", 200, '{"messages": [{"messageId": "m1", "status": {"groupId": 5, "id": 20}}]}'),
    ("infobip", 400, '{"violations": [{"property": "messages[0].content.text"}]}'),
    ("kannel", 403, "Not routable. Do not try again."),
    ("plivo", 400, '{"error": "text is too long"}'),
    ("plivo", 403, '{"error": "No permission for that region"}'),
    ("sinch", 400, '{"code": "syntax_invalid_parameter_format", "text": "Invalid format of [body]"}'),
    ("sinch", 403, '{"code": "illegal_number_type"}'),
    ("telnyx", 403, '{"errors": [{"code": "40322"}]}'),
    ("twilio", 400, '{"code": 21617}'),
    ("twilio", 400, '{"code": 30007}'),
    ("vonage", 422, '{"title": "1210"}'),
    ("vonage", 422, '{"type": "https://developer.vonage.com/api-errors/messages#1040"}'),
]
SPAM: Final = [{"where": "json:error", "equals": "spam", "fate": "never"}]


@pytest.mark.parametrize(("name", "status", "body"), EXPLAINED)
def test_a_refusal_about_one_text_or_number_is_explained(name: str, status: int, body: str) -> None:
    settings, credentials = SETTINGS[name]
    described = {"answer": {"refused": SPAM}} if name == "generic" else {}
    outcome = MAKERS[name](Given(settings | described, credentials)).read(Response(status, body=body.encode()))
    assert (outcome.fate, outcome.unexplained) == (Fate.NEVER, False)


def test_each_explains_something() -> None:
    assert {name for name, _, _ in EXPLAINED} == set(SETTINGS)


URL: Final = "https://us.example/hooks/c"


@pytest.mark.parametrize("name", ["infobip", "kannel", "sinch"])
def test_addresses_with_the_former_token_are_good_while_it_changes(name: str) -> None:
    settings, credentials = SETTINGS[name]
    carrier = MAKERS[name](Given(settings, credentials | {"hook_token": "new", "hook_token_before": "old"}))
    request = carrier.build(Submission("7", "+12015550160", "+13012223333", "x", 1, f"{URL}?id=7"), NOON)
    asked = request.body.decode() + unquote(request.url)
    assert "token=new" in asked
    assert "old" not in asked
    good = [token for token in ("new", "old", "older", "") if carrier.verify(Hook("POST", URL, {"token": token}), NOON)]
    assert good == ["new", "old"]
