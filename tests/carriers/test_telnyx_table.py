"""Telnyx's statuses and codes, as https://developers.telnyx.com/docs/messaging/messages/error-codes has them.

Those of 10000 and 20000 are https://developers.telnyx.com/development/api-fundamentals/api-errors.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Final

import pytest

from dispatcher.carriers.telnyx import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Hook, Outcome, Reply, Response, Wish
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
    LANDLINE,
    LIMIT,
    NEVER,
    OPTED_OUT,
    OURS,
    REFUSE,
    SENDER,
    SUBMIT,
    UNEXPLAINED,
    UNKNOWN,
    heard,
    meant,
)

TELNYX: Final = from_settings(Given({}, {"api_key": "KEY1", "public_key": b64encode(bytes(32)).decode()}))
URL: Final = "https://us.example/hooks/t?id=7"

STATUSES: Final = [
    ("queued", "waits at Telnyx", SUBMIT),
    ("sending", "on its way to the carrier", SUBMIT),
    ("sent", "the carrier has it", SUBMIT),
    ("delivered", "the carrier confirms it", DELIVER),
    ("read", "opened", DELIVER),
    ("sending_failed", "Telnyx could not pass it on", REFUSE),
    ("delivery_failed", "the carrier could not", REFUSE),
    ("expired", "validity over", REFUSE),
    ("delivery_unconfirmed", "no word from the carrier, and none will come", SUBMIT),
]
# Code, title, what an answer with it comes to, whether a receipt with it is about the sender.
CODES: Final = [
    ("10002", "Invalid phone number", INVALID, False),
    ("10016", "Phone number must be in +E.164 format", INVALID, False),
    ("40012", "Invalid destination number: deactivated, without credit, or none of short codes", NEVER, False),
    ("40310", "Invalid 'to' address", INVALID, False),
    ("40001", "Not routable: a landline", LANDLINE, False),
    ("40300", "Blocked due to STOP message", OPTED_OUT, False),
    ("10004", "Missing required parameter", UNEXPLAINED, False),
    ("10015", "Bad request", UNEXPLAINED, False),
    ("10039", "Only to verified numbers", OURS, False),
    ("40002", "Blocked as spam, temporary", NEVER, True),
    ("40004", "Rejected by destination, reason unknown", NEVER, False),
    ("40005", "Message expired", NEVER, False),
    ("40006", "Recipient's server is down", NEVER, False),
    ("40008", "Undeliverable", NEVER, False),
    ("40009", "Invalid message body", NEVER, False),
    ("40014", "Expired in queue", NEVER, False),
    ("40301", "Unsupported message type: not between these types of number", NEVER, False),
    ("40319", "Incompatible message type: the types of source and destination", NEVER, False),
    ("40302", "Message too large", NEVER, False),
    ("40304", "Invalid combination of content", NEVER, False),
    ("40309", "Destination region not on the profile's list", NEVER, False),
    ("40316", "No content", NEVER, False),
    ("40322", "Blocked content", NEVER, True),
    ("40328", "SMS too large", NEVER, False),
    ("40003", "Number blocked as spam, permanent", SENDER, True),
    ("40010", "Not 10DLC registered", SENDER, True),
    ("40013", "Invalid source number", SENDER, True),
    ("40015", "Internal spam filter", SENDER, True),
    ("40016", "T-Mobile's limit for this campaign", SENDER, True),
    ("40017", "AT&T spam rejection", SENDER, True),
    ("40018", "AT&T's limit for this campaign", SENDER, True),
    ("40019", "AT&T invalid tag data: campaign of the number", SENDER, True),
    ("40100", "Number not messaging enabled", SENDER, False),
    ("40150", "Toll-free number not in the registry", SENDER, False),
    ("40151", "Another provider is enabling messaging", SENDER, False),
    ("40155", "Letter of authorization needed for the number", SENDER, False),
    ("40305", "Invalid 'from': not on the profile", SENDER, False),
    ("40306", "Alpha sender not configured", SENDER, False),
    ("40307", "Alpha sender mismatch", SENDER, False),
    ("40315", "Unhealthy 'from'", SENDER, False),
    ("40320", "Temporarily unusable sender", SENDER, False),
    ("40323", "Messaging could not be enabled on the number", SENDER, False),
    ("40325", "Invalid alpha sender ID", SENDER, False),
    ("40329", "Toll-free number not verified", SENDER, True),
    ("40330", "Toll-free number not provisioned", SENDER, True),
    ("10005", "Resource not found", OURS, False),
    ("10009", "Authentication failed", OURS, False),
    ("10010", "Authorization failed", OURS, False),
    ("20002", "API key revoked", OURS, False),
    ("20006", "Expired access token", OURS, False),
    ("20012", "Account inactive", OURS, False),
    ("20013", "Account blocked", OURS, False),
    ("20014", "Account unverified", OURS, False),
    ("20015", "Feature not enabled", OURS, False),
    ("20016", "Account not level 1 verified", OURS, False),
    ("20017", "Account not level 2 verified", OURS, False),
    ("20100", "Insufficient funds", OURS, False),
    ("40311", "Invalid profile secret", OURS, False),
    ("40312", "Profile disabled", OURS, False),
    ("40313", "Missing profile secret", OURS, False),
    ("40314", "Messaging disabled on the account", OURS, False),
    ("40321", "No usable numbers in pool", OURS, False),
    ("40331", "No region on the profile's list", OURS, False),
    ("40333", "Spend limit of the profile reached", OURS, False),
    ("10011", "Too many requests", LIMIT, False),
    ("40011", "Rate limit of the carrier", LIMIT, True),
    ("40318", "Queue full", LIMIT, False),
    ("10007", "Unexpected error", UNKNOWN, False),
    ("10008", "Request timeout", UNKNOWN, False),
    ("10036", "One with the same Idempotency-Key is under way", UNKNOWN, False),
]


def error(code: str, title: str, **source: str) -> dict[str, object]:
    return {"code": code, "title": title, "detail": "", "source": source}


def answered(said: dict[str, object], status: int) -> Response:
    return Response(status, body=json.dumps({"errors": [said]}).encode())


def hook(kind: str = "message.finalized", **payload: object) -> Hook:
    said = {"data": {"event_type": kind, "id": "e1", "payload": {"id": "m1", "webhook_url": URL, **payload}}}
    return Hook("POST", URL, body=json.dumps(said).encode())


def receipt(status: str, *errors: dict[str, object]) -> Hook:
    return hook(to=[{"phone_number": "+13012223333", "status": status}], errors=list(errors))


@pytest.mark.parametrize(("status", "words", "event"), STATUSES)
def test_statuses(status: str, words: str, event: Event) -> None:
    assert heard(TELNYX.events(receipt(status))) == (event, Code.SEND_FAILED, False), words


@pytest.mark.parametrize(("code", "title", "outcome", "filtered"), CODES)
def test_codes(code: str, title: str, outcome: Outcome, filtered: bool) -> None:
    said = error(code, title)
    for status in (400, 403, 422):
        assert meant(TELNYX.read(answered(said, status))) == outcome
        # Asked again, a word that is known and lasting ends the doubt.
        assert (TELNYX.told(answered(said, status)) is not None) == (outcome.fate is Fate.NEVER)
    for word in ("sending_failed", "delivery_failed"):
        assert heard(TELNYX.events(receipt(word, said))) == (REFUSE, outcome.code, filtered)


@pytest.mark.parametrize(
    ("code", "title", "source"),
    [
        ("10002", "Invalid phone number", {"pointer": "/from"}),
        ("10016", "Phone number must be in +E.164 format", {"parameter": "from"}),
        ("40300", "Blocked: from is not of this profile", {}),
    ],
)
def test_codes_of_two_meanings(code: str, title: str, source: dict[str, str]) -> None:
    assert meant(TELNYX.read(answered(error(code, title, **source), 400))) == SENDER


def test_a_code_that_is_not_known() -> None:
    assert meant(TELNYX.read(answered(error("49999", "New"), 400))) == UNEXPLAINED
    assert TELNYX.told(answered(error("49999", "New"), 400)) is None
    assert heard(TELNYX.events(receipt("delivery_failed", error("49999", "New")))) == (REFUSE, Code.SEND_FAILED, False)


@pytest.mark.parametrize(("word", "wish"), [("STOP", Wish.STOP), ("START", Wish.START), ("HELP", Wish.HELP)])
def test_wishes_that_telnyx_answers(word: str, wish: Wish) -> None:
    theirs = {"phone_number": "+13012223333"}
    [reply] = TELNYX.events(hook("message.received", **{"from": theirs}, text=word, autoresponse_type=word))
    assert isinstance(reply, Reply)
    assert reply.answered is wish
