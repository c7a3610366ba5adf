"""Left what came back, right what follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.retry import (
    CALLBACK_LIFE,
    SUBMIT_TRIES,
    Again,
    Done,
    End,
    Step,
    StopEndpoint,
    ask_after,
    callback_next,
    endpoint_rest,
    stopped_next,
    submit_next,
    throttled_rest,
)

FIRST = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = FIRST + timedelta(hours=1)


def after(
    status: int, tries: int = 1, retry_after: float | None = None, jitter: float = 1.0, now: datetime = NOW
) -> Step:
    asked = None if retry_after is None else timedelta(seconds=retry_after)
    return callback_next(tries=tries, first_at=FIRST, now=now, status=status, retry_after=asked, jitter=jitter)


def again(seconds: float) -> Again:
    return Again(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_success_ends_it(status: int) -> None:
    assert after(status) == Done()
    assert after(status, now=FIRST + CALLBACK_LIFE * 2) == Done()


@pytest.mark.parametrize("status", [300, 301, 302, 308, 399, 400, 401, 403, 404, 408, 409, 411, 428, 430, 499])
def test_other_refusals_end_that_callback(status: int) -> None:
    assert after(status) == End(f"HTTP {status}")


def test_gone_stops_the_endpoint() -> None:
    assert after(410) == StopEndpoint("HTTP 410, the endpoint is gone")


@pytest.mark.parametrize("status", [0, 100, 199, 429, 500, 502, 503, 504, 599, 999])
def test_trouble_is_tried_again(status: int) -> None:
    assert after(status) == again(5)


WAITS = [
    (0, 5),
    (1, 5),
    (2, 10),
    (3, 20),
    (4, 40),
    (5, 80),
    (6, 160),
    (7, 320),
    (8, 640),
    (9, 900),
    (10, 900),
    (10**9, 900),
]


@pytest.mark.parametrize(("tries", "seconds"), WAITS)
def test_waits_double_to_a_quarter_of_an_hour_with_full_jitter(tries: int, seconds: float) -> None:
    assert after(500, tries) == again(seconds)
    assert after(500, tries, jitter=0.25) == again(seconds / 4)
    assert after(500, tries, jitter=0.0) == again(0)


ASKED = [(None, 5), (0, 5), (-60, 5), (3, 5), (60, 60), (3600, 3600), (3601, 3600), (86_400, 3600)]


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(("retry_after", "seconds"), ASKED)
def test_retry_after_is_honoured_up_to_an_hour(status: int, retry_after: float | None, seconds: float) -> None:
    assert after(status, retry_after=retry_after) == again(seconds)


def test_the_last_try_is_made_after_24_hours() -> None:
    last = FIRST + CALLBACK_LIFE
    assert after(500, 200, now=last - timedelta(minutes=10)) == Again(last)
    assert after(503, 200, retry_after=3600, now=last - timedelta(minutes=10)) == Again(last)
    assert after(500, 200, jitter=0.0, now=last - timedelta(seconds=1)) == Again(last - timedelta(seconds=1))
    assert after(500, 200, now=last) == End("no success within 24 hours")
    assert after(0, 1, now=last + timedelta(days=3)) == End("no success within 24 hours")


RESTS = [(0, 5), (1, 10), (2, 20), (5, 160), (6, 300), (7, 300), (10**9, 300)]


@pytest.mark.parametrize(("rests", "seconds"), RESTS)
def test_an_endpoint_rests_twice_as_long_each_time_up_to_five_minutes(rests: int, seconds: float) -> None:
    assert endpoint_rest(rests, jitter=1.0) == timedelta(seconds=seconds)
    assert endpoint_rest(rests, jitter=0.0) == timedelta(seconds=seconds / 2)


def submit(
    tries: int, retry_after: float | None = None, jitter: float = 1.0, *, limit: bool = False
) -> timedelta | None:
    asked = None if retry_after is None else timedelta(seconds=retry_after)
    at = submit_next(tries, NOW, retry_after=asked, jitter=jitter, limit=limit)
    return at - NOW if at else None


SUBMITS = [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128), (8, 256), (9, 300), (10, 300), (11, 300)]


@pytest.mark.parametrize(("tries", "seconds"), SUBMITS)
def test_failures_back_off(tries: int, seconds: float) -> None:
    assert submit(tries) == timedelta(seconds=seconds)
    assert submit(tries, jitter=0.5) == timedelta(seconds=seconds / 2)
    assert submit(tries, retry_after=1000) == timedelta(seconds=1000)
    assert submit(tries, retry_after=100_000) == timedelta(hours=1)


@pytest.mark.parametrize("tries", [SUBMIT_TRIES, SUBMIT_TRIES + 1, 10**9])
def test_the_last_failure_is_bounded(tries: int) -> None:
    assert submit(tries) is None
    assert submit(tries, retry_after=5) is None


@pytest.mark.parametrize(
    ("rests", "asked", "seconds"),
    [(0, 0, 2), (1, 0, 4), (7, 0, 256), (8, 0, 300), (10**9, 0, 300), (0, 20, 20), (8, 20, 300), (0, 86_400, 3600)],
)
def test_one_that_throttles_all_rests_as_it_asks_and_longer_each_time(rests: int, asked: int, seconds: int) -> None:
    assert throttled_rest(rests, timedelta(seconds=asked)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("tries", [0, 1, SUBMIT_TRIES, 10**9])
def test_a_limit_is_never_given_up_for(tries: int) -> None:
    assert submit(tries, limit=True, jitter=0.0) == timedelta(seconds=2)
    assert submit(tries, limit=True) == timedelta(seconds=3)
    assert submit(tries, 60, limit=True, jitter=0.0) == timedelta(seconds=60)
    assert submit(tries, 60, limit=True, jitter=0.5) == timedelta(seconds=75)
    assert submit(tries, 86_400, limit=True, jitter=0.0) == timedelta(hours=1)


def test_a_carrier_is_asked_after_twenty_seconds_and_then_less_and_less_often() -> None:
    doubt = timedelta(minutes=15)
    assert [ask_after(n, doubt).total_seconds() for n in range(8)] == [20, 40, 80, 160, 320, 640, 900, 900]


def test_it_is_asked_sooner_about_a_doubt_that_is_closed_sooner() -> None:
    assert [ask_after(n, timedelta(seconds=45)).total_seconds() for n in range(3)] == [1, 2, 4]
    assert ask_after(0, timedelta(hours=1)) == timedelta(seconds=20)


@pytest.mark.parametrize(("tries", "seconds"), [*SUBMITS, (10**9, 300)])
def test_a_stop_is_never_given_up_for(tries: int, seconds: float) -> None:
    assert stopped_next(tries, NOW, jitter=1.0) == NOW + timedelta(seconds=seconds)
    assert stopped_next(tries, NOW, jitter=0.0) == NOW
