"""Sinch's statuses and codes: https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/.

Codes below 400 are the networks': https://developers.sinch.com/docs/sms/smpp/10dlc-errors and /error-codes.
"""

from __future__ import annotations

import json
from typing import Final

import pytest

from dispatcher.carriers.sinch import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Hook, Outcome, Response
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
    NEVER,
    OURS,
    REFUSE,
    SENDER,
    SUBMIT,
    UNEXPLAINED,
    heard,
    meant,
)

SINCH: Final = from_settings(Given({"service_plan_id": "plan1"}, {"api_token": "tok1", "hook_token": "t"}))

STATUSES: Final = [
    ("Queued", "waits at Sinch", SUBMIT),
    ("Dispatched", "passed to the network", SUBMIT),
    ("Delivered", "the handset has it", DELIVER),
    ("Aborted", "before it reached the network", REFUSE),
    ("Cancelled", "withdrawn", REFUSE),
    ("Rejected", "by the network", REFUSE),
    ("Deleted", "by the network: an invalid number or an opted-out one", REFUSE),
    ("Failed", "not delivered", REFUSE),
    ("Expired", "validity over", REFUSE),
    ("Unknown", "no receipt, or none that could be read", SUBMIT),
]
# Of receipts: code, what it says, what it means to the customer, whether it is about the sender.
CODES: Final = [
    ("15", "screening: spam", Code.SEND_FAILED, True),
    ("60", "originator blocked: campaign is not active", Code.SEND_FAILED, True),
    ("62", "screening: spam filter", Code.SEND_FAILED, True),
    ("64", "quota exceeded", Code.SEND_FAILED, True),
    ("152", "teleservice not provisioned", Code.SEND_FAILED, False),
    ("300", "invalid destination address", Code.INVALID_PHONE, False),
    ("310", "invalid source address", Code.SEND_FAILED, True),
    ("321", "rejected by the receiver", Code.SEND_FAILED, False),
    ("332", "invalid operation", Code.SEND_FAILED, False),
    ("334", "invalid parameter", Code.SEND_FAILED, False),
    ("349", "request failed", Code.SEND_FAILED, False),
    ("399", "unknown", Code.SEND_FAILED, False),
    ("402", "unroutable", Code.SEND_FAILED, False),
    ("403", "internal error", Code.SEND_FAILED, False),
    ("404", "temporary delivery failure", Code.SEND_FAILED, False),
    ("406", "expired at Sinch", Code.SEND_FAILED, False),
    ("407", "cancelled", Code.SEND_FAILED, False),
    ("408", "rejected by Sinch", Code.SEND_FAILED, False),
    ("410", "no default originator fits", Code.SEND_FAILED, False),
    ("411", "too many parts", Code.SEND_FAILED, False),
    ("412", "region not provisioned", Code.SEND_FAILED, False),
    ("413", "account blocked", Code.SEND_FAILED, False),
]
# Status, code, text, what it comes to.
ANSWERS: Final = [
    (400, "syntax_invalid_parameter_format", "Invalid format of [to]", INVALID),
    (400, "syntax_invalid_parameter_format", "Invalid format of 'from'", SENDER),
    (400, "syntax_invalid_parameter_format", "Invalid format of [body]", NEVER),
    (400, "syntax_invalid_json", "The body is no JSON", UNEXPLAINED),
    (400, "syntax_constraint_violation", "Too long", UNEXPLAINED),
    (403, "illegal_number_type", "Numbers of this type are not allowed", INVALID),
    (400, "missing_callback_url", "No callback URL on the service plan", OURS),
    (403, "missing_callback_url", "No callback URL on the service plan", OURS),
    (400, "blocked_account", "The account is blocked", OURS),
    (403, "blocked_account", "The account is blocked", OURS),
]


@pytest.mark.parametrize(("status", "code", "text", "outcome"), ANSWERS)
def test_answers(status: int, code: str, text: str, outcome: Outcome) -> None:
    body = json.dumps({"code": code, "text": text}).encode()
    assert meant(SINCH.read(Response(status, body=body))) == outcome


def hook(**said: object) -> Hook:
    report = {"type": "recipient_delivery_report_sms", "batch_id": "01FC", "client_reference": "7", **said}
    return Hook("POST", "", body=json.dumps(report).encode())


@pytest.mark.parametrize(("status", "words", "event"), STATUSES)
def test_statuses(status: str, words: str, event: Event) -> None:
    for written in (status, status.upper()):  # their page writes it in one way and their library in the other
        assert heard(SINCH.events(hook(status=written))) == (event, Code.SEND_FAILED, False), words


@pytest.mark.parametrize(("code", "words", "meaning", "filtered"), CODES)
def test_codes(code: str, words: str, meaning: Code, filtered: bool) -> None:
    for status in ("Failed", "Rejected", "Aborted"):
        assert heard(SINCH.events(hook(status=status, code=int(code)))) == (REFUSE, meaning, filtered), words
