"""What submits tell of how well connections and senders do: gathered for a second, then written at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from threading import Lock
from typing import Final

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.health import LOWEST, Harm, halvings
from dispatcher.engine.ports import Marked, SenderPool
from dispatcher.engine.throttles import LONG, Throttles

SPAN: Final = 1.0  # seconds of outcomes that are judged together, and between two writings about one of them
STALE: Final = 10.0  # seconds after which what was not written, since nothing more was due, is no news
SLOW: Final = 6  # an answer that took more than this part of the timeout is a slow one
BUSY: Final = 1 / 8  # of a failure: it is told so by whoever works at its limit, which takes most all the same
SLUGGISH: Final = 1 / 2
AFTER_STOP: Final = "takes submits again after a stop"
AFTER_SILENCE: Final = "is heard again"
COMES_BACK: Final = frozenset({AFTER_STOP, AFTER_SILENCE})  # reasons of a share that only has to grow again


@dataclass(frozen=True, slots=True)
class Result:
    """A submit that was answered, or given up. `took` is how many seconds, None where it was never begun."""

    row: Marked
    outcome: Outcome
    took: float | None = None


@dataclass(slots=True)
class _Tally:
    """The outcomes of one second."""

    begun: float
    count: int = 0
    bad: float = 0.0
    ill: int = 0  # that were not as they should be
    reason: str = ""
    written: float = -inf

    def add(self, bad: float, reason: str, now: float) -> None:
        if now - self.begun > (STALE if self.bad else SPAN):
            self.begun, self.count, self.bad, self.ill = now, 0, 0.0, 0
        self.count, self.bad, self.ill = self.count + 1, self.bad + bad, self.ill + bool(bad)
        self.reason = reason if bad else self.reason

    def harm(self) -> Harm:
        return Harm(halvings(self.count, self.bad), f"{self.ill} of the last {self.count} submits: {self.reason}")


class Vitals:
    """Watches connections and senders by the outcomes of this process's own submits."""

    def __init__(
        self,
        pool: SenderPool,
        throttles: Throttles,
        timeout: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to the pool, and tell the throttles. `timeout` is how long an answer is waited for."""
        self._pool = pool
        self._throttles = throttles
        self._slow = timeout.total_seconds() / SLOW
        self._monotonic = monotonic
        self._connections: dict[int, _Tally] = {}
        self._senders: dict[int, _Tally] = {}
        self._lock = Lock()

    def heed(self, results: Sequence[Result]) -> None:
        """Count outcomes, and write what is due."""
        now = self._monotonic()
        with self._lock:
            for result in results:
                outcome, row = result.outcome, result.row
                if outcome.fate is Fate.STOP_CARRIER or result.took is None:  # see Standing; and it says nothing
                    continue
                self._throttles.heed(row.connection_id, row.row.id, outcome)
                _of(self._connections, row.connection_id, now).add(*self._badness(result, result.took), now)
                refused = outcome.fate is Fate.OTHER_SENDER
                if refused or outcome.fate is Fate.TAKEN:
                    _of(self._senders, row.sender_id, now).add(float(refused), outcome.reason, now)
        self.write()

    def _badness(self, result: Result, took: float) -> tuple[float, str]:
        """How much of a failure of the connection an outcome is, and in which words."""
        outcome = result.outcome
        if outcome.limit:
            long = (outcome.retry_after or timedelta(0)) > LONG
            return (1.0 if long or self._throttles.takes_nothing(result.row.connection_id) else BUSY), outcome.reason
        if outcome.fate in (Fate.UNKNOWN, Fate.LATER) or outcome.unexplained:
            return 1.0, outcome.reason
        return (SLUGGISH, f"answered after more than {self._slow:g} s") if took > self._slow else (0.0, "")

    def write(self) -> None:
        """Let the shares of those fall with whom something went wrong, each once a second. Raises StoreUnavailable."""
        now = self._monotonic()
        with self._lock:
            connections, senders = _due(self._connections, now), _due(self._senders, now)
        if connections or senders:
            self._pool.harm(connections, senders)

    def comes_back(self, connection_id: int, why: str) -> None:
        """A connection that nothing went to may be used again: its share comes back step by step."""
        self._pool.harm({connection_id: Harm(LOWEST, why)}, {})


def _of(tallies: dict[int, _Tally], i: int, now: float) -> _Tally:
    if i not in tallies:
        tallies[i] = _Tally(now)
    return tallies[i]


def _due(tallies: dict[int, _Tally], now: float) -> dict[int, Harm]:
    due = {i: tally for i, tally in tallies.items() if tally.bad and now - tally.written >= SPAN}
    harms = {i: tally.harm() for i, tally in due.items()}
    tallies |= {i: _Tally(now, written=now) for i in due}
    return harms
