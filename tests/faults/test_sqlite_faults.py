"""What may befall SQLite: a full disk, a stranger's lock, a power cut, several programs that make the file at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import pytest

from dispatcher.core.lifecycle import State
from dispatcher.store.sqlite import Sqlite
from tests.faults.scene import FULL, IN_FLIGHT, POSTERS, SETTINGS, Scene
from tests.faults.shim import Shim
from tests.processes import ROOT, Answer, Receiver, Recorder, eventually, staged

KEPT = "results are kept until they can be written"


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def scene(path: Path, sqlite_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver) -> Iterator[Scene]:
    with closing(Sqlite(path)) as database, staged(sqlite_url, tmp_path, **SETTINGS) as stage:
        yield Scene(stage, database, recorder, receiver)


def unavailable(answers: list[Answer]) -> None:
    assert {answer.status for answer in answers} == {HTTPStatus.SERVICE_UNAVAILABLE}
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers)


def test_a_disk_that_is_full_takes_nothing_half_and_goes_on_when_there_is_room(scene: Scene, shim: Shim) -> None:
    """Writes to the file and its log fail with ENOSPC; what came back from the carrier meanwhile is written later."""
    scene.provision()
    scene.recorder.tell(pause=0.4)
    scene.stage.start("web")
    work = scene.work()
    scene.post(3 * IN_FLIGHT)
    before = dict(scene.accepted)
    scene.recorder.wait_for(IN_FLIGHT)
    shim.tell(full=1)
    unavailable(scene.post(20))
    eventually("results are kept", lambda: KEPT in work.log.read_text())
    unavailable(scene.post(5))
    assert scene.accepted == before
    assert scene.states().keys() == set(before.values())
    assert scene.customer.status(before["r0"])["status"] in ("pending", "sent"), "what is kept can be read"
    shim.tell(full=0)
    scene.post(5)
    assert len(scene.accepted) == len(before) + 5
    assert scene.audit().states == {State.DELIVERED: len(scene.accepted)}
    assert scene.stage.complaints("disk is full") == []


def test_a_stranger_that_holds_the_file_delays_and_loses_nothing(scene: Scene, path: Path) -> None:
    """A backup tool, or an operator at a prompt: whoever waits no longer than SQLite itself does gets an answer."""
    scene.provision()
    scene.stage.start("web")
    scene.work()
    answers: list[Answer] = []
    for _ in range(2):
        scene.post(20)
        answers.clear()
        with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
            eventually("it has the file", lambda: stranger.execute("begin immediate"))
            late = threading.Thread(target=lambda: answers.extend(scene.post(POSTERS)))
            late.start()
            late.join(60 if FULL else 1)
            assert late.is_alive() != FULL
            stranger.execute("rollback")
            late.join()
        if FULL:
            unavailable(answers)
        else:
            assert {answer.status for answer in answers} == {HTTPStatus.OK}
    assert scene.audit().states == {State.DELIVERED: len(scene.accepted)}
    assert scene.stage.complaints() == []


def test_no_answer_before_its_log_is_on_disk(scene: Scene, shim: Shim, path: Path) -> None:
    """The power is cut again and again: of the log only what an fdatasync that returned had seen is left.

    That is the least that a disk may keep. Nothing that was answered by then may be missing, and while a log is being
    brought to disk nobody is answered.
    """
    scene.provision()
    scene.stage.start("web")
    for n in range(10 if FULL else 3):
        scene.post(20)
        answered = set(scene.accepted.values())
        shim.tell(hold=1)
        late = threading.Thread(target=scene.post, args=(20,))
        late.start()
        eventually("a log is held", lambda: shim.told("waiting"))
        late.join(0.2)
        assert set(scene.accepted.values()) == answered
        cut = path.with_name(f"cut{n}.db")
        shutil.copy(path, cut)
        log = path.with_name(f"{path.name}-wal").read_bytes()
        durable = shim.told("durable")
        assert durable < len(log)
        cut.with_name(f"{cut.name}-wal").write_bytes(log[:durable])
        shim.tell(hold=0)
        late.join()
        with closing(sqlite3.connect(cut)) as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            kept = {str(row[0]) for row in connection.execute("select id from messages")}
        assert kept == answered
    assert shim.told("syncs") > 0
    assert scene.states().keys() == set(scene.accepted.values())
    assert scene.stage.complaints() == []


def test_programs_that_make_a_new_file_at_once(recorder: Recorder, receiver: Receiver, tmp_path: Path) -> None:
    """Several `migrate` on a file that is not there, and then it serves."""
    for n in range(5 if FULL else 1):
        path = tmp_path / str(n) / "new.db"
        with staged(f"sqlite:///{path}", tmp_path, **SETTINGS) as stage:
            started = [
                subprocess.Popen(
                    [sys.executable, "-m", "dispatcher", "migrate"],
                    cwd=ROOT,
                    env=stage.environment,
                    stderr=subprocess.PIPE,
                )
                for _ in range(3)
            ]
            assert [(process.communicate(timeout=60)[1], process.returncode)[1] for process in started] == [0] * 3
    path = tmp_path / "0" / "new.db"
    with staged(f"sqlite:///{path}", tmp_path, **SETTINGS) as stage, closing(Sqlite(path)) as database:
        scene = Scene(stage, database, recorder, receiver)
        scene.provision()
        stage.start("web")
        scene.work()
        scene.post(5)
        assert scene.audit().states == {State.DELIVERED: 5}
        assert stage.complaints() == []
