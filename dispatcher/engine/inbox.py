"""The inbox: what carriers tell, whoever brings it. Durable before it is acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from dispatcher.core.codes import Refusal
from dispatcher.core.discretion import Discretion
from dispatcher.core.exchange import Hook, Receipt, Reply
from dispatcher.engine.ports import CALLBACKS, Clock, Receipts, Ring
from dispatcher.engine.replies import Replies
from dispatcher.engine.transport import Carrier

log = logging.getLogger(__name__)
CHUNK: Final = 250  # events that are written in one transaction: a hook may hold thousands, and others write too
Event = TypeVar("Event", Receipt, Reply)


class Known(Protocol):
    """A connection as its hooks need it."""

    @property
    def id(self) -> int:
        """Its key."""
        ...

    @property
    def carrier(self) -> Carrier:
        """Its words."""
        ...

    @property
    def discretion(self) -> Discretion:
        """What nobody should read of what it tells."""
        ...


class Inbox:
    """Takes receipts and replies."""

    def __init__(self, *, receipts: Receipts, replies: Replies, clock: Clock, ring: Ring) -> None:
        """Write receipts to this book, and hand replies on."""
        self._receipts = receipts
        self._replies = replies
        self._clock = clock
        self._ring = ring

    def hook(self, known: Known, hook: Hook) -> None:
        """Take a carrier's request: 403 (Refusal) unless it is genuine; what it tells is on disk on return."""
        if not known.carrier.verify(hook, self._clock()):
            raise Refusal(403, "the request could not be verified")
        try:
            events = known.carrier.events(hook)
        except Refusal as refusal:
            extra = {"action": "hook", "connection": known.id, "refused": refusal.message}
            log.warning("a genuine hook could not be read", extra=extra)
            raise
        if not events:
            log.warning("a hook told nothing that is known", extra={"action": "hook", "connection": known.id})
        self.take(known, events)

    def take(self, known: Known, events: Sequence[Receipt | Reply]) -> None:
        """Take what one connection told, a chunk at a time. Where one fails, those before it are kept."""
        for receipts in _chunks([known.discretion.receipt(event) for event in events if isinstance(event, Receipt)]):
            if self._receipts.take(known.id, receipts, self._clock()):
                self._ring(CALLBACKS)
        for replies in _chunks([event for event in events if isinstance(event, Reply)]):
            self._replies.take(known.id, replies)


def _chunks(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    return (events[n : n + CHUNK] for n in range(0, len(events), CHUNK))


Lookup = Callable[[str], Known | None]
