"""Telnyx, POST /v2/messages. https://developers.telnyx.com/docs/messaging/messages/error-codes, /receiving-webhooks.

What it signs: https://developers.telnyx.com/docs/development/api-fundamentals/webhooks. Its Idempotency-Key, by which a
submit in doubt is repeated: https://developers.telnyx.com/docs/development/api-fundamentals/idempotency.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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
    Wish,
    judged,
)
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import (
    INVALID_PHONE,
    LIMITED,
    NEVER,
    NOT_MOBILE,
    OPTED_OUT,
    OTHER_SENDER,
    STOP_CARRIER,
    UNEXPLAINED,
    UNKNOWN,
)
from dispatcher.core.reading import dig, id_at, instant_of, json_of, text_at
from dispatcher.core.segments import count

BASE_URL: Final = "https://api.telnyx.com/v2"
TOLERANCE_SECONDS: Final = 300  # as the SDK has it
STAMP: Final = re.compile("[0-9]{1,12}", re.ASCII)
NUMERIC: Final = re.compile(r"\+?[0-9]+", re.ASCII)
MOST: Final = 255
MOST_TEXT: Final = 4096
MOST_URL: Final = 2000  # of an address that it takes for receipts

STATUSES: Final = MappingProxyType(
    {
        "queued": Event.SUBMIT,
        "sending": Event.SUBMIT,
        "sent": Event.SUBMIT,
        "delivered": Event.DELIVER,
        "read": Event.DELIVER,
        "sending_failed": Event.REFUSE,
        "delivery_failed": Event.REFUSE,
        "expired": Event.REFUSE,
        "delivery_unconfirmed": Event.SUBMIT,  # the last that Telnyx says, and yet nobody knows
    }
)
WISHES: Final = MappingProxyType({"STOP": Wish.STOP, "START": Wish.START, "HELP": Wish.HELP})

# By the code of the first error. One code comes with several HTTP statuses, so the status alone is never asked first.
ERRORS: Final[Mapping[str, Outcome]] = MappingProxyType(
    {
        code: outcome
        for outcome, codes in (
            (INVALID_PHONE, "10002 10016 40310"),  # the first two may be about `from`: see _meaning
            (NOT_MOBILE, "40001"),  # not routable
            (OPTED_OUT, "40300"),  # its title says STOP, else it is about `from`: see _meaning
            (NEVER, "40002 40004 40005 40006 40008 40009 40012 40014 40302 40304 40309 40316 40322 40328"),
            (NEVER, "40301 40319"),  # not from such a sender to such a number: which of them is wrong, it does not say
            (UNEXPLAINED, "10004 10015"),  # something of the request is missing or wrong
            # Not on a profile, not registered, blocked as spam, or at the cap that T-Mobile or AT&T gave its campaign.
            (OTHER_SENDER, "40003 40010 40013 40015 40016 40017 40018 40019 40100 40150 40151 40155"),
            (OTHER_SENDER, "40305 40306 40307 40315 40320 40323 40325 40329 40330"),
            # Key, account (10039: texts to verified numbers alone), money; the messaging profile, its spend limit too.
            (STOP_CARRIER, "10005 10009 10010 10039 20002 20006 20012 20013 20014 20015 20016 20017 20100"),
            (STOP_CARRIER, "40311 40312 40313 40314 40321 40331 40333"),
            (LIMITED, "10011 40011 40318"),
            (UNKNOWN, "10007 10008 10036"),  # unexpected, timed out, one with the same key is still under way
        )
        for code in codes.split()
    }
)
FILTERED: Final = frozenset(
    {
        *("40002", "40003", "40015", "40017", "40322"),  # spam
        *("40010", "40013", "40019", "40329", "40330"),  # not registered, or wrongly
        *("40011", "40016", "40018"),  # carriers' limits
    }
)


def from_settings(given: Given) -> Telnyx:
    """A contract with Telnyx. Raises SettingsError."""
    shown = given.secret("public_key")
    try:
        public_key = Ed25519PublicKey.from_public_bytes(b64decode(shown, validate=True))
    except ValueError:
        raise SettingsError("credentials.public_key: must be as the portal shows it, 44 characters of base64") from None
    return Telnyx(
        base_url=given.url("base_url", BASE_URL),
        api_key=given.secret("api_key"),
        public_key=public_key,
        profile=given.text("messaging_profile_id", ""),
    )


@dataclass(frozen=True, slots=True)
class Telnyx:
    """Telnyx's words. `profile` is the messaging profile of alphanumeric senders: numbers have one of their own."""

    base_url: str
    api_key: str = field(repr=False)
    public_key: Ed25519PublicKey = field(repr=False)
    profile: str = ""

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit. The same for the same submission, byte by byte: its Idempotency-Key allows no other body."""
        body: dict[str, object] = {"to": mt.to}
        if count(mt.text).encoding == "UCS-2":
            body["encoding"] = "ucs2"  # else a "smart" encoding may replace characters
        body["from"] = mt.sender
        if self.profile and not NUMERIC.fullmatch(mt.sender):
            body["messaging_profile_id"] = self.profile
        body |= {"text": mt.text, "use_profile_webhooks": False, "webhook_url": mt.receipt_url}
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            # A try by another sender is another request, made only after the first was surely not taken.
            "Idempotency-Key": mt.sent_by,
        }
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return Request("POST", f"{self.base_url}/messages", headers, content)

    def read(self, response: Response) -> Outcome:
        """What became of it: the code of its error before the status, for a 403 may be about one number alone."""
        answer = json_of(response.body) if response.fault is None else None
        if 400 <= response.status < 500 and (outcome := _refused(answer, response)):
            return outcome
        reason = _said(dig(answer, "errors", 0)) or f"HTTP {response.status}"
        if outcome := judged(response, reason):
            return outcome
        if response.status >= 400:
            # 409 is said of a key that is in use: https://developers.telnyx.com/docs/development/api-fundamentals/idempotency
            return replace(UNKNOWN if response.status == 409 else UNEXPLAINED, reason=reason)
        ref = id_at(answer, "data", "id")
        if not ref:
            return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without an id")
        return Outcome(Fate.TAKEN, ref=ref)

    @property
    def asking_submits(self) -> bool:
        """It answers a repeated Idempotency-Key as it did the first time, for 24 hours."""
        return True

    def ask(self, mt: Submission, now: datetime) -> Request:
        """The same submit once more."""
        return self.build(mt, now)

    def told(self, response: Response) -> Outcome | None:
        """TAKEN; or NEVER by a code that we know, since what was taken before is answered as taken again."""
        outcome = self.read(response)
        if outcome.fate is Fate.TAKEN:
            return outcome
        known = text_at(json_of(response.body), "errors", 0, "code") in ERRORS
        return outcome if outcome.fate is Fate.NEVER and known else None

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether Telnyx signed these bytes, at most five minutes ago."""
        stamp = hook.headers.get("telnyx-timestamp", "")
        if not STAMP.fullmatch(stamp) or abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
            return False
        try:
            signature = b64decode(hook.headers.get("telnyx-signature-ed25519", ""), validate=True)
            self.public_key.verify(signature, stamp.encode() + b"|" + hook.body)
        except (ValueError, InvalidSignature):
            return False
        return True

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """The receipt or the reply in a hook; none where its kind or its status is unknown."""
        event = dig(json_of(hook.body), "data")
        kind, payload = text_at(event, "event_type"), dig(event, "payload")
        if not kind or not isinstance(payload, Mapping):
            raise Refusal(400, "hook: no event of Telnyx")
        if kind == "message.received":
            return [_reply(payload)]
        key, ref = _key(payload), id_at(payload, "id")
        if not kind.startswith("message."):
            return []
        if not key and not ref:
            raise Refusal(400, "receipt: no id")
        status, error = text_at(payload, "to", 0, "status"), dig(payload, "errors", 0)
        if status not in STATUSES:
            return []
        meaning = _meaning(error)
        refused = STATUSES[status] is Event.REFUSE
        return [
            Receipt(
                STATUSES[status],
                key=key,
                ref=ref,
                reason=_said(error) or status,
                code=meaning.code if refused and meaning else Code.SEND_FAILED,
                filtered=refused and text_at(error, "code") in FILTERED,
            )
        ]


def _key(payload: Mapping[str, Any]) -> str:
    """The id of ours in the address that we gave for this message; the one that was called is not signed."""
    query = text_at(payload, "webhook_url", most=MOST_URL).partition("?")[2]
    return id_at(dict(parse_qsl(query)), "id", most=MOST_KEY)


def _refused(answer: object, response: Response) -> Outcome | None:
    """The outcome of an answer whose first error is known."""
    error = dig(answer, "errors", 0)
    meaning = _meaning(error)
    if meaning is None:
        return None
    return replace(meaning, reason=_said(error), retry_after=response.retry_after if meaning.limit else None)


def _meaning(error: object) -> Outcome | None:
    """What the code of an error means, told apart where one code is used for two things."""
    code = text_at(error, "code")
    about_sender = text_at(error, "source", "pointer") == "/from" or text_at(error, "source", "parameter") == "from"
    if code in ("10002", "10016") and about_sender:
        return OTHER_SENDER
    if code == "40300" and "STOP" not in text_at(error, "title") + text_at(error, "detail"):
        return OTHER_SENDER
    return ERRORS.get(code)


def _said(error: object) -> str:
    """The code and the title of an error."""
    return f"{text_at(error, 'code')} {text_at(error, 'title')}".strip()[:MOST]


def _reply(payload: Mapping[str, Any]) -> Reply:
    theirs = text_at(payload, "from", "phone_number")
    ours = text_at(payload, "to", 0, "phone_number")
    if not theirs:
        raise Refusal(400, "reply: no number of who wrote it")
    return Reply(
        their_number=theirs,
        our_number=ours,
        text=text_at(payload, "text", most=MOST_TEXT),
        ref=id_at(payload, "id"),
        answered=WISHES.get(text_at(payload, "autoresponse_type").upper()),
        said_at=instant_of(text_at(payload, "received_at")),
    )
