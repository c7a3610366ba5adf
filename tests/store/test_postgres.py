"""What PostgreSQL alone promises: a pool that heals, a bell that is heard again, and plain words when it is away."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TypeVar

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dispatcher.store import postgres
from dispatcher.store.database import DatabaseUnavailable
from dispatcher.store.postgres import Postgres
from dispatcher.store.statement import Statement
from dispatcher.store.tables import metadata
from tests.store.test_fifo_bell import Ears

Found = TypeVar("Found")
SOON = 10.0
NODE = Statement("insert into node_leases (node, owner, lease_until, minted_to) values (:node, '', 0, 0)")
NODES = Statement("select node from node_leases order by node")
OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def base(postgres_url: str) -> Iterator[Postgres]:
    database = Postgres(postgres_url, connections=2)
    yield database
    database.close()


def terminate(url: str, which: str = "") -> int:
    """End other connections to this database; how many."""
    with psycopg.connect(url, autocommit=True) as connection:
        return len(connection.execute(f"select pg_terminate_backend(pid) {OTHERS} {which}".encode()).fetchall())


def add(base: Postgres, *numbers: int, then: Callable[[], object] | None = None) -> None:
    with base.write() as tx:
        for number in numbers:
            tx.run(NODE, node=number)
        if then:
            then()


def add_by_session(base: Postgres, number: int, then: Callable[[], object] | None = None) -> None:
    with base.session() as session:
        session.connection().execute(text(f"insert into node_leases values ({number}, '', 0, 0)"))
        if then:
            then()


def nodes(base: Postgres) -> list[int]:
    with base.read() as tx:
        return [row[0] for row in tx.run(NODES)]


def eventually(act: Callable[[], Found], tries: int = 4) -> Found:
    """What it gives once the store is there again: each connection of the pool may fail once."""
    for _ in range(tries):
        try:
            return act()
        except DatabaseUnavailable:
            time.sleep(0.01)
    return act()


def fails() -> None:
    raise KeyError


def test_every_commit_is_on_disk(base: Postgres) -> None:
    with base.write() as tx:
        assert tx.run(Statement("show synchronous_commit")) == [("on",)]


def test_what_raises_is_undone(base: Postgres) -> None:
    with pytest.raises(KeyError):
        add(base, 1, then=fails)
    with pytest.raises(KeyError):
        add_by_session(base, 2, then=fails)
    add(base, 3)
    add_by_session(base, 4)
    assert nodes(base) == [3, 4]


def test_a_reader_sees_what_is_committed_and_waits_for_no_writer(base: Postgres) -> None:
    seen: list[list[int]] = []
    add(base, 1, then=lambda: seen.append(nodes(base)))
    assert (seen, nodes(base)) == ([[]], [1])


# --- Whose fault it is ------------------------------------------------------------------------------------------------


def wrong_write(base: Postgres) -> None:
    with base.write() as tx:
        tx.run(Statement("insert into nowhere values (1)"))


def wrong_read(base: Postgres) -> None:
    with base.read() as tx:
        tx.run(Statement("select nothing from node_leases"))


def wrong_session(base: Postgres) -> None:
    with base.session() as session:
        session.connection().execute(text("select * from nowhere"))


def twice(base: Postgres) -> None:
    add(base, 1, 1)


def too_long(base: Postgres) -> None:
    with base.write() as tx:
        tx.run(Statement("update node_leases set owner = :owner"), owner="x" * 65)
        tx.run(Statement("insert into node_leases values (1, :owner, 0, 0)"), owner="x" * 65)


def wrong_before_right(base: Postgres) -> None:
    with base.write() as tx:
        tx.run(Statement("insert into node_leases values (1, :owner, 0, 0)"), owner="x" * 65)
        tx.run(Statement("insert into node_leases values (2, '', 0, 0) returning node"))


@pytest.mark.parametrize("act", [wrong_write, wrong_read, wrong_session, twice, too_long, wrong_before_right])
def test_a_wrong_statement_is_not_called_unavailable(base: Postgres, act: Callable[[Postgres], None]) -> None:
    with pytest.raises((psycopg.Error, DBAPIError)):
        act(base)
    assert nodes(base) == []


@pytest.mark.parametrize(
    "url", ["postgresql://u:SECRET@[::1/x", "postgresql://u:SECRET@h/a b%%", "postgresql://u:SEC RET@%zz"]
)
def test_an_address_that_is_none_is_not_repeated(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatabaseUnavailable, match="database_url: must be an address such as") as refused:
        Postgres(url)
    assert "SEC" not in str(refused.value) + caplog.text


def refusal(url: str) -> str:
    """Why it cannot be opened, told sooner than the pool would give up."""
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as refused:
        Postgres(url)
    assert time.monotonic() - begun < postgres.WAIT_SECONDS
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_nobody_answers() -> None:
    assert refusal(NOBODY).endswith('connection to server at "127.0.0.1", port 1 failed: Connection refused')


def test_why_nobody_is_let_in_is_told_at_once(postgres_url: str) -> None:
    said = refusal(make_conninfo(postgres_url, user="nosuch", password="SECRET"))
    assert '"nosuch"' in said, "a role that is not there, or has another password"
    assert "SECRET" not in said
    assert refusal(make_conninfo(postgres_url, dbname="nosuch")).endswith('FATAL: database "nosuch" does not exist')


def test_a_server_that_says_nothing_is_waited_for_as_long_as_a_connection_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(postgres.KEEPALIVE, "connect_timeout", 2)  # the least that libpq takes
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refusal(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing")
    assert "timeout expired" in said


def cut_read(base: Postgres, url: str) -> None:
    with base.read() as tx:
        terminate(url)
        tx.run(NODES)


def cut_session(base: Postgres, url: str) -> None:
    with base.session() as session:
        session.connection()
        terminate(url)
        session.connection().execute(text("select 1"))


@pytest.mark.parametrize("act", [cut_read, cut_session])
def test_a_connection_cut_amid_its_use(base: Postgres, postgres_url: str, act: Callable[[Postgres, str], None]) -> None:
    with pytest.raises(DatabaseUnavailable):
        act(base, postgres_url)
    assert eventually(lambda: nodes(base)) == []


def test_a_connection_cut_before_the_commit(base: Postgres, postgres_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        add(base, 1, then=lambda: terminate(postgres_url))
    assert eventually(lambda: nodes(base)) == []
    add(base, 2)
    assert nodes(base) == [2]


def test_connections_cut_while_nobody_used_them(base: Postgres, postgres_url: str) -> None:
    add(base, 1)
    for round_ in range(3):
        assert terminate(postgres_url)
        eventually(lambda number=round_: add(base, 10 + number))  # type: ignore[misc]
    assert nodes(base) == [1, 10, 11, 12]


def test_a_pool_that_is_used_up(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "WAIT_SECONDS", 0.5)
    base = Postgres(postgres_url, connections=2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(base.read())
        with pytest.raises(DatabaseUnavailable):
            add(base, 1)
    add(base, 2)
    assert nodes(base) == [2]
    base.close()


def test_a_ring_does_not_wait_for_a_connection(base: Postgres) -> None:
    with ThreadPoolExecutor(1) as pool:
        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(base.read())
            rung = pool.submit(base.ring, "due")
            time.sleep(0.2)
            done = rung.done()
        rung.result(SOON)
    assert done


def test_a_ring_while_the_server_is_away_fails_for_nobody(postgres_url: str) -> None:
    base = Postgres(postgres_url, connections=1)
    terminate(postgres_url)
    base.ring("due")
    base.close()
    base.ring("due")


# --- The bell ---------------------------------------------------------------------------------------------------------


def test_listening_begins_with_everything(base: Postgres) -> None:
    ears = Ears()
    with base.listen(ears):
        assert ears.next() == "*", "whatever was rung while nobody listened"
        for topic in ("due", "callbacks"):
            base.ring(topic)
            assert ears.next() == topic
    base.ring("due")
    assert ears.next(0.05) == ""


def test_many_rings_at_once_are_few(base: Postgres) -> None:
    begun, go = threading.Event(), threading.Event()
    heard: list[str] = []

    def slow(topic: str) -> None:
        heard.append(topic)
        begun.set()
        assert go.wait(SOON)

    with base.listen(slow):
        assert begun.wait(SOON)
        for _ in range(200):
            base.ring("due")
        go.set()
        end = time.monotonic() + SOON
        while "due" not in heard and time.monotonic() < end:
            time.sleep(0.01)
    assert 2 <= len(heard) < 100


def test_a_listener_whose_connection_was_ended_listens_again(
    base: Postgres, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ears = Ears()
    with caplog.at_level(logging.WARNING, logger=postgres.__name__), base.listen(ears):
        for _ in range(2):
            assert ears.next() == "*"
            base.ring("due")
            assert ears.next() == "due"
            assert terminate(postgres_url, "and query = 'listen dispatcher'") == 1
        assert ears.next() == "*", "each opening counts as a ring of all"
    assert [record.getMessage() for record in caplog.records] == ["listening was interrupted", "listening again"] * 2


def test_an_outage_is_told_when_it_begins_and_when_it_is_over(
    base: Postgres, postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = Ears()
    monkeypatch.setattr(postgres, "LISTEN_SECONDS", 0.01)
    with caplog.at_level(logging.WARNING, logger=postgres.__name__), base.listen(ears):
        assert ears.next() == "*"
        with socket.create_server(("127.0.0.1", 0)) as hanging_up:
            hanging_up.settimeout(SOON)
            monkeypatch.setattr(base, "_dsn", f"postgresql://nobody@127.0.0.1:{hanging_up.getsockname()[1]}/nothing")
            assert terminate(postgres_url, "and query = 'listen dispatcher'") == 1
            for _ in range(8):  # a try takes up to three: by GSS, by TLS, by neither
                hanging_up.accept()[0].close()
        monkeypatch.setattr(base, "_dsn", postgres_url)
        assert ears.next() == "*"
    assert [record.getMessage() for record in caplog.records] == ["listening was interrupted", "listening again"]


# --- The rest ---------------------------------------------------------------------------------------------------------


def test_while_one_has_it_alone_nobody_else_migrates(base: Postgres, postgres_url: str) -> None:
    other = Postgres(postgres_url)
    mine, theirs = threading.Event(), threading.Event()

    def wait_for_it() -> None:
        mine.set()
        with other.exclusive():
            theirs.set()

    with base.exclusive():
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        assert mine.wait(SOON)
        assert not theirs.wait(0.05)
        add(other, 1)
    assert theirs.wait(SOON)
    thread.join()
    assert nodes(base) == [1]
    other.close()


def test_a_server_that_is_away_when_it_is_to_be_had_alone(base: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_dsn", NOBODY)
    with pytest.raises(DatabaseUnavailable), base.exclusive():
        pass


def test_has_table(base: Postgres) -> None:
    assert all(base.has_table(name) for name in metadata.tables)
    assert not base.has_table("nowhere")


def test_the_pool_and_sqlalchemy_understand_an_address_alike(postgres_url: str) -> None:
    base = Postgres(postgres_url)
    with base.engine.connect() as connection:
        found = connection.exec_driver_sql("select current_database()").scalar()
    with base.read() as tx:
        assert tx.run(Statement("select current_database()::text")) == [(found,)]
    base.close()


@pytest.mark.parametrize("piped", [False, True])
def test_whoever_stands_still_amid_a_transaction_is_cut_off(postgres_url: str, *, piped: bool) -> None:
    """As a process that was stopped, or a host that is gone; neither who has begun nothing nor another's program is."""
    ours, idle, other = (
        psycopg.connect(postgres_url, application_name=name, autocommit=True)
        for name in ("dispatcher", "dispatcher", "another")
    )
    with closing(Postgres(postgres_url, connections=2)) as database, closing(idle), closing(other), closing(ours):
        other.execute("begin")
        if piped:
            ours.pipeline().__enter__()
        ours.execute("begin")
        assert ours.execute("select 1").fetchone() == (1,)
        assert database.end_stuck(3600) == 0
        assert database.end_stuck(0) == 1
        with pytest.raises(psycopg.OperationalError):
            ours.execute("select 1").fetchone()
        assert idle.execute("select 1").fetchone() == other.execute("select 1").fetchone() == (1,)


def test_whoever_migrates_is_not(postgres_url: str) -> None:
    """It holds its lock for as long as another connection needs."""
    with closing(Postgres(postgres_url, connections=2)) as database, database.exclusive():
        assert database.end_stuck(0) == 0


def test_a_long_transaction_that_goes_on_is_not(postgres_url: str) -> None:
    with (
        closing(Postgres(postgres_url, connections=2)) as database,
        psycopg.connect(postgres_url, application_name="dispatcher") as ours,
    ):
        ours.execute("select pg_sleep(1)")
        ours.execute("select 1")
        assert database.end_stuck(1) == 0
        assert ours.execute("select 1").fetchone() == (1,)


def test_nobody_waits_for_a_row_longer_than_two_seconds(postgres_url: str) -> None:
    with closing(Postgres(postgres_url, connections=2)) as database, database.read() as tx:
        assert tx.run(Statement("select current_setting('lock_timeout')")) == [("2s",)]
