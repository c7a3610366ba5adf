"""SMPP as it is wired: what is told is acknowledged truly, and a trial holds a bind like any worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any

import pytest

from dispatcher.carriers.smpp import Smpp, from_settings
from dispatcher.core.exchange import Fate, Hook, Receipt
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from dispatcher.core.smpp import Status
from dispatcher.engine.binds import BEGINNING
from dispatcher.engine.checks import Wrong
from dispatcher.engine.dispatch import Line
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.engine.replies import Replies
from dispatcher.store.binds import Leases
from dispatcher.store.database import Database
from dispatcher.store.replies import ReplyBook
from dispatcher.store.workers import Workers
from dispatcher.transports.smpp import SmppTransport
from dispatcher.wiring import smpp as wiring
from dispatcher.wiring.smpp import take_heard
from dispatcher.wiring.trial import trying
from tests.carriers.test_smpp import deliver
from tests.factories import NOON, PEPPER, ids, provision
from tests.smsc import Smsc
from tests.web.api import settled

GARBLED = Hook("SMPP", "smpp:", body=b"garbage")
NOTHING = deliver("id:1 stat:NOBODY_KNOWS")


class Book:
    """The receipts' half of a port: takes them, or is away."""

    def __init__(self) -> None:
        self.taken: list[Receipt] = []
        self.away = False

    def take(self, connection_id: int, receipts: Sequence[Receipt], now: datetime) -> int:
        if self.away:
            raise StoreUnavailable("away")
        if any(receipt.ref == "poison" for receipt in receipts):
            raise ValueError("a mistake of ours")
        self.taken += receipts
        return 0

    def match(self, now: datetime, most: int) -> int:
        return 0


class Heard:
    """Hooks that were handed on, and how each was acknowledged."""

    def __init__(self, database: Database) -> None:
        carrier: Smpp = from_settings(Given({"host": "h", "system_id": "us"}, {"password": "secret"}))
        transport = SmppTransport("carrier", lambda hook, ack: None, timeout=1, connect_timeout=1)
        self.line = Line(1, "carrier", carrier, transport, timedelta(hours=72))
        self.book = Book()
        replies = Replies(
            book=ReplyBook(database, lambda: next(ids)), pepper=PEPPER, clock=lambda: NOON, ring=lambda topic: None
        )
        self.inbox = Inbox(receipts=self.book, replies=replies, clock=lambda: NOON, ring=lambda topic: None)

    def take(self, *hooks: Hook, name: str = "carrier") -> list[Status | None]:
        statuses: list[Status | None] = [None] * len(hooks)

        def acknowledge(n: int, status: Status) -> None:
            assert statuses[n] is None, "once"
            statuses[n] = status

        batch: list[Any] = [(name, hook, lambda status, n=n: acknowledge(n, status)) for n, hook in enumerate(hooks)]
        take_heard(self.inbox, {"carrier": self.line}, batch)
        return statuses


@pytest.fixture
def heard(database: Database) -> Heard:
    provision(database)
    return Heard(database)


def test_what_is_taken_is_acknowledged(heard: Heard) -> None:
    hooks = (deliver("id:1 stat:DELIVRD"), deliver("STOP", esm_class=0), NOTHING)
    assert heard.take(*hooks) == [Status.OK] * 3
    assert [receipt.event for receipt in heard.book.taken] == [Event.DELIVER]


def test_what_cannot_be_read_is_refused_for_good_and_told(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    assert heard.take(GARBLED, deliver("id:1 stat:DELIVRD")) == [Status.UNREADABLE, Status.OK]
    assert "a PDU was not read" in caplog.text


def test_what_tells_nothing_is_told(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    assert heard.take(NOTHING) == [Status.OK]
    assert "told nothing that is known" in caplog.text


def test_while_the_store_is_away_all_is_to_be_told_again(heard: Heard) -> None:
    heard.book.away = True
    assert heard.take(deliver("id:1 stat:DELIVRD"), GARBLED) == [Status.TRY_AGAIN, Status.UNREADABLE]


def test_a_poisonous_one_harms_no_other(heard: Heard) -> None:
    hooks = [deliver(f"id:{ref} stat:DELIVRD") for ref in ("a", "poison", "b")]
    assert heard.take(*hooks) == [Status.OK, Status.TRY_AGAIN, Status.OK]
    assert [receipt.ref for receipt in heard.book.taken] == ["a", "b"]


def test_what_is_told_of_a_connection_that_is_gone_is_told_again(heard: Heard) -> None:
    assert heard.take(deliver("id:1 stat:DELIVRD"), name="another") == [None]


# --- A trial -------------------------------------------------------------------------------------------------------


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with Smsc() as found:
        yield found


def connect(database: Database, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SMPP_PASSWORD", "secret")
    credentials = {"password": "env:TEST_SMPP_PASSWORD"}
    given = {"host": "127.0.0.1", "port": smsc.port, "system_id": "us", "credentials": credentials}
    provision(database, carrier="smpp", settings=given)


def test_a_trial(database: Database, database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(database, smsc, monkeypatch)
    with trying(settled(database_url), "carrier") as trial:
        mt = trial.prepare("+13012223333", "", "A trial")
        outcome = trial.submit(mt)
        assert outcome.fate is Fate.TAKEN
        smsc.bound_session().deliver(f"id:{outcome.ref} stat:DELIVRD".encode(), esm_class=4)
        assert [receipt.event for receipt in trial.follow(mt, outcome, 10)] == [Event.DELIVER]
    assert smsc.sessions[0].unbound
    assert Leases(database).look()[:2] == (0, {})


def test_a_trial_takes_no_bind_that_others_hold(
    database: Database, database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(database, smsc, monkeypatch)
    worker = Workers(database).enrol("work", NOON)
    assert Leases(database).take((1, 0), worker, 30)
    for how, seconds, told in (
        (BEGINNING, 0.5, ", and say: not bound yet"),
        ("bind refused, status 0x0E", 0.5, ", and say: bind refused, status 0x0E"),
        ("", inf, "; allow one more"),  # at once
    ):
        monkeypatch.setattr(wiring, "TRIAL_SECONDS", seconds)
        Leases(database).renew({(1, 0): how}, worker, 30)
        with pytest.raises(Wrong, match=f"hold every bind of it{told}"), trying(settled(database_url), "carrier"):
            pass
    assert not smsc.binds
    assert Leases(database).look()[:2] == (1, {(1, 0): worker})


def test_a_trial_tells_why_it_was_not_let_in(
    database: Database, database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(database, smsc, monkeypatch)
    smsc.on_bind = lambda bind: 0x0E
    with trying(settled(database_url), "carrier") as trial:
        outcome = trial.submit(trial.prepare("+13012223333", "", "A trial"))
    assert (outcome.fate, outcome.reason) == (Fate.STOP_CARRIER, "bind refused: 0x0E invalid password")
