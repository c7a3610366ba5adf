"""The duty over a real store: what it asks, how it treats a provider that fails, and that it always comes to an end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.core.screening import LinePolicy
from dispatcher.engine.lookups import FAILURES, FIRST_REST, LONGEST_REST, MOST_TRIES, Answer, Lookups
from dispatcher.engine.ports import CALLBACKS, DUE, LOOKUPS
from dispatcher.lookups.twilio import Twilio
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.line_types import LineTypeBook
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, provision

GRACE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
ON = LinePolicy(grace=GRACE)
LANDLINE = Response(200, body=b'{"line_type_intelligence": {"type": "landline"}}')
MOBILE = Response(200, body=b'{"line_type_intelligence": {"type": "mobile"}}')
DOWN = Response(fault=Fault.UNREACHABLE, detail="no connection")
UNAUTHORIZED, GARBAGE = Response(401), Response(200, body=b"<html>")
HOLDS = Statement("select hold from messages where state = 'queued' order by id")


@dataclass
class Desk:
    """An asker that answers when the test says so."""

    slots: int = 2
    open: list[tuple[Request, Callable[[Response], None]]] = field(default_factory=list)

    def room(self) -> int:
        return self.slots - len(self.open)

    def start(self, request: Request, then: Callable[[Response], None]) -> None:
        self.open.append((request, then))

    def answer(self, response: Response) -> None:
        """To all that was asked."""
        asked, self.open = self.open, []
        for _, then in asked:
            then(response)


class House:
    """The duty, its store, and a clock that the test moves."""

    def __init__(self, database: Database, *, cap: int = 1000) -> None:
        provision(database)
        self.database = database
        self.now = NOON
        self.desk = Desk()
        self.answers: list[Answer] = []
        self.rung: list[str] = []
        self.alive = True
        self.duty = Lookups(
            book=LineTypeBook(database, ON),
            provider=Twilio("https://lookups.example", "login"),
            asker=self.desk,
            put=self.answers.append,
            clock=lambda: self.now,
            ring=self.rung.append,
            cap=cap,
            grace=GRACE,
            lease=timedelta(seconds=20),
            alive=lambda: self.alive,
        )

    def invite(self, *numbers: int, planned_at: datetime | None = None) -> None:
        made = [candidate(f"+1301222{n:04d}", planned_at=planned_at or self.now, created_at=self.now) for n in numbers]
        Admissions(self.database, ON).admit(made, self.now)

    def turn(self, response: Response | None = None) -> timedelta | None:
        """A turn, and the answer to all that was asked, if any."""
        again = self.duty.turn()
        if response is not None:
            self.desk.answer(response)
            if self.answers:
                self.duty.settle(self.answers)
                self.answers.clear()
        return again

    def holds(self) -> list[str]:
        with self.database.read() as tx:
            return [row[0] for row in tx.run(HOLDS)]

    def left(self) -> int:
        return LineTypeBook(self.database, ON).today(self.now, 1000).waiting

    def asked(self) -> int:
        return LineTypeBook(self.database, ON).today(self.now, 1000).asked


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_no_more_than_there_is_room_for(house: House) -> None:
    house.invite(1, 2, 3)
    assert house.turn() is None
    assert len(house.desk.open) == 2
    assert house.turn() is None, "an answer will ring"
    house.turn(MOBILE)
    assert house.rung == [DUE, LOOKUPS]
    assert house.holds() == ["", "", "lookup"]
    house.turn(LANDLINE)
    assert house.rung == [DUE, LOOKUPS, CALLBACKS, LOOKUPS]
    assert house.holds() == ["", ""]


def test_the_number_is_asked_as_it_is(house: House) -> None:
    house.invite(1)
    house.turn()
    assert house.desk.open[0][0].url.startswith("https://lookups.example/v2/PhoneNumbers/%2B13012220001?")


def test_who_is_not_alive_asks_nothing(house: House) -> None:
    house.invite(1)
    house.alive = False
    assert house.turn() is None
    assert house.desk.open == []


def test_nobody_is_asked_about_where_nobody_waits(house: House) -> None:
    assert house.turn() is None
    assert house.desk.open == []


def test_a_provider_that_fails_is_left_alone_and_then_tried_by_one(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(FAILURES):
        house.invite(n)
        house.turn(DOWN)
    house.invite(7, 8, 9)
    assert house.turn(DOWN) == FIRST_REST
    assert house.asked() == FAILURES
    rest = FIRST_REST
    for n in range(7):
        house.now += rest
        house.invite(20 + n)
        house.turn()
        assert len(house.desk.open) == 1
        house.desk.slots = 5
        house.turn()
        assert len(house.desk.open) == 1, "one at a time"
        house.turn(DOWN)
        rest = min(rest * 2, LONGEST_REST)
        assert house.turn() == rest
    house.now += rest
    house.invite(50, 51, 52)
    house.turn(MOBILE)
    house.turn()
    assert len(house.desk.open) > 1, "it works again"
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 8, "once a rest"


def test_while_it_rests_what_has_gone_does_not_pile_up(house: House) -> None:
    house.invite(1, planned_at=NOON + timedelta(hours=20))
    house.invite(2)
    house.turn(UNAUTHORIZED)
    assert house.turn() == LONGEST_REST
    house.invite(3, 4)
    house.now += GRACE
    house.turn()
    assert house.left() == 1, "the morning's"
    house.now += LONGEST_REST - GRACE
    house.turn(MOBILE)
    assert house.left() == 1
    assert house.asked() == 3
    assert house.holds() == ["quiet hours", "lookup", "lookup", "lookup"], "each passes by itself when its grace ends"


def test_a_limit_is_kept_for_as_long_as_it_says(house: House) -> None:
    house.invite(1)
    house.turn(Response(429, {"retry-after": "9"}))
    assert house.turn() == 9 * SECOND
    house.now += 9 * SECOND
    house.turn(MOBILE)
    assert house.holds() == [""]


def test_a_limit_that_says_nothing_doubles(house: House) -> None:
    house.invite(1)
    for rest in (FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST):
        house.turn(Response(429))
        assert house.turn() == rest
        house.now += rest


def test_one_number_that_nobody_can_tell_is_given_up(house: House) -> None:
    """Others are told between, so that the provider is not left alone."""
    house.invite(1)
    tries = 0
    while house.holds()[0]:
        house.turn()
        tries += len(house.desk.open)
        house.turn(GARBAGE)
        house.invite(10 + tries)
        house.turn(MOBILE)
        house.now += timedelta(minutes=1)
        assert tries <= MOST_TRIES
    assert tries == MOST_TRIES


def test_what_it_cannot_ask_is_given_up_at_once(house: House) -> None:
    house.invite(1)
    house.turn(Response(400))
    assert (house.holds(), house.left()) == ([""], 0)


def test_a_budget_that_is_used_up_is_said_once_a_day(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    house = House(database, cap=1)
    house.invite(*range(7))
    again = house.turn(MOBILE)
    while again == timedelta(0) or house.left() > 1:
        again = house.turn(MOBILE)
    assert house.holds() == [""] * 7
    assert house.asked() == 1
    assert [r.message for r in caplog.records] == ["today's lookups are used up: who is not looked up passes"]
    house.now += timedelta(days=1)
    house.invite(8, 9)
    for _ in range(3):
        house.turn(MOBILE)
    assert house.asked() == 1
    assert len(caplog.records) == 2


def test_nobody_may_ask_for_more_than_an_hour(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.invite(1)
    house.turn(Response(429, {"retry-after": "99999999999"}))
    assert [vars(record)["seconds"] for record in caplog.records if "seconds" in vars(record)] == [3600.0]
    house.now += timedelta(hours=1)
    house.invite(2)
    house.turn()
    assert len(house.desk.open) == 2, "also of the number that was asked about before"
