"""Rotation over a real store, through turns of dispatch: shares, weights, pairs that stay, countries, days and pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.invitation import Candidate
from dispatcher.engine.dispatch import Worker
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.pool import SenderPool
from dispatcher.store.rescue import Sweeper
from dispatcher.store.statement import Statement
from dispatcher.store.sticky import REMEMBERED
from tests.engine.test_dispatch import House
from tests.engine.transports import MemoryTransport, says
from tests.factories import NOON, candidate, provision

SENT = "select sender_id, count(*) from attempts group by sender_id order by sender_id"
PAIRS = Statement("select person, sender_id from messages where id > :after")
RULES = "select rule, count(*) from attempts group by rule order by rule"
DAY = 86_400_000_000


def house(database: Database) -> House:
    return House(database, MemoryTransport(slots=1024), {"yes": Outcome(Fate.TAKEN)})


def invite(database: Database, numbers: Iterable[int], **given: Any) -> list[Candidate]:
    """Invitations of these New Yorkers; they may be invited again at once."""
    made = [candidate(f"+1646{n:07d}", duplicate_until=NOON, **given) for n in numbers]
    for start in range(0, len(made), 1000):
        Admissions(database).admit(made[start : start + 1000], NOON)
    return made


def send_all(house: House) -> None:
    while house.dispatch.turn() == timedelta(0) or house.transport.open:
        house.settle(lambda exchange: says("yes"))


def sent(house: House) -> dict[int, int]:
    return dict(house.run(SENT))


def pairs(house: House, after: int) -> dict[str, int]:
    return dict(house.run(PAIRS, after=after))


def test_ten_senders_share_ten_thousand_and_whoever_knows_one_keeps_it(database: Database) -> None:
    provision(database, senders=10)
    at = house(database)
    made = invite(database, range(2_220_000, 2_230_000))
    send_all(at)
    assert set(sent(at)) == set(range(1, 11))
    assert all(990 <= count <= 1010 for count in sent(at).values()), sent(at)
    known = pairs(at, 0)

    again = Random(7).sample(range(2_220_000, 2_230_000), 1500)
    at.run("update senders set load = id * 50")  # it would choose others now
    for numbers in (again, again[:300]):
        invite(database, numbers)
        send_all(at)
    repeated = pairs(at, made[-1].id)
    assert len(repeated) == 1500
    assert repeated.items() <= known.items()
    assert at.run(RULES) == [("country", 10_000), ("sticky", 1800)]


def test_weights_are_shares(database: Database) -> None:
    provision(database, senders=3)
    at = house(database)
    at.run("update senders set weight = id")
    invite(database, range(2_220_000, 2_221_200))
    send_all(at)
    assert sent(at) == {1: 200, 2: 400, 3: 600}


def test_neither_a_newcomer_nor_a_new_day_turns_everything_to_one_sender(database: Database) -> None:
    provision(database, senders=3)
    at = house(database)
    invite(database, range(2_220_000, 2_220_900))
    send_all(at)
    at.run(
        """insert into senders (number, kind, region, connection_id, mps, created_at)
        select '+12015559999', kind, region, connection_id, mps, created_at from senders where id = 1"""
    )
    at.run("update senders set day = day - 1 where id = 2")
    invite(database, range(2_220_900, 2_221_500))
    send_all(at)
    counts = sent(at)
    assert counts[4] == 20 + 145, "some before the others, and then its share"
    assert max(counts.values()) - min(counts[n] for n in (1, 2, 3)) <= 1


def test_the_sticky_sender_is_passed_over_only_when_it_is_gone_or_long_ago(database: Database) -> None:
    provision(database, senders=2)
    at = house(database)

    def next_sender() -> int:
        [made] = invite(database, [2_223_333])
        send_all(at)
        [(found,)] = at.run("select sender_id from messages where id = :id", id=made.id)
        return int(found)

    first = next_sender()
    other = 3 - first
    assert [next_sender() for _ in range(3)] == [first] * 3
    at.run("update senders set paused_at = 1 where id = :id", id=first)
    assert next_sender() == other
    at.run("update senders set paused_at = null")
    assert [next_sender() for _ in range(3)] == [other] * 3, "and that is who is known from then on"
    at.run("update sticky_senders set used_at = used_at - :long", long=REMEMBERED // timedelta(microseconds=1))
    assert next_sender() == first, "the one that was used less"


def test_a_country_is_texted_from_its_own_senders_and_waits_for_them(database: Database) -> None:
    provision(database, senders=3)
    at = house(database)
    at.run("update senders set region = 'DE', mps = 1 where id = 2")
    at.run("update senders set region = 'CA' where id = 3")
    germans = [candidate(f"+4915112345{n}", region="DE") for n in range(100, 130)]
    french = [candidate(f"+336123456{n}", region="FR") for n in range(10, 16)]
    Admissions(database).admit([*germans, *french], NOON)
    invite(database, range(2_220_000, 2_220_005))
    send_all(at)
    begun = [(e.mt["to"][:3], e.mt["sender"][-1]) for e in at.transport.begun]
    counts = Counter(begun)
    assert counts["+49", "1"] in (1, 2), "a second's worth of the German one, and one"
    assert {sender for to, sender in begun if to == "+49"} == {"1"}
    assert {sender for to, sender in begun if to == "+16"} == {"0"}
    assert counts["+33", "0"] + counts["+33", "2"] + counts["+33", "1"] == 6, "no French sender: any"
    left = at.run("select count(*), sum(generation) from messages where state = 'queued'")
    assert left == [(30 - counts["+49", "1"], 0)], "who waits was not even claimed"


def test_what_is_beyond_the_days_cap_is_left_alone_until_tomorrow(database: Database) -> None:
    provision(database, senders=2)
    at = house(database)
    at.run("update senders set daily_cap = 7")
    invite(database, range(2_220_000, 2_220_030))
    send_all(at)
    assert sent(at) == {1: 7, 2: 7}
    [(waiting,)] = at.run("select min(id) from messages where state = 'queued'")
    assert at.waits(waiting) == ("daily cap", timedelta(0))
    again = at.dispatch.turn()
    assert again is not None
    [(micros_left,)] = at.run("select {clock} / 86400000000 * 86400000000 + 86400000000 - {clock}")
    assert abs(again - timedelta(microseconds=micros_left) + timedelta(seconds=1)) < timedelta(seconds=5)
    assert at.run("select distinct generation from messages where state = 'queued'") == [(0,)]
    at.run("update senders set day = day - 1")  # the day is over
    send_all(at)
    assert sent(at) == {1: 14, 2: 14}


def test_long_texts_never_pass_the_days_cap(database: Database) -> None:
    provision(database, senders=2)
    at = house(database)
    at.run("update senders set daily_cap = 7")
    invite(database, range(2_220_000, 2_220_010), segments=3)
    send_all(at)
    assert at.run("select used from senders") == [(6,), (6,)]
    invite(database, range(2_221_000, 2_221_010))
    send_all(at)
    assert at.run("select used from senders") == [(7,), (7,)]


@pytest.mark.parametrize("outcome", ["throttled", "refused", "stopped", "no such number"])
def test_what_surely_did_not_leave_uses_up_no_cap(database: Database, outcome: str) -> None:
    provision(database)
    untaken = {
        "throttled": Outcome(Fate.LATER, limit=True),
        "refused": Outcome(Fate.LATER),
        "stopped": Outcome(Fate.STOP_CARRIER),
        "no such number": Outcome(Fate.NEVER),
        "yes": Outcome(Fate.TAKEN),
    }
    at = House(database, MemoryTransport(slots=1024), untaken)
    at.run("update senders set daily_cap = 7")
    invite(database, range(2_220_000, 2_220_030))
    at.dispatch.turn()
    assert at.run("select used from senders") == [(7,)]
    [(first,)] = at.run("select min(id) from messages where state = 'submitting'")
    [(later,)] = at.run("select max(id) from messages")
    assert at.waits(later) == ("daily cap", timedelta(0))
    at.settle(lambda exchange: says(outcome))
    assert at.run("select used from senders") == [(0,)]
    assert at.waits(first) is None if outcome == "no such number" else at.waits(first) != ("daily cap", timedelta(0))
    at.run("update connections set stopped_at = null, retry_at = null")
    at.run("update senders set rest_until = null")
    at.now += timedelta(minutes=10)
    send_all(at)
    taken = at.run("select count(*) from attempts where fate = 'taken'")
    assert (taken, at.run("select used from senders")) == ([(7,)], [(7,)])


def begun(at: House) -> Sequence[tuple[str, float]]:
    return [(e.mt["sender"], e.at) for e in at.transport.begun]


def know(at: House, sender: int, phones: Iterable[str]) -> None:
    """Let these know a sender."""
    for phone in phones:
        at.run(
            """insert into sticky_senders (app_id, person, sender_id, used_at)
            select 1, person, :sender, :now from people where address = :phone""",
            now=int(NOON.timestamp()) * 1_000_000, sender=sender, phone=phone,
        )  # fmt: skip


def test_those_who_wait_for_the_sender_they_know_are_not_looked_at_over_and_over(database: Database) -> None:
    provision(database, senders=3, mps=0.03)  # a hundred within the hour
    at = house(database)
    made = invite(database, range(2_220_000, 2_220_100))
    know(at, 1, [c.address for c in made])
    for _ in range(150):
        at.dispatch.turn()
    assert {sender for sender, _ in begun(at)} == {"+12015550000"}
    assert len(at.transport.begun) == 1
    assert at.run("select generation, awaited, count(*) from messages where state = 'queued' group by 1, 2") == [
        (1, 1, 99)
    ]


def test_who_waits_gets_the_next_slot_of_the_sender_they_know_however_many_others_are_in_line(
    database: Database,
) -> None:
    provision(database, senders=3, mps=0.5)
    at = house(database)
    others = invite(database, range(2_220_000, 2_220_100))
    late = invite(database, range(2_221_000, 2_221_003), planned_at=NOON + timedelta(seconds=1))
    at.run("update senders set weight = 100 where id = 1")  # everybody's first choice
    know(at, 1, [c.address for c in late])
    at.now += timedelta(seconds=2)
    for _ in range(70):
        at.dispatch.turn()
        at.run("update senders set free_at = free_at - 2000000")  # a slot later
        at.settle(lambda exchange: says("yes"))
    found = [(e.mt["to"], e.mt["sender"]) for e in at.transport.begun]
    assert len(found) == len(others) + len(late)
    when = [n for n, (to, _) in enumerate(found) if to in {c.address for c in late}]
    assert {found[n][1] for n in when} == {"+12015550000"}
    first = when[0]
    between = [sender for _, sender in found[first : when[-1] + 1]]
    assert between.count("+12015550000") == len(late), "from the first of them on it is theirs until they are served"


@pytest.mark.parametrize("out", ["sender paused", "after an hour"])
def test_nobody_waits_for_ever(database: Database, out: str) -> None:
    provision(database, senders=2, mps=0.003)  # ten within the hour
    at = house(database)
    made = invite(database, range(2_220_000, 2_220_010))
    know(at, 1, [c.address for c in made])
    for _ in range(15):
        at.dispatch.turn()
    assert at.run("select count(*) from messages where awaited = 1") == [(9,)]
    at.run("update senders set mps = 1000000, free_at = 0 where id = 2")
    if out == "after an hour":
        at.now += timedelta(hours=1, seconds=1)
        Sweeper(database).rescue(at.now, timedelta(minutes=15), 100)
    else:
        at.run("update senders set paused_at = 1 where id = 1")
    for _ in range(15):
        at.dispatch.turn()
    assert [sender for sender, _ in begun(at)][1:] == ["+12015550001"] * 9


def test_a_held_sender_is_left_to_its_holder(database: Database) -> None:
    provision(database, mps=10)
    mine, theirs = house(database), house(database)
    theirs.dispatch._worker = Worker(8, lambda: True)
    invite(database, range(2_220_000, 2_220_030))
    mine.dispatch.turn()
    assert len(mine.transport.begun) > 0
    again = theirs.dispatch.turn()
    assert theirs.transport.begun == []
    assert again is not None
    assert timedelta(seconds=9) < again <= timedelta(seconds=12), "its last slot, and the time of a handover"
    at_rest = {e.paced.rest for e in mine.transport.begun if e.paced}
    assert at_rest == {0.099}
    SenderPool(database).let_go(7)
    mine.run("update senders set free_at = {clock}")
    theirs.dispatch.turn()
    assert len(theirs.transport.begun) > 0, "at once where the holder says goodbye"
    mine.run("update senders set free_at = {clock} - 10000000")
    before = len(mine.transport.begun)
    mine.dispatch.turn()
    assert len(mine.transport.begun) > before, "and after a while where it does not"


@pytest.mark.parametrize("held", [True, False])
def test_the_mark_itself_leaves_a_held_sender_to_its_holder(database: Database, held: bool) -> None:
    provision(database, mps=10 if held else 100)
    mine, theirs = house(database), house(database)
    theirs.dispatch._worker = Worker(8, lambda: True)
    invite(database, range(2_220_000, 2_220_002))
    claimed = 0

    def meanwhile() -> None:  # between their look at the pool and their claim
        nonlocal claimed
        if not claimed:
            claimed = 1
            mine.dispatch.turn()
            invite(database, range(2_220_002, 2_220_004))

    theirs.meanwhile = meanwhile
    theirs.dispatch.turn()
    assert len(mine.transport.begun) == 2
    assert len(theirs.transport.begun) == (0 if held else 2)
    if held:
        assert {row[0] for row in mine.run("select hold from messages where state = 'queued'")} == {"sender's pace"}
