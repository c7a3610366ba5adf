"""Plivo's Message API. https://docs.plivo.com/docs/messaging/api/message/send-a-message.

Statuses: https://docs.plivo.com/docs/messaging/api/message/message-status-callbacks
Codes: https://docs.plivo.com/docs/messaging/troubleshooting/error-codes
Signatures: https://docs.plivo.com/docs/messaging/concepts/signature-validation

There is no field for an id of ours, no idempotency key, and no question by either: our id travels in the address for
receipts. Errors of submits have no code, only a sentence, so they are judged by status and by a few words.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import (
    Fate,
    Hook,
    Outcome,
    Receipt,
    Reply,
    Request,
    Response,
    Submission,
    Wish,
    judged,
    proves,
)
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import INVALID_PHONE, NEVER, OTHER_SENDER, STOP_CARRIER, UNEXPLAINED
from dispatcher.core.reading import clean, dig, id_at, json_of, text_at

BASE_URL: Final = "https://api.plivo.com"
UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST: Final = 255  # characters of what is kept of its words

STATUSES: Final = MappingProxyType(
    {
        "queued": Event.SUBMIT,
        "sent": Event.SUBMIT,  # the last word on many texts to the US and Canada
        "delivered": Event.DELIVER,
        "read": Event.DELIVER,
        "failed": Event.REFUSE,  # never left Plivo
        "undelivered": Event.REFUSE,
        "rejected": Event.REFUSE,
    }
)
# What codes of receipts mean; any other is 124. None says that a line is a landline.
CODES: Final = MappingProxyType(
    {
        "50": Code.INVALID_PHONE,  # invalid destination
        "70": Code.INVALID_PHONE,  # destination permanently unavailable
        "200": Code.OPTED_OUT,
    }
)
# Spam; an invalid source; a source that may not send to Canada.
FILTERED: Final = frozenset({"30", "40", "201"})
WISHES: Final = MappingProxyType({"optout": Wish.STOP, "optin": Wish.START, "help": Wish.HELP})

# Said with a status that is told nowhere.
OUR_ACCOUNT: Final = re.compile(r"(?i)\binsufficient\b|\baccount\b.*\b(suspended|disabled|inactive)\b")
THEIR_NUMBER: Final = re.compile(r"(?i)\b(dst|destination)\b")
OUR_TEXT: Final = re.compile(r"(?i)\btext\b")
OUR_NUMBER: Final = re.compile(r"(?i)\b(src|source|sender)\b")
UNFIT: Final = re.compile(r"(?i)\b(in|not (a )?)valid\b")


def from_settings(given: Given) -> Plivo:
    """An account or a subaccount. Raises SettingsError."""
    account = given.text("auth_id", like="(MA|SA)[0-9A-Z]{18}", what="MA or SA and 18 letters and digits")
    return Plivo(
        url=f"{given.url('base_url', BASE_URL)}/v1/Account/{account}/Message/",
        auth_id=account,
        auth_token=given.secret("auth_token"),
    )


@dataclass(frozen=True, slots=True)
class Plivo:
    """The words of one account, whose token also signs its hooks."""

    url: str
    auth_id: str
    auth_token: str = field(repr=False)

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit, in the words and the order of Plivo's own library."""
        body: dict[str, object] = {"dst": mt.to, "text": mt.text, "src": mt.sender, "type": "sms"}
        if mt.receipt_url:
            body["url"] = mt.receipt_url
        body |= {"method": "POST", "log": "true", "trackable": False}
        headers = {
            "Authorization": f"Basic {b64encode(f'{self.auth_id}:{self.auth_token}'.encode()).decode()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        return Request("POST", self.url, headers, json.dumps(body).encode())

    def read(self, response: Response) -> Outcome:
        """What became of it: by the status and the words of the error."""
        said = None if response.fault else json_of(response.body)
        error = text_at(said, "error") or (clean(response.text) if dig(said, "error") else "")  # also an object
        reason = f"HTTP {response.status} {error}".strip()[:MOST]
        about_country = response.status == 403 and error != ""
        if not about_country and (outcome := judged(response, reason)):
            return outcome
        if response.status >= 400:
            return replace(_refused(response.status, error), reason=reason)
        ref = id_at(said, "message_uuid", 0)
        if UUID.fullmatch(ref):
            return Outcome(Fate.TAKEN, ref=ref)
        if dig(said, "invalid_number", 0):
            return replace(INVALID_PHONE, reason="invalid_number")
        return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without a message_uuid")

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether it is signed by either of Plivo's signatures, by this account or as the main one.

        V3 covers address, query and form; V2, which texts are documented to have, the address without its query alone.
        There is no time in either: replays pass.
        """
        try:
            signed = {"v3": _whole(hook) + ".", "v2": _address(hook.url)}
        except (Refusal, ValueError):
            return False
        return any(self._signed(hook, version, words) for version, words in signed.items())

    def _signed(self, hook: Hook, version: str, words: str) -> bool:
        nonce = hook.headers.get(f"x-plivo-signature-{version}-nonce", "")
        if not nonce:
            return False
        digest = hmac.new(self.auth_token.encode(), (words + nonce).encode("utf-8", "surrogatepass"), "sha256").digest()
        names = (f"x-plivo-signature-{version}", f"x-plivo-signature-ma-{version}")
        given = [hook.headers.get(name, "") for name in names]
        if version == "v3":  # several, while a token changes
            given = [one for several in given for one in several.split(",")]
        return any(proves(one, b64encode(digest)) for one in given)

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """A receipt, which has a status, or else a reply, which may come by GET."""
        said = {name: clean(value) for name, value in {**hook.query, **dict(hook.form())}.items()}
        ref, status = id_at(said, "MessageUUID", most=MOST), said.get("Status", "")
        if not status:
            return [_reply(said, ref)]
        if not (ref or hook.key):
            raise Refusal(400, "a receipt without MessageUUID")
        if status not in STATUSES:
            return []
        code = said.get("ErrorCode", "")
        meant = CODES.get(code, Code.SEND_FAILED)
        reason = (f"{status} {code}" if code else status)[:MOST]
        return [Receipt(STATUSES[status], hook.key, ref, reason, meant, filtered=code in FILTERED)]


def _refused(status: int, error: str) -> Outcome:
    """What an error says. A 403 is about the country of this number, so it must not stop the connection."""
    if OUR_ACCOUNT.search(error):
        return STOP_CARRIER
    theirs, ours = THEIR_NUMBER.search(error), OUR_NUMBER.search(error)
    if status == 403 or (theirs and ours):
        return NEVER
    if ours:
        return OTHER_SENDER
    if theirs:
        return INVALID_PHONE if UNFIT.search(error) else NEVER
    return NEVER if OUR_TEXT.search(error) else UNEXPLAINED


def _reply(said: Mapping[str, str], ref: str) -> Reply:
    theirs, ours = said.get("From", ""), said.get("To", "")
    if not theirs:
        raise Refusal(400, "neither a receipt nor a reply: Status or From is missing")
    answered = WISHES.get(said.get("MessageIntent", ""))
    return Reply(their_number=theirs, our_number=ours, text=said.get("Text", ""), ref=ref, answered=answered)


def _address(url: str) -> str:
    """The address without its query. Raises ValueError."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _whole(hook: Hook) -> str:
    """What V3 covers: the address, its query sorted and decoded, the fields sorted. Raises Refusal and ValueError."""
    query = "&".join(f"{name}={value}" for name, value in sorted(_pairs(urlsplit(hook.url).query)))
    fields = "".join(name + value for name, value in sorted(hook.form()))
    return _address(hook.url) + ("?" if query or fields else "") + query + ("." if query and fields else "") + fields


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
