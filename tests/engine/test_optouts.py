"""Opt-outs by an operator's hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.person import person_of
from dispatcher.engine.checks import Wrong
from dispatcher.engine.optouts import OptOuts
from dispatcher.engine.ports import CALLBACKS
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.outbox import CallbackOutbox
from tests.factories import NOON, PEPPER, candidate, provision

JERSEY = "+12012223333"


def test_added_and_removed(database: Database) -> None:
    provision(database)
    rung: list[str] = []
    book = OptOutBook(database)
    desk = OptOuts(book=book, pepper=PEPPER, clock=lambda: NOON, ring=rung.append)
    Admissions(database).admit([candidate(JERSEY)], NOON)
    assert desk.add("(201) 222-3333", "US", Scope.APP, 1, "by telephone") == (JERSEY, 1)
    assert rung == [CALLBACKS]
    told = OptOut(person_of(PEPPER, JERSEY), Scope.APP, 1, "operator", "by telephone", JERSEY, NOON)
    assert book.of(told.person) == [told]
    assert desk.add(JERSEY, "US", Scope.GLOBAL, 0) == (JERSEY, 0)
    assert rung == [CALLBACKS], "nothing was discarded"
    assert desk.remove("201 222 3333", "US", Scope.APP, 1) == JERSEY
    with pytest.raises(Wrong, match="no opt-out of that number"):
        desk.remove(JERSEY, "US", Scope.APP, 1)
    assert [one.scope for one in book.of(told.person)] == [Scope.GLOBAL]


@pytest.mark.parametrize(("scope", "scope_id"), [(Scope.APP, 1), (Scope.ACCOUNT, 1), (Scope.GLOBAL, 0)])
def test_what_is_discarded_is_called_back_at_once(database: Database, scope: Scope, scope_id: int) -> None:
    provision(database, callback_url="https://customer.example/?s={status}")
    made = candidate(JERSEY)
    Admissions(database).admit([made], NOON)
    rung: list[str] = []
    desk = OptOuts(book=OptOutBook(database), pepper=PEPPER, clock=lambda: NOON, ring=rung.append)
    desk.add(JERSEY, "US", scope, scope_id)
    assert rung == [CALLBACKS]
    due = CallbackOutbox(database).claim({1: 9}, NOON, timedelta(minutes=1))
    assert [(one.message_id, one.kind, one.status) for one in due] == [(made.id, "final", 127)]


@pytest.mark.parametrize(("phone", "country", "why"), [("12", "US", "not a valid number"), (JERSEY, "XX", "country")])
def test_what_is_no_number(database: Database, phone: str, country: str, why: str) -> None:
    desk = OptOuts(book=OptOutBook(database), pepper=PEPPER, clock=lambda: NOON, ring=lambda topic: None)
    with pytest.raises(Wrong, match=why):
        desk.add(phone, country, Scope.GLOBAL, 0)
    with pytest.raises(Wrong, match=why):
        desk.remove(phone, country, Scope.GLOBAL, 0)
