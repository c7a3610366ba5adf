"""Twilio's words: left what it says, right what is made of it."""

from __future__ import annotations

import json
import tomllib
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given

from dispatcher.carriers.twilio import from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission, Wish
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import unexplained
from tests.carriers.noise import HUGE, NOON, PAGE, heard_calmly, hooks, read_calmly, responses

ACCOUNT: Final = "AC" + "0a" * 16
KEY: Final = "SK" + "0b" * 16
SID: Final = "SM" + "0c" * 16
TOKEN: Final = "12345"
SETTINGS: Final = {"account_sid": ACCOUNT}
SECRETS: Final = {"auth_token": TOKEN, "shared_key": "shared"}
TWILIO: Final = from_settings(Given(SETTINGS, SECRETS))
URL: Final = "https://us.example/hooks/main?id=234234"
MT: Final = Submission("234234", "+12015550160", "+13012223333", "Join me", 1, URL)
EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "twilio.toml"


def never(reason: str, code: Code = Code.SEND_FAILED, **more: Any) -> Outcome:
    return Outcome(Fate.NEVER, reason=reason, code=code, **more)


def created(**said: object) -> bytes:
    """The answer to a submit that is taken."""
    return json.dumps({"sid": SID, "status": "queued", "error_code": None, "num_segments": "1"} | said).encode()


def error(code: object, message: str = "why") -> bytes:
    return json.dumps({"code": code, "message": message, "more_info": "https://twilio", "status": 400}).encode()


# --- Settings ------------------------------------------------------------------------------------------------------


def test_the_example_works_as_it_is() -> None:
    settings = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    given = Given(settings, dict.fromkeys(settings["credentials"], "t0ken"))
    request = from_settings(given).build(MT, NOON)
    given.check_known()
    assert request.url.startswith("https://api.twilio.com/2010-04-01/Accounts/AC")


@pytest.mark.parametrize(
    ("settings", "secrets", "wrong"),
    [
        ({}, SECRETS, "account_sid: is missing"),
        ({"account_sid": "AC12"}, SECRETS, "account_sid: must be AC and 32 hex digits"),
        (SETTINGS, {}, "credentials.auth_token: is missing"),
        (SETTINGS | {"api_key": "AC12"}, SECRETS, "api_key: must be SK and 32 hex digits"),
        (SETTINGS | {"api_key": KEY}, SECRETS, "api_key: goes together with credentials.api_secret"),
        (SETTINGS, SECRETS | {"api_secret": "s"}, "api_key: goes together"),
        (SETTINGS | {"base_url": "ftp://x"}, SECRETS, "base_url: must be"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, str], secrets: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_settings(Given(settings, secrets))
    assert str(raised.value).startswith(wrong)


def test_an_api_key_takes_the_place_of_the_token_in_requests_alone() -> None:
    carrier = from_settings(Given(SETTINGS | {"api_key": KEY}, SECRETS | {"api_secret": "s3cret"}))
    assert b64decode(carrier.build(MT, NOON).headers["Authorization"].split()[1]) == f"{KEY}:s3cret".encode()
    assert carrier.auth_tokens == (TOKEN,)


def test_a_repr_shows_no_secret() -> None:
    for secret in (TOKEN, "shared"):
        assert secret not in repr(TWILIO)


def test_a_submit_without_an_address_for_receipts_names_none() -> None:
    request = TWILIO.build(Submission("1", "54321", "+13012223333", "é", 1), NOON)
    assert parse_qsl(request.body.decode()) == [("To", "+13012223333"), ("From", "54321"), ("Body", "é")]


# --- Answers -------------------------------------------------------------------------------------------------------

TAKEN: Final = Outcome(Fate.TAKEN, ref=SID)
SUBMITS: Final = [
    (201, created(), TAKEN),
    (201, created(status="accepted"), TAKEN),
    (200, created(status="a new word"), TAKEN),
    (201, created(status="failed", error_code=30007), never("failed 30007", ref=SID)),
    (201, created(status="undelivered", error_code=30006), never("undelivered 30006", Code.NOT_MOBILE, ref=SID)),
    (201, created(status="failed", error_code=99999), unexplained("failed 99999", SID)),
    (201, created(status="canceled"), unexplained("canceled", SID)),
    (201, created(sid=None), Outcome(Fate.UNKNOWN, reason="HTTP 201 without a sid")),
    (201, created(sid="<b>"), Outcome(Fate.UNKNOWN, reason="HTTP 201 without a sid")),
    (201, created()[:-9], Outcome(Fate.UNKNOWN, reason="HTTP 201 without a sid")),
    (200, PAGE, Outcome(Fate.UNKNOWN, reason="HTTP 200 without a sid")),
    (200, HUGE, Outcome(Fate.UNKNOWN, reason="HTTP 200 without a sid")),
    (200, b"", Outcome(Fate.UNKNOWN, reason="HTTP 200 without a sid")),
    # About the number.
    (400, error(21211), never("21211 why", Code.INVALID_PHONE)),
    (400, error("21211"), never("21211 why", Code.INVALID_PHONE)),
    (400, error(21614), never("21614 why", Code.NOT_MOBILE)),
    (400, error(21635), never("21635 why", Code.NOT_MOBILE)),
    (400, error(21610), never("21610 why", Code.OPTED_OUT)),
    (403, error(21610), never("21610 why", Code.OPTED_OUT)),
    (403, error(21408), never("21408 why")),
    (400, error(21617, "m" * 999), never(("21617 " + "m" * 999)[:255])),
    (400, error(99999, ""), unexplained("99999")),
    (400, PAGE, unexplained("HTTP 400")),
    (422, b'{"message": 7}', unexplained("HTTP 422 7")),
    # About the sender.
    (400, error(21606), Outcome(Fate.OTHER_SENDER, reason="21606 why")),
    (400, error(21612), Outcome(Fate.OTHER_SENDER, reason="21612 why")),
    (429, error(21611), Outcome(Fate.OTHER_SENDER, reason="21611 why")),
    # Limits.
    (400, error(21730), Outcome(Fate.LATER, reason="21730 why")),
    (429, error(20429), Outcome(Fate.LATER, reason="20429 why", retry_after=timedelta(seconds=7), limit=True)),
    (429, error(63017), Outcome(Fate.LATER, reason="63017 why", retry_after=timedelta(seconds=7), limit=True)),
    (400, error(14107), Outcome(Fate.LATER, reason="14107 why", retry_after=timedelta(seconds=7), limit=True)),
    (429, error(99999), Outcome(Fate.LATER, reason="throttled", retry_after=timedelta(seconds=7), limit=True)),
    (429, PAGE, Outcome(Fate.LATER, reason="throttled", retry_after=timedelta(seconds=7), limit=True)),
    # Our account and our settings.
    (401, error(20003), Outcome(Fate.STOP_CARRIER, reason="20003 why")),
    (403, error(20003), Outcome(Fate.STOP_CARRIER, reason="20003 why")),
    (400, error(21608), Outcome(Fate.STOP_CARRIER, reason="21608 why")),
    (429, error(63038), Outcome(Fate.STOP_CARRIER, reason="63038 why")),
    (400, error(21609), Outcome(Fate.STOP_CARRIER, reason="21609 why")),
    (404, error(20404), Outcome(Fate.STOP_CARRIER, reason="20404 why")),
    (403, error(20999), Outcome(Fate.STOP_CARRIER, reason="20999 why")),
    (402, error(99999), Outcome(Fate.STOP_CARRIER, reason="99999 why")),
    (403, PAGE, Outcome(Fate.STOP_CARRIER, reason="HTTP 403")),
    (404, PAGE, Outcome(Fate.STOP_CARRIER, reason="HTTP 404")),
    (307, b"", Outcome(Fate.STOP_CARRIER, reason="HTTP 307, a redirect")),
    # Nobody can tell.
    (500, error(20500), Outcome(Fate.UNKNOWN, reason="HTTP 500")),
    (502, error(21211), Outcome(Fate.UNKNOWN, reason="HTTP 502")),
    (302, created(), Outcome(Fate.UNKNOWN, reason="HTTP 302")),
]


@pytest.mark.parametrize(("status", "body", "outcome"), SUBMITS)
def test_answers(status: int, body: bytes, outcome: Outcome) -> None:
    assert TWILIO.read(Response(status, {"retry-after": "7"}, body)) == outcome


def test_a_fault_is_judged_before_what_came_of_the_body() -> None:
    cut = Response(201, body=created(), fault=Fault.CUT, detail="reset")
    assert TWILIO.read(cut) == Outcome(Fate.UNKNOWN, reason="reset")
    refused = Response(400, body=error(21211), fault=Fault.OVERSIZED)
    assert TWILIO.read(refused) == Outcome(Fate.UNKNOWN, reason="oversized")


# --- Hooks ---------------------------------------------------------------------------------------------------------


def hook(key: str = "234234", **said: str) -> Hook:
    query = {"id": key} if key else {}
    return Hook("POST", "https://us.example/hooks/main", query, {}, urlencode(said).encode())


def receipt(event: Event, reason: str, code: Code = Code.SEND_FAILED, *, filtered: bool = False) -> Receipt:
    return Receipt(event, "234234", SID, reason, code, filtered)


RECEIPTS: Final = [
    ({"MessageStatus": "queued"}, receipt(Event.SUBMIT, "queued")),
    ({"MessageStatus": "sending"}, receipt(Event.SUBMIT, "sending")),
    ({"MessageStatus": "sent"}, receipt(Event.SUBMIT, "sent")),
    ({"MessageStatus": "partially_delivered"}, receipt(Event.SUBMIT, "partially_delivered")),
    ({"MessageStatus": "delivered"}, receipt(Event.DELIVER, "delivered")),
    ({"MessageStatus": "read"}, receipt(Event.DELIVER, "read")),
    ({"MessageStatus": "canceled"}, receipt(Event.REFUSE, "canceled")),
    ({"MessageStatus": "undelivered", "ErrorCode": "30003"}, receipt(Event.REFUSE, "30003")),
    ({"MessageStatus": "undelivered", "ErrorCode": "30005"}, receipt(Event.REFUSE, "30005", Code.INVALID_PHONE)),
    ({"MessageStatus": "undelivered", "ErrorCode": "30006"}, receipt(Event.REFUSE, "30006", Code.NOT_MOBILE)),
    ({"MessageStatus": "failed", "ErrorCode": "21610"}, receipt(Event.REFUSE, "21610", Code.OPTED_OUT)),
    ({"MessageStatus": "failed", "ErrorCode": "30002"}, receipt(Event.REFUSE, "30002")),
    ({"MessageStatus": "undelivered", "ErrorCode": "30007"}, receipt(Event.REFUSE, "30007", filtered=True)),
    *(
        ({"MessageStatus": "undelivered", "ErrorCode": code}, receipt(Event.REFUSE, code, filtered=True))
        for code in ("30001", "30022", "30023", "30027")
    ),
    (
        {"MessageStatus": "undelivered", "ErrorCode": "30034", "ErrorMessage": "no " * 999},
        receipt(Event.REFUSE, ("30034 " + "no " * 999)[:255], filtered=True),
    ),
]


@pytest.mark.parametrize(("said", "told"), RECEIPTS)
def test_receipts(said: dict[str, str], told: Receipt) -> None:
    assert TWILIO.events(hook(MessageSid=SID, SmsStatus=said["MessageStatus"], To="+13012223333", **said)) == [told]


def test_a_receipt_by_the_sid_alone() -> None:
    assert TWILIO.events(hook("", MessageSid=SID, MessageStatus="delivered"))[0] == Receipt(
        Event.DELIVER, "", SID, "delivered"
    )


@pytest.mark.parametrize("word", ["Delivered", "DELIVERED", "delivered ", "receiving", "received", "new", "1"])
def test_an_unknown_status_tells_nothing(word: str) -> None:
    assert TWILIO.events(hook(MessageSid=SID, MessageStatus=word)) == []


@pytest.mark.parametrize(
    ("opt_out", "answered"),
    [({}, None), ({"OptOutType": "STOP"}, Wish.STOP), ({"OptOutType": "HELP"}, Wish.HELP), ({"OptOutType": "x"}, None)],
)
def test_replies(opt_out: dict[str, str], answered: Wish | None) -> None:
    said = {"MessageSid": SID, "SmsStatus": "received", "From": "+13012223333", "To": "+12015550160", "Body": "Stop é"}
    reply = Reply(their_number="+13012223333", our_number="+12015550160", text="Stop é", ref=SID, answered=answered)
    assert TWILIO.events(hook("", **said | opt_out)) == [reply]


def test_a_reply_as_it_is_documented_by_post_and_by_get() -> None:
    """Without a status, which their own table of parameters does not have."""
    said = {
        "MessageSid": SID, "SmsSid": SID, "AccountSid": "AC" + "0" * 32, "From": "+13012223333", "To": "+12015550160",
        "Body": "STOP", "NumMedia": "0", "NumSegments": "1",
    }  # fmt: skip
    reply = Reply(their_number="+13012223333", our_number="+12015550160", text="STOP", ref=SID)
    assert TWILIO.events(hook("", **said)) == [reply]
    assert TWILIO.events(Hook("GET", "https://us.example/hooks/main", said)) == [reply]


@pytest.mark.parametrize(
    ("said", "ref"),
    [({}, ""), ({"SmsStatus": "received"}, ""), ({"SmsStatus": "receiving", "SmsSid": SID}, SID), ({"Body": ""}, "")],
)
def test_a_reply_needs_no_more_than_who_wrote(said: dict[str, str], ref: str) -> None:
    [reply] = TWILIO.events(hook("", From="+13012223333", **{"Body": "STOP"} | said))
    assert reply == Reply(their_number="+13012223333", our_number="", text=said.get("Body", "STOP"), ref=ref)


def test_a_receipt_by_the_older_name_of_its_status() -> None:
    said = {"SmsSid": SID, "SmsStatus": "delivered", "From": "+12015550160", "To": "+13012223333", "Body": "Join me"}
    assert TWILIO.events(hook(**said)) == [receipt(Event.DELIVER, "delivered")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b'{"MessageSid": "SM1", "MessageStatus": "delivered"}',
        PAGE,
        urlencode({"MessageSid": SID}).encode(),
        urlencode({"MessageStatus": "delivered"}).encode(),
        urlencode({"SmsStatus": "received", "Body": "STOP", "MessageSid": SID, "To": "+12015550160"}).encode(),
        urlencode({"MessageSid": SID, "MessageStatus": "", "SmsStatus": "", "From": "+13012223333"}).encode(),
    ],
)
def test_a_hook_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as raised:
        TWILIO.events(Hook("POST", "https://us.example/hooks/main", {}, {}, body))
    assert raised.value.http == 400


# --- Noise ---------------------------------------------------------------------------------------------------------

NAMES: Final = ("sid", "code", "message", "status", "MessageSid", "MessageStatus", "SmsStatus", "ErrorCode", "From")
DELIVERED: Final = b"MessageSid=SM1&MessageStatus=delivered"


@given(responses(NAMES, [created(), error(21211)]))
def test_noise_is_an_outcome_and_never_taken(response: Response) -> None:
    read_calmly(TWILIO, response)


@given(hooks(NAMES, [DELIVERED], ["x-twilio-signature", "x-twilio-webhooks-signature-settings"]))
def test_noise_is_never_genuine_and_never_delivered(noise: Hook) -> None:
    heard_calmly(TWILIO, noise, ["delivered", "read"])


def test_what_no_database_keeps_is_left_out_of_a_reply() -> None:
    told = TWILIO.events(Hook("POST", URL, body=b"From=%2B1301222%003333&Body=ST%00OP&MessageSid=SM1"))
    assert told == [Reply(their_number="+13012223333", our_number="", text="STOP", ref="SM1")]
