"""The parent of `serve` with real children: what dies comes back, all stop in order, nobody is orphaned."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher.processes import PARENT
from dispatcher.serve import BACKOFF, PATIENCE_SECONDS, STEADY_SECONDS, Child, Family
from tests.processes import free_port

SOON = 20.0
# The parent: real. It stands in a folder of its own, so that only its children find the package below.
FAMILY = """
import json, sys
from dispatcher.serve import Child, Family

sys.exit(Family([Child(*told) for told in json.loads(sys.argv[1])]).run())
"""
# The same, as `serve` does it: the process that was asked becomes the parent.
BECOMES = """
import json, sys
from dispatcher.serve import Child, become

become([Child(*told) for told in json.loads(sys.argv[1])], "error")
"""
# The children: `python -m dispatcher NAME MANNERS` in a folder where `dispatcher` is this.
CHILD = """
import os, signal, sys, time

name, manners = sys.argv[1:]

def say(what):
    with open("diary", "a") as diary:
        diary.write(f"{time.monotonic()} {os.getpid()} {name} {what}\\n")

def told(number, frame):
    say(signal.Signals(number).name)
    if manners != "stubborn":
        time.sleep(0.1)
        say("ends")
        sys.exit(0)

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, told)
say("starts " + os.environ.get("MOOD", "") + (" orphan" if "_DISPATCHER_PARENT" not in os.environ else ""))
if manners == "dies":
    sys.exit(3)
while True:
    time.sleep(60)
"""


@dataclass(frozen=True)
class Entry:
    """A line of the diary that the children keep."""

    at: float
    pid: int
    name: str
    what: str


@dataclass(frozen=True)
class House:
    """A running family, and what its children said."""

    folder: Path
    parent: subprocess.Popen[bytes]

    @property
    def diary(self) -> list[Entry]:
        diary = self.folder / "diary"
        lines = diary.read_text().splitlines() if diary.exists() else []
        return [
            Entry(float(at), int(pid), name, what) for at, pid, name, what in (line.split(" ", 3) for line in lines)
        ]

    def said(self, name: str, what: str) -> list[Entry]:
        return [entry for entry in self.diary if (entry.name, entry.what.strip()) == (name, what)]


def until(look: Callable[[], bool], what: str, seconds: float = SOON) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def family(
    folder: Path, children: Sequence[tuple[object, ...]], how: str = FAMILY
) -> Iterator[subprocess.Popen[bytes]]:
    """A family in a session of its own, none of which outlives the block."""
    script = folder / "parent" / "family.py"
    script.parent.mkdir()
    script.write_text(how)
    with subprocess.Popen(
        [sys.executable, str(script), json.dumps(children)],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as parent:
        try:
            yield parent
        finally:
            left = children_of(parent.pid) if parent.poll() is None else []
            parent.kill()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def house(folder: Path, awaited: int = 0, **children: str) -> Iterator[House]:
    """Children by their manners: they note when they start, what they are told and when they end.

    All but the first await a listener at the port `awaited`, if there is such.
    """
    (folder / "dispatcher").mkdir()
    (folder / "dispatcher" / "__init__.py").touch()
    (folder / "dispatcher" / "__main__.py").write_text(CHILD)
    told: list[tuple[object, ...]] = [(name, [name, manners], {"MOOD": "well"}) for name, manners in children.items()]
    if awaited:
        told = [told[0], *[(*child, ("127.0.0.1", awaited)) for child in told[1:]]]
    with family(folder, told) as parent:
        home = House(folder, parent)
        for name in list(children)[: 1 if awaited else None]:
            until(lambda name=name: bool(home.said(name, "starts well")), f"{name} starts")  # type: ignore[misc]
        yield home


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_all_are_stopped_in_reverse_order_and_one_by_one(tmp_path: Path, number: signal.Signals) -> None:
    with house(tmp_path, web="polite", work="polite") as home:
        os.killpg(home.parent.pid, number)  # as Ctrl-C does; the children are in sessions of their own
        assert home.parent.wait(SOON) == 0
        assert [(e.name, e.what) for e in home.diary if not e.what.startswith("starts")] == [
            ("work", "SIGTERM"),
            ("work", "ends"),
            ("web", "SIGTERM"),
            ("web", "ends"),
        ]
        assert not any(runs(entry.pid) for entry in home.diary)


def test_a_second_signal_ends_them_by_force(tmp_path: Path) -> None:
    with house(tmp_path, web="stubborn", work="stubborn") as home:
        home.parent.terminate()
        until(lambda: bool(home.said("work", "SIGTERM")), "work is told")
        time.sleep(0.1)
        assert home.parent.poll() is None, "they are given their time"
        assert not home.said("web", "SIGTERM")
        home.parent.terminate()
        assert home.parent.wait(SOON) == 0
        assert not home.said("web", "ends")
        assert not any(runs(entry.pid) for entry in home.diary)


def test_what_dies_is_started_again_with_growing_waits(tmp_path: Path) -> None:
    with house(tmp_path, web="polite", work="dies") as home:
        until(lambda: len(home.said("work", "starts well")) == 3, "a third start")
        starts = [entry.at for entry in home.said("work", "starts well")]
        first, second = (later - earlier for earlier, later in pairwise(starts))
        assert (first >= BACKOFF[1], second >= BACKOFF[2]) == (True, True)
        assert len(home.said("web", "starts well")) == 1, "the other one is left alone"


def test_what_was_killed_is_started_again(tmp_path: Path) -> None:
    with house(tmp_path, web="polite") as home:
        [before] = home.said("web", "starts well")
        os.kill(before.pid, signal.SIGKILL)
        until(lambda: len(home.said("web", "starts well")) == 2, "it is started again")
        assert home.parent.poll() is None


@pytest.mark.parametrize("when", ["at once", "at work"])
def test_children_end_with_a_parent_that_was_killed(tmp_path: Path, sqlite_url: str, when: str) -> None:
    """Real ones: in `python -m dispatcher` the kernel is asked to tell."""
    environment = {"DISPATCHER_DATABASE_URL": sqlite_url, "DISPATCHER_LOG_LEVEL": "error"}
    with family(tmp_path, [("work", ["work"], environment)], BECOMES) as parent:
        until(lambda: bool(children_of(parent.pid)), "it is started")
        [work] = children_of(parent.pid)
        bell = Path(f"{sqlite_url.removeprefix('sqlite:///')}.bell")
        if when == "at work":
            until(lambda: bell.exists() and bool(list(bell.iterdir())), "it listens")
        parent.kill()
        parent.wait()
        until(lambda: not runs(work), "it ends")


@pytest.mark.parametrize("when", ["at once", "at work"])
def test_workers_end_with_a_web_process_that_was_killed(tmp_path: Path, sqlite_url: str, when: str) -> None:
    """Else they would go on to take requests at a port that they share silently with their successors."""
    port = free_port()
    command = [sys.executable, "-m", "dispatcher", "web", "--port", str(port)]
    environment = {**os.environ, "DISPATCHER_DATABASE_URL": sqlite_url, "DISPATCHER_LOG_LEVEL": "error"}
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as web:
        until(lambda: len(children_of(web.pid)) == 2, "its workers are started")
        workers = children_of(web.pid)
        if when == "at work":
            until(lambda: len(listening(port)) == 2, "its workers listen")
        web.kill()
        web.wait()
        try:
            until(lambda: not any(map(runs, workers)), "they end", seconds=5)
        finally:
            for worker in filter(runs, workers):
                os.kill(worker, signal.SIGKILL)


def listening(port: int) -> list[str]:
    """The sockets of this machine that listen at this port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line[9] for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")]


# How long a child lived, its failures before, its failures after, and how long until it starts again.
RESTARTS = [
    (0.0, 0, 1, 0.5),
    (1.0, 1, 2, 1.0),
    (1.0, 2, 3, 2.0),
    (1.0, 3, 4, 5.0),
    (1.0, 4, 5, 10.0),
    (1.0, 5, 6, 10.0),
    (1.0, 99, 100, 10.0),
    (STEADY_SECONDS - 1, 2, 3, 2.0),
    (STEADY_SECONDS + 1, 0, 0, 0.1),
    (STEADY_SECONDS + 1, 99, 0, 0.1),
]


@pytest.mark.parametrize(("lived", "before", "after", "wait"), RESTARTS)
def test_restarts(lived: float, before: int, after: int, wait: float) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    now = time.monotonic()
    child = Child("work", ["work"], process=ended, started_at=now - lived, failures=before)
    Family([child])._tend(child)
    assert (child.process, child.failures) == (None, after)
    assert now + wait <= child.start_at < now + wait + 1


def test_a_child_starts_when_what_it_awaits_listens(tmp_path: Path) -> None:
    """A text must not leave before its receipt can come in."""
    port = free_port()
    with house(tmp_path, awaited=port, web="polite", work="polite") as home:
        opens = time.monotonic()
        with socket.create_server(("127.0.0.1", port)):
            until(lambda: bool(home.said("work", "starts well")), "it starts", seconds=PATIENCE_SECONDS / 2)
        [started] = home.said("work", "starts well")
        assert started.at >= opens


def test_a_child_does_not_wait_for_ever() -> None:
    child = Child("work", ["--help"], after=("127.0.0.1", free_port()))
    parent = Family([child])
    parent._tend(child)
    before = child.process
    parent._began -= PATIENCE_SECONDS
    parent._tend(child)
    assert before is None
    assert child.process, "a web that cannot listen must not keep texts from leaving"
    child.process.kill()
    child.process.wait()


def test_a_child_waits_for_its_time(tmp_path: Path) -> None:
    child = Child("work", ["work"], start_at=time.monotonic() + 60)
    Family([child])._tend(child)
    assert child.process is None
    assert PARENT not in os.environ
