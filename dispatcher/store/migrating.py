"""Bringing a database to the newest shape: Alembic, called from the program, never by two processes at once."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from dispatcher.store.database import Database

PEPPER: Final = "pepper"


def scripts() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    inside = Path(str(files("dispatcher"))) / "migrations"
    return inside if inside.is_dir() else inside.parent.parent / "migrations"


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file."""
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(database: Database) -> str:
    """Apply what is missing; the revision reached. The pepper of the person hashes is made on the first run."""
    with database.exclusive():
        with database.engine.begin() as connection:
            command.upgrade(configuration(connection), "head")
        with database.engine.begin() as connection:
            if not connection.scalar(text("select count(*) from installation where name = :name"), {"name": PEPPER}):
                connection.execute(
                    text("insert into installation (name, value) values (:name, :value)"),
                    {"name": PEPPER, "value": secrets.token_hex(32)},
                )
            return MigrationContext.configure(connection).get_current_revision() or ""


def pending(database: Database) -> bool:
    """Whether the database is older than this program."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() != head


def pepper(database: Database) -> bytes:
    """The pepper of the person hashes."""
    with database.engine.connect() as connection:
        return bytes.fromhex(
            connection.scalar(text("select value from installation where name = :name"), {"name": PEPPER})
        )
