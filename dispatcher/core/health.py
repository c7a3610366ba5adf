"""How well a connection or a sender does, kept as one instant: when it will have its whole share again.

Its share is halved once for each span of healing that this instant lies ahead. What goes wrong moves the instant away,
time alone brings it nearer: nothing has to be swept for it to drift back, and several processes may move it at once. It
never lies more than LOWEST halvings ahead, so who does badly is still tried, and where all do badly all share alike.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import log2
from typing import Final, NamedTuple

from dispatcher.core.pacing import SECOND

LOWEST: Final = 6.0  # halvings: a share of 1/64
ILL: Final = 0.25  # below such a share others are preferred even to the sender that a person knows
NEARLY_WHOLE: Final = 0.9  # such a share is no news to operators
CONNECTION_HEALS: Final = 20 * SECOND  # a halving; from the lowest share to the whole it takes two minutes
SENDER_HEALS: Final = 600 * SECOND  # an hour: those who filter forget slowly
CALM: Final = 4  # good outcomes that are added to whatever is judged: one failure alone says little

RECENT: Final = 50  # receipts of a sender that are looked at together
ENOUGH: Final = 20  # receipts, below which nothing is said
USUAL: Final = 0.1  # undelivered texts that are nobody's fault: dead numbers, phones that are off
TIMES: Final = 2  # as many as with the others are not the sender's fault either
FILTERED: Final = 2  # a filtered text says as much as so many that were not delivered


class Harm(NamedTuple):
    """By how many halvings a share falls, and why."""

    halvings: float
    reason: str


@dataclass(frozen=True, slots=True)
class Ailment:
    """A share below the whole one, and what it is for."""

    share: float
    reason: str

    def __str__(self) -> str:
        """As operators read it: `0.31: 18 of the last 50 were not delivered`."""
        return f"{self.share:.2g}: {self.reason}"


def share(well_at: int, now: int, heals: int) -> float:
    """The share of whoever is well again at `well_at`, as long as a halving takes `heals` (all microseconds).

    An instant farther ahead than any is set was set before the clock was set back, and counts as over.
    """
    ahead = well_at - now
    return 2.0 ** (-ahead / heals) if 0 < ahead <= LOWEST * heals else 1.0


def halvings(count: int, bad: float) -> float:
    """By how many halvings a share falls for `bad` of `count` outcomes: to the share of those that went well."""
    return min(LOWEST, log2((count + CALM) / (count - bad + CALM)))


@dataclass(slots=True)
class Deliveries:
    """What receipts tell of senders: which of them reach fewer people than the others do.

    A list full of dead numbers makes all of them look bad, so each is held against the rest.
    """

    _recent: dict[int, deque[int]] = field(default_factory=dict)  # by sender: 0 delivered, 1 not, FILTERED
    _count: int = 0  # of all of them
    _bad: int = 0

    def heed(self, sender_id: int, *, delivered: bool, filtered: bool = False) -> Harm | None:
        """Count a final receipt; by how much the sender's share falls for it, if at all."""
        recent = self._recent.setdefault(sender_id, deque())
        if len(recent) == RECENT:
            self._count, self._bad = self._count - 1, self._bad - recent.popleft()
        recent.append(0 if delivered else FILTERED if filtered else 1)
        self._count, self._bad = self._count + 1, self._bad + recent[-1]
        count, bad = len(recent), sum(recent)
        if delivered or count < ENOUGH or bad <= count * max(USUAL, TIMES * self._elsewhere(count, bad)):
            return None
        undelivered, caught = sum(map(bool, recent)), recent.count(FILTERED)
        self._count, self._bad = self._count - count, self._bad - bad
        recent.clear()  # it fell for these; it takes others to let it fall again
        told = f"{undelivered} of the last {count} were not delivered"
        return Harm(halvings(count, min(bad, count)), told + (f", {caught} of them filtered" if caught else ""))

    def _elsewhere(self, count: int, bad: int) -> float:
        """The share of the others' texts that were not delivered, as far as that is known."""
        return (self._bad - bad) / (self._count - count) if self._count - count >= ENOUGH else 0.0
