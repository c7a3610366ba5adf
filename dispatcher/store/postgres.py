"""PostgreSQL, for any number of processes on any number of hosts: a small pool, and LISTEN/NOTIFY as the bell."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from dispatcher.store.database import DatabaseUnavailable
from dispatcher.store.statement import Row, Statement

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

TABLE: Final = Statement("select 1 where to_regclass(:name) is not null")
log = logging.getLogger(__name__)
# Of each try of the pool to connect there would be a line; who waits for a connection says once that there is none.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
CHANNEL: Final = "dispatcher"
WAIT_SECONDS: Final = 5.0
LISTEN_SECONDS: Final = 1.0  # from try to try
RING_SECONDS: Final = 1.0  # a hint is not worth waiting for: whoever listens sweeps too
# Who listens sends nothing, and what stands between may keep its dead connection open for ever: so it asks.
PROBE_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 3.0
# The last one is what a standby says that was promoted to by mistake, or not yet.
OUTSIDE: Final = (PoolTimeout, psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)
PROGRAM: Final = "dispatcher"  # as application_name
KEEPALIVE: Final[dict[str, Any]] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds; else what was sent to a host that vanished is waited for by the hour
    "connect_timeout": 5,
    "application_name": PROGRAM,
}


# Nobody of ours says nothing for so long amid a transaction, unless its process was stopped or its host is gone; what
# it has locked the others wait for, and one that is only slow is undone and begins again. They are looked for:
# idle_in_transaction_session_timeout does not end who stopped within a pipeline.
STUCK: Final = f"""select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
    and application_name = '{PROGRAM}' and wait_event = 'ClientRead' and xact_start is not null
    and state_change < clock_timestamp() - make_interval(secs => %(seconds)s)"""
STUCK_SECONDS: Final = 5.0


# The hot statements look single rows up by keys, and their plans are made once. Made while a table is young, they would
# read all of it, and go on doing so when it has grown, until it happens to be analysed.
PLANS: Final = "select " + ", ".join(
    f"set_config('{name}', '{value}', %(of_transaction)s)"
    for name, value in (
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        # For whatever holds a row so long, 503 is an answer and waiting is none, as it takes a thread that others need.
        # More than deadlock_timeout (1 s), so that of two that wait for each other one goes on.
        ("lock_timeout", "2s"),
    )
)


def _by_keys(connection: psycopg.Connection[Any], *, of_transaction: bool = False) -> None:
    connection.execute(PLANS.encode(), {"of_transaction": of_transaction})


class PostgresTx:
    """A transaction on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: Statement, rows: Sequence[Row] | None = None, /, **given: Any) -> list[Row]:
        """Execute and return what it returns."""
        cursor = self._connection.execute(
            statement.postgres.encode(), statement.postgres_parameters(rows, given), prepare=True, binary=True
        )
        return cursor.fetchall() if statement.returns else []


class Postgres:
    """A PostgreSQL database, as this process sees it."""

    name = "postgres"

    def __init__(self, url: str, *, connections: int = 8, pooled: bool = False) -> None:
        """Open the pool; `url` is `postgresql://...`. Raises DatabaseUnavailable, with libpq's reason, if it cannot.

        `pooled`: another pool stands between, such as PgBouncer, and gives each transaction any connection. Then
        nothing is left on one for a later transaction to count on: no settings, no prepared statements, no LISTEN.
        """
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # whose words repeat the address, with its password
            raise DatabaseUnavailable("database_url: must be an address such as postgresql://USER@HOST/NAME") from None
        self._dsn = url
        self._pooled = pooled
        self._given = {"prepare_threshold": None} if pooled else {}  # never prepare, whatever a statement asks for
        try:  # the pool would try on, and tell no reason
            psycopg.connect(self._dsn, **KEEPALIVE).close()
        except psycopg.OperationalError as error:
            reason = str(error).partition("\n")[0]  # then come hints, and what was tried before
            raise DatabaseUnavailable(f"PostgreSQL: {' '.join(reason.split())}") from error
        self._pool = ConnectionPool(
            self._dsn,
            min_size=1,
            max_size=connections,
            timeout=WAIT_SECONDS,
            reconnect_timeout=WAIT_SECONDS,  # its waits double: given up and begun anew, they stay short
            kwargs={"autocommit": True, **KEEPALIVE, **self._given},
            configure=None if pooled else _by_keys,
            open=False,
        )
        try:
            self._pool.open(wait=True, timeout=WAIT_SECONDS)
        except PoolTimeout as error:
            self._pool.close()
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
        self._topics: set[str] = set()
        self._rung = threading.Condition()
        self._closed = False
        self._ringer: threading.Thread | None = None

    @contextmanager
    def write(self) -> Iterator[PostgresTx]:
        """A transaction that is committed, synchronously, when the block ends."""
        # In a pipeline only what returns something is waited for; the rest travels with the next, or the commit.
        with self._connection() as connection, connection.pipeline(), connection.transaction():
            if self._pooled:
                _by_keys(connection, of_transaction=True)
            yield PostgresTx(connection)

    @contextmanager
    def read(self) -> Iterator[PostgresTx]:
        """What is committed, one statement at a time."""
        if self._pooled:  # the settings end with a transaction, so this is one too
            with self.write() as tx:
                yield tx
            return
        with self._connection() as connection:
            yield PostgresTx(connection)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """One of the pool. Once one broke, the others are taken for broken too: each would cost somebody a failure."""
        connection: psycopg.Connection[Any] | None = None
        try:
            with self._pool.connection() as connection:
                yield connection
        except OUTSIDE as error:
            if connection is not None and connection.closed:
                self._pool.drain()
            raise DatabaseUnavailable(str(error).strip() or type(error).__name__) from error

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A SQLModel session for what is not hot, committed when the block ends."""
        from sqlalchemy.exc import OperationalError
        from sqlmodel import Session

        try:
            with Session(self.engine, expire_on_commit=False) as session:
                yield session
                session.commit()
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig).strip()) from error

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else migrates while the block lasts."""
        try:
            # By a name of its own, since it says nothing for as long as the block lasts.
            named = KEEPALIVE | {"application_name": f"{PROGRAM} migrations"}
            connection = psycopg.connect(self._dsn, autocommit=True, **named)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error).strip()) from error
        with connection, connection.transaction():  # which ends the lock, and keeps the connection its own
            connection.execute("select pg_advisory_xact_lock(hashtext('dispatcher migrations'))")
            yield

    @cached_property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, loaded only where it is used."""
        from sqlalchemy import create_engine

        url = self._dsn.replace("postgresql://", "postgresql+psycopg://", 1)
        return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args=self._given)

    def has_table(self, name: str) -> bool:
        """Whether such a table is there."""
        with self.read() as tx:
            return bool(tx.run(TABLE, name=name))

    def end_stuck(self, seconds: float = STUCK_SECONDS) -> int:
        """End transactions in which nothing was said for so long; their processes find their connections closed."""
        with self._connection() as connection:
            ended = len(connection.execute(STUCK.encode(), {"seconds": seconds}).fetchall())
        if ended:
            log.warning("a transaction that stood still was ended", extra={"action": "stuck", "count": ended})
        return ended

    def ring(self, topic: str) -> None:
        """NOTIFY after the commit, so that writers do not queue on the notify lock inside their own; waits for nothing.

        What is rung while a NOTIFY is under way goes out with the next one, once for each topic.
        """
        with self._rung:
            self._topics.add(topic)
            if self._ringer is None and not self._closed:
                self._ringer = threading.Thread(target=self._ring_on, name="ringer", daemon=True)
                self._ringer.start()
            self._rung.notify()

    def _ring_on(self) -> None:
        while True:
            with self._rung:
                self._rung.wait_for(lambda: self._topics or self._closed)
                topics, self._topics = sorted(self._topics), set()
            if not topics:
                return
            with (
                contextlib.suppress(PoolTimeout, PoolClosed, psycopg.OperationalError),
                self._pool.connection(RING_SECONDS) as connection,
            ):
                connection.execute("select pg_notify(%s, unnest(%s::text[]))", (CHANNEL, topics), prepare=True)

    @contextmanager
    def listen(self, heard: Callable[[str], None]) -> Iterator[None]:
        """LISTEN on a connection of its own, opened again whenever it breaks; each opening counts as a ring of all.

        Pooled, nothing is heard: what was rung is found by the sweep.
        """
        if self._pooled:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._listen, args=(heard, stop), name="bell", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _listen(self, heard: Callable[[str], None], stop: threading.Event) -> None:
        interrupted = False
        while not stop.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True, **KEEPALIVE) as connection:
                    connection.execute(f"listen {CHANNEL}")
                    if interrupted:
                        log.warning("listening again", extra={"action": "listen"})
                    interrupted = False
                    heard("*")  # whatever was rung while nobody listened
                    probed = time.monotonic()
                    while not stop.is_set():
                        for topic in {note.payload for note in connection.notifies(timeout=0.5, stop_after=1)}:
                            heard(topic)
                        if time.monotonic() - probed >= PROBE_SECONDS:
                            _probe(connection)
                            probed = time.monotonic()
            except psycopg.Error as error:
                if not interrupted:  # said once, not at every try
                    log.warning("listening was interrupted", extra={"action": "listen", "error": str(error).strip()})
                interrupted = True
                stop.wait(LISTEN_SECONDS)

    def close(self) -> None:
        """Send what was rung, and close the pool."""
        with self._rung:
            self._closed = True
            self._rung.notify()
        if self._ringer is not None:
            self._ringer.join()
        self._pool.close()
        if "engine" in self.__dict__:
            self.engine.dispose()


def _probe(connection: psycopg.Connection[Any]) -> None:
    """Let the server answer. Raises OperationalError when it does not within ANSWER_SECONDS."""
    watch = threading.Timer(ANSWER_SECONDS, _hang_up, [connection.fileno()])
    watch.daemon = True
    watch.start()
    try:
        connection.execute("select")
    finally:
        watch.cancel()
        watch.join()


def _hang_up(fileno: int) -> None:
    """End a connection under whoever waits on it; its own methods would wait too."""
    with socket.socket(fileno=os.dup(fileno)) as line, contextlib.suppress(OSError):  # it ended by itself
        line.shutdown(socket.SHUT_RDWR)
