"""What is provisioned, as rows: pausing and resuming."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.store.tables import App, Connection, Sender
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
