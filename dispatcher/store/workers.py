"""Processes and their heartbeats, under the database's clock."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from typing import Final

from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.words import kept

LEASE_SECONDS: Final = 30

ENROL: Final = Statement(
    """insert into workers (kind, host, pid, started_at, lease_until)
    values (:kind, :host, :pid, :now, {clock} + :lease) returning id"""
)
BEAT: Final = Statement("update workers set lease_until = {clock} + :lease where id = :id returning id")
ALIVE: Final = Statement("select count(*) from workers where kind = 'work' and lease_until >= {clock}")
NOTE_UNUSABLE: Final = Statement(
    """insert into unusable (connection_id, worker_id, reason) values (:connection_id, :id, :why)
    on conflict (connection_id, worker_id) do update set reason = excluded.reason"""
)
USABLE: Final = Statement("delete from unusable where connection_id = :connection_id and worker_id = :id")
UNUSABLE: Final = Statement(
    """select u.connection_id, w.kind, w.host, u.reason from unusable u join workers w on w.id = u.worker_id
    where w.lease_until >= {clock} order by w.kind = 'web' desc, w.id desc"""
)
LEAVE: Final = Statement("update workers set lease_until = 0 where id = :id")


class Workers:
    """The processes at work."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def enrol(self, kind: str, now: datetime) -> int:
        """A number for this process."""
        with self._database.write() as tx:
            return int(tx.run(
                ENROL, kind=kind, host=socket.gethostname()[:255], pid=os.getpid(), now=micros(now),
                lease=LEASE_SECONDS * 1_000_000,
            )[0][0])  # fmt: skip

    def beat(self, worker_id: int) -> None:
        """Say that it is alive."""
        with self._database.write() as tx:
            tx.run(BEAT, id=worker_id, lease=LEASE_SECONDS * 1_000_000)

    def note_unusable(self, worker_id: int, connection_id: int, why: str, now: datetime) -> None:
        """Tell operators why this process cannot use a connection; "" once it can."""
        with self._database.write() as tx:
            if not why:
                tx.run(USABLE, id=worker_id, connection_id=connection_id)
                return
            tx.run(NOTE_UNUSABLE, id=worker_id, connection_id=connection_id, why=kept(why))
            raise_alarms(tx, AlarmKind.CONNECTION_UNUSABLE, {connection_id: why}, now)

    def leave(self, worker_id: int) -> None:
        """Say that it ended as it should."""
        with self._database.write() as tx:
            tx.run(LEAVE, id=worker_id)


def unusable(tx: Tx, *, to_send: bool = False) -> dict[int, str]:
    """The connections that a process cannot use, and why: as the one that has been there the longest says.

    Those that send are heard before those that serve, who lose hooks; `to_send`: they alone.
    """
    return {
        row[0]: f"a {'web process' if row[1] == 'web' else 'worker'} on {row[2]} cannot use it: {row[3]}"
        for row in tx.run(UNUSABLE)
        if not to_send or row[1] != "web"
    }
