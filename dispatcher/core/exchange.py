"""The values that pass between engine, carrier and transport, and the one place that judges an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.lifecycle import Event
from dispatcher.core.reading import clean


@dataclass(frozen=True, slots=True)
class Submission:
    """One MT as it is handed to a carrier. `key` is our message id, the same on every try."""

    key: str
    sender: str
    to: str
    text: str
    segments: int
    receipt_url: str = ""

    @property
    def sent_by(self) -> str:
        """A key of this MT by this sender, of letters, digits and a dash: by another sender it is another text."""
        return f"{self.key}-{sha256(self.sender.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Request:
    """An exchange to be made. `url` is absolute and percent-encoded; the repr shows the method alone.

    A credential may stand in any of the others.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


DAY: Final = 86_400
LONGEST_DIGITS: Final = 9
MOST_FIELDS: Final = 200
MOST_KEY: Final = 64  # characters of what may be an id of ours, which is shorter still


class Fault(StrEnum):
    """Why there is no answer. Only the first three are certain not to have reached the other side."""

    UNSENT = "unsent"  # never begun: too late for its lease, or the transport was stopped
    UNREACHABLE = "unreachable"  # name not resolved, connection refused, TLS failed: nothing of the request left
    FORBIDDEN = "forbidden"  # the address guard said no before connecting
    TIMEOUT = "timeout"  # no answer in time, after the request may have left
    CUT = "cut"  # the connection broke after the request may have left
    OVERSIZED = "oversized"  # an answer came (see status), but its body was longer than the cap


@dataclass(frozen=True, slots=True)
class Response:
    """The answer, or the fault in its place (status 0 when no status line was read). Header names are lower case."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: Fault | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced, for such a body only goes into messages."""
        return self.body.decode("utf-8", "replace")

    @property
    def retry_after(self) -> timedelta | None:
        """Retry-After in its form of whole seconds (RFC 9110, 10.2.3); the date form is not trusted to their clock."""
        value = self.headers.get("retry-after", "").strip()
        if not (value.isascii() and value.isdigit()):
            return None
        return timedelta(seconds=min(int(value), DAY) if len(value) <= LONGEST_DIGITS else DAY)


class Fate(StrEnum):
    """What became of a submit, as judged in the carrier's own file."""

    TAKEN = "taken"
    LATER = "later"  # surely not sent, may be tried again
    NEVER = "never"  # surely not sent, and never will be
    OTHER_SENDER = "other_sender"  # this sender may not; rest it and choose another
    STOP_CARRIER = "stop_carrier"  # our credentials or configuration: stop the connection, keep the queue
    UNKNOWN = "unknown"  # nobody can tell: in doubt, never blindly sent again


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fate with what the carrier said. `code` is what NEVER means to the customer: 123, 124, 125 or 127.

    `limit` marks a LATER that is somebody's limit, which costs no try; `final` a TAKEN after which nothing comes;
    `partly` a NEVER of which a part was taken all the same, so that it counts as sent; `unexplained` a NEVER that no
    documentation tells the cause of, which may be about more than this text.
    """

    fate: Fate
    ref: str = ""
    reason: str = ""
    code: Code = Code.SEND_FAILED
    retry_after: timedelta | None = None
    limit: bool = False
    final: bool = False
    partly: bool = False
    unexplained: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """A carrier's word on an MT, found by `key` (our id) or by `ref` (theirs).

    `event` is DELIVER, REFUSE or SUBMIT (it took it, nothing final yet). `filtered` marks a REFUSE that is about who
    sent it rather than who was to get it: held as spam, or the sender is not registered for such texts. `unsent` marks
    a REFUSE of the submit itself, by an answer that came late: nothing was sent. `about` is the number that it came
    from where that number's owner could have written it: then it counts of a text that went there, and of no other.
    """

    event: Event
    key: str = ""
    ref: str = ""
    reason: str = ""
    code: Code = Code.SEND_FAILED
    filtered: bool = False
    unsent: bool = False
    about: str = field(default="", repr=False)


class Wish(StrEnum):
    """What a reply asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An MO: a person's number wrote to one of our senders, each as the carrier writes numbers (a plus or none).

    `ref` is the carrier's id for it, by which a repeat is known. `answered` is what the carrier says that the person
    asks for, where it acts on that and answers the person itself: Twilio's OptOutType, Telnyx's autoresponse_type,
    Plivo's MessageIntent. Nobody answers a second time then. `said_at` is when the person wrote, as the carrier says,
    aware UTC; None where it says nothing.
    """

    their_number: str
    our_number: str
    text: str
    ref: str = ""
    answered: Wish | None = None
    said_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A carrier's request to us, as it came in. `url` is the one the carrier called, behind any proxy.

    The repr shows the method alone: what proves that it is genuine may stand in any of the others.
    """

    method: str
    url: str = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def key(self) -> str:
        """The id of ours that stands in the receipt URL which a submit named; "" where there is none."""
        return clean(self.query.get("id", ""))[:MOST_KEY]

    def form(self) -> list[tuple[str, str]]:
        """The fields of a form body in their order, repeated names and empty values too. Raises Refusal (400)."""
        try:
            text = self.body.decode("utf-8")
            return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except ValueError:
            raise Refusal(400, f"body: not a form in UTF-8 with at most {MOST_FIELDS} fields") from None


# What statuses mean that say nothing of one text or one number (RFC 9110, 15.5).
STATUSES: Final = MappingProxyType(
    {
        # Our key, our account, the address, the method or the form of the body.
        **dict.fromkeys((401, 402, 403, 404, 405, 407, 410, 415, 421), Fate.STOP_CARRIER),
        408: Fate.UNKNOWN,  # not all of it came in time, says who stands in front; what stands behind may have it
        425: Fate.LATER,  # refused unread, since it might be a replay (RFC 8470, 5.2)
    }
)


def proves(given: str, *expected: bytes) -> bool:
    """Whether that is a token or a signature of these, compared in a time that tells nothing of it; whatever is given.

    Nothing proves nothing: an empty one is none.
    """
    said = given.encode("utf-8", "surrogatepass")
    return said != b"" and any(compare_digest(said, one) for one in expected)


def judged(response: Response, said: str = "") -> Outcome | None:
    """What the transport and the HTTP status alone tell of a submit; None means that the body has the last word.

    A carrier for which one of these statuses is about one text or one number reads its body before it asks here. `said`
    is the carrier's reason, where it gave one.
    """
    if response.fault in (Fault.UNSENT, Fault.UNREACHABLE, Fault.FORBIDDEN):
        return Outcome(Fate.LATER, reason=response.detail or response.fault, limit=response.fault is Fault.UNSENT)
    if response.fault is Fault.OVERSIZED or response.fault is Fault.TIMEOUT or response.fault is Fault.CUT:
        return Outcome(Fate.UNKNOWN, reason=response.detail or response.fault)
    if fate := STATUSES.get(response.status):
        retry_after = response.retry_after if fate is Fate.LATER else None
        return Outcome(fate, reason=said or f"HTTP {response.status}", retry_after=retry_after)
    match response.status:
        case 429:
            return Outcome(Fate.LATER, reason="throttled", retry_after=response.retry_after, limit=True)
        case 503 if response.retry_after is not None:
            return Outcome(Fate.LATER, reason="HTTP 503", retry_after=response.retry_after, limit=True)
        case 301 | 307 | 308:  # the address moved and nothing was processed; never followed, but a setting to mend
            return Outcome(Fate.STOP_CARRIER, reason=f"HTTP {response.status}, a redirect")
        case status if status >= 500 or status < 200 or 300 <= status < 400:  # 302 and 303 are also said after obeying
            return Outcome(Fate.UNKNOWN, reason=f"HTTP {status}")
    return None


def judged_answer(response: Response) -> Outcome | None:
    """The same of a question, which nobody obeys: any redirect is an address to mend.

    The address names what is asked about, so what is not found may be that alone: the body has the last word.
    """
    if response.fault is None and 300 <= response.status < 400:
        return Outcome(Fate.STOP_CARRIER, reason=f"HTTP {response.status}, a redirect")
    return None if response.fault is None and response.status in (404, 410) else judged(response)
