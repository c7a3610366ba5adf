"""Who waits to begin, and what for: a slot of a lane, or a pace that lets one begin after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappush
from itertools import count
from time import monotonic
from typing import Final

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.engine.transport import Paced

LATE: Final = Response(fault=Fault.UNSENT, detail="not begun in time")


@dataclass(slots=True, eq=False)
class Order:
    """What start() was asked to do. `gone` once it is begun or answered; the heap of those who wait forgets it then."""

    request: Request
    then: Callable[[Response], None]
    lane: str
    at: float
    until: float
    paced: Paced | None = None
    gone: bool = False

    def is_late(self, now: float) -> bool:
        """Whether it may no longer be written."""
        return now >= self.until or (self.paced is not None and now > self.paced.latest)


Timed = tuple[float, int, Order]  # in a heap: an instant, a serial number to keep the order within it, who waits for it


class Lanes:
    """Who waits for a slot, and how many slots each lane holds. Lanes take turns; a full one holds up no other."""

    def __init__(self, slots: int, lane_slots: int) -> None:
        self.in_flight = 0
        self._slots = slots
        self._lane_slots = lane_slots
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[Order]] = {}
        self._turns: deque[str] = deque()  # the lanes in which somebody waits and which are not full

    def put(self, order: Order) -> None:
        waiting = self._waiting.get(order.lane)
        if waiting is None:
            waiting = self._waiting[order.lane] = deque()
            if self._held.get(order.lane, 0) < self._lane_slots:
                self._turns.append(order.lane)
        waiting.append(order)

    def take(self) -> Order | None:
        """The next that may begin; it holds a slot until its lane is released. None when nobody may."""
        while self._turns and self.in_flight < self._slots:
            lane = self._turns.popleft()
            waiting = self._waiting[lane]
            order = waiting.popleft()
            held = self._held.get(lane, 0) + (not order.gone)
            if not waiting:
                del self._waiting[lane]
            elif held < self._lane_slots:
                self._turns.append(lane)
            if not order.gone:
                self._held[lane] = held
                self.in_flight += 1
                return order
        return None

    def release(self, lane: str) -> None:
        held = self._held.pop(lane) - 1
        if held:
            self._held[lane] = held
        self.in_flight -= 1
        if held == self._lane_slots - 1 and lane in self._waiting:
            self._turns.append(lane)

    def dismiss(self) -> list[Order]:
        """All who still wait, and no longer do."""
        left = [order for waiting in self._waiting.values() for order in waiting if not order.gone]
        self._waiting.clear()
        self._turns.clear()
        return left


class Paces:
    """Keeps orders of the same pace apart by when they are written: one that is put off goes into the heap `later`."""

    def __init__(self, later: list[Timed], serial: count[int], too_late: Callable[[Order], None]) -> None:
        """`too_late` is handed who can no longer begin by the latest instant that its pace allows."""
        self._later = later
        self._serial = serial
        self._too_late = too_late
        self._rests: dict[int, float] = {}  # until when a pace lets nobody begin; one entry for each key ever used
        self._unwritten: dict[int, Order] = {}  # of a pace, the one that has begun and is not written yet
        self._behind: dict[int, list[Order]] = {}  # and who waits for that, since its connection may be slow to open

    def take(self, order: Order) -> bool:
        """Whether it may begin now; it holds its pace then until it is written or released. Else it is put off."""
        if order.paced is None:
            return True
        key, now = order.paced.key, monotonic()
        rests_until = self._rests.get(key, 0.0)
        if max(now, rests_until) > order.paced.latest:
            self._too_late(order)
        elif key in self._unwritten:
            self._behind.setdefault(key, []).append(order)
        elif rests_until > now:
            heappush(self._later, (rests_until, next(self._serial), order))
        else:
            self._unwritten[key] = order
            return True
        return False

    def written(self, order: Order) -> None:
        """Let its pace rest from now on."""
        if order.paced is not None:
            self._rests[order.paced.key] = monotonic() + order.paced.rest
            self.release(order)

    def release(self, order: Order) -> None:
        """Let those of the same pace go on that stood behind this one until it was written, or will never be."""
        if order.paced is not None and self._unwritten.get(order.paced.key) is order:
            key = order.paced.key
            del self._unwritten[key]
            for each in self._behind.pop(key, ()):
                heappush(self._later, (self._rests.get(key, 0.0), next(self._serial), each))

    def dismiss(self) -> list[Order]:
        """All who still stand behind another, and no longer do."""
        left = [order for behind in self._behind.values() for order in behind if not order.gone]
        self._behind.clear()
        return left
