"""The bell: a ring reaches whoever listens, in this process and in others, and never stands in the ringer's way."""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dispatcher.store import fifo_bell
from dispatcher.store.database import Database
from dispatcher.store.fifo_bell import FifoBell

SOON = 10.0
LISTENS = """
import sys
from pathlib import Path
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite

url = sys.argv[1]
database = Sqlite(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite") else Postgres(url)
def say(words):  # in one piece: two threads speak
    sys.stdout.write(words + "\\n")
    sys.stdout.flush()

with database.listen(lambda topic: say("heard " + topic)):
    say("listening")
    sys.stdin.read()
database.close()
"""


class Ears:
    """Where rings of this process are heard."""

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __call__(self, topic: str) -> None:
        self._heard.put(topic)

    def next(self, seconds: float = SOON) -> str:
        """What was heard next; empty when nothing was."""
        try:
            return self._heard.get(timeout=seconds)
        except queue.Empty:
            return ""


@contextmanager
def talking(script: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that runs `script`, as long as the block lasts."""
    command = [sys.executable, "-c", script, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def listener(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that listens and says what it hears."""
    with talking(LISTENS, url) as child:
        said = line(child)
        while said.startswith("heard"):  # what may have been missed
            said = line(child)
        assert said == "listening"
        yield child


def line(child: subprocess.Popen[bytes], seconds: float = 30.0) -> str:
    """The next line that a child says; empty when it says none."""
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], seconds)
    return child.stdout.readline().decode().strip() if ready else ""


def rung_until(ring: Callable[[], None], child: subprocess.Popen[bytes], topic: str) -> None:
    """Ring until the child has heard it: who just came may go unheard for a moment."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        ring()
        if line(child, 0.05) in {f"heard {topic}", f"heard {topic[0]}"}:
            return
    pytest.fail("the ring was not heard")


def test_a_ring_reaches_other_processes(database: Database, database_url: str) -> None:
    with listener(database_url) as one, listener(database_url) as other:
        for topic in ("due", "callbacks"):
            for child in (one, other):
                rung_until(lambda topic=topic: database.ring(topic), child, topic)  # type: ignore[misc]


def test_a_ring_survives_the_sudden_end_of_a_listener(sqlite_url: str) -> None:
    folder = Path(f"{sqlite_url.removeprefix('sqlite:///')}.bell")
    bell = FifoBell(folder)
    with listener(sqlite_url) as doomed, listener(sqlite_url) as lasting:
        rung_until(lambda: bell.ring("due"), doomed, "due")
        doomed.kill()
        doomed.wait()
        rung_until(lambda: bell.ring("due"), lasting, "due")
        assert len(list(folder.iterdir())) == 2
        FifoBell(folder).ring("due")
        assert len(list(folder.iterdir())) == 1, "a pipe that nobody reads is removed by whoever rings next"


def test_in_one_process(tmp_path: Path) -> None:
    ears = Ears()
    bell = FifoBell(tmp_path / "bell")
    with bell.listen(ears):
        for topic in ("due", "callbacks", "due"):
            bell.ring(topic)
            assert ears.next() == topic[0]
    assert list((tmp_path / "bell").iterdir()) == []


def test_rings_that_come_together_are_heard_once_for_each_topic(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()
    ears = Ears()

    def slow(topic: str) -> None:
        ears(topic)
        if not begun.is_set():
            begun.set()
            assert go.wait(SOON)

    bell = FifoBell(tmp_path / "bell")
    with bell.listen(slow):
        bell.ring("due")
        assert begun.wait(SOON)
        for _ in range(1000):
            bell.ring("due")
            bell.ring("callbacks")
        go.set()
        assert [ears.next(), ears.next(), ears.next(), ears.next(0.05)] == ["d", "c", "d", ""]


def test_nobody_listens(tmp_path: Path) -> None:
    bell = FifoBell(tmp_path / "bell")
    bell.ring("due")
    assert not (tmp_path / "bell").exists(), "nothing is created until somebody listens"
    with bell.listen(Ears()):
        pass
    bell.ring("due")


def test_a_listener_that_is_stuck_does_not_hold_up_who_rings(tmp_path: Path) -> None:
    go = threading.Event()

    def stuck(topic: str) -> None:
        assert go.wait(SOON)

    bell = FifoBell(tmp_path / "bell")
    with bell.listen(stuck):
        for _ in range(100_000):  # more than a pipe holds
            bell.ring("due")
        go.set()


def test_a_listener_that_came_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fifo_bell, "REFRESH_SECONDS", 0.02)
    bell, ears = FifoBell(tmp_path / "bell"), Ears()
    bell.ring("due")
    with bell.listen(ears):
        time.sleep(0.05)
        bell.ring("due")
        assert ears.next() == "d"


def test_a_listener_that_left_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fifo_bell, "REFRESH_SECONDS", 0.0)
    bell = FifoBell(tmp_path / "bell")
    with bell.listen(Ears()):
        bell.ring("due")
        assert len(bell._pipes) == 1
    bell.ring("due")
    assert bell._pipes == {}


def test_a_pipe_whose_reader_left_is_dropped_at_the_next_ring(tmp_path: Path) -> None:
    bell = FifoBell(tmp_path / "bell")
    with bell.listen(Ears()):
        bell.ring("due")
    bell.ring("due")
    assert bell._pipes == {}, "without waiting for the next look at the folder"


def test_what_is_no_pipe_in_the_folder_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "bell"
    (folder / "folder").mkdir(parents=True)
    bell, ears = FifoBell(folder), Ears()
    with bell.listen(ears):
        bell.ring("due")
        assert ears.next() == "d"


def test_two_listeners_of_one_thread(tmp_path: Path) -> None:
    bell, one, other = FifoBell(tmp_path / "bell"), Ears(), Ears()
    with bell.listen(one), bell.listen(other):
        bell.ring("due")
        assert [one.next(0.5), other.next(0.5)] == ["d", "d"]


def test_a_ring_while_a_listener_is_about_to_open_its_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell, ears = FifoBell(tmp_path / "bell"), Ears()
    make, made = os.mkfifo, []

    def make_and_ring(path: Path, mode: int) -> None:
        make(path, mode)
        made.append(path)
        if len(made) == 1:
            FifoBell(tmp_path / "bell").ring("due")  # as another process may

    monkeypatch.setattr(os, "mkfifo", make_and_ring)
    with bell.listen(ears):
        bell.ring("due")
        assert ears.next() == "d"
