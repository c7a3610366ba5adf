"""A work process that stands still amid a transaction, as SIGSTOP, a debugger or a frozen host leaves it."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.lifecycle import FINAL, State
from dispatcher.store.database import Database
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from tests.faults.crowd import Crowd
from tests.faults.scene import FULL, IN_FLIGHT, SETTINGS, Scene
from tests.faults.tally import tally
from tests.processes import Process, Receiver, Recorder, eventually, free_port, staged

# Words of the statement that has just locked what others need: a sender, or messages that receipts come for.
AMID: Final = {"mark": "for update of s", "settle": "tries = messages.tries + r.tried"}
ENDLESS: Final = 1_000_000
PAUSE: Final = 0.25
BEGUN_BY: Final = Statement("select count(*) from attempts a join workers w on w.id = a.worker_id where w.pid = :pid")


@contextmanager
def scene_on(database: Database, url: str, folder: Path, recorder: Recorder, receiver: Receiver) -> Iterator[Scene]:
    try:
        with staged(url, folder, **SETTINGS) as stage:
            yield Scene(stage, database, recorder, receiver)
    finally:
        database.close()


@pytest.fixture
def on_postgres(postgres_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver) -> Iterator[Scene]:
    with scene_on(Postgres(postgres_url, connections=2), postgres_url, tmp_path, recorder, receiver) as scene:
        yield scene


@pytest.fixture
def on_sqlite(sqlite_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver) -> Iterator[Scene]:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with scene_on(Sqlite(path), sqlite_url, tmp_path, recorder, receiver) as scene:
        yield scene


def halting(scene: Scene, amid: str) -> Process:
    """One more work process, which will stop itself there, some time or other."""
    times = str(random.randint(1, 9))
    return scene.stage.start(AMID[amid], times, module="tests.faults.halting", ready=False)


def stands(process: Process) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def over(scene: Scene, message_ids: set[str]) -> bool:
    states = scene.states()
    return all(states[i] in FINAL for i in message_ids)


def begun_by(scene: Scene, process: Process) -> int:
    with scene.database.read() as tx:
        return int(tx.run(BEGUN_BY, pid=process.pid)[0][0])


@pytest.mark.parametrize("amid", [*AMID])
def test_who_stands_still_amid_a_transaction_holds_nobody_up(on_postgres: Scene, amid: str) -> None:
    """The others take over what it had, and intake goes on; when it goes on itself, it works as before."""
    scene = on_postgres
    scene.provision()
    ports = [scene.stage.port, free_port()]
    for port in ports:
        scene.stage.start("web", "--port", str(port))
    scene.work()
    with Crowd(scene.customer, ENDLESS, ports, PAUSE) as crowd:
        held = {}
        for _ in range(3 if FULL else 1):
            one = halting(scene, amid)
            held[one.pid] = IN_FLIGHT
            eventually("it stands still", lambda one=one: stands(one))  # type: ignore[misc]
            before = {*crowd.accepted.values()}
            begun, since = begun_by(scene, one), len(crowd.accepted)
            eventually("what it had is over", lambda ids=before: over(scene, ids))  # type: ignore[misc]
            crowd.wait_for(since + 2 * IN_FLIGHT)
            late = {*crowd.accepted.values()}
            eventually("and what came since", lambda ids=late: over(scene, ids))  # type: ignore[misc]
            assert stands(one)
            one.popen.send_signal(signal.SIGCONT)
            tally.fault()
            eventually("it submits again", lambda one=one, begun=begun: begun_by(scene, one) > begun)  # type: ignore[misc]
    scene.accepted |= crowd.accepted
    assert (crowd.refused, crowd.unanswered) == ([], 0)
    scene.audit(held)
    cut = [process for process in scene.stage.started if "stood still was ended" in process.log.read_text()]
    assert cut, "by whoever swept first: the other one, or one that had stood still before"
    assert {process.popen.poll() for process in scene.stage.started} == {None}
    assert scene.stage.complaints() == []


@pytest.mark.parametrize("how", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "is killed"])
def test_who_stands_still_with_sqlites_lock_is_waited_for(on_sqlite: Scene, how: signal.Signals) -> None:
    """Customers are asked to come again, and told what became of what they posted; then all goes on by itself."""
    scene = on_sqlite
    scene.provision()
    scene.stage.settings = {**scene.stage.settings, "DISPATCHER_WEB__WORKERS": "2"}
    scene.stage.start("web")
    other = scene.work()
    with Crowd(scene.customer, count := 1000 if FULL else 100, [scene.stage.port], PAUSE, goes_on=True) as crowd:
        one = halting(scene, random.choice([*AMID]))
        eventually("it stands still", lambda: stands(one))
        eventually("intake refuses", lambda: len(crowd.refused) > IN_FLIGHT)
        accepted = len(crowd.accepted)
        for message_id in list(crowd.accepted.values())[:IN_FLIGHT]:
            assert scene.customer.status(message_id)["status"] in ("pending", "sent")
        assert (stands(one), accepted) == (True, len(crowd.accepted))
        one.popen.send_signal(how)
        tally.fault()
        crowd.wait_for_all(120)
    assert {(answer.status, answer.headers["retry-after"]) for answer in crowd.refused} == {(503, "2")}
    scene.accepted |= crowd.accepted
    found = scene.audit({one.pid: IN_FLIGHT})
    assert found.states[State.DELIVERED] >= count - IN_FLIGHT
    assert other.popen.poll() is None
    assert one.popen.poll() == (-signal.SIGKILL if how == signal.SIGKILL else None)
    assert scene.stage.complaints() == []
