"""Bringing a database to the newest shape: Alembic, called from the program, never by two processes at once."""

from __future__ import annotations

import secrets

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text

from dispatcher.store.database import Database, DatabaseUnavailable
from dispatcher.store.revision import NEWER, scripts
from dispatcher.store.revision import PEPPER_NAME as PEPPER


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
            try:
                command.upgrade(configuration(connection), "head")
            except CommandError:
                raise DatabaseUnavailable(NEWER) from None
        with database.engine.begin() as connection:
            if not connection.scalar(text("select count(*) from installation where name = :name"), {"name": PEPPER}):
                connection.execute(
                    text("insert into installation (name, value) values (:name, :value)"),
                    {"name": PEPPER, "value": secrets.token_hex(32)},
                )
            return MigrationContext.configure(connection).get_current_revision() or ""
