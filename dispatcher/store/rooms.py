"""The room of senders as one transaction takes it, or gives it back: their rows are locked until it ends.

Whoever locks messages does so before senders, and attempts after them: who went another way round would wait for who
waits for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from dispatcher.core.exchange import Fate
from dispatcher.core.lifecycle import Event, State
from dispatcher.core.pacing import DAY
from dispatcher.core.senders import Choice
from dispatcher.engine.ports import Settled
from dispatcher.store.instants import MICROSECOND, micros
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
# An attempt `a` of a result `r` that had not ended, so that its segments count still. Where its carrier was asked about
# it meanwhile, which may be to submit, only that tells that it was not sent.
COUNTS: Final = f"""from {{rows}} join attempts a on a.message_id = r.id and a.generation = r.generation
    and a.fate in ('', '{Fate.UNKNOWN}') and (a.asks = 0 or :asked = 1)"""
LOCK_CHARGED: Final = Statement(
    f"select s.id from senders s where s.id in (select a.sender_id {COUNTS}) order by s.id {{lock}}",
    "id bigint, generation integer",
)
GIVE_BACK: Final = Statement(
    f"""update senders set used = case when senders.used > b.segments then senders.used - b.segments else 0 end
    from (select a.sender_id, a.day, sum(m.segments) as segments {COUNTS} join messages m on m.id = a.message_id
        and (m.generation > a.generation or m.state not in ('{State.SUBMITTED}', '{State.DELIVERED}'))
        group by a.sender_id, a.day) as b
    where senders.id = b.sender_id and senders.day = b.day""",
    "id bigint, generation integer",
)
UNSENT: Final = frozenset({Event.RETRY, Event.REFUSE})
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

    def delay(self, sender_id: int, segments: int, counted_on: int = 0) -> timedelta:
        """How long until it may send so many segments, which may have been `counted_on` a day before."""
        if sender_id not in self._rooms:  # it was removed meanwhile: let another be chosen
            return self._horizon + GONE
        slot: int = self._rooms[sender_id].slot(self._clock, segments, counted_on)
        return (slot - self._clock) * MICROSECOND

    def take(
        self, sender_id: int, segments: int, choice: Choice | None = None, counted_on: int = 0
    ) -> timedelta | None:
        """Take its next slot; how long it rests after that, None where it is too fast for that to be kept.

        What counts as used is as much as at the `choice`, by the weight that chose it: its own, its connection's, and
        the health of both. A question, which nothing chose, does not count.
        """
        room = self._rooms[sender_id]
        self._rooms[sender_id] = room.charged(segments, self._clock, counted_on)
        if choice:
            self._loads[sender_id] = max(self._loads[sender_id], choice.load) + segments / choice.sender.weight
        self._used.add(sender_id)
        rest = room.rest(segments)
        return None if rest is None else rest * MICROSECOND

    def day(self, sender_id: int) -> int:
        """The day on which the last segments count that were taken of it."""
        return self._rooms[sender_id].day

    def keep(self) -> None:
        """Write what was taken."""
        rows = [
            (i, room.free_at, room.day, room.used, self._loads[i])
            for i, room in sorted(self._rooms.items())
            if i in self._used
        ]
        self._tx.run(TAKE_ROOM, rows, holder=self._worker_id)


def used_today(sender: Mapping[str, Any], now: datetime) -> int:
    """How many segments of this row of a sender count on the UTC day of `now`."""
    return int(sender["used"]) if sender["day"] == micros(now) // DAY else 0


def give_back(tx: Tx, results: Sequence[Settled], *, asked: bool) -> None:
    """Let what was surely not sent no longer count against the day's caps of its senders; once for each attempt.

    Called before the attempts end and after the messages moved. Nothing is given back of `free_at`, for the carrier was
    asked in that slot, nor of `load`: by that a sender whose submits fail leaves the turn to others.

    Args:
        tx: the transaction that writes these results.
        results: of any kind.
        asked: whether carriers told them that were asked what became of a submit.
    """
    unsent = sorted({(s.message_id, s.generation) for s in results if s.event in UNSENT and not s.sent})
    if unsent and tx.run(LOCK_CHARGED, unsent, asked=int(asked)):
        tx.run(GIVE_BACK, unsent, asked=int(asked))
