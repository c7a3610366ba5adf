"""The clockwork and the gatherers: nothing rung or put is lost, and a stop means stop."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from dispatcher import loops
from dispatcher.loops import Clockwork, Gatherer, Loop

SWEEP = 3600.0  # seconds: a sweep that no test lives to see
SOON = 10.0  # seconds until a test gives up waiting


def now() -> datetime:
    """The real clock, for that is the scheduler's own."""
    return datetime.now(UTC)  # noqa: TID251


class Away(Exception):
    """What the gatherers of these tests are patient with."""


class Turns:
    """A turn that counts itself; `act` may hold it up, raise, or tell when to come again."""

    def __init__(self, act: Callable[[int], timedelta | None] = lambda number: None) -> None:
        self._act = act
        self._changed = threading.Condition()
        self.count = 0
        self.at_once = 0
        self.most_at_once = 0

    def __call__(self) -> timedelta | None:
        with self._changed:
            self.count += 1
            number = self.count
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
        try:
            return self._act(number)
        finally:
            with self._changed:
                self.at_once -= 1

    def reached(self, number: int, seconds: float = SOON) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= number, seconds)


@contextmanager
def ticking(*turning: Loop) -> Iterator[Clockwork]:
    clockwork = Clockwork(turning, now)
    clockwork.start()
    yield clockwork
    clockwork.stop()


def rung(turns: Callable[[], timedelta | None], *topics: str, seconds: float = SWEEP) -> Loop:
    return Loop("-".join(topics) or "loop", seconds, turns, frozenset(topics))


# --- Clockwork ------------------------------------------------------------------------------------------------------


def test_every_loop_turns_once_at_the_start() -> None:
    one, other = Turns(), Turns()
    with ticking(rung(one, "a"), rung(other, "b")):
        assert one.reached(1)
        assert other.reached(1)
    assert (one.count, other.count) == (1, 1)


def test_the_interval_sweeps_without_a_ring() -> None:
    turns = Turns()
    with ticking(rung(turns, seconds=0.02)):
        assert turns.reached(5)


TOPICS = [
    # what is rung, and which of the loops due, done and callbacks it turns again
    ("due", {"due"}),
    ("callbacks", {"callbacks"}),
    ("c", {"callbacks"}),  # a letter: what the bell between processes carries
    ("d", {"due", "done"}),
    ("*", {"due", "done", "callbacks"}),
    ("x", set()),
    ("dues", set()),
]


def test_all_turn_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(loops, "WATCH_SECONDS", 0.01)
    turns, back = Turns(), [timedelta(0)]
    clockwork = Clockwork([rung(turns)], lambda: now() - back[0])
    clockwork.start()
    assert turns.reached(1)
    back[0] = timedelta(hours=1)
    assert turns.reached(2)
    clockwork.stop()
    assert turns.count == 2
    assert [record.message for record in caplog.records] == ["the clock was set back"]


@pytest.mark.parametrize(("topic", "who"), TOPICS)
def test_a_ring_turns_who_listens_to_its_topic(topic: str, who: set[str]) -> None:
    turns = {name: Turns() for name in ("due", "done", "callbacks")}
    with ticking(*(rung(turn, name) for name, turn in turns.items())) as clockwork:
        assert all(turn.reached(1) for turn in turns.values())
        clockwork.ring(topic)
        assert all(turns[name].reached(2) for name in who)
        time.sleep(0.02)
    assert {name for name, turn in turns.items() if turn.count > 1} == who


def test_rings_during_a_turn_make_one_more_not_one_for_each() -> None:
    begun, go = threading.Event(), threading.Event()

    def held_up(number: int) -> None:
        if number == 1:
            begun.set()
            assert go.wait(SOON)

    turns = Turns(held_up)
    with ticking(rung(turns, "x")) as clockwork:
        assert begun.wait(SOON)
        for _ in range(50):
            clockwork.ring("x")
        go.set()
        assert turns.reached(2)
        time.sleep(0.05)
    assert turns.count <= 3, "and not one for each ring; a third where the sweep and the ring met"


def test_no_ring_is_ever_lost() -> None:
    """Three at once ring right after each change, thousands of times; a turn that saw the change comes each time."""
    ringers, rounds = 3, 2000
    changed = threading.Condition()
    made, seen = count(1), 0
    newest = 0

    def look(number: int) -> None:
        nonlocal seen
        with changed:
            seen = newest
            changed.notify_all()

    def ring(clockwork: Clockwork, together: threading.Barrier, missed: list[int]) -> None:
        nonlocal newest
        for _ in range(rounds):
            together.wait(SOON)
            with changed:
                newest = mine = next(made)
            clockwork.ring("x")
            with changed:
                if not changed.wait_for(lambda mine=mine: seen >= mine, SOON):  # type: ignore[misc]
                    missed.append(mine)
                    together.abort()
                    return

    missed: list[int] = []
    together = threading.Barrier(ringers)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)  # many more places at which threads may change hands
    try:
        with ticking(rung(Turns(look), "x")) as clockwork:
            threads = [threading.Thread(target=ring, args=(clockwork, together, missed)) for _ in range(ringers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert missed == []
    assert seen == ringers * rounds


def test_a_ring_before_the_start_does_no_harm() -> None:
    turns = Turns()
    clockwork = Clockwork([rung(turns, "x")], now)
    clockwork.ring("x")
    clockwork.start()
    assert turns.reached(1)
    clockwork.stop()


def test_one_turn_of_a_loop_at_a_time() -> None:
    turns = Turns(lambda number: time.sleep(0.002))
    with ticking(rung(turns, "x", seconds=0.001)) as clockwork:
        while not turns.reached(30, 0):
            clockwork.ring("x")
    assert turns.most_at_once == 1


def test_a_turn_that_raises_is_logged_and_its_loop_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", 0.01)

    def fails(number: int) -> None:
        if number <= 3:
            raise ValueError(f"turn {number}")

    turns, other = Turns(fails), Turns()
    with caplog.at_level(logging.ERROR), ticking(rung(turns, seconds=0.02), rung(other, "x")):
        assert turns.reached(5)
    assert [(r.getMessage(), vars(r)["loop"]) for r in caplog.records] == [("a turn failed", "loop")] * 3
    assert other.count == 1


def test_a_turn_that_the_store_cuts_short_is_told_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", 0.01)

    def fails(number: int) -> None:
        if number == 1:
            raise ConnectionError("away")

    turns = Turns(fails)
    clockwork = Clockwork([rung(turns, seconds=0.02)], now, unavailable=ConnectionError)
    with caplog.at_level(logging.ERROR):
        clockwork.start()
        assert turns.reached(2)
        clockwork.stop()
    told = [(r.getMessage(), vars(r)["error"], r.exc_info) for r in caplog.records]
    assert told == [("a turn was cut short", "away", None)]


def test_a_loop_pauses_after_an_error_however_often_it_is_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", 0.5)
    at: list[float] = []

    def fails(number: int) -> None:
        at.append(time.monotonic())
        if number == 1:
            raise ValueError

    turns = Turns(fails)
    with ticking(rung(turns, "x")) as clockwork:
        assert turns.reached(1)
        for _ in range(20):
            clockwork.ring("x")
        assert turns.reached(2), "and what was rung meanwhile is not lost"
    assert at[1] - at[0] >= 0.5


def test_the_end_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", SWEEP)

    def fails(number: int) -> None:
        raise ValueError

    turns = Turns(fails)
    with ticking(rung(turns)):
        assert turns.reached(1)
        begun = time.monotonic()
    assert time.monotonic() - begun < SOON


AGAIN = [
    # what the turns tell, and how many there are within a fifth of a second
    ([None], 1),
    ([timedelta(0)] * 9 + [None], 10),
    ([timedelta(milliseconds=1)] * 4 + [None], 5),
    ([timedelta(seconds=9)], 1),
    ([timedelta(seconds=SWEEP + 1)], 1),  # the sweep comes before
]


@pytest.mark.parametrize(("told", "within"), AGAIN)
def test_a_turn_tells_when_the_next_is_worth_it(told: list[timedelta | None], within: int) -> None:
    turns = Turns(lambda number: told[number - 1])
    with ticking(rung(turns)):
        assert turns.reached(within)
        time.sleep(0.2)
        assert turns.count == within


def test_it_waits_as_long_as_it_was_told() -> None:
    at: list[float] = []

    def again(number: int) -> timedelta | None:
        at.append(time.monotonic())
        return timedelta(milliseconds=120) if number == 1 else None

    turns = Turns(again)
    with ticking(rung(turns)):
        assert turns.reached(2)
    assert at[1] - at[0] >= 0.12


def test_a_ring_ends_such_a_wait() -> None:
    turns = Turns(lambda number: timedelta(seconds=SWEEP / 2))
    with ticking(rung(turns, "x")) as clockwork:
        assert turns.reached(1)
        for number in range(2, 6):
            clockwork.ring("x")
            assert turns.reached(number)


def test_stop_waits_for_the_running_turn_and_nothing_turns_afterwards() -> None:
    begun, go = threading.Event(), threading.Event()
    ended = False

    def held_up(number: int) -> timedelta:
        nonlocal ended
        begun.set()
        assert go.wait(SOON)
        ended = True
        return timedelta(0)  # it would like to go on

    turns, sweeping = Turns(held_up), Turns()
    clockwork = Clockwork([rung(turns, "x"), rung(sweeping, "y", seconds=0.001)], now)
    clockwork.start()
    assert begun.wait(SOON)
    stopping = threading.Thread(target=clockwork.stop)
    stopping.start()
    stopping.join(0.1)
    assert stopping.is_alive()
    go.set()
    stopping.join(SOON)
    assert not stopping.is_alive()
    assert ended
    counts = turns.count, sweeping.count
    for topic in "xy*":
        clockwork.ring(topic)
    time.sleep(0.05)
    assert (turns.count, sweeping.count) == counts == (1, sweeping.count)


@pytest.mark.parametrize("busy", ["waits to come again", "pauses after an error"])
def test_stop_does_not_wait_for_a_wait(busy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", SWEEP)

    def act(number: int) -> timedelta:
        if busy == "pauses after an error":
            raise ValueError
        return timedelta(seconds=SWEEP / 2)

    turns = Turns(act)
    with ticking(rung(turns)):
        assert turns.reached(1)
        begun = time.monotonic()
    assert time.monotonic() - begun < SOON


def test_stop_twice_and_before_the_start() -> None:
    Clockwork([rung(Turns())], now).stop()
    with ticking(rung(Turns())) as clockwork:
        clockwork.stop()


RINGS_WHILE_STOPPED = """
import os, sys, threading, time
from datetime import UTC, datetime
from apscheduler.events import EVENT_JOB_EXECUTED
from dispatcher.loops import Clockwork, Loop

when = sys.argv[1]
ringing, stopping, turning = threading.Event(), threading.Event(), []

def now():  # asked for between the look whether to stop and the scheduler's own lock
    if threading.current_thread() in turning:
        ringing.set()
        stopping.wait()
    return datetime.now(UTC)

def turn():
    turning.append(threading.current_thread())
    if when == "in a turn":
        clockwork.ring("other")
    else:
        time.sleep(0.2)  # so that it is this thread, not the scheduler's, that tells of its end

first = Loop("a", 60, turn)
clockwork = Clockwork([first, Loop("b", 60, lambda: None, frozenset({"other"}))], now)
if when == "after a turn":  # it is rung when its turn has just ended
    clockwork._scheduler.add_listener(lambda event: first.rung.set(), EVENT_JOB_EXECUTED)
clockwork.start()
ringing.wait()
stop = threading.Thread(target=clockwork.stop, daemon=True)
stop.start()
time.sleep(0.2)
stopping.set()
stop.join(3)
os._exit(1 if stop.is_alive() else 0)
"""


@pytest.mark.parametrize("when", ["in a turn", "after a turn"])
def test_a_ring_while_the_clockwork_stops(when: str) -> None:
    """In a process of its own, for nothing but its end frees who is locked up."""
    command = [sys.executable, "-c", RINGS_WHILE_STOPPED, when]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


# --- Gatherer -------------------------------------------------------------------------------------------------------


class Taken:
    """Where batches are handed over to; `act` may refuse one."""

    def __init__(self, act: Callable[[Sequence[int]], None] = lambda batch: None) -> None:
        self._act = act
        self._changed = threading.Condition()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> None:
        self._act(batch)
        with self._changed:
            self.batches.append(list(batch))
            self._changed.notify_all()

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]

    def reached(self, number: int, seconds: float = SOON) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.items) >= number, seconds)


@contextmanager
def gathering(taken: Taken, *, most: int = 200, within: float = 0.02) -> Iterator[Gatherer[int]]:
    gatherer = Gatherer[int]("test", unavailable=Away, most=most, within=within)
    gatherer.start(taken)
    yield gatherer
    gatherer.stop()


def test_a_lone_item_waits_for_company_no_longer_than_within() -> None:
    taken = Taken()
    with gathering(taken, within=0.05) as gatherer:
        gatherer.put(1)
        assert taken.reached(1)
        gatherer.put(2)
        assert taken.reached(2)
    assert taken.batches == [[1], [2]]


def test_a_full_batch_does_not_wait() -> None:
    taken = Taken()
    with gathering(taken, most=3, within=SWEEP) as gatherer:
        for item in range(7):
            gatherer.put(item)
        assert taken.reached(6)
        assert taken.batches == [[0, 1, 2], [3, 4, 5]]
    assert taken.batches == [[0, 1, 2], [3, 4, 5], [6]], "stop hands over the rest"


def test_what_comes_together_goes_together() -> None:
    taken = Taken()
    with gathering(taken, within=SWEEP) as gatherer:
        for item in range(100):
            gatherer.put(item)
    assert taken.batches == [list(range(100))]


def test_stop_hands_over_what_is_there() -> None:
    taken = Taken()
    with gathering(taken, most=10, within=SWEEP) as gatherer:
        for item in range(25):
            gatherer.put(item)
    assert taken.batches == [list(range(10)), list(range(10, 20)), list(range(20, 25))]


def test_stop_of_one_that_never_started() -> None:
    Gatherer[int]("test", unavailable=Away).stop()


def test_from_many_threads_each_item_once_and_each_threads_in_order() -> None:
    taken = Taken()
    threads, each = 8, 2000

    def put(first: int) -> None:
        for item in range(first, first + each):
            gatherer.put(item)

    with gathering(taken, most=50, within=0.001) as gatherer:
        putting = [threading.Thread(target=put, args=(n * each,)) for n in range(threads)]
        for thread in putting:
            thread.start()
        for thread in putting:
            thread.join()
    assert sorted(taken.items) == list(range(threads * each))
    assert max(map(len, taken.batches)) <= 50
    seen: dict[int, list[int]] = defaultdict(list)
    for item in taken.items:
        seen[item // each].append(item)
    assert all(items == sorted(items) for items in seen.values())


def test_what_cannot_be_written_is_kept_in_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", 0.01)
    tries: list[list[int]] = []

    def away(batch: Sequence[int]) -> None:
        tries.append(list(batch))
        if len(tries) <= 3:
            raise Away("no connection")

    taken = Taken(away)
    with caplog.at_level(logging.ERROR), gathering(taken, most=2) as gatherer:
        for item in range(5):
            gatherer.put(item)
        assert taken.reached(5)
    assert taken.items == list(range(5))
    assert tries[:4] == [[0, 1]] * 4
    assert [vars(r)["error"] for r in caplog.records] == ["no connection"] * 3


def test_a_poisonous_item_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    def poisoned(batch: Sequence[int]) -> None:
        if 3 in batch:
            raise ValueError("poison")

    taken = Taken(poisoned)
    with caplog.at_level(logging.ERROR), gathering(taken, most=5, within=SWEEP) as gatherer:
        for item in range(10):
            gatherer.put(item)
    assert taken.batches == [[0], [1], [2], [4], [5, 6, 7, 8, 9]]
    assert [vars(r)["size"] for r in caplog.records] == [5, 1]


def test_an_outage_in_the_midst_of_a_poisoned_batch_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", 0.01)
    outages = iter([True, True, False, True, False])

    def act(batch: Sequence[int]) -> None:
        if 3 in batch:
            raise ValueError("poison")
        if len(batch) == 1 and next(outages, False):
            raise Away("no connection")

    taken = Taken(act)
    with gathering(taken, most=5, within=SWEEP) as gatherer:
        for item in range(10):
            gatherer.put(item)
        assert taken.reached(9)
    assert taken.items == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_stop_tries_the_rest_once_when_it_cannot_be_written(caplog: pytest.LogCaptureFixture) -> None:
    def away(batch: Sequence[int]) -> None:
        raise Away("no connection")

    taken = Taken(away)
    with caplog.at_level(logging.ERROR), gathering(taken, within=SWEEP) as gatherer:
        gatherer.put(1)
    assert taken.batches == []
    assert len(caplog.records) == 1


def test_stop_ends_a_patience_that_began_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_AFTER_ERROR", 0.01)
    refused, back = threading.Event(), threading.Event()

    def away(batch: Sequence[int]) -> None:
        if not back.is_set():
            refused.set()
            raise Away("no connection")

    gatherer = Gatherer[int]("test", unavailable=Away)
    gatherer.start(Taken(away))
    gatherer.put(1)
    assert refused.wait(SOON)
    stopping = threading.Thread(target=gatherer.stop, daemon=True)
    stopping.start()
    stopping.join(0.5)
    ended = not stopping.is_alive()
    back.set()
    stopping.join(SOON)
    assert ended
