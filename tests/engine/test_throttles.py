"""When a connection that throttles is passed over, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.engine.throttles import SEVERAL, USUAL, Throttles

TAKEN, REFUSED = Outcome(Fate.TAKEN), Outcome(Fate.LATER, reason="connection refused")


class Line:
    """One connection, and the clock that its process sees."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.throttles = Throttles({1: "carrier"}, lambda: self.now)
        self._messages = 0

    def hears(self, outcome: Outcome, times: int = 1, message: int | None = None) -> None:
        for _ in range(times):
            self._messages += 1
            self.throttles.heed(1, self._messages if message is None else message, outcome)

    def rests(self) -> float:
        """How long it rests from now on."""
        began = self.now
        while self.throttles.resting():
            self.now += 0.5
        return self.now - began


def asks(seconds: float | None) -> Outcome:
    wait = None if seconds is None else timedelta(seconds=seconds)
    return Outcome(Fate.LATER, reason="throttled", limit=True, retry_after=wait)


@pytest.mark.parametrize(("asked", "kept"), [(30, 30), (3600, 3600), (86_400, 3600)])
def test_what_several_are_told_is_kept_for_an_hour_at_most(asked: float, kept: float) -> None:
    line = Line()
    line.hears(asks(asked), SEVERAL - 1)
    assert line.throttles.resting() == frozenset()
    line.hears(asks(asked), 50)
    assert line.rests() == kept


def test_of_what_they_are_told_the_least_counts() -> None:
    line = Line()
    for seconds in (3600, 20, 600):
        line.hears(asks(seconds))
    assert line.rests() == 20


@pytest.mark.parametrize("asked", [None, 1])
def test_who_takes_nothing_for_long_is_tried_more_and_more_seldom(asked: float | None) -> None:
    line = Line()
    line.hears(asks(asked), 50)
    assert line.throttles.resting() == frozenset(), "usual at the limit of a rate"
    line.now += USUAL + 0.5
    rests = []
    for _ in range(9):
        line.hears(asks(asked), SEVERAL)
        rests.append(line.rests())
    assert rests == [2, 4, 8, 16, 32, 64, 128, 256, 300]


def test_one_that_is_taken_ends_all_of_it() -> None:
    line = Line()
    line.hears(asks(600), SEVERAL)
    line.hears(TAKEN)
    assert line.throttles.resting() == frozenset()
    for _ in range(20):
        line.now += USUAL
        line.hears(asks(600), SEVERAL - 1)
        line.hears(TAKEN)
        assert line.throttles.resting() == frozenset()


def test_one_message_alone_is_no_reason() -> None:
    line = Line()
    for _ in range(20):
        line.now += USUAL
        line.hears(asks(600), message=7)
        line.hears(REFUSED)
    assert line.throttles.resting() == frozenset()
