"""What is provisioned, as rows: pausing and resuming."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatcher.core.exchange import Receipt
from dispatcher.core.lifecycle import Event
from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.statement import Statement
from dispatcher.store.tables import App, Connection, Sender
from dispatcher.store.workers import Workers
from tests.factories import NOON, provision

Pause = Callable[[Rows, datetime | None], None]


def pause_app(rows: Rows, at: datetime | None) -> None:
    rows.change_app("com.example.1", "", {"paused_at": at})


def pause_sender(rows: Rows, at: datetime | None) -> None:
    rows.change_sender("+12015550000", "", {"paused_at": at})


def pause_connection(rows: Rows, at: datetime | None) -> None:
    rows.change_connection("carrier", {"paused_at": at})


PAUSES: list[tuple[type[App] | type[Sender] | type[Connection], Pause]] = [
    (App, pause_app),
    (Sender, pause_sender),
    (Connection, pause_connection),
]


@pytest.mark.parametrize(("kind", "pause"), PAUSES)
def test_who_pauses_again_keeps_the_first_instant(
    database: Database, kind: type[App] | type[Sender] | type[Connection], pause: Pause
) -> None:
    rows = provision(database, apps=2, senders=2)

    def standing() -> list[dict[str, Any]]:
        return rows.listed(kind)

    before = standing()
    pause(rows, None)
    assert standing() == before, "resuming what is not paused changes nothing"
    for hours in range(2):
        pause(rows, NOON + timedelta(hours=hours))
        assert standing() == [before[0] | {"paused_at": NOON}, *before[1:]]
    pause(rows, None)
    assert standing() == before
    pause(rows, NOON + timedelta(hours=2))
    assert standing()[0]["paused_at"] == NOON + timedelta(hours=2)


@pytest.mark.parametrize(("mps", "seconds"), [(10.0, 2), (0.05, 20), (0.0001, 1000)])
def test_another_pace_counts_from_now(database: Database, mps: float, seconds: int) -> None:
    """A slot that lies far ahead by the old pace comes nearer, but not into what may be given out already."""
    rows = provision(database)
    with database.write() as tx:
        tx.run(Statement("update senders set free_at = {clock} + 1000000000"))
    rows.change_sender("+12015550000", "", {"mps": mps})
    with database.read() as tx:
        [(ahead,)] = tx.run(Statement("select (free_at - {clock}) / 1000000.0 from senders"))
    assert seconds - 5 < ahead <= seconds, "but for the time that this took"


def test_what_comes_late_for_a_connection_that_was_removed_is_not_the_next_ones(database: Database) -> None:
    """As hooks do, which its processes take for a moment more."""
    rows = provision(database)
    removed = rows.add_connection("typo", "simulated", {}, {})
    rows.remove_connection("typo")
    ReceiptBook(database).take(removed, [Receipt(Event.DELIVER, ref="late")], NOON)
    assert rows.add_connection("main", "simulated", {}, {}) != removed
    rows.remove_connection("main")  # as nobody ever heard of it


def test_a_number_is_given_once(database: Database) -> None:
    """Attempts, replies, binds and alarms name senders and processes that may be gone."""
    rows, workers = provision(database), Workers(database)
    values = {"number": "+12015559999", "kind": "long_code", "region": "US", "mps": 1.0, "weight": 1.0}
    removed, gone = rows.add_sender(values, "carrier", []), workers.enrol("work", NOON)
    rows.remove_sender("+12015559999", "carrier")
    with database.write() as tx:
        tx.run(Statement("delete from workers"))
    assert rows.add_sender(values, "carrier", []) != removed
    assert workers.enrol("work", NOON) != gone
