"""Rescue over a real store: what was lost comes back, what nobody will ever tell is closed, page by page."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.lifecycle import State
from dispatcher.engine import rescue
from dispatcher.engine.ports import CALLBACKS, DUE
from dispatcher.engine.rescue import Rescue
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.rescue import Sweeper
from tests.engine import test_callbacks, test_dispatch
from tests.engine.transports import Plain, says
from tests.factories import NOON, provision

DOUBT = timedelta(minutes=15)
END_LEASES = "update messages set lease_until = 1 where lease_until is not null"


@dataclass
class House(test_dispatch.House):
    """A dispatcher, and the sweep of another process."""

    swept: list[str] = field(default_factory=list)

    def sweep(self) -> timedelta | None:
        found = Rescue(
            sweeper=Sweeper(self.database),
            outbox=CallbackOutbox(self.database),
            receipts=ReceiptBook(self.database),
            clock=lambda: self.now,
            ring=self.swept.append,
            doubt=DOUBT,
        )
        return found.turn()

    def states(self) -> list[State]:
        return [State(row[0]) for row in self.run("select state from messages order by id")]

    def at(self, now: datetime) -> list[str]:
        """What a sweep at this time rings."""
        self.now = now
        self.swept.clear()
        self.sweep()
        return list(self.swept)


@pytest.fixture
def house(database: Database) -> House:
    provision(database, callback_url="https://customer.example/")
    return House(database, outcomes={"yes": Outcome(Fate.TAKEN), "lost": Outcome(Fate.UNKNOWN)})


def test_nothing_to_do(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.admit(3)
    house.dispatch.turn()
    with caplog.at_level(logging.INFO):
        assert house.sweep() is None
    assert (house.swept, caplog.records) == ([], [])
    assert house.states() == [State.SUBMITTING] * 3, "live leases are left alone"


def test_what_was_claimed_is_surely_unsent(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.crash_at = "claimed"
    house.admit(2)
    with pytest.raises(RuntimeError):
        house.dispatch.turn()
    house.run(END_LEASES)
    assert house.at(NOON) == [DUE]
    assert house.states() == [State.QUEUED] * 2
    [record] = caplog.records
    assert (record.getMessage(), vars(record)["requeued"], vars(record)["in_doubt"]) == ("work was taken back", 2, 0)


def test_what_was_marked_is_in_doubt_and_closed_in_time(house: House) -> None:
    [made] = house.admit()
    house.dispatch.turn()
    house.run(END_LEASES)
    assert house.at(NOON) == []
    assert house.row(made.id)["state"] is State.IN_DOUBT
    assert house.at(NOON + DOUBT - timedelta(seconds=1)) == []
    assert house.at(NOON + DOUBT) == [DUE, CALLBACKS]
    row = house.row(made.id)
    assert (row["state"], row["code"], row["reason"], row["sent"]) == (State.FAILED, 124, "outcome unknown", True)


def test_a_doubt_is_sent_again_where_the_app_wants_that(database: Database) -> None:
    provision(database, policy="at_least_once")
    house = House(database, outcomes={"lost": Outcome(Fate.UNKNOWN)})
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("lost"))
    assert DUE in house.at(NOON + DOUBT)
    assert house.row(made.id)["state"] is State.QUEUED
    house.dispatch.turn()
    assert len(house.transport.begun) == 2


def test_a_doubt_that_was_not_sent_again_after_all_may_have_arrived(database: Database) -> None:
    provision(database, policy="at_least_once")
    house = House(database, outcomes={"lost": Outcome(Fate.UNKNOWN)})
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("lost"))
    house.at(NOON + DOUBT)
    house.now = NOON + timedelta(hours=24)
    house.dispatch.turn()
    assert house.row(made.id)["state"] is State.EXPIRED
    assert house.run("select count(*) from duplicate_slots") == [(1,)]


def test_a_receipt_that_never_comes(house: House) -> None:
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("yes"))
    assert house.at(NOON + timedelta(hours=71)) == []
    assert house.at(NOON + timedelta(hours=72)) == [DUE, CALLBACKS]
    row = house.row(made.id)
    assert (row["state"], row["code"], row["reason"], row["sent"]) == (State.FAILED, 124, "no receipt", True)


def test_callbacks_come_back_too(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    provision(database, callback_url="https://customer.example/", apps=2)
    caller, other = test_callbacks.House(database), test_callbacks.House(database)
    caller.owe()
    caller.owe(app_id=2)
    caller.callbacks.turn()
    house = House(database)
    assert house.at(NOON) == []
    house.run("update callbacks set lease_until = 1")
    assert house.at(NOON) == [CALLBACKS]
    assert vars(caplog.records[0])["callbacks"] == 2
    other.callbacks.turn()
    assert (len(caller.transport.begun), len(other.transport.begun)) == (2, 2)


def test_a_receipt_that_slipped_between_is_matched(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"yes": Outcome(Fate.TAKEN, ref="r")}))
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("yes"))
    house.run(
        """insert into receipts (connection_id, key, ref, event, code, reason, received_at)
        values (1, '', 'r', 'deliver', 1, '', :now)""",
        now=micros(NOON),
    )
    assert house.at(NOON) == [CALLBACKS]
    assert house.row(made.id)["state"] is State.DELIVERED


@pytest.mark.parametrize("lost", ["claimed", "marked", "no receipt"])
def test_a_full_page_may_not_be_the_last(
    house: House, lost: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(rescue, "PAGE", 2)
    house.admit(5)
    match lost:
        case "claimed":
            house.crash_at = "claimed"
            with pytest.raises(RuntimeError):
                house.dispatch.turn()
            house.run(END_LEASES)
        case "marked":
            house.dispatch.turn()
            house.run(END_LEASES)
        case _:
            house.dispatch.turn()
            house.settle(lambda exchange: says("yes"))
            house.now = NOON + timedelta(hours=72)
    assert [house.sweep() for _ in range(3)] == [timedelta(0), timedelta(0), None]
    after = {"claimed": State.QUEUED, "marked": State.IN_DOUBT, "no receipt": State.FAILED}[lost]
    assert house.states() == [after] * 5
