"""SQLite on one machine: WAL, every commit on disk before it counts, one writer at a time across processes.

Writers queue on an flock of a side file rather than on SQLite's own busy handler, which sleeps and starves: with two
processes the slowest hundredth waits a tenth as long (measured by `make bench`). The same lock is held while a file is
first opened, since two processes that switch a new file to WAL together can fail each other.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatcher.store.database import DatabaseUnavailable
from dispatcher.store.fifo_bell import FifoBell
from dispatcher.store.statement import Row, Statement

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlmodel import Session

TABLE = Statement("select 1 from sqlite_master where type = 'table' and name = :name")
OLDEST = (3, 35, 0)  # UPDATE ... FROM and RETURNING
BUSY_SECONDS = 10.0
BUSY_PAUSE = 0.02
Identity = tuple[int, int]  # the device and the number of a file
NOWHERE: Identity = (0, 0)
# Rows keyed by hashes touch the same pages again and again: written back every 32 MiB rather than every 4, an intake
# takes a tenth less time (`make bench`). That much is read again after a crash, which takes a moment.
WRITER = ("journal_mode=wal", "synchronous=full", "temp_store=memory", "cache_size=-16384", "wal_autocheckpoint=8000")
READER = ("query_only=on", "cache_size=-4096")
OUTSIDE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class SqliteTx:
    """A transaction on one connection."""

    __slots__ = ("_cursor",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._cursor = connection.cursor()

    def run(self, statement: Statement, rows: Sequence[Row] | None = None, /, **given: Any) -> list[Row]:
        """Execute and return what it returns."""
        return self._cursor.execute(*statement.sqlite(rows, given)).fetchall()


class Sqlite:
    """A SQLite file, opened by this process."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open, and create if need be, the file at `path`. Raises DatabaseUnavailable in one sentence."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise DatabaseUnavailable(f"SQLite {'.'.join(map(str, OLDEST))} or newer is needed")
        self.path = path.resolve()
        self._turn = threading.Lock()
        self._readers: list[tuple[Identity, sqlite3.Connection]] = []
        self._open: list[sqlite3.Connection] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._side = self._beside()
            with self._locked():
                self._writer = self._connect()
                self.path.chmod(0o600)
                self._identity = self._present()
        except (OSError, sqlite3.Error) as error:
            raise DatabaseUnavailable(f"{self.path}: {error}") from error
        self._bell = FifoBell(Path(f"{self.path}.bell"))

    def _beside(self) -> int:
        return os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _present(self) -> Identity:
        """Which file stands at the path. Raises DatabaseUnavailable when none does."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise DatabaseUnavailable(f"{self.path}: {error.strerror}") from error
        return found.st_dev, found.st_ino

    def _follow(self) -> None:
        """Open the file anew where another one was put in its place: what goes into a removed one is lost.

        The side file may be another one too. The lock changes hands within `_locked`, so one waits here in turn again.
        """
        if self._present() == self._identity:
            return
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._readers.clear()
        self._identity = NOWHERE  # nothing is open if one of the following fails, and a number may be used again
        side, self._side = self._side, self._beside()
        os.close(side)  # and with it goes its lock, which would keep this process from locking the same file again
        fcntl.flock(self._side, fcntl.LOCK_EX)
        identity = self._present()  # before it is opened: what is put there between is followed by the next one
        self._writer = self._connect()
        self._identity = identity

    def _connect(self, *, reads: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, cached_statements=512
        )
        for pragma in READER if reads else (*WRITER, "busy_timeout=0"):  # see _begun, last: to open it may take a while
            connection.execute(f"pragma {pragma}")
        self._open.append(connection)
        return connection

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._turn:
            fcntl.flock(self._side, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._side, fcntl.LOCK_UN)

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """A transaction of the writer. While a stranger holds the file, nobody waits for more than their own time."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            with self._locked():
                self._follow()
                if self._begins(until):
                    yield
                    return
            time.sleep(BUSY_PAUSE)

    def _begins(self, until: float) -> bool:
        try:
            self._writer.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and time.monotonic() < until:
                return False
            if _unavailable(error):
                raise DatabaseUnavailable(str(error)) from error
            raise
        return True

    @contextmanager
    def write(self) -> Iterator[SqliteTx]:
        """A transaction that is on disk when the block ends."""
        with self._begun():
            try:
                yield SqliteTx(self._writer)
                self._writer.execute("commit")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("rollback")
                if _unavailable(error):
                    raise DatabaseUnavailable(str(error)) from error
                raise

    @contextmanager
    def read(self) -> Iterator[SqliteTx]:
        """A view of what is committed, on a connection that nobody else uses meanwhile; it waits for nobody."""
        try:
            identity, connection = self._reader()
            try:
                yield SqliteTx(connection)
            finally:
                self._readers.append((identity, connection))
        except sqlite3.OperationalError as error:
            if _unavailable(error):
                raise DatabaseUnavailable(str(error)) from error
            raise

    def _reader(self) -> tuple[Identity, sqlite3.Connection]:
        if self._present() != self._identity:
            with self._locked():
                self._follow()
        while True:
            try:
                identity, connection = self._readers.pop()
            except IndexError:
                return self._identity, self._connect(reads=True)
            if identity == self._identity:
                return identity, connection

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A SQLModel session for what is not hot, committed when the block ends."""
        from sqlalchemy.exc import OperationalError
        from sqlmodel import Session

        try:
            with self._locked(), Session(self.engine, expire_on_commit=False) as session:
                yield session
                session.commit()
        except OperationalError as error:
            if error.orig is not None and _unavailable(error.orig):
                raise DatabaseUnavailable(str(error.orig)) from error
            raise

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else writes while the block lasts: for migrations."""
        with self._locked():
            yield

    @cached_property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, loaded only where it is used. Work with it within `session` or `exclusive` only."""
        return _engine(self.path)

    def has_table(self, name: str) -> bool:
        """Whether such a table is there."""
        with self.read() as tx:
            return bool(tx.run(TABLE, name=name))

    def end_stuck(self) -> int:
        """None: who stands still amid a transaction holds the file itself, and only its end lets go of that."""
        return 0

    def ring(self, topic: str) -> None:
        """Wake the listeners of this file in every process of this machine."""
        self._bell.ring(topic)

    @contextmanager
    def listen(self, heard: Callable[[str], None]) -> Iterator[None]:
        """Hear every ring on this file."""
        with self._bell.listen(heard):
            yield

    def close(self) -> None:
        """Close every connection of this process."""
        if "engine" in self.__dict__:
            self.engine.dispose()
        with self._turn:
            for connection in self._open:
                connection.close()
        os.close(self._side)
        self._bell.close()


def _unavailable(error: BaseException) -> bool:
    """Whether the file, the disk or a lock is at fault, rather than a statement of ours."""
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in OUTSIDE


def _engine(path: Path) -> Engine:
    from sqlalchemy import create_engine, event

    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below decides, not the driver
        connection.execute("pragma synchronous=full")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate")

    return engine
