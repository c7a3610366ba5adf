"""Taking work on both databases: claim, mark, settle, and the fence around each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.decision import Discard, Send, Wait
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.invitation import Candidate, Claimed, Kind
from dispatcher.core.lifecycle import Event, State
from dispatcher.core.senders import LaneKey
from dispatcher.engine.ports import Marked, Settled
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.pool import SenderPool
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.rescue import Sweeper
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, provision

LEASE = timedelta(seconds=60)
HORIZON = timedelta(seconds=1)
EXPIRE_LEASES = Statement("update messages set lease_until = 1 where lease_until is not null")
ATTEMPTS = Statement("select message_id, generation, fate, ref from attempts order by message_id, generation")
CALLBACKS = Statement("select message_id, kind, status from callbacks order by message_id, kind")
SLOTS = Statement("select count(*) from duplicate_slots")
SENDERS = Statement("select id, used from senders order by id")


def queued(database: Database, count: int = 1, **given: Any) -> list[Candidate]:
    made = [candidate(f"+1301222{n:04d}", **given) for n in range(3000, 3000 + count)]
    Admissions(database).admit(made, NOON)
    return made


def take(database: Database, most: int = 100, now: datetime = NOON) -> list[Claimed]:
    return MessageQueue(database).claim({LaneKey(1, "US"): most}, now, LEASE)


def mark(database: Database, rows: Sequence[Claimed], now: datetime = NOON) -> list[Marked]:
    pool = SenderPool(database).usable(HORIZON, None)
    sends = []
    for row in rows:
        choice = pool.choose(row.app_id, row.region, row.address or "", row.sticky_sender)
        assert choice is not None
        pool.charge(choice, row.segments)
        sends.append(Send(row, choice))
    return MessageQueue(database).mark(sends, [], [], now=now, lease=LEASE, horizon=HORIZON, worker_id=1)


def settled(row: Claimed, event: Event, fate: Fate = Fate.TAKEN, **given: Any) -> Settled:
    values: dict[str, Any] = {
        "outcome": Outcome(fate, ref="r1" if fate is Fate.TAKEN else ""),
        "code": Code.ACCEPTED,
        "due_at": NOON + timedelta(hours=72),
        "sent": fate is Fate.TAKEN,
    }
    return Settled(row.id, row.generation, event, **(values | given))


def state(database: Database, message_id: int) -> State:
    [(found,)] = run(database, Statement("select state from messages where id = :id"), id=message_id)
    return State(found)


def run(database: Database, statement: Statement, **given: Any) -> list[tuple[Any, ...]]:
    with database.write() as tx:
        return [tuple(row) for row in tx.run(statement, **given)]


def test_claims_what_is_due_in_order_and_only_that(database: Database) -> None:
    provision(database, apps=2)
    later = queued(database, 1, planned_at=NOON + timedelta(seconds=1))
    Admissions(database).admit([candidate("+13012220000", planned_at=NOON - timedelta(hours=1))], NOON)
    Admissions(database).admit([candidate("+13012220001")], NOON)
    Admissions(database).admit([candidate("+13012220001", app_id=2)], NOON)
    assert [row.address for row in take(database)] == ["+13012220000", "+13012220001"]
    assert take(database) == []
    assert [row.id for row in take(database, now=NOON + timedelta(seconds=1))] == [later[0].id]


def test_lanes_name_each_app_and_country_with_its_first_due_row(database: Database) -> None:
    provision(database, apps=2)
    queued(database, 2)
    Admissions(database).admit([candidate(app_id=2, planned_at=NOON + timedelta(hours=1))], NOON)
    Admissions(database).admit([candidate("+4915112345678", region="DE")], NOON)
    assert [(lane.key, lane.due_at) for lane in MessageQueue(database).lanes()] == [
        (LaneKey(1, "DE"), NOON),
        (LaneKey(1, "US"), NOON),
        (LaneKey(2, "US"), NOON + timedelta(hours=1)),
    ]


def test_a_claimed_row_carries_what_a_decision_needs(database: Database) -> None:
    provision(database)
    [made] = queued(database, 1, text="Hello", segments=2)
    with database.write() as tx:
        tx.run(
            Statement(
                "insert into optouts (person, scope, scope_id, created_at, source, said) "
                "values (:person, 'app', 1, 0, '', '')"
            ),
            person=made.person,
        )
    [row] = take(database)
    assert (row.address, row.text, row.segments, row.generation, row.opted_out) == (made.address, "Hello", 2, 1, True)


def test_marks_write_the_attempt_and_take_the_room(database: Database) -> None:
    provision(database, senders=2)
    made = queued(database, 4, segments=2)
    marked = mark(database, take(database))
    assert {state(database, c.id) for c in made} == {State.SUBMITTING}
    assert [row[:3] for row in run(database, ATTEMPTS)] == [(c.id, 1, "") for c in made]
    assert run(database, SENDERS) == [(1, 4), (2, 4)]
    assert sorted(m.row.id for m in marked) == [c.id for c in made]


def test_a_sender_is_never_given_more_than_its_pace(database: Database) -> None:
    provision(database, mps=10)
    queued(database, 30)
    queue = MessageQueue(database)
    rows = take(database)
    pool = SenderPool(database).usable(HORIZON, None)
    sends, waits = [], []
    for row in rows:
        choice = pool.choose(1, "US", row.address or "")
        assert choice is not None
        if choice.fits:
            pool.charge(choice, row.segments)
            sends.append(Send(row, choice))
        else:
            waits.append(Wait(row, NOON, "sender's pace"))
    marked = queue.mark(sends, waits, [], now=NOON, lease=LEASE, horizon=HORIZON, worker_id=1)
    delays = [m.delay for m in marked]
    assert 10 <= len(delays) <= 11
    gaps = [after - before for before, after in pairwise(delays)]
    assert set(gaps) == {timedelta(milliseconds=100)}


def test_room_taken_by_another_process_sends_rows_back(database: Database) -> None:
    provision(database, mps=1)
    made = queued(database, 4)
    queue, other = MessageQueue(database), MessageQueue(database)
    rows = take(database)
    mine, theirs = (SenderPool(database).usable(HORIZON, None) for _ in range(2))
    sends = []
    for pool, pair in ((mine, rows[:2]), (theirs, rows[2:])):
        for row in pair:
            choice = pool.choose(1, "US", row.address or "")
            assert choice is not None
            pool.charge(choice, 1)
            sends.append((pool, Send(row, choice)))
    first = queue.mark([s for p, s in sends if p is mine], [], [], now=NOON, lease=LEASE, horizon=HORIZON, worker_id=1)
    second = other.mark(
        [s for p, s in sends if p is theirs], [], [], now=NOON, lease=LEASE, horizon=HORIZON, worker_id=2
    )
    assert (len(first), len(second)) == (2, 0)
    assert [state(database, c.id) for c in made] == [State.SUBMITTING] * 2 + [State.QUEUED] * 2


def test_a_sender_that_was_removed_meanwhile_sends_nothing(database: Database) -> None:
    rows = provision(database, senders=2)
    made = queued(database, 2)
    claimed = take(database)
    sends = []
    pool = SenderPool(database).usable(HORIZON, None)
    for row in claimed:
        choice = pool.choose(1, "US", row.address or "")
        assert choice is not None
        pool.charge(choice, 1)
        sends.append(Send(row, choice))
    rows.remove_sender(sends[0].choice.sender.number, "")
    [marked] = MessageQueue(database).mark(sends, [], [], now=NOON, lease=LEASE, horizon=HORIZON, worker_id=1)
    assert marked.sender_id == sends[1].choice.sender.id
    assert [state(database, c.id) for c in made] == [State.QUEUED, State.SUBMITTING]
    [again] = mark(database, take(database, now=NOON + HORIZON), now=NOON + HORIZON)
    assert (again.row.id, again.sender_id) == (made[0].id, marked.sender_id)


def test_what_was_claimed_again_is_not_marked_by_the_first(database: Database) -> None:
    provision(database)
    [made] = queued(database)
    stale = take(database)
    run(database, EXPIRE_LEASES)
    assert Sweeper(database).rescue(NOON, timedelta(minutes=15), 100).requeued == 1
    fresh = take(database)
    assert mark(database, stale) == []
    assert len(mark(database, fresh)) == 1
    assert [row[1] for row in run(database, ATTEMPTS)] == [2]
    assert state(database, made.id) is State.SUBMITTING


@pytest.mark.parametrize("kind", Kind)
def test_who_opted_out_since_the_claim_is_not_marked(database: Database, kind: Kind) -> None:
    """As when an opt-out is committed between an invitation's admission and its mark, without having seen it."""
    provision(database)
    [made] = queued(database, kind=kind)
    rows = take(database)
    run(database, Statement(
        """insert into optouts (person, scope, scope_id, created_at, source, said)
        select person, 'app', 1, 0, '', '' from people"""
    ))  # fmt: skip
    exempt = kind in (Kind.CONFIRMATION, Kind.HELP)
    assert len(mark(database, rows)) == exempt
    assert state(database, made.id) is (State.SUBMITTING if exempt else State.QUEUED)
    if not exempt:
        [again] = take(database)
        assert again.opted_out, "and now it is seen"


def test_a_lease_that_ran_out_is_not_marked_even_before_rescue(database: Database) -> None:
    provision(database)
    queued(database)
    rows = take(database)
    run(database, EXPIRE_LEASES)
    assert mark(database, rows) == []


def test_waits_and_discards(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    made = queued(database, 3)
    queue = MessageQueue(database)
    rows = take(database)
    queue.mark(
        [],
        [Wait(rows[0], NOON + timedelta(hours=9), "quiet hours")],
        [Discard(rows[1], Code.OPTED_OUT, "no"), Discard(rows[2], Code.SEND_FAILED, "expired", expired=True)],
        now=NOON, lease=LEASE, horizon=HORIZON, worker_id=1,
    )  # fmt: skip
    assert [state(database, c.id) for c in made] == [State.QUEUED, State.DISCARDED, State.EXPIRED]
    waiting = MessageQueries(database, lambda: NOON).standing(1, made[0].id)
    assert waiting is not None
    assert (waiting.due_at, waiting.hold) == (NOON + timedelta(hours=9), "quiet hours")
    assert run(database, CALLBACKS) == [(made[1].id, "final", 127), (made[2].id, "final", 124)]
    assert run(database, SLOTS) == [(1,)], "nothing was sent, so their places are free"


OUTCOMES = [
    (Event.SUBMIT, Fate.TAKEN, {}, State.SUBMITTED, 1, []),
    (Event.DELIVER, Fate.TAKEN, {"code": Code.DELIVERED}, State.DELIVERED, 1, [1]),
    (Event.REFUSE, Fate.NEVER, {"code": Code.NOT_MOBILE}, State.FAILED, 0, [125]),
    (Event.RETRY, Fate.LATER, {"due_at": NOON + timedelta(seconds=9)}, State.QUEUED, 1, []),
    (Event.LOSE, Fate.UNKNOWN, {}, State.IN_DOUBT, 1, []),
]


@pytest.mark.parametrize(("event", "fate", "given", "after", "slots", "owed"), OUTCOMES)
def test_settles(
    database: Database, event: Event, fate: Fate, given: dict[str, Any], after: State, slots: int, owed: list[int]
) -> None:
    provision(database, callback_url="http://example.com/")
    [made] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    assert queue.settle([settled(marked.row, event, fate, **given)], NOON) == 0
    assert state(database, made.id) is after
    assert run(database, SLOTS) == [(slots,)]
    assert [row[2] for row in run(database, CALLBACKS)] == owed
    assert run(database, ATTEMPTS)[0][2] == fate


def test_a_result_of_an_older_generation_changes_nothing(database: Database) -> None:
    provision(database)
    [made] = queued(database)
    queue = MessageQueue(database)
    [first] = mark(database, take(database))
    queue.settle([settled(first.row, Event.RETRY, Fate.LATER, due_at=NOON)], NOON)
    [second] = mark(database, take(database))
    assert queue.settle([settled(first.row, Event.SUBMIT)], NOON) == 1
    assert state(database, made.id) is State.SUBMITTING
    assert queue.settle([settled(second.row, Event.SUBMIT)], NOON) == 0


def test_a_true_late_result_still_lands_on_a_row_in_doubt(database: Database) -> None:
    provision(database)
    [made] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    run(database, EXPIRE_LEASES)
    rescued = Sweeper(database).rescue(NOON, timedelta(minutes=15), 100)
    assert (rescued.in_doubt, state(database, made.id)) == (1, State.IN_DOUBT)
    assert queue.settle([settled(marked.row, Event.SUBMIT)], NOON) == 0
    assert state(database, made.id) is State.SUBMITTED
