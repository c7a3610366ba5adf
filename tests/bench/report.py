"""The table: each figure beside its floor of the same run and what is asked of it (design: goals)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.rows import IN_FLIGHT, SLOW_MS, Size

Samples = Mapping[str, Sequence[float]]
CALLS = {
    "claim": "claim of 100",
    "lanes": "lanes of 1,000 apps",
    "duplicates": "16 duplicates",
    "status": "status",
    "callbacks": "claim of 100 callbacks",
}
HEADINGS = ("measure", "figure", "floor", "ratio", "must", "aim", "")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `must` and `aim` are about the ratio where there is one, else about the figure."""

    measure: str
    unit: str
    figure: float
    floor: float | None = None
    must: float | None = None
    aim: float | None = None
    less: bool = False  # less is better

    @property
    def ratio(self) -> float | None:
        """The figure by its floor."""
        return self.figure / self.floor if self.floor else None

    @property
    def verdict(self) -> str:
        """How it stands to what is asked."""
        value = self.figure if self.ratio is None else self.ratio
        if self.must is None or self.aim is None:
            return ""
        for asked, word in ((self.aim, "aim"), (self.must, "must")):
            if (value <= asked) if self.less else (value >= asked):
                return word
        return "BELOW"

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        return (
            self.measure,
            f"{_number(self.figure)} {self.unit}".strip(),
            "" if self.floor is None else _number(self.floor),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            "" if self.must is None else f"{self.must:g}",
            "" if self.aim is None else f"{self.aim:g}",
            self.verdict,
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def rows(samples: Samples, names: Sequence[str], size: Size) -> list[Row]:
    """All rows, from the best sample of each kind."""
    found: list[Row] = []
    for name in names:

        def best(what: str, name: str = name) -> float:
            return max(samples[f"{name} {what}"])

        def least(what: str, name: str = name) -> float:
            return min(samples[f"{name} {what}"])

        ceiling = IN_FLIGHT * 1000 / SLOW_MS
        found += [
            Row(f"intake, {name}", "/s", best("intake"), best("floor_intake"), 0.40, 0.60),
            Row(f"intake p99, {name}", "ms", least("p99"), least("floor_p99"), 3, 1.7, less=True),
            Row(f"intake p50, {name}", "ms", least("p50"), least("floor_p50")),
            Row(f"intake, processor time in web, {name}", "us", least("us"), least("floor_us")),
            Row(f"status polls, {name} (floor: intake)", "/s", best("polls"), best("intake"), 2, 4),
            Row(f"dispatch, {name}", "/s", best("dispatch"), best("floor_dispatch"), 0.35, 0.60),
            Row(f"dispatch, processor time in work, {name}", "us", least("dispatch_us"), least("floor_dispatch_us")),
            Row(f"{SLOW_MS} ms carrier, {name} (floor: {IN_FLIGHT} in flight)", "/s", best("slow"), ceiling, 0.7, 0.85),
            Row(f"accept to submitted, idle, p50, {name}", "ms", least("submit_p50"), None, 15, 5, less=True),
            Row(f"accept to submitted, idle, p99, {name}", "ms", least("submit_p99"), None, 60, 20, less=True),
            Row(f"request to carrier, idle, p50, {name}", "ms", least("whole_p50")),
            Row(f"idle processor time of serve, {name}", "%", least("idle_cpu") * 100, None, 1, 0.3, less=True),
        ]
        for call, words in CALLS.items():
            young = least(f"{call}_at_{size.young}")
            for count in size.old:
                what = f"{words}, {count:,} rows, {name} (floor: {size.young:,})"
                found.append(Row(what, "ms", least(f"{call}_at_{count}"), young, 2, 1.3, less=True))
        if f"{name} pss_queued" in samples:
            grown = least("pss_queued") - least("pss")
            queued = f"{size.sleeping:,} queued, {name}"
            found += [
                Row(f"memory of serve (PSS), {queued}", "MiB", least("pss_queued"), None, 220, 140, less=True),
                Row(f"memory grown from 0 to {queued}", "MiB", grown, None, 20, 5, less=True),
                Row(f"idle processor time, {queued}", "%", least("idle_cpu_queued") * 100, None, 1, 0.3, less=True),
            ]
        else:
            found.append(Row(f"memory of serve (PSS), {name}", "MiB", least("pss")))
        if f"{name} server_us" in samples and best("server_us"):
            found.append(Row(f"intake, processor time in {name}", "us", least("server_us"), least("floor_server_us")))
    return found


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown that reads well as it is."""
    cells = [HEADINGS, *(row.cells() for row in found)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADINGS))]

    def line(words: Sequence[str]) -> str:
        others = (word.rjust(width) for word, width in zip(words[1:], widths[1:], strict=True))
        return "| " + " | ".join([words[0].ljust(widths[0]), *others]) + " |"

    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def as_json(found: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for programs."""
    return [asdict(row) | {"ratio": row.ratio, "verdict": row.verdict} for row in found]
