"""Leases of binds: one holder each, until they end or are given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dispatcher.engine.binds import BEGINNING
from dispatcher.store.binds import Leases
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from tests.factories import NOON, provision

EXPIRE = Statement("update bind_leases set lease_until = 1 where slot = :slot")


def test_a_slot_has_one_holder_until_its_lease_ends(database: Database) -> None:
    leases = Leases(database)
    assert leases.take((1, 0), 7, 30)
    assert not leases.take((1, 0), 8, 30)
    assert leases.take((1, 1), 8, 30)
    assert leases.take((2, 0), 8, 30)
    assert leases.look()[1] == {(1, 0): 7, (1, 1): 8, (2, 0): 8}
    with database.write() as tx:
        tx.run(EXPIRE, slot=0)
    assert leases.look()[1] == {(1, 1): 8}
    assert leases.take((1, 0), 8, 30)
    assert leases.renew({(1, 0): ""}, 7, 30) == []


def test_one_of_many_takes_it(database: Database) -> None:
    leases = Leases(database)
    with ThreadPoolExecutor(8) as pool:
        taken = [*pool.map(lambda holder: leases.take((1, 0), holder, 30), range(1, 9))]
    assert taken.count(True) == 1


def test_renewing_tells_what_is_kept_and_notes_how_it_is(database: Database) -> None:
    provision(database)
    leases = Leases(database)
    for slot in ((1, 0), (1, 1)):
        assert leases.take(slot, 7, 30)
    assert leases.states() == {"carrier": {0: BEGINNING, 1: BEGINNING}}
    kept = leases.renew({(1, 0): "", (1, 1): "bind refused\0" + "x" * 300, (1, 2): ""}, 7, 30)
    assert sorted(kept) == [(1, 0), (1, 1)]
    assert leases.states()["carrier"][0] == ""
    assert leases.look()[2] == {(1, 0)}
    assert leases.take((1, 2), 8, 30)
    assert leases.look()[2] == {(1, 0), (1, 2)}
    assert leases.states()["carrier"][1].startswith("bind refusedxxx")


def test_a_lease_that_nobody_took_can_be_renewed_after_its_end(database: Database) -> None:
    leases = Leases(database)
    assert leases.take((1, 0), 7, 30)
    with database.write() as tx:
        tx.run(EXPIRE, slot=0)
    assert leases.renew({(1, 0): ""}, 7, 30) == [(1, 0)]
    assert not leases.take((1, 0), 8, 30)


def test_what_is_given_back_is_free_at_once(database: Database) -> None:
    leases = Leases(database)
    for n in range(3):
        assert leases.take((1, n), 7, 30)
    leases.give_back([(1, 0), (1, 2)], 8)
    assert len(leases.look()[1]) == 3
    leases.give_back([(1, 0), (1, 2)], 7)
    assert leases.look()[1] == {(1, 1): 7}
    assert leases.take((1, 2), 8, 30)


def test_who_shares(database: Database) -> None:
    workers, leases = Workers(database), Leases(database)
    assert leases.look() == (0, {}, set())
    first = workers.enrol("work", NOON)
    workers.enrol("trial", NOON)
    assert leases.look()[0] == 2
    workers.leave(first)
    assert leases.look()[0] == 1
