"""Infobip, POST /sms/3/messages.

https://www.infobip.com/docs/api/channels/sms; statuses and errors, which answers and receipts share:
https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import (
    MOST_KEY,
    Fate,
    Hook,
    Outcome,
    Receipt,
    Reply,
    Request,
    Response,
    Submission,
    judged,
    proves,
)
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import INVALID_PHONE, LATER, NEVER, OPTED_OUT, OTHER_SENDER, STOP_CARRIER, UNEXPLAINED
from dispatcher.core.reading import dig, id_at, instant_of, json_of, text_at

MOST: Final = 255
MOST_TEXT: Final = 4096
BATCH: Final = 50  # of which the answer is read whole: about 400 bytes each
NUMBER: Final = re.compile(r"\+[0-9]+", re.ASCII)
DUPLICATE: Final = "23"

# Of a receipt, by group, where STATUSES says nothing else by group and id. Group 3 alone tells of no handset.
GROUPS: Final = MappingProxyType({"1": Event.SUBMIT, "2": Event.REFUSE, "4": Event.REFUSE, "5": Event.REFUSE})
STATUSES: Final = MappingProxyType(
    {
        ("3", "2"): Event.SUBMIT,  # DELIVERED_TO_OPERATOR
        ("3", "5"): Event.DELIVER,  # DELIVERED_TO_HANDSET
        ("4", "29"): Event.SUBMIT,  # EXPIRED_DLR_UNKNOWN: the last that Infobip says, and yet nobody knows
        ("5", DUPLICATE): Event.SUBMIT,  # of a second submit by the same id: the first one was taken
    }
)

# Of groups 2, 4 and 5, by the id of the status; any other of these is UNEXPLAINED.
REJECTED: Final[Mapping[str, Outcome]] = MappingProxyType(
    {
        # By the operator, expired, no such network, too many to this number, its text.
        **dict.fromkeys(("4", "6", "9", "15", "20", "24", "25", "29", "31", "87"), NEVER),
        "8": INVALID_PHONE,  # PREFIX_MISSING: prefix or length
        "10": OPTED_OUT,  # DND, a register of those who want none
        "11": OTHER_SENDER,  # SOURCE: not registered with the account
        "12": STOP_CARRIER,  # NOT_ENOUGH_CREDITS
        "13": OTHER_SENDER,  # SENDER: on the account's blocklist
        "14": OPTED_OUT,  # DESTINATION_BLOCKLISTED, by the operator or the account: where STOP leads
        "17": STOP_CARRIER,  # PREPAID_PACKAGE_EXPIRED
        "18": STOP_CARRIER,  # DESTINATION_NOT_REGISTERED: an account for tests, with a single number
        "19": STOP_CARRIER,  # ROUTE_NOT_AVAILABLE: none at all
        "21": LATER,  # SYSTEM_ERROR
        # We give an id to one message by one sender only, so it is that one which was taken before.
        DUPLICATE: Outcome(Fate.TAKEN),
        "51": INVALID_PHONE,  # MISSING_TO
        "52": INVALID_PHONE,  # DESTINATION: prefix or length
        "100": LATER,  # UNDELIVERABLE_REJECTED_PLATFORM
    }
)
# Of a receipt, by the id of the error; any other is 124.
ERRORS: Final = MappingProxyType(
    {
        "1": Code.INVALID_PHONE,  # UNKNOWN_SUBSCRIBER
        "352": Code.INVALID_PHONE,  # its country code
        "573": Code.OPTED_OUT,  # SC_BLOCKED_BY_END_USER
        "603": Code.OPTED_OUT,  # CONTENT_BLOCKED, by the user's STOP
        "629": Code.NOT_MOBILE,  # DEST_UNABLE_TO_RECEIVE_SMS
        "2050": Code.OPTED_OUT,  # DEST_ADDRESS_BLACKLISTED, as DND
        "2052": Code.OPTED_OUT,  # BLACKLISTED_DESTINATIONADDRESS, as DESTINATION_BLOCKLISTED
        "3041": Code.INVALID_PHONE,  # DEACTIVATED_LIST
    }
)
FILTERED_STATUSES: Final = frozenset({"11", "13", "20", "87"})  # not registered, blocked, flood, fraud
FILTERED_ERRORS: Final = frozenset(
    {
        *("368", "488", "562", "563", "564", "571", "572"),  # source, toll-free or short code, no campaign
        *("541", "542", "4202"),  # carriers' limits
        *("607", "2053"),  # spam, blocklist
    }
)


def from_settings(given: Given) -> Infobip:
    """A contract with Infobip, which gives each account an address of its own. Raises SettingsError."""
    return Infobip(
        base_url=given.url("base_url"), api_key=given.secret("api_key"), hook_tokens=given.secrets("hook_token")
    )


@dataclass(frozen=True, slots=True)
class Infobip:
    """Infobip's words. It signs nothing, so the addresses that it calls carry a token, the first of these."""

    base_url: str
    api_key: str = field(repr=False)
    hook_tokens: tuple[str, ...] = field(repr=False)

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit. The message id is ours: of all submits with one id one is taken."""
        return self._request([mt])

    def read(self, response: Response) -> Outcome:
        """What became of it: HTTP 200 may be a refusal."""
        answer = json_of(response.body) if response.fault is None else None
        if outcome := _refused(answer, response):
            return outcome
        return _entry(dig(answer, "messages", 0), response)

    @property
    def most_in_batch(self) -> int:
        """Infobip takes more; see BATCH."""
        return BATCH

    def alike(self, mt: Submission) -> str:
        """Nothing need be: each has a sender and a text of its own."""
        return ""

    def build_all(self, mts: Sequence[Submission], now: datetime) -> Request:
        """One request with all of them."""
        return self._request(mts)

    def read_all(self, mts: Sequence[Submission], response: Response) -> Sequence[Outcome]:
        """Each by its id. Where all were refused for the sake of one, each is tried again alone."""
        answer = json_of(response.body) if response.fault is None else None
        if outcome := _refused(answer, response):
            one = outcome.fate in (Fate.NEVER, Fate.OTHER_SENDER)
            return [Outcome(Fate.LATER, reason=outcome.reason) if one else outcome] * len(mts)
        entries = dig(answer, "messages")
        said = {id_at(entry, "messageId"): entry for entry in (entries if isinstance(entries, list) else [])}
        return [_entry(said.get(mt.sent_by), response) for mt in mts]

    @property
    def asking_submits(self) -> bool:
        """A second one is refused as a duplicate, which tells that the first was taken."""
        return True

    def ask(self, mt: Submission, now: datetime) -> Request:
        """The same submit once more."""
        return self.build(mt, now)

    def told(self, response: Response) -> Outcome | None:
        """TAKEN; or NEVER for a number that no text ever reaches. Any other refusal may be younger than the first."""
        outcome = self.read(response)
        lasting = outcome.fate is Fate.NEVER and outcome.code in (Code.INVALID_PHONE, Code.NOT_MOBILE)
        return outcome if lasting or outcome.fate is Fate.TAKEN else None

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether the address that was called holds a token of ours."""
        return proves(hook.query.get("token", ""), *map(str.encode, self.hook_tokens))

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """All receipts and replies in a hook, but for those that cannot be read and those of an unknown status."""
        results = dig(json_of(hook.body), "results")
        if not isinstance(results, list) or not any(map(_is_told, results)):
            raise Refusal(400, "hook: no results of Infobip")
        read = [_reply(each) if dig(each, "status") is None else _receipt(each) for each in results]
        return [event for event in read if event is not None]

    def _request(self, mts: Sequence[Submission]) -> Request:
        headers = {
            "Authorization": f"App {self.api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        body = json.dumps({"messages": [self._message(mt) for mt in mts]}).encode()
        return Request("POST", f"{self.base_url}/sms/3/messages", headers, body)

    def _message(self, mt: Submission) -> dict[str, object]:
        sender = mt.sender.removeprefix("+") if NUMBER.fullmatch(mt.sender) else mt.sender
        return {
            "sender": sender,
            "destinations": [{"to": mt.to.removeprefix("+"), "messageId": mt.sent_by}],
            "content": {"text": mt.text},
            "webhooks": {
                "delivery": {"url": f"{mt.receipt_url}&token={quote(self.hook_tokens[0], safe='')}"},
                "contentType": "application/json",
                "callbackData": mt.key,
            },
        }


def _refused(answer: object, response: Response) -> Outcome | None:
    """The outcome of an answer that speaks of no single message."""
    reason = _complaint(answer) or f"HTTP {response.status}"
    if response.status in (400, 422) and response.fault is None:
        return replace(_violated(answer), reason=reason)
    if (outcome := judged(response, reason)) or response.status < 400:
        return outcome
    return replace(UNEXPLAINED, reason=reason)


def _violated(answer: object) -> Outcome:
    """Whose fault it is, by the property that Infobip complains of."""
    name = text_at(answer, "violations", 0, "property").rpartition(".")[2]
    return {"to": INVALID_PHONE, "sender": OTHER_SENDER, "text": NEVER}.get(name, UNEXPLAINED)


def _complaint(answer: object) -> str:
    """What is wrong with a request, of the present and of the older form."""
    violation = dig(answer, "violations", 0)
    older = dig(answer, "requestError", "serviceException")
    said = [
        text_at(answer, "errorCode") or text_at(older, "messageId"),
        text_at(violation, "property"),
        text_at(violation, "violation") or text_at(answer, "description") or text_at(older, "text"),
    ]
    return " ".join(word for word in said if word)[:MOST]


def _entry(entry: object, response: Response) -> Outcome:
    """What became of one message of an answer."""
    group, status = text_at(entry, "status", "groupId"), text_at(entry, "status", "id")
    ref = id_at(entry, "messageId")
    if group in ("0", "1", "3") and ref:
        return Outcome(Fate.TAKEN, ref=ref)
    if group not in ("2", "4", "5"):
        return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without an id or a status that is known")
    meaning = replace(REJECTED.get(status, UNEXPLAINED), ref=ref)
    return meaning if meaning.fate is Fate.TAKEN else replace(meaning, reason=_named(dig(entry, "status")))


def _ids(result: object) -> tuple[str, str]:
    """Our id, and the one that stands for it at Infobip."""
    return id_at(result, "callbackData", most=MOST_KEY), id_at(result, "messageId")


def _is_told(result: object) -> bool:
    """Whether it has an id, or somebody wrote it."""
    return _ids(result) != ("", "") or text_at(result, "from") != ""


def _receipt(result: object) -> Receipt | None:
    group, status = text_at(result, "status", "groupId"), text_at(result, "status", "id")
    error = text_at(result, "error", "id")
    key, ref = _ids(result)
    event = STATUSES.get((group, status)) or GROUPS.get(group)
    if event is None or not (key or ref):
        return None
    refused = event is Event.REFUSE
    return Receipt(
        event,
        key=key,
        ref=ref,
        reason=_named(dig(result, "error")) if refused and error not in ("", "0") else _named(dig(result, "status")),
        code=_code(status, error) if refused else Code.SEND_FAILED,
        filtered=refused and (status in FILTERED_STATUSES or error in FILTERED_ERRORS),
    )


def _code(status: str, error: str) -> Code:
    """123, 125 or 127 by status or error, else 124."""
    code = REJECTED.get(status, NEVER).code
    return code if code is not Code.SEND_FAILED else ERRORS.get(error, Code.SEND_FAILED)


def _named(said: Any) -> str:  # noqa: ANN401  # whatever they wrote
    """The number and the name of a status or an error."""
    return f"{text_at(said, 'id')} {text_at(said, 'name')}".strip()[:MOST]


def _reply(result: object) -> Reply | None:
    theirs, ours = text_at(result, "from"), text_at(result, "to")
    if not theirs:
        return None
    return Reply(
        their_number=theirs,
        our_number=ours,
        text=text_at(result, "text", most=MOST_TEXT),  # `cleanText` lacks the keyword
        ref=id_at(result, "messageId"),
        said_at=instant_of(text_at(result, "receivedAt")),
    )
