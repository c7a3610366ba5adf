"""Dispatch: claim, decide, mark, submit, settle. Nothing here waits for a carrier, and no transaction is open then."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.decision import Discard, Send, Wait, decide_all
from dispatcher.core.discretion import Discretion
from dispatcher.core.exchange import Fate, Fault, Outcome, Request, Response, Submission
from dispatcher.core.invitation import Claimed
from dispatcher.core.lifecycle import Event
from dispatcher.core.pacing import HANDOVER
from dispatcher.core.retry import ask_after, stopped_next, submit_next
from dispatcher.core.senders import PATIENCE, LaneKey, Pool, in_turn, shares_by_app
from dispatcher.engine.health import Result, Vitals
from dispatcher.engine.ports import (
    CALLBACKS,
    DUE,
    Clock,
    Directory,
    Lane,
    Marked,
    Queue,
    Ring,
    SenderPool,
    Settled,
    StoreUnavailable,
)
from dispatcher.engine.refusals import Refusals
from dispatcher.engine.silence import Silence
from dispatcher.engine.standing import CONNECTION_REST, Standing
from dispatcher.engine.throttles import Throttles
from dispatcher.engine.transport import Answerable, Batching, Carrier, Paced, Transport

log = logging.getLogger(__name__)
REFUSALS: Final = 3  # by so many senders are the number's fault
MOST_PER_TURN: Final = 1024  # bounds one claim, however many slots the transports have
# So many free slots are worth a turn, or half as many as are in use: fewer would make small transactions, more leave
# slots empty.
REFILL: Final = 32
NO_ROOM: Final = timedelta(milliseconds=100)  # when to look again if no answer frees a slot meanwhile
UNWELL: Final = timedelta(minutes=2)  # in which a connection that does badly is well again (core.health)
LATEST: Final = HANDOVER / 1_000_000  # seconds after its slot at which a submit of a held sender may still begin
TOGETHER: Final = timedelta(milliseconds=20)  # between slots of a batch, which begins at the last of them
STUCK_SWEEP: Final = timedelta(seconds=60)  # how often what expired in a lane that cannot move is looked for


@dataclass(frozen=True, slots=True)
class Line:
    """A connection as dispatch uses it: whose words, which transport, how long receipts may take, what to hide."""

    id: int
    name: str
    carrier: Carrier
    transport: Transport
    receipt_wait: timedelta
    receipt_url: str = ""
    acceptance_is_final: bool = False
    discretion: Discretion = field(default_factory=Discretion)

    def taken(self, row: Claimed, outcome: Outcome, now: datetime) -> Settled:
        """What a row that the carrier took comes to."""
        final = outcome.final or self.acceptance_is_final
        event, code = (Event.DELIVER, Code.DELIVERED) if final else (Event.SUBMIT, Code.ACCEPTED)
        return Settled(row.id, row.generation, event, outcome, code, now + self.receipt_wait, sent=True)


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits in time that keep a submit within its lease."""

    lease: timedelta = timedelta(seconds=60)
    horizon: timedelta = timedelta(seconds=1)
    margin: timedelta = timedelta(seconds=5)
    timeout: timedelta = timedelta(seconds=30)
    doubt: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Worker:
    """The process at work: the number by which it holds senders, and whether its heartbeat succeeds."""

    id: int
    alive: Callable[[], bool]


class Dispatch:
    """Takes due rows, submits them, writes what became of them."""

    def __init__(
        self,
        *,
        queue: Queue,
        pool: SenderPool,
        directory: Directory,
        lines: Callable[[], Mapping[int, Line]],
        put: Callable[[Result], None],
        ring: Ring,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Pace,
        worker: Worker,
        per_line: int = MOST_PER_TURN,
        between: Callable[[str], None] = lambda point: None,
    ) -> None:
        """`put` gathers results for `settle`; once the `worker` is no longer alive, nothing more is claimed.

        `per_line` is how many submits of one connection its transport runs at once: no more of them are taken.
        `between` is called at each point at which a crash would leave another trace; only fault tests hand one in.
        """
        self._queue = queue
        self._pool = pool
        self._directory = directory
        self._lines = lines
        self._put = put
        self._ring = ring
        self._clock = clock
        self._jitter = jitter
        self._pace = pace
        self._worker = worker
        self._per_line = per_line
        self._between = between
        self._turns = 0
        self._sweep_at = datetime.min.replace(tzinfo=UTC)
        self._full: frozenset[int] = frozenset()  # connections that had no place when the last turn looked
        self._open: Counter[int] = Counter()  # submits that are not answered yet, by connection
        self._lock = Lock()
        self._silence = Silence(pace.timeout)
        self._names: dict[int, str] = {}  # of connections
        self._throttles = Throttles(self._names)
        self._refusals = Refusals()
        self._standing = Standing(
            pool, self._silence, Vitals(pool, self._throttles, pace.timeout), self._names, worker.id
        )
        self._seen: Pool | None = None  # by the last turn
        self._lasts: dict[int, int] = {}  # when the line for a sender is over, as far as we put it there
        self._served: dict[int | LaneKey, int] = {}  # the turn in which each app and lane last got a place

    def turn(self) -> timedelta | None:
        """Start as many due rows as there are free slots; how long until the next turn is worth it, None if unknown."""
        if not self._worker.alive():
            return None
        now = self._clock()
        lanes = self._queue.lanes()
        due = [lane for lane in lanes if lane.due_at <= now]
        later = min((lane.due_at - now for lane in lanes if lane.due_at > now), default=None)
        if not due:
            return later
        pool = self._pool.usable(self._pace.horizon, self._worker.id, self._silence.left_alone())
        pool.throttled = self._throttles.resting()
        self._seen = pool
        self._standing.look(pool)
        pool.lasts = self._lasts = {i: last for i, last in self._lasts.items() if 0 <= last - pool.now <= 2 * PATIENCE}
        stuck, gone = self._stuck(due, pool)
        if gone:
            self._queue.leave_line(gone, MOST_PER_TURN)
            return timedelta(0)
        lines = self._lines()  # asked before the mark: nobody may be lost between that and its carrier
        swept = self._sweep(sorted(stuck), pool, now, lines)
        ready = [lane.key for lane in due if lane.key not in stuck]
        self._full = frozenset(pool.capacity if ready else ())  # before the look: who answers after the look rings
        places = self._limit(pool, lines)
        self._full = frozenset(i for i in self._full if not pool.capacity.get(i))
        if ready and not places:
            return NO_ROOM
        wants, dry = self._wants(ready, pool, places)
        taken = self._start(partial(self._queue.claim, wants), wants, pool, lines) if wants else Counter()
        if swept or any(taken[lane] >= most for lane, most in wants.items()):
            return timedelta(0)  # that lane may have more, and others may have left some of their share
        return _soonest(later, dry)

    def _stuck(self, due: Sequence[Lane], pool: Pool) -> tuple[set[LaneKey], list[LaneKey]]:
        """The lanes that cannot move until an operator acts, and among them those whose awaited sender is out.

        Rows of the former are left alone, whoever asks is told why; rows of the latter get another sender.
        """
        keys = [lane.key for lane in due]
        paused = {i for i, app in self._directory.apps([key.app_id for key in keys]).items() if app.paused}
        stuck = {key for key in keys if key.app_id in paused or not pool.group(key).ids}
        return stuck, [key for key in sorted(stuck) if key.awaited > 0 and key.app_id not in paused]

    def _sweep(self, stuck: Sequence[LaneKey], pool: Pool, now: datetime, lines: Mapping[int, Line]) -> bool:
        """Discard what expired in lanes that are stuck; whether there may be more of it."""
        if not stuck or now < self._sweep_at:
            return False
        taken = self._start(partial(self._queue.claim_expired, stuck, MOST_PER_TURN), stuck, pool, lines)
        if taken.total() < MOST_PER_TURN:
            self._sweep_at = now + STUCK_SWEEP
            return False
        return True

    def _limit(self, pool: Pool, lines: Mapping[int, Line]) -> int:
        """How many may be started at all: a connection has no more room than its transport, and one unknown is none."""
        free: dict[int, int] = {}
        caps, pool.capacity = pool.capacity, {}
        for connection_id, cap in caps.items():
            if line := lines.get(connection_id):
                free.setdefault(id(line.transport), line.transport.room())
                most = self._silence.left(connection_id, min(cap, self._per_line))
                left = max(0, most - self._open[connection_id])
                pool.capacity[connection_id] = min(left, free[id(line.transport)])
        return min(MOST_PER_TURN, sum(free.values()), sum(pool.capacity.values()))

    def _wants(self, due: Sequence[LaneKey], pool: Pool, places: int) -> tuple[dict[LaneKey, int], timedelta | None]:
        """How many rows of each lane to take, and how soon a lane that has no room now will have some.

        Lanes that share senders share their room too, so that nobody's long lane claims all of it. Answers come first,
        then the app that was served the longest ago; of its lanes those that wait for a sender and can use no other.
        """
        self._turns += 1
        served = self._served
        order = sorted(
            due, key=lambda lane: (not lane.answers, served.get(lane.app_id, 0), not lane.awaited, served.get(lane, 0))
        )
        sharing: dict[tuple[int, ...], list[LaneKey]] = {}
        for lane in order:
            sharing.setdefault(tuple(pool.group(lane).ids), []).append(lane)
        wants: dict[LaneKey, int] = {}
        dry: list[timedelta] = []
        for lanes in sharing.values():
            group = pool.group(lanes[0])
            if room := pool.slots(group):
                wants |= shares_by_app(room, dict.fromkeys(lanes, room))
            elif (free := pool.next_free(group)) and free > pool.now + pool.horizon:
                dry.append(timedelta(microseconds=free - pool.horizon - pool.now))
        given = shares_by_app(places, {lane: wants[lane] for lane in order if lane in wants})
        self._served = {key: served[key] for lane in order for key in (lane.app_id, lane) if key in served}
        for lane in given:
            self._served |= {lane.app_id: self._turns, lane: self._turns}
        return {lane: given[lane] for lane in order if lane in given}, min(dry, default=None)

    def _start(
        self,
        claim: Callable[[datetime, timedelta], Sequence[Claimed]],
        order: Iterable[LaneKey],
        pool: Pool,
        lines: Mapping[int, Line],
    ) -> Counter[LaneKey]:
        """Claim, decide, mark and submit; how many rows of each lane were taken."""
        begun = time.monotonic()
        now = self._clock()
        claimed = in_turn(claim(now, self._pace.lease), _lane_of, [*order])
        claimed.sort(key=lambda row: not _lane_of(row).answers)  # they do not share a sender's room by turns
        taken = Counter(map(_lane_of, claimed))
        if not claimed:
            return taken
        self._between("claimed")
        decisions = decide_all(claimed, self._directory.apps([lane.app_id for lane in taken]), pool, now)
        asked = time.monotonic()
        sends = [d for d in decisions if isinstance(d, Send)]
        try:
            marked = self._queue.mark(
                sends,
                [d for d in decisions if isinstance(d, Wait)],
                [d for d in decisions if isinstance(d, Discard)],
                now=now,
                lease=self._pace.lease,
                horizon=self._pace.horizon,
                worker_id=self._worker.id,
            )
        except StoreUnavailable:
            for send in sends:
                self._put(_unsent(send))
            raise
        if any(isinstance(d, Discard) for d in decisions):
            self._ring(CALLBACKS)
        slots_from = time.monotonic()  # their delays count from an instant between these two
        self._between("marked")
        # A submit that has not begun by then could still be running when its lease ends, so it does not begin.
        until = begun + (self._pace.lease - self._pace.timeout - self._pace.margin).total_seconds()
        for batch in batches(marked, lines):
            row = batch[-1]
            delay = row.delay.total_seconds()
            rest = None if row.rest is None else row.rest.total_seconds()
            paced = None if rest is None else Paced(row.sender_id, rest, asked + delay + LATEST)
            self._submit(batch, lines[row.connection_id], now, slots_from + delay, until, paced)
        return taken

    def _submit(
        self, rows: Sequence[Marked], line: Line, now: datetime, at: float, until: float, paced: Paced | None
    ) -> None:
        mts = [submission(row, line) for row in rows]
        try:
            request = _request(line.carrier, mts, now)
        except Exception as error:  # a template that does not fit: the operator's to mend, the queue is kept
            if len(rows) > 1:  # of one of them
                for row in rows:
                    self._submit([row], line, now, at, until, paced)
                return
            log.exception("a request could not be built", extra={"action": "build", "connection": line.name})
            outcome = Outcome(Fate.STOP_CARRIER, reason=f"request could not be built: {error}")
            self._put(Result(rows[0], line.discretion.outcome(outcome, mts[0].to)))
            return

        with self._lock:
            self._open[line.id] += len(rows)
        for row in rows:
            self._silence.begin(line.id, row.row.id)
        begins = max(at, time.monotonic())

        def answered(response: Response) -> None:
            with self._lock:
                self._open[line.id] -= len(rows)
                used = self._open[line.id]
            if response.status:
                self._silence.answered(line.id)
            self._between("answered")
            took = None if response.fault is Fault.UNSENT else time.monotonic() - begins
            for row, mt, outcome in zip(rows, mts, _outcomes(line.carrier, mts, response), strict=True):
                self._put(Result(row, line.discretion.outcome(outcome, mt.to), took))
            free = min(self._per_line - used, line.transport.room()) if line.id in self._full else 0
            if free and free >= min(REFILL, used // 2):
                self._full -= {line.id}
                self._ring(DUE)

        line.transport.start(request, answered, lane=line.name, at=at, until=until, paced=paced)

    def heard(self, connection_ids: Collection[int]) -> None:
        """The carriers of these answered a question of what became of a submit."""
        self._standing.heard(connection_ids, self._clock())

    def settle(self, results: Sequence[Result]) -> None:
        """Write what became of submits, in one transaction; a poisonous one fails alone. Raises StoreUnavailable."""
        now = self._clock()
        results = self._refusals.judge(results)
        stopping = self._standing.stopping(results)
        self._names.update({i: line.name for i, line in self._lines().items()})
        settled = [self._settled(result, now, result.row.connection_id in stopping) for result in results]
        self._between("unsettled")
        self._queue.settle(settled, now)
        self._between("settled")
        self._standing.heed(results, stopping, now)
        self._ring(CALLBACKS)
        self._ring(DUE)

    def _settled(self, result: Result, now: datetime, stopping: bool) -> Settled:
        row, outcome = result.row.row, result.outcome
        line = self._lines()[result.row.connection_id]
        event, code, due, tried, ask_at = Event.LOSE, Code.ACCEPTED, now + self._pace.doubt, False, None
        match outcome.fate:
            case Fate.TAKEN:
                return line.taken(row, outcome, now)
            case Fate.UNKNOWN if isinstance(line.carrier, Answerable):
                ask_at = now + ask_after(0, self._pace.doubt)
            case Fate.NEVER:
                event, code = Event.REFUSE, outcome.code
            case Fate.LATER:
                tried = not outcome.limit
                asked = self._asked(result.row, outcome)
                again = submit_next(
                    row.tries + tried, now, retry_after=asked, jitter=self._jitter(), limit=outcome.limit
                )
                event, due = (Event.RETRY, again) if again else (Event.REFUSE, now)
                code = Code.ACCEPTED if again else Code.SEND_FAILED
            case Fate.STOP_CARRIER:  # others try a stopped connection first, for this one's number may be at fault
                event, tried, wait = Event.RETRY, not stopping, CONNECTION_REST if stopping else timedelta(0)
                due = stopped_next(row.tries + 1, now + wait, jitter=self._jitter())
            case Fate.OTHER_SENDER:
                tried = True
                again = submit_next(row.tries + 1, now, retry_after=None, jitter=self._jitter(), limit=False)
                event, due = (Event.RETRY, again) if again and row.refused_by + 1 < REFUSALS else (Event.REFUSE, now)
                code = Code.SEND_FAILED if event is Event.REFUSE else Code.ACCEPTED
        return Settled(
            row.id, row.generation, event, outcome, code, due, sent=outcome.partly, tried=tried, ask_at=ask_at
        )

    def _asked(self, marked: Marked, outcome: Outcome) -> timedelta | None:
        """How long it has to wait as its carrier asks: not at all where another may take it that has not just said no.

        Where the others do badly, it is not longer than it may take them to be well.
        """
        row, asked, untaken_by = marked.row, outcome.retry_after, marked.connection_id
        if asked is None or self._seen is None or row.awaited < 0 or row.untaken_by not in (0, untaken_by):
            return asked
        others = self._seen.elsewhere(row.app_id, row.region, untaken_by)
        if all(sender.ill for sender in others):
            return min(asked, UNWELL) if others else asked
        return None


def submission(row: Marked, line: Line) -> Submission:
    """What is handed to the carrier for this row, the same on every try by this line and sender."""
    key = str(row.row.id)
    return Submission(
        key=key,
        sender=row.sender,
        to=row.row.address or "",
        text=row.row.text,
        segments=row.row.segments,
        receipt_url=f"{line.receipt_url}?id={key}" if line.receipt_url else "",
    )


def batches(rows: Sequence[Marked], lines: Mapping[int, Line]) -> list[list[Marked]]:
    """These rows as they are handed over: together where their carrier takes that and their slots lie TOGETHER.

    Who is held to the instant (`rest`) goes alone, and so does what was tried before: it may be why a batch failed.
    """
    takes = {i: line.carrier for i, line in lines.items() if isinstance(line.carrier, Batching)}
    if not takes:
        return [[row] for row in rows]
    made: list[list[Marked]] = []
    open_: dict[Hashable, list[Marked]] = {}
    for row in sorted(rows, key=lambda row: row.delay):
        carrier = takes.get(row.connection_id)
        if carrier is None or row.rest is not None or row.row.tries:
            made.append([row])
            continue
        alike = (row.connection_id, carrier.alike(submission(row, lines[row.connection_id])))
        batch = open_.get(alike)
        if batch and len(batch) < carrier.most_in_batch and row.delay - batch[0].delay <= TOGETHER:
            batch.append(row)
        else:
            open_[alike] = [row]
            made.append(open_[alike])
    return made


def _request(carrier: Carrier, mts: Sequence[Submission], now: datetime) -> Request:
    if len(mts) > 1 and isinstance(carrier, Batching):
        return carrier.build_all(mts, now)
    return carrier.build(mts[0], now)


def _outcomes(carrier: Carrier, mts: Sequence[Submission], response: Response) -> Sequence[Outcome]:
    if len(mts) > 1 and isinstance(carrier, Batching):
        return carrier.read_all(mts, response)
    return [carrier.read(response)]


def _unsent(send: Send) -> Result:
    """What a row came to whose mark may be on disk or not: nobody submits it, so it need not end in doubt."""
    sender = send.choice.sender
    row = Marked(send.row, sender.number, sender.id, sender.connection_id, timedelta(0))
    return Result(row, Outcome(Fate.LATER, reason="the store went away before its submit began", limit=True))


def _lane_of(row: Claimed) -> LaneKey:
    return LaneKey(row.app_id, row.region, row.awaited, row.flow)


def _soonest(*spans: timedelta | None) -> timedelta | None:
    return min((span for span in spans if span is not None), default=None)
