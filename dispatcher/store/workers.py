"""Processes and their heartbeats, under the database's clock."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from typing import Final

from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.statement import Statement

LEASE_SECONDS: Final = 30

ENROL: Final = Statement(
    """insert into workers (kind, host, pid, started_at, lease_until)
    values (:kind, :host, :pid, :now, {clock} + :lease) returning id"""
)
BEAT: Final = Statement("update workers set lease_until = {clock} + :lease where id = :id returning id")
ALIVE: Final = Statement("select count(*) from workers where kind = 'work' and lease_until >= {clock}")
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

    def leave(self, worker_id: int) -> None:
        """Say that it ended as it should."""
        with self._database.write() as tx:
            tx.run(LEAVE, id=worker_id)
