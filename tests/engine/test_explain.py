"""Explain beside the real thing: what it says is what intake then answers and dispatch then decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.decision import Send, Wait, decide
from dispatcher.core.invitation import Account, App, InviteRequest, OptOut, Os, Scope
from dispatcher.core.person import person_of
from dispatcher.core.screening import LinePolicy
from dispatcher.engine.dispatch import Pace
from dispatcher.engine.explain import Explain, Explanation, Verdict
from dispatcher.engine.intake import Intake
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.instants import micros
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.pool import SenderPool
from dispatcher.store.queue import MessageQueue
from dispatcher.store.statement import Statement
from tests.factories import NOON, PEPPER, provision
from tests.web.api import COUNTS

ALICE = "+12012223333"
ALL = [
    "number", "account", "country", "message", "line type", "device", "opt-out", "duplicate", "validity", "app",
    "open hours", "sender",
]  # fmt: skip


@dataclass
class House:
    """Intake, dispatch's decision and explain, over one store; the clock stands at `now`."""

    database: Database
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.ids = count(100)
        self.lookups = StoreLookups(self.database)
        self.queue, self.pool = MessageQueue(self.database), SenderPool(self.database)
        self.directory = CachedDirectory(self.database, keep=0.0)
        self.intake = Intake(
            admit=lambda candidate: Admissions(self.database).admit([candidate], self.now)[0],
            earlier=Admissions(self.database).earlier,
            directory=self.directory,
            ids=lambda: next(self.ids),
            clock=lambda: self.now,
            pepper=PEPPER,
        )
        self.duty = Explain(
            lookups=self.lookups, pools=lambda: [self.pool.usable(Pace().horizon, None)], pepper=PEPPER
        )  # fmt: skip

    def app(self) -> App:
        return self.directory.apps([1])[1]

    def account(self) -> Account:
        return self.lookups.account(1)

    def explain(self, **given: Any) -> Explanation:
        """What it says; nothing comes or goes in any table meanwhile."""
        before = self.run(COUNTS)
        room = self.run(Statement("select id, free_at, used, day from senders order by id"))
        found = self.duty.explain(self.account(), self.app(), request(**given), self.now)
        assert self.run(COUNTS) == before
        assert self.run(Statement("select id, free_at, used, day from senders order by id")) == room
        return found

    def answer(self, **given: Any) -> int:
        """The code that intake answers."""
        try:
            return self.intake.accept(self.account(), request(**given)).code
        except Refusal as refusal:
            return refusal.code

    def run(self, statement: Statement | str, **given: Any) -> list[tuple[Any, ...]]:
        asked = Statement(statement) if isinstance(statement, str) else statement
        with self.database.write() as tx:
            return [tuple(row) for row in tx.run(asked, **given)]

    def learn(self, column: str, word: str, at: datetime) -> None:
        person = person_of(PEPPER, ALICE)
        self.run("insert into people (person, address, line_type, os) values (:p, :a, '', '')", p=person, a=ALICE)
        self.run(f"update people set {column} = :word, {column}_at = :at", word=word, at=micros(at))

    def opt_out(self, scope: Scope, scope_id: int) -> None:
        OptOutBook(self.database).add([OptOut(person_of(PEPPER, ALICE), scope, scope_id, "reply")], NOON)


def request(**given: Any) -> InviteRequest:
    values: dict[str, Any] = {"phone": ALICE, "text": "Join me", "app_id": "com.example.1", "os": Os.ANDROID}
    return InviteRequest(**(values | given))


def finding(explanation: Explanation, rule: str) -> tuple[Verdict, str]:
    [found] = [each for each in explanation.rules if each.rule == rule]
    return found.verdict, found.because


@pytest.fixture
def house(database: Database) -> House:
    provision(database)
    return House(database)


def test_nothing_against_it(house: House) -> None:
    found = house.explain()
    assert (found.phone, found.code, found.message) == (ALICE, Code.ACCEPTED, "Invitation request accepted")
    assert (found.next_open_at, found.zones, found.sender) == (NOON, ("America/New_York",), "+12015550000")
    assert [each.rule for each in found.rules] == ALL
    assert {each.rule for each in found.rules if each.verdict is not Verdict.PASS} == {"device"}
    told = {each.rule: each.because for each in found.rules}
    assert told == {
        "number": "+12012223333 is a number of US, read as in US",
        "account": "not paused",
        "country": "US; allowed: all",
        "message": "1 of at most 10 segments, in GSM-7",
        "line type": "fixed or mobile by its number; nothing learned",
        "device": "ANDROID asked; nothing learned",
        "opt-out": "no opt-out",
        "duplicate": "not invited by this app within 7 days",
        "validity": "worth sending until 2026-11-23T12:00:00Z",
        "app": "not paused",
        "open hours": "always open",
        "sender": told["sender"],
    }
    assert told["sender"].startswith("+12015550000: ")
    assert house.answer() == 0


Done = str | tuple[Scope, int] | tuple[str, str, datetime] | None
OLD = NOON - timedelta(days=800)
SET = "update apps set "
# What was done before, what is asked, the rule that objects first, a part of why.
OBJECTIONS: list[tuple[Done, dict[str, Any], str, str]] = [
    (None, {"phone": "911"}, "number", "not a valid number in US"),
    (None, {"region": "XX"}, "number", "isoCountryCode"),
    ("update accounts set paused_at = 1", {}, "account", "this account is paused"),
    (SET + "countries = 'CA,DE'", {}, "country", "country US is not allowed"),
    (SET + "most_segments = 1", {"text": "ю" * 80}, "message", "2 segments in UCS-2"),
    (None, {"phone": "+4930901820"}, "line type", "fixed by its number"),
    (None, {"phone": "+870773111632"}, "line type", "a number of no country"),
    (("line_type", "fixed", NOON), {}, "line type", "fixed learned at 2026-11-22T12:00:00Z"),
    (("os", "IOS", NOON), {}, "device", "ios learned at 2026-11-22T12:00:00Z"),
    ((Scope.APP, 1), {}, "opt-out", "(of this app since 2026-11-22T12:00:00Z, by reply)"),
    ((Scope.ACCOUNT, 1), {}, "opt-out", "(of its account since"),
    ((Scope.GLOBAL, 0), {}, "opt-out", "(of everything since"),
    ("invited", {}, "duplicate", "invited as 100; may be invited again at 2026-11-29T12:00:00Z"),
]
HARMLESS: list[tuple[Done, dict[str, Any]]] = [
    (("line_type", "fixed", OLD), {}),
    (("os", "IOS", OLD), {}),
    (("os", "IOS", NOON), {"os": Os.IOS_ANDROID}),
    ((Scope.APP, 2), {}),
    ((Scope.ACCOUNT, 2), {}),
    (SET + "duplicate_seconds = 0", {}),
]


def prepare(house: House, done: Done) -> None:
    match done:
        case "invited":
            assert house.answer() == 0
        case str():
            house.run(done)
        case Scope() as scope, scope_id:
            house.opt_out(scope, scope_id)
        case column, word, at:
            house.learn(column, word, at)


@pytest.mark.parametrize(("done", "given", "rule", "why"), OBJECTIONS)
def test_an_objection_is_what_intake_answers(
    house: House, done: Done, given: dict[str, Any], rule: str, why: str
) -> None:
    prepare(house, done)
    found = house.explain(**given)
    first = next(each for each in found.rules if each.verdict is Verdict.OBJECT)
    assert (first.rule, first.code) == (rule, found.code)
    assert found.message == first.because
    assert why in first.because
    if rule != "number":
        assert [each.rule for each in found.rules] == ALL, "the others are asked all the same"
    assert house.answer(**given) == found.code != 0


@pytest.mark.parametrize(("done", "given"), HARMLESS)
def test_what_does_not_count_is_told_and_objects_to_nothing(house: House, done: Done, given: dict[str, Any]) -> None:
    prepare(house, done)
    found = house.explain(**given)
    assert found.code == Code.ACCEPTED
    assert house.answer(**given) == 0


def test_what_is_too_old_is_told(house: House) -> None:
    house.learn("os", "IOS", OLD)
    assert finding(house.explain(), "device") == (
        Verdict.UNKNOWN, "ANDROID asked; ios learned at 2024-09-13T12:00:00Z, too long ago to count",
    )  # fmt: skip


FROM = [
    ("", "fixed learned at 2026-11-22T12:00:00Z"),
    ("carrier", "fixed learned at 2026-11-22T12:00:00Z from a carrier's refusal"),
    ("import", "fixed learned at 2026-11-22T12:00:00Z from an import"),
    ("lookup", "fixed learned at 2026-11-22T12:00:00Z from a lookup"),
]


@pytest.mark.parametrize(("source", "told"), FROM)
def test_where_a_line_type_is_known_from(house: House, source: str, told: str) -> None:
    house.learn("line_type", "fixed", NOON)
    house.run("update people set line_type_from = :source", source=source)
    because = f"fixed or mobile by its number; {told}"
    assert finding(house.explain(), "line type") == (Verdict.OBJECT, f"Not a mobile phone: fixed ({because})")


def test_where_a_device_is_known_from(house: House) -> None:
    house.learn("os", "IOS", NOON)
    house.run("update people set os_from = 'click'")
    assert finding(house.explain(), "device")[1].endswith("ios learned at 2026-11-22T12:00:00Z from a click)")


def test_what_would_be_looked_up_is_told(house: House) -> None:
    """A lookup's answer counts for its own time, and what its number tells is not asked."""
    house.duty = Explain(
        lookups=house.lookups,
        pools=lambda: [house.pool.usable(Pace().horizon, None)],
        pepper=PEPPER,
        policy=LinePolicy(grace=timedelta(seconds=30), keep=timedelta(days=60)),
    )
    asked = "a lookup is asked first, for 30 s at most"
    assert finding(house.explain(), "line type")[1] == f"fixed or mobile by its number; nothing learned; {asked}"
    assert asked not in finding(house.explain(phone="+4915123456789"), "line type")[1]
    house.learn("line_type", "mobile", NOON - timedelta(days=60))
    house.run("update people set line_type_from = 'lookup'")
    assert finding(house.explain(), "line type")[1].endswith(f"from a lookup, too long ago to count; {asked}")


def test_every_objection_is_told_and_the_first_is_the_code(house: House) -> None:
    house.learn("os", "IOS", NOON)
    house.opt_out(Scope.GLOBAL, 0)
    house.run(SET + "countries = 'CA'")
    found = house.explain()
    objecting = [(each.rule, int(each.code)) for each in found.rules if each.verdict is Verdict.OBJECT]
    assert objecting == [("country", 100), ("device", 126), ("opt-out", 127)]
    assert found.code == Code.DENIED
    assert finding(found, "sender")[0] is Verdict.PASS


def test_a_place_whose_time_is_up_is_free(house: House) -> None:
    assert house.answer() == 0
    house.now += timedelta(days=7)
    assert house.explain().code == Code.ACCEPTED
    assert house.answer() == 0


def test_without_a_text_nothing_is_said_of_its_size(house: House) -> None:
    assert finding(house.explain(text=""), "message") == (Verdict.UNKNOWN, "no text given")


# --- What dispatch decides -----------------------------------------------------------------------------------------


def decided(house: House) -> Send | Wait:
    """What dispatch decides of the one row that is queued, were it due."""
    house.run("update messages set due_at = 0")
    pool = house.pool.usable(Pace().horizon, None)
    [lane] = house.queue.lanes()
    [row] = house.queue.claim({lane.key: 1}, house.now, timedelta(seconds=60))
    decision = decide(row, house.app(), pool, house.now)
    assert isinstance(decision, Send | Wait)
    return decision


HOURS = SET + """hours = '{"every": ["09:00-20:00"]}'"""


@pytest.mark.parametrize(
    ("done", "rule", "because"),
    [
        (SET + "paused_at = 1", "app", "app paused"),
        (HOURS, "open hours", "quiet hours; open in America/New_York at 2026-11-22T14:00:00Z"),
        (
            SET + """hours = '{"every": ["09:00-20:00"], "closed": ["2026-11-22"]}'""",
            "open hours",
            "quiet hours; open in America/New_York at 2026-11-23T14:00:00Z",
        ),
        ("update senders set paused_at = 1", "sender", "no sender: +12015550000 is paused"),
        ("update connections set paused_at = 1", "sender", "no sender: +12015550000 is of carrier, which is paused"),
        ("delete from senders", "sender", "no sender: there is none"),
    ],
)
def test_what_makes_it_wait_is_what_dispatch_says(house: House, done: str, rule: str, because: str) -> None:
    house.run(done)
    found = house.explain()
    assert found.code == Code.ACCEPTED, "it is taken, and waits"
    assert finding(found, rule) == (Verdict.WAIT, because)
    assert house.answer() == 0
    decision = decided(house)
    assert isinstance(decision, Wait)
    assert because.startswith(decision.why)
    if rule == "open hours":
        assert decision.until == found.next_open_at


def test_open_hours_tell_when_they_end(house: House) -> None:
    house.run(HOURS)
    house.now += timedelta(hours=3)
    found = house.explain()
    assert finding(found, "open hours") == (Verdict.PASS, "open in America/New_York until 2026-11-23T01:00:00Z")
    assert found.next_open_at == house.now


def test_hours_that_are_never_common(house: House) -> None:
    house.run(SET + """hours = '{"every": ["12:00-12:30"]}'""")
    found = house.explain(phone="+79161234567", os=Os.IOS)  # Russia, of many zones
    assert len(found.zones) > 1
    assert found.next_open_at is None
    assert finding(found, "open hours")[1].startswith("no common open hour soon in Asia/")


def test_the_sender_is_the_one_that_dispatch_chooses(database: Database) -> None:
    rows = provision(database)
    house = House(database)
    rows.add_sender({"number": "+13015550100", "kind": "long_code", "region": "US"}, "carrier", [])
    rows.add_sender({"number": "+4915123456789", "kind": "long_code", "region": "DE"}, "carrier", [])
    for phone, expected in (
        (ALICE, "+12015550000"),
        ("+13012223333", "+13015550100"),
        ("+4915123456456", "+4915123456789"),
    ):
        house.run("delete from messages where state = 'queued'")
        found = house.explain(phone=phone)
        assert found.sender == expected
        assert house.answer(phone=phone) == 0
        decision = decided(house)
        assert isinstance(decision, Send)
        assert (decision.choice.sender.number, finding(found, "sender")[1]) == (
            expected, f"{expected}: {decision.choice.rule}",
        )  # fmt: skip
        house.run("update messages set state = 'discarded'")


def test_the_sticky_sender_is_told(database: Database) -> None:
    provision(database, senders=2)
    house = House(database)
    house.run(
        "insert into sticky_senders (app_id, person, sender_id, used_at) values (1, :person, 2, :at)",
        person=person_of(PEPPER, ALICE), at=micros(NOON),
    )  # fmt: skip
    assert finding(house.explain(), "sender") == (Verdict.PASS, "+12015550001: sticky")


def test_a_sender_in_use_is_seen_as_the_process_that_uses_it_does(database: Database) -> None:
    provision(database, mps=10)
    house = House(database)
    house.run("update senders set holder = 7, free_at = {clock} + 300000")
    assert finding(house.explain(), "sender") == (Verdict.PASS, "+12015550000: area code")


def test_a_sender_without_room_is_waited_for(database: Database) -> None:
    provision(database, mps=0.1)
    house = House(database)
    clock = house.pool.usable(timedelta(0), None).now
    house.run("update senders set free_at = :at", at=clock + 120_000_000)
    found = house.explain()
    verdict, because = finding(found, "sender")
    assert (verdict, found.sender) == (Verdict.WAIT, "+12015550000")
    assert because.startswith("+12015550000: country; has room in 1")


def test_many_senders_that_cannot_be_used_are_not_all_named(database: Database) -> None:
    provision(database, senders=7)
    house = House(database)
    house.run("update senders set rest_until = 4102444800000000, rest_reason = 'filtered'")
    verdict, because = finding(house.explain(), "sender")
    assert verdict is Verdict.WAIT
    assert because.startswith("no sender: +12015550000 rests: filtered, until 2100-01-01T00:00:00Z; +12015550001 rests")
    assert because.endswith("; and 2 more")


def test_an_instant_in_the_future_is_judged_as_then(house: House) -> None:
    house.run(HOURS)
    found = house.duty.explain(house.account(), house.app(), request(), NOON + timedelta(days=1, hours=3))
    assert found.next_open_at == NOON + timedelta(days=1, hours=3)
    assert found.sender == "+12015550000"
