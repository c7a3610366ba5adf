"""Carriers that take several texts in one exchange: who shares one, who goes alone, and what each of them comes to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import pytest

from dispatcher.core.exchange import Fate, Outcome, Request, Response, Submission
from dispatcher.core.lifecycle import State
from dispatcher.store.database import Database
from tests.engine.test_dispatch import House
from tests.engine.transports import Plain, says
from tests.factories import provision

YES, NO, AGAIN = Outcome(Fate.TAKEN), Outcome(Fate.NEVER), Outcome(Fate.LATER, reason="one of them")


@dataclass(frozen=True)
class Several(Plain):
    """Takes texts that begin alike; its answer names an outcome for each, or one for all."""

    most_in_batch: int = 3

    def alike(self, mt: Submission) -> str:
        return mt.text[:1]

    def build_all(self, mts: Sequence[Submission], now: datetime) -> Request:
        for mt in mts:
            self.build(mt, now)
        return Request("POST", "carrier:/", {}, json.dumps([asdict(mt) for mt in mts]).encode())

    def read_all(self, mts: Sequence[Submission], response: Response) -> Sequence[Outcome]:
        words = response.text.split()
        outcomes = [self.outcomes[word] for word in words] * (len(mts) if len(words) == 1 else 1)
        return [
            replace(o, ref=f"r{mt.key}") if o.fate is Fate.TAKEN else o for mt, o in zip(mts, outcomes, strict=True)
        ]


def house_of(database: Database, mps: float = 1_000_000) -> House:
    provision(database, mps=mps)
    house = House(database)
    carrier = Several({"yes": YES, "no": NO, "again": AGAIN}, unspeakable="~")
    house.line = replace(house.line, carrier=carrier)
    house.lines = {1: house.line}
    return house


def sizes(house: House) -> list[int]:
    return [len(json.loads(b.request.body)) if b.request.body.startswith(b"[") else 1 for b in house.transport.begun]


def test_as_many_as_it_takes(database: Database) -> None:
    house = house_of(database)
    made = house.admit(7)
    house.turns()
    assert sizes(house) == [3, 3, 1]
    house.settle(lambda begun: says("yes"))
    assert {house.row(one.id)["state"] for one in made} == {State.SUBMITTED}
    refs = house.run("select ref from attempts order by message_id")
    assert refs == [(f"r{one.id}",) for one in made[:6]] + [("",)]


def test_each_has_an_outcome_of_its_own(database: Database) -> None:
    house = house_of(database)
    made = house.admit(3)
    house.turns()
    house.settle(lambda begun: says("yes no again"))
    assert [house.row(one.id)["state"] for one in made] == [State.SUBMITTED, State.FAILED, State.QUEUED]


def test_only_what_is_alike(database: Database) -> None:
    house = house_of(database)
    house.admit(2, text="a") + house.admit(2, first=4000, text="b")
    house.turns()
    texts = [[one["text"] for one in json.loads(begun.request.body)] for begun in house.transport.begun]
    assert sorted(texts) == [["a", "a"], ["b", "b"]]


def test_what_was_refused_for_another_goes_alone(database: Database) -> None:
    house = house_of(database)
    made = house.admit(3)
    house.turns()
    house.settle(lambda begun: says("again"))
    house.transport.begun.clear()
    house.now = max(house.row(one.id)["due"] for one in made)
    house.turns()
    assert sizes(house) == [1, 1, 1]


def test_one_that_cannot_be_said_does_not_keep_the_others(database: Database) -> None:
    house = house_of(database)
    good, bad = house.admit(2, text="a"), house.admit(1, first=4000, text="a~")
    house.turns()
    assert sizes(house) == [1, 1]
    house.settle(lambda begun: says("yes"))
    assert {house.row(one.id)["state"] for one in good} == {State.SUBMITTED}
    assert house.row(bad[0].id)["state"] is State.QUEUED


@pytest.mark.parametrize(("mps", "expected"), [(40, [1, 1, 1]), (100, [3]), (51, [2, 1])])
def test_slots_lie_close_together(database: Database, mps: float, expected: list[int]) -> None:
    """Who is held to the instant goes alone, and nobody leaves much later than its slot."""
    house = house_of(database, mps=mps)
    house.warm()
    house.admit(3)
    house.turns()
    assert sizes(house) == expected
