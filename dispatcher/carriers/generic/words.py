"""What is said to a described provider, and what its answers and hooks mean."""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlsplit
from xml.sax.saxutils import escape

from dispatcher.carriers.generic.places import Place
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
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import UNEXPLAINED
from dispatcher.core.reading import instant_of

MARK: Final = re.compile(r"\{(\w+)\}")
FORM: Final = "application/x-www-form-urlencoded"
MOST: Final = 255  # of what is kept of a provider's words
NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
# Quotes, for a value may stand in an attribute; white space, which would be normalized there.
REFERENCES: Final = {'"': "&quot;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def _json_text(value: str) -> str:
    return json.dumps(value)[1:-1]


def _xml_text(value: str) -> str:
    return escape(NOT_IN_XML.sub("", value), REFERENCES)


def header_text(value: str) -> str:
    """What of a value may stand in a header: no control character, so that none begins another header."""
    return "".join(c for c in value if c.isprintable())


ESCAPES: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {FORM: quote_plus, "application/json": _json_text, "application/xml": _xml_text, "text/xml": _xml_text}
)


def media_type(content_type: str) -> str:
    """The media type alone, by which values are escaped: parameters and case do not change what a body is."""
    return content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Refused:
    """One way in which the provider says no: by status, and by what stands somewhere in its answer."""

    fate: Fate
    status: int | None
    where: Place | None
    equals: frozenset[str]
    code: Code
    retry: timedelta | None
    reason: Place | None

    def outcome(self, response: Response) -> Outcome | None:
        """The outcome, if this is it."""
        if self.status is not None and response.status != self.status:
            return None
        said = self.where.find(response.headers, response.body, {}) if self.where else ""
        if self.where and said not in self.equals:
            return None
        reason = self.reason.find(response.headers, response.body, {}) if self.reason else said
        return Outcome(
            self.fate,
            reason=(reason or f"HTTP {response.status}")[:MOST],
            code=self.code,
            retry_after=response.retry_after or self.retry,
            limit=self.fate is Fate.LATER,
        )


@dataclass(frozen=True, slots=True)
class Generic:
    """A described provider. The repr shows neither credentials nor the templates that may hold them."""

    method: str
    url: str
    content_type: str
    headers: Mapping[str, str]
    body: str
    credentials: Mapping[str, str]
    id_place: Place | None
    taken: frozenset[int]
    refused: tuple[Refused, ...]
    receipts: Mapping[str, Any]
    replies: Mapping[str, Place]
    verify_by: Mapping[str, Any] | str

    def __repr__(self) -> str:
        return f"Generic({self.method} {urlsplit(self.url).hostname})"

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit, as described."""
        values = dict(self.credentials) | message_values(mt)
        headers = {name: _fill(value, values, header_text) for name, value in self.headers.items()}
        if self.body:
            headers["Content-Type"] = self.content_type
        body = _fill(self.body, values, ESCAPES[media_type(self.content_type)]).encode()
        return Request(self.method, _fill(self.url, values, lambda v: quote(v, safe="")), headers, body)

    def read(self, response: Response) -> Outcome:
        """What became of it: the described refusals first, then what is described as taken, then the status alone."""
        if response.status and response.fault is None:
            for refused in self.refused:
                if outcome := refused.outcome(response):
                    return outcome
            if response.status in self.taken:
                return self._taken(response)
        if outcome := judged(response):
            return outcome
        if response.status >= 400:
            return replace(UNEXPLAINED, reason=f"HTTP {response.status}")
        return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status}")

    def _taken(self, response: Response) -> Outcome:
        ref = self.id_place.find_id(response.headers, response.body, {}, most=MOST) if self.id_place else ""
        if self.id_place and not ref:  # it says yes in a way we do not know: nobody can tell
            return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without an id")
        return Outcome(Fate.TAKEN, ref=ref)

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether the hook carries what the description demands; without any such demand, none is genuine."""
        demand = self.verify_by
        if not isinstance(demand, Mapping):
            return demand == "none"
        secrets = [self.credentials[demand[key]].encode() for key in ("credential", "before") if key in demand]
        name = demand["name"]
        given = hook.query.get(name, "") if demand["by"] == "query" else hook.headers.get(name.lower(), "")
        if demand["by"] != "hmac":
            return proves(given, *secrets)
        digests = [hmac.new(one, hook.body, demand.get("hash", "sha256")).digest() for one in secrets if one]
        written = [form for digest in digests for form in (digest.hex().encode(), b64encode(digest))]
        # As it is, and without the name of a hash before it.
        return proves(given, *written) or proves(given.partition("=")[2], *written)

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """The receipt in a hook; none where its status is neither delivered, failed nor accepted. Else the reply."""
        said = {name: self._said(hook, name) for name in ("key", "ref", "status", "reason")}
        if not said["status"] and (reply := self._reply(hook)):
            return [reply]
        if not said["status"] or not (said["key"] or said["ref"]):
            what = "receipt: no id or no status" if self.receipts else "reply: no number"
            raise Refusal(400, f"{what} where the description says they stand")
        for event, words in ((Event.DELIVER, "delivered"), (Event.REFUSE, "failed"), (Event.SUBMIT, "accepted")):
            if said["status"] in self.receipts.get(words, ()):
                code = Code(self.receipts.get("codes", {}).get(said["reason"], Code.SEND_FAILED))
                return [Receipt(event, said["key"], said["ref"], said["reason"] or said["status"], code)]
        return []

    def _reply(self, hook: Hook) -> Reply | None:
        said = {name: place.find(hook.headers, hook.body, hook.query) for name, place in self.replies.items()}
        if not said.get("their_number") or not (said["our_number"] or said["text"]):
            return None
        their, our, text = said["their_number"], said["our_number"], said["text"]
        place = self.replies.get("ref")
        ref = place.find_id(hook.headers, hook.body, hook.query, most=MOST) if place else ""
        said_at = instant_of(said.get("said_at", ""))
        return Reply(their_number=their, our_number=our, text=text, ref=ref, said_at=said_at)

    def _said(self, hook: Hook, name: str) -> str:
        place: Place | None = self.receipts.get(name)
        if place and name in ("key", "ref"):
            return place.find_id(hook.headers, hook.body, hook.query, most=MOST_KEY if name == "key" else MOST)
        return place.find(hook.headers, hook.body, hook.query)[:MOST] if place else ""


def message_values(mt: Submission) -> dict[str, str]:
    """What a template may name of a message."""
    return {
        "to": mt.to,
        "to_digits": mt.to.removeprefix("+"),
        "from": mt.sender,
        "from_digits": mt.sender.removeprefix("+"),
        "text": mt.text,
        "key": mt.key,
        "segments": str(mt.segments),
        "receipt_url": mt.receipt_url,
    }


def _fill(template: str, values: Mapping[str, str], escaped: Callable[[str], str]) -> str:
    return MARK.sub(lambda mark: escaped(values[mark[1]]) if mark[1] in values else mark[0], template)
