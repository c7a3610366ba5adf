"""What customers and operators ask."""

from __future__ import annotations

from typing import Final

from dispatcher.core.invitation import Standing
from dispatcher.core.lifecycle import State
from dispatcher.engine.ports import Clock
from dispatcher.store.database import Database
from dispatcher.store.instants import instant, micros
from dispatcher.store.queue import USABLE
from dispatcher.store.statement import Statement

STANDING: Final = Statement(
    """select m.id, m.state, m.code, m.reason, m.reference, m.segments, coalesce(s.number, ''), m.created_at,
        m.planned_at, m.due_at, m.hold, m.sent_at, m.completed_at
    from messages m left join senders s on s.id = m.sender_id
    where m.id = :message_id and m.account_id = :account_id"""
)
STUCK: Final = Statement(
    f"""select a.paused_at is not null, exists (select 1 from {USABLE} and (
        not exists (select 1 from sender_apps d where d.sender_id = s.id)
        or exists (select 1 from sender_apps d where d.sender_id = s.id and d.app_id = a.id)))
    from messages m join apps a on a.id = m.app_id where m.id = :message_id"""
)


class MessageQueries:
    """Answers from what is committed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Work on this database."""
        self._database = database
        self._clock = clock

    def standing(self, account_id: int, message_id: int) -> Standing | None:
        """Where an invitation of this account stands; None for an id of another account, or of none."""
        with self._database.read() as tx:
            rows = tx.run(STANDING, message_id=message_id, account_id=account_id)
            if not rows:
                return None
            row = rows[0]
            due = row[1] == State.QUEUED and row[9] <= micros(self._clock())
            stuck = _stuck(*tx.run(STUCK, message_id=message_id)[0]) if due else ""
        return Standing(
            id=row[0],
            state=State(row[1]),
            code=row[2],
            reason=row[3],
            reference=row[4],
            segments=row[5],
            sender=row[6],
            created_at=instant(row[7]),
            planned_at=instant(row[8]),
            due_at=instant(row[9]),
            hold=stuck or row[10],
            sent_at=None if row[11] is None else instant(row[11]),
            completed_at=None if row[12] is None else instant(row[12]),
        )


def _stuck(paused: bool, has_sender: bool) -> str:
    """Why a row that is due is not even claimed."""
    return "app paused" if paused else "" if has_sender else "no sender"
