"""Again, and when? The only place that decides it: callbacks, their endpoints, messages surely not sent, questions.

No randomness here: `jitter` is a fraction from 0 to 1 that the caller draws for each try.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST_RETRY_AFTER: Final = timedelta(hours=1)  # the longest wait that another side may ask of us


def _doubled(first: timedelta, longest: timedelta, tries: int) -> timedelta:
    """`first` after one try, twice as much after each further one, up to `longest`."""
    return min(longest, first * (1 << min(max(tries - 1, 0), 32)))


def _asked(retry_after: timedelta | None) -> timedelta:
    """The wait that the other side asks for, within what we grant; zero when it asks for none."""
    return min(max(retry_after or timedelta(0), timedelta(0)), LONGEST_RETRY_AFTER)


# --- Callbacks -----------------------------------------------------------------------------------------------------

CALLBACK_FIRST: Final = timedelta(seconds=5)
CALLBACK_LONGEST: Final = timedelta(minutes=15)
CALLBACK_LIFE: Final = timedelta(hours=24)  # from the first try; and due without one, while its endpoint fails as long
NO_SUCCESS: Final = f"no success within {CALLBACK_LIFE // timedelta(hours=1)} hours"
ENDPOINT_FAILURES: Final = 3  # in a row, after which an endpoint rests and is then tried by one call at a time
ENDPOINT_FIRST: Final = timedelta(seconds=5)
ENDPOINT_LONGEST: Final = timedelta(minutes=5)
ENDPOINT_UNHEARD: Final = timedelta(hours=1)  # failures this far apart are two outages: nobody called meanwhile


@dataclass(frozen=True, slots=True)
class Done:
    """The customer has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more at this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class End:
    """This callback is given up; others of the same endpoint are not."""

    reason: str


@dataclass(frozen=True, slots=True)
class StopEndpoint:
    """The endpoint says that it is gone for good: no callback goes there until its owner sets it again."""

    reason: str


Step = Done | Again | End | StopEndpoint


def callback_next(
    *, tries: int, first_at: datetime, now: datetime, status: int, retry_after: timedelta | None, jitter: float
) -> Step:
    """What follows a try of a callback.

    Args:
        tries: made so far, this one included.
        first_at: when the first try was made; the last one is made 24 hours later at the latest.
        now: when this try ended.
        status: HTTP status, 0 where there was none (timeout, refused, cut, a forbidden address).
        retry_after: what the answer asked for; at least so long is waited, though never more than an hour.
        jitter: from 0 to 1, the share of the doubling wait that is waited (full jitter).
    """
    if 200 <= status < 300:
        return Done()
    if status == 410:
        return StopEndpoint("HTTP 410, the endpoint is gone")
    if 300 <= status < 500 and status != 429:
        return End(f"HTTP {status}")
    last_at = first_at + CALLBACK_LIFE
    if now >= last_at:
        return End(NO_SUCCESS)
    wait = max(_asked(retry_after), jitter * _doubled(CALLBACK_FIRST, CALLBACK_LONGEST, tries))
    return Again(min(now + wait, last_at))


def endpoint_rest(rests: int, jitter: float) -> timedelta:
    """How long an endpoint that keeps failing is left alone, whatever it is owed: 5 seconds doubling to 5 minutes.

    Args:
        rests: that it has had since its last success.
        jitter: from 0 to 1; at least half of the wait is waited, lest the many endpoints of one host come back at once.
    """
    return (1 + jitter) / 2 * _doubled(ENDPOINT_FIRST, ENDPOINT_LONGEST, rests + 1)


# --- Messages that were surely not sent ----------------------------------------------------------------------------

SUBMIT_FIRST: Final = timedelta(seconds=2)
SUBMIT_LONGEST: Final = timedelta(minutes=5)
SUBMIT_TRIES: Final = 500  # more than a day on average: what is still worth sending is not given up for an outage


def submit_next(
    tries: int, now: datetime, *, retry_after: timedelta | None, jitter: float, limit: bool
) -> datetime | None:
    """When a message that was surely not sent is tried again; None when it is given up.

    A carrier's limit costs no try and is never given up for: after the wait it asked for (else two seconds), and up to
    half as long again by jitter, lest all that it held back comes at once. Any other failure waits a share `jitter` of
    2 seconds doubling to 5 minutes, and the 500th is the last; an invitation most often expires before.

    Args:
        tries: failures so far that were no limit, this one included.
        now: when this try ended.
        retry_after: what the carrier asked for; at least so long is waited, though never more than an hour. None where
            another one may take it.
        jitter: from 0 to 1.
        limit: whether it was a limit of theirs or of ours rather than a failure.
    """
    asked = _asked(retry_after)
    if limit:
        return now + (asked or SUBMIT_FIRST) * (1 + jitter / 2)
    if tries >= SUBMIT_TRIES:
        return None
    return now + max(asked, jitter * _doubled(SUBMIT_FIRST, SUBMIT_LONGEST, tries))


def throttled_rest(rests: int, asked: timedelta) -> timedelta:
    """How long a connection that throttles all is passed over: as it asks, up to an hour.

    It is 2 seconds at least, doubling to 5 minutes with each of the `rests` that it has had since it took something.
    """
    return max(_asked(asked), _doubled(SUBMIT_FIRST, SUBMIT_LONGEST, rests + 1))


def stopped_next(tries: int, now: datetime, *, jitter: float) -> datetime:
    """When a message is tried again that a carrier answered as if our credentials were wrong.

    It waits like any other failure, and is never given up for it: keys are mended, whenever that is. It expires.
    """
    return now + jitter * _doubled(SUBMIT_FIRST, SUBMIT_LONGEST, tries)


# --- Questions about what is in doubt ------------------------------------------------------------------------------

ASK_FIRST: Final = timedelta(seconds=20)  # a carrier that answered late knows by then what it made of a submit
ASKS: Final = 45  # the first wait's part of a doubt that is closed sooner than usual


def ask_after(asks: int, doubt: timedelta) -> timedelta:
    """How long until a carrier is asked what became of a submit: 20 seconds, doubling with each time it was asked.

    Args:
        asks: made so far.
        doubt: how long an outcome stays open; the first wait is a 45th of it where that is less.
    """
    return _doubled(min(ASK_FIRST, doubt / ASKS), doubt, asks + 1)
