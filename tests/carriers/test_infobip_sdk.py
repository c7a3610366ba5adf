"""Infobip's own SDK says the same to the same stand-in, and reads what our tests take for its answers and reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import pytest

from dispatcher.carriers.infobip import Infobip, from_settings
from dispatcher.core.exchange import Fate, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.noise import short
from tests.carriers.stand import Stand, carried
from tests.carriers.texts import SUBMISSIONS

NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOKEN: Final = "t&ken +"
HEADERS: Final = ("Authorization", "Content-Type", "Accept")
PENDING: Final = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED", "description": "Sent."}


def taken(*mts: Submission) -> Response:
    entries = [{"messageId": mt.sent_by, "status": PENDING, "destination": mt.to.removeprefix("+")} for mt in mts]
    return Response(200, body=json.dumps({"bulkId": "b1", "messages": entries}).encode())


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Stand(taken()) as stand:
        yield stand


def ours(stand: Stand) -> Infobip:
    return from_settings(Given({"base_url": stand.url}, {"api_key": "KEY1", "hook_token": TOKEN}))


def theirs(stand: Stand, mts: Sequence[Submission]) -> Any:  # noqa: ANN401  # the SDK is not typed here
    from infobip_api_client import ApiClient, Configuration, models
    from infobip_api_client.api.sms_api import SmsApi

    messages = [
        models.SmsMessage(
            sender=mt.sender.removeprefix("+"),
            destinations=[models.SmsDestination(to=mt.to.removeprefix("+"), message_id=mt.sent_by)],
            content=models.SmsMessageContent(models.SmsTextContent(text=mt.text)),
            webhooks=models.SmsWebhooks(
                delivery=models.SmsMessageDeliveryReporting(url=f"{mt.receipt_url}&token={quote(TOKEN, safe='')}"),
                content_type="application/json",
                callback_data=mt.key,
            ),
        )
        for mt in mts
    ]
    api = SmsApi(ApiClient(Configuration(host=stand.url, api_key="KEY1")))
    return api.send_sms_messages(models.SmsRequest(messages=messages))


@pytest.mark.parametrize("mt", SUBMISSIONS, ids=short)
def test_the_submit(stand: Stand, mt: Submission) -> None:
    stand.answer = taken(mt)
    carrier = ours(stand)
    assert carrier.read(carried(carrier.build(mt, NOW))) == Outcome(Fate.TAKEN, ref=mt.sent_by)
    we = stand.take()
    assert theirs(stand, [mt]).messages[0].message_id == mt.sent_by
    assert we.said(*HEADERS) == stand.take().said(*HEADERS)


def test_several_at_once(stand: Stand) -> None:
    stand.answer = taken(*reversed(SUBMISSIONS))
    carrier = ours(stand)
    outcomes = carrier.read_all(SUBMISSIONS, carried(carrier.build_all(SUBMISSIONS, NOW)))
    assert outcomes == [Outcome(Fate.TAKEN, ref=mt.sent_by) for mt in SUBMISSIONS]
    we = stand.take()
    assert len(theirs(stand, SUBMISSIONS).messages) == len(SUBMISSIONS)
    assert we.said(*HEADERS) == stand.take().said(*HEADERS)


REPORT: Final = """{"results": [{"bulkId": "b1", "messageId": "77-1", "to": "13012223333", "sender": "1",
"callbackData": "77", "sentAt": "2026-11-22T12:00:00.000+0000",
"doneAt": "2026-11-22T12:00:01.000+0000", "messageCount": 1, "mccMnc": "310260",
"price": {"pricePerMessage": 0.01, "currency": "EUR"}, "platform": {}, "campaignReferenceId": "c1",
"status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET", "description": "."},
"error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": ".", "permanent": false}}]}"""
INBOUND: Final = """{"results": [{"messageId": "817790313235066447", "from": "13012223333", "to": "15005550006",
"text": "Stop it", "cleanText": "it", "keyword": "STOP", "receivedAt": "2026-11-22T12:00:00.000+0000", "smsCount": 1,
"price": {"pricePerMessage": 0, "currency": "EUR"}}], "messageCount": 1, "pendingMessageCount": 0}"""


def test_its_models_read_the_same_report(stand: Stand) -> None:
    from infobip_api_client.models import SmsDeliveryResult

    [report] = SmsDeliveryResult.from_json(REPORT).results
    assert (report.status.id, report.callback_data) == (5, "77")
    told = ours(stand).events(Hook("POST", "", {}, {}, REPORT.encode()))
    assert told == [Receipt(Event.DELIVER, report.callback_data, report.message_id, "5 DELIVERED_TO_HANDSET")]


def test_its_models_read_the_same_reply(stand: Stand) -> None:
    from infobip_api_client.models import SmsInboundMessageResult

    [message] = SmsInboundMessageResult.from_json(INBOUND).results
    assert ours(stand).events(Hook("POST", "", {}, {}, INBOUND.encode())) == [
        Reply(
            their_number=message.var_from,
            our_number=message.to,
            text=message.text,
            ref=message.message_id,
            said_at=message.received_at,
        )
    ]
