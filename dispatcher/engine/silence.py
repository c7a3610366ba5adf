"""Carriers that nothing is heard from: a process leaves them alone before their whole queue is in doubt.

Each process judges for itself, for it may be its own line that is cut while others get through.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from threading import Lock
from typing import Final

from dispatcher.core.exchange import Fate, Outcome

IN_VAIN: Final = 20  # submits in a row
QUIET: Final = timedelta(seconds=2)  # without any answer, after which no more than those are left waiting for one
AWAY: Final = timedelta(seconds=5)  # less than a timeout: that nobody is reached leaves nothing in doubt
LONGEST_AWAY: Final = timedelta(seconds=30)
LONGEST: Final = timedelta(minutes=5)  # twice as long after each try in vain, up to these


@dataclass(slots=True)
class _Vain:
    ids: deque[int] = field(default_factory=lambda: deque(maxlen=IN_VAIN))
    until: float = 0.0
    tries: int = 0  # since it is left alone, the one that made it so included
    probe: int | None = None  # the message that tries it


@dataclass(frozen=True, slots=True)
class News:
    """Of a connection: why it is left alone, "" once it is heard again; and whether it was so before."""

    why: str
    again: bool


class Silence:
    """Counts submits in vain by connection."""

    def __init__(self, timeout: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`timeout` is how long an answer is waited for, and so long a silent carrier is left alone at first."""
        self._timeout = timeout
        self._monotonic = monotonic
        self._vain: dict[int, _Vain] = {}
        self._heard: dict[int, float] = {}
        self._lock = Lock()

    def left_alone(self) -> frozenset[int]:
        """The connections that nothing goes to now, as if they were stopped."""
        now = self._monotonic()
        return frozenset(i for i, vain in [*self._vain.items()] if vain.tries and now < vain.until)

    def left(self, connection_id: int, room: int) -> int:
        """How much of this room may be used: one place to try a carrier that is silent, some where none was heard."""
        vain = self._vain.get(connection_id)
        if vain and vain.tries:
            return min(room, 1)
        quiet = self._monotonic() - self._heard.get(connection_id, -inf) > QUIET.total_seconds()
        return min(room, IN_VAIN) if quiet else room

    def begin(self, connection_id: int, message_id: int) -> None:
        """A submit begins; one that tries a silent carrier keeps it left alone until its outcome was judged."""
        vain = self._vain.get(connection_id)
        if vain and vain.tries:
            vain.probe = message_id
            vain.until = self._monotonic() + (self._timeout + AWAY).total_seconds()

    def answered(self, connection_id: int) -> None:
        """Somebody is there."""
        self._heard[connection_id] = self._monotonic()

    def judge(
        self, results: Sequence[tuple[int, int, Outcome]], proven: Callable[[int, Sequence[int]], bool]
    ) -> dict[int, News]:
        """What is new of connections.

        Args:
            results: connection, message and outcome of submits, in the order in which they ended.
            proven: whether any of these messages was taken all the same by a connection, as receipts tell.
        """
        with self._lock:
            return self._judge(results, proven)

    def heard(self, connection_id: int) -> bool:
        """Its carrier is there, though it may not have answered a submit; whether it was left alone for silence."""
        with self._lock:
            vain = self._vain.pop(connection_id, None)
        return vain is not None and vain.tries > 0

    def _judge(
        self, results: Sequence[tuple[int, int, Outcome]], proven: Callable[[int, Sequence[int]], bool]
    ) -> dict[int, News]:
        news: dict[int, News] = {}
        last: dict[int, Outcome] = {}
        ended = {message_id for _, message_id, _ in results}
        for connection_id, message_id, outcome in results:
            if outcome.limit:  # theirs or ours: it says nothing of whether anybody is there
                if (vain := self._vain.get(connection_id)) and vain.probe == message_id:
                    vain.probe, vain.until = None, self._monotonic()
                continue
            if outcome.fate in (Fate.UNKNOWN, Fate.LATER):
                self._vain.setdefault(connection_id, _Vain()).ids.append(message_id)
                last[connection_id] = outcome
                continue
            last.pop(connection_id, None)
            if (vain := self._vain.pop(connection_id, None)) and vain.tries:
                news[connection_id] = News("", again=True)
        for connection_id, outcome in last.items():
            vain = self._vain[connection_id]
            if len(vain.ids) < IN_VAIN:
                continue
            if proven(connection_id, list(vain.ids)):
                del self._vain[connection_id]
                news |= {connection_id: News("", again=True)} if vain.tries else {}
                continue
            if vain.tries and vain.probe not in ended and self._monotonic() < vain.until:
                continue  # begun before it was left alone
            vain.probe = None
            away = outcome.fate is Fate.LATER
            first, longest = (min(self._timeout, AWAY), LONGEST_AWAY) if away else (self._timeout, LONGEST)
            rest = min(first * (1 << min(vain.tries, 16)), max(first, longest))
            vain.until, vain.tries = self._monotonic() + rest.total_seconds(), vain.tries + 1
            why = f"no answer to {IN_VAIN} submits in a row or more, the last: {outcome.reason}"
            news[connection_id] = News(why, again=vain.tries > 1)
        return news
