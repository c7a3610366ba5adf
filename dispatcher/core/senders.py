"""Which sender an invitation goes out from: its app's own senders, else the shared ones, in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

from dispatcher.core.pacing import Room

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Sender:
    """A number, short code or alphanumeric id, with what it has left."""

    id: int
    number: str
    connection_id: int
    room: Room
    weight: float = 1.0
    apps: frozenset[int] = frozenset()

    def after(self, segments: int, now: int) -> Sender:
        """The same sender once `segments` were charged to it."""
        return Sender(
            self.id, self.number, self.connection_id, self.room.charged(segments, now), self.weight, self.apps
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A sender, the slot in which it may submit (microseconds, database clock) and the rule that chose it."""

    sender: Sender
    slot: int
    rule: str


@dataclass(slots=True)
class Pool:
    """The senders that may be used now, while a batch is decided: every choice uses up room.

    Senders that are paused or resting, or whose connection is paused or stopped, are not in it. `now` is the database's
    clock in microseconds when their room was read. A slot may lie `horizon` microseconds ahead, no more: what
    cannot leave by then waits in the queue, where it can still be stopped. `capacity` is what each connection's
    transport still has room for; `stopped` names connections that are under a stop and risk one submit; `owners` the
    apps that have senders of their own, usable or not.
    """

    now: int
    horizon: int
    senders: dict[int, Sender]
    capacity: dict[int, int] = field(default_factory=dict)
    stopped: frozenset[int] = frozenset()
    owners: frozenset[int] = frozenset()
    _eligible: dict[int, tuple[str, list[int]]] = field(default_factory=dict)

    def eligible(self, app_id: int) -> tuple[str, Sequence[int]]:
        """The ids of the senders this app may use, and the rule: its own if it has any, else the shared ones.

        An app whose own senders are all paused, resting or stopped has none: it waits, and borrows from nobody.
        """
        found = self._eligible.get(app_id)
        if found is None:
            own = [s.id for s in self.senders.values() if app_id in s.apps]
            found = (
                ("dedicated", own)
                if own or app_id in self.owners
                else ("shared", [s.id for s in self.senders.values() if not s.apps])
            )
            self._eligible[app_id] = found
        return found

    def choose(self, app_id: int) -> Choice | None:
        """The next sender in turn: the first to be free, among those the least used against its weight."""
        rule, ids = self.eligible(app_id)
        open_ids = [i for i in ids if self.capacity.get(self.senders[i].connection_id, 0) > 0]
        if not open_ids:
            return None
        best = min(open_ids, key=self._rank)
        slot = self.senders[best].room.slot(self.now)
        return Choice(self.senders[best], slot, rule) if slot <= self.now + self.horizon else None

    def _rank(self, sender_id: int) -> tuple[int, float, int]:
        sender = self.senders[sender_id]
        return sender.room.slot(self.now), sender.room.used / sender.weight, sender_id

    def charge(self, choice: Choice, segments: int) -> None:
        """Use up the room that a choice takes."""
        self.senders[choice.sender.id] = choice.sender.after(segments, self.now)
        self.capacity[choice.sender.connection_id] -= 1

    def next_free(self, app_id: int) -> int | None:
        """The earliest slot of any sender of this app (microseconds); None where it has no usable sender."""
        slots = [self.senders[i].room.slot(self.now) for i in self.eligible(app_id)[1]]
        return min(slots) if slots else None

    def slots(self, app_id: int) -> int:
        """How many messages of this app could be begun within the horizon, if nobody else began any."""
        by_connection: dict[int, int] = {}
        for sender in (self.senders[i] for i in self.eligible(app_id)[1]):
            of = sender.connection_id
            by_connection[of] = by_connection.get(of, 0) + sender.room.slots(self.now, self.horizon)
        return sum(min(count, self.capacity.get(of, 0)) for of, count in by_connection.items())


def shares(free: int, wants: Mapping[int, int]) -> dict[int, int]:
    """Divide `free` places among lanes, evenly, none above what it wants: a long lane never starves a short one.

    Lanes are served in the order given when places are fewer than lanes; the caller rotates that order.
    """
    given: dict[int, int] = {}
    served = [item for item in wants.items() if item[1] > 0][:free]
    served.sort(key=lambda item: item[1])
    for i, (lane, wanted) in enumerate(served):
        given[lane] = min(wanted, free // (len(served) - i))
        free -= given[lane]
    return given


def in_turn(rows: Iterable[Row], lane_of: Callable[[Row], int], order: Sequence[int]) -> list[Row]:
    """The first row of each lane, in this order of lanes, then the second of each, and so on.

    Lanes may share some senders and not others; decided in turn, none of them uses up all that they have in common.
    """
    lanes: dict[int, list[Row]] = {lane: [] for lane in order}
    for row in rows:
        lanes[lane_of(row)].append(row)
    return [row for tier in zip_longest(*lanes.values()) for row in tier if row is not None]
