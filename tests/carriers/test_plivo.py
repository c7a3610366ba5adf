"""Plivo's words: left what it says, right what is made of it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from hypothesis import given

from dispatcher.carriers.plivo import from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission, Wish
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import unexplained
from tests.carriers.noise import HUGE, NOON, PAGE, heard_calmly, hooks, read_calmly, responses

ACCOUNT: Final = "MA" + "0A" * 9
UUID: Final = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
TOKEN: Final = "t0ken of a test"
SETTINGS: Final = {"auth_id": ACCOUNT}
PLIVO: Final = from_settings(Given(SETTINGS, {"auth_token": TOKEN}))
MT: Final = Submission("7", "+12015550160", "+13012223333", "Join me", 1, "https://us.example/hooks/main?id=7")
EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "plivo.toml"


def queued(*uuids: object, **more: object) -> bytes:
    return json.dumps({"api_id": "a", "message": "message(s) queued", "message_uuid": uuids} | more).encode()


def error(said: object) -> bytes:
    return json.dumps({"api_id": "a", "error": said}).encode()


# --- Settings ------------------------------------------------------------------------------------------------------


def test_the_example_works_as_it_is() -> None:
    settings = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    given = Given(settings, dict.fromkeys(settings["credentials"], "t0ken"))
    request = from_settings(given).build(MT, NOON)
    given.check_known()
    assert request.url == "https://api.plivo.com/v1/Account/MA000000000000000000/Message/"


@pytest.mark.parametrize(
    ("settings", "secrets", "wrong"),
    [
        ({}, {"auth_token": TOKEN}, "auth_id: is missing"),
        ({"auth_id": "AC" + "0" * 18}, {"auth_token": TOKEN}, "auth_id: must be MA or SA"),
        (SETTINGS, {}, "credentials.auth_token: is missing"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, str], secrets: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_settings(Given(settings, secrets))
    assert str(raised.value).startswith(wrong)


def test_a_repr_shows_no_secret() -> None:
    assert TOKEN not in repr(PLIVO)


def test_a_submit_without_an_address_for_receipts_names_none() -> None:
    body = json.loads(PLIVO.build(Submission("1", "54321", "+13012223333", "é", 1), NOON).body)
    assert "url" not in body


# --- Answers -------------------------------------------------------------------------------------------------------


def refused(fate: Fate, reason: str, code: Code = Code.SEND_FAILED) -> Outcome:
    return Outcome(fate, reason=reason, code=code)


WHO: Final = Outcome(Fate.UNKNOWN, reason="HTTP 202 without a message_uuid")
SUBMITS: Final = [
    (202, queued(UUID), Outcome(Fate.TAKEN, ref=UUID)),
    (200, queued(UUID, "2"), Outcome(Fate.TAKEN, ref=UUID)),
    (207, queued(invalid_number=["1301"]), refused(Fate.NEVER, "invalid_number", Code.INVALID_PHONE)),
    (202, queued(), WHO),
    (202, queued(""), WHO),
    (202, queued(7), WHO),
    (202, queued({"a": 1}), WHO),
    (202, queued(UUID)[:-5], WHO),
    (202, PAGE, WHO),
    (202, HUGE, WHO),
    (202, b"", WHO),
    # About the number.
    (400, error("dst is invalid"), refused(Fate.NEVER, "HTTP 400 dst is invalid", Code.INVALID_PHONE)),
    (400, error("destination is not a valid number"),
     refused(Fate.NEVER, "HTTP 400 destination is not a valid number", Code.INVALID_PHONE)),
    (400, error("dst is too much"), refused(Fate.NEVER, "HTTP 400 dst is too much")),
    (403, error("destination country is not valid"), refused(Fate.NEVER, "HTTP 403 destination country is not valid")),
    (400, error("text is too long"), refused(Fate.NEVER, "HTTP 400 text is too long")),
    (400, error("e" * 999), unexplained(("HTTP 400 " + "e" * 999)[:255])),
    (422, error({"dst": ["is invalid"]}),
     refused(Fate.NEVER, 'HTTP 422 {"api_id": "a", "error": {"dst": ["is invalid"]}}', Code.INVALID_PHONE)),
    (400, PAGE, unexplained("HTTP 400")),
    # About the sender, or about both.
    (400, error("src is invalid"), refused(Fate.OTHER_SENDER, "HTTP 400 src is invalid")),
    (400, error("Invalid source number"), refused(Fate.OTHER_SENDER, "HTTP 400 Invalid source number")),
    (400, error("src and dst are the same"), refused(Fate.NEVER, "HTTP 400 src and dst are the same")),
    # About us.
    (401, b"Could not verify your access level", refused(Fate.STOP_CARRIER, "HTTP 401")),
    (401, error("bad token"), refused(Fate.STOP_CARRIER, "HTTP 401 bad token")),
    (402, b"", refused(Fate.STOP_CARRIER, "HTTP 402")),
    (400, error("Insufficient credit"), refused(Fate.STOP_CARRIER, "HTTP 400 Insufficient credit")),
    (403, error("account is suspended"), refused(Fate.STOP_CARRIER, "HTTP 403 account is suspended")),
    (403, PAGE, refused(Fate.STOP_CARRIER, "HTTP 403")),
    (404, error("not found"), refused(Fate.STOP_CARRIER, "HTTP 404 not found")),
    (405, PAGE, refused(Fate.STOP_CARRIER, "HTTP 405")),
    # Limits, and what nobody can tell.
    (429, error("dst"), Outcome(Fate.LATER, reason="throttled", retry_after=timedelta(seconds=7), limit=True)),
    (503, PAGE, Outcome(Fate.LATER, reason="HTTP 503", retry_after=timedelta(seconds=7), limit=True)),
    (500, error("dst is invalid"), refused(Fate.UNKNOWN, "HTTP 500")),
    (302, queued(UUID), refused(Fate.UNKNOWN, "HTTP 302")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "outcome"), SUBMITS)
def test_answers(status: int, body: bytes, outcome: Outcome) -> None:
    assert PLIVO.read(Response(status, {"retry-after": "7"}, body)) == outcome


@pytest.mark.parametrize("status", [202, 401, 400])
def test_a_fault_is_judged_before_what_came_of_the_answer(status: int) -> None:
    cut = Response(status, body=queued(UUID), fault=Fault.CUT, detail="reset")
    assert PLIVO.read(cut) == refused(Fate.UNKNOWN, "reset")


# --- Hooks ---------------------------------------------------------------------------------------------------------


def hook(key: str = "7", **said: str) -> Hook:
    return Hook("POST", "https://us.example/hooks/main", {"id": key} if key else {}, {}, urlencode(said).encode())


def receipt(event: Event, reason: str, code: Code = Code.SEND_FAILED, *, filtered: bool = False) -> Receipt:
    return Receipt(event, "7", UUID, reason, code, filtered)


RECEIPTS: Final = [
    ("queued", "", receipt(Event.SUBMIT, "queued")),
    ("sent", "", receipt(Event.SUBMIT, "sent")),
    ("delivered", "", receipt(Event.DELIVER, "delivered")),
    ("delivered", "000", receipt(Event.DELIVER, "delivered 000")),
    ("read", "", receipt(Event.DELIVER, "read")),
    ("failed", "900", receipt(Event.REFUSE, "failed 900")),
    ("rejected", "", receipt(Event.REFUSE, "rejected")),
    ("undelivered", "50", receipt(Event.REFUSE, "undelivered 50", Code.INVALID_PHONE)),
    ("undelivered", "70", receipt(Event.REFUSE, "undelivered 70", Code.INVALID_PHONE)),
    ("undelivered", "80", receipt(Event.REFUSE, "undelivered 80")),
    ("undelivered", "100", receipt(Event.REFUSE, "undelivered 100")),
    ("undelivered", "200", receipt(Event.REFUSE, "undelivered 200", Code.OPTED_OUT)),
    ("undelivered", "30", receipt(Event.REFUSE, "undelivered 30", filtered=True)),
    ("undelivered", "e" * 999, receipt(Event.REFUSE, ("undelivered " + "e" * 999)[:255])),
]


@pytest.mark.parametrize(("status", "code", "told"), RECEIPTS)
def test_receipts(status: str, code: str, told: Receipt) -> None:
    said = {"MessageUUID": UUID, "Status": status, "ErrorCode": code, "From": "12015550160", "To": "13012223333"}
    assert PLIVO.events(hook(**said)) == [told]


def test_a_receipt_by_the_uuid_alone() -> None:
    told = PLIVO.events(hook("", MessageUUID=UUID, Status="delivered"))
    assert told == [Receipt(Event.DELIVER, "", UUID, "delivered")]


@pytest.mark.parametrize("word", ["Delivered", "DELIVERED", "delivered ", "received", "new", "1"])
def test_an_unknown_status_tells_nothing(word: str) -> None:
    assert PLIVO.events(hook(MessageUUID=UUID, Status=word)) == []


@pytest.mark.parametrize(
    ("intent", "answered"),
    [({}, None), ({"MessageIntent": "optout"}, Wish.STOP), ({"MessageIntent": "optin"}, Wish.START),
     ({"MessageIntent": "x"}, None)],
)  # fmt: skip
def test_replies(intent: dict[str, str], answered: Wish | None) -> None:
    said = {"MessageUUID": UUID, "From": "13012223333", "To": "12015550160", "Text": "Stop é", "Type": "sms"}
    reply = Reply(their_number="13012223333", our_number="12015550160", text="Stop é", ref=UUID, answered=answered)
    assert PLIVO.events(hook("", **said | intent)) == [reply]
    assert PLIVO.events(Hook("GET", "https://us.example/hooks/main", said | intent)) == [reply]


def test_a_reply_needs_no_more_than_who_wrote() -> None:
    reply = Reply(their_number="13012223333", our_number="", text="STOP")
    assert PLIVO.events(hook("", From="13012223333", Text="STOP")) == [reply]
    assert PLIVO.events(hook("", From="13012223333", Type="mms")) == [replace(reply, text="")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b'{"MessageUUID": "u", "Status": "delivered"}',
        PAGE,
        urlencode({"MessageUUID": UUID}).encode(),
        urlencode({"Status": "delivered"}).encode(),
        urlencode({"Text": "STOP", "MessageUUID": UUID, "To": "12015550160"}).encode(),
    ],
)
def test_a_hook_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as raised:
        PLIVO.events(Hook("POST", "https://us.example/hooks/main", {}, {}, body))
    assert raised.value.http == 400


# --- Noise ---------------------------------------------------------------------------------------------------------

NAMES: Final = ("message_uuid", "invalid_number", "error", "MessageUUID", "Status", "Text", "ErrorCode", "From", "To")
HEADERS: Final = [f"x-plivo-signature-{name}" for name in ("v2", "v3", "ma-v2", "ma-v3", "v2-nonce", "v3-nonce")]


@given(responses(NAMES, [queued(UUID), error("dst is invalid")]))
def test_noise_is_an_outcome_and_never_taken(response: Response) -> None:
    read_calmly(PLIVO, response)


@given(hooks(NAMES, [b"MessageUUID=u&Status=delivered"], HEADERS))
def test_noise_is_never_genuine_and_never_delivered(noise: Hook) -> None:
    heard_calmly(PLIVO, noise, ["delivered", "read"])
