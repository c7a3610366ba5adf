"""The port of the statements: a database that hands out transactions, whichever of the two it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from dispatcher.engine.ports import StoreUnavailable as DatabaseUnavailable
from dispatcher.store.statement import Tx

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

__all__ = ["Database", "DatabaseUnavailable"]


class Database(Protocol):
    """A SQLite file or a PostgreSQL database. Both methods may raise DatabaseUnavailable."""

    name: str

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for what is not hot."""
        ...

    def write(self) -> AbstractContextManager[Tx]:
        """A transaction that is on disk when the block ends, or undone when it raises."""
        ...

    def read(self) -> AbstractContextManager[Tx]:
        """A view of what is committed, for one block."""
        ...

    def session(self) -> AbstractContextManager[Session]:
        """A SQLModel session for what is not hot, committed when the block ends."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Nobody else migrates while the block lasts."""
        ...

    def has_table(self, name: str) -> bool:
        """Whether such a table is there."""
        ...

    def end_stuck(self) -> int:
        """End the transactions of processes that stand still amid one and keep others waiting; how many there were."""
        ...

    def ring(self, topic: str) -> None:
        """Wake whoever waits for this topic in any process, after a commit. A hint only: it never fails or blocks."""
        ...

    def listen(self, heard: Callable[[str], None]) -> AbstractContextManager[None]:
        """Call `heard` with each topic rung by any process, from a thread of its own, while the block lasts."""
        ...

    def close(self) -> None:
        """Give back every connection."""
        ...
