"""Alembic's environment: the caller hands in the open connection (dispatcher.store.migrating)."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel.sql.sqltypes import AutoString

from dispatcher.store.tables import Instant, metadata


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own and SQLModel's types as the plain ones that they are in the database."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})"
    return False


def same_type(ctx: Any, found: Any, declared: Any, found_type: Any, declared_type: Any) -> bool | None:
    """Instants are BIGINTs; everything else is compared as Alembic does."""
    if isinstance(declared_type, Instant):
        return not isinstance(found_type, sa.BigInteger)
    return None


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_item=render_item,
    render_as_batch=True,
    compare_type=same_type,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
