"""Alarms on both databases: raised with what they are about, renewed, and over as soon as that is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import alarms
from dispatcher.store.attic import StoreAttic
from dispatcher.store.database import Database
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from tests.factories import NOON, provision
from tests.store.test_outbox import called, claim, owed

MINUTE = timedelta(minutes=1)


def told(database: Database, now: datetime = NOON) -> list[tuple[Any, ...]]:
    return [
        (a.kind, a.subject, (a.since - NOON) // MINUTE, (a.last_at - NOON) // MINUTE, a.count, a.reason, a.is_open)
        for a in alarms(database, now)
    ]


def test_a_stopped_connection(database: Database) -> None:
    provision(database)
    pool = SenderPool(database)
    assert told(database) == []
    pool.stop_connection(1, "HTTP 401", 0 * MINUTE, NOON)
    pool.stop_connection(1, "HTTP 403\0", 0 * MINUTE, NOON + MINUTE)
    assert told(database) == [("connection_stopped", "carrier", 0, 1, 2, "HTTP 403", True)]
    StoreAttic(database).prune(NOON, 9)
    assert told(database)[0][-1] is True
    pool.resume_connections([1])
    assert told(database)[0][-1] is False, "at once, whoever ended it"
    StoreAttic(database).prune(NOON + 2 * MINUTE, 9)
    assert [alarm.ended_at for alarm in alarms(database, NOON)] == [NOON + 2 * MINUTE]


@pytest.mark.parametrize(("minutes", "since", "count"), [(5, 0, 2), (11, 11, 1)])
def test_what_comes_again_soon_is_the_same_alarm(database: Database, minutes: int, since: int, count: int) -> None:
    provision(database)
    pool = SenderPool(database)
    pool.stop_connection(1, "HTTP 401", 0 * MINUTE, NOON)
    pool.resume_connections([1])
    StoreAttic(database).prune(NOON, 9)
    pool.stop_connection(1, "HTTP 403", 0 * MINUTE, NOON + minutes * MINUTE)
    assert told(database) == [("connection_stopped", "carrier", since, minutes, count, "HTTP 403", True)]


def test_a_silent_connection_and_a_process_that_died_over_it(database: Database) -> None:
    provision(database)
    pool, workers = SenderPool(database), Workers(database)
    worker = workers.enrol("work", NOON)
    pool.note_silence(1, "no answer", NOON, worker)
    assert told(database) == [("connection_silent", "carrier", 0, 0, 1, "no answer", True)]
    assert told(database, NOON + 11 * MINUTE)[0][-1] is False
    pool.note_silence(1, "no answer", NOON + 3 * MINUTE, worker)
    assert told(database, NOON + 11 * MINUTE)[0][-1] is True
    pool.note_silence(1, "", NOON + 4 * MINUTE, worker)
    assert told(database, NOON + 4 * MINUTE) == [("connection_silent", "carrier", 0, 3, 2, "no answer", False)]
    pool.note_silence(1, "no answer", NOON + 5 * MINUTE, worker)
    assert told(database, NOON + 5 * MINUTE)[0][-1] is True
    workers.leave(worker)
    assert told(database, NOON + 5 * MINUTE)[0][-1] is False, "who left it alone is gone"


def test_a_sender_that_its_carrier_forbids(database: Database) -> None:
    provision(database, senders=2)
    pool = SenderPool(database)
    pool.rest_sender(1, MINUTE / 20, "HTTP 403")
    assert told(database) == [], "some seconds are no alarm"
    pool.rest_sender(2, 10 * MINUTE, "HTTP 403", NOON)
    assert told(database) == [("sender_rests", "+12015550001 of carrier", 0, 0, 1, "HTTP 403", True)]
    Rows(database, lambda: NOON).change_sender("+12015550001", "", {"rest_until": None, "rest_reason": ""})
    assert told(database)[0][-1] is False


def test_an_endpoint_that_is_gone(database: Database) -> None:
    provision(database, callback_url="https://customer.example/")
    owed(database)
    CallbackOutbox(database).settle([called(claim(database)[0], 410, endpoint_stop="HTTP 410, gone")])
    assert told(database) == [
        (AlarmKind.ENDPOINT_STOPPED, "com.example.1 of account 1", 0, 0, 1, "HTTP 410, gone", True)
    ]
    Rows(database, lambda: NOON).forget_endpoint("com.example.1", "")
    assert told(database)[0][-1] is False


def test_of_two_the_longer_open_comes_first(database: Database) -> None:
    rows = provision(database)
    rows.add_connection("another", "simulated", {}, {})
    pool = SenderPool(database)
    pool.stop_connection(2, "HTTP 401", 0 * MINUTE, NOON)
    pool.stop_connection(1, "HTTP 401", 0 * MINUTE, NOON + MINUTE)
    assert [row[1] for row in told(database)] == ["another", "carrier"]
    with database.write() as tx:
        tx.run(Statement("update connections set stopped_at = null where id = 2"))
    assert [row[-1] for row in told(database)] == [False, True]
