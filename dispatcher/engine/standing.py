"""What the outcomes of submits say of senders and connections: who rests, who is stopped, who is left alone."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Final

from dispatcher.core.exchange import Fate
from dispatcher.core.senders import Pool
from dispatcher.engine.health import AFTER_SILENCE, AFTER_STOP, Result, Vitals
from dispatcher.engine.ports import SenderPool
from dispatcher.engine.silence import News, Silence

log = logging.getLogger(__name__)
SENDER_REST: Final = timedelta(minutes=10)
DOUBTED_REST: Final = timedelta(seconds=3)  # of one that was refused: the number may be at fault
MOST_REFUSED: Final = 10_000  # numbers of which it is remembered
CONNECTION_REST: Final = timedelta(seconds=30)
FORBIDDEN_REST: Final = timedelta(seconds=1)  # after a try by a message that was answered so before: it says little,
MOST_DOUBLINGS: Final = 5  # but many such tries in a row, each after twice as long, say more
PROBED_REST: Final = timedelta(seconds=45)  # longer than that, so that another sender tries a stopped connection next
STOPS: Final = 3  # messages in a row: fewer may be about their numbers
MOST_STOPS: Final = 50  # so many at once are not
UNHEARD: Final = (Fate.UNKNOWN, Fate.LATER)
MOST_OF_ONE: Final = 3  # tries in a row that were answered so, of however few messages
ALONE: Final = timedelta(seconds=60)  # without one that was taken, after which those stop it
LATELY: Final = timedelta(seconds=5)  # whoever took something within that still knows our credentials


@dataclass(slots=True)
class _Forbidden:
    """What a carrier said no to, of one sender, since it last took something from it."""

    connection_id: int
    messages: deque[int] = field(default_factory=lambda: deque(maxlen=STOPS))
    others: bool = False  # whether it took something of another sender since


class Standing:
    """How senders and connections stand, as one process sees it by its own submits."""

    def __init__(
        self,
        pool: SenderPool,
        silence: Silence,
        vitals: Vitals,
        names: Mapping[int, str],
        worker_id: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to the pool, as this worker, what other processes and operators must know.

        `names` is what the log calls connections.
        """
        self._names = names
        self._worker_id = worker_id
        self._monotonic = monotonic
        self._pool = pool
        self._silence = silence
        self._vitals = vitals
        self._stopped: frozenset[int] = frozenset()
        self._silent: frozenset[int] = frozenset()  # as some process wrote
        self._choice: frozenset[int] = frozenset()  # connections that more than one sender can use
        self._stops: defaultdict[int, set[int]] = defaultdict(set)  # messages in a row, by connection
        self._asks: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)  # tries in a row, by connection
        self._tries: Counter[int] = (
            Counter()
        )  # of stopped connections, in a row, by messages that were answered so before
        self._taken_at: dict[int, float] = {}  # when a connection last took something
        self._told: set[int] = set()  # the connections that the log knows to be stopped
        self._forbidden: dict[int, _Forbidden] = {}  # by sender
        self._refused: dict[int, dict[int, Result]] = {}  # by message and the senders that it may not leave from

    def look(self, pool: Pool) -> None:
        """Note which connections are stopped now, so that whatever goes there tries them, and which have a choice."""
        self._vitals.write()
        self._stopped, self._silent = pool.stopped, pool.silent
        self._forgive(pool.stopped)
        senders = Counter(sender.connection_id for sender in pool.senders.values())
        self._choice = frozenset(i for i, count in senders.items() if count > 1)
        for connection_id in self._told & (pool.capacity.keys() - pool.stopped):  # somebody resumed it
            self._told.discard(connection_id)
            self._forget(connection_id)

    def stopping(self, results: Sequence[Result]) -> Mapping[int, timedelta]:
        """The connections that these results stop, and for how long; to be asked before `heed`, as often as one likes.

        Some numbers or one sender that a carrier answers 403 stop nobody: it takes three messages in a row that were
        not answered so before, and seconds without one that was taken, or fifty; or three tries of any, and a minute
        without; or any message that tries a connection which is stopped already.
        """
        now = self._monotonic()
        for connection_id in (taken := _connections(results, Fate.TAKEN)):
            self._forget(connection_id)
            self._taken_at[connection_id] = now
        asked = [r for r in results if r.outcome.fate is Fate.STOP_CARRIER and r.row.connection_id not in taken]
        for row in (result.row for result in asked if not self._at_fault(result)):
            begun, tries = self._stops[row.connection_id], self._asks[row.connection_id]
            if not row.row.forbidden and len(begun) < MOST_STOPS:
                begun.add(row.row.id)
            if len(tries) < MOST_OF_ONE:
                tries.add((row.row.id, row.row.generation))
        stopping: dict[int, timedelta] = {}
        for row in (result.row for result in asked):
            connection_id = row.connection_id
            count = len(self._stops[connection_id])
            quiet = now - self._taken_at.get(connection_id, -inf)
            alone = quiet > ALONE.total_seconds() and len(self._asks[connection_id]) >= MOST_OF_ONE
            enough = count >= (STOPS if quiet > LATELY.total_seconds() else MOST_STOPS)
            if connection_id in self._stopped or enough or alone:
                rest = self._short_rest(connection_id) if row.row.forbidden else CONNECTION_REST
                stopping[connection_id] = max(rest, stopping.get(connection_id, rest))
        return stopping

    def _forget(self, connection_id: int) -> None:
        """What it took, or what somebody who resumed it knows, outweighs what it refused."""
        for counted in (self._stops, self._asks, self._tries):
            counted.pop(connection_id, None)

    def _short_rest(self, connection_id: int) -> timedelta:
        return min(CONNECTION_REST, FORBIDDEN_REST * (1 << self._tries[connection_id]))

    def _at_fault(self, result: Result) -> bool:
        """Whether it is the sender that a carrier forbids: others may send, and it may send nothing."""
        found = self._forbidden.get(result.row.sender_id)
        return found is not None and found.others and result.row.row.id not in found.messages

    def heed(self, results: Sequence[Result], stopping: Mapping[int, timedelta], now: datetime) -> None:
        """Rest, stop, resume and leave alone by what was settled."""
        if working := _connections(results, Fate.TAKEN) & self._stopped:
            self._pool.resume_connections(sorted(working))
            for connection_id in working:
                self._vitals.comes_back(connection_id, AFTER_STOP)
        for sender_id, (rest, refused) in self._resting(results, stopping).items():
            why = refused.outcome.reason
            self._pool.rest_sender(sender_id, rest, why, now if rest == SENDER_REST else None)
            if rest == SENDER_REST:
                log.warning("a sender rests", extra={"action": "rest", "sender": refused.row.sender, "reason": why})
        reasons = {r.row.connection_id: r.outcome.reason for r in results if r.outcome.fate is Fate.STOP_CARRIER}
        for connection_id, rest in sorted(stopping.items()):
            if connection_id in self._told:
                self._tries[connection_id] = min(MOST_DOUBLINGS, self._tries[connection_id] + 1)
            self._pool.stop_connection(connection_id, reasons[connection_id], rest, now)
            log.log(
                logging.INFO if connection_id in self._told else logging.ERROR,
                "a connection was stopped",
                extra={
                    "action": "stop",
                    "connection": self._names.get(connection_id),
                    "reason": reasons[connection_id],
                },
            )
            self._told.add(connection_id)
        for result in results:
            self._note(result)
        self._vitals.heed(results)
        ended = [(r.row.connection_id, r.row.row.id, r.outcome) for r in results]
        for connection_id, news in self._silence.judge(ended, self._pool.heard_of).items():
            self._tell(connection_id, news, now)
        self._hear_for_others({r.row.connection_id for r in results if r.outcome.fate not in UNHEARD}, now)

    def heard(self, connection_ids: Collection[int], now: datetime) -> None:
        """The carriers of these answered, though no submit: nobody need leave them alone."""
        for connection_id in connection_ids:
            if self._silence.heard(connection_id):
                self._tell(connection_id, News("", again=True), now)
        self._hear_for_others(connection_ids, now)

    def _tell(self, connection_id: int, news: News, now: datetime) -> None:
        self._pool.note_silence(connection_id, news.why, now, self._worker_id)
        self._silent -= {connection_id}
        if not news.why:
            self._vitals.comes_back(connection_id, AFTER_SILENCE)
        log.log(
            logging.ERROR if news.why and not news.again else logging.INFO,
            "a carrier is left alone" if news.why else "a carrier is heard again",
            extra={"action": "silence", "connection": self._names.get(connection_id), "reason": news.why},
        )

    def _hear_for_others(self, connection_ids: Collection[int], now: datetime) -> None:
        """What another process wrote of these is no longer so, or it will write it again."""
        for connection_id in self._silent & {*connection_ids}:
            self._silent -= {connection_id}
            self._pool.note_silence(connection_id, "", now, self._worker_id)

    def _note(self, result: Result) -> None:
        connection_id, sender_id = result.row.connection_id, result.row.sender_id
        if result.outcome.fate is Fate.TAKEN and self._forbidden:
            self._forbidden.pop(sender_id, None)
            for found in self._forbidden.values():
                found.others |= found.connection_id == connection_id
        elif result.outcome.fate is Fate.STOP_CARRIER:
            self._forbidden.setdefault(sender_id, _Forbidden(connection_id)).messages.append(result.row.row.id)

    def _forgive(self, stopped: Collection[int]) -> None:
        """What these connections forbade was their own fault, whoever sends it later."""
        for refused in [*self._refused.values()] if stopped else ():  # others are added by whoever settles
            for sender_id, result in [*refused.items()]:
                if result.row.connection_id in stopped and result.outcome.fate is Fate.STOP_CARRIER:
                    refused.pop(sender_id, None)

    def _resting(self, results: Sequence[Result], stopping: Collection[int]) -> dict[int, tuple[timedelta, Result]]:
        """How long which senders rest, and by which result: for long where another may send what they may not."""
        resting: dict[int, tuple[timedelta, Result]] = {}
        self._forgive(stopping)
        for result in results:
            message_id, sender_id, outcome = result.row.row.id, result.row.sender_id, result.outcome
            if outcome.fate is Fate.STOP_CARRIER and self._at_fault(result):
                resting[sender_id] = (SENDER_REST, result)
            elif outcome.fate is Fate.STOP_CARRIER and result.row.connection_id in stopping:
                if result.row.connection_id in self._choice:
                    resting[sender_id] = (PROBED_REST, result)
            elif outcome.fate in (Fate.OTHER_SENDER, Fate.STOP_CARRIER):
                if len(self._refused) >= MOST_REFUSED:
                    self._refused.clear()
                self._refused.setdefault(message_id, {})[sender_id] = result
                if outcome.fate is Fate.OTHER_SENDER:
                    resting.setdefault(sender_id, (DOUBTED_REST, result))
            elif outcome.fate is Fate.TAKEN:
                proven = [r for r in self._refused.pop(message_id, {}).values() if _is_proven(r, result)]
                resting |= {refused.row.sender_id: (SENDER_REST, refused) for refused in proven}
        return resting


def _is_proven(refused: Result, taken: Result) -> bool:
    """Whether it was the sender's fault that a message was refused. What a connection forbids, another may take."""
    if refused.row.sender_id == taken.row.sender_id:
        return False
    return refused.outcome.fate is Fate.OTHER_SENDER or refused.row.connection_id == taken.row.connection_id


def _connections(results: Sequence[Result], fate: Fate) -> set[int]:
    return {r.row.connection_id for r in results if r.outcome.fate is fate}
