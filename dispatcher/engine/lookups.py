"""Lookups: what the numbers of those to be invited are is asked of a provider, before their first text.

Nobody waits for it but the invitation, and that for a few seconds: what is not known by then passes. A number is asked
about once, however many wait for it; every lookup is taken from the day's budget before it is begun, since it costs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from threading import Lock
from typing import Final, Protocol

from dispatcher.core.exchange import Fate, Outcome, Request, Response
from dispatcher.core.phone import LineType
from dispatcher.core.retry import LONGEST_RETRY_AFTER
from dispatcher.engine.ports import CALLBACKS, DUE, LOOKUPS, Clock, Ring

log = logging.getLogger(__name__)
Found = LineType | Outcome  # what a number is, or why that is not known
MOST_TRIES: Final = 4
FIRST_WAIT: Final = timedelta(seconds=2)  # before the second try; four times as long before each further one
FAILURES: Final = 3  # in a row, and the provider is left alone for a while
FIRST_REST: Final = timedelta(seconds=5)  # doubled as long as nothing succeeds
LONGEST_REST: Final = timedelta(minutes=5)  # also after what an operator has to mend
PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number that is ours to ask about until its lease ends. The repr does not show it."""

    person: str
    number: str = field(repr=False)
    generation: int
    tries: int
    planned_at: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """How many lookups may be begun in a day, and when the next day begins."""

    cap: int
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim came to: numbers to ask about, of so many that were taken.

    `over` of them were more than the budget has left; `discarded` and `released` messages waited for what was known.
    """

    asks: Sequence[Wanted] = ()
    taken: int = 0
    over: int = 0
    discarded: int = 0
    released: int = 0


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a lookup came to: a line type, else why not, and when it is tried again, None for never."""

    wanted: Wanted
    line_type: LineType | None = None
    reason: str = ""
    again_at: datetime | None = None
    tried: bool = False


class Provider(Protocol):
    """A provider's words, pure: no socket, no clock, no state."""

    def build(self, number: str) -> Request:
        """The exchange that asks what this number (E.164) is."""
        ...

    def read(self, response: Response) -> Found:
        """What the answer tells; never raises, whatever it holds."""
        ...


class Asker(Protocol):
    """Carries questions out and answers back, a few in flight."""

    def room(self) -> int:
        """How many more may be begun now."""
        ...

    def start(self, request: Request, then: Callable[[Response], None]) -> None:
        """Begin; `then` is called exactly once, from a thread of the asker's."""
        ...


class Book(Protocol):
    """Where it stands who is to be asked about, and what was learned."""

    def claim(self, most: int, now: datetime, lease: timedelta, budget: Budget) -> Claim:
        """Take up to `most` numbers that are due, and as many lookups from the budget, in one transaction.

        Whom nobody waits for any more, and what is known by now, is settled at once; what the budget does not allow
        passes, unless it has time until there is a new one.
        """
        ...

    def settle(self, results: Sequence[LookedUp], now: datetime) -> tuple[int, int]:
        """Learn and apply in one transaction; how many messages were discarded, and how many let go."""
        ...

    def forget(self, before: datetime, most: int) -> int:
        """Leave out up to `most` lookups for what was planned to leave before that; how many."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A lookup and what was found."""

    wanted: Wanted
    found: Found


class Lookups:
    """Asks about those who wait to be asked about."""

    def __init__(
        self,
        *,
        book: Book,
        provider: Provider,
        asker: Asker,
        put: Callable[[Answer], None],
        clock: Clock,
        ring: Ring,
        cap: int,
        grace: timedelta,
        lease: timedelta,
        alive: Callable[[], bool],
    ) -> None:
        """`put` gathers answers for `settle`; `lease` outlasts a lookup, and `cap` is how many a day may have."""
        self._book = book
        self._provider = provider
        self._asker = asker
        self._put = put
        self._clock = clock
        self._ring = ring
        self._cap = cap
        self._grace = grace
        self._lease = lease
        self._alive = alive
        self._lock = Lock()
        self._open = 0
        self._failures = 0
        self._rest = FIRST_REST
        self._rests_until = datetime.min.replace(tzinfo=UTC)
        self._told_over: datetime | None = None  # the end of the day of which it was said that its budget is used up

    def turn(self) -> timedelta | None:
        """Begin as many lookups as there is room for; how long until the next turn is worth it, None if unknown."""
        now = self._clock()
        if not self._alive():
            return None
        if now < self._rests_until:
            if self._rests_until - now > self._grace:  # what waits is let go by then, and the rest must not pile up
                while self._book.forget(now - self._grace, PAGE) >= PAGE:
                    pass
            return self._rests_until - now
        room = self._room()
        if not room:
            return None
        claim = self._book.claim(room, now, self._lease, Budget(self._cap, _next_day(now)))
        for wanted in claim.asks:
            self._ask(wanted)
        self._tell(claim.discarded, claim.released)
        if claim.over:
            self._say_over(now)
        return timedelta(0) if claim.taken >= room and len(claim.asks) < room else None

    def settle(self, answers: Sequence[Answer]) -> None:
        """Write what lookups came to. Raises StoreUnavailable."""
        now = self._clock()
        results = [self._looked_up(answer, now) for answer in answers]
        self._tell(*self._book.settle(results, now))
        with self._lock:
            self._open -= len(answers)
            self._heed(answers, now)
        self._ring(LOOKUPS)

    def _room(self) -> int:
        """As much as the asker has; but one at a time after failures, until one succeeds."""
        with self._lock:
            most = max(0, 1 - self._open) if self._failures >= FAILURES else self._asker.room()
        return min(most, self._asker.room())

    def _ask(self, wanted: Wanted) -> None:
        def answered(response: Response) -> None:
            self._put(Answer(wanted, self._provider.read(response)))

        with self._lock:
            self._open += 1
        self._asker.start(self._provider.build(wanted.number), answered)

    def _looked_up(self, answer: Answer, now: datetime) -> LookedUp:
        wanted, found = answer.wanted, answer.found
        if isinstance(found, LineType):
            return LookedUp(wanted, line_type=found)
        if found.fate is Fate.NEVER or wanted.tries + 1 >= MOST_TRIES:
            return LookedUp(wanted, reason=found.reason)
        again = now + (_asked(found) or FIRST_WAIT * 4**wanted.tries)
        free = found.limit or found.fate is Fate.STOP_CARRIER  # nothing is said of this number
        return LookedUp(wanted, reason=found.reason, again_at=again, tried=not free)

    def _heed(self, answers: Sequence[Answer], now: datetime) -> None:
        """Leave a provider alone that fails, that is at its limit, or that does not know us."""
        for found in (answer.found for answer in answers):
            if isinstance(found, LineType):
                self._failures, self._rest = 0, FIRST_REST
                continue
            self._failures += 1
            if found.fate is Fate.STOP_CARRIER:
                self._leave_alone(LONGEST_REST, found.reason, now)
            elif found.limit:
                self._leave_alone(_asked(found) or self._rest, found.reason, now)
            elif self._failures >= FAILURES:
                self._leave_alone(self._rest, found.reason, now)

    def _leave_alone(self, rest: timedelta, why: str, now: datetime) -> None:
        if now < self._rests_until:  # those that were under way together tell of the same trouble
            return
        self._rests_until = now + rest
        self._rest = min(max(rest, self._rest) * 2, LONGEST_REST)
        told = {"action": "lookups", "seconds": rest.total_seconds(), "reason": why}
        log.warning("the provider of lookups is left alone for a while; who is not looked up passes", extra=told)

    def _tell(self, discarded: int, released: int) -> None:
        if released:
            self._ring(DUE)
        if discarded:
            self._ring(CALLBACKS)

    def _say_over(self, now: datetime) -> None:
        """Once a day."""
        if self._told_over is None or now >= self._told_over:
            self._told_over = _next_day(now)
            told = {"action": "lookups", "cap": self._cap}
            log.warning("today's lookups are used up: who is not looked up passes", extra=told)


def _asked(found: Outcome) -> timedelta | None:
    return found.retry_after and min(found.retry_after, LONGEST_RETRY_AFTER)


def _next_day(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=UTC)
