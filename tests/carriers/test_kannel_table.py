"""Kannel's sentences and reports: https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html, chapter 6."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import pytest

from dispatcher.carriers.kannel import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Hook, Outcome, Response
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
    LIMIT,
    NEVER,
    OURS,
    REFUSE,
    SENDER,
    SUBMIT,
    TAKEN,
    UNEXPLAINED,
    heard,
    meant,
)

SETTINGS: Final = {"url": "http://127.0.0.1:13013/cgi-bin/sendsms", "username": "dispatcher"}
KANNEL: Final = from_settings(Given(SETTINGS, {"password": "p", "hook_token": "t"}))

ANSWERS: Final = [
    (202, "0: Accepted for delivery", TAKEN),
    (202, "3: Queued for later delivery", TAKEN),
    (400, "Missing receiver number, rejected", INVALID),
    (400, "Empty receiver number not allowed, rejected", INVALID),
    (400, "Number(s) has/have been denied by white- and/or black-lists.", INVALID),
    (400, "Sender missing and no global set, rejected", SENDER),
    (400, "Charset or body misformed, rejected", UNEXPLAINED),
    (400, "Coding field misformed, rejected", UNEXPLAINED),
    (403, "Authorization failed for sendsms", OURS),
    (403, "Not routable. Do not try again.", NEVER),
    (404, "Unknown request.", OURS),
    (503, "Temporal failure, try again later.", LIMIT),
]
# The bits of %d in a dlr-url.
REPORTS: Final = [
    (1, "delivered to the phone", DELIVER),
    (2, "not delivered to the phone", REFUSE),
    (4, "queued on the SMSC", SUBMIT),
    (8, "delivered to the SMSC", SUBMIT),
    (12, "both of these", SUBMIT),
    (16, "not delivered to the SMSC", REFUSE),
    (32 + 2, "expired, in later versions", REFUSE),
    (64 + 2, "unknown, in later versions", SUBMIT),
]
# The SMSC's command_status (SMPP 3.4, 5.1.3): what it means to the customer, whether it is about the sender.
REJECTED: Final = [
    (0x08, "System Error", Code.SEND_FAILED, False),
    (0x0A, "Invalid Source Address", Code.SEND_FAILED, True),
    (0x0B, "Invalid Destination Address", Code.INVALID_PHONE, False),
    (0x0C, "Message ID is invalid", Code.SEND_FAILED, False),
    (0x45, "Submit failed", Code.SEND_FAILED, False),
    (0x48, "Invalid Source TON", Code.SEND_FAILED, True),
    (0x49, "Invalid Source NPI", Code.SEND_FAILED, True),
    (0x50, "Invalid Destination TON", Code.INVALID_PHONE, False),
    (0x51, "Invalid Destination NPI", Code.INVALID_PHONE, False),
    (0x58, "Throttling error", Code.SEND_FAILED, False),
]


def reported(bits: int, answer: str = "") -> Hook:
    """As Kannel fills in the address that it was given."""
    return Hook("GET", f"https://us.example/hooks/k?id=7&status={bits}&answer={quote(answer, safe='')}", {"id": "7"})


@pytest.mark.parametrize(("status", "sentence", "outcome"), ANSWERS)
def test_answers(status: int, sentence: str, outcome: Outcome) -> None:
    assert meant(KANNEL.read(Response(status, body=sentence.encode()))) == outcome


@pytest.mark.parametrize(("bits", "words", "event"), REPORTS)
def test_reports(bits: int, words: str, event: Event) -> None:
    assert heard(KANNEL.events(reported(bits))) == (event, Code.SEND_FAILED, False), words


@pytest.mark.parametrize(("status", "words", "meaning", "filtered"), REJECTED)
def test_what_the_smsc_rejects(status: int, words: str, meaning: Code, filtered: bool) -> None:
    answer = f"NACK/0x{status:08x}/{words}"
    for bits in (2, 16):
        assert heard(KANNEL.events(reported(bits, answer))) == (REFUSE, meaning, filtered)
    assert heard(KANNEL.events(reported(8, answer))) == (SUBMIT, Code.SEND_FAILED, False)
