"""Which of an app's lines an inviter stands in, so that one who invites thousands does not hold up who invites a few.

Stochastic fair queuing (McKenney 1990, RFC 8290): those who invite little share flow 0, the others are spread over a
few more by their name, and the flows of an app take turns. Nothing is delayed by it while there is room for all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zlib import crc32

FEW: Final = 20  # invitations at once
SPACING: Final = 60.0  # seconds after which it may be one more
BUSY_FLOWS: Final = 7
MOST_KEPT: Final = 20_000  # inviters


class Flows:
    """Remembers who invited lately. Several threads may ask at once: a count that is lost costs nobody anything."""

    def __init__(self) -> None:
        """Nobody has invited yet."""
        self._until: dict[tuple[int, str], float] = {}  # by when each has been quiet for long enough to start anew

    def flow(self, app_id: int, inviter: str, now: datetime) -> int:
        """The flow of one invitation more from this inviter; 0 where it is not told who invites."""
        if not inviter:
            return 0
        key, at = (app_id, inviter), now.timestamp()
        until = max(self._until.get(key, at), at) + SPACING
        if until > at + FEW * SPACING:
            return 1 + crc32(inviter.encode()) % BUSY_FLOWS
        if len(self._until) >= MOST_KEPT and key not in self._until:
            self._until.clear()
        self._until[key] = until
        return 0
