"""`make bench`: how fast Dispatcher is on this machine, beside the floors of the same run.

Floor and product take turns under one loader, three times over, and the best of each counts: machines are noisy, so
trust the ratios of one run and nothing else. Everything is made in a folder of its own and removed again; processes
listen on 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dispatcher.settings import load
from tests.bench import floors
from tests.bench.databases import Place, SqlitePlace, postgres_place
from tests.bench.machine import facts
from tests.bench.own import Failed
from tests.bench.report import as_json, rows, table
from tests.bench.rows import FULL, QUICK, USUAL, Rows
from tests.bench.tools import CONNECTIONS, Tools

ROUNDS_UNTIL = 480  # no further round begins that would end later


def main() -> int:
    """Run, print, and return 0 unless a measurement failed."""
    asked = _asked()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    size = QUICK if asked.quick else FULL if asked.full else USUAL
    signal.alarm(size.most_seconds)
    begun = time.monotonic()
    try:
        with ExitStack() as house:
            folder = Path(house.enter_context(tempfile.TemporaryDirectory(prefix="dispatcher-bench-")))
            places: list[Place] = [SqlitePlace(folder), house.enter_context(postgres_place())]
            bench = Rows(Tools(folder), folder, size)
            head = _head(bench, places, folder)
            print("\n".join(f"{name}: {value}" for name, value in head.items()), flush=True)
            done = _measure(bench, places, begun)
    except Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    found = rows(bench.samples, [place.name for place in places], size)
    head |= {"rounds": done, "took": f"{time.monotonic() - begun:.0f} s"}
    print(f"\n{table(found)}\n\nBest of {done} rounds, {head['took']}.")
    if asked.json:
        whole = {"run": head, "rows": as_json(found), "samples": bench.samples}
        asked.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Speed beside the floors of the same run.")
    parser.add_argument("--quick", action="store_true", help="one short round, for trying")
    parser.add_argument("--full", action="store_true", help="also with a history of 5,000,000 rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the same as JSON, with every sample")
    return parser.parse_args()


def _stop(number: int, frame: object) -> None:
    raise Failed("took too long" if number == signal.SIGALRM else "stopped")


def _head(bench: Rows, places: Sequence[Place], folder: Path) -> dict[str, Any]:
    size, shipped = bench.size, load(None, {})
    web = f"{shipped.web.workers} processes of {shipped.web.threads} threads"
    return {
        **facts(),
        **{place.name.lower(): f"{place.version} ({place.settings})" for place in places},
        "disk": f"{floors.syncs(folder):,} fdatasync/s",
        "loader and carrier": f"in {bench.tools.kind}, on the same cores"
        + ("" if bench.tools.kind == "C" else "; there is no compiler, so they are slow and flatter the ratios"),
        "intake": f"{CONNECTIONS} connections, {size.load_seconds:g} s, web as shipped ({web})",
        "dispatch": f"{size.queued:,} queued, work as shipped ({shipped.work.in_flight} in flight); "
        "the floor has 64, its best",
        "app": "hours always, no callback URL; 4 senders of 1,000,000 segments/s each; no volume limits",
    }


def _measure(bench: Rows, places: Sequence[Place], begun: float) -> int:
    """Everything, in turns; how many rounds there was time for."""
    for place in places:
        _tell(begun, f"{place.name}: provisioning, queueing")
        bench.prepare(place)
    done = 0
    longest = 0.0
    while done < bench.size.rounds and time.monotonic() - begun + longest < ROUNDS_UNTIL:
        since = time.monotonic()
        for place in places:
            _tell(begun, f"round {done + 1}: intake, {place.name}")
            bench.intake(place)
        for place in places:
            _tell(begun, f"round {done + 1}: dispatch, {place.name}")
            bench.dispatch(place)
        longest = max(longest, time.monotonic() - since)
        done += 1
    for place in places:
        _tell(begun, f"history, {place.name}")
        bench.growth(place)
    for place in places:
        _tell(begun, f"an idle system, {place.name}")
        bench.idle(place)
    return done


def _tell(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:4.0f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
