"""What an operator should know before trusting an installation: each check, whether all is well, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from dispatcher.core.health import ILL
from dispatcher.engine.ports import Alarm, StoreUnavailable
from dispatcher.settings import Settings
from dispatcher.store.alarms import alarms
from dispatcher.store.binds import Leases
from dispatcher.store.database import Database
from dispatcher.store.orphans import Orphans
from dispatcher.store.provisioning import Rows
from dispatcher.store.queue import MessageQueue
from dispatcher.store.rescue import Sweeper
from dispatcher.store.reviews import Reviews
from dispatcher.store.revision import DatabaseNewer, head, pending
from dispatcher.store.rooms import used_today
from dispatcher.store.tables import App, Connection, Sender
from dispatcher.store.workers import ALIVE
from dispatcher.transports.guarded import forbidden_url
from dispatcher.wiring.carriers import NO_HOOKS
from dispatcher.wiring.connections import binding, pools_of, standing, with_others
from dispatcher.wiring.ground import Finding, data, storage
from dispatcher.wiring.lookups import examined as lookups
from dispatcher.wiring.parts import open_database, utc_now

MANY_FAILURES: Final = 10  # of an endpoint, in a row
LOOPBACK_ALLOWED: Final = "DISPATCHER_CALLBACKS__ALLOW=127.0.0.0/8"
LATELY: Final = timedelta(hours=24)
NOT_YET: Final = timedelta(minutes=1)  # a receipt may overtake our own write of the carrier's id
LATE: Final = timedelta(minutes=5)  # that a due row may wait


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check that can be made, in order; one that fails may leave the later ones out."""
    yield Finding("settings", ok=True, what="can be read")
    yield from data(utc_now())
    try:
        database = open_database(settings)
    except StoreUnavailable as error:
        yield Finding("database", ok=False, what=str(error), todo="start it, or correct database_url")
        return
    try:
        if pending(database):
            yield Finding("database", ok=False, what="is not migrated", todo="run `dispatcher migrate`")
            return
        yield Finding("database", ok=True, what=f"{database.name}, revision {head()}")
        yield from storage(settings, database)
        yield from _provisioned(settings, Rows(database, utc_now))
        yield from _running(settings, database)
        yield _alarms([alarm for alarm in alarms(database, utc_now()) if alarm.is_open])
        yield from lookups(settings.lookups, database)
    except DatabaseNewer as error:
        todo = "install that version here, or restore the backup made before it (docs/upgrades.md)"
        yield Finding("database", ok=False, what=str(error), todo=todo)
    except StoreUnavailable as error:
        yield Finding("database", ok=False, what=str(error), todo="look at what it says, and at its log")
    finally:
        database.close()


def _alarms(found: Sequence[Alarm]) -> Finding:
    told = [f"{a.kind} {a.subject} since {a.since:%Y-%m-%dT%H:%M:%SZ} ({a.count} x): {a.reason}" for a in found]
    todo = "mend the cause of each; an alarm ends by itself when its cause does (`alarm list`)"
    return Finding("alarms", ok=not found, what="; ".join(told) or "none", todo=todo)


def _provisioned(settings: Settings, rows: Rows) -> Iterator[Finding]:
    connections, senders, apps = rows.listed(Connection), rows.listed(Sender), rows.listed(App)
    unwell, ailing = rows.unwell()
    unusable, alone = rows.unusable(), rows.left_alone()
    pools = pools_of(apps, senders, rows.dedicated())
    others = with_others(connections, senders, pools)
    for line in connections:
        i = line["id"]
        yield standing(line, unwell.get(i), unusable.get(i), alone=i in alone, others=i in others)
    if carriers := [line["settings"] for line in connections if line["carrier"] not in NO_HOOKS]:
        here = all(_loopback(_address(each)) for each in carriers)  # a trial on one machine
        yield Finding(
            "public_url",
            ok=here or not _loopback(settings.public_url),
            what=settings.public_url,
            todo="set it to the address at which carriers reach this installation",
        )
    for app in apps:
        if app["paused_at"]:
            what = f"is paused since {app['paused_at']:%Y-%m-%dT%H:%MZ}; its invitations wait for `app resume`"
            yield Finding(f"app {app['app_id']}", ok=True, what=what)
    yield from _senders(connections, senders, apps, pools)
    for sender in (row for row in senders if row["id"] in ailing):
        ailment = ailing[sender["id"]]
        todo = "ask the carrier, or the app what it sends; its share comes back by itself"
        yield Finding(f"sender {sender['number']}", ok=ailment.share >= ILL, what=f"health {ailment}", todo=todo)
    yield from _callbacks(settings, apps, rows.ailing())
    if capped := [row for row in senders if row["daily_cap"]]:
        yield _daily_caps(capped, utc_now())
    off = [f"daily cap of {row['number']}" for row in senders if row["daily_cap"] is None]
    off += [f"countries of {row['app_id']}" for row in apps if row["countries"] == "all"]
    yield Finding("limits", ok=True, what=f"off: {', '.join(off)}" if off else "all are set")


def _daily_caps(senders: Sequence[dict[str, Any]], now: datetime) -> Finding:
    """Which of these senders may send no more today."""
    shown = [(used_today(s, now), s["daily_cap"], s["number"]) for s in senders]
    full = [f"{number} ({used} of {cap})" for used, cap, number in shown if used >= cap]
    what = f"used up until midnight UTC: {', '.join(full)}" if full else f"none of {len(shown)} is used up today"
    return Finding("daily caps", ok=True, what=what)


def _callbacks(settings: Settings, apps: list[dict[str, Any]], ailing: dict[int, dict[str, Any]]) -> Iterator[Finding]:
    """Whether each app's endpoint may be called, and is."""
    for app in (app for app in apps if app["callback_url"]):
        check, endpoint = f"callbacks of {app['app_id']}", ailing.get(app["id"])
        if objection := forbidden_url(app["callback_url"], settings.callbacks.allow):
            todo = "`app set --callback-url`, or allow it in callbacks.allow"
            if _loopback(app["callback_url"]):
                todo += f"; beside the demo, whose processes do: export {LOOPBACK_ALLOWED}"
            yield Finding(check, ok=False, what=objection, todo=todo)
        elif endpoint and endpoint["stopped_at"]:
            todo = "ask the customer; then `app resume`, or `app set --callback-url`"
            yield Finding(check, ok=False, what=f"stopped: {endpoint['reason']}", todo=todo)
        elif endpoint and endpoint["failures"] >= MANY_FAILURES:
            since = f"{endpoint['failing_since']:%Y-%m-%dT%H:%MZ}"
            what = f"failed {endpoint['failures']} times in a row, since {since}: {endpoint['reason']}"
            todo = "ask the customer; calls are tried again by themselves, what is due for 24 hours is given up"
            yield Finding(check, ok=False, what=what, todo=todo)
        else:
            yield Finding(check, ok=True, what="may be called")


def _address(settings: dict[str, Any]) -> str:
    """Where a connection's carrier is, if its settings say so."""
    request = settings.get("request", {})
    return str(settings.get("base_url") or settings.get("host") or settings.get("url") or request.get("url", ""))


def _loopback(url: str) -> bool:
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _senders(
    connections: list[dict[str, Any]],
    senders: list[dict[str, Any]],
    apps: list[dict[str, Any]],
    pools: Mapping[int, set[int]],
) -> Iterator[Finding]:
    """Whether each app has a sender that is neither paused nor at rest, on a connection that works."""
    works = {row["id"] for row in connections if not row["paused_at"] and not row["stopped_at"]}
    now = utc_now()
    running = {row["id"] for row in senders if row["connection_id"] in works and not row["paused_at"]}
    resting = {row["id"]: row["rest_reason"] for row in senders if row["rest_until"] and row["rest_until"] > now}
    for app in apps:
        theirs = pools[app["id"]] & running
        count, rest = len(theirs - resting.keys()), theirs & resting.keys()
        why = ", ".join(sorted({resting[sender] for sender in rest}))
        yield Finding(
            f"senders of {app['app_id']}",
            ok=count > 0,
            what=f"{count} can be used" + (f", {len(rest)} at rest ({why})" if rest else ""),
            todo="`sender add`, or resume what is paused; see `sender list` and `connection list`",
        )


def _running(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.read() as tx:
        alive = tx.run(ALIVE)[0][0]
    yield Finding("workers", ok=alive > 0, what=f"{alive} alive", todo="run `dispatcher serve` or `dispatcher work`")
    holders = Leases(database).holders()
    for line in Rows(database, utc_now).listed(Connection):
        if line["carrier"] == "smpp":
            yield binding(line, holders.get(line["name"], []), alive)
    now, lanes = utc_now(), MessageQueue(database).lanes()
    waits = max((now - lane.due_at for lane in lanes if lane.due_at < now), default=timedelta(0))
    yield Finding(
        "queue",
        ok=waits <= LATE,
        what=f"the oldest due row has waited {waits.total_seconds():.0f} s",
        todo="see that workers are alive and no app is paused; else its senders' --mps and --daily-cap allow no more",
    )
    doubts = Sweeper(database).in_doubt(now + timedelta(minutes=settings.work.in_doubt_minutes))
    ends = (
        f"; carriers that can be asked, receipts or {settings.work.in_doubt_minutes:g} minutes resolve them"
        if doubts
        else ""
    )
    yield Finding("in doubt", ok=True, what=f"{doubts} invitation{'' if doubts == 1 else 's'}{ends}")
    orphans = Orphans(database).count(now - LATELY, now - NOT_YET)
    which = "; `receipt list` shows them" if orphans else ""
    yield Finding(
        "receipts", ok=True, what=f"{orphans} of the last 24 hours, but for the last minute, match no message{which}"
    )
    waiting = Reviews(database).count()
    what = f"{waiting} wait{'s' if waiting == 1 else ''} for a person"
    yield Finding("replies", ok=not waiting, what=what, todo="`reply list`, then `reply settle` each")
