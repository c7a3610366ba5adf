"""The contracts with carriers, as dispatch and hooks need them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from dispatcher.store.database import Database
from dispatcher.store.statement import Statement

ALL: Final = Statement(
    "select id, name, carrier, settings, receipt_seconds, acceptance_is_final from connections order by id"
)


@dataclass(frozen=True)
class Contract:
    """A connection as it is kept; `settings` names credentials by where they stand."""

    id: int
    name: str
    carrier: str
    settings: dict[str, Any]
    receipt_wait: timedelta
    acceptance_is_final: bool


class Contracts:
    """The contracts."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def all(self) -> list[Contract]:
        """Every connection."""
        with self._database.read() as tx:
            return [
                Contract(
                    id=row[0],
                    name=row[1],
                    carrier=row[2],
                    settings=json.loads(row[3]) if isinstance(row[3], str) else row[3],
                    receipt_wait=timedelta(seconds=row[4]),
                    acceptance_is_final=bool(row[5]),
                )
                for row in tx.run(ALL)
            ]
