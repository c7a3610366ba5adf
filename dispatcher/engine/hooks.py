"""Hooks: what is genuine goes to the inbox; what is refused is made known to operators, however much of it comes.

A wrong or rotated credential looks like a forger: all is refused, and the carrier's receipts are lost. So the log tells
of it once a minute, and an alarm where nothing genuine came lately. Anybody may post here, so no more is written.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf
from threading import Lock
from typing import Final, Protocol

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import Hook
from dispatcher.engine.inbox import Inbox, Known
from dispatcher.engine.ports import Clock, StoreUnavailable

log = logging.getLogger(__name__)
BETWEEN: Final = 60.0  # seconds, in one process, between two words on the same connection


class Hooked(Known, Protocol):
    """A connection as it is hooked to its carrier."""

    @property
    def name(self) -> str:
        """What operators call it."""
        ...

    @property
    def takes_hooks(self) -> bool:
        """Whether its carrier has anything to say by hooks."""
        ...


Lookup = Callable[[str], Hooked | None]


class Heard(Protocol):
    """Where it is written that a connection's hooks come, and that they are refused."""

    def genuine(self, connection_id: int, now: datetime) -> None:
        """One was taken: an alarm about those that were refused is over. Raises StoreUnavailable."""
        ...

    def refused(self, connection_id: int, why: str, now: datetime) -> None:
        """Some were refused: an alarm, unless one was genuine lately. Raises StoreUnavailable."""
        ...


@dataclass(slots=True)
class _Word:
    """What one process told of one connection, in monotonic seconds; `refused` counts since it last did."""

    genuine_at: float = -inf
    refused_at: float = -inf
    refused: int = 0


class Hooks:
    """Takes carriers' requests."""

    def __init__(
        self, *, inbox: Inbox, heard: Heard, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Hand what they tell to this inbox."""
        self._inbox = inbox
        self._heard = heard
        self._clock = clock
        self._monotonic = monotonic
        self._words: defaultdict[int, _Word] = defaultdict(_Word)  # by connection, of which there are few
        self._lock = Lock()

    def take(self, known: Hooked, hook: Hook) -> None:
        """Take a carrier's request: 403 (Refusal) unless it is genuine; what it tells is on disk on return."""
        try:
            if not known.carrier.verify(hook, self._clock()):
                raise Refusal(403, "the request could not be verified")
            events = known.carrier.events(hook)
        except Refusal as refusal:
            self._refused(known, refusal.message)
            raise
        if not events:
            log.warning("a hook told nothing that is known", extra={"action": "hook", "connection": known.name})
        self._inbox.take(known, events)
        self._genuine(known)

    def _refused(self, known: Hooked, why: str) -> None:
        now = self._monotonic()
        with self._lock:
            word = self._words[known.id]
            word.refused += 1
            if now - word.refused_at < BETWEEN:
                return
            count, word.refused, word.refused_at = word.refused, 0, now
        extra = {"action": "hook", "connection": known.name, "count": count, "reason": why}
        log.warning("hooks were refused", extra=extra)
        if known.takes_hooks:
            self._write(lambda: self._heard.refused(known.id, why, self._clock()))

    def _genuine(self, known: Hooked) -> None:
        now = self._monotonic()
        with self._lock:
            word = self._words[known.id]
            if now - word.genuine_at < BETWEEN:
                return
            word.genuine_at = now
        self._write(lambda: self._heard.genuine(known.id, self._clock()))

    def _write(self, act: Callable[[], None]) -> None:
        """Do it; while the store is away, the next one says it."""
        try:
            act()
        except StoreUnavailable as error:
            log.warning("what came of hooks was not written", extra={"action": "hook", "error": str(error)})
