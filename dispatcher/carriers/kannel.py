"""Kannel's sendsms. https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html, chapter 6.

Kannel gives no id to a submit and can ask us nothing by one: our own id, in the dlr-url, is the only thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import (
    MOST_FIELDS,
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
from dispatcher.core.outcomes import INVALID_PHONE, LIMITED, NEVER, OTHER_SENDER, STOP_CARRIER, UNEXPLAINED
from dispatcher.core.reading import clean, instant_of
from dispatcher.core.segments import count

MOST: Final = 255
MOST_TEXT: Final = 4096
ALL_REPORTS: Final = "31"  # of dlr-mask: also "accepted" (8) and "buffered" (4), which end a doubt
UNKNOWN: Final = 64  # a bit that stands beside "not delivered" in later versions: nobody knows
STATUS: Final = re.compile("[0-9]{1,3}", re.ASCII)
NACK: Final = re.compile("NACK/0x([0-9a-fA-F]{1,8})", re.ASCII)
OUR_TEXT: Final = re.compile(r"\s+text:.*", re.ASCII | re.IGNORECASE | re.DOTALL)  # the first words of our own
CHARSETS: Final = MappingProxyType({"utf-16be": "utf-16-be", "iso-8859-1": "latin-1"})  # any other is read as UTF-8

FINAL: Final = MappingProxyType({1: Event.DELIVER, 2: Event.REFUSE, 16: Event.REFUSE})  # delivered, not, rejected
MEANWHILE: Final = 4 | 8  # buffered, accepted

# The status and how the sentence begins; 403 and 503 each have two meanings.
ANSWERS: Final[Mapping[tuple[int, str], Outcome]] = MappingProxyType(
    {
        (202, "0: Accepted for delivery"): Outcome(Fate.TAKEN),
        (202, "3: Queued for later delivery"): Outcome(Fate.TAKEN),  # no SMSC is there now: it is stored
        (400, "Missing receiver number"): INVALID_PHONE,
        (400, "Empty receiver number"): INVALID_PHONE,
        (400, "Number(s) has/have been denied"): INVALID_PHONE,  # by a list, or it has letters
        (400, "Sender missing and no global set"): OTHER_SENDER,
        (403, "Authorization failed"): STOP_CARRIER,
        (403, "Not routable"): NEVER,  # no SMSC may take numbers that begin so
        (503, "Temporal failure"): LIMITED,  # its queue is full, and it took nothing
    }
)
# command_status of a rejection (SMPP 3.4, 5.1.3).
INVALID_NUMBERS: Final = frozenset({0x0B, 0x50, 0x51})
INVALID_SENDERS: Final = frozenset({0x0A, 0x48, 0x49})


def from_settings(given: Given) -> Kannel:
    """A user of a smsbox. Raises SettingsError."""
    return Kannel(
        url=given.url("url"),
        username=given.text("username"),
        password=given.secret("password"),
        hook_tokens=given.secrets("hook_token"),
        smsc=given.text("smsc", ""),
    )


@dataclass(frozen=True, slots=True)
class Kannel:
    """Kannel's words. It signs nothing, so the addresses that it calls carry a token, the first of these.

    `smsc` forces a route.
    """

    url: str
    username: str
    password: str = field(repr=False)
    hook_tokens: tuple[str, ...] = field(repr=False)
    smsc: str = ""

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit, as Kannel's own client for such a smsbox makes it."""
        query = {
            "username": self.username,
            "password": self.password,
            "to": mt.to,
            "text": mt.text,
            "from": mt.sender,
            # Without it Kannel writes a question mark for what GSM-7 lacks.
            "coding": "0" if count(mt.text).encoding == "GSM-7" else "2",
            "charset": "UTF-8",
            "dlr-url": self._dlr_url(mt.receipt_url),
            "dlr-mask": ALL_REPORTS,
        }
        if self.smsc:
            query["smsc"] = self.smsc
        return Request("GET", f"{self.url}?{urlencode(query)}")

    def read(self, response: Response) -> Outcome:
        """What became of it: the sentence before the status."""
        said = clean(response.text).strip()[:MOST] if response.fault is None else ""
        for (status, words), outcome in ANSWERS.items():
            if response.status == status and said.startswith(words):
                return replace(outcome, reason="" if outcome.fate is Fate.TAKEN else said)
        if outcome_by_status := judged(response, said):
            return outcome_by_status
        if response.status >= 400:
            return replace(UNEXPLAINED, reason=said or f"HTTP {response.status}")
        return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status}")

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether the address that was called holds a token of ours."""
        return proves(hook.query.get("token", ""), *map(str.encode, self.hook_tokens))

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """The receipt or the reply that the address tells; none where the status is unknown."""
        said = _fields(hook)
        if "status" in said:
            return _receipt(hook.key, said)
        if not said.get("from") or "text" not in said:
            raise Refusal(400, "hook: neither a receipt nor a reply")
        theirs, ours = said["from"][:MOST], said.get("to", "")[:MOST]
        said_at = instant_of(said.get("time", ""))
        return [Reply(their_number=theirs, our_number=ours, text=said["text"], ref=said["id"], said_at=said_at)]

    def _dlr_url(self, receipt_url: str) -> str:
        """Kannel replaces %d and the like in it, so a percent of ours is doubled."""
        ours = f"{receipt_url}&token={quote(self.hook_tokens[0], safe='')}"
        return f"{ours.replace('%', '%%')}&status=%d&answer=%A"


def _receipt(key: str, said: Mapping[str, str]) -> list[Receipt]:
    if not key or not STATUS.fullmatch(said["status"]):
        raise Refusal(400, "receipt: no id or no status")
    bits, answer = int(said["status"]), OUR_TEXT.sub("", said.get("answer", ""))[:MOST]
    final = bits & sum(FINAL)
    submitted = bits & UNKNOWN or (bits & MEANWHILE and not final)
    event = Event.SUBMIT if submitted else FINAL.get(final)
    if event is None or bits >= 2 * UNKNOWN:
        return []
    nack = NACK.match(answer)
    status = int(nack[1], 16) if nack and event is Event.REFUSE else 0
    return [
        Receipt(
            event,
            key=key,
            reason=answer,
            code=Code.INVALID_PHONE if status in INVALID_NUMBERS else Code.SEND_FAILED,
            filtered=status in INVALID_SENDERS,
        )
    ]


def _fields(hook: Hook) -> dict[str, str]:
    """The fields of the address. The text of a reply is in the charset that is named beside it (mo-recode = false)."""
    query = hook.url.partition("?")[2]
    try:
        octets = parse_qsl(query, keep_blank_values=True, encoding="latin-1", max_num_fields=MOST_FIELDS)
        raw = {name: value.encode("latin-1") for name, value in octets}
    except ValueError:
        raise Refusal(400, f"hook: not an address with at most {MOST_FIELDS} fields") from None
    charset = CHARSETS.get(raw.get("charset", b"").decode("latin-1").lower(), "utf-8")
    said = {name: clean(value.decode("utf-8", "replace")) for name, value in raw.items()}
    text = clean(raw.get("text", b"").decode(charset, "replace"))[:MOST_TEXT]
    return said | {"id": said.get("id", "")[:MOST]} | ({"text": text} if "text" in raw else {})
