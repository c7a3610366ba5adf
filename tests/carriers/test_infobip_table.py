"""Infobip's statuses and errors.

https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes
"""

from __future__ import annotations

import json
from typing import Final

import pytest

from dispatcher.carriers.infobip import from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Hook, Outcome, Response
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
    LATER,
    NEVER,
    OPTED_OUT,
    OURS,
    REFUSE,
    SENDER,
    SUBMIT,
    TAKEN,
    UNEXPLAINED,
    heard,
    meant,
)

INFOBIP: Final = from_settings(Given({"base_url": "https://x1.api.infobip.com"}, {"api_key": "k", "hook_token": "t"}))

# Group and id, name, what an answer with it comes to, and a receipt: its event, whether it is about the sender.
STATUSES: Final = [
    (1, 3, "PENDING_WAITING_DELIVERY", TAKEN, SUBMIT, False),
    (1, 7, "PENDING_ENROUTE", TAKEN, SUBMIT, False),
    (1, 26, "PENDING_ACCEPTED", TAKEN, SUBMIT, False),
    (2, 4, "UNDELIVERABLE_REJECTED_OPERATOR", NEVER, REFUSE, False),
    (2, 9, "UNDELIVERABLE_NOT_DELIVERED", NEVER, REFUSE, False),
    (2, 31, "UNDELIVERABLE_NOT_SENT", NEVER, REFUSE, False),
    (3, 2, "DELIVERED_TO_OPERATOR", TAKEN, SUBMIT, False),
    (3, 5, "DELIVERED_TO_HANDSET", TAKEN, DELIVER, False),
    (4, 15, "EXPIRED_EXPIRED", NEVER, REFUSE, False),
    (4, 29, "EXPIRED_DLR_UNKNOWN", NEVER, SUBMIT, False),
    (4, 87, "SIGNALS_BLOCKED", NEVER, REFUSE, True),
    (5, 6, "REJECTED_NETWORK", NEVER, REFUSE, False),
    (5, 8, "REJECTED_PREFIX_MISSING", INVALID, REFUSE, False),
    (5, 10, "REJECTED_DND", OPTED_OUT, REFUSE, False),
    (5, 11, "REJECTED_SOURCE", SENDER, REFUSE, True),
    (5, 12, "REJECTED_NOT_ENOUGH_CREDITS", OURS, REFUSE, False),
    (5, 13, "REJECTED_SENDER", SENDER, REFUSE, True),
    (5, 14, "REJECTED_DESTINATION_BLOCKLISTED", OPTED_OUT, REFUSE, False),
    (5, 17, "REJECTED_PREPAID_PACKAGE_EXPIRED", OURS, REFUSE, False),
    (5, 18, "REJECTED_DESTINATION_NOT_REGISTERED: an account for tests", OURS, REFUSE, False),
    (5, 19, "REJECTED_ROUTE_NOT_AVAILABLE", OURS, REFUSE, False),
    (5, 20, "REJECTED_FLOODING_FILTER", NEVER, REFUSE, True),
    (5, 21, "REJECTED_SYSTEM_ERROR", LATER, REFUSE, False),
    (5, 23, "REJECTED_DUPLICATE_MESSAGE_ID", TAKEN, SUBMIT, False),
    (5, 24, "REJECTED_INVALID_UDH", NEVER, REFUSE, False),
    (5, 25, "REJECTED_MESSAGE_TOO_LONG", NEVER, REFUSE, False),
    (5, 51, "MISSING_TO", INVALID, REFUSE, False),
    (5, 52, "REJECTED_DESTINATION", INVALID, REFUSE, False),
    (5, 87, "SIGNALS_BLOCKED", NEVER, REFUSE, True),
    (5, 99, "REJECTED: told of nowhere for a text", UNEXPLAINED, REFUSE, False),
    (5, 100, "UNDELIVERABLE_REJECTED_PLATFORM", LATER, REFUSE, False),
]
# Of receipts: error, name, what it means to the customer, whether it is about the sender.
ERRORS: Final = [
    (0, "NO_ERROR", Code.SEND_FAILED, False),
    (1, "EC_UNKNOWN_SUBSCRIBER", Code.INVALID_PHONE, False),
    (5, "EC_UNIDENTIFIED_SUBSCRIBER", Code.SEND_FAILED, False),
    (6, "EC_ABSENT_SUBSCRIBER_SM", Code.SEND_FAILED, False),
    (9, "EC_ILLEGAL_SUBSCRIBER", Code.SEND_FAILED, False),
    (11, "EC_TELESERVICE_NOT_PROVISIONED", Code.SEND_FAILED, False),
    (13, "EC_CALL_BARRED", Code.SEND_FAILED, False),
    (27, "EC_ABSENT_SUBSCRIBER", Code.SEND_FAILED, False),
    (31, "EC_SUBSCRIBER_BUSY_FOR_MT_SMS", Code.SEND_FAILED, False),
    (32, "EC_SM_DELIVERY_FAILURE", Code.SEND_FAILED, False),
    (256, "EC_SM_DF_MEMORYCAPACITYEXCEEDED", Code.SEND_FAILED, False),
    (351, "EC_INVALID_DESTINATION_ADDRESS", Code.SEND_FAILED, False),
    (352, "EC_INVALID_REQUEST_DESTINATION: country code", Code.INVALID_PHONE, False),
    (368, "EC_INVALID_SOURCE_ADDRESS", Code.SEND_FAILED, True),
    (488, "EC_TF_NUMBER_NOT_VERIFIED", Code.SEND_FAILED, True),
    (541, "EC_LIMIT_REACHED: of AT&T for the campaign", Code.SEND_FAILED, True),
    (542, "EC_QUOTA_REACHED: of T-Mobile for the day", Code.SEND_FAILED, True),
    (562, "EC_SC_NOT_PROVISIONED", Code.SEND_FAILED, True),
    (563, "EC_SC_EXPIRED", Code.SEND_FAILED, True),
    (564, "EC_SC_BLOCKED", Code.SEND_FAILED, True),
    (565, "EC_CANNOT_RECEIVE_SC", Code.SEND_FAILED, False),
    (571, "EC_CAMPAIGN_ID_REJECTED", Code.SEND_FAILED, True),
    (572, "EC_CAMPAIGNID_NOT_PROVISIONED", Code.SEND_FAILED, True),
    (573, "EC_SC_BLOCKED_BY_END_USER", Code.OPTED_OUT, False),
    (581, "EC_USER_OUT_OF_CREDIT", Code.SEND_FAILED, False),
    (603, "EC_CONTENT_BLOCKED: the user sent STOP", Code.OPTED_OUT, False),
    (607, "EC_REJECTED_SPAM_BY_OPERATOR", Code.SEND_FAILED, True),
    (629, "EC_DEST_ADDRESS_UNABLE_TO_RECEIVE_SMS", Code.NOT_MOBILE, False),
    (2050, "EC_DEST_ADDRESS_BLACKLISTED: do not disturb", Code.OPTED_OUT, False),
    (2052, "EC_BLACKLISTED_DESTINATIONADDRESS", Code.OPTED_OUT, False),
    (2053, "EC_BLACKLISTED_SENDERADDRESS", Code.SEND_FAILED, True),
    (3041, "EC_DEACTIVATED_LIST: no longer active", Code.INVALID_PHONE, False),
    (4101, "EC_VALIDITY_EXPIRED", Code.SEND_FAILED, False),
    (4202, "EC_10DLC_LIMIT_REACHED", Code.SEND_FAILED, True),
]


def named(group: int, number: int, name: str) -> dict[str, object]:
    return {"groupId": group, "groupName": name.partition("_")[0], "id": number, "name": name}


def receipt(status: dict[str, object], error: dict[str, object]) -> Hook:
    result = {"messageId": "m1", "callbackData": "7", "to": "13012223333", "status": status, "error": error}
    return Hook("POST", "", body=json.dumps({"results": [result]}).encode())


@pytest.mark.parametrize(("group", "number", "name", "outcome", "event", "filtered"), STATUSES)
def test_statuses(group: int, number: int, name: str, outcome: Outcome, event: Event, filtered: bool) -> None:
    status = named(group, number, name)
    message = {"messageId": "m1", "status": status, "destination": "13012223333"}
    answer = Response(200, body=json.dumps({"bulkId": "b1", "messages": [message]}).encode())
    assert meant(INFOBIP.read(answer)) == outcome
    assert heard(INFOBIP.events(receipt(status, named(0, 0, "NO_ERROR")))) == (event, outcome.code, filtered)


@pytest.mark.parametrize(("number", "name", "meaning", "filtered"), ERRORS)
def test_errors(number: int, name: str, meaning: Code, filtered: bool) -> None:
    for status in (named(2, 9, "UNDELIVERABLE_NOT_DELIVERED"), named(4, 15, "EXPIRED_EXPIRED")):
        assert heard(INFOBIP.events(receipt(status, named(2, number, name)))) == (REFUSE, meaning, filtered)
