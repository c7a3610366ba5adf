"""How fast submits go to a carrier that refuses what is too fast, by carriers that count as carriers do."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.throttling import FIRST, LONGEST_REST, WIDEST, Throttling

Limit = Callable[[float], bool]


def leaky(rate: float) -> Limit:
    """One at a time, no two closer than its rate."""
    last = -inf

    def takes(now: float) -> bool:
        nonlocal last
        if now < last + 1 / rate:
            return False
        last = now
        return True

    return takes


def bucket(rate: float, burst: float) -> Limit:
    tokens, last = burst, 0.0

    def takes(now: float) -> bool:
        nonlocal tokens, last
        tokens, last = min(burst, tokens + (now - last) * rate), now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return takes


def tried(throttling: Throttling, limit: Limit, begin: float, seconds: float) -> tuple[list[float], int]:
    """When something was taken by this limit, and how many tries it took: one after the other, answered in 10 ms."""
    now, taken, tries = begin, list[float](), 0
    while now < begin + seconds:
        throttling.begun(now)
        tries += 1
        if limit(now):
            taken.append(now)
            throttling.taken(now)
        else:
            throttling.refused(now, now + 0.01)
        now = max(now + 0.01, throttling.free_at)
    return taken, tries


@pytest.mark.parametrize("limit", [leaky(5), bucket(5, 5)], ids=["leaky", "bucket"])
def test_a_limit_is_found_and_nearly_used_up(limit: Limit) -> None:
    taken, tries = tried(Throttling(), limit, 0.0, 60.0)
    late = [at for at in taken if at >= 10]
    assert 4 <= len(late) / 50 <= 5
    assert tries <= 1.4 * len(taken)


def test_what_takes_nothing_is_tried_every_few_seconds() -> None:
    _, tries = tried(Throttling(), lambda now: False, 0.0, 600.0)
    assert 600 / LONGEST_REST <= tries <= 600 / LONGEST_REST + 20


def test_a_limit_that_is_gone_is_forgotten() -> None:
    throttling = Throttling()
    tried(throttling, lambda now: False, 0.0, 600.0)
    assert (throttling.gap, throttling.rest) == (WIDEST, LONGEST_REST)
    tried(throttling, lambda now: True, 600.0, 60.0)
    assert (throttling.gap, throttling.rest) == (0, 0)


def test_without_a_refusal_nothing_waits() -> None:
    throttling = Throttling()
    assert throttling.free_at == -inf
    for now in (1.0, 1.0, 2.0):
        throttling.begun(now)
        throttling.taken(now)
        assert throttling.free_at <= now


def test_a_window_that_is_refused_is_one_refusal() -> None:
    throttling = Throttling()
    for _ in range(10):
        throttling.begun(1.0)
    throttling.taken(1.0)
    for _ in range(9):
        throttling.refused(1.0, 1.1)
    throttling.taken(1.0)
    assert (throttling.gap, throttling.rest, throttling.free_at) == (FIRST, FIRST, 1.1 + FIRST)


def test_a_try_that_is_taken_ends_the_rest() -> None:
    throttling = Throttling()
    for now in (1.0, 2.0, 3.0, 4.0):
        throttling.refused(now, now)
    assert throttling.rest == 8 * FIRST
    throttling.begun(5.0)
    assert throttling.free_at == pytest.approx(5.0 + 8 * FIRST, abs=0.01)
    throttling.taken(5.0)
    assert throttling.free_at == pytest.approx(5.0 + throttling.gap, abs=0.01)


@given(st.lists(st.tuples(st.sampled_from(["begun", "refused", "taken"]), st.floats(0, 10), st.floats(0, 30))))
def test_nobody_ever_waits_for_long(history: list[tuple[str, float, float]]) -> None:
    throttling, now = Throttling(), 100.0
    for what, pause, latency in history:
        now = max(now + pause, throttling.free_at if what == "begun" else now)
        if what == "begun":
            throttling.begun(now)
        elif what == "refused":
            throttling.refused(now - latency, now)
        else:
            throttling.taken(now - latency)
        assert 0 <= throttling.gap <= WIDEST
        assert throttling.free_at <= now + LONGEST_REST
