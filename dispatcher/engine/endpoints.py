"""Endpoints of customers as one process sees them: how many calls each may have under way, and who comes first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from enum import IntEnum
from threading import Lock
from types import MappingProxyType
from typing import Final

from dispatcher.core.exchange import Fault, Response
from dispatcher.core.senders import shares
from dispatcher.engine.ports import Trouble

MOST_PER_LANE: Final = 16  # unanswered calls of one endpoint: one at first, one more after each success, see `_trusted`


class Health(IntEnum):
    """What is known of an endpoint, from best to worst."""

    PROVEN = 0  # it answered this process, and nothing was wrong since
    UNPROVEN = 1  # nothing is known
    FAILING = 2  # it failed since its last success, not often enough to rest
    RESTING = 3  # it failed so often that it rests, and is probed in between


# An endpoint that hangs keeps a slot for the whole timeout. How many hang is not ours to say, so of the slots endpoints
# of a health and of any worse one hold no more than this many eighths together, and the less likely an answer is, the
# less they keep from others (trunk reservation, as telephone exchanges have it). To look at how long a call is under
# way would tell a hanging endpoint only once the slots are gone; what came of its last call tells it before.
EIGHTHS: Final[Mapping[Health, int]] = MappingProxyType(
    {Health.PROVEN: 8, Health.UNPROVEN: 6, Health.FAILING: 4, Health.RESTING: 1}
)
SPARED: Final = 1  # so many eighths are kept for endpoints that hold no slot


class Endpoints:
    """The slots of one process, and which endpoints hold them."""

    def __init__(self) -> None:
        """Of none is anything known."""
        self._open: Counter[int] = Counter()  # calls that are not answered yet, by app
        self._held: Counter[Health] = Counter()  # the same, by what was known when they began
        self._trusted: Counter[int] = Counter()  # how many more than one may be open, by app; a failure takes half
        self._served: defaultdict[int, int] = defaultdict(int)  # the turn in which each app was served last
        self._turn = 0
        self._lock = Lock()

    def shares(self, lanes: Mapping[int, Trouble], room: int) -> dict[int, int]:
        """How many calls of each app may begin in the `room` that is left.

        Each that holds no slot gets one, whoever was served the longest ago first; what is left is divided evenly.
        """
        with self._lock:
            held, under_way = self._open.copy(), self._held.copy()
        slots = room + held.total()
        left = [
            max(1, slots * eighths // 8) - sum(under_way[worse] for worse in Health if worse >= health)
            for health, eighths in EIGHTHS.items()
        ]
        self._turn += 1
        given: dict[int, int] = {}
        wants: dict[int, int] = {}
        for app_id in sorted(lanes, key=self._served.__getitem__):
            if not left[Health.PROVEN]:
                break
            health = self.health(app_id, lanes[app_id])
            wanted = (1 if health is Health.RESTING else 1 + self._trusted[app_id]) - held[app_id]
            if wanted > 0 and not held[app_id]:
                if min(left[: health + 1]) <= 0:
                    continue
                for better in range(health + 1):
                    left[better] -= 1
                given[app_id] = 1
                wanted -= 1
            wants[app_id] = wanted
        for app_id, more in shares(max(0, left[0] - slots * SPARED // 8), wants).items():
            given[app_id] = given.get(app_id, 0) + more
        self._served |= dict.fromkeys(given, self._turn)
        return given

    def health(self, app_id: int, trouble: Trouble) -> Health:
        """What is known of an endpoint that had this trouble since its last success."""
        if trouble.rests:
            return Health.RESTING
        if trouble.failures:
            return Health.FAILING
        return Health.PROVEN if self._trusted[app_id] else Health.UNPROVEN

    def begin(self, app_id: int, health: Health) -> None:
        """A call to an endpoint of this health is under way."""
        with self._lock:
            self._open[app_id] += 1
            self._held[health] += 1

    def end(self, app_id: int, health: Health, response: Response) -> None:
        """It is answered."""
        with self._lock:
            self._open[app_id] -= 1
            self._held[health] -= 1
            if ails(response):
                self._trusted[app_id] //= 2
            elif response.fault is not Fault.UNSENT:
                self._trusted[app_id] = min(self._trusted[app_id] + 1, MOST_PER_LANE - 1)


def ails(response: Response) -> bool:
    """Whether an answer says that the endpoint, rather than this callback, is in trouble."""
    return response.fault is not Fault.UNSENT and (response.status in {0, 429} or response.status >= 500)
