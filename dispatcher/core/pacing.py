"""How fast a sender may go: segments per second and per day, in whole microseconds of the database's clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Room:
    """What a sender has left. `free_at` is the instant of its next slot; `used` its segments of the UTC day `day`."""

    gap: int
    free_at: int = 0
    daily_cap: int | None = None
    day: int = 0
    used: int = 0

    def slot(self, now: int) -> int:
        """The first instant at or after `now` at which it may submit again."""
        first = max(self.free_at, now)
        if self.daily_cap is not None and self.day == first // DAY and self.used >= self.daily_cap:
            return (first // DAY + 1) * DAY
        return first

    def charged(self, segments: int, now: int) -> Room:
        """The room left once `segments` go out in the next slot.

        A message of several segments passes whole and leaves a debt: the slot after it comes that much later.
        """
        slot = self.slot(now)
        used = self.used if self.day == slot // DAY else 0
        return replace(self, free_at=slot + self.gap * segments, day=slot // DAY, used=used + segments)

    def slots(self, now: int, horizon: int) -> int:
        """How many messages of one segment it may begin from `now` until `now + horizon` (0 where none)."""
        first = self.slot(now)
        if first > now + horizon:
            return 0
        count = (now + horizon - first) // self.gap + 1 if self.gap else 1 << 30
        if self.daily_cap is not None:
            used = self.used if self.day == first // DAY else 0
            count = min(count, max(1, self.daily_cap - used))
        return count


def gap_of(mps: float) -> int:
    """Microseconds between two segments at `mps` segments per second; rounded up, so the rate is never passed."""
    return max(1, -int(-SECOND // mps)) if mps < SECOND else 1
