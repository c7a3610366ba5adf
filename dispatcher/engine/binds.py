"""Who holds which bind: a contract allows so many, over all processes, and each of them takes its share by leases.

Every second look a process compares what is held with what would be fair, takes what is free or gives one back, and
tells its transports. A bind ends by itself before its lease does, so one whose process stands still is nobody's. Who
could not bind lets another try that has none: its host, its key or its files may be at fault.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from dispatcher.core.exchange import Fate, Outcome, Response
from dispatcher.core.smpp import Terms
from dispatcher.engine.ports import Clock

PATIENCE: Final = 5.0  # seconds that more than a fair share must have been free, and nobody wanted it
RENEW: Final = 2 / 3  # of its lease at most is left when it is renewed
FIRST_REST: Final = 10.0  # seconds for others to try, twice as long after each try in vain
LONGEST_REST: Final = 60.0
BEGINNING: Final = "not bound yet"  # how a bind is before its first try has ended
log = logging.getLogger(__name__)


class Bindable(Protocol):
    """What binds: the transport of one connection."""

    def hold(self, terms: Terms, slots: Mapping[int, float], *, elsewhere: bool) -> None:
        """Hold a bind for each of these slots until a monotonic instant, and no other.

        `elsewhere` is whether another process is bound or tries to: what this one cannot submit is left to it then.
        """
        ...

    def held(self) -> Mapping[int, str]:
        """The slots whose binds have not ended, and of each why it is not bound, "" where it is."""
        ...

    def down(self) -> Response | None:
        """What a submit is answered while no bind is up, anew after each try; None before the first has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """A connection that is bound to; `read` tells what an answer means."""

    connection_id: int
    name: str
    terms: Terms
    transport: Bindable
    read: Callable[[Response], Outcome]


Slot = tuple[int, int]  # a connection and one of its binds, counted from 0


class BindLeases(Protocol):
    """Where leases are kept, on the database's clock."""

    def look(self) -> tuple[int, Mapping[Slot, int], Collection[Slot]]:
        """How many processes share binds, who holds which slot, and which of them are bound or being tried."""
        ...

    def take(self, slot: Slot, holder: int, seconds: float) -> bool:
        """Lease a slot that nobody holds; False if somebody does by now."""
        ...

    def renew(self, states: Mapping[Slot, str], holder: int, seconds: float) -> Collection[Slot]:
        """Lease what is held for longer, noting how each bind is ("" is bound); those that are still this holder's."""
        ...

    def give_back(self, slots: Iterable[Slot], holder: int) -> None:
        """Let others have them."""
        ...

    def note_unbound(self, connection_id: int, why: str, now: datetime, *, refused: bool) -> bool:
        """Write down why no bind is up, unless one is of another process or is being tried; whether it was.

        What was `refused` stops the connection until one is bound.
        """
        ...


def wanted(binds: int, sharing: int, held: Counter[int], me: int, *, patient: bool, in_vain: bool) -> int:
    """How many slots to take now, or -1 to give one back.

    Args:
        binds: how many the contract allows.
        sharing: how many processes there are.
        held: how many each of them holds.
        me: which of them asks.
        patient: whether some have been free for so long that nobody else wants them.
        in_vain: whether all that it holds were tried, and none is bound.
    """
    share = max(1, binds // max(1, sharing))
    free, mine = binds - held.total(), held[me]
    if free > 0:
        return min(free, share - mine) if mine < share else int(patient)
    lacking = sharing - sum(count >= share for count in held.values())
    return -1 if (mine > share or (mine and in_vain)) and lacking > 0 else 0


def none_left(binds: int, sharing: int, held: Counter[int], me: int) -> bool:
    """Whether this process holds no bind, and gets none until another ends: none is free, and nobody has too many."""
    return not held[me] and held.total() >= binds and max(held.values()) <= max(1, binds // max(1, sharing))


@dataclass(frozen=True, slots=True)
class _Rest:
    """For how many seconds a process leaves binds to others, and the instant at which that ends (monotonic)."""

    seconds: float
    until: float


class Binds:
    """The binds of one process."""

    def __init__(
        self,
        *,
        leases: BindLeases,
        bound: Callable[[], Sequence[Bound]],
        holder: int,
        lease: float,
        clock: Clock,
        jitter: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`holder` is the number of this process, `lease` how many seconds it may be silent, `jitter` from 0 to 1."""
        self._leases = leases
        self._bound = bound
        self._holder = holder
        self._lease = lease
        self._clock = clock
        self._jitter = jitter
        self._monotonic = monotonic
        self._mine: dict[Slot, float] = {}  # until when, at the latest
        self._leaving: set[Slot] = set()  # those of them that are given back once their binds have ended
        self._told: dict[Slot, str] = {}  # how each was when that was last written
        self._free_since: dict[int, float] = {}
        self._downs: dict[int, Response] = {}  # those that were written down last, until one is bound
        self._rests: dict[int, _Rest] = {}  # of connections that could not be bound to, until one is

    def turn(self, *, yields: bool = True) -> None:
        """Renew, take or give back, and tell the transports. Raises StoreUnavailable.

        With `yields`, a bind that was tried in vain is left to another process that has none.
        """
        bound = self._bound()
        if not bound:
            return
        downs = [(each, each.transport.down()) for each in bound]  # asked before the states
        states = {(each.connection_id, n): state for each in bound for n, state in each.transport.held().items()}
        self._let_go(states)
        self._renew(states, {each.connection_id: each.name for each in bound})
        for connection_id in {slot[0] for slot, state in states.items() if not state}:
            self._downs.pop(connection_id, None)
            self._rests.pop(connection_id, None)
        for each, down in downs:  # before a slot is taken that would be tried first
            if down and down is not self._downs.get(each.connection_id):
                self._note(each, down)
        sharing, held, up = self._leases.look()
        elsewhere = {slot[0] for slot in up if held[slot] != self._holder}
        for each, down in downs:
            self._share(each, sharing, held, states, down if yields else None)
            slots = {
                n: until
                for (connection_id, n), until in self._mine.items()
                if connection_id == each.connection_id and (connection_id, n) not in self._leaving
            }
            each.transport.hold(each.terms, slots, elsewhere=each.connection_id in elsewhere)

    def close(self) -> None:
        """Give everything back, once the transports have ended. Raises StoreUnavailable."""
        if self._mine:
            self._leases.give_back([*self._mine], self._holder)
            self._mine.clear()

    def _note(self, bound: Bound, down: Response) -> None:
        """Operators are told although nothing may be submitted: meanwhile no receipt comes, and no reply."""
        outcome, before = bound.read(down), self._downs.get(bound.connection_id)
        refused = outcome.fate is Fate.STOP_CARRIER
        noted = self._leases.note_unbound(bound.connection_id, outcome.reason, self._clock(), refused=refused)
        self._downs[bound.connection_id] = down
        if noted and refused and (before is None or before.detail != down.detail):
            told = {"action": "stop", "connection": bound.name, "reason": outcome.reason}
            log.error("a connection was stopped", extra=told)

    def _let_go(self, states: Mapping[Slot, str]) -> None:
        ended = self._leaving - states.keys()
        if ended:
            self._leases.give_back(ended, self._holder)
            self._leaving -= ended
            for slot in ended:
                self._mine.pop(slot, None)

    def _renew(self, states: Mapping[Slot, str], names: Mapping[int, str]) -> None:
        now = self._monotonic()
        mine = {slot: states.get(slot, BEGINNING) for slot in self._mine}
        due = any(until - now < self._lease * RENEW for until in self._mine.values())
        if not mine or (mine == self._told and not due):
            return
        kept = self._leases.renew(mine, self._holder, self._lease)
        for slot in mine.keys() - set(kept):  # we were silent for too long, and another holds it now
            told = {"action": "bind", "connection": names.get(slot[0])}
            log.warning("a bind was lost to another process", extra=told)
            del self._mine[slot]
            self._leaving.discard(slot)
        self._mine |= dict.fromkeys(kept, now + self._lease)
        self._told = {slot: mine[slot] for slot in self._mine}

    def _share(
        self,
        bound: Bound,
        sharing: int,
        held: Mapping[Slot, int],
        states: Mapping[Slot, str],
        down: Response | None,
    ) -> None:
        connection_id, binds, now = bound.connection_id, bound.terms.binds, self._monotonic()
        taken = {n: holder for (connection, n), holder in held.items() if connection == connection_id}
        staying = [n for connection, n in self._mine.keys() - self._leaving if connection == connection_id]
        counts = Counter(taken.values())
        free = [n for n in range(binds) if n not in taken]
        self._free_since[connection_id] = self._free_since.get(connection_id, now) if free else now
        patient = now - self._free_since[connection_id] >= PATIENCE
        leaving = counts[self._holder] - len(staying)  # are held until they have ended, but not for long
        counts[self._holder] = len(staying)
        up = any(states.get((connection_id, n)) == "" for n in staying)  # it may be so since `down` was told
        in_vain = down is not None and not up
        step = wanted(binds - max(0, leaving), sharing, counts, self._holder, patient=patient, in_vain=in_vain)
        rest = self._rests.get(connection_id)
        resting = rest is not None and now < rest.until
        if step < 0:
            least = max(staying, key=lambda n: (states.get((connection_id, n)) != "", n))  # one that is not bound first
            self._leaving.add((connection_id, least))
            if down and not resting:
                self._rest(bound, down)
        for n in free[: 0 if resting else max(0, step)]:
            begun = self._monotonic()
            if self._leases.take((connection_id, n), self._holder, self._lease):
                self._mine[connection_id, n] = begun + self._lease
                self._free_since[connection_id] = now
        self._leaving |= {(connection_id, n) for n in staying if n >= binds}

    def _rest(self, bound: Bound, down: Response) -> None:
        before = self._rests.get(bound.connection_id)
        seconds = min(before.seconds * 2, LONGEST_REST) if before else FIRST_REST
        self._rests[bound.connection_id] = _Rest(seconds, self._monotonic() + seconds * (1 + self._jitter()) / 2)
        told = {"action": "bind", "connection": bound.name, "reason": bound.read(down).reason}
        log.info("a bind is left to other processes", extra=told)
