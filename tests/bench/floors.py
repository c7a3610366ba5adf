"""The floors of tests/bench/floor, each run as its README says, under the same load as the product."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.databases import Place, SqlitePlace
from tests.bench.own import Failed, free_port, listening, output, running
from tests.bench.product import Running

FLOOR = Path(__file__).resolve().parent / "floor"
CREDENTIALS = ("myApiKey", "mySecret")
NAME = "floor"
PROCESSES, THREADS = 2, 16


@contextmanager
def intake_server(place: Place, folder: Path) -> Iterator[Running]:
    """The cheapest complete intake: `http_floor.py granian 2 16 64 FW=bare FULL=1 PHONE=fast`, without its wrk."""
    port, log = free_port(), folder / "floor.log"
    url = place.make(NAME)
    sqlite = isinstance(place, SqlitePlace)
    environment = {
        "PYTHONPATH": str(FLOOR),
        "FW": "bare",
        "FULL": "1",
        "PHONE": "fast",
        "STORE": "sqlite" if sqlite else "pg",
        "DB" if sqlite else "DSN": url.removeprefix("sqlite:///"),
    }
    words = [
        str(Path(sys.executable).with_name("granian")), "--interface", "wsgi", "--host", "127.0.0.1",
        "--port", str(port), "--workers", str(PROCESSES), "--blocking-threads", str(THREADS), "--log-level", "error",
        "intake_floor:app",
    ]  # fmt: skip
    try:
        with running(words, environment, log) as process:
            listening(process, port, log)
            time.sleep(1.0)
            yield Running(process.pid, port)
    finally:
        place.drop(NAME)


def dispatch(place: Place, folder: Path, port: int, count: int) -> tuple[float, float]:
    """Rows/s and CPU us/row of `dispatch_floor.py ENGINE ... curl_multi 64 PORT N 200`."""
    url = place.make(NAME)
    where = ["sqlite", str(folder)] if isinstance(place, SqlitePlace) else ["pg", url]
    script = [sys.executable, str(FLOOR / "dispatch_floor.py")]
    try:
        said = output([*script, *where, "curl_multi", "64", str(port), str(count)])
        found = re.search(r"(\d+) rows/s +cpu +(\d+) us/row .* n=(\d+)", said)
        if found is None or int(found[3]) != count:
            raise Failed(f"the dispatch floor says: {said[:200]}")
        return float(found[1]), float(found[2])
    finally:
        place.drop(NAME)
        for path in folder.glob("disp.db*"):
            path.unlink()


def syncs(folder: Path) -> int:
    """fdatasync/s of the disk that all of this is on."""
    told = json.loads(output([sys.executable, str(FLOOR / "disk_floor.py"), str(folder), "0.7"]))
    return int(told["append_4k"]["per_s"])
