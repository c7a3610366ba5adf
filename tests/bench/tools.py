"""The loader and the carrier that floor and product share: in C where a compiler is there, else in Python."""

from __future__ import annotations

import json
import mmap
import random
import shutil
import struct
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.own import Failed, listening, output, running

HERE = Path(__file__).resolve().parent
TEXT = "Download+this+awesome+game+http%3A%2F%2Fgoo.gl%2FXYZ"  # as the floors' own requests
CONNECTIONS = 64
LINE = struct.Struct("=qq")
MOST_ARRIVALS = 1_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """How a server took the load: good answers a second, their times, and all that were answered."""

    per_s: float
    p50_ms: float
    p99_ms: float
    answered: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What reached the carrier: nanoseconds of CLOCK_MONOTONIC, and the key of each message."""

    at: list[int]
    keys: list[int]

    def per_second(self) -> float:
        """The rate from the first to the last."""
        return (len(self.at) - 1) / max(1e-9, (max(self.at) - min(self.at)) / 1e9)


class Book:
    """The carrier's book, read while it is written."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def count(self) -> int:
        """How many requests have come."""
        return int.from_bytes(self._map[:8], sys.byteorder)

    def arrivals(self) -> Arrivals:
        """All of them."""
        lines = list(LINE.iter_unpack(self._map[8 : 8 + self.count() * LINE.size]))
        return Arrivals([line[0] for line in lines], [line[1] for line in lines])

    def wait(self, count: int, seconds: float) -> Arrivals:
        """All of them, once there are `count`. Raises Failed when they do not come."""
        end = time.monotonic() + seconds
        while self.count() < count:
            if time.monotonic() > end:
                raise Failed(f"only {self.count()} of {count} messages reached the carrier in {seconds:.0f} s")
            time.sleep(0.01)
        return self.arrivals()


class Tools:
    """Runs the loader and the carrier."""

    def __init__(self, folder: Path) -> None:
        """Compile them into `folder`."""
        self._folder = folder
        self._next = random.randrange(30_000_000)
        compiler = shutil.which("gcc") or shutil.which("cc")
        built = compiler is not None and all(_compiled(compiler, name, folder / name) for name in ("load", "carrier"))
        self.kind = "C" if built else "Python"
        if built:
            self._load, self._carrier = [str(folder / "load")], [str(folder / "carrier")]
        else:
            fallback = [sys.executable, "-m", "tests.bench.without_c"]
            self._load, self._carrier = [*fallback, "load"], [*fallback, "carrier"]

    def serials(self, count: int) -> range:
        """So many serials that nobody has had: each stands for a number of its own."""
        self._next += count
        return range(self._next - count, self._next)

    def load(self, port: int, seconds: float, requests: Sequence[bytes], *, connections: int = CONNECTIONS) -> Load:
        """Send these requests, over and over, for so long. Raises Failed where an answer was not good."""
        file = self._folder / "requests"
        file.write_bytes(b"\0".join(requests))
        words = [str(port), str(connections), str(seconds), str(self._next), '"messageId"', str(file)]
        told = json.loads(output([*self._load, *words], seconds=seconds + 60))
        self._next = told["next"]
        if told["errors"]:
            raise Failed(f"{told['errors']} of {told['sent']} answers were not good; the first: {told['first_error']}")
        return Load(told["per_s"], told["p50_ms"], told["p99_ms"], told["good"] + told["late"])

    @contextmanager
    def carrier(self, port: int, delay_ms: int) -> Iterator[Book]:
        """A carrier that answers 200 after a delay, and its book, for the length of the block."""
        path, log = self._folder / "book", self._folder / "carrier.log"
        path.unlink(missing_ok=True)
        words = [*self._carrier, str(port), str(delay_ms), str(path), str(MOST_ARRIVALS)]
        with running(words, {}, log) as process:
            listening(process, port, log)
            yield Book(path)


def _compiled(compiler: str, name: str, to: Path) -> bool:
    words = [compiler, "-O2", "-w", "-o", str(to), str(HERE / f"{name}.c")]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def basic(key: str, secret: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + b64encode(f"{key}:{secret}".encode()).decode()


def invitation(authorization: str, app_id: str) -> bytes:
    """A POST with a number and a referenceId of its own, as the loader will write them in."""
    form = f"message={TEXT}&phone=##########&osType=ANDROID&appId={app_id}&referenceId=@@@@@@@@@@@@"
    return (
        "POST /ws/invitation HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: {authorization}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form)}\r\n\r\n{form}"
    ).encode()


def poll(authorization: str, message_id: int) -> bytes:
    """A GET of the status of an invitation."""
    head = f"GET /ws/invitation/{message_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    return f"{head}Authorization: {authorization}\r\n\r\n".encode()
