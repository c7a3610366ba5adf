"""What the outcomes of submits say of senders and connections: who rests, who is stopped, who is left alone."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.engine.ports import Marked, SenderPool
from dispatcher.engine.silence import Silence

log = logging.getLogger(__name__)
SENDER_REST: Final = timedelta(minutes=10)
DOUBTED_REST: Final = timedelta(seconds=3)  # of one that was refused: the number may be at fault
MOST_REFUSED: Final = 10_000  # numbers of which it is remembered
CONNECTION_REST: Final = timedelta(seconds=30)
STOPS: Final = 3  # submits in a row: fewer may be about their numbers


@dataclass(frozen=True, slots=True)
class Result:
    """A submit that was answered, or given up."""

    row: Marked
    outcome: Outcome


class Standing:
    """How senders and connections stand, as one process sees it by its own submits."""

    def __init__(self, pool: SenderPool, silence: Silence) -> None:
        """Write to the pool what other processes and operators must know."""
        self._pool = pool
        self._silence = silence
        self._stopped: frozenset[int] = frozenset()
        self._stops: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)  # submits in a row, by connection
        self._refused: dict[int, dict[int, str]] = {}  # by message, the senders that it may not leave from, and why

    def look(self, stopped: frozenset[int]) -> None:
        """These connections are stopped now: what goes there is to try them."""
        self._stopped = stopped

    def stopping(self, results: Sequence[Result]) -> frozenset[int]:
        """The connections that these results stop; to be asked before `heed`, as often as the results are written.

        One number that a carrier answers 403 stops nobody: it takes three submits in a row, or one that tries a
        connection which is stopped already.
        """
        for connection_id in (taken := _connections(results, Fate.TAKEN)):
            self._stops.pop(connection_id, None)
        asked = _connections(results, Fate.STOP_CARRIER) - taken
        for result in results:
            row = result.row
            if result.outcome.fate is Fate.STOP_CARRIER and row.connection_id in asked:
                begun = self._stops[row.connection_id]
                if len(begun) < STOPS:
                    begun.add((row.row.id, row.row.generation))
        return frozenset(i for i in asked if i in self._stopped or len(self._stops[i]) == STOPS)

    def heed(self, results: Sequence[Result], stopping: Collection[int], now: datetime) -> None:
        """Rest, stop, resume and leave alone by what was settled."""
        for sender_id, (rest, why) in self._resting(results).items():
            self._pool.rest_sender(sender_id, rest, why)
        reasons = {r.row.connection_id: r.outcome.reason for r in results if r.outcome.fate is Fate.STOP_CARRIER}
        for connection_id in sorted(stopping):
            self._pool.stop_connection(connection_id, reasons[connection_id], CONNECTION_REST, now)
            log.error(
                "a connection was stopped",
                extra={"action": "stop", "connection": connection_id, "reason": reasons[connection_id]},
            )
        if working := _connections(results, Fate.TAKEN) & self._stopped:
            self._pool.resume_connections(sorted(working))
        ended = [(r.row.connection_id, r.row.row.id, r.outcome) for r in results]
        for connection_id, news in self._silence.judge(ended, self._pool.heard_of).items():
            self._pool.note_silence(connection_id, news.why, now)
            log.log(
                logging.ERROR if news.why and not news.again else logging.INFO,
                "a carrier is left alone" if news.why else "a carrier is heard again",
                extra={"action": "silence", "connection": connection_id, "reason": news.why},
            )

    def _resting(self, results: Sequence[Result]) -> dict[int, tuple[timedelta, str]]:
        """How long which senders rest, and why: for long where another may send what they may not."""
        resting: dict[int, tuple[timedelta, str]] = {}
        for result in results:
            message_id, sender_id, outcome = result.row.row.id, result.row.sender_id, result.outcome
            if outcome.fate is Fate.OTHER_SENDER:
                if len(self._refused) >= MOST_REFUSED:
                    self._refused.clear()
                self._refused.setdefault(message_id, {})[sender_id] = outcome.reason
                resting.setdefault(sender_id, (DOUBTED_REST, outcome.reason))
            elif outcome.fate is Fate.TAKEN and message_id in self._refused:
                resting |= {i: (SENDER_REST, why) for i, why in self._refused.pop(message_id).items() if i != sender_id}
        return resting


def _connections(results: Sequence[Result], fate: Fate) -> set[int]:
    return {r.row.connection_id for r in results if r.outcome.fate is fate}
