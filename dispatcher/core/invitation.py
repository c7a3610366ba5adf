"""The values that walk through the house: what was asked, what is queued, what is claimed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dispatcher.core.codes import Code
from dispatcher.core.hours import ALWAYS, OpenHours
from dispatcher.core.lifecycle import State
from dispatcher.core.phone import LineType


class Kind(StrEnum):
    """What goes out; which rules apply is a table by kind (core.screening)."""

    INVITATION = "invitation"
    CONFIRMATION = "confirmation"
    HELP = "help"
    SESSION = "session"


class Channel(StrEnum):
    """By which way it goes out."""

    SMS = "sms"
    EMAIL = "email"


class Os(StrEnum):
    """The device that an invitation is meant for (`osType` of the Social Invite API)."""

    IOS = "IOS"
    ANDROID = "ANDROID"
    IOS_ANDROID = "IOS_ANDROID"


class Policy(StrEnum):
    """What becomes of an invitation of which nobody can tell whether the carrier took it."""

    AT_MOST_ONCE = "at_most_once"
    AT_LEAST_ONCE = "at_least_once"


class Scope(StrEnum):
    """How far an opt-out reaches."""

    APP = "app"
    ACCOUNT = "account"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person who is not to be texted. `scope_id` is the app's or the account's key, 0 for GLOBAL.

    `source` is who says so (a word such as operator, carrier, reply), `said` the text that they sent, if any, and
    `sender_id` the sender that they sent it to, or that their carrier keeps from them.
    """

    person: str
    scope: Scope
    scope_id: int
    source: str
    said: str = ""
    address: str = ""
    created_at: datetime | None = None
    sender_id: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """The customer behind a credential."""

    id: int
    paused: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """What is settled per app. `countries` is None where every country is allowed."""

    id: int
    account_id: int
    app_id: str
    hours: OpenHours = ALWAYS
    country: str = "US"
    country_from_sender: bool = False
    countries: frozenset[str] | None = None
    policy: Policy = Policy.AT_MOST_ONCE
    duplicate_window: timedelta = timedelta(days=7)
    most_segments: int = 10
    weight: float = 1.0
    paused: bool = False
    calls_back: bool = False


@dataclass(frozen=True, slots=True)
class InviteRequest:
    """An invitation as a door hands it in: words read and bounded, nothing judged yet."""

    phone: str
    text: str
    app_id: str
    os: Os
    region: str = ""
    sender_phone: str = ""
    reference: str = ""
    idempotency_key: str = ""
    inviter: str = ""
    inviter_name: str = ""
    campaign: str = ""


def store_key(idempotency_key: str, reference: str) -> str:
    """The one name under which a customer's own key is kept: the header's wins over the referenceId; "" for neither."""
    return f"k:{idempotency_key}" if idempotency_key else f"r:{reference}" if reference else ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invitation that passed the door, for the store to admit. `code` is not 0 where a rule already objects."""

    id: int
    account_id: int
    app_id: int
    kind: Kind
    channel: Channel
    person: str
    address: str
    region: str
    text: str
    segments: int
    os: Os
    created_at: datetime
    planned_at: datetime
    expires_at: datetime
    duplicate_until: datetime
    key: str = ""
    digest: str = ""
    reference: str = ""
    inviter: str = ""
    inviter_name: str = ""
    campaign: str = ""
    flow: int = 0  # core.flows
    line_type: LineType = LineType.UNKNOWN  # as the number alone tells it
    code: Code = Code.ACCEPTED
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the store made of a candidate: the first answer, which a repeat of the same key gets again.

    `conflict` marks a key that was used before for something else; then nothing was stored.
    """

    id: int
    code: Code
    reason: str
    planned_at: datetime
    duplicate_of: int | None = None
    reopens_at: datetime | None = None
    replayed: bool = False
    conflict: bool = False
    looked_up: bool = False  # whether it waits for a lookup of its number


@dataclass(frozen=True, slots=True)
class Claimed:
    """A queued row that is ours until its lease ends; `generation` fences every write about it."""

    id: int
    generation: int
    app_id: int
    kind: Kind
    channel: Channel
    person: str
    address: str | None
    region: str
    text: str
    segments: int
    tries: int
    planned_at: datetime
    due_at: datetime
    expires_at: datetime
    opted_out: bool = False
    sticky_sender: int | None = None  # the one that this app wrote to this person from last
    awaited: int = 0  # the same, where it was in line for that one; of an answer its only sender, negated
    flow: int = 0
    refused_by: int = 0  # senders that it may not leave from, as they were told
    untaken_by: int = 0  # the connection by which its last try failed that surely did not leave
    forbidden: bool = False  # whether a carrier answered it as if our credentials were wrong, which may be its number


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an invitation stands, for whoever asks."""

    id: int
    state: State
    code: int
    reason: str
    reference: str
    segments: int
    sender: str
    created_at: datetime
    planned_at: datetime
    due_at: datetime
    hold: str
    sent_at: datetime | None
    completed_at: datetime | None
    clicked_at: datetime | None = None

    @property
    def told_code(self) -> int:
        """The code as customers read it: a click is the last word on what a carrier took and did not fail."""
        clicked = self.clicked_at is not None and self.state in (State.SUBMITTED, State.DELIVERED)
        return Code.CLICKED if clicked else self.code
