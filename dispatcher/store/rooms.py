"""The room of senders as one transaction takes it: their rows are locked until it ends."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from dispatcher.core.senders import Choice
from dispatcher.store.instants import MICROSECOND
from dispatcher.store.pool import CLOCK, room_of
from dispatcher.store.statement import Statement, Tx

LOCK_ROOM: Final = Statement(
    """select s.mps, s.free_at, s.daily_cap, s.day, s.used, s.holder, s.id, s.load
    from senders s join {rows} on r.id = s.id order by s.id {lock}""",
    "id bigint",
)
TAKE_ROOM: Final = Statement(
    """update senders set free_at = r.free_at, day = r.day, used = r.used, load = r.load, holder = :holder
    from {rows} where senders.id = r.id""",
    "id bigint, free_at bigint, day integer, used bigint, load float8",
)
GONE: Final = timedelta(seconds=1)


class Rooms:
    """What some senders have left, as one worker sees it, and what this transaction takes of it."""

    def __init__(self, tx: Tx, sender_ids: Collection[int], worker_id: int, horizon: timedelta) -> None:
        """Lock these senders."""
        locked = tx.run(LOCK_ROOM, [(i,) for i in sorted(set(sender_ids))])
        self._tx, self._worker_id, self._horizon = tx, worker_id, horizon
        self._clock: int = tx.run(CLOCK)[0][0]
        self._rooms = {row[6]: room_of(row, worker_id, self._clock, horizon // MICROSECOND) for row in locked}
        self._loads = {row[6]: row[7] for row in locked}
        self._used: set[int] = set()

    def delay(self, sender_id: int, segments: int) -> timedelta:
        """How long until it may send so many segments."""
        if sender_id not in self._rooms:  # it was removed meanwhile: let another be chosen
            return self._horizon + GONE
        slot: int = self._rooms[sender_id].slot(self._clock, segments)
        return (slot - self._clock) * MICROSECOND

    def take(self, sender_id: int, segments: int, choice: Choice | None = None) -> timedelta | None:
        """Take its next slot; how long it rests after that, None where it is too fast for that to be kept.

        What counts as used is as much as at the `choice`, by the weight that chose it: its own, its connection's, and
        the health of both. A question, which nothing chose, does not count.
        """
        room = self._rooms[sender_id]
        self._rooms[sender_id] = room.charged(segments, self._clock)
        if choice:
            self._loads[sender_id] = max(self._loads[sender_id], choice.load) + segments / choice.sender.weight
        self._used.add(sender_id)
        rest = room.rest(segments)
        return None if rest is None else rest * MICROSECOND

    def keep(self) -> None:
        """Write what was taken."""
        rows = [
            (i, room.free_at, room.day, room.used, self._loads[i])
            for i, room in sorted(self._rooms.items())
            if i in self._used
        ]
        self._tx.run(TAKE_ROOM, rows, holder=self._worker_id)
