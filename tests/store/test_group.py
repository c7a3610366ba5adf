"""Many waiting requests, one commit: everybody gets their own answer, whoever commits."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from dispatcher.store import group as groups
from dispatcher.store.database import DatabaseUnavailable
from dispatcher.store.group import Group
from dispatcher.store.statement import Row, Statement, Tx

SOON = 10.0


class Nothing:
    """A transaction in which nothing is run."""

    def run(self, statement: Statement, rows: Sequence[Row] | None = None, /, **given: object) -> list[Row]:
        raise NotImplementedError


class Ledger:
    """Where groups are committed, one at a time; `begins` and `acts` may hold a transaction up or refuse it."""

    def __init__(
        self, acts: Callable[[Sequence[int]], None] = lambda items: None, begins: Callable[[], None] = lambda: None
    ) -> None:
        self._acts = acts
        self._begins = begins
        self._busy = threading.Lock()
        self._written: list[int] = []
        self.asked: list[list[int]] = []
        self.kept: list[int] = []
        self.told: list[list[str]] = []

    def group(self, most: int = 256, breath: float = 0.0) -> Group[int, str]:
        return Group(
            self._begin,
            self._commit,
            after=lambda results: self.told.append(list(results)),
            most=most,
            breath=breath,
        )

    @contextmanager
    def _begin(self) -> Iterator[Nothing]:
        self._begins()
        assert self._busy.acquire(blocking=False), "two transactions at once"
        try:
            self._written = []
            yield Nothing()
            self.kept += self._written
        finally:
            self._busy.release()

    def _commit(self, tx: Tx, items: Sequence[int]) -> list[str]:
        self.asked.append(list(items))
        self._acts(items)
        self._written += items
        return [f"kept {item}" for item in items]


def put_behind_a_slow_one(
    ledger: Ledger, group: Group[int, str], go: threading.Event, items: Sequence[int]
) -> list[object]:
    """What becomes of `items`, which gather while item 0 is being committed until `go`."""
    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(group.put, 0)
        until(lambda: ledger.asked == [[0]])
        rest = []
        for number, item in enumerate(items, 1):
            rest.append(pool.submit(group.put, item))
            until(lambda number=number: len(group._queue) == number)  # type: ignore[misc]
        go.set()
        assert first.result(SOON) == "kept 0"
        return [future.exception(SOON) or future.result() for future in rest]


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not look():
        assert time.monotonic() < end
        time.sleep(0.001)


def held_until(go: threading.Event, then: Callable[[Sequence[int]], None] = lambda items: None) -> Ledger:
    def act(items: Sequence[int]) -> None:
        if list(items) == [0]:
            assert go.wait(SOON)
        else:
            then(items)

    return Ledger(act)


def test_a_lone_item_is_committed_at_once() -> None:
    ledger = Ledger()
    assert ledger.group().put(7) == "kept 7"
    assert ledger.asked == [[7]]


def test_what_gathers_during_a_commit_goes_together_in_its_order() -> None:
    go = threading.Event()
    ledger = held_until(go)
    assert put_behind_a_slow_one(ledger, ledger.group(), go, [5, 6, 7]) == ["kept 5", "kept 6", "kept 7"]
    assert ledger.asked == [[0], [5, 6, 7]]


def test_who_takes_over_waits_for_company() -> None:
    go = threading.Event()
    ledger = held_until(go)
    group = ledger.group(breath=0.5)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(group.put, 0)
        until(lambda: ledger.asked == [[0]])
        heir = pool.submit(group.put, 1)
        until(lambda: len(group._queue) == 1)
        go.set()
        assert first.result(SOON) == "kept 0", "who led does not wait for that"
        late = pool.submit(group.put, 2)
        assert (heir.result(SOON), late.result(SOON)) == ("kept 1", "kept 2")
    assert ledger.asked == [[0], [1, 2]]


def test_a_lone_item_is_never_held_up() -> None:
    group = Ledger().group(breath=SOON)
    begun = time.monotonic()
    assert [group.put(1), group.put(2)] == ["kept 1", "kept 2"]
    assert time.monotonic() - begun < SOON


def test_no_commit_is_larger_than_the_most() -> None:
    go = threading.Event()
    ledger = held_until(go)
    put_behind_a_slow_one(ledger, ledger.group(most=3), go, range(1, 9))
    assert ledger.asked == [[0], [1, 2, 3], [4, 5, 6], [7, 8]]


def test_who_led_once_does_not_wait_for_those_that_come_after() -> None:
    first, second, led = threading.Event(), threading.Event(), threading.Event()

    def act(items: Sequence[int]) -> None:
        assert (first if list(items) == [0] else second).wait(SOON)

    ledger = Ledger(act)
    group = ledger.group()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(group.put, 0)
        leader.add_done_callback(lambda future: led.set())
        until(lambda: ledger.asked == [[0]])
        follower = pool.submit(group.put, 1)
        until(lambda: len(group._queue) == 1)
        first.set()
        assert led.wait(SOON)
        until(lambda: ledger.asked == [[0], [1]])
        assert not follower.done()
        second.set()
        assert follower.result(SOON) == "kept 1"


def test_hundreds_of_threads_hand_the_lead_on_thousands_of_times() -> None:
    ledger = Ledger()
    group = ledger.group(most=50)
    threads, each = 300, 20
    together = threading.Barrier(threads)

    def put(first: int) -> list[str]:
        together.wait(SOON)
        return [group.put(item) for item in range(first, first + each)]

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(put, range(0, threads * each, each)))
    assert [answer for some in answers for answer in some] == [f"kept {item}" for item in range(threads * each)]
    assert Counter(ledger.kept) == Counter(range(threads * each))
    assert max(map(len, ledger.asked)) <= 50


def test_hundreds_of_threads_through_poison_and_outages() -> None:
    commits = 0

    def act(items: Sequence[int]) -> None:
        nonlocal commits
        commits += 1
        if commits % 7 == 0:
            raise DatabaseUnavailable("away")
        if any(item % 10 == 3 for item in items):
            raise ValueError("poison")

    ledger = Ledger(act)
    group = ledger.group(most=50)
    threads, each = 200, 10

    def put(item: int) -> str:
        try:
            return group.put(item)
        except (DatabaseUnavailable, ValueError) as error:
            return str(error)

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(put, range(threads * each)))
    kept = Counter(ledger.kept)
    for item, answer in enumerate(answers):
        assert answer in {"away", "poison" if item % 10 == 3 else f"kept {item}"}
        assert kept[item] == (answer == f"kept {item}")
    assert {"away", "poison"} < set(answers)


def test_poison_fails_alone() -> None:
    def poisoned(items: Sequence[int]) -> None:
        if 6 in items:
            raise ValueError("poison")

    go = threading.Event()
    ledger = held_until(go, poisoned)
    five, six, seven = put_behind_a_slow_one(ledger, ledger.group(), go, [5, 6, 7])
    assert (five, str(six), seven) == ("kept 5", "poison", "kept 7")
    assert isinstance(six, ValueError)
    assert ledger.asked == [[0], [5, 6, 7], [5], [6], [7]]


def test_a_store_that_is_away_fails_all_and_is_not_asked_for_each() -> None:
    def away(items: Sequence[int]) -> None:
        raise DatabaseUnavailable("away")

    go = threading.Event()
    ledger = held_until(go, away)
    answers = put_behind_a_slow_one(ledger, ledger.group(), go, [5, 6, 7])
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
    assert ledger.asked == [[0], [5, 6, 7]]


def test_an_end_of_the_program_is_told_to_all_and_the_next_is_served() -> None:
    ends = iter([True])

    def act(items: Sequence[int]) -> None:
        if 5 in items and next(ends, None):
            raise KeyboardInterrupt

    go = threading.Event()
    ledger = held_until(go, act)
    group = ledger.group()
    answers = put_behind_a_slow_one(ledger, group, go, [5, 6, 7])
    assert [type(answer) for answer in answers] == [KeyboardInterrupt] * 3
    assert group.put(8) == "kept 8"


def test_an_end_of_the_program_before_a_transaction_is_open() -> None:
    ends = iter([True])

    def begins() -> None:
        if next(ends, None):
            raise KeyboardInterrupt

    group = Ledger(begins=begins).group()
    with pytest.raises(KeyboardInterrupt):
        group.put(5)
    assert group.put(8) == "kept 8"


def test_an_outage_while_poison_is_looked_for() -> None:
    def act(items: Sequence[int]) -> None:
        if 6 in items:
            raise ValueError("poison")
        if list(items) == [7]:
            raise DatabaseUnavailable("away")

    go = threading.Event()
    ledger = held_until(go, act)
    answers = put_behind_a_slow_one(ledger, ledger.group(), go, [5, 6, 7, 8])
    assert list(map(str, answers)) == ["kept 5", "poison", "away", "kept 8"]


@pytest.mark.parametrize("error", [ValueError("poison"), DatabaseUnavailable("away")], ids=["poison", "away"])
def test_after_a_failure_the_next_is_served(error: Exception) -> None:
    errors = iter([error])

    def act(items: Sequence[int]) -> None:
        if failure := next(errors, None):
            raise failure

    ledger = Ledger(act)
    group = ledger.group()
    with pytest.raises(type(error)):
        group.put(1)
    assert group.put(2) == "kept 2"
    assert ledger.asked == [[1], [2]], "a lone item is not tried twice"


def test_who_comes_while_the_transaction_is_waited_for_is_in_the_group_too() -> None:
    waiting, go = threading.Event(), threading.Event()

    def begins() -> None:
        waiting.set()
        assert go.wait(SOON)

    ledger = Ledger(begins=begins)
    group = ledger.group()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(group.put, item) for item in (1, 2, 3)]
        assert waiting.wait(SOON)
        until(lambda: len(group._queue) == 3)
        go.set()
        assert [future.result(SOON) for future in futures] == ["kept 1", "kept 2", "kept 3"]
    assert [sorted(items) for items in ledger.asked] == [[1, 2, 3]]


def test_a_transaction_that_cannot_be_opened_fails_all_who_wait_for_it() -> None:
    waiting, go = threading.Event(), threading.Event()
    begun: list[int] = []

    def begins() -> None:
        begun.append(1)
        waiting.set()
        assert go.wait(SOON)
        if len(begun) == 1:
            raise DatabaseUnavailable("away")

    ledger = Ledger(begins=begins)
    group = ledger.group()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(group.put, item) for item in (1, 2, 3)]
        assert waiting.wait(SOON)
        until(lambda: len(group._queue) == 3)
        go.set()
        assert [str(future.exception(SOON)) for future in futures] == ["away"] * 3
    assert (begun, ledger.asked) == ([1], [])
    assert group.put(4) == "kept 4"


@pytest.mark.parametrize("stands", ["before its transaction", "within it"])
def test_while_a_leader_stands_still_nobody_waits_for_long(stands: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who was refused is not committed later."""
    monkeypatch.setattr(groups, "PATIENCE_SECONDS", 0.05)
    standing, go = threading.Event(), threading.Event()

    def stand() -> None:
        standing.set()
        assert go.wait(SOON)

    ledger = Ledger(begins=stand) if stands.startswith("before") else Ledger(lambda items: stand())
    group = ledger.group()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(group.put, 0)
        assert standing.wait(SOON)
        for item in (1, 2):
            with pytest.raises(DatabaseUnavailable, match="too long"):
                group.put(item)
        assert not first.done()
        go.set()
        assert first.result(SOON) == "kept 0"
        assert group.put(3) == "kept 3"
    assert ledger.kept == [0, 3]


def test_hundreds_of_threads_that_have_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused is who was not in a group yet: who is in one hears what becomes of it, however long that takes."""
    monkeypatch.setattr(groups, "PATIENCE_SECONDS", 0.002)
    ledger = Ledger(lambda items: time.sleep(0.002))
    group = ledger.group(most=20)

    def put(item: int) -> str:
        try:
            return group.put(item)
        except DatabaseUnavailable:
            return "refused"

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(put, range(2000)))
    kept = Counter(ledger.kept)
    assert set(kept.values()) == {1}
    for item, answer in enumerate(answers):
        assert answer == (f"kept {item}" if item in kept else "refused")
    assert "refused" in answers


def test_what_was_committed_is_told_once_for_each_commit() -> None:
    def poisoned(items: Sequence[int]) -> None:
        if 6 in items:
            raise ValueError("poison")

    go = threading.Event()
    ledger = held_until(go, poisoned)
    put_behind_a_slow_one(ledger, ledger.group(), go, [5, 6, 7])
    assert ledger.told == [["kept 0"], ["kept 5"], ["kept 7"]]


def test_what_fails_after_the_commit_undoes_nothing() -> None:
    go = threading.Event()
    ledger = held_until(go)

    def after(results: Sequence[str]) -> None:
        raise OSError("the bell is broken")

    group = Group(ledger._begin, ledger._commit, after=after)
    assert put_behind_a_slow_one(ledger, group, go, [5, 6]) == ["kept 5", "kept 6"]
    assert ledger.kept == [0, 5, 6]
