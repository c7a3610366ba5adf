"""Alarms: what an operator has to see to. One row for each subject, however often it happens; read by all processes.

Whether an alarm goes on is asked of what it is about, so nothing that ends it has to remember to say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.pacing import DAY
from dispatcher.engine.ports import Alarm, AlarmKind
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, instant, maybe, micros
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.words import kept

AGAIN: Final = timedelta(minutes=10) // MICROSECOND  # what comes again so soon after its end is the same alarm
SILENT: Final = timedelta(minutes=10) // MICROSECOND  # a process that still leaves one alone said so since, at a try
# Whether a worker that is alive leaves a connection `t` alone.
LEFT_ALONE: Final = f"""(t.silent_at > :now - {SILENT}
    and exists (select 1 from workers w where w.id = t.silent_by and w.lease_until >= {{clock}}))"""
LEFT_ALONE_NOW: Final = Statement(f"select t.id from connections t where {LEFT_ALONE}")
# Of what each kind is about: the tables, what it is called, and whether it goes on.
ABOUT: Final = {
    AlarmKind.CONNECTION_STOPPED: ("connections t", "t.name", "t.stopped_at is not null"),
    AlarmKind.CONNECTION_SILENT: ("connections t", "t.name", LEFT_ALONE),
    AlarmKind.CONNECTION_NOT_BOUND: ("connections t", "t.name", "t.unbound_at is not null"),
    AlarmKind.CONNECTION_UNUSABLE: (
        "connections t", "t.name",
        """exists (select 1 from unusable u join workers w on w.id = u.worker_id
        where u.connection_id = t.id and w.lease_until >= {clock})""",
    ),
    AlarmKind.SENDER_RESTS: (
        "senders t join connections c on c.id = t.connection_id", "t.number || ' of ' || c.name",
        "t.rest_until > {clock}",
    ),
    AlarmKind.HOOKS_REFUSED: (
        "connections t", "t.name",
        f"t.hooks_refused_at > :now - {DAY} and t.hooks_refused_at > coalesce(t.hooks_at, 0)",
    ),
    AlarmKind.ENDPOINT_STOPPED: (
        "apps t join endpoints e on e.app_id = t.id", "t.app_id || ' of account ' || t.account_id",
        "e.stopped_at is not null",
    ),
    AlarmKind.LOOKUPS_USED_UP: (
        "(select day as id from lookup_days) t", "'lookups'",
        f"t.id = :now / {DAY} and alarms.last_at >= t.id * {DAY}",
    ),
}  # fmt: skip
LASTS: Final = f"(alarms.ended_at is null or alarms.ended_at > excluded.since - {AGAIN})"
RAISE_TEXT: Final = f"""insert into alarms (kind, subject, since, last_at, count, reason)
    select '{{kind}}', {{subject}}, :now, :now, 1, r.reason from {{rows}}, {{tables}} where t.id = r.id
    on conflict (kind, subject) do update set
        since = case when {LASTS} then alarms.since else excluded.since end,
        count = case when {LASTS} then alarms.count + 1 else 1 end,
        last_at = excluded.last_at, reason = excluded.reason, ended_at = null"""
RAISE: Final = {
    kind: Statement(
        RAISE_TEXT.replace("{kind}", kind).replace("{subject}", subject).replace("{tables}", tables),
        "id bigint, reason text",
    )
    for kind, (tables, subject, _) in ABOUT.items()
}
EACH: Final = " ".join(
    f"when '{kind}' then exists (select 1 from {tables} where {subject} = alarms.subject and {lasts})"
    for kind, (tables, subject, lasts) in ABOUT.items()
)
OPEN: Final = f"(alarms.ended_at is null and case alarms.kind {EACH} end)"
LISTED: Final = Statement(
    f"""select kind, subject, since, last_at, count, reason, ended_at, {OPEN}
    from alarms order by since, kind, subject"""
)
END: Final = Statement(f"update alarms set ended_at = :now where ended_at is null and not {OPEN}")


def raise_alarms(tx: Tx, kind: AlarmKind, about: Mapping[int, str], now: datetime) -> None:
    """Raise, or renew, alarms about these keys of connections, senders, apps or days, each for its reason."""
    if about:
        tx.run(RAISE[kind], [(i, kept(why)) for i, why in sorted(about.items())], now=micros(now))


def end_alarms(tx: Tx, now: datetime) -> None:
    """Write down the end of those that are over."""
    tx.run(END, now=micros(now))


def left_alone(tx: Tx, now: datetime) -> set[int]:
    """The connections that a worker leaves alone now since it hears nothing from their carriers."""
    return {row[0] for row in tx.run(LEFT_ALONE_NOW, now=micros(now))}


def alarms(database: Database, now: datetime) -> list[Alarm]:
    """Every alarm that there ever was about anything, the oldest first."""
    with database.read() as tx:
        return [
            Alarm(
                kind=AlarmKind(row[0]),
                subject=row[1],
                since=instant(row[2]),
                last_at=instant(row[3]),
                count=row[4],
                reason=row[5],
                ended_at=maybe(row[6]),
                is_open=bool(row[7]),
            )
            for row in tx.run(LISTED, now=micros(now))
        ]
