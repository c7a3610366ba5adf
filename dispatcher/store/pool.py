"""The sender pool: who may send now, and what is heard of senders and their connections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.health import CONNECTION_HEALS, ILL, SENDER_HEALS, Harm, share
from dispatcher.core.pacing import Room, gap_of
from dispatcher.core.senders import Pool, Sender
from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.health import CONNECTION, SENDER, harm
from dispatcher.store.instants import AHEAD, MICROSECOND, micros
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.words import kept

# A stopped connection `c` until a submit is risked again.
LEFT_ALONE: Final = f"(c.stopped_at is not null and c.retry_at > {{clock}} and c.retry_at <= {{clock}} + {AHEAD})"
# Whether a sender `s` may be used at all.
READY: Final = "s.paused_at is null and (s.rest_until is null or s.rest_until <= {clock})"
USABLE: Final = f"""senders s join connections c on c.id = s.connection_id
    where {READY} and c.paused_at is null and not {LEFT_ALONE}"""
# The senders `s` that an app may use: its own, else the shared ones.
OF_APP: Final = """(exists (select 1 from sender_apps d where d.sender_id = s.id and d.app_id = {app})
    or (not exists (select 1 from sender_apps d where d.sender_id = s.id)
        and not exists (select 1 from sender_apps d where d.app_id = {app})))"""
POOL: Final = Statement(
    f"""select s.mps, s.free_at, s.daily_cap, s.day, s.used, s.holder, s.id, s.number, s.connection_id, s.region,
        s.weight * c.weight, s.load, c.stopped_at is not null,
        case when c.stopped_at is null then c.in_flight else 1 end, {{clock}},
        (select h.well_at from connection_health h where h.connection_id = c.id),
        (select h.well_at from sender_health h where h.sender_id = s.id), c.silent_at is not null
    from {USABLE}"""
)
NOBODY: Final = 0  # who holds a sender that no process holds
LET_GO: Final = Statement(f"update senders set holder = {NOBODY} where holder = :worker_id")
DEDICATED: Final = Statement("select sender_id, app_id from sender_apps")
CLOCK: Final = Statement("select {clock}")
REST: Final = Statement(
    """update senders set rest_until = {clock} + :rest, rest_reason = :reason
    where id = :id and (rest_until is null or rest_until < {clock} + :rest)"""
)
STOP: Final = Statement(
    """update connections set stopped_at = coalesce(stopped_at, :now), stop_reason = :reason, retry_at = {clock} + :rest
    where id = :id"""
)
# Of the senders that rest since their connection was stopped.
END_RESTS: Final = Statement(
    """update senders set rest_until = null, rest_reason = '' from {rows} join connections c on c.id = r.id
    where senders.connection_id = c.id and c.stopped_at is not null
    and senders.rest_until is not null and senders.rest_reason = c.stop_reason""",
    "id bigint",
)
RESUME: Final = Statement(
    """update connections set stopped_at = null, stop_reason = '', retry_at = null
    where id in (select id from {rows}) and stopped_at is not null""",
    "id bigint",
)
# By this connection: who is in doubt goes by no other, and what surely did not leave may have gone by another since.
HEARD: Final = Statement(
    """select count(*) from {rows} join messages m on m.id = r.id
    where m.state in ('submitted', 'delivered') and :connection_id = (
        select a.connection_id from attempts a where a.message_id = m.id order by a.generation desc limit 1)""",
    "id bigint",
)
NOTE_SILENCE: Final = Statement(
    "update connections set silent_at = :at, silent_by = :worker_id, silence = :why where id = :id"
)


class SenderPool:
    """The senders and their connections, as the processes that submit see them."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def usable(self, horizon: timedelta, worker_id: int | None, without: Collection[int] = ()) -> Pool:
        """The senders that may be used now, with the room that this process sees, under the database's clock.

        Without a worker, as whoever holds each of them sees it. Those of the connections in `without` are left out.
        """
        with self._database.read() as tx:
            found = [row for row in tx.run(POOL) if row[8] not in without]
            dedicated: dict[int, set[int]] = defaultdict(set)
            for sender_id, app_id in tx.run(DEDICATED):
                dedicated[sender_id].add(app_id)
            now = found[0][14] if found else tx.run(CLOCK)[0][0]
        ahead = horizon // MICROSECOND
        senders = {}
        for row in found:
            health = share(row[15] or 0, now, CONNECTION_HEALS), share(row[16] or 0, now, SENDER_HEALS)
            senders[row[6]] = Sender(
                id=row[6],
                number=row[7],
                connection_id=row[8],
                room=room_of(row, worker_id, now, ahead),
                region=row[9],
                weight=row[10] * health[0] * health[1],
                load=row[11],
                apps=frozenset(dedicated.get(row[6], ())),
                ill=min(health) < ILL,
            )
        return Pool(
            now=now,
            horizon=ahead,
            senders=senders,
            capacity={row[8]: row[13] for row in found},
            stopped=frozenset(row[8] for row in found if row[12]),
            silent=frozenset(row[8] for row in found if row[17]),
            owners=frozenset(app_id for owned in dedicated.values() for app_id in owned),
        )

    def let_go(self, worker_id: int) -> None:
        """Leave the senders that this process holds to others; nothing that it marked may begin any more."""
        with self._database.write() as tx:
            tx.run(LET_GO, worker_id=worker_id)

    def rest_sender(self, sender_id: int, rest: timedelta, reason: str, alarm_at: datetime | None = None) -> None:
        """Leave a sender out of the pool for a while; tell an operator so, if at an instant."""
        with self._database.write() as tx:
            tx.run(REST, id=sender_id, rest=rest // MICROSECOND, reason=kept(reason))
            if alarm_at:
                raise_alarms(tx, AlarmKind.SENDER_RESTS, {sender_id: reason}, alarm_at)

    def stop_connection(self, connection_id: int, reason: str, rest: timedelta, now: datetime) -> None:
        """Leave a connection out for `rest`, then risk one submit; its queue is kept."""
        with self._database.write() as tx:
            stop(tx, connection_id, reason, rest, now)

    def resume_connections(self, connection_ids: Sequence[int]) -> None:
        """A submit went through again: the stop is over, and so are the rests that came of it."""
        with self._database.write() as tx:
            resume(tx, connection_ids)

    def harm(self, connections: Mapping[int, Harm], senders: Mapping[int, Harm]) -> None:
        """Let the shares of these fall."""
        with self._database.write() as tx:
            harm(tx, CONNECTION, connections)
            harm(tx, SENDER, senders)

    def heard_of(self, connection_id: int, message_ids: Sequence[int]) -> bool:
        """Whether any of these was taken by this connection, as its carrier told since."""
        with self._database.read() as tx:
            return bool(tx.run(HEARD, [(i,) for i in message_ids], connection_id=connection_id)[0][0])

    def note_silence(self, connection_id: int, why: str, now: datetime, worker_id: int) -> None:
        """Write down for operators why a worker leaves a connection alone; "" once any hears it again."""
        with self._database.write() as tx:
            at = micros(now) if why else None
            tx.run(NOTE_SILENCE, id=connection_id, at=at, worker_id=worker_id if why else None, why=kept(why))
            if why:
                raise_alarms(tx, AlarmKind.CONNECTION_SILENT, {connection_id: why}, now)


def stop(tx: Tx, connection_id: int, reason: str, rest: timedelta, now: datetime) -> None:
    """Stop a connection, and raise its alarm."""
    tx.run(STOP, id=connection_id, reason=kept(reason), rest=rest // MICROSECOND, now=micros(now))
    raise_alarms(tx, AlarmKind.CONNECTION_STOPPED, {connection_id: reason}, now)


def resume(tx: Tx, connection_ids: Sequence[int]) -> None:
    """Let a stop of these be over, and so the rests of their senders that came of it."""
    rows = [(i,) for i in sorted(connection_ids)]
    tx.run(END_RESTS, rows)
    tx.run(RESUME, rows)


def room_of(row: Row, worker_id: int | None, now: int, ahead: int) -> Room:
    """The room that the first six columns tell of, as this worker sees it; without one, as their holder does."""
    room = Room(gap_of(row[0]), free_at=row[1], daily_cap=row[2], day=row[3], used=row[4]).read_at(now, ahead)
    return room if worker_id is None or row[5] in (worker_id, NOBODY) else room.seen_by_another(now, ahead)
