"""Processes and their heartbeats, under the database's clock."""

from __future__ import annotations

import os
import socket
from typing import Any

from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.statement import Statement
from dispatcher.store.workers import LEASE_SECONDS, Workers
from tests.factories import NOON

LEFT = Statement("select id, (lease_until - {clock}) / 1000000.0, lease_until from workers order by id")
WHO = Statement("select kind, host, pid, started_at from workers")
ALMOST_OVER = Statement("update workers set lease_until = {clock} + 1000000")


def run(database: Database, statement: Statement) -> list[tuple[Any, ...]]:
    with database.write() as tx:
        return [tuple(row) for row in tx.run(statement)]


def test_a_process_says_who_it_is(database: Database) -> None:
    Workers(database).enrol("work", NOON)
    assert run(database, WHO) == [("work", socket.gethostname()[:255], os.getpid(), micros(NOON))]


def test_each_gets_a_number_and_a_lease(database: Database) -> None:
    workers = Workers(database)
    numbers = [workers.enrol(kind, NOON) for kind in ("work", "work", "web")]
    assert len(set(numbers)) == 3
    assert all(LEASE_SECONDS - 10 < left <= LEASE_SECONDS for _, left, _ in run(database, LEFT))


def test_a_beat_renews_its_own_lease_alone(database: Database) -> None:
    workers = Workers(database)
    mine, other = workers.enrol("work", NOON), workers.enrol("work", NOON)
    run(database, ALMOST_OVER)
    workers.beat(mine)
    left = {number: seconds for number, seconds, _ in run(database, LEFT)}
    assert left[mine] > LEASE_SECONDS - 10
    assert left[other] <= 1


def test_who_leaves_has_no_lease_at_once(database: Database) -> None:
    workers = Workers(database)
    mine, other = workers.enrol("work", NOON), workers.enrol("work", NOON)
    workers.leave(mine)
    until = {number: lease for number, _, lease in run(database, LEFT)}
    assert until[mine] == 0
    assert until[other] > 0
