"""Who waits for a bind of one connection: any thread puts them in line, the threads of its binds take them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from threading import Lock
from time import monotonic

from dispatcher.transports.lanes import Order, Paces, Timed


class Waiting:
    """The line: by when each may begin, and at its pace."""

    def __init__(self, too_late: Callable[[Order], None]) -> None:
        """`too_late` is handed who can no longer begin in time, from the thread that noticed it."""
        self._too_late = too_late
        self._lock = Lock()
        self._serial = count()
        self._later: list[Timed] = []
        self._ready: deque[Order] = deque()
        self._late: list[Order] = []
        self._paces = Paces(self._later, self._serial, self._late.append)

    def put(self, order: Order) -> None:
        """Have it wait for its instant and its turn."""
        with self._lock:
            heappush(self._later, (order.at, next(self._serial), order))

    def take(self) -> Order | None:
        """The next that may begin now; it holds its pace until it is `written` or `released`. None when nobody may."""
        found = None
        with self._lock:
            self._sort()
            while self._ready and not found:
                order = self._ready.popleft()
                if self._paces.take(order):
                    found = order
        self._tell()
        return found

    def tend(self) -> None:
        """Have those told who are too late, while no bind takes any."""
        with self._lock:
            self._sort()
        self._tell()

    def due(self, *, free: bool) -> float:
        """When to look again (monotonic): for one to take where the asker is `free`, else for those who are late."""
        with self._lock:
            due = self._later[0][0] if self._later else inf
            if self._ready:
                due = 0.0 if free else min(due, self._ready[0].until)
            return due

    def written(self, order: Order) -> None:
        """It has begun: its pace rests from now on."""
        with self._lock:
            self._paces.written(order)

    def released(self, order: Order) -> None:
        """It never will, or has ended."""
        with self._lock:
            self._paces.release(order)

    def dismiss(self) -> list[Order]:
        """All who wait, and no longer do."""
        with self._lock:
            left = [*self._ready, *(order for _, _, order in self._later), *self._paces.dismiss()]
            self._ready.clear()
            self._later.clear()
            return left

    def _sort(self) -> None:
        now = monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later)[2])
        while self._ready and self._ready[0].is_late(now):
            self._late.append(self._ready.popleft())

    def _tell(self) -> None:
        with self._lock:
            late, self._late[:] = [*self._late], []
        for order in late:
            self._too_late(order)
