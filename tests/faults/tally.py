"""What a fault test counts for the table of `make faults`: one line for each test, over all its runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

RECOVERY: Final = "recovery s"
FIGURES: Final = ("accepted", "lost", "doubled", "sent again", "in doubt", RECOVERY)


class Tally:
    """The figures of the test that runs: each process runs one at a time."""

    def __init__(self) -> None:
        self._fault: float | None = None
        self.begin()

    def begin(self) -> dict[str, float]:
        """The figures of the next test, which fill while it runs."""
        self._fault = None
        self._figures = dict.fromkeys(FIGURES, 0.0)
        return self._figures

    def fault(self) -> None:
        """The last of the faults ends now: from here on counts how long it takes until nothing is left to do."""
        self._fault = time.monotonic()

    def count(self, accepted: int, lost: int, doubled: int, in_doubt: int, again: int = 0) -> None:
        """What the books say in the end, before anything is asserted; `again` is what an app wanted sent twice."""
        for name, value in zip(FIGURES, (accepted, lost, doubled, again, in_doubt), strict=False):
            self._figures[name] += value
        if self._fault is not None:
            self._figures[RECOVERY] = max(self._figures[RECOVERY], time.monotonic() - self._fault)
            self._fault = None


tally: Final = Tally()


def table(runs: Mapping[str, Iterable[tuple[bool, Mapping[str, float]]]]) -> list[str]:
    """The table: scenario, runs (and how many failed), the sums, and the longest recovery."""
    lines: list[tuple[str, ...]] = [("scenario", "runs", "failed", *FIGURES)]
    for scenario, all_runs in sorted(runs.items()):
        found = [*all_runs]
        figures = [figures for _, figures in found]
        sums = [f"{sum(each[name] for each in figures):.0f}" for name in FIGURES[:-1]]
        longest = max(each[RECOVERY] for each in figures)
        failed = sum(not passed for passed, _ in found)
        lines.append((scenario, str(len(found)), str(failed), *sums, f"{longest:.1f}" if longest else "-"))
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    return [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]
