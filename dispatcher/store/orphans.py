"""Receipts that match no message: to be shown, counted, and taken by a trial, whose text is no message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatcher.core.exchange import Receipt
from dispatcher.store.database import Database
from dispatcher.store.instants import instant, micros
from dispatcher.store.receipts import UNKEEP, receipt_of
from dispatcher.store.statement import Statement

LISTED: Final = Statement(
    """select b.id, c.name, b.key, b.ref, b.event, b.code, b.reason, b.filtered, b.received_at
    from receipts b join connections c on c.id = b.connection_id where b.id > :after order by b.id limit :most"""
)
COUNT: Final = Statement("select count(*) from receipts where received_at > :since and received_at <= :until")
OF_TEXT: Final = Statement(
    """select id, key, ref, event, code, reason, filtered from receipts
    where received_at > :since and connection_id = :connection_id and (key = :key or (ref = :ref and ref <> ''))
    order by id"""
)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A receipt of a connection that matches nothing yet, and when it came."""

    id: int
    connection: str
    receipt: Receipt
    received_at: datetime


class Orphans:
    """The receipts that are kept."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def listed(self, after: int, most: int) -> list[Orphan]:
        """A page of up to `most`, in the order in which they came, behind the one whose id is `after`."""
        with self._database.read() as tx:
            rows = tx.run(LISTED, after=after, most=most)
        return [Orphan(row[0], row[1], receipt_of(*row[2:8]), instant(row[8])) for row in rows]

    def count(self, since: datetime, until: datetime) -> int:
        """How many came after `since`, `until` at the latest."""
        with self._database.read() as tx:
            return int(tx.run(COUNT, since=micros(since), until=micros(until))[0][0])

    def take(self, connection_id: int, key: str, ref: str, since: datetime) -> Sequence[Receipt]:
        """Remove the receipts for our key or the carrier's id that came after `since`; they are nobody else's."""
        with self._database.read() as tx:
            rows = tx.run(OF_TEXT, connection_id=connection_id, key=key, ref=ref, since=micros(since))
        if rows:
            with self._database.write() as tx:
                tx.run(UNKEEP, [(row[0],) for row in rows])
        return [receipt_of(*row[1:]) for row in rows]
