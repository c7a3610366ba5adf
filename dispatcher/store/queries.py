"""What customers and operators ask."""

from __future__ import annotations

from typing import Final

from dispatcher.core.invitation import Standing
from dispatcher.core.lifecycle import State
from dispatcher.store.database import Database
from dispatcher.store.instants import instant
from dispatcher.store.statement import Statement

STANDING: Final = Statement(
    """select m.id, m.state, m.code, m.reason, m.reference, m.segments, coalesce(s.number, ''), m.created_at,
        m.planned_at, m.due_at, m.hold, m.sent_at, m.completed_at
    from messages m left join senders s on s.id = m.sender_id
    where m.id = :message_id and m.account_id = :account_id"""
)


class MessageQueries:
    """Answers from what is committed."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def standing(self, account_id: int, message_id: int) -> Standing | None:
        """Where an invitation of this account stands; None for an id of another account, or of none."""
        with self._database.read() as tx:
            rows = tx.run(STANDING, message_id=message_id, account_id=account_id)
        if not rows:
            return None
        row = rows[0]
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
            hold=row[10],
            sent_at=None if row[11] is None else instant(row[11]),
            completed_at=None if row[12] is None else instant(row[12]),
        )
