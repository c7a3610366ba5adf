"""Binds are shared out fairly, and never more are held than the contract allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.exchange import Fate, Fault, Outcome, Response
from dispatcher.core.smpp import Terms
from dispatcher.engine.binds import FIRST_REST, LONGEST_REST, PATIENCE, Binds, Bound, none_left, wanted
from dispatcher.engine.ports import AlarmKind, StoreUnavailable
from dispatcher.store.alarms import alarms
from dispatcher.store.binds import Leases
from dispatcher.store.database import Database
from dispatcher.store.pool import SenderPool
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from tests.factories import NOON, provision

LEASE = 30.0
TAKE_OVER = Statement("update bind_leases set holder = 99")
TERMS = Terms(host="smsc.example.com", port=2775, system_id="us", password="secret")

WANTED = [
    # binds, held by each, of whom the first asks; wanted when some just came free, and when they were free for long
    (1, [0], 1, 1),
    (1, [0, 1], 0, 0),
    (2, [0], 2, 2),
    (2, [0, 0], 1, 1),
    (2, [1, 0], 0, 1),
    (2, [2, 0], -1, -1),
    (2, [1, 1], 0, 0),
    (2, [1, 1, 0], 0, 0),
    (3, [1, 1], 0, 1),
    (3, [2, 1], 0, 0),
    (4, [2, 2, 0], -1, -1),
    (4, [1, 2, 0], 0, 1),
    (4, [0, 2, 2], 0, 0),
    (8, [0, 0], 4, 4),
    (1, [2, 0], -1, -1),  # fewer are allowed than were
]


@pytest.mark.parametrize(("binds", "held", "at_once", "later"), WANTED)
def test_wanted(binds: int, held: list[int], at_once: int, later: int) -> None:
    counts = Counter(dict(enumerate(held)))
    assert wanted(binds, len(held), counts, 0, patient=False, in_vain=False) == at_once
    assert wanted(binds, len(held), counts, 0, patient=True, in_vain=False) == later


@pytest.mark.parametrize(
    ("binds", "held", "step"),
    [
        (1, [1, 0], -1),
        (1, [1], 0),
        (1, [0, 1], 0),
        (2, [1, 1], 0),
        (2, [1, 1, 0], -1),
        (3, [1, 1, 0], 0),  # there is a free one
    ],
)
def test_who_tried_in_vain_gives_one_to_who_has_none(binds: int, held: list[int], step: int) -> None:
    counts = Counter(dict(enumerate(held)))
    assert wanted(binds, len(held), counts, 0, patient=False, in_vain=True) == step


@given(st.integers(1, 12), st.integers(1, 6), st.randoms(use_true_random=False))
def test_it_comes_to_rest_with_everybody_served(binds: int, sharing: int, chance: object) -> None:
    """Whoever looks first: all binds are held, and nobody has none while another could spare one."""
    held: Counter[int] = Counter()
    for _ in range(60):
        order = list(range(sharing))
        chance.shuffle(order)  # type: ignore[attr-defined]
        for me in order:
            held[me] += wanted(binds, sharing, held, me, patient=True, in_vain=False)
            assert 0 <= held.total() <= binds
    assert held.total() == binds
    assert min(held[n] for n in range(sharing)) >= binds // sharing
    comes = sharing  # one more, who knows beforehand whether it is worth waiting
    in_vain = none_left(binds, sharing + 1, held, comes)
    for _ in range(60):
        for me in range(sharing + 1):
            held[me] += wanted(binds, sharing + 1, held, me, patient=True, in_vain=False)
    assert in_vain == (not held[comes])
    assert not in_vain or binds <= sharing


class Line:
    """What binds, in memory: a slot is held as soon as it is told to be, and ends when the test lets it."""

    def __init__(self) -> None:
        self.slots: dict[int, float] = {}
        self.elsewhere = False
        self.ending: set[int] = set()
        self.why = ""
        self.whys: dict[int, str] = {}  # of single slots
        self.fault: Response | None = None

    def hold(self, terms: Terms, slots: Mapping[int, float], *, elsewhere: bool) -> None:
        self.ending |= self.slots.keys() - slots.keys()
        self.slots, self.elsewhere = dict(slots), elsewhere

    def held(self) -> Mapping[int, str]:
        return {n: self.whys.get(n, self.why) for n in self.slots.keys() | self.ending}

    def down(self) -> Response | None:
        return self.fault

    def fails(self, why: str = "") -> None:
        """A try to bind failed so, or ("") did not."""
        self.why, self.fault = why, Response(fault=Fault.UNREACHABLE, detail=why) if why else None


def read(response: Response) -> Outcome:
    fate = Fate.STOP_CARRIER if response.detail.startswith("refused") else Fate.LATER
    return Outcome(fate, reason=response.detail)


class Process:
    """A process with its clock."""

    def __init__(self, database: Database, binds: int, connection_id: int = 1) -> None:
        self.now = 1000.0
        self.clock = NOON
        self.line = Line()
        self.leases = Leases(database)
        self.terms = replace(TERMS, binds=binds)
        self.id = Workers(database).enrol("work", NOON)
        self.binds = Binds(
            leases=self.leases,
            bound=lambda: [Bound(connection_id, "carrier", self.terms, self.line, read)],
            holder=self.id,
            lease=LEASE,
            clock=lambda: self.clock,
            jitter=lambda: 1.0,
            monotonic=lambda: self.now,
        )

    def turn(self, *, ends: bool = True, seconds: float = 2.0) -> int:
        """One turn; how many it holds, those that are ending included."""
        if ends:
            self.line.ending.clear()
        self.binds.turn()
        self.now += seconds
        self.clock += timedelta(seconds=seconds)
        return len(self.line.held())


def test_one_process_takes_all_and_gives_one_back(database: Database) -> None:
    first = Process(database, binds=2)
    assert first.turn() == 2
    second = Process(database, binds=2)
    assert second.turn() == 0
    assert first.turn() == 2  # one of them is ending
    assert set(first.line.slots) == {0}
    assert second.turn() == 0  # it may still be bound
    assert first.turn() == 1
    assert second.turn() == 1
    assert (first.turn(), second.turn()) == (1, 1)
    assert first.leases.look()[:2] == (2, {(1, 0): first.id, (1, 1): second.id})


def test_it_gives_back_the_one_that_is_not_bound(database: Database) -> None:
    first = Process(database, binds=2)
    first.turn()
    first.line.whys = {0: "refused", 1: ""}
    second = Process(database, binds=2)
    for _ in range(2):
        second.turn()
        first.turn()
    assert set(first.line.slots) == {1}
    second.turn()
    assert ({*second.line.slots}, second.line.elsewhere, first.line.elsewhere) == ({0}, True, False)
    first.turn()
    assert first.line.elsewhere, "the second tries to bind"
    first.line.whys = {1: "refused too"}
    first.turn()
    second.turn()
    assert not second.line.elsewhere


def test_an_odd_one_goes_to_who_is_patient(database: Database) -> None:
    first, second = Process(database, binds=3), Process(database, binds=3)
    assert (first.turn(), second.turn()) == (1, 1)
    turns = 0
    while first.turn() == 1:
        turns += 1
    assert turns * 2.0 >= PATIENCE - 2.0
    for _ in range(5):
        assert (first.turn(), second.turn()) == (2, 1)


def test_a_lease_is_renewed_before_it_ends(database: Database) -> None:
    process = Process(database, binds=1)
    process.turn()
    ends = [process.line.slots[0]]
    for _ in range(30):
        process.turn()
        ends.append(process.line.slots[0])
        assert process.line.slots[0] > process.now + LEASE / 3
    assert len(set(ends)) > 3


def test_a_lease_is_not_thought_longer_than_it_is(database: Database) -> None:
    """Whatever the database took to write it, it counts from before it was asked for."""
    process = Process(database, binds=1)
    asked = process.now

    def slow() -> float:
        process.now += 3.0
        return process.now

    process.binds._monotonic = slow
    process.binds.turn()
    assert process.line.slots[0] <= asked + 3 * 3.0 + LEASE


def test_without_the_store_it_goes_on_until_its_lease_ends(database: Database) -> None:
    process = Process(database, binds=1)
    process.turn()
    until = process.line.slots[0]

    class Away(Leases):
        def look(self) -> tuple[int, Mapping[tuple[int, int], int], Collection[tuple[int, int]]]:
            raise StoreUnavailable("away")

    process.binds._leases = Away(database)
    with pytest.raises(StoreUnavailable):
        process.turn()
    assert process.line.slots == {0: until}


def test_a_slot_that_another_took_over_is_no_longer_held(database: Database) -> None:
    process = Process(database, binds=1)
    process.turn()
    with database.write() as tx:
        tx.run(TAKE_OVER)
    process.now += LEASE
    assert process.turn() == 1  # it is ending
    assert process.line.slots == {}


def test_how_a_bind_is_can_be_read(database: Database) -> None:
    process = Process(database, binds=1)
    process.line.why = "bind refused, status 0x0E"
    process.turn()
    process.turn()
    with database.read() as tx:
        assert tx.run(Statement("select state from bind_leases")) == [("bind refused, status 0x0E",)]


def stopped(database: Database) -> list[object]:
    with database.read() as tx:
        return [row[0] for row in tx.run(Statement("select stop_reason from connections where stopped_at is not null"))]


def raised(database: Database) -> list[tuple[AlarmKind, int, str, bool]]:
    return [(a.kind, a.count, a.reason, a.is_open) for a in alarms(database, NOON)]


def test_a_refused_bind_stops_the_connection_until_one_is_bound(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    provision(database)
    process = Process(database, binds=1)
    process.turn()
    process.line.fails("refused: password")
    for _ in range(3):
        process.turn()
    assert stopped(database) == ["refused: password"]
    assert raised(database) == [(AlarmKind.CONNECTION_STOPPED, 1, "refused: password", True)], "one try, one alarm"
    process.line.fails("refused: password")
    process.turn()
    assert raised(database) == [(AlarmKind.CONNECTION_STOPPED, 2, "refused: password", True)]
    told = [(r.__dict__["connection"], r.__dict__["reason"]) for r in caplog.records if r.levelname == "ERROR"]
    assert told == [("carrier", "refused: password")], "said once, by name"
    process.line.fails()
    process.turn()
    assert stopped(database) == []
    assert raised(database) == [(AlarmKind.CONNECTION_STOPPED, 2, "refused: password", False)]


def test_a_bind_does_not_end_a_stop_that_is_about_something_else(database: Database) -> None:
    provision(database)
    process = Process(database, binds=1)
    process.turn()
    SenderPool(database).stop_connection(1, "HTTP 403", timedelta(0), NOON - timedelta(minutes=1))
    process.turn()
    process.line.fails("unreachable")
    process.turn()
    process.line.fails()
    process.turn()
    assert stopped(database) == ["HTTP 403"]


def test_nobody_who_is_bound_is_stopped_by_another_who_is_refused(database: Database) -> None:
    provision(database)
    first, second = Process(database, binds=2), Process(database, binds=2)
    for each in (first, second, first, second):
        each.turn()
    second.line.fails("refused: password")
    second.turn()
    assert (stopped(database), raised(database)) == ([], [])
    first.line.fails("refused: too")
    first.turn()
    assert stopped(database) == ["refused: too"]


def test_a_connection_is_not_stopped_while_another_process_tries_to_bind(database: Database) -> None:
    provision(database)
    first, second = Process(database, binds=2), Process(database, binds=2)
    first.turn()
    second.turn()
    for each in (first, second):
        each.line.fails("refused: password")
        assert stopped(database) == []
        each.turn()
    assert stopped(database) == ["refused: password"]


def turns(processes: Sequence[Process], seconds: float) -> set[int]:
    """The ids of those that held a bind meanwhile, never two at once."""
    held: set[int] = set()
    for _ in range(int(seconds / 2)):
        for each in processes:
            each.turn()
            slots = each.leases.look()[1]
            assert len(slots) <= 1
            held |= {*slots.values()}
    return held


def test_one_bind_is_tried_by_each_in_turn_until_one_is_bound(database: Database) -> None:
    provision(database)
    processes = [Process(database, binds=1) for _ in range(3)]
    for each in processes:
        each.line.fails("refused: password")
    assert len(turns(processes, 40)) == 3
    assert stopped(database) == ["refused: password"]
    rest, good = processes[:2], processes[2]
    good.line.fails()
    turns(processes, 120)
    assert [each.turn() for each in processes] == [0, 0, 1]
    assert stopped(database) == []
    assert raised(database)[0][-1] is False
    before = good.leases.look()[1]
    turns(processes, 120)
    assert good.leases.look()[1] == before, "it keeps it"
    for each in rest:
        each.line.fails()
    good.line.fails("unreachable")
    assert turns(processes, 10) - {good.id}, "another is tried"


def test_who_is_refused_rests_longer_each_time(database: Database) -> None:
    provision(database)
    first, second = Process(database, binds=1), Process(database, binds=1)
    takes: list[float] = []
    for each in (first, second):
        each.line.fails("refused: password")
    held = 0
    for _ in range(200):
        before, held = held, first.turn()
        second.turn()
        if held > before:
            takes.append(first.now)
    gaps = [b - a for a, b in pairwise(takes)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= FIRST_REST
    assert LONGEST_REST <= gaps[-1] <= 2 * LONGEST_REST


def test_a_trial_keeps_what_it_tried_in_vain(database: Database) -> None:
    provision(database)
    process, other = Process(database, binds=1), Process(database, binds=1)
    process.turn()
    process.line.fails("refused: password")
    for _ in range(3):
        process.binds.turn(yields=False)
        assert other.turn() == 0
    process.turn()
    process.turn()
    assert other.turn() == 1


def test_who_cannot_be_reached_for_a_minute_raises_an_alarm(database: Database) -> None:
    provision(database)
    process = Process(database, binds=1)
    process.turn()
    process.line.fails("unreachable")
    process.turn()
    process.turn(seconds=60)
    assert raised(database) == [], "no other try"
    process.line.fails("unreachable still")
    process.turn()
    assert raised(database) == [(AlarmKind.CONNECTION_NOT_BOUND, 1, "unreachable still", True)]
    assert stopped(database) == []
    process.line.fails()
    process.turn()
    assert raised(database) == [(AlarmKind.CONNECTION_NOT_BOUND, 1, "unreachable still", False)]


def test_fewer_are_allowed(database: Database) -> None:
    process = Process(database, binds=3)
    assert process.turn() == 3
    process.terms = replace(TERMS, binds=1)
    process.turn()
    assert set(process.line.slots) == {0}
    process.turn()
    process.turn()
    assert process.leases.look()[1] == {(1, 0): process.id}


def test_at_the_end_all_is_given_back(database: Database) -> None:
    process = Process(database, binds=2)
    process.turn()
    process.binds.close()
    process.binds.close()
    assert process.leases.look()[1] == {}


def test_who_binds_nothing_asks_nothing(database: Database) -> None:
    process = Process(database, binds=2)
    process.binds._bound = list
    process.binds._leases = object()  # type: ignore[assignment]
    process.binds.turn()
