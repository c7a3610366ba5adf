"""Leases of binds, on the database's clock: a contract allows so many, whoever holds them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.engine.binds import BEGINNING
from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, instant, micros
from dispatcher.store.pool import resume, stop
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.words import kept

ALARMING: Final = timedelta(minutes=1)  # for so long nobody could bind
REST: Final = timedelta(minutes=1)  # a bind that was refused is tried again by then, and submits tell nothing more
BEFORE: Final = timedelta(seconds=5) // MICROSECOND  # a submit may have told of a refused bind before the bind did

HELD: Final = Statement("select connection_id, slot, holder, state from bind_leases where lease_until >= {clock}")
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
HOLDERS: Final = Statement(
    """select c.name, b.state, w.pid, w.host from bind_leases b join connections c on c.id = b.connection_id
    join workers w on w.id = b.holder
    where b.lease_until >= {clock} order by c.name, b.slot"""
)
UNBOUND: Final = Statement(
    """update connections set unbound_at = coalesce(unbound_at, :now), unbound = :why
    where id = :id and not exists (
        select 1 from bind_leases b
        where b.connection_id = :id and b.state in ('', :beginning) and b.lease_until >= {clock})
    returning unbound_at"""
)
STOPPED_UNBOUND: Final = Statement(
    f"""select c.id from {{rows}} join connections c on c.id = r.id
    where c.stopped_at >= c.unbound_at - {BEFORE} order by c.id""",
    "id bigint",
)
BOUND: Final = Statement(
    """update connections set unbound_at = null, unbound = ''
    where id in (select id from {rows}) and unbound_at is not null""",
    "id bigint",
)
UP: Final = ("", BEGINNING)  # a bind is up, or may soon be

Slot = tuple[int, int]


@dataclass(frozen=True, slots=True)
class HeldBind:
    """A bind that a process holds: how it is ("" is bound), and who that is."""

    state: str
    holder: str


class Leases:
    """The leases."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def look(self) -> tuple[int, Mapping[Slot, int], Collection[Slot]]:
        """How many processes share binds, who holds which, and which are bound or being tried."""
        with self._database.read() as tx:
            sharing, held = int(tx.run(SHARING)[0][0]), tx.run(HELD)
        return sharing, {(row[0], row[1]): row[2] for row in held}, {(row[0], row[1]) for row in held if row[3] in UP}

    def take(self, slot: Slot, holder: int, seconds: float) -> bool:
        """Lease one that nobody holds."""
        given = {"connection_id": slot[0], "slot": slot[1], "holder": holder, "lease": _micros(seconds)}
        with self._database.write() as tx:
            return bool(tx.run(TAKE, **given, state=BEGINNING))

    def renew(self, states: Mapping[Slot, str], holder: int, seconds: float) -> Collection[Slot]:
        """Hold them for longer; those that are still this holder's. A bind that is up ends a stop by one refused."""
        rows = [(*slot, kept(state)) for slot, state in states.items()]
        with self._database.write() as tx:
            renewed = [(row[0], row[1]) for row in tx.run(RENEW, rows, holder=holder, lease=_micros(seconds))]
            _note_bound(tx, sorted({slot[0] for slot in renewed if not states[slot]}))
        return renewed

    def note_unbound(self, connection_id: int, why: str, now: datetime, *, refused: bool) -> bool:
        """Write down why no bind is up, unless one is of another process or is being tried; whether it was.

        One that was refused stops the connection; one that could not be reached for a minute raises an alarm.
        """
        with self._database.write() as tx:
            noted = tx.run(UNBOUND, id=connection_id, why=kept(why), now=micros(now), beginning=BEGINNING)
            if noted and refused:
                stop(tx, connection_id, why, REST, now)
            elif noted and now - instant(noted[0][0]) >= ALARMING:
                raise_alarms(tx, AlarmKind.CONNECTION_NOT_BOUND, {connection_id: why}, now)
        return bool(noted)

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

    def holders(self) -> Mapping[str, Sequence[HeldBind]]:
        """By connection, the binds that somebody holds, and who."""
        found: dict[str, list[HeldBind]] = {}
        with self._database.read() as tx:
            for name, state, pid, host in tx.run(HOLDERS):
                found.setdefault(name, []).append(HeldBind(state, f"process {pid} on {host}"))
        return found


def _note_bound(tx: Tx, connection_ids: Iterable[int]) -> None:
    """These are bound: a stop that a bind's refusal began is over."""
    if rows := [(i,) for i in connection_ids]:
        if stopped := tx.run(STOPPED_UNBOUND, rows):
            resume(tx, [row[0] for row in stopped])
        tx.run(BOUND, rows)


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)
