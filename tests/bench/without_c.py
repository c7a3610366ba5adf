"""The loader and the carrier where there is no compiler: the same words and files as load.c and carrier.c, slower."""

from __future__ import annotations

import asyncio
import json
import mmap
import re
import struct
import sys
import time
from itertools import cycle
from pathlib import Path

NUMBERS = 68_000_000
AREAS = ("301", "415", "212", "713", "206", "305", "404", "503", "617", "702")
BODY = b'{"id":"SM0123456789abcdef","status":"queued"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LINE = struct.Struct("=qq")
KEY = re.compile(rb"key=(\d+)")
PATIENCE_SECONDS = 15.0


def phone_of(serial: int) -> str:
    """The number that belongs to a serial: another one for each, up to NUMBERS of them; load.c has the same."""
    number = serial % NUMBERS * 48_271 % NUMBERS
    return f"{AREAS[number // 6_800_000]}{number // 10_000 % 680 + 220:03}{number % 10_000:04}"


class Sender:
    """What goes out, and how it was answered."""

    def __init__(self, requests: list[bytes], serial: int, seconds: float, expected: bytes) -> None:
        self.requests = cycle(requests)
        self.serial = serial
        self.expected = expected
        self.ends_at = time.monotonic() + seconds
        self.sent = self.late = self.errors = 0
        self.took: list[float] = []
        self.first_error = ""

    def next(self) -> bytes:
        request = next(self.requests).replace(b"#" * 10, phone_of(self.serial).encode(), 1)
        self.serial += 1
        self.sent += 1
        return request.replace(b"@" * 12, f"{self.serial - 1:012}".encode(), 1)

    def answered(self, head: bytes, body: bytes, begun: float) -> None:
        at = time.monotonic()
        if not head.startswith(b"HTTP/1.1 200") or self.expected not in body:
            self.failed(f"answer: {(head + body)[:220]!r}")
        elif at > self.ends_at:
            self.late += 1
        else:
            self.took.append(at - begun)

    def failed(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why

    async def keep_sending(self, port: int) -> None:
        while time.monotonic() < self.ends_at:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while time.monotonic() < self.ends_at:
                    writer.write(self.next())
                    await self._one(reader)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failed(f"closed: {error}")
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader) -> None:
        begun = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            told = head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0]
            self.answered(head, await reader.readexactly(int(told)), begun)


async def load(port: str, connections: str, seconds: str, start: str, expected: str, file: str) -> None:
    """See load.c."""
    requests = Path(file).read_bytes().split(b"\0")
    sender = Sender(requests, int(start), float(seconds), expected.encode())
    await asyncio.gather(*(sender.keep_sending(int(port)) for _ in range(int(connections))))
    took = sorted(sender.took) or [0.0]
    told = {
        "sent": sender.sent,
        "good": len(sender.took),
        "late": sender.late,
        "errors": sender.errors,
        "per_s": len(sender.took) / float(seconds),
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
        "next": sender.serial,
        "first_error": sender.first_error,
    }
    print(json.dumps(told))


class Carrier(asyncio.Protocol):
    """One connection to the carrier."""

    def __init__(self, book: mmap.mmap, delay: float, most: int) -> None:
        self._book = book
        self._delay = delay
        self._most = most
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (head := self._held.find(b"\r\n\r\n")) >= 0:
            told = self._held[:head].lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0]
            end = head + 4 + int(told or 0)
            if len(self._held) < end:
                return
            self._note(self._held[:end])
            self._held = self._held[end:]
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)

    def _note(self, request: bytes) -> None:
        count = int.from_bytes(self._book[:8], sys.byteorder)
        if count < self._most:
            found = KEY.search(request)
            at = 8 + count * LINE.size
            self._book[at : at + LINE.size] = LINE.pack(time.monotonic_ns(), int(found[1]) if found else 0)
            self._book[:8] = (count + 1).to_bytes(8, sys.byteorder)


async def carrier(port: str, delay_ms: str, path: str, most: str) -> None:
    """See carrier.c."""
    size = 8 + int(most) * LINE.size
    with Path(path).open("w+b") as file:
        file.truncate(size)
        book = mmap.mmap(file.fileno(), size)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Carrier(book, float(delay_ms) / 1000, int(most)), "127.0.0.1", int(port), backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(load(*sys.argv[2:]) if sys.argv[1] == "load" else carrier(*sys.argv[2:]))
