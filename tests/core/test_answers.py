"""What replies are answered with, and when no more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.answers import DAY, DEFAULTS, HELP_REST, MOST_A_DAY, Answered, may_answer, text_of
from dispatcher.core.exchange import Wish
from dispatcher.core.segments import count
from tests.factories import NOON

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("wish", Wish)
def test_the_texts_for_all_are_one_plain_segment(wish: Wish) -> None:
    size = count(text_of(wish, "", ["com.example.application"]))
    assert (size.encoding, size.segments, size.costly) == ("GSM-7", 1, ())


def test_confirmations_name_the_way_back() -> None:
    assert "START" in DEFAULTS[Wish.STOP]
    assert all("STOP" in DEFAULTS[wish] for wish in (Wish.START, Wish.HELP))


@pytest.mark.parametrize(
    ("settled", "apps", "text"),
    [
        ("Bye from {app}", ["a"], "Bye from a"),
        ("{app} {app}", ["a", "b"], "a, b a, b"),
        ("{app}", ["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        ("Bye", ["a"], "Bye"),
        ("{app}", ["{app}"], "{app}"),
    ],
)
def test_an_apps_own_text_names_the_apps_it_is_about(settled: str, apps: list[str], text: str) -> None:
    assert text_of(Wish.STOP, settled, apps) == text


def answered(wish: Wish, ago: timedelta, sender_id: int = 1) -> Answered:
    return Answered(wish, sender_id, NOON - ago)


@pytest.mark.parametrize(
    ("wish", "lately", "news", "may"),
    [
        (Wish.STOP, [], True, True),
        (Wish.STOP, [], False, True),
        (Wish.STOP, [answered(Wish.STOP, MINUTE)], False, False),
        (Wish.STOP, [answered(Wish.STOP, MINUTE)], True, True),
        (Wish.STOP, [answered(Wish.STOP, MINUTE, 2)], False, True),
        (Wish.STOP, [answered(Wish.STOP, DAY)], False, True),
        (Wish.START, [answered(Wish.START, MINUTE)], True, True),
        (Wish.START, [], False, False),
        (Wish.HELP, [], True, True),
        (Wish.HELP, [answered(Wish.HELP, MINUTE)], True, False),
        (Wish.HELP, [answered(Wish.HELP, HELP_REST)], True, True),
        (Wish.HELP, [answered(Wish.STOP, MINUTE)], True, True),
        (Wish.STOP, [answered(Wish.HELP, MINUTE * n, 2) for n in range(MOST_A_DAY)], True, False),
        (Wish.STOP, [answered(Wish.HELP, DAY + MINUTE * n) for n in range(MOST_A_DAY)], True, True),
    ],
)
def test_who_is_answered(wish: Wish, lately: list[Answered], news: bool, may: bool) -> None:
    assert may_answer(wish, 1, lately, NOON, news=news) is may
