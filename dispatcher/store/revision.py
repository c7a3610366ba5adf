"""What shape the database has, told without Alembic: a process that only works does not load it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from dispatcher.store.database import Database, DatabaseUnavailable
from dispatcher.store.statement import Statement

PEPPER_NAME: Final = "pepper"
NEWER: Final = "the database was migrated by a newer version of this program; use that one"
REVISION: Final = Statement("select version_num from alembic_version")
PEPPER: Final = Statement("select value from installation where name = :name")


class DatabaseNewer(DatabaseUnavailable):
    """Its shape is one that this program does not know."""


def scripts() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    inside = Path(str(files("dispatcher"))) / "migrations"
    return inside if inside.is_dir() else inside.parent.parent / "migrations"


@cache
def head() -> str:
    """The newest revision: its number begins its file's name, and they are counted up."""
    return max(path.name for path in (scripts() / "versions").glob("[0-9]*_*.py")).partition("_")[0]


def pending(database: Database) -> bool:
    """Whether the database is older than this program. Raises DatabaseNewer where it is newer."""
    if not database.has_table("alembic_version"):
        return True
    with database.read() as tx:
        found = [row[0] for row in tx.run(REVISION)]
    if found > [head()]:
        raise DatabaseNewer(NEWER)
    return found != [head()]


def pepper(database: Database) -> bytes:
    """The pepper of the person hashes."""
    with database.read() as tx:
        return bytes.fromhex(tx.run(PEPPER, name=PEPPER_NAME)[0][0])
