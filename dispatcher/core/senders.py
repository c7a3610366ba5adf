"""Which sender an invitation goes out from, and by which rule.

An app uses the senders that are its own, else the shared ones. Of these its recipient gets the sticky one, which wrote
to them last, if it can within the hour; else one of the recipient's country, among those one of the same area code or
of an overlay of it, and among those the one that was used least against its weight and has room. One that does badly
(core.health) has less weight; one that is ill is passed over for one that is not. What a connection surely did not take
goes by another one, if that has room; and a connection that throttles all gets nothing that another one may carry.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from itertools import zip_longest
from typing import Final, NamedTuple, TypeVar

from dispatcher.core.area_codes import areas_of
from dispatcher.core.pacing import SECOND, Room

Row = TypeVar("Row")
Key = TypeVar("Key", bound=Hashable)

PATIENCE: Final = 3600 * SECOND  # how long a recipient waits for the sender they know rather than get another
# A sender that is new, or was out for long, has been used little; it would get everything until it caught up. And one
# that did badly was charged much for little; it would get nothing until the others had caught up.
MOST_BEHIND: Final = 20.0  # segments of whoever is ahead, at the weight that it has now
ANSWER: Final = "answer"  # the rule of a sender that the person wrote to


class LaneKey(NamedTuple):
    """Which rows are in line together, since the same senders may send them: those of an app to a country.

    Who waits for the sender that they know is in a line of its own; `awaited` is that sender, 0 in all other lines. So
    are those of inviters who invite much; `flow` says in which (core.flows). Answers to a person's own text leave by
    the very sender that the person wrote to, whoever may use it: in their lines `awaited` is that sender, negated.
    """

    app_id: int
    region: str
    awaited: int = 0
    flow: int = 0

    @property
    def answers(self) -> bool:
        """Whether answers are in line here: they are few, awaited, and go first."""
        return self.awaited < 0


@dataclass(frozen=True, slots=True)
class Sender:
    """A number, short code or alphanumeric id, with what it has left.

    `region` is its country, empty where it serves any; `weight` its own and its connection's, and the health of both;
    `load` what it was used so far: segments over its weight then; `ill` that it or its connection does badly.
    """

    id: int
    number: str
    connection_id: int
    room: Room
    region: str = ""
    weight: float = 1.0
    load: float = 0.0
    apps: frozenset[int] = frozenset()
    ill: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A sender, the slot in which it may submit (microseconds, database clock) and the rule that chose it.

    Where it does not `fit`, nothing can be sent yet: the slot lies beyond the horizon, or no place is free. It is
    `awaited` where the recipient knows this very sender and waits for it rather than get another.
    """

    sender: Sender
    slot: int
    rule: str
    load: float = 0.0
    fits: bool = True
    awaited: bool = False


@dataclass(slots=True)
class Group:
    """Senders of which one is as good as another for some rows, and the rule that says so."""

    rule: str
    ids: Sequence[int]
    heap: list[tuple[float, int, int]] | None = None  # load, slot and id of those that may still have room
    areas: dict[str, Group] | None = None
    instead: dict[int, Group] = field(default_factory=dict)  # those that are well, by the connection that is left out
    soonest: dict[int, Choice] = field(default_factory=dict)  # by segments, once none of them has room


@dataclass(slots=True)
class _Eligible:
    """The senders that an app may use, all and by country."""

    rule: str
    ids: list[int] = field(default_factory=list)
    by_region: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Pool:
    """The senders that may be used now, while a batch is decided: every choice that is charged uses up room.

    Senders that are paused or resting, or whose connection is paused or stopped, are not in it. `now` is the database's
    clock in microseconds when their room was read. A slot may lie `horizon` microseconds ahead, no more: what
    cannot leave by then waits in the queue, where it can still be stopped. `capacity` is what each connection that
    this process can use still has room for; `stopped` names connections that are under a stop and risk one submit,
    `silent` those that a process hears nothing from, be it this one or another;
    `owners` the apps that have senders of their own, usable or not; `lasts` when the line of those who wait for a
    sender is over, as far as it is known; `throttled` names connections that are used only where there is no other.
    """

    now: int
    horizon: int
    senders: dict[int, Sender]
    capacity: dict[int, int] = field(default_factory=dict)
    stopped: frozenset[int] = frozenset()
    silent: frozenset[int] = frozenset()
    owners: frozenset[int] = frozenset()
    lasts: dict[int, int] = field(default_factory=dict)
    throttled: frozenset[int] = frozenset()
    _own: dict[int, _Eligible] = field(init=False)
    _shared: _Eligible = field(init=False)
    _groups: dict[LaneKey, Group] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Sort the senders by whose they are."""
        self._own = {app_id: _Eligible("dedicated, ") for app_id in self.owners}
        self._shared = _Eligible("")
        for sender in self.senders.values():
            for eligible in [self._own.setdefault(a, _Eligible("dedicated, ")) for a in sender.apps] or [self._shared]:
                eligible.ids.append(sender.id)
                eligible.by_region.setdefault(sender.region, []).append(sender.id)

    def group(self, lane: LaneKey) -> Group:
        """The senders that rows of this lane may leave from: the one awaited, else those of the country if it has any.

        Else those of no country, else all. An app whose own senders are all paused, resting or stopped has none: it
        waits, and borrows from nobody.
        """
        if lane.answers:
            return Group(ANSWER, [-lane.awaited] if -lane.awaited in self.senders else [])
        owner = lane.app_id if lane.app_id in self._own else 0
        eligible = self._own.get(lane.app_id, self._shared)
        region = lane.region if lane.region in eligible.by_region and not lane.awaited else ""
        key = LaneKey(owner, region, lane.awaited)
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = _narrowed(eligible, key)
            if self.throttled:  # of those that are left, either none throttles or all do
                found.ids = [i for i in found.ids if not self._is_throttled(i)] or found.ids
        return found

    def elsewhere(self, app_id: int, region: str, connection_id: int) -> list[Sender]:
        """Who may carry what this connection surely did not take, by others that do not throttle all."""
        senders = (self.senders[i] for i in self.group(LaneKey(app_id, region)).ids)
        return [s for s in senders if s.connection_id not in self.throttled | {connection_id}]

    def choose(
        self,
        app_id: int,
        region: str,
        number: str,
        sticky: int | None = None,
        segments: int = 1,
        *,
        patient: bool = True,
        in_line: bool = False,
        untaken_by: int = 0,
    ) -> Choice | None:
        """Who may send so many segments to this number; None where the app has no usable sender.

        `sticky` is the sender that this app wrote to them from last; only who is `patient` still waits for it, and who
        is not `in_line` yet joins its end. `untaken_by` is the connection that did not take it before, 0 for none.
        Nothing is charged.
        """
        group = self.group(LaneKey(app_id, region))
        if (untaken_by or self._is_ill(sticky)) and (choice := self._instead(group, untaken_by, segments)):
            return choice
        if self._is_throttled(sticky) and group.ids and not self._is_throttled(group.ids[0]):
            sticky = None
        known = None if sticky is None else self._sticky(app_id, sticky, segments, in_line=in_line)
        if known and (known.fits or patient):
            return known
        for area in areas_of(number):
            near = self._near(group, area)
            if near and (choice := self._least_used(near, segments)) and not choice.sender.ill:
                return choice
        return self._least_used(group, segments) or self._soonest(group, segments)

    def _is_ill(self, sender_id: int | None) -> bool:
        return sender_id in self.senders and self.senders[sender_id].ill

    def _is_throttled(self, sender_id: int | None) -> bool:
        return sender_id in self.senders and self.senders[sender_id].connection_id in self.throttled

    def _instead(self, group: Group, connection_id: int, segments: int) -> Choice | None:
        """One that is well, of any connection but this one, if it has room."""
        if connection_id not in group.instead:
            prefix = "dedicated, " if group.rule.startswith("dedicated, ") else ""
            ids = [i for i in group.ids if not (s := self.senders[i]).ill and s.connection_id != connection_id]
            group.instead[connection_id] = Group(f"{prefix}failover", ids)
        return self._least_used(group.instead[connection_id], segments)

    def pinned(self, sender_id: int, segments: int) -> Choice | None:
        """The same for an answer, which this sender alone may send; None while it cannot be used."""
        if (sender := self.senders.get(sender_id)) is None:
            return None
        slot = sender.room.slot(self.now, segments)
        fits = slot <= self.now + self.horizon and self._has_place(sender)
        return Choice(sender, slot, ANSWER, sender.load, fits)

    def _sticky(self, app_id: int, sticky: int, segments: int, *, in_line: bool) -> Choice | None:
        group = self.group(LaneKey(app_id, "", sticky))
        if not group.ids:
            return None
        sender = self.senders[sticky]
        slot, latest = sender.room.slot(self.now, segments), self.now + self.horizon
        if slot > latest >= sender.room.slot(self.now):  # today's cap has room for others, but not for so many segments
            return None
        fits = slot <= latest and self._has_place(sender)
        after = slot if in_line else max(slot, self.lasts.get(sticky, 0))
        if not fits and (after > self.now + PATIENCE or sender.connection_id not in self.capacity):
            return None
        return Choice(sender, slot, group.rule, sender.load, fits, awaited=True)

    def _near(self, group: Group, area: str) -> Group | None:
        if group.areas is None:
            ids: dict[str, list[int]] = {}
            for i in group.ids:
                for each in areas_of(self.senders[i].number):
                    ids.setdefault(each, []).append(i)
            rule = group.rule.rpartition(", ")[0]
            group.areas = {each: Group(f"{rule}, area code".lstrip(", "), found) for each, found in ids.items()}
        return group.areas.get(area)

    def _least_used(self, group: Group, segments: int) -> Choice | None:
        """The one with the least load among those with room within the horizon, of several the first to be free."""
        latest, too_long, choice = self.now + self.horizon, [], None
        heap = self._heap(group)
        while heap:
            load, _, i = heap[0]
            sender = self.senders[i]
            slot = sender.room.slot(self.now)
            if slot > latest or not self._has_place(sender):
                heappop(heap)  # it has no room before the next batch
            elif heap[0] != (fresh := (max(load, sender.load), slot, i)):
                heapreplace(heap, fresh)
            elif (slot := sender.room.slot(self.now, segments)) > latest:
                too_long.append(heappop(heap))
            else:
                choice = Choice(sender, slot, group.rule, load)
                break
        for entry in too_long:
            heappush(heap, entry)
        return choice

    def _heap(self, group: Group) -> list[tuple[float, int, int]]:
        if group.heap is None:
            ahead = [self.senders[i] for i in group.ids]
            least = max((s.load - MOST_BEHIND / s.weight for s in ahead), default=0.0)
            group.heap = [(max(least, self.senders[i].load), self.senders[i].room.slot(self.now), i) for i in group.ids]
            heapify(group.heap)
        return group.heap

    def _soonest(self, group: Group, segments: int) -> Choice | None:
        if segments not in group.soonest and group.ids:
            slot, i = min((self.senders[i].room.slot(self.now, segments), i) for i in group.ids)
            group.soonest[segments] = Choice(self.senders[i], slot, group.rule, fits=False)
        return group.soonest.get(segments)

    def _has_place(self, sender: Sender) -> bool:
        return self.capacity.get(sender.connection_id, 0) > 0

    def charge(self, choice: Choice, segments: int) -> None:
        """Use up the room and the place that a choice takes."""
        s = choice.sender
        load, room = choice.load + segments / s.weight, s.room.charged(segments, self.now)
        self.senders[s.id] = Sender(s.id, s.number, s.connection_id, room, s.region, s.weight, load, s.apps, s.ill)
        self.capacity[s.connection_id] -= 1

    def join(self, choice: Choice, segments: int) -> None:
        """Let the line for the sender that a choice awaits grow by so many segments."""
        i, gap = choice.sender.id, choice.sender.room.gap
        self.lasts[i] = max(choice.slot, self.lasts.get(i, 0)) + gap * segments

    def next_free(self, group: Group) -> int | None:
        """The earliest slot of any of these senders (microseconds); None where there are none."""
        return min((self.senders[i].room.slot(self.now) for i in group.ids), default=None)

    def slots(self, group: Group) -> int:
        """How many messages could be begun by these senders within the horizon, if nobody else began any."""
        by_connection: dict[int, int] = {}
        for sender in (self.senders[i] for i in group.ids):
            of = sender.connection_id
            by_connection[of] = by_connection.get(of, 0) + sender.room.slots(self.now, self.horizon)
        return sum(min(count, self.capacity.get(of, 0)) for of, count in by_connection.items())


def _narrowed(eligible: _Eligible, lane: LaneKey) -> Group:
    if lane.awaited:
        return Group(f"{eligible.rule}sticky", [i for i in eligible.ids if i == lane.awaited])
    if near := eligible.by_region.get(lane.region):
        return Group(f"{eligible.rule}{'country' if lane.region else 'any country'}", near)
    return Group(f"{eligible.rule}least used", eligible.ids)


def shares(free: int, wants: Mapping[Key, int]) -> dict[Key, int]:
    """Divide `free` places among lanes, evenly, none above what it wants: a long lane never starves a short one.

    Where places are fewer than lanes, those that come first in the order given get one: the caller puts them by turns,
    or by who was served the longest ago.
    """
    given: dict[Key, int] = {}
    served = [item for item in wants.items() if item[1] > 0][:free]
    served.sort(key=lambda item: item[1])
    for i, (lane, wanted) in enumerate(served):
        given[lane] = min(wanted, free // (len(served) - i))
        free -= given[lane]
    return given


def shares_by_app(free: int, wants: Mapping[LaneKey, int]) -> dict[LaneKey, int]:
    """The same, first among apps and then among the lanes of each: many countries do not make a larger share.

    An app stands where the first of its lanes does.
    """
    of_app: dict[int, dict[LaneKey, int]] = {}
    for lane, wanted in wants.items():
        of_app.setdefault(lane.app_id, {})[lane] = wanted
    given = shares(free, {app_id: sum(lanes.values()) for app_id, lanes in of_app.items()})
    return {lane: n for app_id, places in given.items() for lane, n in shares(places, of_app[app_id]).items()}


def in_turn(rows: Iterable[Row], lane_of: Callable[[Row], Key], order: Sequence[Key]) -> list[Row]:
    """The first row of each lane, in this order of lanes, then the second of each, and so on.

    Lanes may share some senders and not others; decided in turn, none of them uses up all that they have in common.
    """
    lanes: dict[Key, list[Row]] = {lane: [] for lane in order}
    for row in rows:
        lanes[lane_of(row)].append(row)
    return [row for tier in zip_longest(*lanes.values()) for row in tier if row is not None]
