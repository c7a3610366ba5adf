"""A carrier that witnesses: in a process of its own it records every submit, answers as told, and reports by receipts.

    RECORDER_TOKEN=... python -m tests.recorder --file ledger.jsonl [--port 0]     its port is the first line it prints

POST /submit is the carrier (tests/recorder.toml describes it), PUT /control says how it behaves, GET /ledger tells what
it saw and GET /count how much. A submit is in the file before it is answered, so what it witnessed outlives it; started
again on the same file it remembers. It listens on loopback only and ends with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from dispatcher.processes import PARENT, die_with_parent

TOKEN: Final = "RECORDER_TOKEN"
MOST_BYTES: Final = 65_536
MOST_RECEIPTS_AT_ONCE: Final = 16
RECEIPT_SECONDS: Final = 180.0  # how long a receipt is tried again
FIRST_WAIT, LONGEST_WAIT = 0.1, 1.0
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends RST
HANG, CUT, RST = "hang", "cut", "rst"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one submit is treated: whether it is taken, the answer (a status or a fault), and the receipts that follow.

    A receipt is a status and its delay in units of the recorder's own; `early` ones are acknowledged before the answer.
    """

    taken: bool = True
    answer: int | str = 200
    receipts: tuple[tuple[str, float], ...] = (("delivered", 1.0),)
    early: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def _untaken(answer: int | str, **more: Any) -> Behaviour:
    return Behaviour(taken=False, answer=answer, receipts=(), **more)


BEHAVIOURS: Final[Mapping[str, Behaviour]] = MappingProxyType(
    {
        "taken": Behaviour(),
        "silent": Behaviour(receipts=()),
        "undelivered": Behaviour(receipts=(("failed", 1.0),)),
        "twice": Behaviour(receipts=(("delivered", 1.0), ("delivered", 2.0))),
        "late": Behaviour(receipts=(("delivered", 30.0),)),
        "early": Behaviour(receipts=(("delivered", 0.0),), early=True),
        "shuffled": Behaviour(receipts=(("delivered", 1.0), ("sent", 2.0), ("failed", 3.0))),
        "corrected": Behaviour(receipts=(("failed", 1.0), ("delivered", 4.0))),
        "drop": Behaviour(answer=CUT),  # taken, and the connection ends before the answer
        "stall": Behaviour(answer=HANG),  # taken, and the answer never comes
        "taken without a word": Behaviour(answer=CUT, receipts=()),
        "hang": _untaken(HANG),
        "reset": _untaken(RST),
        "refuse": _untaken(400, error="invalid_number"),
        "throttle": _untaken(429, headers={"Retry-After": "1"}),
        "busy": _untaken(503, headers={"Retry-After": "1"}),
        "busy for a day": _untaken(503, headers={"Retry-After": "86400"}),
        "error": _untaken(500),
        "unavailable": _untaken(503),
    }
)


@dataclass(frozen=True, slots=True)
class Submit:
    """What arrived: our key, the sender, the number, the text, when (monotonic, of this machine), and what it did."""

    key: str
    sender: str
    to: str
    text: str
    at: float
    behaviour: str
    taken: bool
    ref: str


@dataclass(frozen=True, slots=True)
class Told:
    """A receipt that was acknowledged, after how many tries."""

    key: str
    status: str
    at: float
    tries: int


class Ledger:
    """Every submit and every acknowledged receipt, in memory and in a file that is only ever added to."""

    def __init__(self, file: Path) -> None:
        self.submits: list[Submit] = []
        self.receipts: list[Told] = []
        kept = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        self.submits += [Submit(**each) for each in kept if "to" in each]
        self.receipts += [Told(**each) for each in kept if "to" not in each]
        self.arrivals = Counter(submit.key for submit in self.submits)
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def submitted(self, submit: Submit) -> None:
        self.submits.append(submit)
        self.arrivals[submit.key] += 1
        self._keep(submit)

    def told(self, told: Told) -> None:
        self.receipts.append(told)
        self._keep(told)

    def _keep(self, event: Submit | Told) -> None:
        os.write(self._file, json.dumps(asdict(event)).encode() + b"\n")


class Carrier:
    """The carrier: rules choose a behaviour by the number's last digits; the first that fits counts."""

    def __init__(self, ledger: Ledger, token: str) -> None:
        self._ledger = ledger
        self._token = self._first_token = token
        self._turned_away = 0
        self._rules: Sequence[Mapping[str, Any]] = ()
        self._delay = 0.05  # until an ordinary receipt
        self._pause = 0.0  # before an answer
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._places = asyncio.Semaphore(MOST_RECEIPTS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept until either side ends it."""
        try:
            while request := await _read(reader):
                if not await self._answer(writer, *request):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # they went away, or we end
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        if path == "/submit":
            return await self._submit(writer, headers, json.loads(body))
        ledger, said = self._ledger, dict[str, Any]()
        match path:
            case "/control":
                self._tell(**json.loads(body))
            case "/count":
                said = {"submits": len(ledger.submits), "receipts": len(ledger.receipts), "turned": self._turned_away}
            case "/ledger":
                said = {"submits": list(map(asdict, ledger.submits)), "receipts": list(map(asdict, ledger.receipts))}
        _write(writer, 200, said)
        await writer.drain()
        return True

    def _tell(
        self,
        rules: Sequence[Mapping[str, Any]] | None = None,
        delay: float | None = None,
        pause: float | None = None,
        flowing: bool | None = None,
        token: str | None = None,
    ) -> None:
        """Heed PUT /control: `rules` [{"ends", "behaviour", "times"}], the `delay` of receipts, the `pause` of answers.

        A rule with `times` holds for the first so many submits of each key; no receipt leaves while not `flowing`.
        Another `token` revokes the one before for submits; receipts are proven by the first all the while.
        """
        self._token = self._token if token is None else token
        if rules is not None:
            self._rules = [{"ends": "", "times": None, **rule} for rule in rules]
            _ = [BEHAVIOURS[rule["behaviour"]] for rule in rules]
        self._delay = self._delay if delay is None else delay
        self._pause = self._pause if pause is None else pause
        if flowing is not None:
            (self._flowing.set if flowing else self._flowing.clear)()

    def _chosen(self, key: str, to: str) -> str:
        for rule in self._rules:
            if to.endswith(rule["ends"]) and (rule["times"] is None or self._ledger.arrivals[key] < rule["times"]):
                return str(rule["behaviour"])
        return "taken"

    async def _submit(self, writer: asyncio.StreamWriter, headers: Mapping[str, str], mt: Mapping[str, str]) -> bool:
        if headers.get("authorization") != f"Bearer {self._token}":
            self._turned_away += 1
            _write(writer, 401, {"error": {"code": "who_are_you"}})
            return True
        key, name = mt["reference"], self._chosen(mt["reference"], mt["to"])
        chosen = BEHAVIOURS[name]
        ref = f"rec-{len(self._ledger.submits) + 1}"
        at = time.monotonic()
        self._ledger.submitted(Submit(key, mt["from"], mt["to"], mt["text"], at, name, chosen.taken, ref))
        for status, units in chosen.receipts:
            report = self._report(mt["status_url"], key, ref, status, units * self._delay)
            if chosen.early:
                await report
            else:
                self._spawn(report)
        await asyncio.sleep(self._pause)
        return await _end(writer, chosen, ref)

    def _spawn(self, report: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(report)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _report(self, url: str, key: str, ref: str, status: str, delay: float) -> None:
        """A receipt, again and again until it is acknowledged."""
        await asyncio.sleep(delay)
        body = json.dumps({"message": {"id": ref, "status": status, "error": ""}}).encode()
        end, wait, tries = time.monotonic() + RECEIPT_SECONDS, FIRST_WAIT, 0
        while url and time.monotonic() < end:
            await self._flowing.wait()
            tries += 1
            async with self._places:
                acknowledged = await _post(url, {"X-Webhook-Token": self._first_token}, body)
            if acknowledged:
                self._ledger.told(Told(key, status, time.monotonic(), tries))
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)


async def _end(writer: asyncio.StreamWriter, chosen: Behaviour, ref: str) -> bool:
    """Answer, or do what stands in place of an answer; whether the connection goes on."""
    match chosen.answer:
        case "hang":
            await asyncio.sleep(RECEIPT_SECONDS)
            return False
        case "cut":
            return False
        case "rst":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            return False
    body = {"message": {"id": ref}} if chosen.taken else {"error": {"code": chosen.error}}
    _write(writer, int(chosen.answer), body, chosen.headers)
    await writer.drain()
    return True


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    """The next request: path, headers, body; None when there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", 0))
    if length > MOST_BYTES:
        return None
    return first.split(" ")[1], headers, await reader.readexactly(length)


def _write(writer: asyncio.StreamWriter, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
    content = json.dumps(body).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{more}\r\n"
    writer.write(head.encode() + content)


async def _post(url: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a POST was answered with a 2xx."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(
                    f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode()
                    + body
                )
                return (await reader.readline()).startswith(b"HTTP/1.1 2")
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False


async def _run(port: int, file: Path) -> None:
    carrier = Carrier(Ledger(file), os.environ[TOKEN])
    server = await asyncio.start_server(carrier.serve, "127.0.0.1", port, limit=MOST_BYTES, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    server.close()


def main() -> None:
    """Serve until the parent ends, or a signal comes."""
    die_with_parent(int(os.environ.get(PARENT) or os.getppid()))
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--file", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(_run(given.port, given.file))


if __name__ == "__main__":
    main()
