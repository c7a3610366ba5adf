"""Dispatch over a real store: what each fate makes of an invitation, who waits and why, and what is never begun."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import pytest

from dispatcher.carriers.simulated import Simulated
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Fault, Outcome, Response
from dispatcher.core.invitation import Candidate
from dispatcher.core.lifecycle import State
from dispatcher.core.retry import SUBMIT_TRIES
from dispatcher.engine.dispatch import REFUSALS, Dispatch, Line, Pace, Worker
from dispatcher.engine.health import Result
from dispatcher.engine.ports import CALLBACKS, DUE, StoreUnavailable
from dispatcher.engine.refusals import MOST
from dispatcher.engine.silence import IN_VAIN
from dispatcher.engine.standing import CONNECTION_REST, MOST_OF_ONE, MOST_STOPS, STOPS
from dispatcher.loops import Gatherer
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.instants import instant, micros
from dispatcher.store.pool import SenderPool
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.statement import Statement
from tests.engine.transports import Begun, MemoryTransport, Plain, says
from tests.factories import NOON, candidate, provision

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PACE = Pace(lease=60 * SECOND, timeout=30 * SECOND, margin=5 * SECOND, doubt=15 * MINUTE)
URL = "https://customer.example/"
NINE_IN_NEW_YORK = NOON + 2 * HOUR

ROW = Statement("select state, code, reason, hold, due_at, tries, sent_at is not null from messages where id = :id")
ATTEMPTS = Statement(
    "select fate, ref, reason, ended_at is not null from attempts where message_id = :id order by generation"
)
OWED = Statement("select status from callbacks where message_id = :id")
PLACE = Statement("select count(*) from duplicate_slots where message_id = :id")
SENDERS = Statement("select id, rest_until > {clock}, rest_reason from senders where rest_until is not null")
CONNECTIONS = Statement(
    "select id, stopped_at is not null, stop_reason, retry_at > {clock} from connections order by id"
)


@dataclass
class House:
    """A dispatcher whose clock, carriers and transport are the test's."""

    database: Database
    transport: MemoryTransport = field(default_factory=MemoryTransport)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    now: datetime = NOON
    alive: bool = True
    line: Line = field(init=False)
    results: list[Result] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    crash_at: str = ""
    per_line: int = 1024
    pace: Pace = PACE
    meanwhile: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.line = Line(1, "carrier", Plain(self.outcomes), self.transport, receipt_wait=72 * HOUR)
        self.lines = {1: self.line}
        self.dispatch = Dispatch(
            queue=MessageQueue(self.database),
            pool=SenderPool(self.database),
            directory=CachedDirectory(self.database, keep=0.0),
            lines=self._lines,
            put=self.results.append,
            ring=self.rung.append,
            clock=lambda: self.now,
            jitter=lambda: 1.0,
            pace=self.pace,
            worker=Worker(7, lambda: self.alive),
            per_line=self.per_line,
            between=self._between,
        )

    def _lines(self) -> Mapping[int, Line]:
        self.meanwhile()
        return self.lines

    def _between(self, point: str) -> None:
        self.points.append(point)
        if point == self.crash_at:
            raise RuntimeError(point)

    def admit(self, count: int = 1, *, first: int = 3000, **given: Any) -> list[Candidate]:
        made = [candidate(f"+1201222{number}", **given) for number in range(first, first + count)]
        Admissions(self.database).admit(made, NOON)
        return made

    def turns(self) -> timedelta | None:
        """Turn until it is no longer worth it at once."""
        while (again := self.dispatch.turn()) == timedelta(0):
            pass
        return again

    def settle(self, respond: Callable[[Begun], Response | None]) -> None:
        """Let the transport answer, and write what that means."""
        self.transport.answer(respond)
        results, self.results[:] = list(self.results), []
        self.dispatch.settle(results)

    def warm(self) -> None:
        """Have the carrier answer one submit, as it did to a process that has worked for a while."""
        self.admit(first=9990)
        self.turns()
        self.settle(lambda exchange: says("yes"))
        self.transport.begun.clear()
        self.rung.clear()

    def run(self, statement: Statement | str, **given: Any) -> list[tuple[Any, ...]]:
        with self.database.write() as tx:
            statement = Statement(statement) if isinstance(statement, str) else statement
            return [tuple(row) for row in tx.run(statement, **given)]

    def row(self, message_id: int) -> dict[str, Any]:
        [row] = self.run(ROW, id=message_id)
        found = dict(zip(("state", "code", "reason", "hold", "due", "tries", "sent"), row, strict=True))
        return found | {"state": State(found["state"]), "due": instant(found["due"]), "sent": bool(found["sent"])}

    def waits(self, message_id: int) -> tuple[str, timedelta] | None:
        """Why a message waits and until how long after now, as the customer would be told; None if it does not."""
        standing = MessageQueries(self.database, lambda: self.now).standing(1, message_id)
        assert standing is not None
        return (standing.hold, standing.due_at - self.now) if standing.state is State.QUEUED else None

    def sent_to(self) -> list[str]:
        return [exchange.mt["to"] for exchange in self.transport.begun]


@pytest.fixture
def house(database: Database) -> House:
    provision(database, callback_url=URL)
    return House(database)


# --- What a fate makes of an invitation -------------------------------------------------------------------------------

RETRY = "retry"
# A name, the outcome, and what is then told of the message: state, code, reason, hold, due since NOON, tries, sent,
# the codes of the callbacks owed, whether its place is kept.
FATES: list[tuple[str, Outcome, tuple[State, int, str, str, timedelta | None, int, bool], list[int], bool]] = [
    ("taken", Outcome(Fate.TAKEN, ref="r-1"),
     (State.SUBMITTED, 0, "", "", 72 * HOUR, 0, True), [], True),
    ("taken, and that was all", Outcome(Fate.TAKEN, ref="r-2", final=True),
     (State.DELIVERED, 1, "", "", None, 0, True), [1], True),
    ("not sent", Outcome(Fate.LATER, reason="refused"),
     (State.QUEUED, 0, "refused", RETRY, 2 * SECOND, 1, False), [], True),
    ("not sent, they asked for ten seconds", Outcome(Fate.LATER, reason="busy", retry_after=10 * SECOND),
     (State.QUEUED, 0, "busy", RETRY, 10 * SECOND, 1, False), [], True),
    ("a limit", Outcome(Fate.LATER, reason="throttled", limit=True),
     (State.QUEUED, 0, "throttled", RETRY, 3 * SECOND, 0, False), [], True),
    ("a limit for a minute", Outcome(Fate.LATER, reason="throttled", retry_after=MINUTE, limit=True),
     (State.QUEUED, 0, "throttled", RETRY, 90 * SECOND, 0, False), [], True),
    ("no such number", Outcome(Fate.NEVER, reason="not assigned", code=Code.INVALID_PHONE),
     (State.FAILED, 123, "not assigned", "", None, 0, False), [123], False),
    ("never", Outcome(Fate.NEVER, reason="spam"),
     (State.FAILED, 124, "spam", "", None, 0, False), [124], False),
    ("never, but a part was taken", Outcome(Fate.NEVER, reason="part 2 refused", partly=True),
     (State.FAILED, 124, "part 2 refused", "", None, 0, True), [124], True),
    ("a landline", Outcome(Fate.NEVER, reason="fixed line", code=Code.NOT_MOBILE),
     (State.FAILED, 125, "fixed line", "", None, 0, False), [125], False),
    ("opted out at the carrier", Outcome(Fate.NEVER, reason="21610", code=Code.OPTED_OUT),
     (State.FAILED, 127, "21610", "", None, 0, False), [127], False),
    ("this sender may not", Outcome(Fate.OTHER_SENDER, reason="filtered"),
     (State.QUEUED, 0, "filtered", RETRY, 2 * SECOND, 1, False), [], True),
    ("our key, or this number", Outcome(Fate.STOP_CARRIER, reason="HTTP 403"),
     (State.QUEUED, 0, "HTTP 403", RETRY, 2 * SECOND, 1, False), [], True),
    ("nobody can tell", Outcome(Fate.UNKNOWN, reason="timeout"),
     (State.IN_DOUBT, 0, "timeout", "in doubt", 15 * MINUTE, 0, False), [], True),
]  # fmt: skip
assert {outcome.fate for _, outcome, *_ in FATES} == set(Fate)


def test_every_fate(database: Database) -> None:
    provision(database, callback_url=URL)
    house = House(database, outcomes={name: outcome for name, outcome, *_ in FATES})
    cases = dict(zip((c.id for c in house.admit(len(FATES))), FATES, strict=True))
    assert house.dispatch.turn() is None
    house.settle(lambda exchange: says(cases[int(exchange.mt["key"])][0]))
    for message_id, (name, outcome, told, owed, kept) in cases.items():
        row = house.row(message_id)
        state, code, reason, hold, due, tries, sent = told
        found = (row["state"], row["code"], row["reason"], row["hold"], row["tries"], row["sent"])
        assert found == (state, code, reason, hold, tries, sent), name
        assert due is None or row["due"] == NOON + due, name
        assert house.run(OWED, id=message_id) == [(code,) for code in owed], name
        assert house.run(PLACE, id=message_id) == [(int(kept),)], name
        [attempt] = house.run(ATTEMPTS, id=message_id)
        assert attempt == (outcome.fate, outcome.ref, outcome.reason, 1), name
    assert {DUE, CALLBACKS} <= set(house.rung)


def test_a_word_that_no_database_takes_does_not_keep_an_outcome_from_being_written(house: House) -> None:
    odd = Outcome(Fate.NEVER, ref="r\x00\ud800", reason="not\x00 \udfffassigned", code=Code.INVALID_PHONE)
    house.lines[1] = replace(house.line, carrier=Plain({"odd": odd}))
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("odd"))
    assert house.row(made.id)["reason"] == "not assigned"
    assert [row[1:3] for row in house.run(ATTEMPTS, id=made.id)] == [("r", "not assigned")]


@pytest.mark.parametrize("fate", [f for f in Fate if f not in {Fate.OTHER_SENDER, Fate.STOP_CARRIER}])
def test_most_fates_say_nothing_of_sender_or_connection(database: Database, fate: Fate) -> None:
    provision(database)
    house = House(database, outcomes={"x": Outcome(fate)})
    house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("x"))
    assert house.run(SENDERS) == []
    assert house.run(CONNECTIONS) == [(1, 0, "", None)]


def test_a_connection_whose_acceptance_is_final(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"x": Outcome(Fate.TAKEN)}), acceptance_is_final=True)
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("x"))
    assert (house.row(made.id)["state"], house.run(OWED, id=made.id)) == (State.DELIVERED, [(1,)])


def test_a_sender_that_may_not_rests_and_another_takes_over(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    provision(database, senders=2)
    house = House(database, outcomes={"no": Outcome(Fate.OTHER_SENDER, reason="30034"), "yes": Outcome(Fate.TAKEN)})
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("no"))
    assert house.run(SENDERS) == [(1, 1, "30034")]
    house.now += 2 * SECOND
    house.dispatch.turn()
    assert [exchange.mt["sender"] for exchange in house.transport.begun] == ["+12015550000", "+12015550001"]
    house.settle(lambda exchange: says("yes"))
    assert house.row(made.id)["state"] is State.SUBMITTED
    assert [row[:2] for row in house.run(ATTEMPTS, id=made.id)] == [("other_sender", ""), ("taken", "")]
    assert house.run(RESTS) == [(1, "30034", 600)], "so it was its own fault"
    assert [(r.getMessage(), vars(r)["sender"]) for r in caplog.records] == [("a sender rests", "+12015550000")]


RESTS = Statement("select id, rest_reason, (rest_until - {clock} + 900000) / 1000000 from senders where rest_until > 1")


def test_what_every_sender_is_refused_for_is_the_numbers_fault_and_costs_each_some_seconds(database: Database) -> None:
    provision(database, senders=REFUSALS + 1)
    house = House(database, outcomes={"no": Outcome(Fate.OTHER_SENDER, reason="not from this one")})
    [made] = house.admit()
    for _ in range(REFUSALS):
        assert house.row(made.id)["state"] is State.QUEUED
        house.turns()
        house.settle(lambda exchange: says("no"))
        house.now += MINUTE
    row = house.row(made.id)
    assert (row["state"], row["code"], row["sent"]) == (State.FAILED, Code.SEND_FAILED, False)
    assert sorted(house.run(RESTS)) == [(n, "not from this one", 3) for n in range(1, REFUSALS + 1)]


def test_one_sender_that_always_refuses_fails_nobody(house: House) -> None:
    """What waits for it is kept."""
    house.lines[1] = replace(house.line, carrier=Plain({"no": Outcome(Fate.OTHER_SENDER), "yes": Outcome(Fate.TAKEN)}))
    made = house.admit(2)
    for _ in range(2 * REFUSALS):
        house.turns()
        assert len(house.transport.open) == 2
        house.settle(lambda exchange: says("no"))
        assert house.run(RESTS) == [(1, "", 3)]
        house.run("update senders set rest_until = 1")
        house.now += 2 * MINUTE
    house.turns()
    house.settle(lambda exchange: says("yes"))
    assert {house.row(one.id)["state"] for one in made} == {State.SUBMITTED}


def test_a_stopped_connection_keeps_its_queue_and_is_tried_by_one_submit(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.lines[1] = replace(
        house.line, carrier=Plain({"stop": Outcome(Fate.STOP_CARRIER, reason="HTTP 401"), "yes": Outcome(Fate.TAKEN)})
    )
    made = house.admit(STOPS)
    house.dispatch.turn()
    house.settle(lambda exchange: says("stop"))
    assert house.run(CONNECTIONS) == [(1, 1, "HTTP 401", 1)]
    assert [(r.getMessage(), vars(r)["connection"]) for r in caplog.records] == [
        ("a connection was stopped", "carrier")
    ]
    house.turns()
    assert len(house.transport.begun) == 3, "nothing more is begun"
    assert {house.waits(c.id) for c in made} == {("retry", CONNECTION_REST + 2 * SECOND)}
    house.now += MINUTE
    house.turns()
    assert len(house.transport.begun) == 3, "nothing more is begun"
    assert {house.waits(c.id) for c in made} == {("no sender", timedelta(0))}

    for answer, begun in (("stop", 4), ("yes", 5)):  # its rest is over: one submit is risked
        house.run("update connections set retry_at = 1")
        house.dispatch.turn()
        assert len(house.transport.begun) == begun
        house.settle(lambda exchange, answer=answer: says(answer))  # type: ignore[misc]
    assert house.run(CONNECTIONS) == [(1, 0, "", None)]
    assert len({exchange.mt["to"] for exchange in house.transport.begun[3:]}) == 2, "not always the same"
    house.now += MINUTE
    house.dispatch.turn()
    assert len(house.transport.begun) == 7, "and then all of them"


def test_six_hours_without_a_key_that_holds_cost_nobody_a_try(database: Database) -> None:
    provision(database, callback_url=URL)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 401"), "yes": Outcome(Fate.TAKEN)})
    made = house.admit(STOPS)
    for _ in range(61):
        house.turns()
        house.settle(lambda exchange: says("no"))
        house.run("update connections set retry_at = 1")
        house.now += 6 * MINUTE
    assert house.now - NOON > 6 * HOUR
    assert len(house.transport.begun) == STOPS + 60
    assert [house.row(one.id)["tries"] for one in made] == [0] * STOPS
    assert house.run("select count(*) from messages where state = 'queued' and code = 0") == [(STOPS,)]
    for _ in range(2):  # one tries it, and then all
        house.turns()
        house.settle(lambda exchange: says("yes"))
    assert {house.row(one.id)["state"] for one in made} == {State.SUBMITTED}


def test_a_number_that_is_forbidden_is_tried_as_long_as_it_is_worth_sending(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403")}))
    [made] = house.admit()
    house.run("update messages set tries = :tries", tries=10 * SUBMIT_TRIES)
    house.turns()
    house.settle(lambda exchange: says("no"))
    assert house.waits(made.id) == (RETRY, 5 * MINUTE)
    house.now = NOON + 25 * HOUR
    house.turns()
    assert house.row(made.id)["state"] is State.EXPIRED


def test_a_number_that_a_carrier_forbids_stops_nobody_elses_connection(house: House) -> None:
    house.lines[1] = replace(
        house.line, carrier=Plain({"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403"), "yes": Outcome(Fate.TAKEN)})
    )
    [forbidden] = house.admit()
    for n in range(2 * STOPS):
        good = house.admit(first=100 + n)
        house.turns()
        house.settle(lambda exchange: says("no" if exchange.mt["key"] == str(forbidden.id) else "yes"))
        assert house.row(good[0].id)["state"] is State.SUBMITTED
        assert house.run(CONNECTIONS) == [(1, 0, "", None)]
        house.now += 5 * MINUTE
    row = house.row(forbidden.id)
    assert (row["state"], row["tries"], row["reason"]) == (State.QUEUED, 2 * STOPS, "HTTP 403"), "and it has an end"


@pytest.mark.parametrize("count", [1, 2])
def test_few_messages_that_are_refused_again_and_again_stop_what_takes_nothing_else(
    database: Database, count: int
) -> None:
    provision(database)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 401"), "yes": Outcome(Fate.TAKEN)})
    made = house.admit(count)
    for _ in range(ceil(MOST_OF_ONE / count)):
        assert house.run(CONNECTIONS) == [(1, 0, "", None)]
        house.now += 10 * MINUTE
        house.turns()
        house.settle(lambda exchange: says("no"))
    assert [row[:3] for row in house.run(CONNECTIONS)] == [(1, 1, "HTTP 401")]
    tries = {house.row(one.id)["tries"] for one in made}
    house.run("update connections set retry_at = 1")
    house.now += 10 * MINUTE
    house.turns()
    house.settle(lambda exchange: says("no"))
    assert {house.row(one.id)["tries"] for one in made} == tries, "what waits for a key is not used up by it"
    house.run("update connections set retry_at = 1")
    house.now += 10 * MINUTE
    house.turns()
    house.settle(lambda exchange: says("yes"))
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 0)]


def test_ten_in_a_row_fail_by_what_nobody_explains_and_the_others_wait(database: Database) -> None:
    provision(database)
    odd = Outcome(Fate.NEVER, reason="HTTP 400", unexplained=True)
    house = House(database, outcomes={"odd": odd, "no": replace(odd, unexplained=False), "yes": Outcome(Fate.TAKEN)})
    house.warm()
    words = iter(["odd"] * (MOST - 1) + ["no"] + ["odd"] * (MOST - 1) + ["yes"] + ["odd"] * (MOST + 30))
    made = house.admit(3 * MOST - 1 + 30 + 1)
    house.turns()
    house.settle(lambda exchange: says(next(words, "yes")))
    failed = [one for one in made if house.row(one.id)["state"] is State.FAILED]
    assert len(failed) == 3 * MOST - 1
    assert house.run("select count(*) from messages where state = 'queued'") == [(30,)]
    assert [row[:3] for row in house.run(CONNECTIONS)] == [(1, 0, "")], "it has just taken something"


def test_a_carrier_that_refuses_all_from_the_start_is_stopped_and_its_queue_waits(database: Database) -> None:
    provision(database)
    odd = Outcome(Fate.NEVER, reason="HTTP 400", unexplained=True)
    house = House(database, outcomes={"odd": odd, "yes": Outcome(Fate.TAKEN)})
    house.admit(MOST + STOPS + 5)
    for word, submitted in (("odd", 0), ("odd", 0), ("yes", 1)):
        house.turns()
        house.settle(lambda exchange, word=word: says(word))  # type: ignore[misc]
        counts = dict(house.run("select state, count(*) from messages group by state"))
        assert (counts["failed"], counts.get("submitted", 0)) == (MOST, submitted)
        assert [row[1] for row in house.run(CONNECTIONS)] == [word == "odd"]
        house.run("update connections set retry_at = 1")
        house.now += 10 * MINUTE
    assert [row[:3] for row in house.run(CONNECTIONS)] == [(1, 0, "")]


def test_such_numbers_stop_no_connection_that_took_something_lately_unless_they_are_many(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403"), "yes": Outcome(Fate.TAKEN)})
    house.warm()
    for first, count, stopped in ((1000, MOST_STOPS - 1, 0), (2000, 1, 1)):
        house.admit(count, first=first)
        house.turns()
        house.settle(lambda exchange: says("no"))
        assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, stopped)]


def test_many_such_numbers_delay_others_by_one_rest(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403"), "yes": Outcome(Fate.TAKEN)})
    forbidden = {str(one.id) for one in house.admit(5 * STOPS)}

    def settle() -> None:
        house.turns()
        house.settle(lambda exchange: says("no" if exchange.mt["key"] in forbidden else "yes"))

    settle()
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 1)]
    good = house.admit(3, first=5000)
    house.run("update connections set retry_at = 1")
    settle()
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 0)], "tried by one of the others"
    for n in range(4):
        house.now += 10 * MINUTE
        good += house.admit(1, first=6000 + n)
        settle()
        assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 0)]
        assert {house.row(one.id)["state"] for one in good} == {State.SUBMITTED}


def test_a_stop_that_another_process_ended_is_forgotten(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 401"), "yes": Outcome(Fate.TAKEN)})
    house.admit(STOPS)
    house.turns()
    house.settle(lambda exchange: says("no"))
    house.run("update connections set stopped_at = null, retry_at = null, stop_reason = ''")
    for n in range(STOPS):
        assert house.run(CONNECTIONS) == [(1, 0, "", None)]
        house.admit(1, first=5000 + n)
        house.turns()
        house.settle(lambda exchange: says("no"))
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 1)]


def test_a_stopped_connection_that_only_such_numbers_try_is_tried_again_soon_and_then_later(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403")})
    house.admit(STOPS)
    house.turns()
    house.settle(lambda exchange: says("no"))
    rest = "select (retry_at - {clock} + 900000) / 1000000 from connections"
    assert house.run(rest) == [(30,)]
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        house.run("update connections set retry_at = 1")
        house.now += MINUTE
        house.turns()
        house.settle(lambda exchange: says("no"))
        assert house.run(rest) == [(seconds,)]


def test_a_sender_that_a_carrier_forbids_costs_the_others_of_its_connection_seconds(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it is the only one that anybody tried, so that the connection was stopped for it."""
    provision(database, senders=2)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403"), "yes": Outcome(Fate.TAKEN)})
    bad = "+12015550000"

    def settle() -> None:
        house.settle(lambda exchange: says("no" if exchange.mt["sender"] == bad else "yes"))

    house.admit(2 * STOPS)
    house.turns()
    house.settle(lambda exchange: says("no"))
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 1)]
    assert sorted(house.run(RESTS)) == [(1, "HTTP 403", 45), (2, "HTTP 403", 45)]
    house.run("update senders set rest_until = null, load = case when id = 1 then 0 else 1000 end")
    for stopped in (1, 0):  # the first to try is the one that may not
        house.run("update connections set retry_at = 1")
        house.now += MINUTE
        house.dispatch.turn()
        assert len(house.transport.open) == 1
        settle()
        assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, stopped)]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1

    house.run("update senders set rest_until = null")
    house.admit(2, first=8000)
    for _ in range(4):
        house.now += MINUTE
        house.turns()
        settle()
    assert house.run(RESTS) == [(1, "HTTP 403", 600)], "another took what it may not send"
    assert house.run("select count(*) from messages where state <> 'submitted'") == [(0,)]


@pytest.mark.parametrize("by", ["this process", "another", "this process, and another saw it mended"])
def test_what_a_key_that_is_mended_now_had_forbidden_costs_no_sender_its_turn(database: Database, by: str) -> None:
    provision(database, senders=2)
    house = House(database, outcomes={"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 401"), "yes": Outcome(Fate.TAKEN)})

    def turn(word: str, sender_id: int) -> None:
        house.now += MINUTE
        house.run(f"update senders set rest_until = null, paused_at = case when id <> {sender_id} then 1 end")
        house.run("update connections set retry_at = 1 where stopped_at is not null")
        house.turns()
        assert {exchange.mt["sender"] for exchange in house.transport.open} == {f"+1201555000{sender_id - 1}"}
        house.settle(lambda exchange: says(word))

    house.admit(1)
    turn("no", 1)
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 0)]
    if by == "another":
        house.run("update connections set stopped_at = 1")
    else:
        house.admit(STOPS - 1, first=4000)
        turn("no", 1)
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 1)]
    if "mended" in by:
        house.run("update connections set stopped_at = null, retry_at = null, stop_reason = ''")
    while house.run("select 1 from messages where state <> 'submitted'"):
        turn("yes", 2)
    assert house.run(RESTS) == []


def test_submits_that_are_settled_twice_count_once(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"no": Outcome(Fate.STOP_CARRIER, reason="HTTP 403")}))
    house.admit(STOPS - 1)
    house.turns()
    house.transport.answer(lambda exchange: says("no"))
    for _ in range(STOPS):
        house.dispatch.settle(house.results)
    assert house.run(CONNECTIONS) == [(1, 0, "", None)]


def test_no_more_than_a_few_are_risked_with_a_carrier_that_was_not_heard_yet(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)})
    house.admit(10 * IN_VAIN)
    house.turns()
    assert len(house.transport.begun) == IN_VAIN
    house.transport.answer(lambda exchange: says("yes") if exchange is house.transport.begun[0] else None)
    assert house.rung == [DUE]
    house.turns()
    assert len(house.transport.begun) == 10 * IN_VAIN


SILENCE = Statement("select silent_at is not null, silence from connections")
SILENCE_OF_FIRST = Statement("select silent_at is not null from connections where id = 1")


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.LATER])
def test_a_carrier_that_answers_nothing_is_left_alone_before_all_is_in_doubt(
    database: Database, fate: Fate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    provision(database)
    outcomes = {"": Outcome(fate, reason="silence"), "yes": Outcome(Fate.TAKEN)}
    house = House(database, outcomes=outcomes, pace=replace(PACE, timeout=0.2 * SECOND))

    def answered(count: int, word: str) -> None:
        before = len(house.transport.begun)
        house.turns()
        assert len(house.transport.begun) - before == count
        house.settle(lambda exchange: says(word))

    house.admit(IN_VAIN - 1)
    answered(IN_VAIN - 1, "")
    assert house.run(SILENCE) == [(0, "")]
    house.admit(first=7000)
    answered(1, "")
    assert house.run(SILENCE) == [(1, f"no answer to {IN_VAIN} submits in a row or more, the last: silence")]
    house.admit(2, first=8000)
    answered(0, "")
    for word, silent in (("", 1), ("yes", 0)):
        until = time.monotonic() + 5
        while not house.transport.open:
            assert time.monotonic() < until
            house.dispatch.turn()
        assert len(house.transport.open) == 1, "one is risked"
        house.settle(lambda exchange, word=word: says(word))  # type: ignore[misc]
        assert house.run(SILENCE)[0][0] == silent
    assert [record.getMessage() for record in caplog.records] == [
        "a carrier is left alone", "a carrier is left alone", "a carrier is heard again"
    ]  # fmt: skip


def test_who_knows_a_sender_of_a_silent_carrier_gets_another(database: Database) -> None:
    rows = provision(database, senders=2)
    rows.add_connection("other", "simulated", {}, {})
    house = House(database, outcomes={"": Outcome(Fate.UNKNOWN), "yes": Outcome(Fate.TAKEN)})
    house.run("update senders set connection_id = 2 where id = 2")
    house.run("update senders set mps = 1 where id = 1")
    house.lines[2] = replace(house.line, id=2, name="other")
    house.admit(3 * IN_VAIN)
    house.run(
        "insert into sticky_senders (person, app_id, sender_id, used_at) select person, 1, 1, :at from messages",
        at=micros(NOON),
    )
    while not house.run(SILENCE_OF_FIRST)[0][0]:
        house.run("update senders set free_at = 0, holder = 0 where id = 1")
        house.turns()
        house.settle(lambda exchange: says("" if exchange.mt["sender"] == "+12015550000" else "yes"))
    begun = len(house.transport.begun)
    for _ in range(2):  # one of them by a connection that nothing was heard of yet
        house.turns()
        house.settle(lambda exchange: says("yes"))
    assert house.run("select count(*) from messages where state = 'queued'") == [(0,)]
    assert {exchange.mt["sender"] for exchange in house.transport.begun[begun:]} == {"+12015550001"}


def test_a_carrier_that_answers_too_late_but_reports_is_not_left_alone(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"": Outcome(Fate.UNKNOWN, reason="timeout")})
    made = house.admit(IN_VAIN)
    house.turns()
    house.run("update messages set state = 'delivered' where id = :id", id=made[0].id)  # as its receipt would
    house.settle(lambda exchange: says(""))
    assert house.run(SILENCE) == [(0, "")]


def test_the_last_try_is_the_last(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"no": Outcome(Fate.LATER, reason="refused")}))
    again, last = house.admit(2)
    for message_id, tries in ((again.id, SUBMIT_TRIES - 2), (last.id, SUBMIT_TRIES - 1)):
        house.run("update messages set tries = :tries where id = :id", tries=tries, id=message_id)
    house.dispatch.turn()
    house.settle(lambda exchange: says("no"))
    assert house.waits(again.id) == (RETRY, 5 * MINUTE)
    row = house.row(last.id)
    assert (row["state"], row["code"], row["reason"], row["sent"]) == (State.FAILED, 124, "refused", False)
    assert house.run(OWED, id=last.id) == [(124,)]
    assert house.run(PLACE, id=last.id) == [(0,)]


def test_a_limit_is_never_the_last(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"limit": Outcome(Fate.LATER, limit=True)}))
    [made] = house.admit()
    house.run("update messages set tries = 10000")
    house.dispatch.turn()
    house.settle(lambda exchange: says("limit"))
    assert house.waits(made.id) == (RETRY, 3 * SECOND)


def test_what_was_never_begun_costs_no_try(database: Database) -> None:
    """A transport that is stopped, or too late for its lease, says so, and every carrier reads it alike."""
    provision(database)
    house = House(database)
    house.lines[1] = replace(house.line, carrier=Simulated())
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: Response(fault=Fault.UNSENT, detail="not begun in time"))
    assert house.waits(made.id) == (RETRY, 3 * SECOND)
    assert house.row(made.id)["tries"] == 0


def test_a_result_that_comes_after_its_row_was_taken_over_changes_nothing(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"yes": Outcome(Fate.TAKEN), "no": Outcome(Fate.NEVER)}))
    [made] = house.admit()
    house.dispatch.turn()
    house.run("update messages set state = 'queued', lease_until = null")
    house.dispatch.turn()
    first = house.transport.begun[0]
    house.settle(lambda exchange: says("no") if exchange is first else None)
    assert house.row(made.id)["state"] is State.SUBMITTING
    house.settle(lambda exchange: says("yes"))
    assert house.row(made.id)["state"] is State.SUBMITTED


# --- Poison -----------------------------------------------------------------------------------------------------------


def gathered(house: House) -> None:
    """Settle as the program does: in batches, and one by one where a batch fails."""
    gatherer = Gatherer[Result]("settle", unavailable=StoreUnavailable)
    gatherer.start(house.dispatch.settle)
    for result in house.results:
        gatherer.put(result)
    gatherer.stop()


def test_a_poisonous_result_fails_alone(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)})
    made = house.admit(5)
    house.dispatch.turn()
    house.transport.answer(lambda exchange: says("yes"))
    stranger = replace(house.results[2], row=replace(house.results[2].row, connection_id=99))
    house.results[2] = stranger
    gathered(house)
    states = [house.row(c.id)["state"] for c in made]
    assert states == [State.SUBMITTED, State.SUBMITTED, State.SUBMITTING, State.SUBMITTED, State.SUBMITTED]


def test_a_request_that_cannot_be_built_stops_its_connection(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({}, unspeakable="Join"))
    made = house.admit(STOPS)[0]
    house.dispatch.turn()
    assert house.transport.begun == []
    house.settle(lambda exchange: None)
    assert house.row(made.id)["reason"] == "request could not be built: a text that does not fit"
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 1)]
    assert caplog.records[0].getMessage() == "a request could not be built"


def test_one_text_that_cannot_be_built_does_not_block_the_rest_for_ever(house: House) -> None:
    house.lines[1] = replace(house.line, carrier=Plain({"yes": Outcome(Fate.TAKEN)}, unspeakable="poison"))
    house.admit(STOPS, text="poison")
    house.turns()
    house.settle(lambda exchange: None)
    assert [row[:2] for row in house.run(CONNECTIONS)] == [(1, 1)]
    others = house.admit(3, first=4000, planned_at=NOON + MINUTE)
    for _ in range(2 * STOPS):
        house.run("update connections set retry_at = 1 where stopped_at is not null")
        house.now += 2 * MINUTE
        house.turns()
        house.settle(lambda exchange: says("yes"))
    assert [house.row(c.id)["state"] for c in others] == [State.SUBMITTED] * 3


# --- Who waits, and why -----------------------------------------------------------------------------------------------


def test_a_paused_app_waits_and_nobody_else(database: Database) -> None:
    provision(database, apps=2)
    house = House(database)
    [mine], [theirs] = house.admit(), house.admit(app_id=2)
    house.run("update apps set paused_at = 1 where id = 1")
    house.dispatch.turn()
    assert house.sent_to() == [theirs.address]
    assert house.waits(mine.id) == ("app paused", timedelta(0))
    assert house.run("select generation from messages where id = :id", id=mine.id) == [(0,)], "it was left alone"
    house.run("update apps set paused_at = null")
    for hold, told in (("", "in line"), ("quiet hours", "in line"), ("sender''s pace", "sender's pace")):
        house.run(f"update messages set hold = '{hold}' where id = :id", id=mine.id)
        assert house.waits(mine.id) == (told, timedelta(0))
    house.dispatch.turn()
    assert len(house.transport.begun) == 2


@pytest.mark.parametrize("why", ["update apps set paused_at = 1", "update senders set paused_at = 1"])
def test_what_expires_where_nothing_moves_is_told_so_within_a_minute(house: House, why: str) -> None:
    [late] = house.admit(expires_at=NOON + MINUTE)
    [waits] = house.admit(first=4000)
    house.run(why)
    house.dispatch.turn()
    house.now += 2 * MINUTE
    house.dispatch.turn()
    assert (house.row(late.id)["state"], house.run(OWED, id=late.id)) == (State.EXPIRED, [(124,)])
    assert house.row(waits.id)["state"] is State.QUEUED


def test_all_that_expired_where_nothing_moves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.engine.dispatch.MOST_PER_TURN", 2)
    late = house.admit(5, expires_at=NOON + MINUTE)
    house.run("update apps set paused_at = 1")
    house.now += 2 * MINUTE
    house.turns()
    assert {house.row(c.id)["state"] for c in late} == {State.EXPIRED}


def test_quiet_hours_wait_until_the_next_open_instant(database: Database) -> None:
    provision(database, hours=None)  # 09:00 to 20:00 where the recipient may be
    house = House(database)
    [made] = house.admit()
    assert house.dispatch.turn() is None
    assert house.waits(made.id) == ("quiet hours", NINE_IN_NEW_YORK - NOON)
    house.now = NINE_IN_NEW_YORK - SECOND
    assert house.dispatch.turn() == SECOND
    assert house.transport.begun == []
    house.now = NINE_IN_NEW_YORK
    house.dispatch.turn()
    assert house.sent_to() == [made.address]
    assert house.row(made.id)["hold"] == ""


@pytest.mark.parametrize(("hours", "after"), [('{"always": true}', timedelta(0)), ('{"every": ["10:00-20:00"]}', HOUR)])
def test_new_hours_move_what_waited_for_the_old_ones(database: Database, hours: str, after: timedelta) -> None:
    """Nine in New York is two hours from now, and the hours are changed before that."""
    rows = provision(database, hours=None)
    house = House(database)
    [made] = house.admit(planned_at=NINE_IN_NEW_YORK)
    house.run("update messages set hold = 'quiet hours'")
    rows.change_app("com.example.1", "", {"hours": json.loads(hours)})
    house.now += 4 * SECOND
    house.dispatch.turn()
    if after:
        assert house.waits(made.id) == ("quiet hours", NINE_IN_NEW_YORK + after - house.now)
    else:
        assert house.sent_to() == [made.address]


def test_what_falls_due_in_the_evening_waits_for_the_morning(database: Database) -> None:
    provision(database, hours=None)
    house = House(database, now=NOON + 13 * HOUR)  # 20:00 in New York
    [made] = house.admit()
    house.dispatch.turn()
    assert house.waits(made.id) == ("quiet hours", 13 * HOUR)


ENDS: list[tuple[str, State, int, str]] = [
    ("update people set address = null", State.DISCARDED, 124, "the recipient's data was erased"),
    ("update messages set expires_at = due_at", State.EXPIRED, 124, "expired before it could be sent"),
    ("""insert into optouts (person, scope, scope_id, created_at, source, said)
        select person, 'app', 1, 0, '', '' from people""", State.DISCARDED, 127, "User opted-out"),
]  # fmt: skip


@pytest.mark.parametrize(("meanwhile", "state", "code", "reason"), ENDS, ids=["erased", "expired", "opted out"])
def test_what_is_not_sent_after_all(house: House, meanwhile: str, state: State, code: int, reason: str) -> None:
    [made] = house.admit()
    house.run(meanwhile)
    house.dispatch.turn()
    row = house.row(made.id)
    assert (row["state"], row["code"], row["reason"], row["sent"]) == (state, code, reason, False)
    assert house.transport.begun == []
    assert house.run(OWED, id=made.id) == [(code,)]
    assert house.run(PLACE, id=made.id) == [(0,)], "nothing was sent, so the person may be invited again"
    assert house.rung == [CALLBACKS]


def test_without_a_sender_it_waits(database: Database) -> None:
    provision(database, senders=0)
    house = House(database)
    [made] = house.admit()
    house.dispatch.turn()
    assert house.waits(made.id) == ("no sender", timedelta(0))


def test_the_pace_of_a_sender(database: Database) -> None:
    provision(database, mps=10)
    house = House(database)
    house.admit(30)
    before = time.monotonic()
    house.dispatch.turn()
    begun = [exchange.at for exchange in house.transport.begun]
    after = time.monotonic()
    assert 10 <= len(begun) <= 11, "a second's worth, and one"
    assert before <= begun[0] <= after
    assert [round(at - begun[0], 3) for at in begun] == [round(n / 10, 3) for n in range(len(begun))]


@pytest.mark.parametrize("why", ["unknown to this process", "no slot at its transport", "paused", "sender paused"])
def test_a_connection_that_takes_nothing_now_loses_nothing(house: House, why: str) -> None:
    [made] = house.admit()
    match why:
        case "unknown to this process":
            house.lines.clear()
        case "no slot at its transport":
            house.transport.slots = 0
        case "paused":
            house.run("update connections set paused_at = 1")
        case "sender paused":
            house.run("update senders set paused_at = 1")
    house.dispatch.turn()
    assert house.transport.begun == []
    assert house.row(made.id)["state"] is State.QUEUED


def test_another_process_was_faster(house: House) -> None:
    [made] = house.admit()
    house.meanwhile = lambda: house.run("update messages set state = 'claimed', generation = 1")
    assert house.dispatch.turn() is None
    assert house.transport.begun == []
    assert house.row(made.id)["state"] is State.CLAIMED


# --- Shares -----------------------------------------------------------------------------------------------------------


def test_as_many_as_there_are_slots(database: Database) -> None:
    provision(database)
    house = House(database, MemoryTransport(slots=7), {"yes": Outcome(Fate.TAKEN)})
    house.admit(20)
    assert house.dispatch.turn() == timedelta(0)
    again = house.dispatch.turn()
    assert again is not None
    assert timedelta(0) < again < SECOND, "answers ring for a turn, but it looks by itself too"
    assert len(house.transport.begun) == 7
    house.settle(lambda exchange: says("yes") if exchange.mt["to"] < "+12012223003" else None)
    house.dispatch.turn()
    assert len(house.transport.begun) == 10


@pytest.mark.parametrize(("takes", "per_line"), [(2, 1024), (256, 2)])
def test_no_more_in_flight_than_a_connection_takes(database: Database, takes: int, per_line: int) -> None:
    """And no more than its transport runs for one at once, whatever room that has for others."""
    provision(database)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)}, per_line=per_line)
    house.run(f"update connections set in_flight = {takes}")
    house.admit(5)
    house.turns()
    house.turns()
    assert len(house.transport.begun) == 2
    house.settle(lambda exchange: says("yes") if exchange is house.transport.begun[0] else None)
    house.turns()
    assert len(house.transport.begun) == 3


def test_one_submit_is_risked_at_a_time_while_a_connection_is_stopped(house: House) -> None:
    house.run("update connections set stopped_at = 1, retry_at = 1")
    house.admit(3)
    for _ in range(3):
        house.turns()
    assert len(house.transport.begun) == 1


@pytest.mark.parametrize("out", ["paused_at = 1", "rest_until = 4000000000000000"])
def test_an_app_with_senders_of_its_own_borrows_none(database: Database, out: str) -> None:
    provision(database, senders=2)
    house = House(database)
    house.run("insert into sender_apps (sender_id, app_id) values (1, 1)")
    house.run(f"update senders set {out} where id = 1")
    [made] = house.admit()
    house.turns()
    assert house.transport.begun == []
    assert house.waits(made.id) == ("no sender", timedelta(0))


@pytest.mark.parametrize("idle", [False, True], ids=["alone", "beside an idle connection"])
@pytest.mark.parametrize(("slots", "worth"), [(120, 32), (20, 7), (2, 1)])
def test_free_slots_are_filled_before_their_results_are_written(
    database: Database, slots: int, worth: int, idle: bool
) -> None:
    """Once there are enough of them to be worth a turn."""
    rows = provision(database, apps=2)
    house = House(database, MemoryTransport(slots), {"yes": Outcome(Fate.TAKEN)})
    house.warm()
    if idle:
        connection_id = rows.add_connection("idle", "simulated", {}, {})
        theirs = {"number": "+12015559999", "kind": "long_code", "region": "US", "mps": 1.0, "weight": 1.0}
        rows.add_sender(theirs, "idle", ["com.example.2"])
        house.lines[connection_id] = replace(house.line, id=connection_id, name="idle", transport=MemoryTransport(50))
    house.admit(200)
    house.turns()

    def answer(count: int) -> None:
        first = {exchange.mt["key"] for exchange in house.transport.open[:count]}
        house.transport.answer(lambda exchange: says("yes") if exchange.mt["key"] in first else None)

    answer(worth - 1)
    assert house.rung == []
    answer(1)
    assert house.rung == [DUE]
    answer(1)
    assert house.rung == [DUE], "once"
    house.dispatch.turn()
    assert len(house.transport.open) == slots


def test_a_tenant_with_many_does_not_keep_another_waiting(database: Database) -> None:
    provision(database, apps=2)
    house = House(database, MemoryTransport(slots=10))
    house.admit(300)
    [lone] = house.admit(app_id=2, first=9000, planned_at=NOON + SECOND)
    house.now += 2 * SECOND
    house.dispatch.turn()
    assert lone.address in house.sent_to()
    assert len(house.transport.begun) > 5


def test_no_slot_stays_empty_while_somebody_has_more(database: Database) -> None:
    provision(database, apps=2)
    house = House(database, MemoryTransport(slots=10))
    house.admit(300)
    house.admit(app_id=2, first=9000)
    house.turns()
    assert len(house.transport.begun) == 10


def test_nor_where_both_share_a_slow_sender(database: Database) -> None:
    provision(database, apps=2, mps=10)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)})
    house.warm()
    house.admit(300)
    [lone] = house.admit(app_id=2, first=9000, planned_at=NOON + SECOND)
    for _ in range(5):
        house.now += 2 * SECOND
        house.run("update senders set free_at = 0")  # as if that time had passed for the database too
        house.dispatch.turn()
    assert len(house.transport.begun) >= 50
    assert lone.address in house.sent_to()


def test_nor_where_only_some_of_the_senders_are_shared(database: Database) -> None:
    provision(database, apps=2, senders=2, mps=10)
    house = House(database)
    house.run("insert into sender_apps (sender_id, app_id) values (1, 1), (1, 2), (2, 1)")
    house.admit(300)
    [lone] = house.admit(app_id=2, first=9000, planned_at=NOON + SECOND)
    for _ in range(5):
        house.now += 2 * SECOND
        house.run("update senders set free_at = 0")
        house.dispatch.turn()
    assert lone.address in house.sent_to()


@pytest.mark.parametrize("mps", [10, 1000])
def test_an_inviter_of_many_does_not_keep_others_of_the_app_waiting(database: Database, mps: int) -> None:
    provision(database, mps=mps)
    house = House(database, MemoryTransport(slots=10), {"yes": Outcome(Fate.TAKEN)})
    house.admit(300, flow=3)
    friends = house.admit(5, first=9000, planned_at=NOON + SECOND)
    for _ in range(2):
        house.now += 2 * SECOND
        house.run("update senders set free_at = 0")
        house.dispatch.turn()
        house.settle(lambda exchange: says("yes"))
    assert {one.address for one in friends} <= {*house.sent_to()}
    assert len(house.sent_to()) == 20


def test_who_waits_for_one_they_know_does_not_keep_another_app_from_it(database: Database) -> None:
    """Nor is more put in line for it than it can serve within the hour, while another has room."""
    provision(database, apps=2, senders=2, mps=1)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)})
    house.run("insert into sender_apps (sender_id, app_id) values (1, 1), (1, 2), (2, 1)")
    house.run("update senders set mps = 0.01 where id = 1")  # 36 in an hour
    house.admit(100)
    house.run(
        "insert into sticky_senders (person, app_id, sender_id, used_at) select person, 1, 1, :at from messages",
        at=micros(NOON),
    )
    [lone] = house.admit(app_id=2, first=9000, planned_at=NOON + SECOND)
    for _ in range(8):
        house.now += 100 * SECOND
        house.run("update senders set free_at = 0, holder = 0")  # as if time had passed for the database too
        house.turns()
        house.settle(lambda exchange: says("yes"))
    assert lone.address in house.sent_to()
    senders = [exchange.mt["sender"] for exchange in house.transport.begun]
    assert senders.count("+12015550001") > 5, "the other one stands idle"
    [(in_line,)] = house.run("select count(*) from messages where awaited = 1")
    assert 20 < in_line <= 36


def test_turns_go_round_where_places_are_fewer_than_tenants(database: Database) -> None:
    provision(database, apps=4)
    house = House(database, MemoryTransport(slots=1), {"yes": Outcome(Fate.TAKEN)})
    for app_id in range(1, 5):
        house.admit(3, app_id=app_id, first=1000 * app_id)
    for _ in range(12):
        house.dispatch.turn()
        house.settle(lambda exchange: says("yes"))
    tenants = [number[-4] for number in house.sent_to()]
    assert all(set(tenants[n : n + 4]) == {"1", "2", "3", "4"} for n in range(0, 12, 4))


# --- When it is worth to come again -----------------------------------------------------------------------------------


def test_nothing_is_due(house: House) -> None:
    assert house.dispatch.turn() is None
    house.admit(planned_at=NOON + 9 * SECOND)
    house.admit(first=4000, planned_at=NOON + HOUR)
    assert house.dispatch.turn() == 9 * SECOND


def test_all_that_was_due_is_begun(database: Database) -> None:
    provision(database, apps=2)
    house = House(database)
    house.admit(3)
    house.admit(app_id=2, planned_at=NOON + 9 * SECOND)
    assert house.dispatch.turn() == 9 * SECOND
    assert len(house.transport.begun) == 3


def test_a_sender_will_have_room_soon(house: House) -> None:
    house.admit()
    house.run("update senders set mps = 1, free_at = {clock} + 5000000")
    again = house.dispatch.turn()
    assert again is not None
    assert 2 * SECOND < again <= 4 * SECOND, "its slot, less the horizon"


# --- Leases and crashes -----------------------------------------------------------------------------------------------


def test_nothing_is_claimed_once_our_heartbeat_failed(house: House) -> None:
    [made] = house.admit()
    house.alive = False
    assert house.dispatch.turn() is None
    assert house.row(made.id)["state"] is State.QUEUED
    house.alive = True
    house.dispatch.turn()
    assert house.row(made.id)["state"] is State.SUBMITTING


def test_a_database_that_goes_away_after_the_mark_keeps_nobody_from_their_carrier(house: House) -> None:
    made = house.admit(3)

    def away() -> None:
        if "marked" in house.points:
            raise StoreUnavailable("gone")

    house.meanwhile = away
    house.dispatch.turn()
    assert {exchange.mt["to"] for exchange in house.transport.begun} == {one.address for one in made}


def test_a_submit_begins_only_while_it_could_still_end_within_its_lease(house: House) -> None:
    house.admit()
    before = time.monotonic()
    house.dispatch.turn()
    after = time.monotonic()
    [exchange] = house.transport.begun
    least = (PACE.lease - PACE.timeout - PACE.margin).total_seconds()
    assert least == 25
    assert before + least <= exchange.until <= after + least
    assert before <= exchange.at <= after
    [(left,)] = house.run("select (lease_until - {clock}) / 1000000.0 from messages")
    assert exchange.until - time.monotonic() + 30 < left, "asked for at the mark, so longer than the claim's"


def test_what_is_handed_to_the_carrier(house: House) -> None:
    house.lines[1] = replace(house.line, receipt_url="https://us.example/hooks/carrier")
    [made] = house.admit(text="Grüße 😀", segments=2)
    house.dispatch.turn()
    [exchange] = house.transport.begun
    assert exchange.mt == {
        "key": str(made.id),
        "sender": "+12015550000",
        "to": made.address,
        "text": "Grüße 😀",
        "segments": 2,
        "receipt_url": f"https://us.example/hooks/carrier?id={made.id}",
    }
    assert exchange.lane == "carrier"
    [attempt] = house.run("select connection_id, sender_id, worker_id, rule from attempts")
    assert attempt == (1, 1, 7, "area code")


# A point at which the process may end, the state that it leaves, whether the carrier was called.
CRASHES = [
    ("claimed", State.CLAIMED, 0),
    ("marked", State.SUBMITTING, 0),
    ("answered", State.SUBMITTING, 1),
    ("unsettled", State.SUBMITTING, 1),
    ("settled", State.SUBMITTED, 1),
]


@pytest.mark.parametrize(("point", "state", "called"), CRASHES)
def test_what_a_crash_leaves(database: Database, point: str, state: State, called: int) -> None:
    provision(database)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)}, crash_at=point)
    [made] = house.admit()
    with pytest.raises(RuntimeError, match=point):
        run_through(house)
    assert house.points[-1] == point
    assert house.row(made.id)["state"] is state
    assert len(house.transport.begun) == called


def run_through(house: House) -> None:
    house.dispatch.turn()
    house.settle(lambda exchange: says("yes"))


def test_the_points_are_passed_in_this_order(database: Database) -> None:
    provision(database)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN)})
    house.admit()
    run_through(house)
    assert house.points == [point for point, _, _ in CRASHES]
