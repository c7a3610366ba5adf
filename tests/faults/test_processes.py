"""Processes that are stopped, outrun, cut off from their heartbeat or given poison: real ones, with real signals."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest

from dispatcher.core.lifecycle import State
from dispatcher.engine.silence import IN_VAIN
from dispatcher.store.database import Database
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from tests.faults.ledger import Watch, live
from tests.faults.scene import FULL, IN_FLIGHT, Scene
from tests.processes import eventually, family_of, runs

DAYS_AGO: Final = Statement(
    """update messages set created_at = created_at - :span, due_at = due_at - :span, planned_at = planned_at - :span,
    expires_at = expires_at - :span"""
)
SOON_OVER: Final = Statement(
    "update messages set lease_until = {clock} + r.span from {rows} where messages.id = r.id", "id bigint, span bigint"
)
SUBMITTED_BY: Final = Statement(
    "select w.pid, count(*) from attempts a join workers w on w.id = a.worker_id group by w.pid"
)
HOUR: Final = 3_600_000_000  # microseconds


@contextmanager
def refusing(database: Database, url: str, table: str, when: str) -> Iterator[None]:
    """The database refuses to change such rows of a table, by a trigger, for the length of the block."""
    if isinstance(database, Sqlite):
        add = [f"create trigger refusal before update on {table} when {when} begin select raise(abort, 'refused'); end"]
        drop = ["drop trigger refusal"]
    else:
        add = [
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$",
            f"create trigger refusal before update on {table} for each row when ({when}) execute function refuse()",
        ]
        drop = [f"drop trigger refusal on {table}", "drop function refuse()"]

    def change(texts: list[str]) -> None:
        if isinstance(database, Sqlite):
            with database.write() as tx:
                for text in texts:
                    tx.run(Statement(text))
        else:
            with psycopg.connect(url) as connection:
                for text in texts:
                    connection.execute(text.encode())

    change(add)
    try:
        yield
    finally:
        change(drop)


def end_leases(scene: Scene, first: int, step: int) -> None:
    """Let the leases of what is being submitted end so many microseconds from now, one after the other."""
    submitting = [int(i) for i, state in scene.states().items() if state == State.SUBMITTING]
    with scene.database.write() as tx:
        tx.run(SOON_OVER, [(i, first + n * step) for n, i in enumerate(submitting)])


# --- SIGTERM ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_sigterm_amid_submits_finishes_what_is_in_flight_and_begins_nothing(scene: Scene, times: int) -> None:
    """A second signal to a work process changes nothing: what is in flight takes no longer than its carrier may."""
    scene.provision()
    scene.recorder.tell(pause=0.3)
    scene.stage.start("web")
    first = scene.work()
    scene.post(60)
    scene.recorder.wait_for(IN_FLIGHT)
    for _ in range(times - 1):
        first.popen.send_signal(signal.SIGTERM)
    assert first.stop() == 0
    begun = scene.recorder.count()
    assert begun < 60
    states = Counter(scene.states().values())
    assert states.keys() <= {State.QUEUED, State.SUBMITTED, State.DELIVERED}
    assert states[State.QUEUED] == 60 - begun
    scene.work()
    found = scene.audit()
    assert found.states == {State.DELIVERED: 60}
    assert scene.stage.complaints() == []


def test_a_second_sigterm_to_serve_leaves_what_the_next_process_finishes(scene: Scene) -> None:
    """It ends at once what the first one gave its time, and is not itself killed by one that comes as it ends."""
    scene.provision()
    scene.recorder.tell(pause=1.2)
    serve = scene.stage.start("serve")
    scene.post(3 * IN_FLIGHT)
    scene.recorder.wait_for(IN_FLIGHT)
    family = family_of(serve.pid)
    [work] = [pid for pid in family if "work" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
    while serve.popen.poll() is None:
        serve.popen.send_signal(signal.SIGTERM)
    assert serve.popen.returncode == 0
    assert not any(map(runs, family))
    assert serve.log.read_text().count("ended by force") == 2
    scene.stage.start("serve")
    found = scene.audit({work: IN_FLIGHT})
    assert found.states[State.DELIVERED] >= 2 * IN_FLIGHT
    assert scene.stage.complaints() == []


# --- Several at once --------------------------------------------------------------------------------------------------


def test_three_work_processes_submit_each_row_once(scene: Scene) -> None:
    count = 3000 if FULL else 240
    scene.provision(senders=4)
    scene.recorder.tell(pause=0.02)
    scene.stage.start("web")
    workers = [scene.work() for _ in range(3)]
    with Watch(scene.customer, scene.accepted) as watch:
        scene.post(count)
        found = scene.audit()
    assert found.states == {State.DELIVERED: count}
    assert watch.regressed() == {}
    with scene.database.read() as tx:
        by = dict(tuple(row) for row in tx.run(SUBMITTED_BY))
    assert by.keys() <= {process.pid for process in workers}
    assert len(by) > 1
    assert sum(by.values()) == count
    assert scene.stage.complaints() == []


def test_rescue_that_races_completion_takes_no_result_away(scene: Scene) -> None:
    """Leases end, one after the other, while the answers come and two more processes sweep without a pause."""
    rounds = 20 if FULL else 3
    scene.stage.settings = {**scene.stage.settings, "DISPATCHER_WORK__RESCUE_SECONDS": "0.01"}
    scene.provision()
    scene.recorder.tell(pause=0.4, flowing=False)
    scene.stage.start("web")
    rescuers = [scene.work() for _ in range(3)]
    with Watch(scene.customer, scene.accepted) as watch:
        for n in range(1, rounds + 1):
            scene.post(IN_FLIGHT)
            scene.recorder.wait_for(n * IN_FLIGHT)
            end_leases(scene, 250_000, 50_000)
            eventually("each result has landed", lambda: set(scene.states().values()) == {State.SUBMITTED})
        scene.recorder.tell(flowing=True)
        found = scene.audit()
    assert found.states == {State.DELIVERED: rounds * IN_FLIGHT}
    assert watch.regressed() == {}
    assert any('"action": "rescue"' in process.log.read_text() for process in rescuers)
    assert scene.stage.complaints() == []


def test_a_worker_whose_heartbeat_fails_claims_nothing_and_what_is_in_flight_lands(
    scene: Scene, database_url: str
) -> None:
    scene.stage.settings = {**scene.stage.settings, "DISPATCHER_CARRIERS__TIMEOUT_SECONDS": "5",
                            "DISPATCHER_WORK__LEASE_SECONDS": "12"}  # fmt: skip
    scene.provision()
    scene.stage.start("web")
    faint = scene.stage.start("faint", module="tests.faults.faint", ready=False)
    scene.post(1)
    eventually("it works", lambda: live(scene.database) == 0)

    def failures() -> int:
        return faint.log.read_text().count("a heartbeat failed")

    scene.recorder.tell(pause=4)
    scene.post(1)
    scene.recorder.wait_for(2)
    with refusing(scene.database, database_url, "workers", "new.lease_until > 0"):
        eventually("its heartbeat failed for longer than it may", lambda: failures() > 10)
        scene.recorder.tell(pause=0)
        scene.post(1)
        eventually("what was in flight has landed", lambda: live(scene.database) == 1)
        assert scene.recorder.count() == 2
        assert scene.states()[scene.accepted["r2"]] == State.QUEUED
    eventually("it is alive again", lambda: live(scene.database) == 0)
    assert scene.audit().states == {State.DELIVERED: 3}
    assert faint.stop() == 0
    assert scene.stage.complaints("refused") == []


# --- What must not hold up the rest -----------------------------------------------------------------------------------


def test_a_hung_carrier_holds_up_no_other_connection(scene: Scene) -> None:
    """Nor does its whole queue end in doubt: after some that hung it is left alone."""
    count = IN_VAIN + 4 * IN_FLIGHT
    rows = scene.provision(apps=2, senders=0)
    rows.add_connection("good", "generic", scene.recorder.settings(), {})
    for n, connection in enumerate(("carrier", "good"), 1):
        sender = {"number": f"+1201555000{n}", "kind": "long_code", "region": "US", "mps": 1000.0, "weight": 1.0}
        rows.add_sender(sender, connection, [f"com.example.{n}"])
    slow = [{"ends": f"{n:02d}", "behaviour": "stall"} for n in range(count)]
    scene.recorder.tell(rules=slow, flowing=False)
    scene.stage.start("web")
    scene.post(count)
    hung = set(scene.accepted.values())
    scene.post(3 * IN_FLIGHT, "com.example.2")
    good = set(scene.accepted.values()) - hung
    work = scene.work()
    eventually("the others are through", lambda: {scene.states()[i] for i in good} == {State.SUBMITTED})
    submits = scene.recorder.submits()
    over = max(submit.at for submit in submits if submit.key in good)
    assert len([s for s in submits if s.key in hung and s.at < over]) <= 2 * IN_FLIGHT, "nor wait till it hung thrice"
    eventually("it is left alone", lambda: "a carrier is left alone" in work.log.read_text())
    eventually("none is under way", lambda: State.SUBMITTING not in scene.states().values())
    assert len(scene.recorder.submits()) - len(good) < IN_VAIN + 2 * IN_FLIGHT
    scene.recorder.tell(rules=[], flowing=True)
    assert scene.audit().states == {State.DELIVERED: len(scene.accepted)}
    assert scene.stage.complaints() == []


def test_a_row_that_poisons_its_batch_fails_alone(scene: Scene, database_url: str) -> None:
    """Its result cannot be written, whoever tries, and those beside it in the batch can; its receipt still counts."""
    scene.provision()
    scene.recorder.tell(flowing=False)
    scene.stage.start("web")
    scene.post(30)
    poison = scene.accepted["r7"]
    when = f"new.id = {poison} and new.state in ('submitted', 'in_doubt')"
    with refusing(scene.database, database_url, "messages", when):
        work = scene.work()
        others = set(scene.accepted.values()) - {poison}
        eventually("the others have landed", lambda: {scene.states()[i] for i in others} == {State.SUBMITTED})
        eventually("it failed alone", lambda: '"size": 1' in work.log.read_text())
        assert scene.states()[poison] == State.SUBMITTING
        scene.recorder.tell(flowing=True)
        assert scene.audit().states == {State.DELIVERED: 30}
    assert scene.stage.complaints("refused") == []


# --- Time -------------------------------------------------------------------------------------------------------------


def test_after_a_long_outage_what_has_expired_is_discarded_not_blasted(scene: Scene) -> None:
    scene.provision()
    scene.stage.start("web")
    scene.post(300)
    old = set(scene.accepted.values())
    with scene.database.write() as tx:
        tx.run(DAYS_AGO, span=5 * 24 * HOUR)
    scene.post(10)
    fresh = set(scene.accepted.values()) - old
    scene.work()
    eventually("nothing is on its way", lambda: live(scene.database) == 0)
    states = scene.states()
    assert {states[i] for i in old} == {State.EXPIRED}
    assert {states[i] for i in fresh} == {State.DELIVERED}
    assert {submit.key for submit in scene.recorder.submits()} == fresh
    assert scene.recorder.count() == len(fresh)
    eventually("every callback", lambda: len(scene.receiver.calls) >= len(scene.accepted))
    called = Counter(call.path for call in scene.receiver.calls)
    assert called == Counter(f"/?id={i}&status={1 if i in fresh else 124}" for i in scene.accepted.values())
    assert scene.stage.complaints() == []
