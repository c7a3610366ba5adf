"""Connections that throttle whatever they are given: each process passes them over where another one may carry it.

A Retry-After is about who said it, not about the message. To be throttled now and then is usual at the limit of a rate,
so it takes several messages in a row, of which none was taken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.retry import throttled_rest

log = logging.getLogger(__name__)
LONG: Final = timedelta(seconds=10)  # who asks to be left alone for longer than that is out of order, not busy
SEVERAL: Final = 3  # messages in a row: fewer may be about their numbers
USUAL: Final = 5.0  # seconds without one that was taken: a limit for each second is over by then


@dataclass(slots=True)
class _Throttle:
    """What a connection said since it last took something."""

    since: float
    messages: set[int] = field(default_factory=set)  # since its last rest
    asked: timedelta = timedelta.max  # the least of what it asked for
    rests: int = 0
    until: float = 0.0


class Throttles:
    """Counts, by connection, what was throttled."""

    def __init__(self, names: Mapping[int, str], monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nobody throttles yet; `names` is what the log calls connections."""
        self._names = names
        self._monotonic = monotonic
        self._found: dict[int, _Throttle] = {}

    def heed(self, connection_id: int, message_id: int, outcome: Outcome) -> None:
        """Note how a submit that was begun came out."""
        if outcome.fate is Fate.TAKEN:
            self._found.pop(connection_id, None)
        if not outcome.limit:
            return
        now = self._monotonic()
        found = self._found.setdefault(connection_id, _Throttle(now))
        if now < found.until:  # begun before
            return
        if len(found.messages) < SEVERAL:
            found.messages.add(message_id)
        found.asked = min(found.asked, outcome.retry_after or timedelta(0))
        if len(found.messages) == SEVERAL and (found.asked > LONG or self.takes_nothing(connection_id)):
            rest = throttled_rest(found.rests, found.asked).total_seconds()
            log.log(
                logging.INFO if found.rests else logging.WARNING,
                "a connection throttles all",
                extra={
                    "action": "throttle",
                    "connection": self._names.get(connection_id),
                    "reason": outcome.reason,
                    "seconds": rest,
                },
            )
            found.rests, found.until, found.asked = found.rests + 1, now + rest, timedelta.max
            found.messages.clear()

    def takes_nothing(self, connection_id: int) -> bool:
        """Whether it has throttled for longer than is usual at the limit of a rate, and took nothing meanwhile."""
        found = self._found.get(connection_id)
        return found is not None and self._monotonic() - found.since > USUAL

    def resting(self) -> frozenset[int]:
        """The connections that are passed over now."""
        now = self._monotonic()
        return frozenset(i for i, found in [*self._found.items()] if now < found.until)
