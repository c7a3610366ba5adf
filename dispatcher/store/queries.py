"""What customers and operators ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dispatcher.core.decision import AGAIN, PACE
from dispatcher.core.invitation import Standing
from dispatcher.core.lifecycle import State
from dispatcher.core.pacing import DAY
from dispatcher.engine.ports import Clock
from dispatcher.store.database import Database
from dispatcher.store.group import Group
from dispatcher.store.instants import instant, maybe, micros
from dispatcher.store.pool import OF_APP, USABLE
from dispatcher.store.statement import Row, Statement, Tx

PACED: Final = PACE.replace("'", "''")
# The case: why a row that is due has not left. Whatever it waited for before is over; it is in line behind others.
# One that waits for a sender's room or to be tried again may wait for more than that.
STANDING: Final = Statement(
    f"""select r.n, m.id, m.state, m.code, m.reason, m.reference, m.segments, coalesce(s.number, ''), m.created_at,
        m.planned_at, case when m.state = 'queued' and m.due_at < :now then :now else m.due_at end, m.sent_at,
        m.completed_at, m.clicked_at,
        case when m.state = 'queued' and (m.due_at <= :now or m.hold in ('{PACED}', '{AGAIN}')) then coalesce((
            select case when a.paused_at is not null then 'app paused'
                when not exists (select 1 from {USABLE} and {OF_APP.format(app="a.id")})
                    then case when m.due_at <= :now then 'no sender' end
                when not exists (select 1 from {USABLE} and {OF_APP.format(app="a.id")}
                    and (s.daily_cap is null or s.used = 0 or s.used + m.segments <= s.daily_cap
                        or s.day < {{clock}} / {DAY})) then 'daily cap' end
            from apps a where a.id = m.app_id),
            case when m.hold = '{PACED}' or m.due_at > :now then m.hold end, 'in line') else m.hold end
    from {{rows}} join messages m on m.id = r.message_id and m.account_id = r.account_id
        and m.kind = 'invitation'
    left join senders s on s.id = m.sender_id""",
    "n integer, account_id bigint, message_id bigint",
)


class MessageQueries:
    """Answers from what is committed. Many that ask at once share one statement: a round trip costs more than a row."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Work on this database."""
        self._clock = clock
        self._group: Group[tuple[int, int], Standing | None] = Group(database.read, self._standings)

    def standing(self, account_id: int, message_id: int) -> Standing | None:
        """Where an invitation of this account stands; None for an id of another account, or of none."""
        return self._group.put((account_id, message_id))

    def _standings(self, tx: Tx, asked: Sequence[tuple[int, int]]) -> list[Standing | None]:
        rows = [(n, account_id, message_id) for n, (account_id, message_id) in enumerate(asked)]
        found = {row[0]: _standing(row[1:]) for row in tx.run(STANDING, rows, now=micros(self._clock()))}
        return [found.get(n) for n in range(len(asked))]


def _standing(row: Row) -> Standing:
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
        sent_at=maybe(row[10]),
        completed_at=maybe(row[11]),
        clicked_at=maybe(row[12]),
        hold=row[13],
    )
