"""The clockwork: APScheduler ticks, a table of loops turns, and the bell ends a wait early.

Each loop runs one turn at a time. Its interval only sweeps; what is rung is turned at once, and a ring that comes
during a turn is not lost: the turn is followed by another. Gatherers collect what streams back from transports and
hand it over in batches.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from apscheduler.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)
Item = TypeVar("Item")
PAUSE_AFTER_ERROR: Final = 1.0
WATCH_SECONDS: Final = 1.0


@dataclass(slots=True)
class Loop:
    """A duty with its interval in seconds. `turn` tells how long until its next turn is worth it, None if unknown."""

    name: str
    seconds: float
    turn: Callable[[], timedelta | None]
    topics: frozenset[str] = frozenset()
    rung: threading.Event = field(default_factory=threading.Event)
    turning: threading.Lock = field(default_factory=threading.Lock)
    guard: threading.Lock = field(default_factory=threading.Lock)  # over `rung` and `minded` together
    minded: bool = False  # a turn will look at `rung` before it ends


class Clockwork:
    """Turns the loops until it is stopped."""

    def __init__(
        self, loops: Sequence[Loop], now: Callable[[], datetime], *, unavailable: type[Exception] | tuple[()] = ()
    ) -> None:
        """Nothing turns before `start`. `unavailable` is the exception that asks for patience."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick that finds its turn still running is no news
        self._loops = {loop.name: loop for loop in loops}
        self._now = now
        self._unavailable = unavailable
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watched, name="watch", daemon=True)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(len(loops))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Turn every loop once now, then on its interval and whenever it is rung."""
        for loop in self._loops.values():
            self._scheduler.add_job(
                self._run, "interval", seconds=loop.seconds, id=loop.name, args=[loop], next_run_time=self._now()
            )
        self._scheduler.add_listener(self._turned, EVENT_JOB_EXECUTED)
        self._scheduler.start()
        self._watch.start()

    def _watched(self) -> None:
        """Turn all where the clock is set back: the scheduler would wait until it is as late again as it was."""
        last = self._now()
        while not self._ended.wait(WATCH_SECONDS):
            now = self._now()
            if now < last:
                back = (last - now).total_seconds()
                log.warning("the clock was set back", extra={"action": "clock", "seconds": back})
                for loop in self._loops.values():
                    self._hasten(loop)
            last = now

    def ring(self, topic: str) -> None:
        """Turn the loops that listen to this topic now; "*" is all of them, a letter every topic it begins."""
        for loop in self._loops.values():
            if topic == "*" or any(name.startswith(topic) for name in loop.topics):
                self._wake(loop)

    def _wake(self, loop: Loop) -> None:
        with loop.guard:
            if loop.rung.is_set():
                return
            loop.rung.set()
            if loop.minded:
                return
        self._hasten(loop)

    def _hasten(self, loop: Loop) -> None:
        if self._ended.is_set():
            return
        with contextlib.suppress(JobLookupError):  # not started yet, or already stopped
            self._scheduler.modify_job(loop.name, next_run_time=self._now())

    def _turned(self, event: JobExecutionEvent) -> None:
        loop = self._loops[event.job_id]
        if loop.rung.is_set():  # rung when its turn had just ended: the scheduler took it for running, and skipped it
            self._hasten(loop)

    def _run(self, loop: Loop) -> None:
        with loop.turning:
            loop.minded = True
            while self._turn(loop):
                pass

    def _turn(self, loop: Loop) -> bool:
        """One turn, and the wait for the next; whether there is one."""
        if self._ended.is_set():
            return False
        loop.rung.clear()
        try:
            again = loop.turn()
        except Exception as error:
            told = {"action": "turn", "loop": loop.name}
            if isinstance(error, self._unavailable):
                log.error("a turn was cut short", extra=told | {"error": str(error)})
            else:
                log.exception("a turn failed", extra=told)
            self._ended.wait(PAUSE_AFTER_ERROR)  # whatever is rung meanwhile
            again = None
        if again is None or again > timedelta(seconds=loop.seconds):
            with loop.guard:
                loop.minded = loop.rung.is_set()
            return loop.minded
        if again > timedelta(0):
            loop.rung.wait(again.total_seconds())
        return True

    def stop(self) -> None:
        """No further turn begins; returns when the running ones have ended."""
        self._ended.set()
        for loop in self._loops.values():
            loop.rung.set()
        for loop in self._loops.values():
            # Waited for here: the scheduler would wait under the lock that a turn needs which rings another loop.
            with loop.turning:
                pass
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


class Gatherer(Generic[Item]):
    """Collects items from any thread and hands them over in batches: at `most` of them, or `within` seconds.

    A batch that cannot be handed over is kept and tried again until it can: what came back from a carrier is never
    dropped because the database was away. One that fails for another reason is tried item by item, so that a
    poisonous one fails alone.
    """

    def __init__(
        self,
        name: str,
        *,
        unavailable: type[Exception],
        most: int = 200,
        within: float = 0.02,
    ) -> None:
        """`unavailable` is the exception that asks for patience."""
        self._name = name
        self._unavailable = unavailable
        self._most = most
        self._within = within
        self._stopping = threading.Event()
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._gather, name=name, daemon=True)

    def start(self, handle: Callable[[Sequence[Item]], None]) -> None:
        """Begin to hand over to `handle`."""
        self._handle = handle
        self._thread.start()

    def put(self, item: Item) -> None:
        """Take an item; never blocks."""
        self._items.put(item)

    def stop(self) -> None:
        """Hand over what is there and end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._items.put(None)
            self._thread.join()

    def _gather(self) -> None:
        going = True
        while going:
            first = self._items.get()
            batch = [] if first is None else [first]
            going = first is not None
            end = time.monotonic() + self._within
            while going and len(batch) < self._most:
                try:
                    item = self._items.get(timeout=max(0.0, end - time.monotonic()) if batch else None)
                except queue.Empty:
                    break
                if item is None:
                    going = False
                else:
                    batch.append(item)
            self._hand_over(batch)

    def _hand_over(self, batch: Sequence[Item]) -> None:
        while batch:
            try:
                self._handle(batch)
                return
            except self._unavailable as error:
                log.error(
                    "results are kept until they can be written", extra={"action": self._name, "error": str(error)}
                )
                if self._stopping.wait(PAUSE_AFTER_ERROR):
                    return  # nobody is left to wait; rescue finds what was not written
            except Exception:
                log.exception("a batch failed", extra={"action": self._name, "size": len(batch)})
                if len(batch) == 1:
                    return
                for item in batch:
                    self._hand_over([item])
                return
