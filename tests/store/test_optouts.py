"""Opt-outs on both databases: what they reach, what they discard, what is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Candidate, Kind, OptOut, Scope
from dispatcher.core.lifecycle import State
from dispatcher.core.person import person_of
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.statement import Statement
from tests.factories import NOON, PEPPER, candidate, provision

PHONE = "+13012223333"
PERSON = person_of(PEPPER, PHONE)
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


def test_what_is_claimed_is_not_sent(database: Database, book: OptOutBook) -> None:
    made = invited(database)
    run(database, "update messages set state = 'claimed', generation = 1")
    assert book.add([OptOut(PERSON, Scope.APP, 1, "reply", "STOP")], NOON) == 1
    assert run(database, STATE, id=made.id) == [(State.DISCARDED, 127, "User opted-out")]


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
