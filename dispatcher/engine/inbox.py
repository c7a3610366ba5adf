"""The inbox: what carriers tell, whoever brings it. Durable before it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeVar

from dispatcher.core.discretion import Discretion
from dispatcher.core.exchange import Receipt, Reply
from dispatcher.engine.ports import CALLBACKS, Clock, Receipts, Ring
from dispatcher.engine.replies import Replies
from dispatcher.engine.transport import Carrier

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

    def take(self, known: Known, events: Sequence[Receipt | Reply]) -> None:
        """Take what one connection told, a chunk at a time. Where one fails, those before it are kept."""
        for receipts in _chunks([known.discretion.receipt(event) for event in events if isinstance(event, Receipt)]):
            if self._receipts.take(known.id, receipts, self._clock()):
                self._ring(CALLBACKS)
        for replies in _chunks([event for event in events if isinstance(event, Reply)]):
            self._replies.take(known.id, replies)


def _chunks(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    return (events[n : n + CHUNK] for n in range(0, len(events), CHUNK))
