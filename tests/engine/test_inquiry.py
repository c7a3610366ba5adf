"""Inquiry over a real store: when carriers are asked about a doubt, what their answers make of it, and who may ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Fault, Outcome, Receipt, Request, Response, Submission
from dispatcher.core.invitation import Candidate
from dispatcher.core.lifecycle import Event, State
from dispatcher.engine.dispatch import Worker
from dispatcher.engine.inquiry import AT_ONCE, CERTAIN, LONGEST, MORE, Inquiry, Told
from dispatcher.engine.ports import CALLBACKS, DUE
from dispatcher.engine.silence import IN_VAIN
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.inquiries import InquiryBook
from dispatcher.store.instants import micros
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.rescue import Sweeper
from dispatcher.store.rooms import LOCK_ROOM
from dispatcher.store.statement import Statement
from tests.engine import test_dispatch
from tests.engine.test_dispatch import HOUR, MINUTE, SECOND
from tests.engine.transports import Begun, Plain, says
from tests.factories import NOON, provision
from tests.processes import eventually

TAKEN = Outcome(Fate.TAKEN, ref="r-1")
OUTCOMES = {
    "taken": TAKEN,
    "lost": Outcome(Fate.UNKNOWN, reason="timeout"),
    "never": Outcome(Fate.NEVER, reason="no such number", code=Code.INVALID_PHONE),
    "later": Outcome(Fate.LATER, reason="not there"),
    "other sender": Outcome(Fate.OTHER_SENDER),
    "stop": Outcome(Fate.STOP_CARRIER),
    "unknown": Outcome(Fate.UNKNOWN),
}
USED = "select sum(used) from senders"
ASK = "select ask_at, asks from attempts where message_id = :id"


@dataclass(frozen=True)
class Asked(Plain):
    """Plain, which can also be asked; "?" is an answer that tells nothing."""

    asking_submits: bool = False

    def ask(self, mt: Submission, now: datetime) -> Request:
        if self.unspeakable in mt.text:
            raise ValueError("a text that does not fit")
        return Request("POST" if self.asking_submits else "GET", "carrier:/", {}, json.dumps(asdict(mt)).encode())

    def told(self, response: Response) -> Outcome | None:
        return None if response.text == "?" else self.outcomes[response.text]


@dataclass
class House(test_dispatch.House):
    """A dispatcher that asks."""

    submits: bool = False
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.line = replace(self.line, carrier=Asked(OUTCOMES, asking_submits=self.submits))
        self.lines[1] = self.line
        self.inquiry = self.asker()

    def asker(self, worker: int = 7) -> Inquiry:
        """What a process asks with."""
        return Inquiry(
            book=InquiryBook(self.database),
            directory=CachedDirectory(self.database, keep=0.0),
            lines=lambda: self.lines,
            put=self.told.append,
            heard=self.dispatch.heard,
            ring=self.rung.append,
            clock=lambda: self.now,
            jitter=lambda: 1.0,
            pace=self.pace,
            worker=Worker(worker, lambda: self.alive),
        )

    def doubt(self, count: int = 1, **given: Any) -> list[Candidate]:
        """Invitations whose submits nobody answers."""
        made = self.admit(count, **given)
        self.turns()
        self.settle(lambda exchange: says("lost"))
        self.transport.begun.clear()
        self.rung.clear()
        assert {self.row(each.id)["state"] for each in made} == {State.IN_DOUBT}
        return made

    def ask(self, after: timedelta, answer: str | Response | None = None) -> list[Begun]:
        """What is asked so long after NOON; with an answer, it is given and written."""
        self.now = NOON + after
        self.transport.begun.clear()
        self.inquiry.turn()
        asked = list(self.transport.begun)
        if answer is not None:
            self.answer(answer)
        return asked

    def answer(self, answer: str | Response) -> None:
        """The same answer to all that is open."""
        self.transport.answer(lambda exchange: says(answer) if isinstance(answer, str) else answer)
        told, self.told[:] = list(self.told), []
        self.inquiry.settle(told)

    def sweep(self, after: timedelta) -> None:
        """Rescue, as another process does it so long after NOON."""
        Sweeper(self.database).rescue(NOON + after, self.pace.doubt, 100, [1], NOON + after + 20 * SECOND)


@pytest.fixture(params=[False, True], ids=["asks", "submits again"])
def house(database: Database, request: pytest.FixtureRequest) -> House:
    provision(database, callback_url="https://customer.example/")
    return House(database, submits=request.param)


@pytest.fixture
def asking(database: Database) -> House:
    provision(database)
    return House(database)


@pytest.fixture
def submitting(database: Database) -> House:
    provision(database)
    return House(database, submits=True)


def test_it_asks_after_twenty_seconds_then_at_doubling_intervals_until_told(house: House) -> None:
    [made] = house.doubt()
    asked_at = []
    for second in range(0, 15 * 60, 5):
        if asked := house.ask(second * SECOND, "?"):
            asked_at.append(second)
            assert [(each.mt["key"], each.lane) for each in asked] == [(str(made.id), "carrier")]
    assert asked_at == [20, 60, 140, 300, 620]
    assert house.row(made.id)["state"] is State.IN_DOUBT


def test_the_question_is_about_the_very_submit(submitting: House) -> None:
    [made] = submitting.admit(text="Join \N{PILE OF POO}")
    submitting.turns()
    [submit] = submitting.transport.begun
    submitting.settle(lambda exchange: says("lost"))
    [asked] = submitting.ask(20 * SECOND)
    assert (asked.request.body, asked.mt["key"]) == (submit.request.body, str(made.id))


def test_what_was_taken_is_sent(house: House) -> None:
    [made] = house.doubt()
    house.ask(20 * SECOND, "taken")
    row = house.row(made.id)
    assert (row["state"], row["due"], row["sent"]) == (State.SUBMITTED, NOON + 20 * SECOND + 72 * HOUR, True)
    assert {DUE, CALLBACKS} <= set(house.rung)


def test_a_receipt_by_the_ref_that_is_told_is_matched(house: House) -> None:
    [made] = house.doubt()
    ReceiptBook(house.database).take(1, [Receipt(Event.DELIVER, ref="r-1")], NOON)
    house.ask(20 * SECOND, "taken")
    assert house.row(made.id)["state"] is State.DELIVERED
    assert house.run(test_dispatch.OWED, id=made.id) == [(1,)]
    assert [row[:2] for row in house.run(test_dispatch.ATTEMPTS, id=made.id)] == [("taken", "r-1")]
    assert house.run(ASK, id=made.id) == [(None, 1)]
    assert house.ask(14 * MINUTE) == []


def test_acceptance_that_is_final_ends_it(house: House) -> None:
    [made] = house.doubt()
    house.lines[1] = replace(house.line, acceptance_is_final=True)
    house.ask(20 * SECOND, "taken")
    assert house.row(made.id)["state"] is State.DELIVERED


def test_an_answer_ends_the_silence_of_its_carrier(house: House) -> None:
    house.doubt(IN_VAIN)
    silent = "select count(*) from connections where silent_at is not null"
    assert house.run(silent) == [(1,)]
    house.ask(20 * SECOND, "?")
    assert house.run(silent) == [(1,)], "it told nothing"
    house.ask(MINUTE, "taken")
    assert house.run(silent) == [(0,)]
    house.admit(1, first=8000)
    house.turns()
    assert len(house.transport.open) == 1, "it is not left alone any more"


def test_what_will_never_be_taken_has_failed_with_its_code(house: House) -> None:
    [made] = house.doubt()
    house.ask(20 * SECOND, "never")
    row = house.row(made.id)
    assert (row["state"], row["code"], row["reason"], row["sent"]) == (State.FAILED, 123, "no such number", False)
    assert house.run(test_dispatch.PLACE, id=made.id) == [(0,)], "it surely was not sent"


@pytest.mark.parametrize(
    "answer",
    [
        "?",
        "later",
        "other sender",
        "stop",
        "unknown",
        Response(429),
        Response(fault=Fault.UNREACHABLE),
        Response(fault=Fault.TIMEOUT),
        Response(fault=Fault.UNSENT),
    ],
    ids=str,
)
def test_an_answer_that_tells_nothing_leaves_it_in_doubt(house: House, answer: str | Response) -> None:
    [made] = house.doubt()
    house.ask(20 * SECOND, answer)
    assert house.row(made.id)["state"] is State.IN_DOUBT
    assert len(house.ask(60 * SECOND)) == 1, "it is asked again"


def test_what_is_not_there_after_minutes_is_sent_again_and_not_before(asking: House) -> None:
    [made] = asking.doubt()
    for second in (20, 60):
        asking.ask(second * SECOND, "later")
        assert asking.row(made.id)["state"] is State.IN_DOUBT
    after = CERTAIN + 20 * SECOND
    asking.ask(after, "later")
    row = asking.row(made.id)
    assert (row["state"], row["reason"], row["tries"], row["sent"]) == (State.QUEUED, "not there", 1, False)
    asking.now = row["due"]
    asking.turns()
    asking.settle(lambda exchange: says("taken"))
    assert asking.row(made.id)["state"] is State.SUBMITTED


def test_submitting_again_in_vain_is_never_a_reason_to_queue_it_again(submitting: House) -> None:
    [made] = submitting.doubt()
    for second in (20, 60, 140, 300, 620):
        submitting.ask(second * SECOND, "later")
        assert submitting.row(made.id)["state"] is State.IN_DOUBT


def test_what_a_process_lost_is_asked_about_too(house: House) -> None:
    [made] = house.admit()
    house.turns()
    house.transport.open.clear()
    house.run("update messages set lease_until = 1")
    house.sweep(MINUTE)
    assert house.row(made.id)["state"] is State.IN_DOUBT
    assert house.ask(MINUTE + 19 * SECOND) == []
    assert len(house.ask(MINUTE + 20 * SECOND, "taken")) == 1
    assert house.row(made.id)["state"] is State.SUBMITTED


def test_of_a_carrier_that_cannot_be_asked_nothing_is_noted(asking: House) -> None:
    asking.lines[1] = replace(asking.line, carrier=Plain(OUTCOMES))
    [made] = asking.doubt()
    assert asking.run(ASK, id=made.id) == [(None, 0)]
    assert asking.ask(20 * SECOND) == []


def test_each_question_is_one_processs_own(house: House) -> None:
    house.doubt(3)
    other = house.asker(worker=8)
    house.now = NOON + 20 * SECOND
    seen = InquiryBook(house.database).doubts(1, house.now, 10)
    house.inquiry.turn()
    other.turn()
    assert len({begun.mt["key"] for begun in house.transport.begun}) == len(house.transport.begun) == 3
    late = [(doubt, house.now + MINUTE) for doubt in seen]
    given: dict[str, Any] = {"horizon": house.pace.horizon, "worker_id": 8, "now": house.now}
    assert InquiryBook(house.database).ask(late, submits=house.submits, **given) == [], (
        "it looked before the others did"
    )


def test_a_process_that_died_between_asking_and_its_result_leaves_it_to_others(house: House) -> None:
    [made] = house.doubt()
    house.ask(20 * SECOND)
    house.transport.open.clear()
    house.inquiry = house.asker(worker=8)
    assert house.ask(59 * SECOND) == []
    house.ask(60 * SECOND, "taken")
    assert house.row(made.id)["state"] is State.SUBMITTED


def test_a_process_whose_heart_stands_still_asks_nothing(house: House) -> None:
    house.doubt()
    house.alive = False
    assert house.ask(20 * SECOND) == []


def test_no_more_are_open_than_a_connection_may_have(house: House) -> None:
    house.doubt(AT_ONCE + 4)
    house.now = NOON + 20 * SECOND
    assert house.inquiry.turn() == MORE
    assert len(house.transport.begun) == AT_ONCE
    assert house.inquiry.turn() is None, "until one is answered"
    house.answer("taken")
    assert house.inquiry.turn() is None
    assert len(house.transport.begun) == AT_ONCE + 4


def test_a_question_that_cannot_be_built_is_told_of(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.doubt(text="a # text")
    house.lines[1] = replace(house.line, carrier=Asked(OUTCOMES, "#", asking_submits=house.submits))
    assert house.ask(20 * SECOND) == []
    assert [record.getMessage() for record in caplog.records] == ["a question could not be built"]


# --- What was told otherwise meanwhile --------------------------------------------------------------------------------


def test_the_submits_own_late_result_is_not_disturbed(house: House) -> None:
    [made] = house.admit()
    house.turns()
    [submit] = house.transport.begun
    house.transport.open.clear()
    house.run("update messages set lease_until = 1")
    house.sweep(MINUTE)
    house.ask(MINUTE + 20 * SECOND)
    submit.then(says("taken"))
    house.settle(lambda exchange: None)
    house.answer("never")
    assert house.row(made.id)["state"] is State.SUBMITTED
    assert house.run(ASK, id=made.id) == [(None, 1)]


def test_a_late_result_that_knows_nothing_does_not_undo_what_was_told(house: House) -> None:
    [made] = house.admit()
    house.turns()
    [submit] = house.transport.begun
    house.transport.open.clear()
    house.run("update messages set lease_until = 1")
    house.sweep(MINUTE)
    house.ask(MINUTE + 20 * SECOND, "taken")
    submit.then(says("lost"))
    house.settle(lambda exchange: None)
    assert [row[:2] for row in house.run(test_dispatch.ATTEMPTS, id=made.id)] == [("taken", "r-1")]
    assert house.row(made.id)["state"] is State.SUBMITTED


def test_a_late_result_that_it_was_not_sent_says_nothing_once_somebody_asked(house: House) -> None:
    """It was stopped before it began, and asking may have sent it since."""
    [made] = house.admit()
    house.turns()
    [submit] = house.transport.begun
    house.transport.open.clear()
    house.run("update messages set lease_until = 1")
    house.sweep(MINUTE)
    house.ask(MINUTE + 20 * SECOND, "?")
    submit.then(says("later"))
    house.settle(lambda exchange: None)
    assert house.row(made.id)["state"] is State.IN_DOUBT
    house.ask(2 * MINUTE, "taken")
    assert house.row(made.id)["state"] is State.SUBMITTED


def test_what_a_receipt_told_needs_no_question(house: House) -> None:
    [made] = house.doubt()
    ReceiptBook(house.database).take(1, [Receipt(Event.DELIVER, key=str(made.id))], NOON)
    assert house.ask(20 * SECOND) == []
    assert house.run(ASK, id=made.id) == [(None, 0)]


def test_a_doubt_is_closed_by_the_policy_when_its_time_is_over(house: House) -> None:
    [made] = house.doubt()
    house.ask(14 * MINUTE)
    house.sweep(15 * MINUTE)
    row = house.row(made.id)
    assert (row["state"], row["code"], row["reason"]) == (State.FAILED, 124, "outcome unknown")
    house.answer("taken")
    assert house.row(made.id)["state"] is State.FAILED, "as the customer was told"
    assert house.ask(16 * MINUTE) == []


def test_what_could_not_be_answered_before_that_is_not_asked(house: House) -> None:
    house.doubt()
    assert house.ask(15 * MINUTE - 34 * SECOND) == []


def test_a_submit_that_carriers_may_have_forgotten_is_not_asked_about(house: House) -> None:
    [made] = house.admit()
    house.turns()
    house.transport.open.clear()
    house.run("update messages set lease_until = 1")
    house.sweep(LONGEST)
    assert house.ask(LONGEST + 20 * SECOND) == []
    assert house.row(made.id)["state"] is State.IN_DOUBT


# --- Where asking may send --------------------------------------------------------------------------------------------

OBSTACLES: dict[str, Callable[[Candidate], tuple[str, dict[str, Any]]]] = {
    "opted out": lambda made: (
        "insert into optouts (person, scope, scope_id, created_at, source, said) values (:p, 'global', 0, 0, '', '')",
        {"p": made.person},
    ),
    "erased": lambda made: ("update people set address = null", {}),
    "expired": lambda made: ("update messages set expires_at = :at", {"at": micros(NOON + SECOND)}),
    "closed": lambda made: ("update apps set hours = null", {}),  # from 09:00 on, and it is 07:00
    "app paused": lambda made: ("update apps set paused_at = 1", {}),
    "sender paused": lambda made: ("update senders set paused_at = 1", {}),
    "sender rests": lambda made: ("update senders set rest_until = {clock} + 3000000000", {}),
    "connection paused": lambda made: ("update connections set paused_at = 1", {}),
    "connection stopped": lambda made: ("update connections set stopped_at = 1, retry_at = 1", {}),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_who_may_not_be_sent_to_is_not_submitted_again_but_asked_about(database: Database, name: str) -> None:
    provision(database)
    for submits in (False, True):
        house = House(database, submits=submits, now=NOON)
        [made] = house.doubt(first=4000 + submits)
        statement, given = OBSTACLES[name](made)
        house.run(statement, **given)
        asked = [begun for s in range(0, 15 * 60, 10) for begun in house.ask(s * SECOND, "?")]
        assert bool(asked) is not submits
        house.sweep(15 * MINUTE)
        assert house.row(made.id)["state"] is State.FAILED, "closed by its policy all the same"
        house.run("update apps set hours = :hours, paused_at = null", hours='{"always": true}')
        house.run("update senders set paused_at = null, rest_until = null")
        house.run("update connections set paused_at = null, stopped_at = null, retry_at = null")


def test_what_kept_it_back_is_looked_at_again(submitting: House) -> None:
    [made] = submitting.doubt()
    submitting.run("update senders set paused_at = 1")
    assert submitting.ask(20 * SECOND) == []
    submitting.run("update senders set paused_at = null")
    submitting.ask(60 * SECOND, "taken")
    assert submitting.row(made.id)["state"] is State.SUBMITTED


def test_who_opts_out_between_look_and_claim_is_not_submitted_again(submitting: House) -> None:
    [made] = submitting.doubt()
    book = InquiryBook(submitting.database)
    at = NOON + 20 * SECOND
    seen = [(doubt, at + MINUTE) for doubt in book.doubts(1, at, 10)]
    statement, given = OBSTACLES["opted out"](made)
    submitting.run(statement, **given)
    assert book.ask(seen, submits=True, horizon=submitting.pace.horizon, worker_id=7, now=at) == []


def test_it_takes_its_senders_pace_and_of_each_days_cap_as_if_it_was_sent_once(submitting: House) -> None:
    submitting.doubt(segments=3)
    submitting.run("update senders set daily_cap = used, mps = 1000, free_at = 0")
    [(before,)] = submitting.run(USED)
    submitting.ask(20 * SECOND, "?")
    assert submitting.run(USED) == [(before,)]
    assert submitting.run("select free_at > {clock} - 10000000 from senders") == [(1,)]
    submitting.run("update senders set day = day - 1")
    submitting.run("update attempts set day = day - 1")
    for after in (2, 4):
        submitting.ask(after * MINUTE, "?")
        assert submitting.run(USED) == [(3,)], "it counts on the day on which it may be sent, once"
    submitting.ask(8 * MINUTE, "never")
    assert submitting.run(USED) == [(0,)]


def test_a_question_alone_takes_none(asking: House) -> None:
    asking.doubt()
    before = asking.run(USED)
    asking.ask(20 * SECOND, "?")
    assert asking.run(USED) == before


def test_without_room_it_waits_for_its_slot(submitting: House) -> None:
    [made] = submitting.doubt()
    submitting.run("update senders set mps = 1, free_at = {clock} + 9500000")
    assert submitting.ask(20 * SECOND) == []
    [(ask_at, _)] = submitting.run(ASK, id=made.id)
    assert 7 < (ask_at - micros(NOON + 20 * SECOND)) / 1_000_000 < 9
    submitting.run("update senders set free_at = 0")
    [asked] = submitting.ask(29 * SECOND)
    assert asked.paced is not None
    assert (asked.paced.key, asked.paced.rest) == (1, 0.999)


def test_senders_of_fifty_a_second_stay_with_their_holder(submitting: House) -> None:
    [made] = submitting.doubt()
    submitting.run("update senders set mps = 10, holder = 8, free_at = {clock}")
    assert submitting.ask(20 * SECOND) == []
    assert submitting.row(made.id)["state"] is State.IN_DOUBT


def test_who_asks_waits_for_senders_while_it_holds_nothing(submitting: House) -> None:
    """Else one who holds a sender and comes to the attempts would wait for it, and it for them."""
    [made] = submitting.doubt()
    waiting = Statement(
        """select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'"""
    )

    def waits() -> bool:
        with submitting.database.read() as other:
            return bool(other.run(waiting)[0][0])

    with ThreadPoolExecutor(1) as pool:
        with submitting.database.write() as tx:
            tx.run(LOCK_ROOM, [(1,)])
            asked = pool.submit(submitting.ask, 20 * SECOND)
            if submitting.database.name == "postgres":  # where SQLite's only writer is, nobody else is amid anything
                eventually("the one who asks waits", waits)
            tx.run(Statement("update attempts set reason = 'seen' where message_id = :id"), id=made.id)
        assert len(asked.result(10)) == 1
