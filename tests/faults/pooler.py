"""A pool by transaction between its clients and PostgreSQL, as PgBouncer with pool_mode = transaction is one.

Each transaction gets the connection that was not used for the longest time, and nothing is reset between them: what
one client leaves behind, another finds. What would not work behind PgBouncer is told by `trespasses`.
"""

from __future__ import annotations

import asyncio
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from psycopg.conninfo import conninfo_to_dict

SERVERS: Final = 3
STARTUP: Final = 196_608  # version 3.0 of the protocol
CANCEL: Final = 80_877_102
REFUSED: Final = (80_877_103, 80_877_104)  # requests for TLS and for GSSAPI
OK: Final = b"R" + struct.pack("!ii", 8, 0)
KEY: Final = b"K" + struct.pack("!iii", 12, 0, 0)
FLUSH: Final = b"H" + struct.pack("!i", 4)
READY: Final = b"Z" + struct.pack("!ic", 5, b"I")
OF_SESSION: Final = re.compile(
    rb"^\s*(listen|unlisten|set (?!local|transaction)|prepare|declare)|pg_advisory_lock", re.I
)


@dataclass
class Server:
    """A connection to PostgreSQL, and what it says of itself."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes = b""


@dataclass
class Client:
    """A client, with the server that its transaction has."""

    writer: asyncio.StreamWriter
    server: Server | None = None
    answers: int = 0  # how often a server is still to say that it is ready
    open: bool = False  # whether something was sent that no answer was asked for yet
    pump: asyncio.Task[None] | None = None


@dataclass
class Pooler:
    """The pool of one database."""

    path: str
    user: str
    name: str
    trespasses: list[str] = field(default_factory=list)
    transactions: int = 0
    url: str = ""
    _free: asyncio.Queue[Server] = field(default_factory=asyncio.Queue)
    _greeting: bytes = b""
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, started: threading.Event, ended: asyncio.Event) -> None:
        """Serve until it is ended."""
        for _ in range(SERVERS):
            self._free.put_nowait(await self._connect())
        door = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        self.url = f"postgresql://{self.user}@127.0.0.1:{door.sockets[0].getsockname()[1]}/{self.name}"
        started.set()
        await ended.wait()
        door.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        while not self._free.empty():
            self._free.get_nowait().writer.close()

    async def _connect(self) -> Server:
        server = Server(*await asyncio.open_unix_connection(self.path))
        said = f"user\0{self.user}\0database\0{self.name}\0\0".encode()
        server.writer.write(struct.pack("!ii", 8 + len(said), STARTUP) + said)
        while (message := await _message(server.reader))[:1] != b"Z":
            if message[:1] == b"S":
                self._greeting += message
            assert message[:1] != b"E", message
        return server

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        client = Client(writer)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if await _started(reader, writer):
                writer.write(OK + self._greeting + KEY + READY)
                while (message := await _message(reader))[:1] != b"X":
                    await self._forward(client, message)
        if client.pump is not None:
            client.pump.cancel()
        if client.server is not None:  # amid a transaction, which ends with its connection
            client.server.writer.close()
            with suppress(OSError, asyncio.IncompleteReadError):
                self._free.put_nowait(await self._connect())
        writer.close()
        self._serving.discard(task)

    async def _forward(self, client: Client, message: bytes) -> None:
        self._look(message)
        if client.server is None:
            if message == FLUSH:  # of what was answered already
                return
            client.server = await self._free.get()
            self.transactions += 1
            client.pump = asyncio.get_running_loop().create_task(self._pump(client, client.server))
        if message != FLUSH:
            asks = message[:1] in (b"Q", b"S")
            client.answers += asks
            client.open = not asks
        client.server.writer.write(message)
        await client.server.writer.drain()

    async def _pump(self, client: Client, server: Server) -> None:
        """Hand back what the server says, until its transaction is over."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                message = await _message(server.reader)
                if message[:1] == b"Z":
                    client.answers -= 1
                    if message[5:] == b"I" and not client.answers and not client.open:
                        client.server = None
                        self._free.put_nowait(server)
                client.writer.write(message)
                if client.server is None:
                    return
        client.writer.close()  # the server went away

    def _look(self, message: bytes) -> None:
        """Whether it leaves something on the connection that its transaction does not take away."""
        if message[:1] == b"P":
            name, _, text = message[5:].partition(b"\0")
            if name:
                self.trespasses.append(f"prepared {text[:60]!r}")
        elif message[:1] == b"Q":
            text = message[5:]
        else:
            return
        if OF_SESSION.search(text):
            self.trespasses.append(f"said {text[:60]!r}")


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


async def _started(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether a client begins a session."""
    while True:
        length, code = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        if code not in REFUSED:
            return bool(code != CANCEL)
        writer.write(b"N")


@contextmanager
def pooler(url: str) -> Iterator[Pooler]:
    """A pool before this database, in a thread of its own."""
    parts = conninfo_to_dict(url)
    path = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    made = Pooler(path, str(parts.get("user") or "postgres"), str(parts["dbname"]))
    started, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(made.run(started, ended),))
    thread.start()
    try:
        assert started.wait(10)
        yield made
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
