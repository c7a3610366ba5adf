"""When hooks of a connection were taken, and when refused: it is told once a minute, by each process."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.statement import Statement

QUIET: Final = timedelta(minutes=10)  # without a genuine one; with some, those that are refused are somebody else's
GENUINE: Final = Statement("update connections set hooks_at = :now where id = :id")
REFUSED: Final = Statement(
    """update connections set hooks_refused_at = :now
    where id = :id and (hooks_at is null or hooks_at < :since) returning id"""
)


class HookBook:
    """Where it is written."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def genuine(self, connection_id: int, now: datetime) -> None:
        """One was taken: an alarm about those that were refused is over."""
        with self._database.write() as tx:
            tx.run(GENUINE, id=connection_id, now=micros(now))

    def refused(self, connection_id: int, why: str, now: datetime) -> None:
        """Some were refused: an alarm, unless one was genuine lately."""
        with self._database.write() as tx:
            found = tx.run(REFUSED, id=connection_id, now=micros(now), since=micros(now - QUIET))
            raise_alarms(tx, AlarmKind.HOOKS_REFUSED, dict.fromkeys((row[0] for row in found), why), now)
