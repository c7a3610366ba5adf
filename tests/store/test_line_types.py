"""Lookups on both databases: who waits for one, what an answer does, and that none is asked or paid for twice."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Admitted, Candidate, Kind
from dispatcher.core.phone import LineType
from dispatcher.core.screening import LinePolicy
from dispatcher.engine.imports import Fact
from dispatcher.engine.lookups import Budget, Claim, LookedUp, Wanted
from dispatcher.store.admissions import Admissions
from dispatcher.store.alarms import alarms
from dispatcher.store.attic import WAITED, StoreAttic
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.learning import Knowledge
from dispatcher.store.line_types import AGAIN, LineTypeBook
from dispatcher.store.queue import MessageQueue
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, provision

GRACE = timedelta(seconds=30)
KEEP = timedelta(days=60)
LEASE = timedelta(seconds=20)
SECOND = timedelta(seconds=1)
ON = LinePolicy(grace=GRACE, keep=KEEP)
TOMORROW = NOON + timedelta(hours=12)
MORNING = NOON + timedelta(hours=20)
PLENTY = Budget(1000, TOMORROW)
MANY = 100
MESSAGES = Statement("select id, state, code, hold, due_at, reason from messages order by id")
LEFT = Statement("select person, tries from lookups order by person")
LATE = Statement("update lookups set lease_until = 1 returning person")
SPENT = Statement("select day, asked, failed_at, failure from lookup_days")
SLOTS = Statement("select count(*) from duplicate_slots")
OWED = Statement("select status from callbacks order by subject_id")


def admit(database: Database, *made: Candidate, at: datetime = NOON, policy: LinePolicy = ON) -> Sequence[Admitted]:
    return Admissions(database, policy).admit(made, at)


def book(database: Database, policy: LinePolicy = ON) -> LineTypeBook:
    return LineTypeBook(database, policy)


def claim(database: Database, at: datetime = NOON, budget: Budget = PLENTY, most: int = MANY) -> Claim:
    return book(database).claim(most, at, LEASE, budget)


def settle(database: Database, *results: LookedUp, at: datetime = NOON) -> tuple[int, int]:
    return book(database).settle(results, at)


def rows(database: Database, statement: Statement = MESSAGES) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return tx.run(statement)


def waits(database: Database) -> list[tuple[str, str, int]]:
    """State, hold and when it is due, of each message."""
    return [(state, hold, due) for _, state, _, hold, due, _ in rows(database)]


def test_a_first_text_waits_for_what_its_number_is(database: Database) -> None:
    provision(database)
    assert [one.looked_up for one in admit(database, candidate())] == [True]
    assert waits(database) == [("queued", "lookup", micros(NOON + GRACE))]
    found = claim(database)
    assert [(w.number, w.tries, w.planned_at) for w in found.asks] == [("+13012223333", 0, NOON)]
    assert settle(database, LookedUp(found.asks[0], LineType.MOBILE), at=NOON + SECOND) == (0, 1)
    assert waits(database) == [("queued", "", micros(NOON))]
    assert [lane.due_at for lane in MessageQueue(database).lanes()] == [NOON]


NOT_ASKED = [
    candidate(line_type=LineType.MOBILE),
    candidate(kind=Kind.HELP),
    candidate(code=Code.NOT_MOBILE, line_type=LineType.UNKNOWN),
]


@pytest.mark.parametrize("made", NOT_ASKED, ids=["its range tells", "an answer", "refused"])
def test_nobody_else_waits(database: Database, made: Candidate) -> None:
    provision(database)
    assert [one.looked_up for one in admit(database, made)] == [False]
    assert rows(database, LEFT) == []
    assert rows(database)[0][3:5] == ("", micros(NOON))


def test_nothing_waits_where_nothing_is_looked_up(database: Database) -> None:
    provision(database)
    assert [one.looked_up for one in admit(database, candidate(), policy=LinePolicy())] == [False]
    assert rows(database, LEFT) == []


REFUSALS = [
    (LineType.FIXED, Code.NOT_MOBILE, "Not a mobile phone: fixed"),
    (LineType.NON_FIXED_VOIP, Code.NOT_MOBILE, "Not a mobile phone: non fixed voip"),
    (LineType.NONE, Code.INVALID_PHONE, "Invalid phone: nobody can have that number"),
]


@pytest.mark.parametrize(("line_type", "code", "reason"), REFUSALS)
def test_a_landline_is_discarded_as_it_is_learned(
    database: Database, line_type: LineType, code: Code, reason: str
) -> None:
    provision(database, apps=2, callback_url="http://127.0.0.1/")
    made, other = candidate(), candidate(app_id=2, planned_at=MORNING, text="again")
    admit(database, made, other)
    [wanted] = claim(database).asks
    assert settle(database, LookedUp(wanted, line_type)) == (2, 0)
    assert [(row[1], row[2], row[3], row[5]) for row in rows(database)] == [("discarded", code, "", reason)] * 2
    assert rows(database, OWED) == [(code,)] * 2
    assert rows(database, SLOTS) == [(0,)], "nothing was sent, so their places are free"
    assert [one.code for one in admit(database, candidate())] == [code]
    assert [one.code for one in admit(database, candidate(), at=NOON + KEEP)] == [Code.ACCEPTED]
    assert len(claim(database, NOON + KEEP).asks) == 1


def test_one_that_is_in_a_workers_hands_is_discarded_too(database: Database) -> None:
    provision(database)
    admit(database, candidate())
    [wanted] = claim(database).asks
    queue = MessageQueue(database)
    later = NOON + GRACE
    [row] = queue.claim({lane.key: 1 for lane in queue.lanes()}, later, LEASE)
    assert settle(database, LookedUp(wanted, LineType.FIXED), at=later) == (1, 0)
    assert rows(database)[0][1] == "discarded"
    assert row.id == rows(database)[0][0]


def test_a_policy_may_accept_numbers_of_apps(database: Database) -> None:
    policy = LinePolicy(grace=GRACE, textable=frozenset({LineType.NON_FIXED_VOIP}))
    provision(database, apps=2)
    admit(database, candidate(), policy=policy)
    [wanted] = claim(database).asks
    assert book(database, policy).settle([LookedUp(wanted, LineType.NON_FIXED_VOIP)], NOON) == (0, 1)
    assert [one.code for one in admit(database, candidate(app_id=2), policy=policy)] == [Code.ACCEPTED]


def test_what_waits_for_the_morning_goes_on_waiting(database: Database) -> None:
    provision(database)
    admit(database, candidate(planned_at=MORNING))
    assert waits(database) == [("queued", "quiet hours", micros(MORNING))]
    [wanted] = claim(database).asks
    assert settle(database, LookedUp(wanted, LineType.MOBILE)) == (0, 0)
    assert waits(database) == [("queued", "quiet hours", micros(MORNING))]


def test_what_is_planned_within_the_grace_is_let_go_for_then(database: Database) -> None:
    provision(database)
    opens = NOON + 10 * SECOND
    admit(database, candidate(planned_at=opens))
    assert waits(database) == [("queued", "lookup", micros(NOON + GRACE))]
    [wanted] = claim(database).asks
    settle(database, LookedUp(wanted, LineType.MOBILE))
    assert waits(database) == [("queued", "quiet hours", micros(opens))]


def test_a_number_is_asked_once_for_all_who_wait(database: Database) -> None:
    provision(database, apps=3)
    admit(database, candidate(), candidate(app_id=2))
    admit(database, candidate(app_id=3))
    found = claim(database)
    assert (len(found.asks), found.taken) == (1, 1)
    assert claim(database) == Claim(), "it is ours until the lease ends"
    assert settle(database, LookedUp(found.asks[0], LineType.UNKNOWN)) == (0, 3)
    assert claim(database) == Claim()
    assert admit(database, candidate("+13012223333", app_id=1, key="k"))[0].code is Code.DUPLICATE
    assert rows(database, SPENT) == [(20779, 1, None, "")]


def test_two_processes_share_the_work(database: Database) -> None:
    provision(database)
    admit(database, *[candidate(f"+1301222{n:04d}") for n in range(60)])
    start = Barrier(2)

    def work(_: int) -> list[Wanted]:
        start.wait(10)
        asks: list[Wanted] = []
        while (found := claim(database, most=7, budget=Budget(50, TOMORROW))).taken:
            asks += found.asks
        return asks

    with ThreadPoolExecutor(2) as pool:
        asked = [wanted.number for part in pool.map(work, range(2)) for wanted in part]
    assert len(asked) == len(set(asked)) == 50
    assert rows(database, SPENT)[0][1] == 50
    assert sorted(hold for _, hold, _ in waits(database)) == [""] * 10 + ["lookup"] * 50


def test_the_budget_of_a_day(database: Database) -> None:
    """What it does not allow passes at once, but for what has time until there is a new one."""
    provision(database)
    admit(database, *[candidate(f"+1301222000{n}", planned_at=NOON + n * SECOND) for n in range(3)])
    admit(database, candidate("+13012220009", planned_at=MORNING))
    found = claim(database, budget=Budget(2, TOMORROW))
    assert [w.number[-1] for w in found.asks] == ["0", "1"], "who may leave first is asked first"
    assert (found.over, found.released) == (2, 1)
    [alarm] = alarms(database, NOON)
    assert (alarm.kind, alarm.subject, alarm.is_open) == ("lookups_used_up", "lookups", True)
    assert alarm.reason == "the day's 2 are used up; who is not looked up passes"
    assert [alarm.is_open for alarm in alarms(database, NOON + timedelta(hours=12))] == [False], "tomorrow is another"
    assert [row[3] for row in rows(database)] == ["lookup", "lookup", "quiet hours", "quiet hours"]
    assert rows(database, SPENT)[0][1] == 2
    assert claim(database, TOMORROW - SECOND, Budget(2, TOMORROW)) == Claim()
    next_day = TOMORROW + timedelta(days=1)
    assert [w.number[-1] for w in claim(database, TOMORROW, Budget(2, next_day)).asks] == ["9"]
    assert sorted(row[1] for row in rows(database, SPENT)) == [1, 2]


def test_a_process_that_dies_amid_a_lookup(database: Database) -> None:
    """Its lease ends, another one asks, and an answer of the first one is still learned."""
    provision(database)
    admit(database, candidate())
    [first] = claim(database).asks
    with database.write() as tx:
        tx.run(LATE)
    [second] = claim(database).asks
    assert second.generation == first.generation + 1
    settle(database, LookedUp(first, reason="slow", again_at=NOON, tried=True))
    assert claim(database) == Claim(), "the first one's failure does not give it away"
    assert settle(database, LookedUp(first, LineType.FIXED)) == (1, 0)
    assert rows(database)[0][1] == "discarded"


def test_a_lookup_that_failed_is_tried_again_in_time(database: Database) -> None:
    provision(database)
    admit(database, candidate())
    [wanted] = claim(database).asks
    again = NOON + 2 * SECOND
    assert settle(database, LookedUp(wanted, reason="no\0pe", again_at=again, tried=True)) == (0, 0)
    assert waits(database)[0][1] == "lookup"
    assert claim(database, again - SECOND) == Claim()
    [wanted] = claim(database, again).asks
    assert wanted.tries == 1
    assert rows(database, SPENT) == [(20779, 2, micros(NOON), "nope")]
    assert settle(database, LookedUp(wanted, reason="never"), at=again) == (0, 1)
    assert waits(database) == [("queued", "", micros(NOON))], "it passes"
    assert rows(database, LEFT) == []
    today = book(database).today(NOON, MANY)
    assert (today.asked, today.failed_at, today.failure, today.waiting) == (2, again, "never", 0)


def test_who_was_admitted_while_the_answer_came_is_looked_at_again(database: Database) -> None:
    """Neither transaction saw the other: the invitation waits although the number was asked."""
    provision(database, apps=2)
    admit(database, candidate())
    [wanted] = claim(database).asks
    settle(database, LookedUp(wanted, LineType.FIXED))
    with database.write() as tx:
        tx.run(Statement("update people set line_type = '', line_type_at = null"))
    assert admit(database, candidate(app_id=2))[0].looked_up
    with database.write() as tx:
        tx.run(Statement(f"update people set line_type = 'fixed', line_type_at = {micros(NOON)}"))
    assert claim(database, NOON + AGAIN - SECOND) == Claim()
    found = claim(database, NOON + AGAIN)
    assert (found.asks, found.taken, found.discarded) == ([], 1, 1)
    assert [row[1] for row in rows(database)] == ["discarded"] * 2
    assert rows(database, LEFT) == []
    assert rows(database, SPENT)[0][1] == 1


def test_what_was_learned_otherwise_is_not_asked(database: Database) -> None:
    provision(database)
    made = candidate()
    admit(database, made)
    Knowledge(database).learn([Fact(made.person, LineType.MOBILE, None)], NOON)
    found = claim(database)
    assert (found.asks, found.released) == ([], 1)
    assert rows(database, SPENT) == []


def test_what_was_learned_too_long_ago_is_asked(database: Database) -> None:
    """A number that was nobody's forty days ago may be somebody's now."""
    provision(database)
    admit(database, candidate())
    long_ago = micros(NOON - timedelta(days=40))
    with database.write() as tx:
        tx.run(
            Statement(f"update people set line_type = 'none', line_type_at = {long_ago}, line_type_from = 'carrier'")
        )
    assert len(claim(database).asks) == 1


@pytest.mark.parametrize("change", ["update messages set state = 'cancelled'", "update people set address = null"])
def test_nobody_is_asked_about_for_nobody(database: Database, change: str) -> None:
    provision(database)
    admit(database, candidate())
    with database.write() as tx:
        tx.run(Statement(change))
    assert claim(database) == Claim([], taken=1)
    assert rows(database, LEFT) == []


def test_fresher_knowledge_stays(database: Database) -> None:
    provision(database)
    made = candidate()
    admit(database, made)
    [wanted] = claim(database).asks
    Knowledge(database).learn([Fact(made.person, LineType.MOBILE, None)], NOON + SECOND)
    settle(database, LookedUp(wanted, LineType.FIXED))
    with database.read() as tx:
        assert tx.run(Statement("select line_type, line_type_from from people")) == [("mobile", "import")]


def test_what_nobody_asks_any_more_is_forgotten(database: Database) -> None:
    provision(database)
    admit(database, *[candidate(f"+1301222000{n}", planned_at=NOON + n * SECOND) for n in range(3)])
    assert book(database).forget(NOON + SECOND, MANY) == 2
    assert book(database).today(NOON, MANY).waiting == 1
    assert StoreAttic(database).prune(NOON + WAITED + 2 * SECOND, MANY) == 1
    assert rows(database, LEFT) == []
