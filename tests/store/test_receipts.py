"""Receipts on both databases: in any order, early, late, doubled, for unknown ids."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome, Receipt
from dispatcher.core.lifecycle import Event, State
from dispatcher.engine.ports import Marked, Settled
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import GroupedReceipts, Reach, ReceiptBook, _batches
from dispatcher.store.rescue import Sweeper
from dispatcher.store.statement import Statement
from tests.factories import NOON, provision
from tests.store.test_queue import ATTEMPTS, CALLBACKS, EXPIRE_LEASES, SLOTS, mark, queued, run, settled, state, take

SHARES = Statement("select sender_id, reason, well_at > {clock} from sender_health")
SENT = Statement("select id, case when sent_at is null then 0 else 1 end from messages order by id")
ADDRESSES = Statement("select m.id, p.address from messages m join people p on p.person = m.person")
BOXED = Statement("select count(*) from receipts")


def delivered(key: str = "", ref: str = "") -> Receipt:
    return Receipt(Event.DELIVER, key, ref)


def failed(key: str = "", ref: str = "") -> Receipt:
    return Receipt(Event.REFUSE, key, ref, reason="unreachable")


def submitted(database: Database, count: int = 1) -> list[int]:
    made = queued(database, count)
    queue = MessageQueue(database)
    rows = take(database, most=count)
    marked = [m for n in range(0, count, 200) for m in mark(database, rows[n : n + 200])]  # a connection's room is 256
    results = [
        Settled(
            m.row.id, 1, Event.SUBMIT, Outcome(Fate.TAKEN, ref=f"ref-{m.row.id}"), Code.ACCEPTED,
            NOON + timedelta(hours=72), sent=True,
        )
        for m in marked
    ]  # fmt: skip
    queue.settle(results, NOON)
    return [c.id for c in made]


def test_found_by_our_key_and_by_their_ref(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    a, b = submitted(database, 2)
    book = ReceiptBook(database)
    assert book.take(1, [delivered(key=str(a)), failed(ref=f"ref-{b}")], NOON) == 2
    assert [state(database, i) for i in (a, b)] == [State.DELIVERED, State.FAILED]
    assert run(database, CALLBACKS) == [(a, "final", 1), (b, "final", 124)]


def test_a_late_refusal_of_the_submit_itself_is_no_sending(database: Database) -> None:
    """So the person may be invited again at once."""
    provision(database)
    made, queue = queued(database, 2), MessageQueue(database)
    marked = mark(database, take(database, most=2))
    queue.settle([settled(m.row, Event.LOSE, Fate.UNKNOWN) for m in marked], NOON)
    told = [replace(failed(key=str(c.id)), unsent=unsent) for c, unsent in zip(made, (True, False), strict=True)]
    assert ReceiptBook(database).take(1, told, NOON) == 2
    assert run(database, SENT) == [(made[0].id, 0), (made[1].id, 1)]
    assert len(run(database, SLOTS)) == 1


def test_what_anybody_could_have_written_counts_of_a_text_to_that_number_alone(database: Database) -> None:
    provision(database)
    a, b = submitted(database, 2)
    numbers = dict(run(database, ADDRESSES))
    book = ReceiptBook(database)
    assert book.take(1, [replace(delivered(ref=f"ref-{a}"), about=numbers[b])], NOON) == 0
    assert run(database, Statement("select event, reason from receipts")) == [("submit", "unproven ")]
    book.match(NOON, 100)
    assert state(database, a) is State.SUBMITTED
    assert book.take(1, [replace(delivered(ref=f"ref-{b}"), about=numbers[b])], NOON) == 1
    assert [state(database, i) for i in (a, b)] == [State.SUBMITTED, State.DELIVERED]


def test_a_repeat_is_no_news(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    [a] = submitted(database)
    book = ReceiptBook(database)
    book.take(1, [delivered(key=str(a))], NOON)
    assert book.take(1, [delivered(key=str(a)), delivered(ref=f"ref-{a}"), failed(key=str(a))], NOON) == 0
    assert state(database, a) is State.DELIVERED
    assert run(database, CALLBACKS) == [(a, "final", 1)]


def test_a_correction_outranks_a_failure_and_calls_once_more_only_where_asked(database: Database) -> None:
    provision(database, callback_url="http://example.com/", callback_corrections=1)
    [a] = submitted(database)
    book = ReceiptBook(database)
    book.take(1, [failed(key=str(a))], NOON)
    book.take(1, [delivered(key=str(a))], NOON)
    book.take(1, [delivered(key=str(a))], NOON)
    standing = MessageQueries(database, lambda: NOON).standing(1, a)
    assert standing is not None
    assert (standing.state, standing.code) == (State.DELIVERED, 1)
    assert run(database, CALLBACKS) == [(a, "correction", 1), (a, "final", 124)]


def test_a_correction_is_silent_where_not_asked(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    [a] = submitted(database)
    book = ReceiptBook(database)
    book.take(1, [failed(key=str(a)), delivered(key=str(a))], NOON)
    assert state(database, a) is State.DELIVERED
    assert run(database, CALLBACKS) == [(a, "final", 124)]


def test_it_may_overtake_our_own_settling(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    [c] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    assert ReceiptBook(database).take(1, [delivered(key=str(c.id))], NOON) == 1
    assert queue.settle([settled(marked.row, Event.SUBMIT)], NOON) == 1
    standing = MessageQueries(database, lambda: NOON).standing(1, c.id)
    assert standing is not None
    assert (standing.state, standing.code) == (State.DELIVERED, 1)
    assert run(database, CALLBACKS) == [(c.id, "final", 1)]


def test_their_ref_may_come_before_we_know_it(database: Database) -> None:
    provision(database)
    [c] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    assert ReceiptBook(database).take(1, [delivered(ref="r1")], NOON) == 0
    assert run(database, BOXED) == [(1,)]
    queue.settle([settled(marked.row, Event.SUBMIT)], NOON)
    assert state(database, c.id) is State.DELIVERED
    assert run(database, BOXED) == [(0,)]


def test_one_that_slipped_between_is_matched_by_the_sweep(database: Database) -> None:
    provision(database)
    [a] = submitted(database)
    with database.write() as tx:
        tx.run(
            Statement(
                """insert into receipts (connection_id, key, ref, event, code, reason, received_at)
                values (1, '', :ref, 'deliver', 1, '', :now)"""
            ),
            ref=f"ref-{a}",
            now=micros(NOON),
        )
    book = ReceiptBook(database)
    assert book.match(NOON, 100) == 1
    assert book.match(NOON, 100) == 0
    assert state(database, a) is State.DELIVERED


@pytest.mark.parametrize("swept", [True, False], ids=["by the sweep", "by their results"])
def test_one_that_came_too_early_tells_of_its_sender_as_others_do(database: Database, swept: bool) -> None:
    provision(database)
    made, reach = queued(database, 20), Reach()
    queue, book = MessageQueue(database, reach), ReceiptBook(database, reach)
    marked = mark(database, take(database))
    told = [Receipt(Event.REFUSE, ref=f"ref-{c.id}", filtered=n < 10) for n, c in enumerate(made)]
    assert book.take(1, told, NOON) == 0
    if swept:
        run(database, Statement("update attempts set ref = 'ref-' || message_id"))
        assert book.match(NOON, 100) == 20
    due = NOON + timedelta(hours=72)
    results = [Outcome(Fate.TAKEN, ref=f"ref-{m.row.id}") for m in marked]
    queue.settle(
        [Settled(m.row.id, 1, Event.SUBMIT, o, Code.ACCEPTED, due) for m, o in zip(marked, results, strict=True)], NOON
    )
    assert run(database, SHARES) == [(1, "20 of the last 20 were not delivered, 10 of them filtered", 1)]
    assert run(database, BOXED) == [(0,)]


def test_unknown_ids_are_kept_and_another_connections_ids_are_not_ours(database: Database) -> None:
    provision(database)
    [a] = submitted(database)
    book = ReceiptBook(database)
    strangers = [delivered(key="99"), delivered(ref="nobody"), delivered(key="x" * 40), delivered(key="9" * 30)]
    assert book.take(1, strangers, NOON) == 0
    assert book.take(2, [delivered(key=str(a)), delivered(ref=f"ref-{a}")], NOON) == 0
    assert run(database, BOXED) == [(6,)]
    assert state(database, a) is State.SUBMITTED


def test_a_word_of_acceptance_resolves_a_doubt(database: Database) -> None:
    provision(database)
    [c] = queued(database)
    mark(database, take(database))
    run(database, EXPIRE_LEASES)
    Sweeper(database).rescue(NOON, timedelta(minutes=15), 10)
    assert ReceiptBook(database).take(1, [Receipt(Event.SUBMIT, key=str(c.id))], NOON) == 1
    assert state(database, c.id) is State.SUBMITTED


ACCEPTED = Statement("select state, code, reason, hold, sent_at, due_at, lease_until from messages")
TOLD = [(State.SUBMITTED, 0, "", "", micros(NOON), micros(NOON + timedelta(hours=72)), None)]


def test_a_word_of_acceptance_may_overtake_our_own_settling(database: Database) -> None:
    """Its worker dies, and no sweep sends again what the carrier said it has."""
    provision(database, policy="at_least_once")
    [c] = queued(database)
    mark(database, take(database))
    book = ReceiptBook(database)
    assert book.take(1, [Receipt(Event.SUBMIT, key=str(c.id))], NOON) == 1
    assert run(database, ACCEPTED) == TOLD
    assert book.take(1, [Receipt(Event.SUBMIT, key=str(c.id))], NOON + timedelta(seconds=1)) == 0
    Sweeper(database).rescue(NOON + timedelta(minutes=15), timedelta(minutes=15), 10)
    assert run(database, ACCEPTED) == TOLD
    assert take(database, now=NOON + timedelta(minutes=15)) == []


def test_a_word_of_acceptance_ends_the_wait_to_send_again(database: Database) -> None:
    provision(database, policy="at_least_once")
    [c] = queued(database)
    mark(database, take(database))
    run(database, EXPIRE_LEASES)
    Sweeper(database).rescue(NOON, timedelta(0), 10)
    assert state(database, c.id) is State.QUEUED
    assert ReceiptBook(database).take(1, [Receipt(Event.SUBMIT, key=str(c.id))], NOON) == 1
    assert take(database) == []
    assert run(database, ACCEPTED) == TOLD


# Our own result after the carrier's word of acceptance: how it is told, and what the row is then.
RESULTS: list[tuple[Event, Fate, dict[str, Any], State, int, list[int]]] = [
    (Event.SUBMIT, Fate.TAKEN, {}, State.SUBMITTED, 0, []),
    (Event.DELIVER, Fate.TAKEN, {"code": Code.DELIVERED}, State.DELIVERED, 1, [1]),
    (Event.LOSE, Fate.UNKNOWN, {}, State.SUBMITTED, 0, []),
    (Event.RETRY, Fate.LATER, {"tried": True}, State.SUBMITTED, 0, []),
    (Event.RETRY, Fate.OTHER_SENDER, {}, State.SUBMITTED, 0, []),
    (Event.RETRY, Fate.STOP_CARRIER, {}, State.SUBMITTED, 0, []),
    (Event.REFUSE, Fate.NEVER, {"code": Code.NOT_MOBILE}, State.FAILED, 125, [125]),
    (Event.REFUSE, Fate.LATER, {"code": Code.SEND_FAILED}, State.FAILED, 124, [124]),
]


@pytest.mark.parametrize(
    ("event", "fate", "given", "after", "code", "owed"), RESULTS, ids=[f"{e}-{f}" for e, f, *_ in RESULTS]
)
def test_our_own_result_after_a_word_of_acceptance(
    database: Database, event: Event, fate: Fate, given: dict[str, Any], after: State, code: int, owed: list[int]
) -> None:
    provision(database, callback_url="http://example.com/")
    [c] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    ReceiptBook(database).take(1, [Receipt(Event.SUBMIT, key=str(c.id))], NOON)
    late = NOON + timedelta(seconds=1)
    queue.settle([settled(marked.row, event, fate, **given)], late)
    standing = MessageQueries(database, lambda: NOON).standing(1, c.id)
    assert standing is not None
    assert (standing.state, standing.code, standing.sent_at) == (after, code, NOON)
    assert [row[2] for row in run(database, CALLBACKS)] == owed
    assert run(database, ATTEMPTS) == [(c.id, 1, fate, "r1" if fate is Fate.TAKEN else "")]
    assert run(database, SLOTS) == [(1,)], "it was taken, so its place is kept"


def test_their_ref_is_matched_after_a_word_of_acceptance_too(database: Database) -> None:
    provision(database)
    [c] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    book = ReceiptBook(database)
    assert book.take(1, [Receipt(Event.SUBMIT, key=str(c.id)), delivered(ref="r1")], NOON) == 1
    assert run(database, BOXED) == [(1,)]
    queue.settle([settled(marked.row, Event.SUBMIT)], NOON)
    assert state(database, c.id) is State.DELIVERED
    assert run(database, BOXED) == [(0,)]


def test_a_thousand_doubled_and_shuffled(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    ids = submitted(database, 1000)
    told = [r for n, i in enumerate(ids) for r in ((delivered if n % 2 else failed)(ref=f"ref-{i}"),) * 2]
    random.Random(7).shuffle(told)
    book = ReceiptBook(database)
    assert sum(book.take(1, told[n : n + 100], NOON) for n in range(0, 2000, 100)) == 1000
    assert [row[2] for row in run(database, CALLBACKS)] == [1 if n % 2 else 124 for n in range(1000)]


def test_a_sender_whose_texts_do_not_arrive_loses_its_share(database: Database) -> None:
    provision(database)
    made = submitted(database, 40)
    book = GroupedReceipts(database, lambda: NOON)
    dead = [Receipt(Event.REFUSE, key=str(i), code=Code.INVALID_PHONE) for i in made[:10]]
    book.take(1, [*dead, *(delivered(key=str(i)) for i in made[10:20])], NOON)
    book.take(1, [failed(key=str(i)) for i in made[20:28]], NOON)
    assert run(database, SHARES) == [], "of too few nothing is said; and dead numbers are not its fault"
    filtered = [Receipt(Event.REFUSE, key=str(i), filtered=True) for i in made[28:30]]
    book.take(1, filtered * 2, NOON)
    assert run(database, SHARES) == [(1, "10 of the last 20 were not delivered, 2 of them filtered", 1)]
    book.take(1, [delivered(key=str(i)) for i in made[30:]], NOON)
    assert len(run(database, SHARES)) == 1


@pytest.mark.parametrize("written", [True, False], ids=["written", "in flight"])
@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by ref"])
def test_a_late_refusal_of_an_earlier_attempt_is_no_news(database: Database, written: bool, by_key: bool) -> None:
    """Another sender got it through, or may yet: nothing changes, nobody's health falls, and nothing is kept."""
    made = twice_tried(database, 20, written=written)
    first = [Receipt(Event.REFUSE, str(i) if by_key else "", f"first-{i}", filtered=True) for i in made]
    assert ReceiptBook(database).take(1, first, NOON) == 0
    assert {state(database, i) for i in made} == {State.SUBMITTED if written else State.SUBMITTING}
    assert (run(database, SHARES), run(database, BOXED), run(database, CALLBACKS)) == ([], [(0,)], [])


def test_a_refusal_of_the_last_attempt_counts_whatever_came_before_it(database: Database) -> None:
    [a, b] = twice_tried(database, 2)
    told = [failed(str(a), f"first-{a}"), failed(str(a), f"second-{a}")]
    assert ReceiptBook(database).take(1, [*told, failed(str(b), f"first-{b}"), delivered(str(b))], NOON) == 2
    assert [state(database, i) for i in (a, b)] == [State.FAILED, State.DELIVERED]


def test_a_refusal_counts_by_our_key_alone_and_before_their_id_is_written(database: Database) -> None:
    [a, b] = twice_tried(database, 2, written=False)
    assert ReceiptBook(database).take(1, [failed(str(a)), failed(str(b), f"second-{b}")], NOON) == 2
    assert [state(database, i) for i in (a, b)] == [State.FAILED, State.FAILED]


def test_a_refusal_by_another_connection_than_that_of_the_last_attempt_is_no_news(database: Database) -> None:
    [a] = twice_tried(database, 1)
    run(database, Statement("update attempts set connection_id = 2 where generation = 2"))
    assert ReceiptBook(database).take(1, [failed(str(a)), failed(ref=f"first-{a}")], NOON) == 0
    assert (state(database, a), run(database, BOXED)) == (State.SUBMITTED, [(0,)])
    assert ReceiptBook(database).take(2, [failed(str(a))], NOON) == 1


def test_a_refusal_that_was_kept_is_of_the_last_attempt_or_no_news(database: Database) -> None:
    provision(database, senders=2)
    [c] = queued(database)
    queue, book = MessageQueue(database), ReceiptBook(database)
    [marked] = mark(database, take(database))
    book.take(1, [failed(ref=f"first-{c.id}"), failed(ref=f"second-{c.id}")], NOON)
    again(database, queue, [marked])
    assert (state(database, c.id), run(database, BOXED)) == (State.SUBMITTING, [(1,)])
    queue.settle([named(c.id)], NOON)
    assert (state(database, c.id), run(database, BOXED)) == (State.FAILED, [(0,)])


def test_many_receipts_in_turns_are_few_statements() -> None:
    """In the order of each message, and not of all of them."""
    told = [(n, (1, told)) for n in range(500) for told in ((delivered, failed)[n % 2](str(n)), failed(str(n)))]
    assert [(event, len(batch)) for event, batch in _batches(told)] == [(Event.DELIVER, 250), (Event.REFUSE, 250)]


def twice_tried(database: Database, count: int, *, written: bool = True) -> list[int]:
    """Messages of which a first sender was refused as `first-ID`; the second took them as `second-ID`, if `written`."""
    provision(database, senders=2, callback_url="http://example.com/")
    made, queue = queued(database, count), MessageQueue(database)
    again(database, queue, mark(database, take(database)))
    if written:
        queue.settle([named(c.id) for c in made], NOON)
    return [c.id for c in made]


def again(database: Database, queue: MessageQueue, marked: list[Marked]) -> None:
    """A third sender may not: their messages are marked for another one."""
    for m in marked:
        no = Outcome(Fate.OTHER_SENDER, ref=f"first-{m.row.id}")
        queue.settle([settled(m.row, Event.RETRY, outcome=no, due_at=NOON, sent=False)], NOON)
    run(database, Statement("update attempts set sender_id = 3"))  # neither of the two that are left
    assert len(mark(database, take(database))) == len(marked)


def named(message_id: int) -> Settled:
    due = NOON + timedelta(hours=72)
    outcome = Outcome(Fate.TAKEN, ref=f"second-{message_id}")
    return Settled(message_id, 2, Event.SUBMIT, outcome, Code.ACCEPTED, due, sent=True)
