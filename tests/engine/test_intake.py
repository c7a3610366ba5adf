"""Intake over a real store: what is turned back and how, what a repeat gets, and when an invitation is planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.invitation import Account, InviteRequest, OptOut, Os, Scope
from dispatcher.core.lifecycle import Word
from dispatcher.core.person import person_of
from dispatcher.engine.intake import Intake, Verdict
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.instants import micros
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.statement import Statement
from tests.factories import NOON, PEPPER, provision

HOUR = timedelta(hours=1)
NINE_IN_NEW_YORK = NOON + 2 * HOUR
ACCOUNT = Account(1)
REACHED = """select p.address, m.region, m.person from messages m join people p on p.person = m.person
    where m.id = :id"""
JERSEY, GERMAN = "+12012223333", "+4915123456456"


def request(**given: Any) -> InviteRequest:
    values: dict[str, Any] = {"phone": JERSEY, "text": "Join me", "app_id": "com.example.1", "os": Os.ANDROID}
    return InviteRequest(**(values | given))


@dataclass
class House:
    """The intake, whose clock is the test's and whose ids count from 100."""

    database: Database
    now: datetime = NOON
    away: bool = False
    counted: Iterator[int] = field(default_factory=lambda: count(100))

    def __post_init__(self) -> None:
        self.intake = Intake(
            admit=lambda candidate: Admissions(self.database).admit([candidate], self.now)[0],
            earlier=Admissions(self.database).earlier,
            directory=CachedDirectory(self.database, keep=0.0),
            ids=self._id,
            clock=lambda: self.now,
            pepper=PEPPER,
        )

    def _id(self) -> int:
        if self.away:
            raise StoreUnavailable("the lease of the node number ran out")
        return next(self.counted)

    def accept(self, account: Account = ACCOUNT, **given: Any) -> Verdict:
        return self.intake.accept(account, request(**given))

    def refused(self, account: Account = ACCOUNT, **given: Any) -> tuple[int, int, str]:
        with pytest.raises(Refusal) as refusal:
            self.accept(account, **given)
        return refusal.value.code, refusal.value.http, refusal.value.message

    def run(self, statement: str, **given: Any) -> list[tuple[Any, ...]]:
        with self.database.write() as tx:
            return [tuple(row) for row in tx.run(Statement(statement), **given)]


@pytest.fixture
def house(database: Database) -> House:
    provision(database)
    return House(database)


# --- What is turned back ----------------------------------------------------------------------------------------------

# What is settled for the app, whose account, what is asked, and the refusal: code, HTTP status, sentence.
REFUSED: list[tuple[dict[str, Any], Account, dict[str, Any], tuple[int, int, str]]] = [
    ({}, ACCOUNT, {"app_id": "com.example.none"}, (103, 404, "appId: not provisioned for this account")),
    ({}, Account(2), {}, (103, 404, "appId: not provisioned for this account")),
    ({}, Account(1, paused=True), {}, (100, 403, "this account is paused")),
    ({}, ACCOUNT, {"region": "XX"}, (101, 400, "isoCountryCode: not an ISO 3166 country code such as US or DE")),
    ({}, ACCOUNT, {"region": "USA"}, (101, 400, "isoCountryCode: not an ISO 3166 country code such as US or DE")),
    ({}, ACCOUNT, {"phone": "12"}, (123, 400, "phone: not a valid number in US")),
    ({}, ACCOUNT, {"phone": "+1999"}, (123, 400, "phone: not a valid number")),
    ({}, ACCOUNT, {"phone": "89123456", "region": "US"}, (123, 400, "phone: not a valid number in US")),
    ({"countries": "CA,US"}, ACCOUNT, {"phone": GERMAN}, (100, 403, "phone: country DE is not allowed for this app")),
    ({"countries": "DE"}, ACCOUNT, {}, (100, 403, "phone: country US is not allowed for this app")),
    ({"country_from_sender": 1}, ACCOUNT, {"phone": "0151 23456456", "sender_phone": "+1999"},
     (101, 400, "senderPhone: not a valid number, so its country is not known")),
    ({"most_segments": 1}, ACCOUNT, {"text": "x" * 161},
     (101, 400, "message: 2 segments in GSM-7; this app allows at most 1")),
    ({"most_segments": 2}, ACCOUNT, {"text": "ж" * 135},
     (101, 400, "message: 3 segments in UCS-2; this app allows at most 2")),
]  # fmt: skip


def test_what_is_turned_back(database: Database) -> None:
    rows = provision(database, apps=0)
    house = House(database)
    for number, (settled, account, asked, refusal) in enumerate(REFUSED):
        name = f"app {number}"
        rows.add_app(1, {"app_id": name, "hours": {"always": True}} | settled)
        assert house.refused(account, **({"app_id": name} | asked)) == refusal
    assert house.run("select count(*) from messages") == [(0,)]
    assert house.run("select count(*) from people") == [(0,)]


def test_a_store_that_is_away_is_no_verdict(house: House) -> None:
    house.away = True
    with pytest.raises(StoreUnavailable):
        house.accept()


# --- Which country a number is read in --------------------------------------------------------------------------------

# What is settled for the app, what is asked, and whom it reaches, where.
READ: list[tuple[dict[str, Any], dict[str, Any], tuple[str, str]]] = [
    ({}, {"phone": "2012223333"}, ("+12012223333", "US")),
    ({}, {"phone": "(201) 222-3334", "region": "us"}, ("+12012223334", "US")),
    ({}, {"phone": GERMAN}, (GERMAN, "DE")),
    ({}, {"phone": "0151 23456457", "region": "DE"}, ("+4915123456457", "DE")),
    ({}, {"phone": "0151 23456458", "region": "de"}, ("+4915123456458", "DE")),
    ({"country": "DE"}, {"phone": "0151 23456459"}, ("+4915123456459", "DE")),
    ({"country": "DE"}, {"phone": "2012223335", "region": "US"}, ("+12012223335", "US")),
    ({"country_from_sender": 1}, {"phone": "0151 23456460", "sender_phone": GERMAN}, ("+4915123456460", "DE")),
    ({"country_from_sender": 1}, {"phone": "2012223336", "sender_phone": "2012223333"}, ("+12012223336", "US")),
    ({"country_from_sender": 1}, {"phone": "2012223337", "sender_phone": GERMAN, "region": "US"},
     ("+12012223337", "US")),
    ({"country_from_sender": 0}, {"phone": "2012223338", "sender_phone": GERMAN}, ("+12012223338", "US")),
    ({"countries": "DE"}, {"phone": "0151 23456461", "region": "DE"}, ("+4915123456461", "DE")),
    ({"countries": "all"}, {"phone": "+442079460000"}, ("+442079460000", "GB")),
]  # fmt: skip


def test_the_country_of_a_number(database: Database) -> None:
    rows = provision(database, apps=0)
    house = House(database)
    for number, (settled, asked, (address, region)) in enumerate(READ):
        rows.add_app(1, {"app_id": f"app {number}", "hours": {"always": True}} | settled)
        verdict = house.accept(app_id=f"app {number}", **asked)
        found = house.run(REACHED, id=verdict.message_id)
        assert found == [(address, region, person_of(PEPPER, address))], asked


# --- Verdicts ---------------------------------------------------------------------------------------------------------


def test_an_accepted_one(house: House) -> None:
    assert house.accept() == Verdict(100, Word.PENDING, Code.ACCEPTED, "", planned_at=NOON)


def test_a_duplicate(house: House) -> None:
    first = house.accept()
    house.now += HOUR
    assert house.accept() == Verdict(
        101, Word.DISCARDED, Code.DUPLICATE, "Duplicate invitation",
        duplicate_of=first.message_id, reopens_at=NOON + timedelta(days=7),
    )  # fmt: skip


def test_the_window_of_the_app(database: Database) -> None:
    provision(database, duplicate_seconds=60)
    house = House(database)
    assert house.accept().code is Code.ACCEPTED
    house.now += timedelta(seconds=59)
    assert house.accept().code is Code.DUPLICATE
    house.now += timedelta(seconds=1)
    assert house.accept().code is Code.ACCEPTED


def test_someone_who_opted_out(house: House) -> None:
    OptOutBook(house.database).add([OptOut(person_of(PEPPER, JERSEY), Scope.APP, 1, "reply")], NOON)
    assert house.accept() == Verdict(100, Word.DISCARDED, Code.OPTED_OUT, "User opted-out")


def test_all_that_was_asked_is_kept(house: House) -> None:
    text, phone = "Grüße 😀" * 10, "+1 (301) 555-0100"
    house.accept(text=text, os=Os.IOS, reference="r-7", sender_phone=phone, inviter_name="Ann", campaign="autumn")
    kept = {
        "text": text, "segments": 2, "os": "IOS", "reference": "r-7", "inviter": "13015550100", "inviter_name": "Ann",
        "campaign": "autumn", "kind": "invitation", "channel": "sms", "state": "queued",
        "created_at": micros(NOON), "due_at": micros(NOON),
    }  # fmt: skip
    assert house.run(f"select {', '.join(kept)} from messages") == [tuple(kept.values())]


def test_an_inviter_is_whom_the_customer_names(house: House) -> None:
    house.accept(inviter="user-9", sender_phone="+13015550100")
    assert house.run("select inviter from messages") == [("user-9",)]


# --- Repeats ----------------------------------------------------------------------------------------------------------

OTHER = "+12012224444"
HEADER = "Idempotency-Key: already used for a different invitation within 24 hours"
REFERENCE = "referenceId: already used for a different invitation within 24 hours"


def test_a_repeat_gets_the_first_answer(house: House) -> None:
    first = house.accept(reference="r")
    house.now += HOUR
    again = house.accept(reference="r", phone="(201) 222-3333")
    assert again.replayed
    assert (again.message_id, again.code, again.planned_at) == (first.message_id, first.code, NOON)
    assert house.run("select count(*) from messages") == [(1,)]


def test_the_header_wins_over_the_reference(house: House) -> None:
    first = house.accept(idempotency_key="k", reference="r")
    assert house.accept(idempotency_key="k", reference="another").message_id == first.message_id
    fresh = house.accept(phone=OTHER, reference="r")
    assert not fresh.replayed, "r was not the key of the first"
    assert house.refused(phone=OTHER, idempotency_key="k") == (409, 409, HEADER)
    assert house.refused(phone=JERSEY, reference="r") == (409, 409, REFERENCE)
    assert house.accept(phone="+12012225555", idempotency_key="r").replayed is False, "a header is no reference"


# One thing that differs, and whether it makes another invitation of it.
DIFFERENCES: list[tuple[dict[str, Any], bool]] = [
    ({"phone": "+1 201 222 3333"}, False),
    ({"phone": "2012223333", "region": "US"}, False),
    ({"phone": OTHER}, True),
    ({"text": "Join us"}, True),
    ({"os": Os.IOS}, True),
    ({"sender_phone": "+13015550100"}, True),
    ({"inviter": "user-9"}, True),
    ({"inviter_name": "Ann"}, True),
    ({"campaign": "autumn"}, True),
    ({"app_id": "com.example.2"}, True),
]


def test_what_makes_a_repeat_another_invitation(database: Database) -> None:
    provision(database, apps=2)
    house = House(database)
    first = house.accept(reference="r")
    for asked, differs in DIFFERENCES:
        if differs:
            assert house.refused(reference="r", **asked) == (409, 409, REFERENCE), asked
        else:
            assert house.accept(reference="r", **asked).message_id == first.message_id, asked


def test_a_key_is_its_accounts_own_and_serves_a_day(database: Database) -> None:
    rows = provision(database)
    rows.add_account("Another", "b@example.com", "key 2", "")
    rows.add_app(2, {"app_id": "com.example.1", "hours": {"always": True}})
    house = House(database)
    house.accept(reference="r")
    assert not house.accept(Account(2), reference="r", phone=OTHER).replayed
    house.now += timedelta(hours=24)
    assert not house.accept(reference="r", phone=OTHER).replayed


# What changes between an invitation and its repeat; the first answer stands. What makes a repeat unreadable does not.
CHANGES = [
    "update apps set countries = 'DE'",
    "update apps set most_segments = 0",
    "update apps set duplicate_seconds = 0",
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_answer_stands_whatever_has_changed_since(house: House, change: str) -> None:
    first = house.accept(reference="r")
    house.run(change)
    assert house.accept(reference="r").message_id == first.message_id
    assert house.accept(Account(1, paused=True), reference="r").message_id == first.message_id
    assert house.refused(Account(1, paused=True), reference="r", text="Join us") == (409, 409, REFERENCE)
    assert house.refused(Account(1, paused=True), reference="other")[1] == 403


def test_a_used_key_comes_before_what_cannot_be_read(house: House) -> None:
    house.accept(reference="r", idempotency_key="k")
    assert house.refused(phone="12", idempotency_key="k") == (409, 409, HEADER)
    assert house.refused(app_id="none", idempotency_key="k") == (409, 409, HEADER)
    assert house.refused(phone="12", reference="r")[1] == 400, "r was not the key"


def test_a_key_whose_time_is_over_answers_no_more(house: House) -> None:
    house.accept(reference="r")
    house.now += timedelta(hours=25)
    assert house.refused(phone="12", reference="r") == (123, 400, "phone: not a valid number in US")


# --- When -------------------------------------------------------------------------------------------------------------

NEVER = {"sunday": ["09:00-20:00"], "closed": [str((NOON + timedelta(days=n)).date()) for n in range(30)]}
# What hours the app keeps, when it is asked (NOON is 07:00 in New Jersey), and for when it is planned.
PLANS: list[tuple[Any, timedelta, timedelta]] = [
    ({"always": True}, timedelta(0), timedelta(0)),
    (None, timedelta(0), 2 * HOUR),  # 09:00 to 20:00
    (None, 2 * HOUR, 2 * HOUR),
    (None, 13 * HOUR - timedelta(seconds=1), 13 * HOUR - timedelta(seconds=1)),
    (None, 13 * HOUR, 26 * HOUR),
    ({"sunday": ["05:00-06:00"]}, timedelta(0), timedelta(days=7) - 2 * HOUR),
    ({"every": ["10:00-10:30"]}, HOUR, 3 * HOUR),
]


def test_it_is_planned_for_the_next_open_instant(database: Database) -> None:
    rows = provision(database, apps=0)
    house = House(database)
    for number, (hours, asked, planned) in enumerate(PLANS):
        rows.add_app(1, {"app_id": f"app {number}", "hours": hours})
        house.now = NOON + asked
        verdict = house.accept(app_id=f"app {number}")
        assert verdict.planned_at == NOON + planned, hours
        [(due, expires)] = house.run("select due_at, expires_at from messages where id = :id", id=verdict.message_id)
        assert (due, expires) == (micros(NOON + planned), micros(NOON + planned + 24 * HOUR)), hours


def test_it_waits_for_every_zone_that_the_number_may_be_in(database: Database) -> None:
    provision(database, hours=None)
    house = House(database, now=NINE_IN_NEW_YORK)
    assert house.accept(phone="+15032223333").planned_at == NINE_IN_NEW_YORK + 3 * HOUR, "Oregon"
    assert house.accept(phone="+16052223333").planned_at == NINE_IN_NEW_YORK + 2 * HOUR, "South Dakota has two"


def test_hours_that_never_open_are_kept_until_somebody_mends_them(database: Database) -> None:
    provision(database, hours=NEVER)
    house = House(database)
    verdict = house.accept()
    assert (verdict.word, verdict.planned_at) == (Word.PENDING, NOON)
    assert house.run("select due_at, expires_at from messages") == [(micros(NOON), micros(NOON + timedelta(days=9)))]


# --- What is known at once not to be sent -----------------------------------------------------------------------------

# A number of each sort, and why it is not texted: by what its range was given out for.
NO_PHONES = [
    ("+4989123456", "fixed"),
    ("+18002345678", "toll free"),
    ("+19002345678", "premium"),
    ("+449012345678", "premium"),
    ("+4918012345", "shared cost"),
    ("+447012345678", "personal"),
    ("+447640123456", "pager"),
    ("+445612345678", "voip"),
    ("+443001234567", "uan"),
    ("+881612345678", "a number of no country"),
    ("+870773111632", "a number of no country"),
]


@pytest.mark.parametrize(("phone", "why"), NO_PHONES)
def test_no_text_to_what_is_no_mobile_phone(database: Database, phone: str, why: str) -> None:
    provision(database, callback_url="https://customer.example/")
    house = House(database)
    verdict = house.accept(phone=phone)
    assert (verdict.word, verdict.code) == (Word.DISCARDED, 125)
    assert verdict.message == f"Not a mobile phone: {why}"
    assert house.run("select state, code, completed_at is not null from messages") == [("discarded", 125, 1)]
    assert house.run("select status from callbacks") == [(125,)]
    assert house.run("select count(*) from duplicate_slots") == [(0,)]


@pytest.mark.parametrize("phone", ["+12012223333", "+4915123456789", "+447400123456", "+5511961234567"])
def test_what_may_be_a_mobile_phone_is_texted(house: House, phone: str) -> None:
    assert house.accept(phone=phone).word is Word.PENDING


def test_a_repeat_of_what_was_discarded_gets_the_same_answer(house: House) -> None:
    first = house.accept(phone="+4989123456", reference="r")
    again = house.accept(phone="+4989123456", reference="r")
    assert (again.message_id, again.code, again.message) == (first.message_id, 125, first.message)
    assert again.replayed
