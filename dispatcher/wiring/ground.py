"""What an installation stands on: the data of zones and numbers, the database and its disk; whether each will do."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from dispatcher.core.zones import tz_version
from dispatcher.settings import Settings
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now

LITTLE_SPACE: Final = 1 << 30  # bytes; less than that is soon full of a busy day's ledger
MOST_APART: Final = 1_000_000  # microseconds between this host's clock and the database's
# The tz database tells no date, but the list of leap seconds in it does, and is renewed every half year.
TZ_DATE: Final = re.compile(r"^#updated\s+(\d+)", re.MULTILINE)
OLD: Final = timedelta(days=365 + 183)  # so long after that date the release is surely a year old
# In other versions a commit may be lost when a connection checkpoints while another writes (the WAL-reset bug,
# sqlite.org/wal.html). Ours take turns for both, so only another program's connection is a danger.
SAFE_TO_SHARE: Final = (((3, 44, 6), (3, 45)), ((3, 50, 7), (3, 51)), ((3, 51, 3), (4,)))
OLDEST_POSTGRES: Final = (
    15  # of those that are still mended (postgresql.org/support/versioning); the tests run on 18 too
)
COMMAND: Final = 2  # connections that a command opens beside what serves and works

JOURNAL: Final = Statement("select journal_mode from pragma_journal_mode")
CLOCK: Final = Statement("select {clock}")
SERVER: Final = Statement(
    """select current_setting('server_version'), cast(current_setting('server_version_num') as integer) / 10000,
        current_setting('synchronous_commit'), cast(current_setting('max_connections') as integer)
        - cast(current_setting('superuser_reserved_connections') as integer)
        - cast(coalesce(current_setting('reserved_connections', true), '0') as integer)"""
)
PROCESSES: Final = Statement(
    """select (select count(*) from workers where kind = 'web' and lease_until >= {clock}),
        (select count(*) from workers where kind = 'work' and lease_until >= {clock})"""
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `what` was found and, where that is not well, what is `todo`."""

    check: str
    ok: bool
    what: str
    todo: str = ""


def data(now: datetime) -> Iterator[Finding]:
    """The data that comes with packages and grows old: rules of clocks, ranges of numbers."""
    found = TZ_DATE.search(files("tzdata").joinpath("zoneinfo", "leapseconds").read_text("ascii"))
    since = datetime.fromtimestamp(int(found[1]), UTC) if found else None
    yield Finding(
        "time zones",
        ok=since is None or now - since <= OLD,
        what=f"tz database {tz_version()}" + (f", with leap seconds of {since.date()}" if since else ""),
        todo="update the package tzdata: somewhere clocks have got other rules since",
    )
    yield Finding("numbers", ok=True, what=f"phonenumbers {version('phonenumbers')}")


def storage(settings: Settings, database: Database) -> Iterator[Finding]:
    """The database itself, once it is open."""
    return _sqlite(settings, database) if database.name == "sqlite" else _postgres(settings, database)


def _sqlite(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.read() as tx:
        mode = tx.run(JOURNAL)[0][0]
    shared = any(since <= sqlite3.sqlite_version_info < until for since, until in SAFE_TO_SHARE)
    alone = "" if shared else "; let no other program write to the file"
    yield Finding(
        "sqlite",
        ok=mode == "wal",
        what=f"{sqlite3.sqlite_version}, journal mode {mode}{alone}",
        todo="put the file on a disk of this machine, where its journal mode can be wal",
    )
    folder = Path(settings.database_url.removeprefix("sqlite:///")).resolve().parent
    free = shutil.disk_usage(folder).free
    yield Finding(
        "disk", ok=free >= LITTLE_SPACE, what=f"{free >> 20} MiB free at {folder}", todo="make room on that disk"
    )


def _postgres(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.read() as tx:
        name, major, commit, allowed = tx.run(SERVER)[0]
        webs, works = tx.run(PROCESSES)[0]
        before, there, after = _micros(), int(tx.run(CLOCK)[0][0]), _micros()
    yield Finding(
        "postgres",
        ok=major >= OLDEST_POSTGRES,
        what=f"version {name}",
        todo=f"upgrade it to {OLDEST_POSTGRES} or newer",
    )
    webs, works = max(webs, settings.web.workers), max(works, 1)
    needed = (webs + works) * settings.postgres.connections + works + COMMAND  # who works listens on one more
    if not settings.postgres.pooled:  # else how many may be open is the other pool's to say
        yield Finding(
            "connections",
            ok=needed <= allowed,
            what=f"{webs} web and {works} work processes may open {needed}, the server allows {allowed}",
            todo="raise max_connections of the server, or lower postgres.connections",
        )
    yield Finding(
        "durability",
        ok=commit not in {"off", "local"},
        what=f"synchronous_commit is {commit}",
        todo="set synchronous_commit to on, else a crash loses what was answered",
    )
    apart = max(before - there, there - after, 0)
    yield Finding(
        "clock",
        ok=apart <= MOST_APART,
        what=f"{apart / 1_000_000:.1f} s from the database's",
        todo="synchronise both hosts (NTP)",
    )


def _micros() -> int:
    return int(utc_now().timestamp() * 1_000_000)
