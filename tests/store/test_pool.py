"""The sender pool on both databases: who is in it, and who is left out for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.store.database import Database
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.pool import SenderPool
from tests.factories import NOON, provision
from tests.store.test_queue import HORIZON
from tests.store.test_rescue import SET_BACK, put_ahead


@pytest.mark.parametrize(("ahead", "over"), SET_BACK)
def test_a_stop_farther_ahead_than_any_is_set_is_over(database: Database, ahead: int, *, over: bool) -> None:
    provision(database)
    pool = SenderPool(database)
    pool.stop_connection(1, "HTTP 401", timedelta(seconds=30), NOON)
    put_ahead(database, "connections.retry_at", ahead)
    assert pool.usable(HORIZON, None).capacity == ({1: 1} if over else {})
    assert StoreLookups(database).hindrances(1) == [] or not over


def test_resting_senders_and_stopped_connections_leave_the_pool(database: Database) -> None:
    provision(database, senders=2)
    pool = SenderPool(database)
    pool.rest_sender(1, timedelta(minutes=10), "filtered")
    assert set(pool.usable(HORIZON, None).senders) == {2}
    pool.stop_connection(1, "HTTP 401", timedelta(minutes=5), NOON)
    assert pool.usable(HORIZON, None).senders == {}
    pool.stop_connection(1, "HTTP 401", timedelta(0), NOON)
    probing = pool.usable(HORIZON, None)
    assert probing.capacity == {1: 1}, "after its rest one submit is risked"
    pool.resume_connections([1])
    assert pool.usable(HORIZON, None).capacity == {1: 256}


@pytest.mark.parametrize("who", ["a submit", "an operator"])
def test_rests_that_came_of_a_stop_end_with_it(database: Database, who: str) -> None:
    rows = provision(database, senders=3)
    pool = SenderPool(database)
    pool.stop_connection(1, "HTTP 401", timedelta(0), NOON)
    for sender_id, reason in enumerate(("HTTP 401", "filtered"), start=1):
        pool.rest_sender(sender_id, timedelta(minutes=10), reason)
    if who == "a submit":
        pool.resume_connections([1])
    else:
        rows.resume_connection("carrier")
    left = pool.usable(HORIZON, None)
    assert (set(left.senders), left.capacity) == ({1, 3}, {1: 256})
