"""Opt-outs on both databases: what they reach, what they discard, what is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate
from dispatcher.core.invitation import Candidate, Kind, OptOut, Scope
from dispatcher.core.lifecycle import Event, State
from dispatcher.core.person import person_of
from dispatcher.core.senders import LaneKey
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.optouts import OptOutBook, opt_out
from dispatcher.store.queue import MessageQueue
from dispatcher.store.rescue import Sweeper
from dispatcher.store.statement import Statement
from tests.factories import NOON, PEPPER, candidate, provision
from tests.store.test_queue import EXPIRE_LEASES, LEASE, mark, settled

PHONE = "+13012223333"
PERSON = person_of(PEPPER, PHONE)
LANES = [LaneKey(app, "US") for app in (1, 2, 3)]
HELD = Statement("select state, hold from messages where id = :id")
STATE = Statement("select state, code, reason from messages where id = :id")
OWED = Statement("select message_id, status from callbacks order by message_id")
SLOTS = Statement("select app_id from duplicate_slots order by app_id")
OTHERS_ACCOUNT = Statement("update apps set account_id = 2 where id = 3")


def run(database: Database, statement: Statement | str, **given: Any) -> list[tuple[Any, ...]]:
    with database.write() as tx:
        statement = Statement(statement) if isinstance(statement, str) else statement
        return [tuple(row) for row in tx.run(statement, **given)]


def invited(database: Database, **given: Any) -> Candidate:
    made = candidate(PHONE, **given)
    Admissions(database).admit([made], NOON)
    return made


@pytest.fixture
def book(database: Database) -> OptOutBook:
    """Apps 1 and 2 of account 1, app 3 of account 2."""
    provision(database, apps=3, callback_url="https://customer.example/")
    run(database, "insert into accounts (id, company, email, created_at) values (2, 'Other', 'o@example.com', 0)")
    run(database, OTHERS_ACCOUNT)
    return OptOutBook(database)


REACH = [
    (Scope.APP, 1, {1}),
    (Scope.ACCOUNT, 1, {1, 2}),
    (Scope.ACCOUNT, 2, {3}),
    (Scope.GLOBAL, 0, {1, 2, 3}),
]


@pytest.mark.parametrize(("scope", "scope_id", "reached"), REACH)
def test_it_discards_what_waits_in_its_scope_and_keeps_out_what_comes(
    database: Database, book: OptOutBook, scope: Scope, scope_id: int, reached: set[int]
) -> None:
    made = {app: invited(database, app_id=app, account_id=1 if app < 3 else 2) for app in (1, 2, 3)}
    stranger = candidate("+13012224444")
    Admissions(database).admit([stranger], NOON)
    assert book.add([OptOut(PERSON, scope, scope_id, "operator", address=PHONE)], NOON) == len(reached)
    for app, one in made.items():
        told = (State.DISCARDED, 127, "User opted-out") if app in reached else (State.QUEUED, 0, "")
        assert run(database, STATE, id=one.id) == [told]
    assert run(database, STATE, id=stranger.id) == [(State.QUEUED, 0, "")]
    assert run(database, OWED) == sorted((made[app].id, 127) for app in reached)
    later = [candidate(PHONE, app_id=app, account_id=1 if app < 3 else 2) for app in (1, 2, 3)]
    verdicts = Admissions(database).admit(later, NOON + timedelta(seconds=1))
    assert [v.code for v in verdicts] == [Code.OPTED_OUT if a in reached else Code.DUPLICATE for a in (1, 2, 3)]


def test_a_place_is_free_again_where_nothing_was_sent(database: Database, book: OptOutBook) -> None:
    invited(database)
    book.add([OptOut(PERSON, Scope.APP, 1, "operator")], NOON)
    assert run(database, SLOTS) == []


@pytest.mark.parametrize("state", [State.SUBMITTING, State.SUBMITTED, State.IN_DOUBT, State.DELIVERED, State.FAILED])
def test_what_has_left_is_left_alone(database: Database, book: OptOutBook, state: State) -> None:
    made = invited(database)
    run(database, "update messages set state = :state", state=state)
    assert book.add([OptOut(PERSON, Scope.GLOBAL, 0, "operator")], NOON) == 0
    assert run(database, STATE, id=made.id) == [(state, 0, "")]


@pytest.mark.parametrize(("scope", "scope_id", "reached"), REACH)
def test_what_is_claimed_or_waits_to_be_tried_again_goes_too(
    database: Database, book: OptOutBook, scope: Scope, scope_id: int, reached: set[int]
) -> None:
    queue = MessageQueue(database)
    tried = {app: invited(database, app_id=app, account_id=1 if app < 3 else 2) for app in (1, 2, 3)}
    marked = mark(database, queue.claim(dict.fromkeys(LANES, 1), NOON, LEASE))
    later = NOON + timedelta(minutes=1)
    queue.settle([settled(m.row, Event.RETRY, Fate.LATER, due_at=later) for m in marked], NOON)
    assert {run(database, HELD, id=one.id)[0] for one in tried.values()} == {(State.QUEUED, "retry")}
    run(database, "delete from duplicate_slots")
    fresh = {app: invited(database, app_id=app, account_id=1 if app < 3 else 2) for app in (1, 2, 3)}
    claimed = queue.claim(dict.fromkeys(LANES, 1), NOON, LEASE)
    assert {row.id for row in claimed} == {one.id for one in fresh.values()}

    assert book.add([OptOut(PERSON, scope, scope_id, "reply", "STOP")], NOON) == 2 * len(reached)
    left = {m.row.app_id for m in mark(database, claimed)}
    assert left == {1, 2, 3} - reached, "what was claimed before cannot leave"
    for app in (1, 2, 3):
        told = [run(database, STATE, id=made[app].id)[0] for made in (tried, fresh)]
        gone = (State.DISCARDED, 127, "User opted-out")
        assert told == ([gone, gone] if app in reached else [(State.QUEUED, 0, ""), (State.SUBMITTING, 0, "")])
    assert run(database, OWED) == sorted((made[app].id, 127) for made in (tried, fresh) for app in reached)
    assert {row.app_id for row in queue.claim(dict.fromkeys(LANES, 9), later, LEASE)} == {1, 2, 3} - reached


def test_what_may_have_arrived_keeps_its_place_and_its_word(database: Database, book: OptOutBook) -> None:
    """Queued again after a doubt, because the app wants that."""
    run(database, "update apps set policy = 'at_least_once'")
    made, queue = invited(database), MessageQueue(database)
    mark(database, queue.claim(dict.fromkeys(LANES, 1), NOON, LEASE))
    run(database, EXPIRE_LEASES)
    for late in (timedelta(0), LEASE):
        Sweeper(database).rescue(NOON + late, LEASE, 10)
    assert book.add([OptOut(PERSON, Scope.APP, 1, "reply", "STOP")], NOON + LEASE) == 1
    assert run(database, "select state, sent_at is not null from messages") == [(State.DISCARDED, True)]
    assert run(database, SLOTS) == [(1,)]
    assert run(database, OWED) == [(made.id, 127)]


def test_what_is_kept_and_what_is_discarded_is_one_transaction(database: Database, book: OptOutBook) -> None:
    made = invited(database)

    def broken_off() -> None:
        with database.write() as tx:
            assert opt_out(tx, [OptOut(PERSON, Scope.APP, 1, "reply", "STOP")], NOON) == 1
            raise InterruptedError

    with pytest.raises(InterruptedError):
        broken_off()
    assert book.of(PERSON) == []
    assert run(database, STATE, id=made.id) == [(State.QUEUED, 0, "")]
    assert run(database, OWED) == []


@pytest.mark.parametrize("kind", Kind)
def test_the_one_text_that_answers_a_stop_is_sent(database: Database, book: OptOutBook, kind: Kind) -> None:
    made = invited(database, kind=kind)
    book.add([OptOut(PERSON, Scope.APP, 1, "reply", "STOP")], NOON)
    kept = kind in {Kind.CONFIRMATION, Kind.HELP}
    assert run(database, STATE, id=made.id)[0][0] == (State.QUEUED if kept else State.DISCARDED)


def test_twice_is_once_and_the_first_is_kept(database: Database, book: OptOutBook) -> None:
    book.add([OptOut(PERSON, Scope.APP, 1, "reply", "Stop \x00 it", PHONE)], NOON)
    book.add([OptOut(PERSON, Scope.APP, 1, "operator"), OptOut(PERSON, Scope.APP, 1, "operator")], NOON)
    assert book.of(PERSON) == [OptOut(PERSON, Scope.APP, 1, "reply", "Stop  it", PHONE, NOON)]


def test_removed_is_invited_again(database: Database, book: OptOutBook) -> None:
    book.add([OptOut(PERSON, Scope.APP, 1, "operator"), OptOut(PERSON, Scope.GLOBAL, 0, "operator")], NOON)
    assert not book.remove(PERSON, Scope.ACCOUNT, 1)
    assert book.remove(PERSON, Scope.APP, 1)
    assert not book.remove(PERSON, Scope.APP, 1)
    assert [one.scope for one in book.of(PERSON)] == [Scope.GLOBAL], "the other stays"
    assert book.remove(PERSON, Scope.GLOBAL, 0)
    [verdict] = Admissions(database).admit([candidate(PHONE)], NOON)
    assert verdict.code is Code.ACCEPTED


def test_pages(book: OptOutBook) -> None:
    people = sorted(person_of(PEPPER, f"+1301222{n}") for n in range(3000, 3005))
    book.add([OptOut(person, scope, 1, "operator") for person in people for scope in (Scope.ACCOUNT, Scope.APP)], NOON)
    found, after = [], ""
    while page := book.listed(after, 2):
        found += [(one.person, one.scope) for one in page]
        assert len({one.person for one in page}) <= 2
        after = page[-1].person
    assert found == [(person, scope) for person in people for scope in (Scope.ACCOUNT, Scope.APP)]
