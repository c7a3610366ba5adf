"""Leases of binds, on the database's clock: a contract allows so many, whoever holds them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.store.words import kept

HELD: Final = Statement("select connection_id, slot, holder from bind_leases where lease_until >= {clock}")
SHARING: Final = Statement("select count(*) from workers where kind in ('work', 'trial') and lease_until >= {clock}")
TAKE: Final = Statement(
    """insert into bind_leases (connection_id, slot, holder, lease_until, state)
    values (:connection_id, :slot, :holder, {clock} + :lease, :state)
    on conflict (connection_id, slot) do update
    set holder = :holder, lease_until = {clock} + :lease, state = :state where bind_leases.lease_until < {clock}
    returning slot"""
)
RENEW: Final = Statement(
    """update bind_leases set lease_until = {clock} + :lease, state = r.state from {rows}
    where bind_leases.connection_id = r.connection_id and bind_leases.slot = r.slot and bind_leases.holder = :holder
    returning bind_leases.connection_id, bind_leases.slot""",
    "connection_id bigint, slot integer, state text",
)
GIVE_BACK: Final = Statement(
    """delete from bind_leases where holder = :holder
    and (connection_id, slot) in (select connection_id, slot from {rows})""",
    "connection_id bigint, slot integer",
)
STATES: Final = Statement(
    """select c.name, b.slot, b.state from bind_leases b join connections c on c.id = b.connection_id
    where b.lease_until >= {clock} order by c.name, b.slot"""
)
BEGINNING: Final = "not bound yet"

Slot = tuple[int, int]


class Leases:
    """The leases."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def look(self) -> tuple[int, Mapping[Slot, int]]:
        """How many processes share binds, and who holds which."""
        with self._database.read() as tx:
            return int(tx.run(SHARING)[0][0]), {(row[0], row[1]): row[2] for row in tx.run(HELD)}

    def take(self, slot: Slot, holder: int, seconds: float) -> bool:
        """Lease one that nobody holds."""
        given = {"connection_id": slot[0], "slot": slot[1], "holder": holder, "lease": _micros(seconds)}
        with self._database.write() as tx:
            return bool(tx.run(TAKE, **given, state=BEGINNING))

    def renew(self, states: Mapping[Slot, str], holder: int, seconds: float) -> Collection[Slot]:
        """Hold them for longer; those that are still this holder's."""
        rows = [(*slot, kept(state)) for slot, state in states.items()]
        with self._database.write() as tx:
            return [(row[0], row[1]) for row in tx.run(RENEW, rows, holder=holder, lease=_micros(seconds))]

    def give_back(self, slots: Iterable[Slot], holder: int) -> None:
        """Let others have them."""
        with self._database.write() as tx:
            tx.run(GIVE_BACK, [*slots], holder=holder)

    def states(self) -> Mapping[str, Mapping[int, str]]:
        """By connection, how the binds are that somebody holds: "" is bound."""
        found: dict[str, dict[int, str]] = {}
        with self._database.read() as tx:
            for name, slot, state in tx.run(STATES):
                found.setdefault(name, {})[slot] = state
        return found


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)
