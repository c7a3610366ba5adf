"""Sinch SMS, REST API: batches of one text. https://developers.sinch.com/docs/sms/api-reference/sms/.

Statuses and codes of receipts: https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/ and
https://developers.sinch.com/docs/sms/smpp/10dlc-errors; answers:
https://developers.sinch.com/docs/sms/api-reference/status-codes/ and
https://community.sinch.com/t5/SMS/Common-SMS-HTTP-Statuses-and-Codes-Explained/ta-p/14163; webhooks:
https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks/.
It does not de-duplicate, but its list of batches can be asked by our id.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
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
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import INVALID_PHONE, NEVER, OTHER_SENDER, STOP_CARRIER, UNEXPLAINED
from dispatcher.core.reading import dig, id_at, instant_of, json_of, text_at

BASE_URL: Final = "https://us.sms.api.sinch.com"
OLDEST: Final = timedelta(hours=25)  # the last retry comes after 22 h 45 min, and may not be signed anew
AHEAD: Final = timedelta(minutes=5)  # their clock may be
SIGNED: Final = ("", "-nonce", "-timestamp")  # what follows x-sinch-webhook-signature in the names of its headers
MOST: Final = 255
MOST_TEXT: Final = 4096  # of a reply, which they cut at 2,000
LIST: Final = 10  # batches of one id: more than one would be a mistake of ours

STATUSES: Final = MappingProxyType(
    {
        "queued": Event.SUBMIT,
        "dispatched": Event.SUBMIT,
        "delivered": Event.DELIVER,
        "aborted": Event.REFUSE,  # before it reached the network
        "cancelled": Event.REFUSE,
        "deleted": Event.REFUSE,  # there: an invalid number or an opted-out one, which it does not tell apart
        "expired": Event.REFUSE,
        "failed": Event.REFUSE,
        "rejected": Event.REFUSE,
        "unknown": Event.SUBMIT,  # the network has it, and no receipt came or none that they could read
    }
)
# Codes of receipts that are neither 124 nor 0; 400 and above are theirs, the others the network's.
CODES: Final = MappingProxyType({"300": Code.INVALID_PHONE})
# Spam, a campaign that is not active, a quota of the campaign, an invalid source address.
FILTERED: Final = frozenset({"15", "60", "62", "64", "310"})

# 403 says one thing of an account and another of a number.
ANSWERS: Final = MappingProxyType(
    {"illegal_number_type": INVALID_PHONE, "missing_callback_url": STOP_CARRIER, "blocked_account": STOP_CARRIER}
)
PARAMETERS: Final = MappingProxyType({"to": INVALID_PHONE, "from": OTHER_SENDER, "body": NEVER})
NAMED: Final = re.compile(r"""["'`\[](to|from|body)["'`\[\]]""")  # how the text of a 400 names a parameter


def from_settings(given: Given) -> Sinch:
    """A service plan, with what proves its webhooks. Raises SettingsError."""
    plan = given.text("service_plan_id", like="[0-9A-Za-z_-]+", what="a service plan's id, as the dashboard shows it")
    api_token = given.secret("api_token")
    hmac_secrets = given.secrets("hmac_secret", optional=True)
    hook_tokens = given.secrets("hook_token", optional=True)
    if bool(hmac_secrets) == bool(hook_tokens):
        raise SettingsError("credentials.hmac_secret: give either it or credentials.hook_token, to prove webhooks")
    url = f"{given.url('base_url', BASE_URL)}/xms/v1/{plan}/batches"
    return Sinch(url, api_token, hmac_secrets, hook_tokens)


@dataclass(frozen=True, slots=True)
class Sinch:
    """The words of one service plan. Of secrets and tokens one is empty; the first of the tokens goes out."""

    url: str
    api_token: str = field(repr=False)
    hmac_secrets: tuple[str, ...] = field(repr=False)
    hook_tokens: tuple[str, ...] = field(repr=False)

    @property
    def asking_submits(self) -> bool:
        """It has a list to be asked."""
        return False

    def build(self, mt: Submission, now: datetime) -> Request:
        """A batch of one, since a batch has one reference. They choose the alphabet by the text, as we counted it."""
        hooks = {"callback_url": self._callback_url(mt.receipt_url)} if mt.receipt_url else {}
        batch = {
            "to": [mt.to],
            "from": mt.sender,
            "body": mt.text,
            "type": "mt_text",
            "delivery_report": "per_recipient",
            **hooks,
            "client_reference": mt.key,
        }
        headers = {**self._headers(), "Content-Type": "application/json"}
        return Request("POST", self.url, headers, json.dumps(batch).encode())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_token}"}

    def _callback_url(self, receipt_url: str) -> str:
        if not self.hook_tokens:
            return receipt_url
        return f"{receipt_url}{'&' if '?' in receipt_url else '?'}token={quote(self.hook_tokens[0], safe='')}"

    def read(self, response: Response) -> Outcome:
        """201 with an id is taken; of 400 and 403 the body's code tells whose fault it is."""
        said = None if response.fault else json_of(response.body)
        ref = id_at(said, "id")
        if ref and 200 <= response.status < 300:
            return Outcome(Fate.TAKEN, ref=ref)
        code, text = _problem(said)
        reason = f"{code} {text}".strip()[:MOST] or f"HTTP {response.status}"
        if 400 <= response.status < 500:
            named = NAMED.search(text) if response.status == 400 else None
            if known := PARAMETERS[named[1]] if named else ANSWERS.get(code):
                return replace(known, reason=reason)
        if outcome := judged(response, reason):
            return outcome
        if response.status < 400:
            return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without an id")
        return replace(UNEXPLAINED, reason=reason)

    def ask(self, mt: Submission, now: datetime) -> Request:
        """The batches of the last 24 hours that have our id."""
        query = f"page_size={LIST}&client_reference={quote(mt.key, safe='')}"
        return Request("GET", f"{self.url}?{query}", self._headers())

    def told(self, response: Response) -> Outcome | None:
        """TAKEN for a batch, LATER for none; None for anything else, as for batches that are not all of one id."""
        said = json_of(response.body) if response.status == 200 and not response.fault else None
        batches = dig(said, "batches")
        if not isinstance(batches, list):
            return None
        if not batches:
            return Outcome(Fate.LATER, reason="it has no such batch") if dig(said, "count") == 0 else None
        ref, ours = id_at(batches, 0, "id"), {id_at(batch, "client_reference") for batch in batches}
        return Outcome(Fate.TAKEN, ref=ref) if ref and len(ours) == 1 and "" not in ours else None

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether it carries a token of ours, or else is signed with the plan's secret in these hours."""
        if self.hook_tokens:
            return proves(hook.query.get("token", ""), *map(str.encode, self.hook_tokens))
        given, nonce, said_at = (hook.headers.get(f"x-sinch-webhook-signature{name}", "") for name in SIGNED)
        if not (said_at.isascii() and said_at.isdigit() and len(said_at) <= 12):
            return False
        if not (now - OLDEST).timestamp() <= int(said_at) <= (now + AHEAD).timestamp():
            return False
        words = hook.body + f".{nonce}.{said_at}".encode("utf-8", "surrogatepass")
        digests = [hmac.new(secret.encode(), words, "sha256").digest() for secret in self.hmac_secrets]
        return proves(given, *map(b64encode, digests))

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """The receipts or the reply in a hook; nothing for types and statuses that are not known."""
        said = json_of(hook.body)
        kind = text_at(said, "type")
        called = hook.key if self.hook_tokens else ""  # a signature does not cover the address
        if kind in ("recipient_delivery_report_sms", "recipient_delivery_report_mms"):
            return _receipts(said, [said], called)
        if kind in ("delivery_report_sms", "delivery_report_mms"):
            found = dig(said, "statuses")
            return _receipts(said, found if isinstance(found, list) else [], called)
        if kind in ("mo_text", "mo_media"):
            return _replies(said)
        if not kind:
            raise Refusal(400, "body: not a JSON object with a type")
        return []


def _receipts(said: Mapping[str, Any], reports: Sequence[object], called: str) -> Sequence[Receipt]:
    key = id_at(said, "client_reference", most=MOST_KEY) or called
    ref = id_at(said, "batch_id")
    if not reports or not (key or ref):
        raise Refusal(400, "body: a report without a status or an id")
    found = []
    for report in reports:
        status, code = text_at(report, "status"), text_at(report, "code")
        if not status:
            raise Refusal(400, "body: a report without a status")
        if (event := STATUSES.get(status.casefold())) and dig(report, "count") != 0:
            filtered = event is Event.REFUSE and code in FILTERED
            reason = f"{code} {status}".strip()[:MOST]
            found.append(Receipt(event, key, ref, reason, CODES.get(code, Code.SEND_FAILED), filtered))
    return found


def _replies(said: Mapping[str, Any]) -> Sequence[Reply]:
    their_number, our_number, ref = text_at(said, "from"), text_at(said, "to"), id_at(said, "id")
    if not their_number:
        raise Refusal(400, "body: a message without the number of who wrote it")
    text = text_at(said, "body", most=MOST_TEXT) or text_at(said, "body", "message", most=MOST_TEXT)
    if not text:
        return []
    said_at = instant_of(text_at(said, "received_at"))
    return [Reply(their_number=their_number, our_number=our_number, text=text, ref=ref, said_at=said_at)]


def _problem(said: object) -> tuple[str, str]:
    """The code and the text of a refusal, of which there are two shapes."""
    code = text_at(said, "code") or text_at(said, "error", "status")
    return code, text_at(said, "text") or text_at(said, "error", "message")
