"""Twilio's statuses and codes, as https://www.twilio.com/docs/api/errors tells each, and what is made of them."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlencode

import pytest

from dispatcher.carriers.twilio import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Hook, Outcome, Reply, Response, Wish
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
    LANDLINE,
    LATER,
    LIMIT,
    NEVER,
    OPTED_OUT,
    OURS,
    REFUSE,
    SENDER,
    SUBMIT,
    UNEXPLAINED,
    heard,
    meant,
)

TWILIO: Final = from_settings(Given({"account_sid": "AC" + "0a" * 16}, {"auth_token": "12345"}))
SID: Final = "SM" + "0c" * 16

STATUSES: Final = [
    ("accepted", "a sender is still to be chosen", SUBMIT),
    ("scheduled", "for later", SUBMIT),
    ("queued", "waits at Twilio", SUBMIT),
    ("sending", "on its way to the carrier", SUBMIT),
    ("sent", "the carrier has it", SUBMIT),
    ("partially_delivered", "told of nowhere", SUBMIT),
    ("delivered", "the carrier or the handset confirms it", DELIVER),
    ("read", "opened", DELIVER),
    ("undelivered", "the carrier could not", REFUSE),
    ("failed", "Twilio could not", REFUSE),
    ("canceled", "withdrawn", REFUSE),
]
# Code, what it says, what an answer with it comes to, whether a receipt with it is about the sender.
CODES: Final = [
    ("21211", "To is no valid number", INVALID, False),
    ("21217", "does not look like a number", INVALID, False),
    ("21265", "To is a short code", INVALID, False),
    ("30005", "unknown handset, perhaps no longer active", INVALID, False),
    ("21614", "To is no mobile number", LANDLINE, False),
    ("21635", "To is a landline", LANDLINE, False),
    ("30006", "a landline, or its carrier cannot be reached", LANDLINE, False),
    ("21610", "the recipient replied STOP", OPTED_OUT, False),
    ("21212", "From is no valid sender, or on a do-not-originate list", SENDER, False),
    ("21266", "To and From are the same", SENDER, False),
    ("21603", "From is missing", SENDER, False),
    ("21606", "From cannot send messages to this destination", SENDER, False),
    ("21611", "ten hours of messages wait for this From", SENDER, False),
    ("21612", "no message by this From to this To", SENDER, False),
    ("21657", "the sender ID is not supported in this destination", SENDER, False),
    ("21659", "From is no number of Twilio's, or a short code of another country", SENDER, False),
    ("21660", "From is not of this account", SENDER, False),
    ("21661", "From cannot send SMS", SENDER, False),
    ("21730", "maintenance, try again later", LATER, False),
    ("14107", "rate limit", LIMIT, False),
    ("20429", "too many requests; none was processed", LIMIT, False),
    ("63017", "2,000 messages a second by the account and its subaccounts", LIMIT, False),
    ("10001", "account is not active", OURS, False),
    ("20003", "credentials wrong, expired or of another account", OURS, False),
    ("20005", "account is not active: out of funds", OURS, False),
    ("20008", "test credentials", OURS, False),
    ("20403", "access denied", OURS, False),
    ("20404", "not found: no such account", OURS, False),
    ("21608", "To is not verified: trial account, or no approved compliance profile", OURS, False),
    ("21609", "StatusCallback is no address on the public Internet", OURS, False),
    ("30002", "account suspended", OURS, False),
    ("63038", "messages of 24 hours used up by the account", OURS, False),
    ("90010", "account is not active", OURS, False),
    # Said in receipts alone.
    ("30001", "the sender's queue overflowed", NEVER, True),
    ("30007", "filtered by Twilio or a carrier", NEVER, True),
    ("30022", "rate of the 10DLC campaign exceeded", NEVER, True),
    ("30023", "the brand's daily cap", NEVER, True),
    ("30027", "the day's messages to T-Mobile", NEVER, True),
    ("30024", "the sender is not provisioned with the carrier", NEVER, True),
    ("30032", "toll-free number not verified", NEVER, True),
    ("30033", "10DLC campaign suspended", NEVER, True),
    ("30034", "10DLC number without a campaign", NEVER, True),
    ("30035", "10DLC number still being set up", NEVER, True),
    ("30042", "the sender ID is blocked: generic, or of special characters", NEVER, True),
    # Nothing lasting, or nothing about one number.
    ("21408", "country not enabled", NEVER, False),
    ("21617", "body too long", NEVER, False),
    ("30003", "handset switched off or out of reach", NEVER, False),
    ("30004", "blocked by the recipient or the carrier", NEVER, False),
    ("30008", "unknown error", NEVER, False),
    ("30036", "validity period expired", NEVER, False),
    ("21999", "told of nowhere", UNEXPLAINED, False),
]


def hook(**said: str) -> Hook:
    query = {"id": "7"}
    return Hook("POST", "https://us.example/hooks/t", query, {}, urlencode({"MessageSid": SID, **said}).encode())


@pytest.mark.parametrize(("status", "words", "event"), STATUSES)
def test_statuses(status: str, words: str, event: Event) -> None:
    assert heard(TWILIO.events(hook(MessageStatus=status))) == (event, Code.SEND_FAILED, False), words


@pytest.mark.parametrize(("code", "words", "outcome", "filtered"), CODES)
def test_codes(code: str, words: str, outcome: Outcome, filtered: bool) -> None:
    for status in (400, 403):
        body = json.dumps({"code": int(code), "message": words, "status": status}).encode()
        assert meant(TWILIO.read(Response(status, body=body))) == outcome
    for said in ("undelivered", "failed"):
        told = TWILIO.events(hook(MessageStatus=said, ErrorCode=code, ErrorMessage=words))
        assert heard(told) == (REFUSE, outcome.code, filtered)


@pytest.mark.parametrize(("word", "wish"), [("STOP", Wish.STOP), ("START", Wish.START), ("HELP", Wish.HELP)])
def test_wishes_that_twilio_answers(word: str, wish: Wish) -> None:
    [reply] = TWILIO.events(hook(From="+13012223333", Body=word, OptOutType=word))
    assert isinstance(reply, Reply)
    assert reply.answered is wish
