"""Questions to carriers about what is in doubt: each is claimed once, until it is to be asked again.

The times stand in the attempts, under an index of their own: what is in doubt is few beside what waits for a receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.lifecycle import State
from dispatcher.engine.ports import Doubt, Marked, Settled
from dispatcher.store.database import Database
from dispatcher.store.instants import instant, maybe_micros, micros
from dispatcher.store.optouts import opted_out
from dispatcher.store.pool import READY
from dispatcher.store.queue import ASK, claimed_of, end_attempts
from dispatcher.store.receipts import match_refs
from dispatcher.store.rooms import Rooms
from dispatcher.store.statement import Row, Statement
from dispatcher.store.steps import step

DOUBTS: Final = Statement(
    f"""select m.id, a.generation, m.app_id, m.kind, m.channel, m.person, m.region, m.text, m.segments, m.tries,
        m.planned_at, m.expires_at, m.due_at, (select p.address from people p where p.person = cast(m.person as text)),
        {opted_out("m")}, s.number, s.id, a.connection_id, a.started_at, a.ask_at, a.asks,
        m.state = '{State.IN_DOUBT}' and m.generation = a.generation,
        {READY} and c.paused_at is null and c.stopped_at is null
    from attempts a join messages m on m.id = a.message_id
    join senders s on s.id = a.sender_id join connections c on c.id = a.connection_id
    where a.connection_id = :connection_id and a.ask_at <= :now order by a.ask_at limit :most"""
)
CLAIM: Final = Statement(
    f"""update attempts set ask_at = r.again_at, asks = asks + 1 from {{rows}}
    where attempts.message_id = r.id and attempts.generation = r.generation and attempts.ask_at = r.ask_at
    and exists (select 1 from messages m where m.id = r.id and m.generation = r.generation
        and m.state = '{State.IN_DOUBT}' and (r.submits = 0 or not {opted_out("m")}))
    returning attempts.message_id, attempts.day""",
    "id bigint, generation integer, ask_at bigint, again_at bigint, submits integer",
)
COUNT: Final = Statement(
    """update attempts set day = r.day from {rows}
    where attempts.message_id = r.id and attempts.generation = r.generation""",
    "id bigint, generation integer, day integer",
)
PUT_OFF: Final = Statement(
    """update attempts set ask_at = r.again_at from {rows}
    where attempts.message_id = r.id and attempts.generation = r.generation and attempts.ask_at = r.ask_at""",
    "id bigint, generation integer, ask_at bigint, again_at bigint",
)
STILL: Final = Statement(
    f"""select s.id from messages s join {{rows}} on r.id = s.id and r.generation = s.generation
    where s.state = '{State.IN_DOUBT}' order by s.id {{lock}}""",
    "id bigint, generation integer",
)


class InquiryBook:
    """The questions on this database."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def doubts(self, connection_id: int, now: datetime, most: int) -> list[Doubt]:
        """Up to so many submits of a connection that it is time to ask about, the longest due first."""
        with self._database.read() as tx:
            return [_doubt(row) for row in tx.run(DOUBTS, connection_id=connection_id, now=micros(now), most=most)]

    def put_off(self, doubts: Sequence[tuple[Doubt, datetime | None]]) -> None:
        """Ask about these later, or (None) not at all."""
        with self._database.write() as tx:
            tx.run(PUT_OFF, [(*_fence(doubt), maybe_micros(again_at)) for doubt, again_at in doubts])

    def ask(
        self,
        doubts: Sequence[tuple[Doubt, datetime]],
        *,
        submits: bool,
        horizon: timedelta,
        worker_id: int,
        now: datetime,
    ) -> list[Doubt]:
        """Claim questions in one transaction, each until it is to be asked again; what comes back may be asked.

        Where asking `submits`, only what may be sent comes back, and its sender's room is taken: of the day's cap only
        where the submit itself counted on another day, for at most one of all these is sent.
        """
        with self._database.write() as tx:
            # Messages, senders, attempts, as a mark has them: who goes another way round waits for who waits for them.
            doubts = sorted(doubts, key=lambda each: _fence(each[0]))
            still = {row[0] for row in tx.run(STILL, [_fence(doubt)[:2] for doubt, _ in doubts])}
            doubts = [each for each in doubts if each[0].marked.row.id in still]
            if not doubts:
                return []
            rooms = Rooms(tx, [doubt.marked.sender_id for doubt, _ in doubts], worker_id, horizon) if submits else None
            rows = [(*_fence(doubt), micros(again_at), int(submits)) for doubt, again_at in doubts]
            won = {row[0]: row[1] for row in tx.run(CLAIM, rows)}
            claimed = [(doubt, again_at) for doubt, again_at in doubts if doubt.marked.row.id in won]
            if rooms is None:
                return [doubt for doubt, _ in claimed]
            asked, late, counted = [], [], []
            for doubt, again_at in claimed:
                marked, segments = doubt.marked, doubt.marked.row.segments
                day = won[marked.row.id]
                delay = rooms.delay(marked.sender_id, segments, day)
                if delay > horizon:
                    late.append((marked.row.id, marked.row.generation, micros(again_at), micros(now + delay - horizon)))
                    continue
                rest = rooms.take(marked.sender_id, segments, counted_on=day)
                if rooms.day(marked.sender_id) != day:
                    counted.append((marked.row.id, marked.row.generation, rooms.day(marked.sender_id)))
                asked.append(replace(doubt, marked=replace(marked, delay=delay, rest=rest)))
            if late:
                tx.run(PUT_OFF, late)
            if counted:
                tx.run(COUNT, counted)
            rooms.keep()
            return asked

    def settle(self, results: Sequence[Settled], now: datetime) -> int:
        """Write what carriers told of what is in doubt still; how many that were.

        What was told otherwise meanwhile, by a receipt or by the submit's own late result, stays as it is.
        """
        with self._database.write() as tx:
            rows = sorted((s.message_id, s.generation) for s in results)
            open_ids = {row[0] for row in tx.run(STILL, rows)}
            told = [s for s in results if s.message_id in open_ids]
            if told:
                step(tx, told, now)
                end_attempts(tx, told, now, asked=True)
            tx.run(ASK, [(*row, None) for row in rows])
            match_refs(tx, [s.message_id for s in told if s.outcome.ref], now)
        return len(told)


def _fence(doubt: Doubt) -> tuple[int, int, int]:
    return doubt.marked.row.id, doubt.marked.row.generation, micros(doubt.ask_at)


def _doubt(row: Row) -> Doubt:
    return Doubt(
        Marked(claimed_of(row), sender=row[15], sender_id=row[16], connection_id=row[17], delay=timedelta(0)),
        started_at=instant(row[18]),
        ask_at=instant(row[19]),
        asks=row[20],
        open=bool(row[21]),
        usable=bool(row[22]),
    )
