"""What the duties need of the world, and the values that cross: the store's slices, the bell, ids, the clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from dispatcher.core.codes import Code
from dispatcher.core.decision import Discard, Send, Wait
from dispatcher.core.exchange import Outcome, Receipt
from dispatcher.core.health import Harm
from dispatcher.core.invitation import Account, Admitted, App, Candidate, Claimed, Standing
from dispatcher.core.lifecycle import Event
from dispatcher.core.screening import KnownOs
from dispatcher.core.senders import LaneKey, Pool

Clock = Callable[[], datetime]
Ids = Callable[[], int]
Ring = Callable[[str], None]
DUE, CALLBACKS, LOOKUPS = "due", "callbacks", "lookups"  # the topics of the bell


class StoreUnavailable(Exception):
    """The store cannot answer or keep anything now. Nothing of the call was kept, as far as is known."""


class AlarmKind(StrEnum):
    """What an operator has to see to."""

    CONNECTION_STOPPED = "connection_stopped"  # its carrier forbids all: credentials, address
    CONNECTION_SILENT = "connection_silent"  # a process hears nothing from its carrier
    CONNECTION_NOT_BOUND = "connection_not_bound"  # no process could bind for a minute, if it binds at all
    CONNECTION_UNUSABLE = "connection_unusable"  # a process lacks a credential of it
    SENDER_RESTS = "sender_rests"  # its carrier forbids it, and lets others send
    HOOKS_REFUSED = "hooks_refused"  # of a connection: forged, or its credentials are wrong
    ENDPOINT_STOPPED = "endpoint_stopped"  # of an app's callbacks, which said that it is gone
    LOOKUPS_USED_UP = "lookups_used_up"  # of the day: who is not looked up passes


@dataclass(frozen=True, slots=True)
class Alarm:
    """The last time that something happened to a subject: how often since when, why last, and whether it goes on."""

    kind: AlarmKind
    subject: str
    since: datetime
    last_at: datetime
    count: int
    reason: str
    ended_at: datetime | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of queued rows, and when the first of them is due."""

    key: LaneKey
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Marked:
    """A row whose submit may begin, `delay` after the mark was asked for: its attempt is on disk.

    `rest` is how long its sender rests then; None where it is too fast for that to be kept to the instant.
    """

    row: Claimed
    sender: str
    sender_id: int
    connection_id: int
    delay: timedelta
    rest: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a submit came to: the event for its row, and what to write with it.

    `due_at` is the next instant at which the row needs anything; `sent` that a carrier took it; `tried` that it
    cost a try; `ask_at` when its carrier is asked about it, where that is in doubt and can be asked.
    """

    message_id: int
    generation: int
    event: Event
    outcome: Outcome
    code: Code
    due_at: datetime
    sent: bool = False
    tried: bool = False
    ask_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A submit whose carrier may be asked now what became of it: the row as it was marked then, and when that was.

    The row is due when the doubt is closed. `ask_at` is what the claim of the question is fenced by. `open` tells
    whether it is in doubt still, `usable` whether its sender and connection may send.
    """

    marked: Marked
    started_at: datetime
    ask_at: datetime
    asks: int
    open: bool
    usable: bool


class Trouble(NamedTuple):
    """What an endpoint did since its last success."""

    failures: int = 0
    rests: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A callback that is ours to make until its lease ends, with all that its URL may name."""

    subject_id: int
    kind: str
    app_id: int
    generation: int
    tries: int
    url: str
    secret: str
    message_id: int
    reference: str
    phone: str
    status: int
    completed_at: datetime
    first_try_at: datetime
    rests: int = 0  # of its endpoint since the last success


@dataclass(frozen=True, slots=True)
class Called:
    """How a try of a callback ended. `again_at` is None when no further one follows; `http` is 0 without an answer.

    `tried` is false where the call was never begun, which costs nothing. `endpoint_rest` tells of a failure of the
    endpoint: how long that rests, if it has failed often enough in a row.
    """

    due: Due
    at: datetime
    http: int
    reason: str
    delivered: bool
    again_at: datetime | None
    tried: bool = True
    endpoint_rest: timedelta | None = None
    endpoint_stop: str = ""


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a sweep took back or closed."""

    requeued: int = 0
    in_doubt: int = 0
    closed: int = 0


class Admissions(Protocol):
    """Where candidates become invitations."""

    def admit(self, candidates: Sequence[Candidate], now: datetime) -> Sequence[Admitted]:
        """A verdict for each; on return they are on disk. Raises StoreUnavailable."""
        ...


class Queue(Protocol):
    """The queue of all that goes out."""

    def lanes(self) -> Sequence[Lane]:
        """Every line of queued rows."""
        ...

    def claim(self, wants: Mapping[LaneKey, int], now: datetime, lease: timedelta) -> Sequence[Claimed]:
        """Take up to so many due rows of each lane, the longest due first."""
        ...

    def claim_expired(self, lanes: Sequence[LaneKey], most: int, now: datetime, lease: timedelta) -> Sequence[Claimed]:
        """Take up to `most` due rows of these lanes that are past their validity."""
        ...

    def leave_line(self, lanes: Sequence[LaneKey], most: int) -> None:
        """Let up to `most` rows of each of these no longer wait for the sender that is awaited there."""
        ...

    def mark(
        self,
        sends: Sequence[Send],
        waits: Sequence[Wait],
        discards: Sequence[Discard],
        *,
        now: datetime,
        lease: timedelta,
        horizon: timedelta,
        worker_id: int,
    ) -> Sequence[Marked]:
        """Write the decisions in one transaction; what comes back may be submitted, and nothing else may."""
        ...

    def settle(self, results: Sequence[Settled], now: datetime) -> int:
        """Write outcomes in one transaction; how many came too late to matter."""
        ...


class SenderPool(Protocol):
    """Who may send now, and what is heard of senders and their connections."""

    def usable(self, horizon: timedelta, worker_id: int | None, without: Collection[int] = ()) -> Pool:
        """The senders that may be used now, with the room that this process sees (None: as their holders see it).

        Those of the connections in `without` are left out.
        """
        ...

    def rest_sender(self, sender_id: int, rest: timedelta, reason: str, alarm_at: datetime | None = None) -> None:
        """Leave a sender out of the pool for a while; tell an operator so, if at an instant."""
        ...

    def stop_connection(self, connection_id: int, reason: str, rest: timedelta, now: datetime) -> None:
        """Leave a connection out for `rest`, then risk one submit; the reason is kept for the operator."""
        ...

    def resume_connections(self, connection_ids: Sequence[int]) -> None:
        """These took a submit: a stop that they were under is over."""
        ...

    def harm(self, connections: Mapping[int, Harm], senders: Mapping[int, Harm]) -> None:
        """Let the shares of these fall."""
        ...

    def heard_of(self, connection_id: int, message_ids: Sequence[int]) -> bool:
        """Whether any of these was taken by this connection, as its carrier told since."""
        ...

    def note_silence(self, connection_id: int, why: str, now: datetime, worker_id: int) -> None:
        """Write down for operators why a worker leaves a connection alone; "" once any hears it again."""
        ...


class Sweeper(Protocol):
    """The messages' part of the sweep."""

    def rescue(
        self,
        now: datetime,
        doubt: timedelta,
        most: int,
        answerable: Collection[int] = (),
        ask_at: datetime | None = None,
    ) -> Rescued:
        """Take back what lost its lease, close what nobody will ever tell, queue again where the app wants that.

        What is in doubt then of the connections that are `answerable` is asked about at `ask_at`.
        """
        ...


class Inquiries(Protocol):
    """The questions about what is in doubt."""

    def doubts(self, connection_id: int, now: datetime, most: int) -> Sequence[Doubt]:
        """Up to so many submits of a connection that it is time to ask about, the longest due first."""
        ...

    def put_off(self, doubts: Sequence[tuple[Doubt, datetime | None]]) -> None:
        """Ask about these later, or (None) not at all."""
        ...

    def ask(
        self,
        doubts: Sequence[tuple[Doubt, datetime]],
        *,
        submits: bool,
        horizon: timedelta,
        worker_id: int,
        now: datetime,
    ) -> Sequence[Doubt]:
        """Claim questions in one transaction, each until it is to be asked again; what comes back may be asked.

        Where asking `submits`, only what may be sent comes back, and its sender's room is taken.
        """
        ...

    def settle(self, results: Sequence[Settled], now: datetime) -> int:
        """Write what carriers told of what is in doubt still; how many that were."""
        ...


class Receipts(Protocol):
    """Where receipts are written."""

    def take(self, connection_id: int, receipts: Sequence[Receipt], now: datetime) -> int:
        """Apply each to its message, or keep it until it can be matched; how many changed a state."""
        ...

    def match(self, now: datetime, most: int) -> int:
        """Apply kept receipts whose message is known by now."""
        ...


class Outbox(Protocol):
    """The callbacks owed."""

    def lanes(self, now: datetime) -> Mapping[int, Trouble]:
        """Every app with a callback due whose endpoint is not resting, and the trouble it was in."""
        ...

    def claim(
        self, wants: Mapping[int, int], now: datetime, lease: timedelta, probes: Collection[int] = ()
    ) -> Sequence[Due]:
        """Take up to so many due callbacks of each app; of those in `probes`, no other process until it is settled."""
        ...

    def settle(self, results: Sequence[Called]) -> None:
        """Write how tries ended, in this order."""
        ...

    def give_up(self, now: datetime, life: timedelta, most: int) -> Mapping[int, int]:
        """End what was due for `life` when its endpoint, which failed for as long, failed last; how many of each app.

        An endpoint that stopped itself is taken to fail until `now`.
        """
        ...

    def rescue(self) -> int:
        """Queue again what lost its lease."""
        ...


class Directory(Protocol):
    """Who is who."""

    def account(self, api_key: str, secret_hash: str) -> Account | None:
        """The account of this credential, or None."""
        ...

    def app(self, account_id: int, app_id: str) -> App | None:
        """The account's app of that id, or None."""
        ...

    def apps(self, ids: Sequence[int]) -> Mapping[int, App]:
        """These apps, by key."""
        ...


class Queries(Protocol):
    """What customers ask."""

    def standing(self, account_id: int, message_id: int) -> Standing | None:
        """Where an invitation of this account stands; None for any other id."""
        ...


@dataclass(frozen=True, slots=True)
class ClickReport:
    """A report that an invitation's link was followed: which one, by its id or by the customer's own, and by whom.

    `message_id` decides where it is not None; `reference` is looked at otherwise. `os` and `human` are what the
    User-Agent tells.
    """

    id: int
    account_id: int
    message_id: int | None
    reference: str
    user_agent: str
    os: KnownOs | None
    human: bool


@dataclass(frozen=True, slots=True)
class Clicked:
    """The invitation that a report was about, and whether a callback follows from it."""

    message_id: int
    calls_back: bool


class ClickBook(Protocol):
    """Where clicks are written."""

    def report(self, click: ClickReport) -> Clicked | None:
        """Write one, on disk on return; None where the account has no such invitation. Raises StoreUnavailable."""
        ...
