"""The figures that an operator's monitoring asks for, as they are now over all processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.engine.ports import Alarm


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands where.

    `messages` is how many are in a state that is not final, `late` for how many seconds the oldest due one has waited,
    `connections` and `senders` (number and connection) the share that each has left of its whole one.
    """

    messages: Mapping[str, int]
    late: float
    callbacks: int
    workers: int
    connections: Mapping[str, float]
    senders: Mapping[tuple[str, str], float]
    alarms: Sequence[Alarm]


class FigureBook(Protocol):
    """Where figures are read."""

    def read(self) -> Figures:
        """All of them. Raises StoreUnavailable."""
        ...
