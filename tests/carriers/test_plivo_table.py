"""Plivo's statuses and codes, as https://docs.plivo.com/docs/messaging/troubleshooting/error-codes has them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import pytest

from dispatcher.carriers.plivo import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Hook, Reply, Wish
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import DELIVER, REFUSE, SUBMIT, heard

PLIVO: Final = from_settings(Given({"auth_id": "MA" + "0" * 18}, {"auth_token": "12345"}))
UUID: Final = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"

STATUSES: Final = [
    ("queued", "waits at Plivo", SUBMIT),
    ("sent", "the carrier has it", SUBMIT),
    ("delivered", "the carrier reports it delivered", DELIVER),
    ("read", "opened", DELIVER),
    ("failed", "Plivo could not pass it on", REFUSE),
    ("undelivered", "the carrier could not deliver it", REFUSE),
    ("rejected", "refused", REFUSE),
]
# Of receipts: code, what it says, what it means to the customer, whether it is about the sender.
CODES: Final = [
    ("10", "invalid message", Code.SEND_FAILED, False),
    ("20", "network error, for a while", Code.SEND_FAILED, False),
    ("30", "spam detected", Code.SEND_FAILED, True),
    ("40", "invalid source number", Code.SEND_FAILED, True),
    ("50", "invalid destination: mistyped, without SMS, or a landline", Code.INVALID_PHONE, False),
    ("60", "loop detected", Code.SEND_FAILED, False),
    ("70", "destination permanently unavailable", Code.INVALID_PHONE, False),
    ("80", "destination temporarily unavailable", Code.SEND_FAILED, False),
    ("90", "no route", Code.SEND_FAILED, False),
    ("100", "the network does not support the message", Code.SEND_FAILED, False),
    ("110", "message too long", Code.SEND_FAILED, False),
    ("200", "source blocked by STOP from destination", Code.OPTED_OUT, False),
    ("201", "US toll-free numbers may not send to Canada", Code.SEND_FAILED, True),
    ("300", "not dispatched", Code.SEND_FAILED, False),
    ("420", "expired", Code.SEND_FAILED, False),
    ("900", "insufficient credit", Code.SEND_FAILED, False),
    ("910", "account disabled", Code.SEND_FAILED, False),
    ("1000", "unknown error", Code.SEND_FAILED, False),
]


def hook(**said: str) -> Hook:
    return Hook(
        "POST", "https://us.example/hooks/p", {"id": "7"}, {}, urlencode({"MessageUUID": UUID, **said}).encode()
    )


@pytest.mark.parametrize(("status", "words", "event"), STATUSES)
def test_statuses(status: str, words: str, event: Event) -> None:
    assert heard(PLIVO.events(hook(Status=status, ErrorCode=""))) == (event, Code.SEND_FAILED, False), words


@pytest.mark.parametrize(("code", "words", "meaning", "filtered"), CODES)
def test_codes(code: str, words: str, meaning: Code, filtered: bool) -> None:
    for status in ("failed", "undelivered"):
        assert heard(PLIVO.events(hook(Status=status, ErrorCode=code))) == (REFUSE, meaning, filtered), words


@pytest.mark.parametrize(("word", "wish"), [("optout", Wish.STOP), ("optin", Wish.START), ("help", Wish.HELP)])
def test_wishes_that_plivo_answers(word: str, wish: Wish) -> None:
    [reply] = PLIVO.events(hook(From="13012223333", Text="?", MessageIntent=word))
    assert isinstance(reply, Reply)
    assert reply.answered is wish
