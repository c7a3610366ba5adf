"""How fast a sender may go: segments per second and per day, in whole microseconds of the database's clock.

Slots are given out ahead, and a submit that begins late comes closer to the next one than their slots lie apart. A
process can see to its own submits, not to another's: so a sender slow enough for that to matter is held by one process
at a time. Another takes it over once its last slot is HANDOVER ago, and within that time a late submit begins or never.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
SHORTEST_HELD: Final = SECOND // 50  # below that gap the hesitations of a network outweigh those of a process
HANDOVER: Final = 10 * SECOND  # more than a connection may take to open, else a slow carrier would get nothing
LONGEST: Final = 256  # segments that one text may have, and more
HESITATION: Final = SECOND // 1000  # may be made up for, else a process that is always a bit late falls behind


@dataclass(frozen=True, slots=True)
class Room:
    """What a sender has left. `free_at` is the instant of its next slot; `used` its segments of the UTC day `day`."""

    gap: int
    free_at: int = 0
    daily_cap: int | None = None
    day: int = 0
    used: int = 0

    def slot(self, now: int, segments: int = 1, counted_on: int = 0) -> int:
        """The first instant at or after `now` at which it may submit so many segments.

        What does not fit into the day's cap goes on the next day; what fits into no day goes first on a day. What was
        `counted_on` a day before, and goes again without being sent twice, fits into that day.
        """
        first = max(self.free_at, now)
        used = 0 if first // DAY == counted_on else self._used_on(first // DAY)
        if self.daily_cap is not None and used and used + segments > self.daily_cap:
            return (first // DAY + 1) * DAY
        return first

    def charged(self, segments: int, now: int, counted_on: int = 0) -> Room:
        """The room left once `segments` go out in the next slot; what was `counted_on` its day is not counted again.

        A message of several segments passes whole and leaves a debt: the slot after it comes that much later.
        """
        slot = self.slot(now, segments, counted_on)
        day = slot // DAY
        used = self._used_on(day) + (0 if day == counted_on else segments)
        return Room(self.gap, slot + self.gap * segments, self.daily_cap, day, used)

    def slots(self, now: int, horizon: int) -> int:
        """How many messages of one segment it may begin from `now` until `now + horizon` (0 where none)."""
        first = self.slot(now)
        if first > now + horizon:
            return 0
        count = (now + horizon - first) // self.gap + 1
        return count if self.daily_cap is None else min(count, self.daily_cap - self._used_on(first // DAY))

    def rest(self, segments: int) -> int | None:
        """How long after the begin of such a message the next one may begin; None where nobody can see to it."""
        return self.gap * segments - HESITATION if self.gap >= SHORTEST_HELD else None

    def read_at(self, now: int, horizon: int) -> Room:
        """The same room, unless the clock was set back since.

        No slot lies farther ahead than the longest text after the horizon; where it does, the next is at the horizon's
        end, by when all that were given out are over.
        """
        last = now + horizon + LONGEST * self.gap
        return self if self.free_at <= last else replace(self, free_at=now + horizon)

    def held_until(self) -> int:
        """When a process other than the one that gave out its last slots may give out more."""
        return self.free_at + HANDOVER if self.gap >= SHORTEST_HELD else 0

    def seen_by_another(self, now: int, horizon: int) -> Room:
        """The same room for a process that does not hold it: no slot within the horizon before the handover."""
        until = self.held_until()
        return self if until <= now else replace(self, free_at=until + horizon)

    def _used_on(self, day: int) -> int:
        return self.used if self.day == day else 0


def gap_of(mps: float) -> int:
    """Microseconds between two segments at `mps` segments per second; rounded up, so the rate is never passed."""
    return max(1, -int(-SECOND // mps)) if mps < SECOND else 1
