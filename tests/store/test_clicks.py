"""Clicks on both databases: which message, what is learned, what follows once, and which doubts end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Receipt
from dispatcher.core.invitation import Policy
from dispatcher.core.lifecycle import Event, State
from dispatcher.core.screening import KnownOs
from dispatcher.engine.ports import Clicked, ClickReport
from dispatcher.store.admissions import Admissions
from dispatcher.store.clicks import GroupedClicks, record
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.rescue import Sweeper
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, ids, provision
from tests.store.test_queue import CALLBACKS, EXPIRE_LEASES, mark, queued, run, settled, state, take
from tests.store.test_receipts import submitted

SECOND = timedelta(seconds=1)
DOUBT = timedelta(minutes=15)
URL = "http://example.com/"
KEPT = Statement("select message_id, user_agent, os, human from clicks order by id")
LEARNED = Statement("select os, os_at from people order by person")


def click(message_id: int | None = None, **given: Any) -> ClickReport:
    """A report by account 1 of a person with an iPhone."""
    values: dict[str, Any] = {
        "id": next(ids), "account_id": 1, "message_id": message_id, "reference": "", "user_agent": "an iPhone",
        "os": KnownOs.IOS, "human": True,
    }  # fmt: skip
    return ClickReport(**(values | given))


def tell(database: Database, *clicks: ClickReport, at: datetime = NOON) -> list[Clicked | None]:
    with database.write() as tx:
        return record(tx, clicks, at)


def kept(database: Database) -> list[tuple[Any, ...]]:
    return run(database, KEPT)


def clicked_at(database: Database, message_id: int) -> datetime | None:
    found = MessageQueries(database, lambda: NOON).standing(1, message_id)
    assert found is not None
    return found.clicked_at


def learned(database: Database) -> list[tuple[Any, ...]]:
    return run(database, LEARNED)


def test_a_click_is_kept_and_teaches_the_number(database: Database) -> None:
    provision(database)
    a, b = submitted(database, 2)
    assert tell(database, click(a), click(b, user_agent="", os=None)) == [Clicked(a, False), Clicked(b, False)]
    assert kept(database) == [(a, "an iPhone", "IOS", 1), (b, "", "", 1)]
    assert [clicked_at(database, i) for i in (a, b)] == [NOON, NOON]
    assert sorted(learned(database), key=str) == [("", None), ("IOS", micros(NOON))]
    assert [state(database, i) for i in (a, b)] == [State.SUBMITTED] * 2, "they go on waiting for their receipts"


def test_what_was_learned_is_asked_of_the_next_invitation(database: Database) -> None:
    provision(database, apps=2)
    [a] = submitted(database)
    tell(database, click(a))
    [(phone,)] = run(database, Statement("select address from people"))
    asked = candidate(phone, app_id=2)  # for Android
    assert [one.code for one in Admissions(database).admit([asked], NOON)] == [Code.NOT_COMPATIBLE]


def test_the_same_report_again_changes_nothing(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [a] = submitted(database)
    assert tell(database, click(a), click(a)) == [Clicked(a, True), Clicked(a, True)]
    tell(database, click(a, user_agent="a Pixel", os=KnownOs.ANDROID), at=NOON + SECOND)
    assert tell(database, click(a), at=NOON + 2 * SECOND) == [Clicked(a, False)]
    assert [row[1] for row in kept(database)] == ["an iPhone", "a Pixel"]
    assert learned(database) == [("ANDROID", micros(NOON + SECOND))], "the newest that is news"
    assert clicked_at(database, a) == NOON
    assert run(database, CALLBACKS) == [(a, "click", 2)]


def test_an_older_report_teaches_nothing_new(database: Database) -> None:
    provision(database)
    [a] = submitted(database)
    tell(database, click(a))
    tell(database, click(a, user_agent="a Pixel", os=KnownOs.ANDROID), at=NOON - SECOND)
    assert learned(database) == [("IOS", micros(NOON))]


def test_a_program_is_kept_and_no_click(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [a] = submitted(database)
    assert tell(database, click(a, user_agent="a robot", os=None, human=False)) == [Clicked(a, False)]
    assert kept(database) == [(a, "a robot", "", 0)]
    assert (clicked_at(database, a), learned(database), run(database, CALLBACKS)) == (None, [("", None)], [])


def test_which_message_is_meant(database: Database) -> None:
    provision(database)
    old, new = (candidate(f"+1201222300{n}", reference="r") for n in range(2))
    Admissions(database).admit([old, new], NOON)
    assert tell(
        database,
        click(reference="r"),
        click(old.id, reference="r"),
        click(new.id, account_id=2),
        click(reference="r", account_id=2),
        click(reference="s"),
        click(reference=""),
        click(-1, reference="r"),
    ) == [Clicked(new.id, False), Clicked(old.id, False), None, None, None, None, None]
    assert {row[0] for row in kept(database)} == {old.id, new.id}


def test_only_apps_that_asked_are_called_back(database: Database) -> None:
    provision(database, callback_url=URL)
    [a] = submitted(database)
    assert tell(database, click(a)) == [Clicked(a, False)]
    assert run(database, CALLBACKS) == []


def test_the_final_callback_is_another(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [a] = submitted(database)
    tell(database, click(a))
    ReceiptBook(database).take(1, [Receipt(Event.DELIVER, key=str(a))], NOON + SECOND)
    assert sorted(run(database, CALLBACKS)) == [(a, "click", 2), (a, "final", 1)]


def test_the_callback_tells_the_click_and_its_instant(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [a] = submitted(database)
    tell(database, click(a), at=NOON + SECOND)
    [due] = CallbackOutbox(database).claim({1: 9}, NOON + SECOND, SECOND)
    assert (due.message_id, due.kind, due.status, due.completed_at) == (a, "click", 2, NOON + SECOND)


def test_a_failure_is_corrected(database: Database) -> None:
    provision(database, callback_url=URL, callback_corrections=1)
    [a] = submitted(database)
    ReceiptBook(database).take(1, [Receipt(Event.REFUSE, key=str(a), code=Code.SEND_FAILED)], NOON)
    assert tell(database, click(a)) == [Clicked(a, True)]
    assert (state(database, a), clicked_at(database, a)) == (State.DELIVERED, NOON)
    with database.read() as tx:
        owed = tx.run(Statement("select kind, status from callbacks order by kind"))
    assert owed == [("correction", 1), ("final", 124)]


def test_what_was_refused_before_it_left_stays_refused(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [made] = queued(database)
    queue = MessageQueue(database)
    [marked] = mark(database, take(database))
    refused = settled(marked.row, Event.REFUSE, Fate.NEVER, code=Code.NOT_MOBILE, sent=False)
    queue.settle([refused], NOON)
    assert tell(database, click(made.id)) == [Clicked(made.id, False)]
    assert (state(database, made.id), clicked_at(database, made.id)) == (State.FAILED, None)


def test_what_never_left_keeps_its_first_click(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [made] = queued(database)
    assert tell(database, click(made.id)) == [Clicked(made.id, False)]
    assert (state(database, made.id), clicked_at(database, made.id)) == (State.QUEUED, None)
    mark(database, take(database))
    assert tell(database, click(made.id), at=NOON + SECOND) == [Clicked(made.id, True)], "now it may have left"
    assert clicked_at(database, made.id) == NOON + SECOND


@pytest.mark.parametrize("where", [State.SUBMITTING, State.IN_DOUBT, State.QUEUED, State.CLAIMED])
def test_a_click_ends_a_doubt(database: Database, where: State) -> None:
    """Whatever the app wants, a text that arrived is not sent again."""
    provision(database, callback_url=URL, policy=Policy.AT_LEAST_ONCE)
    [made] = queued(database)
    mark(database, take(database))
    if where is not State.SUBMITTING:
        run(database, EXPIRE_LEASES)
        Sweeper(database).rescue(NOON, DOUBT, 10)
    if where in (State.QUEUED, State.CLAIMED):
        Sweeper(database).rescue(NOON + DOUBT, DOUBT, 10)
    if where is State.CLAIMED:
        take(database, now=NOON + DOUBT + timedelta(hours=1))
    assert state(database, made.id) is where
    assert tell(database, click(made.id)) == [Clicked(made.id, True)]
    assert (state(database, made.id), clicked_at(database, made.id)) == (State.DELIVERED, NOON)
    assert run(database, CALLBACKS) == [(made.id, "final", 1)]
    run(database, EXPIRE_LEASES)
    Sweeper(database).rescue(NOON + timedelta(days=1), DOUBT, 10)
    assert take(database, now=NOON + timedelta(days=1)) == []


def test_a_click_stands_for_a_receipt_that_never_comes(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    a, b, program = submitted(database, 3)
    tell(database, click(a), click(program, user_agent="a robot", os=None, human=False), at=NOON + SECOND)
    late = NOON + timedelta(hours=72)
    assert Sweeper(database).rescue(late, DOUBT, 10).closed == 3
    assert Sweeper(database).rescue(late, DOUBT, 10).closed == 0
    told = [MessageQueries(database, lambda: late).standing(1, i) for i in (a, b, program)]
    assert [(s.state, s.code, s.told_code, s.reason, s.completed_at) for s in told if s] == [
        (State.DELIVERED, 1, 2, "", late),
        (State.FAILED, 124, 124, "no receipt", late),
        (State.FAILED, 124, 124, "no receipt", late),
    ]
    assert run(database, CALLBACKS) == [(a, "click", 2), (a, "final", 1), (b, "final", 124), (program, "final", 124)]


@pytest.mark.parametrize("policy", Policy)
def test_a_doubt_that_was_clicked_is_closed_as_delivered(database: Database, policy: Policy) -> None:
    """Every click ends a doubt at once; one that is there all the same is no doubt either, whatever the app wants."""
    provision(database, callback_url=URL, policy=policy)
    [made] = queued(database)
    mark(database, take(database))
    run(database, EXPIRE_LEASES)
    Sweeper(database).rescue(NOON, DOUBT, 10)
    run(database, Statement("update messages set clicked_at = 1 where state = 'in_doubt'"))
    Sweeper(database).rescue(NOON + DOUBT, DOUBT, 10)
    assert state(database, made.id) is State.DELIVERED
    assert run(database, CALLBACKS) == [(made.id, "final", 1)]


def test_what_is_surely_unsent_is_still_to_be_sent(database: Database) -> None:
    provision(database)
    [made] = queued(database)
    take(database)
    tell(database, click(made.id))
    assert state(database, made.id) is State.CLAIMED


def test_many_at_once_share_a_commit(database: Database) -> None:
    provision(database)
    made = submitted(database, 3)
    book = GroupedClicks(database, lambda: NOON)
    assert [book.report(click(i)) for i in (*made, -1)] == [*(Clicked(i, False) for i in made), None]


def test_the_same_report_to_several_processes_at_once_is_one(database: Database) -> None:
    provision(database, callback_url=URL, callback_clicks=1)
    [a] = submitted(database)
    books = [GroupedClicks(database, lambda: NOON) for _ in range(4)]  # each its own group, as each process has one
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: books[n % 4].report(click(a)), range(40)))
    assert Clicked(a, True) in told
    assert {one and one.message_id for one in told} == {a}
    assert (len(kept(database)), run(database, CALLBACKS)) == (1, [(a, "click", 2)])
