"""No statement reads through a table that grows: SQLite is asked how it would do each one, and must use an index.

A plan that searches by a part of a key would read a whole app's rows, so tables with keys of two columns are held to
both. PostgreSQL plans by its statistics, which an empty database does not have; `make bench` looks at that.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import dispatcher.store
from dispatcher.store.queue import LANES
from dispatcher.store.statement import Statement

SMALL = {
    "apps",
    "senders",
    "connections",
    "sender_apps",
    "workers",
    "node_leases",
    "bind_leases",
    "unusable",
    "endpoints",
    "connection_health",
    "sender_health",
    "alarms",
    "alembic_version",
}  # these an operator or a process adds
SCAN = re.compile(r"SCAN (\w+)$")
PART = re.compile(
    r"SEARCH (duplicate_slots|idempotency_keys|optouts|[sk]) USING PRIMARY KEY \((app_id|account_id)=\?\)"
)


def statements() -> Iterator[tuple[str, Statement]]:
    for module in pkgutil.iter_modules(dispatcher.store.__path__):
        for name, value in vars(importlib.import_module(f"dispatcher.store.{module.name}")).items():
            for key, each in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(each, Statement) and "to_regclass" not in each.postgres:
                    yield f"{module.name}.{name}{key and f'[{key}]'}", each


STATEMENTS = dict(statements())


def plan(path: Path, statement: Statement) -> list[str]:
    rows = [(1,) * len(statement.columns)] * 3 if statement.columns else None
    text, _ = statement.sqlite(rows, dict.fromkeys(re.findall(r"\w+", statement.postgres), 1))
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(f"explain query plan {text}", [1] * text.count("?")).fetchall()
    finally:
        connection.close()
    return [row[3] for row in found]


@pytest.mark.parametrize("name", STATEMENTS)
def test_it_reads_through_no_table_that_grows(name: str, sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    steps = plan(path, STATEMENTS[name])
    tables = set(re.findall(r"(?:from|join) (\w+) (?:as )?(\w+)\b", STATEMENTS[name].postgres))
    small = SMALL | {alias for table, alias in tables if table in SMALL}
    named = {row[0] for row in sqlite3.connect(path).execute("select name from sqlite_master where type = 'table'")}
    grows = {alias for table, alias in tables if table in named - SMALL} | (named - SMALL)
    assert [step for step in steps if (found := SCAN.match(step)) and found[1] in grows - small] == []
    assert [step for step in steps if PART.match(step)] == []


def test_looking_for_lanes_costs_no_more_where_they_are_long(sqlite_url: str, tmp_path: Path) -> None:
    """Its plan cannot tell, for it names an index that it could read through."""

    def steps(rows: int) -> int:
        counted: list[int] = []
        with closing(sqlite3.connect(tmp_path / f"{rows}.db")) as connection:
            columns = "id integer primary key, app_id, region, awaited, flow, due_at, state"
            connection.execute(f"create table messages ({columns})")
            connection.execute(index)
            values = [(1 + n % 3, ("US", "DE")[n % 2], n // 6 % 2) for n in range(rows)]
            connection.executemany("insert into messages values (null, ?, ?, 0, ?, 0, 'queued')", values)
            connection.set_progress_handler(lambda: counted.append(1), 1)
            assert len(connection.execute(LANES.sqlite(None, {})[0]).fetchall()) == 12
        return len(counted)

    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as made:
        [(index,)] = made.execute("select sql from sqlite_master where name = 'ix_messages_due'")
    assert steps(6000) == steps(12)


def test_there_are_statements_to_look_at() -> None:
    assert {"queue.CLAIM", "steps.STEP[submit]", "finals.FREE", "admissions.TAKE_SLOTS"} <= set(STATEMENTS)
