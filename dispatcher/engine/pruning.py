"""Pruning: what has served its time is removed, a page at a time, so that tables hold what is alive."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

from dispatcher.engine.ports import Clock

PAGE: Final = 1000


class Attic(Protocol):
    """Where what is out of date is kept."""

    def prune(self, now: datetime, most: int) -> int:
        """Remove up to `most` rows of each kind that are out of date; the most that were removed of any kind."""
        ...


class Pruning:
    """The broom."""

    def __init__(self, *, attic: Attic, clock: Clock) -> None:
        """Sweep this attic."""
        self._attic = attic
        self._clock = clock

    def turn(self) -> timedelta | None:
        """One page; zero when there is more."""
        return timedelta(0) if self._attic.prune(self._clock(), PAGE) >= PAGE else None
