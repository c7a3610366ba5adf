"""Refusals that no table explains: a few are about their texts, many in a row about the connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.engine.health import Result

MOST: Final = 10  # messages in a row that are let fail


class Refusals:
    """Counts them, as one process sees them by its own submits."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._unexplained: defaultdict[int, set[int]] = defaultdict(set)  # messages in a row, by connection

    def judge(self, results: Sequence[Result]) -> list[Result]:
        """The results, of which an unexplained refusal stops its connection after MOST that failed by one.

        A wrong address or a changed contract answers every text with a status that nobody foresaw; its queue is kept.
        Asked again with the same results, the same comes back, or what keeps more of them.
        """
        return [self._judge(result) for result in results]

    def _judge(self, result: Result) -> Result:
        outcome, connection_id = result.outcome, result.row.connection_id
        if not outcome.unexplained:
            if outcome.fate in (Fate.TAKEN, Fate.NEVER, Fate.OTHER_SENDER):  # it knows what it is asked
                self._unexplained.pop(connection_id, None)
            return result
        failed = self._unexplained[connection_id]
        if len(failed) < MOST or result.row.row.id in failed:
            failed.add(result.row.row.id)
            return result
        return replace(result, outcome=_stops(outcome))


def _stops(outcome: Outcome) -> Outcome:
    return replace(outcome, fate=Fate.STOP_CARRIER, reason=f"refuses every text: {outcome.reason}", unexplained=False)
