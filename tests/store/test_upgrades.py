"""Every revision that may be out there, with data in it, becomes today's database and loses nothing."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text

from dispatcher.store.database import Database
from dispatcher.store.migrating import configuration, migrate
from dispatcher.store.revision import head, pepper, scripts
from dispatcher.store.tables import metadata
from tests.factories import SECRET
from tests.processes import Customer, staged

RELEASED: Final = Path(__file__).parent / "released"
REVISIONS: Final = sorted(path.stem for path in RELEASED.glob("*.json"))
Rows = dict[str, list[dict[str, Any]]]


def kept(revision: str) -> Rows:
    """What an installation of that revision held."""
    return dict(json.loads((RELEASED / f"{revision}.json").read_text(encoding="utf-8")))


def fill(connection: Connection, rows: Rows) -> None:
    """Insert them, parents first, into the tables as they are; and let what counts by itself go on behind them."""
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if found := rows.get(table.name):
            connection.execute(insert(table), found)
            _count_on(connection, table)


def _count_on(connection: Connection, table: Table) -> None:
    counted = [c for c in table.primary_key if "nextval" in str(getattr(c.server_default, "arg", ""))]
    for column in counted:  # PostgreSQL alone; SQLite goes on behind the largest key
        newest = connection.scalar(select(func.max(column)))
        connection.execute(
            text("select setval(pg_get_serial_sequence(:table, :column), :newest)"),
            {"table": table.name, "column": column.name, "newest": newest},
        )


def of_revision(database: Database, revision: str) -> Rows:
    """Make an empty database one of that revision, with its data."""
    rows = kept(revision)
    with database.exclusive():
        with database.engine.begin() as connection:
            command.downgrade(configuration(connection), "base")
        with database.engine.begin() as connection:
            command.upgrade(configuration(connection), revision)
            fill(connection, rows)
    return rows


def test_every_revision_that_may_be_out_there_has_its_data() -> None:
    """The newest has, and each that a release fixed; a file without its migration would prove nothing."""
    known = {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}
    fixed = {name.partition("_")[0] for _, name in fixed_scripts()}
    assert {head()} | fixed <= set(REVISIONS) <= known


def test_a_released_migration_is_never_changed() -> None:
    for digest, name in fixed_scripts():
        assert sha256((scripts() / "versions" / name).read_bytes()).hexdigest() == digest, name


def fixed_scripts() -> list[tuple[str, str]]:
    lines = (RELEASED / "released.sha256").read_text(encoding="utf-8").splitlines()
    return [(digest, name) for digest, _, name in (line.partition("  ") for line in lines)]


def test_the_newest_data_fills_every_table(database: Database) -> None:
    assert {name for name, rows in kept(head()).items() if rows} == set(metadata.tables)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_old_database_is_upgraded_and_loses_nothing(database: Database, revision: str) -> None:
    """A migration that changes values on purpose says so here, beside what it makes of them."""
    before = of_revision(database, revision)
    assert migrate(database) == head()
    with database.exclusive(), database.engine.begin() as connection:
        command.check(configuration(connection))
        there = set(inspect(connection).get_table_names())
        tables = MetaData()
        tables.reflect(connection)
        for name in there & before.keys():
            table = tables.tables[name]
            after = [dict(row) for row in connection.execute(select(table)).mappings()]
            common = table.columns.keys() & before[name][0].keys()
            assert _cut(after, common) == _cut(before[name], common), name
    assert pepper(database).hex() == before["installation"][0]["value"]


def _cut(rows: list[dict[str, Any]], columns: set[str]) -> list[str]:
    return sorted(json.dumps({name: row[name] for name in sorted(columns)}) for row in rows)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgraded_database_goes_on(database: Database, database_url: str, tmp_path: Path, revision: str) -> None:
    """`serve` migrates it; what was queued leaves, what was final stays, a repeat gets its answer, an opt-out holds."""
    before = of_revision(database, revision)
    states = {row["state"]: str(row["id"]) for row in before["messages"]}
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        stage.start("serve")
        customer = Customer("key", SECRET, stage.port)
        assert customer.final(states["queued"])["code"] == 1
        assert customer.status(states["failed"])["code"] == 123
        assert customer.status(states["discarded"])["code"] == 125
        delivered = customer.status(states["delivered"])
        assert (delivered["status"], delivered["code"]) == ("sent", 2)  # and clicked
        invited = "+12012223301"
        more: dict[str, Any] = {
            "inviterId": "i",
            "inviterName": "Ann",
            "campaign": "spring",
            "senderPhone": "+12012223390",
        }
        repeat = customer.invite(invited, referenceId="first", **more)
        assert (repeat.json["messageId"], repeat.headers.get("idempotent-replayed")) == (states["delivered"], "true")
        again = customer.invite(invited, osType="IOS").json
        assert (again["code"], again["duplicateOf"]) == (128, states["delivered"])
        assert customer.invite("+12012223303").json["code"] == 127
        assert customer.final(customer.invite("+12012223304").json["messageId"])["code"] == 1
        assert stage.complaints() == []
