"""Hooks over a real store: what is genuine is taken, what is refused is made known, and no more is written."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatcher.carriers.simulated import Simulated
from dispatcher.core.codes import Refusal
from dispatcher.core.discretion import Discretion
from dispatcher.core.exchange import Hook
from dispatcher.engine.hooks import Hooks
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.replies import Replies
from dispatcher.engine.transport import Carrier
from dispatcher.store.alarms import alarms
from dispatcher.store.database import Database
from dispatcher.store.hooks import HookBook
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.replies import ReplyBook
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from tests.factories import NOON, PEPPER, ids, provision

MINUTE = timedelta(minutes=1)
RECEIPTS = Statement("select count(*) from receipts")


@dataclass
class Known:
    """A connection as it is hooked to its carrier."""

    id: int = 1
    name: str = "carrier"
    carrier: Carrier = field(default_factory=Simulated)
    discretion: Discretion = field(default_factory=Discretion)
    takes_hooks: bool = True


def hook(url: str = "simulated:/receipts", **told: str) -> Hook:
    return Hook("POST", url, body=json.dumps({"key": "", "id": "r"} | told).encode())


GENUINE, FORGED, UNREADABLE = (
    hook(status="delivered"),
    hook("https://us.example/", body="SeCrEt"),
    hook(status="SeCrEt"),
)


class Door:
    """A web process, at an instant of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOON
        self.written: list[str] = []
        self.book = HookBook(database)
        replies = ReplyBook(database, lambda: next(ids))
        taken = Replies(book=replies, pepper=PEPPER, clock=self.clock, ring=lambda topic: None)
        inbox = Inbox(receipts=ReceiptBook(database), replies=taken, clock=self.clock, ring=lambda topic: None)
        self.hooks = Hooks(inbox=inbox, heard=self, clock=self.clock, monotonic=self.monotonic)

    def monotonic(self) -> float:
        return (self.now - NOON).total_seconds()

    def clock(self) -> datetime:
        return self.now

    def genuine(self, connection_id: int, now: datetime) -> None:
        self.written.append("genuine")
        self.book.genuine(connection_id, now)

    def refused(self, connection_id: int, why: str, now: datetime) -> None:
        self.written.append("refused")
        self.book.refused(connection_id, why, now)

    def take(self, *hooks: Hook, known: Known | None = None) -> list[int]:
        """The HTTP statuses of refusals, 0 for what was taken."""
        statuses = []
        for each in hooks:
            try:
                self.hooks.take(known or Known(), each)
                statuses.append(0)
            except Refusal as refusal:
                statuses.append(refusal.http)
        return statuses

    def alarms(self) -> list[tuple[str, str, int, str]]:
        """Those that are open."""
        found = alarms(self.database, self.now)
        return [(alarm.kind, alarm.subject, alarm.count, alarm.reason) for alarm in found if alarm.is_open]


@pytest.fixture
def door(database: Database) -> Door:
    provision(database)
    return Door(database)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    found = [vars(record) for record in caplog.records if record.name == "dispatcher.engine.hooks"]
    return [(each["levelname"], each["connection"], each.get("count"), each.get("reason")) for each in found]


FORGERY, GIBBERISH = "the request could not be verified", "status: unknown"


@pytest.mark.parametrize(("bad", "status", "why"), [(FORGED, 403, FORGERY), (UNREADABLE, 400, GIBBERISH)])
def test_what_is_refused_changes_nothing_and_is_known(
    door: Door, caplog: pytest.LogCaptureFixture, bad: Hook, status: int, why: str
) -> None:
    assert door.take(bad) == [status]
    with door.database.read() as tx:
        assert tx.run(RECEIPTS) == [(0,)]
    assert said(caplog) == [("WARNING", "carrier", 1, why)]
    assert door.alarms() == [("hooks_refused", "carrier", 1, why)]
    assert "SeCrEt" not in repr([vars(record) for record in caplog.records])


def test_a_flood_of_forged_ones_is_a_word_a_minute(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert door.take(*[FORGED] * 500) == [403] * 500
        door.now += MINUTE
    assert [line[2] for line in said(caplog)] == [1, 500, 500]
    assert door.written == ["refused"] * 3
    assert door.alarms() == [("hooks_refused", "carrier", 3, FORGERY)]


def test_the_alarm_ends_with_a_genuine_one(door: Door) -> None:
    another = Door(door.database)  # a process that knows nothing of the first
    assert (door.take(FORGED), len(another.alarms())) == ([403], 1)
    another.now += MINUTE
    assert (another.take(GENUINE), another.alarms(), door.alarms()) == ([0], [], [])


def test_what_somebody_forges_while_the_carrier_is_heard_is_no_alarm(door: Door) -> None:
    another = Door(door.database)
    assert door.take(GENUINE, *[FORGED] * 9) == [0, *[403] * 9]
    another.now += 9 * MINUTE
    another.take(FORGED)
    assert another.alarms() == []
    another.now += 2 * MINUTE
    another.take(FORGED)
    assert another.alarms() == [("hooks_refused", "carrier", 1, FORGERY)]


def test_what_nobody_repeats_is_over_after_a_day(door: Door) -> None:
    door.take(FORGED)
    door.now += timedelta(hours=23)
    assert len(door.alarms()) == 1
    door.now += timedelta(hours=2)
    assert door.alarms() == []


def test_genuine_ones_are_written_down_once_a_minute(door: Door) -> None:
    door.take(*[GENUINE] * 50)
    assert door.written == ["genuine"]
    door.now += MINUTE
    door.take(*[GENUINE] * 50)
    assert door.written == ["genuine"] * 2


def test_a_connection_without_hooks_has_no_alarm(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    assert door.take(FORGED, known=Known(takes_hooks=False)) == [403]
    assert (door.written, len(said(caplog))) == ([], 1)


@pytest.mark.parametrize(("told", "status"), [(GENUINE, 0), (FORGED, 403)])
def test_a_store_that_is_away_changes_no_answer(
    door: Door, tmp_path: Path, told: Hook, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "away.db"
    with closing(Sqlite(path)) as away:
        path.unlink()
        door.book = HookBook(away)
        assert door.take(told) == [status]
    assert "what came of hooks was not written" in [record.message for record in caplog.records]


def test_hooks_that_tell_nothing_are_genuine(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    class Quiet(Simulated):
        def events(self, hook: Hook) -> list[Any]:
            return []

    caplog.set_level(logging.WARNING)
    assert door.take(GENUINE, known=Known(carrier=Quiet())) == [0]
    assert "a hook told nothing that is known" in [record.message for record in caplog.records]
    assert door.written == ["genuine"]
