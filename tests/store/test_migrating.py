"""Bringing a database to the newest shape: twice, from two processes, there and back, and equal to the tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from dispatcher.store.database import Database, DatabaseUnavailable
from dispatcher.store.migrating import configuration, migrate
from dispatcher.store.postgres import Postgres
from dispatcher.store.revision import head, pending, pepper
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.tables import metadata
from tests.factories import provision
from tests.store.test_fifo_bell import line, talking

MIGRATES = """
import sys
from pathlib import Path
from dispatcher.store.migrating import migrate
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite

url = sys.argv[1]
database = Sqlite(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite") else Postgres(url)
print("ready", flush=True)
sys.stdin.readline()
print(migrate(database), flush=True)
database.close()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new.db"
    url = str(request.getfixturevalue("postgres_url"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    return url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database: Database
    if empty_url.startswith("sqlite"):
        database = Sqlite(Path(empty_url.removeprefix("sqlite:///")))
    else:
        database = Postgres(empty_url)
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def test_the_newest_is_what_alembic_takes_for_it() -> None:
    assert [head()] == ScriptDirectory.from_config(configuration()).get_heads()


def test_a_new_database_and_again(empty: Database) -> None:
    assert pending(empty)
    assert migrate(empty) == head()
    assert not pending(empty)
    assert tables(empty) == set(metadata.tables) | {"alembic_version"}
    seasoning = pepper(empty)
    assert len(seasoning) == 32
    provision(empty)
    assert migrate(empty) == head()
    assert pepper(empty) == seasoning


def test_every_installation_has_a_pepper_of_its_own(tmp_path: Path) -> None:
    peppers = set()
    for name in ("one", "other"):
        database = Sqlite(tmp_path / f"{name}.db")
        migrate(database)
        peppers.add(pepper(database))
        database.close()
    assert len(peppers) == 2


def test_two_processes_at_once(empty: Database, empty_url: str) -> None:
    with talking(MIGRATES, empty_url) as one, talking(MIGRATES, empty_url) as other:
        assert [line(child) for child in (one, other)] == ["ready", "ready"]
        for child in (one, other):
            assert child.stdin is not None
            child.stdin.write(b"\n")
        assert [line(child) for child in (one, other)] == [head(), head()]
        assert [child.wait(10) for child in (one, other)] == [0, 0]
    assert len(pepper(empty)) == 32
    assert tables(empty) == set(metadata.tables) | {"alembic_version"}


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.exclusive(), database.engine.begin() as connection:
        command.check(configuration(connection))


def test_down_and_up_again(database: Database) -> None:
    with database.exclusive():
        with database.engine.begin() as connection:
            command.downgrade(configuration(connection), "base")
        assert tables(database) == {"alembic_version"}
        assert pending(database)
        with database.engine.begin() as connection:
            command.upgrade(configuration(connection), "head")
            command.check(configuration(connection))
    assert not pending(database)


def test_a_database_of_another_age_is_pending(database: Database) -> None:
    with database.exclusive(), database.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '0000'")
    assert pending(database)


def test_a_database_that_a_newer_program_migrated_is_refused_in_a_sentence(database: Database) -> None:
    with database.exclusive(), database.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    for act in (pending, migrate):
        with pytest.raises(DatabaseUnavailable, match="migrated by a newer version"):
            act(database)
