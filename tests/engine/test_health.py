"""Two connections over a real store, through turns of dispatch: weights, health, failover, and the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from dispatcher.core.exchange import Fate, Outcome, Response
from dispatcher.core.health import ILL
from dispatcher.core.invitation import Policy
from dispatcher.core.lifecycle import State
from dispatcher.engine.health import SLOW, Result, Vitals
from dispatcher.engine.ports import AlarmKind, Marked
from dispatcher.engine.silence import IN_VAIN
from dispatcher.engine.standing import STOPS
from dispatcher.engine.throttles import LONG, Throttles
from dispatcher.store.admissions import Admissions
from dispatcher.store.alarms import alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.rescue import Sweeper
from tests.engine.test_dispatch import House
from tests.engine.transports import Begun, MemoryTransport, says
from tests.factories import NOON, candidate, provision

HORIZON = timedelta(seconds=1)
A, B = "+12015550000", "+12015550001"
OUTCOMES = {
    "yes": Outcome(Fate.TAKEN),
    "refused": Outcome(Fate.LATER, reason="connection refused"),
    "throttled": Outcome(Fate.LATER, reason="throttled", limit=True),
    "for a day": Outcome(Fate.LATER, reason="HTTP 503", limit=True, retry_after=timedelta(days=1)),
    "503": Outcome(Fate.LATER, reason="HTTP 503", limit=True, retry_after=timedelta(minutes=1)),
    "timeout": Outcome(Fate.UNKNOWN, reason="timeout"),
    "401": Outcome(Fate.STOP_CARRIER, reason="HTTP 401"),
    "not from there": Outcome(Fate.OTHER_SENDER, reason="not registered"),
}


def two(database: Database, **app: Any) -> House:
    """One sender on each of two connections, and a dispatcher that had an answer from both."""
    rows = provision(database, **({"senders": 2} | app))
    rows.add_connection("other", "simulated", {}, {})
    house = House(database, MemoryTransport(slots=2048), OUTCOMES)
    house.run("update senders set connection_id = 2 where id = 2")
    house.lines[2] = replace(house.line, id=2, name="other")

    def seconds() -> float:
        return house.now.timestamp()

    house.dispatch._throttles._monotonic = seconds
    for connection_id in (1, 2):
        house.dispatch._silence.answered(connection_id)
    return house


def invite(house: House, count: int, first: int = 2_000_000, **given: Any) -> None:
    made = [candidate(f"+1646{n:07d}", **given) for n in range(first, first + count)]
    Admissions(house.database).admit(made, NOON)


def flow(house: House, **answers: str) -> Counter[str]:
    """Let everything due leave, A and B answering so; how many went by which."""
    before = len(house.transport.begun)
    words = {A: answers.get("a", "yes"), B: answers.get("b", "yes")}
    while house.dispatch.turn() == timedelta(0) or house.transport.open:
        house.settle(lambda exchange: says(words[exchange.mt["sender"]]))
    names = {A: "a", B: "b"}
    return Counter(names[exchange.mt["sender"]] for exchange in house.transport.begun[before:])


def healths(house: House) -> dict[int, float]:
    """The share that is left to each connection."""
    pool = SenderPool(house.database).usable(HORIZON, None)
    return {s.connection_id: s.weight for s in pool.senders.values()}


def sticky(house: House, sender: int) -> None:
    house.run(
        """insert into sticky_senders (person, app_id, sender_id, used_at) select person, 1, :sender, :at from messages
        where true on conflict (person, app_id) do nothing""",
        sender=sender, at=micros(NOON),
    )  # fmt: skip


def test_a_connections_weight_is_its_senders_share(database: Database) -> None:
    house = two(database)
    Rows(database, lambda: NOON).change_connection("carrier", {"weight": 3.0})
    invite(house, 240)
    assert flow(house) == {"a": 180, "b": 60}
    assert house.run("select count(*) from connection_health") == [(0,)], "nothing is written while all goes well"


def one_by_one(house: House, count: int, first: int) -> Counter[str]:
    """So many invitations, each of which comes once the one before has left."""
    sent: Counter[str] = Counter()
    for n in range(count):
        invite(house, 1, first + n)
        sent += flow(house)
    return sent


def test_weights_are_shares_also_of_a_light_flow_and_of_many_processes(database: Database) -> None:
    house = two(database, senders=3)
    Rows(database, lambda: NOON).add_connection("third", "simulated", {}, {})
    house.run("update senders set connection_id = 3 where id = 3")
    house.run("update connections set weight = case id when 1 then 5 when 2 then 3 else 2 end")
    processes = [House(database, MemoryTransport(slots=2048), OUTCOMES) for _ in range(3)]
    for each in processes:
        each.lines |= {i: replace(each.line, id=i) for i in (2, 3)}
    for n in range(60):
        invite(house, 1 + n % 4, 2_000_000 + 10 * n)
        for each in processes[n % 3 :] + processes[: n % 3]:
            each.turns()
        for each in processes:
            each.settle(lambda exchange: says("yes"))
    counts = dict(house.run("select connection_id, count(*) from attempts group by 1"))
    assert sum(counts.values()) == 150
    assert all(abs(counts[i] - share) <= 2 for i, share in ((1, 75), (2, 45), (3, 30))), counts


def test_what_one_process_hears_ends_what_another_wrote_of_silence(database: Database) -> None:
    house = two(database)
    SenderPool(database).note_silence(1, "no answer", NOON, 8)
    silent = "select count(*) from connections where silent_at is not null"
    for word, left in (("refused", 1), ("yes", 0)):
        invite(house, 2, 3_000_000 + left)
        flow(house, a=word)
        assert house.run(silent) == [(left,)]


AT_WORST = "insert into connection_health values (1, {clock} + 119000000, 'timeout')"


def test_a_light_flow_too_leaves_a_connection_that_does_badly(database: Database) -> None:
    house = two(database)
    house.run(AT_WORST)
    assert one_by_one(house, 100, 3_000_000)["a"] == 2


@pytest.mark.parametrize("load", [0, 1000])
def test_a_light_flow_comes_back_by_the_share_that_grows(database: Database, load: int) -> None:
    """However little the connection was used meanwhile, it does not get everything until that is made up for."""
    house = two(database)
    house.run(AT_WORST)
    house.run("update senders set load = :load where id = 2", load=load)
    parts = []
    for step, seconds in enumerate((119, 80, 60, 40, 20, 0, 0)):
        house.run("update connection_health set well_at = {clock} + :ahead", ahead=seconds * 1_000_000)
        parts.append(one_by_one(house, 40, 3_000_000 + 100 * step)["a"])
    assert parts[0] <= 2
    assert all(before <= after + 2 for before, after in pairwise(parts)), parts
    assert max(parts) <= 21
    assert parts[-1] == 20


@pytest.mark.parametrize("how", ["refused", "timeout", "503"])
def test_the_flow_leaves_a_connection_that_fails_and_comes_back_to_it(database: Database, how: str) -> None:
    house = two(database)
    invite(house, 18)
    assert flow(house, a=how) == {"a": 9, "b": 9}
    assert healths(house) == {1: pytest.approx(4 / 13, abs=0.01), 2: 1.0}
    house.now += timedelta(minutes=2)
    sent = flow(house)
    [(reason,)] = house.run("select reason from connection_health")
    assert reason == f"9 of the last 9 submits: {OUTCOMES[how].reason}"
    assert sent == ({} if how == "timeout" else {"b": 9})
    house.run("update senders set load = 0")
    house.run("update connection_health set well_at = {clock} + 80000000")  # some failures later
    invite(house, 170, 3_000_000)
    assert flow(house) == {"a": 10, "b": 160}
    for seconds, part in ((40, 4), (20, 2), (0, 1)):  # nobody does anything but wait
        house.run("update senders set load = 0")
        house.run("update connection_health set well_at = {clock} + :ahead", ahead=seconds * 1_000_000)
        invite(house, 60, 4_000_000 + 100 * seconds)
        assert abs(flow(house)["a"] - 60 // (1 + part)) <= 1


@pytest.mark.parametrize("which", ["a", "both"])
def test_where_all_do_badly_all_are_used(database: Database, which: str) -> None:
    house = two(database)
    for sender in (1, 2) if which == "both" else (1,):
        house.run("insert into connection_health values (:id, {clock} + 119000000, 'timeout')", id=sender)
    invite(house, 100)
    assert flow(house) == ({"a": 50, "b": 50} if which == "both" else {"a": 2, "b": 98})


@pytest.mark.parametrize("how", ["refused", "401"])
def test_what_surely_did_not_leave_goes_by_another_connection_also_for_those_who_know_one(
    database: Database, how: str
) -> None:
    house = two(database)
    invite(house, 2)
    sticky(house, 1)
    house.dispatch.turn()
    house.settle(lambda exchange: says(how))
    assert [exchange.mt["sender"] for exchange in house.transport.begun] == [A, A]
    house.now += timedelta(seconds=2)
    assert flow(house) == {"b": 2}
    assert house.run("select rule, count(*) from attempts group by rule order by rule") == [
        ("failover", 2), ("sticky", 2)
    ]  # fmt: skip


def test_a_connection_that_nobody_reaches_is_left_alone_though_others_take_its_texts(database: Database) -> None:
    house = two(database)
    for first in range(0, 5 * IN_VAIN, IN_VAIN):
        invite(house, IN_VAIN // 2, 3_000_000 + first)
        flow(house, a="refused")
        house.run("delete from connection_health")
        house.now += timedelta(minutes=1)
    assert flow(house)["a"] == 0
    assert house.run("select name from connections where silent_at is not null") == [("carrier",)]
    assert [alarm.kind for alarm in alarms(database, house.now)] == [AlarmKind.CONNECTION_SILENT]
    taken = [i for (i,) in house.run("select id from messages where state = 'submitted'")]
    assert len(taken) == 5 * IN_VAIN // 2
    assert [SenderPool(database).heard_of(i, taken) for i in (1, 2)] == [False, True]


THROTTLING = ["throttled", "503", "for a day"]


@pytest.mark.parametrize("how", THROTTLING)
def test_what_is_throttled_goes_soon_by_another_connection(database: Database, how: str) -> None:
    """Whatever wait was asked for: it is about who asked."""
    house = two(database)
    invite(house, 2)
    sticky(house, 1)
    assert flow(house, a=how) == {"a": 2}
    house.now += timedelta(seconds=3)
    assert flow(house, a=how) == {"b": 2}
    assert house.run("select tries, state, rule from messages m join attempts x on x.message_id = m.id order by m.id") \
        == [(0, State.SUBMITTED, "sticky"), (0, State.SUBMITTED, "failover")] * 2  # fmt: skip


@pytest.mark.parametrize("why", ["alone", "no other for them", "paused"])
def test_where_no_other_may_take_it_a_wait_is_kept(database: Database, why: str) -> None:
    house = two(database)
    house.run("update senders set load = 100 where id = 2")
    match why:
        case "alone":
            house.run("delete from senders where id = 2")
        case "no other for them":
            house.run("insert into sender_apps (sender_id, app_id) values (1, 1)")
        case "paused":
            house.run("update connections set paused_at = 1 where id = 2")
    invite(house, 1)
    assert flow(house, a="503") == {"a": 1}
    house.now += timedelta(seconds=59)
    assert flow(house) == {}
    house.now += timedelta(seconds=31)
    assert flow(house).total() == 1


def test_where_the_other_does_badly_a_wait_is_no_longer_than_that_may_last(database: Database) -> None:
    house = two(database)
    house.run("update senders set load = 100000 where id = 2")
    house.run("insert into connection_health values (2, {clock} + 100000000, 'timeout')")
    invite(house, 1)
    assert flow(house, a="for a day") == {"a": 1}
    house.now += timedelta(seconds=119)
    assert flow(house) == {}
    house.now += timedelta(seconds=62)
    house.run("delete from connection_health")
    assert flow(house) == {"b": 1}


def test_what_two_connections_throttle_waits_as_it_is_told(database: Database) -> None:
    house = two(database)
    invite(house, 1)
    assert flow(house, a="503", b="503").total() == 1
    house.now += timedelta(seconds=3)
    for _ in range(3):
        assert flow(house, a="503", b="503").total() == 1
        house.now += timedelta(seconds=59)
        assert flow(house, a="503", b="503") == {}
        house.now += timedelta(seconds=32)
    by = house.run("select connection_id, count(*) from attempts group by connection_id order by connection_id")
    assert by == [(1, 2), (2, 2)], "by turns"


def test_what_was_throttled_waits_for_room_elsewhere_and_is_not_forgotten(database: Database) -> None:
    house = two(database)
    invite(house, 6)
    sticky(house, 1)
    assert flow(house, a="for a day") == {"a": 6}
    house.run("update senders set mps = 0.5, free_at = {clock} + 60000000 where id = 2")
    for _ in range(3):
        house.now += timedelta(seconds=3)
        assert flow(house, a="for a day") == {}, "one that throttles all is left alone, and B has no room"
    assert house.run("select distinct hold, tries from messages") == [("retry", 0)]
    house.now += timedelta(minutes=5)
    house.run("update senders set mps = 100, free_at = 0")
    assert flow(house, a="for a day") == {"b": 6}


@pytest.mark.parametrize("how", THROTTLING)
def test_the_flow_leaves_a_connection_that_throttles_all_and_tries_it_again(database: Database, how: str) -> None:
    house = two(database)
    lost = Counter[str]()
    for n in range(60):  # a minute of ten a second
        invite(house, 10, 2_000_000 + 10 * n)
        lost += flow(house, a=how)
        house.now += timedelta(seconds=1)
    house.now += timedelta(seconds=10)
    lost += flow(house, a=how)
    assert house.run("select state, count(*) from messages group by state") == [(State.SUBMITTED, 600)]
    assert lost["a"] <= 100, "most are never tried there"
    house.now += timedelta(hours=1)
    house.run("delete from connection_health")
    house.run("update senders set load = 0")
    invite(house, 10, 3_000_000)
    assert flow(house) == {"a": 5, "b": 5}


def test_a_connection_at_the_limit_of_its_rate_keeps_its_flow(database: Database) -> None:
    house = two(database)
    for n in range(30):
        left = [4]  # so many it takes in a second

        def answer(exchange: Begun, left: list[int] = left) -> Response:
            at_limit = exchange.mt["sender"] == A and not left[0]
            left[0] -= exchange.mt["sender"] == A and not at_limit
            return says("throttled" if at_limit else "yes")

        invite(house, 16, 2_000_000 + 16 * n)
        while house.dispatch.turn() == timedelta(0) or house.transport.open:
            house.settle(answer)
        house.now += timedelta(seconds=1)
    assert house.dispatch._throttles.resting() == frozenset()
    [(taken,)] = house.run("select count(*) from attempts where connection_id = 1 and fate = 'taken'")
    assert taken > 100, "nearly all that it can"


def test_nobody_is_left_to_a_connection_that_is_ill(database: Database) -> None:
    house = two(database)
    house.run("insert into connection_health values (1, {clock} + 41000000, 'timeout')")
    assert healths(house)[1] < ILL
    invite(house, 40)
    sticky(house, 1)
    assert flow(house) == {"b": 40}


def test_one_without_room_elsewhere_is_tried_where_it_was(database: Database) -> None:
    house = two(database)
    invite(house, 3)
    house.run("update senders set mps = 0.001, free_at = {clock} + 9000000 where id = 2")
    assert flow(house, a="refused") == {"a": 3}
    house.now += timedelta(seconds=2)
    assert flow(house) == {"a": 3}


@pytest.mark.parametrize("policy", Policy)
def test_what_is_in_doubt_never_fails_over(database: Database, policy: Policy) -> None:
    house = two(database, policy=policy)
    invite(house, 1)
    sticky(house, 1)
    assert flow(house, a="timeout") == {"a": 1}
    house.now += timedelta(minutes=14)
    assert flow(house) == {}
    house.now += timedelta(minutes=2)
    Sweeper(database).rescue(house.now, timedelta(minutes=15), 100)
    again = flow(house)
    assert again == ({} if policy is Policy.AT_MOST_ONCE else {"a": 1}), "by whom it may have gone before"
    state = State.FAILED if policy is Policy.AT_MOST_ONCE else State.SUBMITTED
    assert house.run("select state from messages") == [(state,)]


def test_a_connection_that_was_stopped_comes_back_step_by_step(database: Database) -> None:
    house = two(database)
    invite(house, 8)
    flow(house, a="401")
    house.run("update connections set retry_at = 1 where stopped_at is not null")
    house.run("update senders set load = id * 100")
    invite(house, 1, 3_000_000)
    assert flow(house) == {"a": 1}
    assert house.run("select count(*) from connections where stopped_at is not null") == [(0,)]
    assert healths(house)[1] < 1 / 32
    [(reason,)] = house.run("select reason from connection_health")
    assert reason == "takes submits again after a stop"


def test_a_key_that_is_revoked_is_no_senders_fault_though_another_connection_takes_the_text(database: Database) -> None:
    house = two(database, senders=3)  # the third beside the first
    resting = "select id from senders where rest_until is not null order by id"
    for n in range(1, STOPS):
        house.run("update senders set load = case id when 1 then 0 else 1000 end")
        invite(house, 1, 3_000_000 + n)
        assert flow(house, a="401") == {"a": 1}
        house.now += timedelta(seconds=2)
        invite(house, 1, 4_000_000 + n)  # so that somebody looks while both are in line
        house.run("update senders set load = case id when 2 then 0 else 1000 end")
        assert flow(house, a="401") == {"b": 2}
        assert house.run(resting) == []
    house.run("update senders set load = case id when 1 then 0 else 1000 end")
    invite(house, 1, 5_000_000)
    assert flow(house, a="401") == {"a": 1}
    assert house.run("select stop_reason from connections where id = 1") == [("HTTP 401",)]
    assert house.run(resting) == [(1,)], "so that the other tries it next"
    Rows(database, lambda: NOON).resume_connection("carrier")
    assert set(SenderPool(database).usable(HORIZON, None).senders) == {1, 2, 3}


def test_what_was_forbidden_before_a_stop_is_held_against_nobody_after_it(database: Database) -> None:
    provision(database, senders=2)
    house = House(database, MemoryTransport(slots=2048), OUTCOMES)
    words = "401"

    def settle() -> None:
        house.turns()
        house.settle(lambda exchange: says(words))

    for sender in (1, 1, 1):
        house.run("update senders set load = case id when :id then 0 else 1000 end", id=sender)
        house.admit(1, first=5000 + len(house.transport.begun))
        settle()
    assert house.run("select count(*) from connections where stopped_at is not null") == [(1,)]
    Rows(database, lambda: NOON).resume_connection("carrier")
    words = "yes"
    house.run("update senders set load = case id when 2 then 0 else 1000 end")
    for _ in range(4):
        house.now += timedelta(minutes=1)
        settle()
    assert house.run("select count(*) from messages where state = 'submitted'") == [(3,)]
    assert house.run("select count(*) from senders where rest_until is not null") == [(0,)]


def test_a_sender_that_may_not_loses_its_share(database: Database) -> None:
    house = two(database)
    house.run("update senders set connection_id = 1")
    invite(house, 20)
    house.dispatch.turn()
    house.settle(lambda exchange: says("not from there" if exchange.mt["sender"] == A else "yes"))
    [(sender, reason)] = house.run("select sender_id, reason from sender_health")
    assert (sender, reason) == (1, "10 of the last 10 submits: not registered")


class Book:
    """What is written down of health."""

    def __init__(self) -> None:
        self.written: list[tuple[Mapping[int, Any], Mapping[int, Any]]] = []

    def harm(self, connections: Mapping[int, Any], senders: Mapping[int, Any]) -> None:
        self.written.append((connections, senders))


def outcome(fate: Fate, took: float | None = 0.1, **given: Any) -> Result:
    row: Any = SimpleNamespace(id=1)
    return Result(Marked(row, A, 1, 1, timedelta(0)), Outcome(fate, **given), took)


SLOWLY = 30 / SLOW + 0.1
TOLD = [
    # an outcome ten times over, and to what share the connection falls, if it does
    (outcome(Fate.TAKEN), None),
    (outcome(Fate.NEVER), None),
    (outcome(Fate.UNKNOWN, reason="cut"), 4 / 14),
    (outcome(Fate.LATER, reason="refused"), 4 / 14),
    (outcome(Fate.LATER, None, reason="unsent", limit=True), None),  # our own doing
    (outcome(Fate.LATER, reason="throttled", limit=True), 12.75 / 14),
    (outcome(Fate.LATER, reason="503", limit=True, retry_after=2 * LONG), 4 / 14),
    (outcome(Fate.TAKEN, SLOWLY), 9 / 14),
    (outcome(Fate.STOP_CARRIER, reason="HTTP 401"), None),  # that is another matter, see Standing
]


@pytest.mark.parametrize(("result", "left"), TOLD)
def test_what_each_outcome_says_of_its_connection(result: Result, left: float | None) -> None:
    book = Book()
    Vitals(book, Throttles({}), timedelta(seconds=30)).heed([result] * 10)  # type: ignore[arg-type]
    if left is None:
        assert book.written == []
        return
    [(connections, senders)] = book.written
    assert 2 ** -connections[1].halvings == pytest.approx(left)
    assert connections[1].reason.startswith("10 of the last 10 submits: ")
    assert senders == {}


def test_it_is_written_once_a_second_and_forgets(database: Database) -> None:
    book, now = Book(), [0.0]
    vitals = Vitals(book, Throttles({}), timedelta(seconds=30), lambda: now[0])  # type: ignore[arg-type]
    bad, good = outcome(Fate.UNKNOWN), outcome(Fate.TAKEN)
    vitals.heed([good] * 6)
    vitals.heed([bad] * 4)
    assert [each[0][1].reason for each in book.written] == ["4 of the last 10 submits: "], "what went before counts"
    for _ in range(5):
        vitals.heed([bad])
    assert len(book.written) == 1
    now[0] = 1.0
    vitals.write()
    assert book.written[1][0][1].reason == "5 of the last 5 submits: "
    now[0] = 2.5
    vitals.heed([good] * 100)
    now[0] = 4.0
    vitals.heed([bad])
    assert book.written[2][0][1].reason == "1 of the last 1 submits: ", "not those of seconds ago"
    vitals.heed([bad] * 3)
    now[0] = 100.0
    vitals.heed([good])
    assert len(book.written) == 3, "what was not written in time is no news"
