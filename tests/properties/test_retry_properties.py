"""Whatever comes back, however late: no try in the past, none after the last, and an end is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.retry import CALLBACK_LIFE, SUBMIT_TRIES, Again, callback_next, submit_next
from tests.properties.drawn import drawn

FIRST = datetime(2026, 11, 22, 12, tzinfo=UTC)
jitters = st.floats(0, 1)
waits = st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=7))


@drawn(200)
@given(st.integers(0, 999), st.integers(1), st.timedeltas(timedelta(0), timedelta(days=2)), waits, jitters)
def test_a_callback_is_tried_within_its_day(
    status: int, tries: int, late: timedelta, wait: timedelta | None, jitter: float
) -> None:
    now = FIRST + late
    step = callback_next(tries=tries, first_at=FIRST, now=now, status=status, retry_after=wait, jitter=jitter)
    if isinstance(step, Again):
        assert now <= step.at <= FIRST + CALLBACK_LIFE


@drawn(30)
@given(st.lists(st.floats(0.5, 1), min_size=1, max_size=9), st.integers(1, 30))
def test_an_endpoint_that_stays_dead_is_given_up(shares: list[float], seconds: int) -> None:
    now, tries = FIRST, 0
    while tries < 1000:
        tries += 1
        now += timedelta(seconds=seconds)  # a try takes its time
        jitter = shares[tries % len(shares)]
        step = callback_next(tries=tries, first_at=FIRST, now=now, status=0, retry_after=None, jitter=jitter)
        if not isinstance(step, Again):
            break
        now = step.at
    assert CALLBACK_LIFE <= now - FIRST <= CALLBACK_LIFE + timedelta(seconds=seconds)
    assert 90 < tries < 220


@drawn(200)
@given(st.integers(0), waits, jitters, st.booleans())
def test_a_submit_is_tried_in_the_future(tries: int, wait: timedelta | None, jitter: float, limit: bool) -> None:
    at = submit_next(tries, FIRST, retry_after=wait, jitter=jitter, limit=limit)
    assert at is None or FIRST <= at <= FIRST + timedelta(hours=1.5)
    assert at is not None or (tries >= SUBMIT_TRIES and not limit)
