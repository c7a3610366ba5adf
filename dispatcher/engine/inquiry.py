"""Inquiry: ask carriers that can be asked what became of a submit that is in doubt, until they tell or it is closed.

Some are asked by submitting once more under the same key, of which they take one only. That may be what really sends,
so it obeys the rules of sending: the app's hours, opt-outs, pauses and stops, the pace and the caps of its sender.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.decision import Discard, kept_back
from dispatcher.core.exchange import Fate, Outcome, Response
from dispatcher.core.lifecycle import Event
from dispatcher.core.retry import ask_after, submit_next
from dispatcher.engine.dispatch import LATEST, Line, Pace, Worker, submission
from dispatcher.engine.ports import CALLBACKS, DUE, Clock, Directory, Doubt, Inquiries, Ring, Settled
from dispatcher.engine.transport import Answerable, Paced

log = logging.getLogger(__name__)
AT_ONCE: Final = 16  # questions of one connection that a process has open
MORE: Final = timedelta(milliseconds=100)  # when to look again where there are more
LONGEST: Final = timedelta(hours=12)  # since the submit: carriers remember a key for 24 hours or more
CERTAIN: Final = timedelta(minutes=2)  # after the submit: what a carrier's list does not show by then never came
THROTTLED: Final = 429


@dataclass(frozen=True, slots=True)
class Told:
    """What a carrier told of a submit."""

    doubt: Doubt
    asking_submits: bool
    outcome: Outcome


class Inquiry:
    """Asks, and writes what is told."""

    def __init__(
        self,
        *,
        book: Inquiries,
        directory: Directory,
        lines: Callable[[], Mapping[int, Line]],
        put: Callable[[Told], None],
        heard: Callable[[Collection[int]], None],
        ring: Ring,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Pace,
        worker: Worker,
        between: Callable[[str], None] = lambda point: None,
    ) -> None:
        """`put` gathers what is told for `settle`; `heard` gets the connections that told; the rest as for Dispatch."""
        self._book = book
        self._directory = directory
        self._lines = lines
        self._put = put
        self._heard = heard
        self._ring = ring
        self._clock = clock
        self._jitter = jitter
        self._pace = pace
        self._worker = worker
        self._between = between
        self._open: Counter[int] = Counter()  # questions that are not answered yet, by connection
        self._lock = Lock()

    def turn(self) -> timedelta | None:
        """Ask what it is time to ask, within what each connection may have open; how long until there is more."""
        if not self._worker.alive():
            return None
        more = False
        for line in self._lines().values():
            if isinstance(line.carrier, Answerable):
                more |= self._look(line, line.carrier)
        return MORE if more else None

    def _look(self, line: Line, carrier: Answerable) -> bool:
        """Ask about doubts of one connection; whether there may be more."""
        places = min(AT_ONCE - self._open[line.id], line.transport.room())
        if places <= 0:
            return False
        now = self._clock()
        doubts = self._book.doubts(line.id, now, places)
        apps = self._directory.apps([doubt.marked.row.app_id for doubt in doubts])
        asks: list[tuple[Doubt, datetime]] = []
        later: list[tuple[Doubt, datetime | None]] = []
        for doubt in doubts:
            again_at = now + max(ask_after(doubt.asks + 1, self._pace.doubt), self._answered_within())
            row = doubt.marked.row
            if not doubt.open or now - doubt.started_at > LONGEST or now + self._answered_within() > row.due_at:
                later.append((doubt, None))  # nobody needs to know any more, or nobody would hear of it in time
            elif not carrier.asking_submits:
                asks.append((doubt, again_at))
            elif objection := kept_back(row, apps.get(row.app_id), now):
                later.append((doubt, None if isinstance(objection, Discard) else max(objection.until, again_at)))
            elif not doubt.usable:
                later.append((doubt, again_at))
            else:
                asks.append((doubt, again_at))
        if later:
            self._book.put_off(later)
        if asks:
            self._ask(asks, line, carrier, now)
        return len(doubts) == places

    def _answered_within(self) -> timedelta:
        """How long after it was claimed a question is answered, or never was asked."""
        return self._pace.margin + self._pace.timeout

    def _ask(self, asks: Sequence[tuple[Doubt, datetime]], line: Line, carrier: Answerable, now: datetime) -> None:
        begun = time.monotonic()
        submits = carrier.asking_submits
        claimed = self._book.ask(asks, submits=submits, horizon=self._pace.horizon, worker_id=self._worker.id, now=now)
        slots_from = time.monotonic()
        self._between("asked")
        until = begun + self._pace.margin.total_seconds()
        for doubt in claimed:
            row = doubt.marked
            delay = row.delay.total_seconds()
            rest = None if row.rest is None else row.rest.total_seconds()
            paced = None if rest is None else Paced(row.sender_id, rest, begun + delay + LATEST)
            self._begin(doubt, line, carrier, now, slots_from + delay, until, paced)

    def _begin(
        self,
        doubt: Doubt,
        line: Line,
        carrier: Answerable,
        now: datetime,
        at: float,
        until: float,
        paced: Paced | None,
    ) -> None:
        try:
            request = carrier.ask(submission(doubt.marked, line), now)
        except Exception:  # as the submit itself: the operator's to mend
            log.exception("a question could not be built", extra={"action": "inquiry", "connection": line.name})
            return
        with self._lock:
            self._open[line.id] += 1

        def answered(response: Response) -> None:
            with self._lock:
                self._open[line.id] -= 1
            self._between("told")
            if response.fault or response.status == THROTTLED:
                return  # nothing was told: it is asked again at its time
            if outcome := carrier.told(response):
                said = line.discretion.outcome(outcome, doubt.marked.row.address or "")
                self._put(Told(doubt, carrier.asking_submits, said))

        line.transport.start(request, answered, lane=line.name, at=at, until=until, paced=paced)

    def settle(self, told: Sequence[Told]) -> None:
        """Write what was told, in one transaction. Raises StoreUnavailable."""
        now = self._clock()
        self._heard({t.doubt.marked.connection_id for t in told if t.outcome.fate in (Fate.TAKEN, Fate.NEVER)})
        settled = [found for each in told if (found := self._settled(each, now))]
        if not settled:
            return
        resolved = self._book.settle(settled, now)
        log.info("doubts were resolved", extra={"action": "inquiry", "asked": len(told), "resolved": resolved})
        self._ring(CALLBACKS)
        self._ring(DUE)

    def _settled(self, told: Told, now: datetime) -> Settled | None:
        """What follows; None while it is in doubt still."""
        marked, outcome = told.doubt.marked, told.outcome
        row = marked.row
        match outcome.fate:
            case Fate.TAKEN:
                return self._lines()[marked.connection_id].taken(row, outcome, now)
            case Fate.NEVER:
                return Settled(row.id, row.generation, Event.REFUSE, outcome, outcome.code, now)
            case Fate.LATER if not told.asking_submits and now - told.doubt.started_at >= CERTAIN:
                again = submit_next(row.tries + 1, now, retry_after=None, jitter=self._jitter(), limit=False)
                event, code = (Event.RETRY, Code.ACCEPTED) if again else (Event.REFUSE, Code.SEND_FAILED)
                return Settled(row.id, row.generation, event, outcome, code, again or now, tried=True)
        return None
