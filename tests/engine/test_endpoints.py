"""How the slots of a process are shared among endpoints: left what is known of them, right what they get."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dispatcher.core.exchange import Fault, Response
from dispatcher.engine.endpoints import MOST_PER_LANE, Endpoints, Health
from dispatcher.engine.ports import Trouble

SLOTS = 64
NONE, FAILING, RESTING = Trouble(), Trouble(1, 0), Trouble(3, 1)
OK, DEAD, UNSENT = Response(204), Response(fault=Fault.TIMEOUT), Response(fault=Fault.UNSENT)


class Process:
    """The slots of one process, with endpoints that hang."""

    def __init__(self, slots: int = SLOTS) -> None:
        self.endpoints = Endpoints()
        self.slots = slots
        self.open: list[tuple[int, Health]] = []

    def call(self, lanes: Mapping[int, Trouble]) -> dict[int, int]:
        """Begin what may begin."""
        given = self.endpoints.shares(lanes, self.slots - len(self.open))
        for app_id, count in given.items():
            health = self.endpoints.health(app_id, lanes[app_id])
            for _ in range(count):
                self.endpoints.begin(app_id, health)
                self.open.append((app_id, health))
        assert len(self.open) <= self.slots
        return given

    def hang(self, apps: range, trouble: Trouble = NONE) -> int:
        """How many calls are under way to these, as many as they may have and none answered."""
        while self.call(dict.fromkeys(apps, trouble)):
            pass
        return sum(app_id in apps for app_id, _ in self.open)

    def answer(self, response: Response) -> None:
        """All that are under way, alike."""
        for app_id, health in self.open:
            self.endpoints.end(app_id, health, response)
        self.open.clear()

    def prove(self, apps: range, times: int = 1) -> None:
        """Answers from each of these."""
        for _ in range(times):
            for app_id in apps:
                self.call({app_id: NONE})
                self.answer(OK)


HANGING = [(NONE, 48), (FAILING, 32), (RESTING, 8)]


@pytest.mark.parametrize(("trouble", "most"), HANGING)
def test_the_less_likely_an_answer_the_fewer_the_slots(trouble: Trouble, most: int) -> None:
    process = Process()
    assert process.hang(range(1000), trouble) == most
    process.prove(range(1000, 1001))
    assert process.call({1000: NONE}) != {}, "which leaves some to those that answered"


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_few_slots_are_enough_for_one_of_any_health(slots: int) -> None:
    for trouble, _ in HANGING:
        assert Process(slots).hang(range(9), trouble) >= 1


def test_those_of_a_better_health_find_room_beside_all_worse_ones() -> None:
    process = Process()
    assert process.hang(range(100), RESTING) == 8
    assert process.hang(range(100, 200), FAILING) == 24
    assert process.hang(range(200, 300)) == 16
    assert process.hang(range(300, 400)) == 0
    assert process.hang(range(400, 500), FAILING) == 0


def test_those_of_a_worse_health_find_none_where_better_ones_hang() -> None:
    process = Process()
    assert process.hang(range(100)) == 48
    assert process.hang(range(100, 200), FAILING) == 0
    assert process.hang(range(200, 300), RESTING) == 0


def test_whoever_has_answered_may_have_all_slots_but_those_spared_for_who_holds_none() -> None:
    process = Process()
    process.prove(range(8), MOST_PER_LANE)
    assert process.hang(range(8)) == 56
    assert process.hang(range(8, 20)) == 8


def test_what_an_answer_tells() -> None:
    process = Process()
    for response, health in [
        (UNSENT, Health.UNPROVEN),
        (OK, Health.PROVEN),
        (UNSENT, Health.PROVEN),
        (Response(404), Health.PROVEN),
        (DEAD, Health.PROVEN),
        (Response(429), Health.UNPROVEN),
    ]:
        process.endpoints.begin(1, health)
        process.endpoints.end(1, health, response)
        assert process.endpoints.health(1, NONE) is health
    assert process.endpoints.health(1, FAILING) is Health.FAILING
    assert process.endpoints.health(1, RESTING) is Health.RESTING


def test_whoever_was_served_the_longest_ago_comes_first() -> None:
    process = Process(slots=1)
    served: list[int] = []
    for lanes in ([1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [2, 4], [3, 4]):
        served += process.call(dict.fromkeys(lanes, FAILING))
        process.answer(DEAD)
    assert served == [1, 2, 3, 4, 1, 2, 3]
