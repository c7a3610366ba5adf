"""Vonage's statuses and codes, as https://developer.vonage.com/en/api-errors and /messages there have them."""

from __future__ import annotations

import json
from typing import Final

import pytest

from dispatcher.carriers.vonage import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Hook, Outcome, Response
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
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

VONAGE: Final = from_settings(Given({"api_key": "abcd1234"}, {"api_secret": "s", "signature_secret": "t"}))

STATUSES: Final = [
    ("submitted", "passed to the network", SUBMIT),
    ("delivered", "the handset has it", DELIVER),
    ("read", "opened", DELIVER),
    ("rejected", "by Vonage or the network, or expired", REFUSE),
    ("undeliverable", "the network could not be reached", REFUSE),
]
# Code, what it says, what an answer with it comes to, whether a receipt with it is about the sender.
CODES: Final = [
    ("1000", "throttled", LIMIT, False),
    ("1241", "too many requests to send", LIMIT, False),
    ("1100", "not submitted, for communication failed", LATER, False),
    ("1040", "invalid message: for example, an unrecognised prefix", NEVER, False),
    ("1170", "invalid recipient", INVALID, False),
    ("1190", "subscriber absent for good", INVALID, False),
    ("1300", "no user of the network", INVALID, False),
    ("1430", "invalid recipient for this channel", INVALID, False),
    ("1050", "number barred", OPTED_OUT, False),
    ("1240", "the user sent STOP", OPTED_OUT, False),
    ("1120", "illegal sender address", SENDER, True),
    ("1420", "invalid sender for this channel", SENDER, True),
    ("1460", "daily limit by 10DLC or the like", SENDER, True),
    ("1476", "the sender is on a do-not-originate list", SENDER, True),
    ("1481", "header filter: from is not registered", SENDER, True),
    ("1060", "account barred", OURS, False),
    ("1070", "quota or credit used up", OURS, False),
    ("1080", "account not enabled for REST", OURS, False),
    ("1140", "facility not enabled", OURS, False),
    ("1160", "demo mode, destination not on the list", OURS, False),
    ("1210", "anti-spam rejection", NEVER, True),
    ("1282", "the provider's policy on content", NEVER, True),
    ("1480", "entity filter: entity_id is wrong", NEVER, True),
    ("1482", "content filter: content_id is wrong", NEVER, True),
    ("1483", "consent filter", NEVER, True),
    ("1484", "regulatory checks: verify the sender", NEVER, True),
    ("2001", "fraud protection at the provider", NEVER, True),
    # Nothing lasting, or nothing about one number.
    ("1020", "invalid parameter", UNEXPLAINED, False),
    ("1090", "message too long", NEVER, False),
    ("1180", "destination temporarily unavailable", NEVER, False),
    ("1200", "portability error", NEVER, False),
    ("1220", "handset busy", NEVER, False),
    ("1230", "temporary network failure", NEVER, False),
    ("1250", "no route", NEVER, False),
    ("1260", "destination unreachable", NEVER, False),
    ("1270", "age restriction", NEVER, False),
    ("1280", "number blocked by its carrier", NEVER, False),
    ("1290", "the recipient's prepaid credit", NEVER, False),
    ("1330", "unknown permanent failure", UNEXPLAINED, False),
    ("1360", "expired", NEVER, False),
    ("1470", "fraud defender", NEVER, False),
]
# Of answers alone; the same words stand for all of Vonage's interfaces.
GENERIC: Final = [
    ("throttled", "too many requests", LIMIT),
    ("account-suspended", "account suspended", OURS),
    ("application-suspended", "application suspended", OURS),
    ("forbidden", "no permission", OURS),
    ("invalid-api-key", "no such key", OURS),
    ("invalid-ip", "address not on the list", OURS),
    ("invalid-signature", "signature does not fit", OURS),
    ("jwt-expired", "token expired", OURS),
    ("jwt-revoked", "token revoked", OURS),
    ("low-balance", "balance is low", OURS),
    ("multiple-auth-methods", "several credentials", OURS),
    ("not-found", "no such path or application", OURS),
    ("unauthorized", "wrong credentials", OURS),
    ("unprovisioned", "no access to this product", OURS),
    ("invalid-params", "invalid parameter", UNEXPLAINED),
    ("invalid-json", "no JSON", UNEXPLAINED),
]


def problem(code: str, words: str) -> dict[str, str]:
    return {"type": f"https://developer.vonage.com/api-errors/messages#{code}", "title": code, "detail": words}


def hook(status: str, **more: object) -> Hook:
    said = {"message_uuid": "m1", "client_ref": "7", "to": "13012223333", "channel": "sms", "status": status, **more}
    return Hook("POST", "https://us.example/hooks/v", body=json.dumps(said).encode())


def answered(code: str, words: str) -> Outcome:
    return meant(VONAGE.read(Response(422, body=json.dumps(problem(code, words)).encode())))


@pytest.mark.parametrize(("status", "words", "event"), STATUSES)
def test_statuses(status: str, words: str, event: Event) -> None:
    assert heard(VONAGE.events(hook(status))) == (event, Code.SEND_FAILED, False), words


@pytest.mark.parametrize(("code", "words", "outcome", "filtered"), CODES)
def test_codes(code: str, words: str, outcome: Outcome, filtered: bool) -> None:
    assert answered(code, words) == outcome
    told = VONAGE.events(hook("rejected", error=problem(code, words)))
    assert heard(told) == (REFUSE, outcome.code, filtered)


@pytest.mark.parametrize(("code", "words", "outcome"), GENERIC)
def test_generic_problems(code: str, words: str, outcome: Outcome) -> None:
    assert answered(code, words) == outcome


def test_segments_without_a_receipt_leave_the_end_open() -> None:
    """1490: "the overall delivery status of this message is unknown"."""
    told = VONAGE.events(hook("rejected", error=problem("1490", "SMS segment timeout")))
    assert heard(told) == (SUBMIT, Code.SEND_FAILED, False)
