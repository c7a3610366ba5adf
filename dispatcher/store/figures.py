"""The figures of this database, each read from an index that holds no more than what it counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from dispatcher.core.health import Ailment
from dispatcher.core.lifecycle import State
from dispatcher.engine.figures import Figures
from dispatcher.engine.ports import AlarmKind, Clock
from dispatcher.store.alarms import alarms
from dispatcher.store.database import Database
from dispatcher.store.health import CONNECTION, SENDER, ailing
from dispatcher.store.instants import micros
from dispatcher.store.queue import MessageQueue
from dispatcher.store.rescue import IN_DOUBT
from dispatcher.store.statement import Statement
from dispatcher.store.workers import ALIVE

IDLE: Final = frozenset(  # of connections by which nothing, or next to nothing, goes out
    {AlarmKind.CONNECTION_STOPPED, AlarmKind.CONNECTION_SILENT, AlarmKind.CONNECTION_NOT_BOUND}
)
MOST: Final = 1_000_000  # counted of each: whoever asks every few seconds must not read through more


def _count(what: str) -> Statement:
    return Statement(f"select count(*) from (select 1 from {what} limit {MOST}) found")


QUEUED: Final = _count("messages where state = 'queued'")
IN_FLIGHT: Final = _count("messages where state in ('claimed', 'submitting')")
WAITING: Final = _count("messages where state in ('submitted', 'in_doubt')")
OWED: Final = _count("callbacks where state = 'queued'")
NAMES: Final = Statement(
    "select c.id, c.name, s.id, s.number from connections c left join senders s on s.connection_id = c.id order by c.id"
)


class StoreFigures:
    """Where figures are read."""

    def __init__(self, database: Database, clock: Clock, doubt: timedelta) -> None:
        """Work on this database; `doubt` is how long an outcome stays open at most."""
        self._database = database
        self._clock = clock
        self._doubt = doubt

    def read(self) -> Figures:
        """All of them."""
        now = self._clock()
        with self._database.read() as tx:
            queued, in_flight, waiting, owed, workers = (
                int(tx.run(statement)[0][0]) for statement in (QUEUED, IN_FLIGHT, WAITING, OWED, ALIVE)
            )
            doubts = int(tx.run(IN_DOUBT, until=micros(now + self._doubt))[0][0])
            names = tx.run(NAMES)
            lines, senders = ailing(tx, CONNECTION), ailing(tx, SENDER)
        raised = [alarm for alarm in alarms(self._database, now) if alarm.is_open]
        idle = {alarm.subject for alarm in raised if alarm.kind in IDLE}
        due = min((lane.due_at for lane in MessageQueue(self._database).lanes()), default=now)
        return Figures(
            messages={
                State.QUEUED: queued,
                "in_flight": in_flight,
                State.SUBMITTED: max(0, waiting - doubts),
                State.IN_DOUBT: doubts,
            },
            late=max(0.0, (now - due).total_seconds()),
            callbacks=owed,
            workers=workers,
            connections={row[1]: _share(lines.get(row[0])) if row[1] not in idle else 0.0 for row in names},
            senders={(row[3], row[1]): _share(senders.get(row[2])) for row in names if row[2]},
            alarms=raised,
        )


def _share(ailment: Ailment | None) -> float:
    return ailment.share if ailment else 1.0
