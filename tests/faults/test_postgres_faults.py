"""Faults of PostgreSQL and of the line to it: every process survives them, and no operator is asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from dispatcher.store.database import Database, DatabaseUnavailable
from dispatcher.store.postgres import Postgres
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.faults.crowd import Crowd
from tests.faults.ledger import audit, live
from tests.faults.postgres import Line, Server, server, steadily
from tests.faults.scene import CALLBACK, FULL, SETTINGS, Scene
from tests.faults.tally import tally
from tests.processes import Customer, Receiver, Recorder, eventually, staged

OURS: Final = "application_name = 'dispatcher' and pid <> pg_backend_pid()"
ATTEMPTS: Final = Statement("select fate, generation from attempts where message_id = :id order by generation")


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that a test may stop."""
    with server(max_connections="40") as made:
        yield made


@pytest.fixture
def own_url(own_server: Server) -> str:
    own_server.start()  # a test that failed may have left it as it was
    return own_server.make()


@pytest.fixture
def own_database(own_url: str) -> Iterator[Database]:
    """What the test itself looks through."""
    database = Postgres(own_url, connections=2)
    yield database
    database.close()


def prepare(database: Database, recorder: Recorder, receiver: Receiver, **more: Any) -> Customer:
    """An account, whose customer asks the web process of `port` 0 until it is told another."""
    provision(
        database,
        carrier="generic",
        settings=recorder.settings(),
        callback_url=receiver.url + CALLBACK,
        **({"senders": 4, "mps": 50} | more),
    )
    return Customer("key", SECRET, 0)


def settled(database: Database, recorder: Recorder, seconds: float = 60.0) -> None:
    """Until nothing is on its way any more."""
    eventually("nothing is on its way", lambda: try_(lambda: live(database) == 0), seconds)
    eventually("every receipt is taken", lambda: len(recorder.receipts()) == recorder.count(), seconds)


def assert_patient(crowd: Crowd) -> None:
    """Whoever was not accepted was asked to come again, and nobody was left without an answer."""
    told = {(answer.status, answer.headers.get("retry-after")) for answer in crowd.refused}
    assert told <= {(503, "2")}
    assert crowd.unanswered == 0


def test_postgres_restart_mid_run(
    own_server: Server, own_url: str, own_database: Database, recorder: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    """It goes away for a while, gently or as in a crash, amid intake and submits, and comes back."""
    count, restarts = (1500, 10) if FULL else (200, 2)
    customer = prepare(own_database, recorder, receiver)
    recorder.tell(pause=0.1)
    with staged(own_url, tmp_path, **SETTINGS) as stage:
        stage.start("web")
        work = stage.start("work", ready=False)
        with Crowd(customer, count, [stage.port], pause=0.25 if FULL else 0.1, goes_on=True) as crowd:
            for n in range(restarts):
                crowd.wait_for(count * (n + 1) // (restarts + 2))
                recorder.wait_for(recorder.count() + 1)
                refused = len(crowd.refused)
                own_server.stop(("fast", "immediate")[n % 2])
                eventually("intake refuses", lambda before=refused: len(crowd.refused) > before)  # type: ignore[misc]
                own_server.start()
                tally.fault()
            crowd.wait_for_all()
        settled(own_database, recorder)
        found = audit(own_database, recorder, receiver, crowd.accepted, {})
        assert found.unknown == frozenset()
        assert work.popen.poll() is None
        assert_patient(crowd)
        assert stage.complaints() == []


def test_results_that_cannot_be_written_are_kept(
    own_server: Server, own_url: str, own_database: Database, recorder: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    """The carrier answers while PostgreSQL is away; what it said is written when it is back, and nobody asks again.

    No receipt flows before that, so that it is our own result that is written.
    """
    count = 8
    customer = prepare(own_database, recorder, receiver)
    recorder.tell(pause=0.7, flowing=False)
    with staged(own_url, tmp_path, **SETTINGS | {"WORK__LEASE_SECONDS": 30}) as stage:
        stage.start("web")
        work = stage.start("work", ready=False)
        with Crowd(customer, count, [stage.port]) as crowd:
            crowd.wait_for_all()
        recorder.wait_for(count)
        own_server.stop()
        eventually("results are kept", lambda: "results are kept" in work.log.read_text())
        own_server.start()
        tally.fault()

        def taken() -> bool:
            with own_database.read() as tx:
                return all(tx.run(ATTEMPTS, id=int(i)) == [("taken", 1)] for i in crowd.accepted.values())

        eventually("all of them are written", lambda: try_(taken))
        recorder.tell(flowing=True)
        settled(own_database, recorder)
        assert audit(own_database, recorder, receiver, crowd.accepted, {}).unknown == frozenset()
        assert stage.complaints() == []


def test_backends_terminated_steadily(
    postgres_url: str, recorder: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    """One connection after the other is ended by the server, whatever it is doing."""
    count, every = (2000, 0.2) if FULL else (100, 0.3)
    database = Postgres(postgres_url, connections=2)
    customer = prepare(database, recorder, receiver)
    database.close()
    recorder.tell(pause=0.05)
    ended = []
    with (
        psycopg.connect(postgres_url, autocommit=True) as connection,
        staged(postgres_url, tmp_path, **SETTINGS) as stage,
    ):

        def terminate() -> None:
            theirs = f"from pg_stat_activity where {OURS} and datname = current_database()"
            pids = [row[0] for row in connection.execute(f"select pid {theirs}".encode())]
            if pids:
                ended.append(random.choice(pids))
                connection.execute("select pg_terminate_backend(%s)", ended[-1:])

        stage.start("web")
        stage.start("work", ready=False)
        end = steadily(terminate, every)
        try:
            with Crowd(customer, count, [stage.port], pause=0.2) as crowd:
                crowd.wait_for_all()
            recorder.wait_for(count // 2)
        finally:
            end()
            tally.fault()
        database = Postgres(postgres_url, connections=2)
        settled(database, recorder)
        assert audit(database, recorder, receiver, crowd.accepted, {}).unknown == frozenset()
        database.close()
        assert len(ended) >= 5
        assert_patient(crowd)
        assert stage.complaints() == []


def test_pool_exhaustion(
    own_server: Server, own_url: str, own_database: Database, recorder: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    """Others hold every connection that the server has, and let go of them."""
    customer = prepare(own_database, recorder, receiver)
    with staged(own_url, tmp_path, **SETTINGS) as stage, ExitStack() as held:
        stage.start("web")
        stage.start("work", ready=False)
        first = customer.invite("3012229999", port=stage.port).json["messageId"]
        recorder.wait_for(1)
        own = held.enter_context(psycopg.connect(own_server.url("postgres"), autocommit=True))

        def nobody_after_all_are_held() -> bool:
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(psycopg.connect(own_server.url("postgres")))
            return own.execute(f"select 1 from pg_stat_activity where {OURS}".encode()).fetchall() == []

        def exhausted() -> bool:
            """None of them has a connection, and there is none to be had: looked at twice, as ends take their time."""
            own.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}".encode())
            return nobody_after_all_are_held() and nobody_after_all_are_held()

        eventually("nobody has a connection", exhausted)
        answers = [customer.invite("3012228888", port=stage.port) for _ in range(2)]
        assert [(a.status, a.headers.get("retry-after")) for a in answers] == [(503, "2")] * 2
        held.close()
        tally.fault()
        with Crowd(customer, 20, [stage.port]) as crowd:
            crowd.wait_for_all()
        settled(own_database, recorder)
        accepted = crowd.accepted | {"first": first}
        assert audit(own_database, recorder, receiver, accepted, {}).unknown == frozenset()
        assert stage.complaints() == []


@pytest.fixture
def line(postgres_url: str) -> Iterator[Line]:
    with Line(postgres_url) as line:
        yield line


@pytest.fixture
def there(postgres_url: str) -> Iterator[Database]:
    """The database, without the line."""
    database = Postgres(postgres_url, connections=2)
    yield database
    database.close()


@pytest.fixture
def scene(line: Line, there: Database, recorder: Recorder, receiver: Receiver, tmp_path: Path) -> Iterator[Scene]:
    """An installation that reaches its database by the line, with its web process."""
    with staged(line.url, tmp_path, **SETTINGS) as stage:
        scene = Scene(stage, there, recorder, receiver)
        scene.provision(senders=4, mps=50)
        stage.start("web")
        yield scene


def test_listen_connection_half_open(scene: Scene, line: Line) -> None:
    """What stands between keeps the connection open and carries nothing: no keepalive of TCP can tell."""
    invite, accepted = scene.customer.invite, scene.accepted
    scene.work()
    [first] = eventually("it listens", line.listeners)
    accepted["heard"] = invite("3012220001").json["messageId"]
    eventually("the bell is heard", lambda: b"due" in first.heard)
    first.swallows = True
    accepted["swept"] = invite("3012220002").json["messageId"]
    scene.recorder.wait_for(2)
    assert line.listeners() == [first]  # so it was the sweep that found it
    second = eventually("it listens anew", lambda: line.listeners()[1:])[0]
    accepted["heard again"] = invite("3012220003").json["messageId"]
    eventually("the bell is heard again", lambda: b"due" in second.heard)
    assert scene.audit().unknown == frozenset()
    assert scene.stage.complaints() == []


@pytest.mark.parametrize("how", ["before", "after"])
def test_connection_cut_during_commit_at_intake(scene: Scene, line: Line, how: str) -> None:
    """Whether the COMMIT arrived or not, nobody was told; a retry under the same key gets the one and only id."""
    line.cut(how, b"3012220001")
    answer = scene.customer.invite("3012220001", referenceId="r0")
    assert line.cuts == [how]
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert live(scene.database) == (how == "after")
    again = [scene.customer.invite("3012220001", referenceId="r0") for _ in range(2)]
    assert {a.status for a in again} == {200}
    [scene.accepted["r0"]] = {a.json["messageId"] for a in again}
    scene.work()
    assert scene.audit().unknown == frozenset()
    assert scene.stage.complaints() == []


@pytest.mark.parametrize("how", ["before", "after"])
def test_connection_cut_during_commit_of_a_mark(scene: Scene, line: Line, how: str) -> None:
    """The process that marked it knows that it never submitted it: it is sent, and need not end in doubt."""
    message_id = scene.customer.invite("3012220001").json["messageId"]
    scene.accepted["r"] = message_id
    line.cut(how, message_id.encode())
    scene.work()
    assert scene.audit().unknown == frozenset()
    assert line.cuts == [how]
    with scene.database.read() as tx:
        fates = [row[0] for row in tx.run(ATTEMPTS, id=int(message_id))]
    assert fates == (["later", "taken"] if how == "after" else ["taken"])
    assert scene.stage.complaints() == []


def try_(look: Callable[[], bool]) -> bool:
    """What it finds; false while the test's own connections heal."""
    try:
        return look()
    except DatabaseUnavailable:
        return False
