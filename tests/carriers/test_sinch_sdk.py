"""What Sinch's own SDK (sinch 2) sends and accepts, beside ours."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pytest

from dispatcher.carriers.sinch import Sinch, from_settings
from dispatcher.core.exchange import Fate, Hook, Request, Response, Submission
from dispatcher.core.given import Given
from tests.carriers.stand import Stand, carried
from tests.carriers.test_sinch import EXPECTED, FORGED, GENUINE, LONG_AGO, SECRET, SIGNATURE, TOLD, signed

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MATTERS: Final = ("Authorization", "Content-Type", "Accept")
RECEIPT_URL: Final = "https://us.example/hooks/s?id=234234&x=%2B"
BATCH: Final = {
    "id": "01FC66621XXXXX119Z8PMV1QPQ",
    "to": ["13012223333"],
    "from": "12015550160",
    "canceled": False,
    "body": "x",
    "type": "mt_text",
    "created_at": "2026-11-22T12:00:00.000Z",
    "modified_at": "2026-11-22T12:00:00.000Z",
    "delivery_report": "per_recipient",
    "client_reference": "234234",
    "flash_message": False,
}
TAKEN: Final = Response(201, body=json.dumps(BATCH).encode())
TEXTS: Final = [
    "Join me",
    "Hé [x] {y} ~ | € \\ ^",
    "“Quoted” \N{PILE OF POO} नमस्ते",
    "\"1\" & 'b' + c = 100 % <d> / ; : ? #",
    "two\nlines\ttab\r\n",
    "0123456789" * 160,
]
SENDERS: Final = ["+12015550160", "12345", "Example"]


def client() -> Any:  # noqa: ANN401  # has no types
    with warnings.catch_warnings():  # of its own making, the first time that it is compiled
        warnings.filterwarnings("ignore", ".*invalid escape sequence")
        from sinch import SinchClient
    return SinchClient(service_plan_id="plan1", sms_api_token="tok1", sms_region="us")


def sdk(stand: Stand) -> Any:  # noqa: ANN401  # has no types
    made = client()
    made.configuration.sms_domain_with_service_plan_id = stand.url
    return made


def mine(stand: Stand) -> Sinch:
    settings = {"service_plan_id": "plan1", "base_url": stand.url}
    return from_settings(Given(settings, {"api_token": "tok1", "hmac_secret": SECRET}))


def mt(text: str, sender: str, receipt_url: str = RECEIPT_URL) -> Submission:
    return Submission("234234", sender, "+13012223333", text, 1, receipt_url)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:12]))
def test_the_same_request(text: str) -> None:
    with Stand(TAKEN) as stand:
        batches, carrier = sdk(stand).sms.batches, mine(stand)
        for sender in SENDERS:
            batches.send_sms(
                to=["+13012223333"],
                from_=sender,
                body=text,
                delivery_report="per_recipient",
                event_destination_target=RECEIPT_URL,
                client_reference="234234",
            )
            expected = stand.take().said(*MATTERS)
            outcome = carrier.read(carried(carrier.build(mt(text, sender), NOON)))
            assert (outcome.fate, outcome.ref) == (Fate.TAKEN, BATCH["id"])
            assert stand.take().said(*MATTERS) == expected


def test_the_same_request_without_a_receipt_url() -> None:
    with Stand(TAKEN) as stand:
        sdk(stand).sms.batches.send_sms(
            to=["+13012223333"], from_="12345", body="x", delivery_report="per_recipient", client_reference="234234"
        )
        expected = stand.take().said(*MATTERS)
        carried(mine(stand).build(mt("x", "12345", ""), NOON))
        assert stand.take().said(*MATTERS) == expected


@pytest.mark.parametrize(("batches", "fate"), [([BATCH], Fate.TAKEN), ([], Fate.LATER)])
def test_the_same_question(batches: list[object], fate: Fate) -> None:
    listed = {"count": len(batches), "page": 0, "page_size": 10, "batches": batches}
    with Stand(Response(200, body=json.dumps(listed).encode())) as stand:
        found = sdk(stand).sms.batches.list(page_size=10, client_reference="234234")
        assert [batch.id for batch in found.content()] == [BATCH["id"]] * len(batches)
        expected = stand.take().said("Authorization", "Accept")
        request: Request = mine(stand).ask(mt("x", "12345"), NOON)
        outcome = mine(stand).told(carried(request))
        assert outcome is not None
        assert outcome.fate is fate
        assert stand.take().said("Authorization", "Accept") == expected


OURS: Final = from_settings(Given({"service_plan_id": "p"}, {"api_token": "t", "hmac_secret": SECRET}))
# Their validator asks of no instant whether it is one, nor how long ago.
LENIENT: Final = {
    "an instant that is no number",
    "an instant that is no ASCII",
    "an instant with a sign",
    "an instant of 5000 digits",
    "too old",
    "from the future",
    "in milliseconds",
}


@cache
def validator() -> Any:  # noqa: ANN401  # has no types
    return client().sms.sinch_events(SECRET)


def accepted_there(hook: Hook) -> bool:
    try:
        return bool(validator().validate_authentication_header(dict(hook.headers), hook.body))
    except (TypeError, UnicodeEncodeError):  # what is not ASCII or not UTF-8 in a header
        return False


@pytest.mark.parametrize("name", [*GENUINE, *FORGED])
def test_the_same_verdict_on_a_signature(name: str) -> None:
    hook = {**FORGED, **GENUINE}[name]
    assert OURS.verify(hook, NOON) is (name in GENUINE)
    assert accepted_there(hook) is (name in GENUINE or name in LENIENT)


def test_the_worked_signature() -> None:
    hook = signed(at=LONG_AGO)
    assert hook.headers[SIGNATURE] == EXPECTED
    assert accepted_there(hook)


@pytest.mark.parametrize(("code", "status"), [(code, status) for code, status, _ in TOLD if isinstance(code, int)])
def test_their_models_read_what_ours_are_read_from(code: int, status: str) -> None:
    report = {
        "type": "recipient_delivery_report_sms",
        "batch_id": "01FC",
        "recipient": "13012223333",
        "code": code,
        "status": status,
        "at": "2026-11-22T12:00:00.000Z",
        "client_reference": "234234",
    }
    found = validator().parse_event(json.dumps(report))
    [receipt] = OURS.events(Hook("POST", "", body=json.dumps(report).encode()))
    assert (found.batch_id, found.client_reference, found.status) == ("01FC", "234234", status)
    assert receipt.ref == "01FC"
