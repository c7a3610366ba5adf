from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.engine.silence import AWAY, IN_VAIN, LONGEST, LONGEST_AWAY, QUIET, Silence

TIMEOUT = timedelta(seconds=30)
UNANSWERED, UNREACHED = Outcome(Fate.UNKNOWN, reason="timeout"), Outcome(Fate.LATER, reason="refused")
WHY = f"no answer to {IN_VAIN} submits in a row or more, the last: timeout"


class Room:
    """Silence on a clock of the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[Sequence[int]] = []
        self.heard = False
        self.silence = Silence(TIMEOUT, lambda: self.now)

    def proven(self, connection_id: int, ids: Sequence[int]) -> bool:
        assert connection_id == 1
        self.asked.append(ids)
        return self.heard

    def judge(self, *outcomes: Outcome, connection: int = 1) -> dict[int, str]:
        return self.told([(connection, n, outcome) for n, outcome in enumerate(outcomes)])

    def told(self, results: list[tuple[int, int, Outcome]]) -> dict[int, str]:
        return {i: news.why for i, news in self.silence.judge(results, self.proven).items()}


@pytest.fixture
def room() -> Room:
    return Room()


def test_it_takes_so_many_in_a_row(room: Room) -> None:
    assert room.judge(*[UNANSWERED] * (IN_VAIN - 1)) == {}
    assert room.judge(Outcome(Fate.NEVER), *[UNANSWERED] * (IN_VAIN - 1)) == {}
    assert room.silence.left(1, 99) == IN_VAIN, "until somebody was heard"
    room.silence.answered(1)
    assert room.silence.left(1, 99) == 99
    room.now += QUIET.total_seconds() + 1
    assert room.silence.left(1, 99) == IN_VAIN
    assert room.silence.left(1, 9) == 9
    assert room.judge(UNANSWERED) == {1: WHY}
    assert room.silence.left_alone() == {1}


def test_a_limit_says_nothing(room: Room) -> None:
    limit = Outcome(Fate.LATER, limit=True)
    assert room.judge(*[limit] * 2 * IN_VAIN) == {}
    assert room.judge(*[UNANSWERED, limit] * IN_VAIN) == {1: WHY}


@pytest.mark.parametrize(
    ("outcome", "rests"),
    [(UNANSWERED, [TIMEOUT, 2 * TIMEOUT, 4 * TIMEOUT, 8 * TIMEOUT, LONGEST, LONGEST]),
     (UNREACHED, [AWAY, 2 * AWAY, 4 * AWAY, LONGEST_AWAY, LONGEST_AWAY])],
)  # fmt: skip
def test_then_one_is_risked_at_a_time(room: Room, outcome: Outcome, rests: Sequence[timedelta]) -> None:
    room.judge(*[outcome] * IN_VAIN)
    for rest in rests:
        room.now += rest.total_seconds() - 0.1
        assert room.silence.left_alone() == {1}
        assert room.judge(outcome) == {}, "one that had begun before"
        room.now += 0.1
        assert room.silence.left_alone() == frozenset()
        assert room.silence.left(1, 9) == 1
        assert room.silence.left(1, 0) == 0
        assert room.judge(outcome) != {}
    assert room.judge(Outcome(Fate.TAKEN)) == {1: ""}
    assert room.silence.left(1, 9) == 9
    assert room.judge(*[outcome] * (IN_VAIN - 1)) == {}, "it begins anew"


def test_a_try_keeps_others_away_until_it_was_judged(room: Room) -> None:
    room.judge(*[UNANSWERED] * IN_VAIN)
    room.now += TIMEOUT.total_seconds()
    assert room.silence.left_alone() == frozenset()
    room.silence.begin(1, 7)
    assert room.silence.left_alone() == {1}
    room.now += TIMEOUT.total_seconds()
    assert room.silence.left_alone() == {1}
    assert room.told([(1, 8, UNANSWERED)]) == {}, "one that had begun before"
    assert room.told([(1, 7, UNANSWERED)]) == {1: WHY}
    assert room.silence.left_alone() == {1}
    room.now += 2 * TIMEOUT.total_seconds()
    room.silence.begin(1, 9)
    assert room.told([(1, 9, Outcome(Fate.LATER, limit=True))]) == {}
    assert room.silence.left_alone() == frozenset(), "it tried nothing"


def test_whoever_reports_is_there(room: Room) -> None:
    room.heard = True
    assert room.judge(*[UNANSWERED] * IN_VAIN) == {}
    assert room.asked == [list(range(IN_VAIN))]
    room.heard = False
    assert room.judge(*[UNANSWERED] * IN_VAIN) == {1: WHY}
    room.heard = True
    assert room.judge(UNANSWERED) == {1: ""}


def test_an_answer_to_a_question_ends_it(room: Room) -> None:
    assert not room.silence.heard(1)
    room.judge(*[UNANSWERED] * IN_VAIN)
    assert room.silence.heard(1)
    assert room.silence.left_alone() == frozenset()
    assert room.judge(*[UNANSWERED] * (IN_VAIN - 1)) == {}, "it begins anew"


def test_connections_are_judged_apart(room: Room) -> None:
    results = [(n % 2, n, UNANSWERED if n % 2 else Outcome(Fate.TAKEN)) for n in range(2 * IN_VAIN)]
    assert room.told(results) == {1: WHY}
    assert room.silence.left(0, 9) == 9
