"""The sweep on both databases: what lost its lease, what is in doubt, what no receipt ever told of."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dispatcher.core.exchange import Fate
from dispatcher.core.lifecycle import Event, State
from dispatcher.engine.ports import Marked, Rescued
from dispatcher.store.database import Database
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.rescue import MOST_IN_DOUBT, Sweeper
from dispatcher.store.statement import Statement
from tests.factories import NOON, provision
from tests.store.test_queue import ATTEMPTS, CALLBACKS, EXPIRE_LEASES, SLOTS, mark, queued, run, settled, state, take

DOUBT = timedelta(minutes=15)


def sweep(database: Database, now: datetime = NOON, doubt: timedelta = DOUBT, most: int = 100) -> Rescued:
    return Sweeper(database).rescue(now, doubt, most)


def test_rescue_leaves_live_leases_alone_and_reaches_dead_ones_behind_them(database: Database) -> None:
    provision(database)
    made = queued(database, 6)
    dead = take(database, most=1)
    run(database, EXPIRE_LEASES)
    take(database, most=5)
    rescued = sweep(database, most=1)
    assert rescued.requeued == 1
    assert state(database, dead[0].id) is State.QUEUED
    assert [state(database, c.id) for c in made].count(State.CLAIMED) == 5


@pytest.mark.parametrize(
    ("policy", "after", "owed"), [("at_most_once", State.FAILED, [(124,)]), ("at_least_once", State.QUEUED, [])]
)
def test_doubt_is_closed_by_the_apps_policy(
    database: Database, policy: str, after: State, owed: list[tuple[int]]
) -> None:
    provision(database, callback_url="http://example.com/", policy=policy)
    [made] = queued(database)
    mark(database, take(database))
    run(database, EXPIRE_LEASES)
    sweep(database)
    sweep(database, NOON + timedelta(minutes=14))
    assert state(database, made.id) is State.IN_DOUBT
    assert Sweeper(database).in_doubt(NOON + DOUBT) == 1
    assert sweep(database, NOON + timedelta(minutes=15)).closed == 1
    assert state(database, made.id) is after
    assert Sweeper(database).in_doubt(NOON + DOUBT) == 0
    assert run(database, Statement("select status from callbacks")) == owed
    assert run(database, SLOTS) == [(1,)], "it may have arrived, so its place is kept"


def doubted(database: Database, *, killed: bool = True) -> Marked:
    """One more submit of the only row, and the sweep after it: its process is killed, or gets no answer."""
    [marked] = mark(database, take(database))
    if not killed:
        MessageQueue(database).settle([settled(marked.row, Event.LOSE, Fate.UNKNOWN, due_at=NOON)], NOON)
    run(database, EXPIRE_LEASES)
    sweep(database, doubt=timedelta(0))
    return marked


def test_no_more_than_so_many_doubts_are_sent_again(database: Database) -> None:
    """A carrier that takes texts, answers nothing and reports nothing must not text one person all day."""
    provision(database, callback_url="http://example.com/", policy="at_least_once")
    [made] = queued(database)
    for killed in (False, True, False):
        assert state(database, made.id) is State.QUEUED
        doubted(database, killed=killed)
    standing = MessageQueries(database, lambda: NOON).standing(1, made.id)
    assert standing is not None
    assert (standing.state, standing.code, standing.reason) == (State.FAILED, 124, "outcome unknown")
    assert run(database, ATTEMPTS) == [(made.id, 1, "unknown", ""), (made.id, 2, "", ""), (made.id, 3, "unknown", "")]
    assert [row[2] for row in run(database, CALLBACKS)] == [124]
    assert run(database, SLOTS) == [(1,)], "it may have arrived, so its place is kept"


def test_only_attempts_whose_outcome_is_unknown_count_as_doubts(database: Database) -> None:
    provision(database, policy="at_least_once")
    [made] = queued(database)
    queue = MessageQueue(database)
    for _ in range(2 * MOST_IN_DOUBT):
        [marked] = mark(database, take(database))
        queue.settle([settled(marked.row, Event.RETRY, Fate.LATER, due_at=NOON)], NOON)
    late = doubted(database)
    doubted(database)
    queue.settle([settled(late.row, Event.RETRY, Fate.LATER)], NOON)  # the first tells after all that nothing was sent
    doubted(database)
    assert state(database, made.id) is State.QUEUED
    doubted(database)
    assert state(database, made.id) is State.FAILED


def test_a_receipt_that_never_comes_closes_as_failed_but_sent(database: Database) -> None:
    provision(database)
    [made] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    queue.settle([settled(marked.row, Event.SUBMIT)], NOON)
    sweep(database, NOON + timedelta(hours=72))
    standing = MessageQueries(database, lambda: NOON).standing(1, made.id)
    assert standing is not None
    assert (standing.state, standing.code, standing.reason) == (State.FAILED, 124, "no receipt")
    assert standing.sent_at == NOON


# Seconds by which a lease or a rest lies ahead once the clock of the database was set back.
SET_BACK = [(3590, False), (3610, True), (400 * 86_400, True)]


def put_ahead(database: Database, columns: str, seconds: int) -> None:
    table, column = columns.split(".")
    run(database, Statement(f"update {table} set {column} = {{clock}} + {seconds * 1_000_000}"))


@pytest.mark.parametrize(("ahead", "over"), SET_BACK)
def test_a_lease_farther_ahead_than_any_is_set_is_over(database: Database, ahead: int, *, over: bool) -> None:
    provision(database)
    queued(database, 3)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database, most=1))
    take(database, most=2)
    put_ahead(database, "messages.lease_until", ahead)
    rescued = sweep(database)
    assert (rescued.requeued, rescued.in_doubt) == ((2, 1) if over else (0, 0))
    assert len(take(database)) == rescued.requeued
    assert queue.settle([settled(marked.row, Event.SUBMIT)], NOON) == 0, "its own result lands all the same"
