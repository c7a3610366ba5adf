"""How far apart submits go to a carrier that refuses some of them as too fast, without telling what it would take.

The gap grows by a tenth with a refusal and shrinks with what is taken, the faster the longer nothing was refused: so it
stays about as wide as it has to be, and is gone soon after the other side takes all again. While nothing is taken at
all, each try rests twice as long as the one before. All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

FIRST: Final = 0.02  # the gap that begins with a refusal
GROWTH: Final = 1.1
EASE: Final = 1000  # the n-th in a row that is taken makes the gap shrink by n in so many: the 40th halves it
WIDEST: Final = 1.0  # a carrier still slower than that is left to the rests
LONGEST_REST: Final = 5.0
NARROWEST: Final = 0.0001  # a gap less than that is none
HESITATION: Final = 0.002  # may be made up for: nobody is woken that precisely


@dataclass(slots=True)
class Throttling:
    """What was learnt of one bind. `gap` is 0 while nothing is refused."""

    gap: float = 0.0
    rest: float = 0.0  # 0 unless the last that was heard of is a refusal
    _taken: int = 0  # in a row
    _learnt_at: float = -inf
    _last: float = -inf

    @property
    def free_at(self) -> float:
        """When the next one may begin."""
        return self._last + max(self.gap, self.rest)

    def begun(self, now: float) -> None:
        """One begins now."""
        self._last = max(self.free_at, now - HESITATION)

    def refused(self, begun: float, now: float) -> None:
        """One that began then was too much. Those that had begun by that time are no news: they went at the old gap."""
        if begun < self._learnt_at:
            return
        self._learnt_at = self._last = now
        self._taken = 0
        self.gap = min(self.gap * GROWTH or FIRST, WIDEST)
        self.rest = min(max(self.rest * 2, self.gap), LONGEST_REST)

    def taken(self, begun: float) -> None:
        """One that began then was not too much."""
        if not self.gap or begun < self._learnt_at:
            return
        self._taken += 1
        self.rest = 0.0
        self.gap /= 1 + self._taken / EASE
        if self.gap < NARROWEST:
            self.gap = 0.0
