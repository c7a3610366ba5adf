"""A small SMSC on 127.0.0.1: takes binds and submits, tells receipts and replies, and misbehaves as a test asks."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Self

from dispatcher.core.smpp import (
    RESP,
    Address,
    Command,
    Garbled,
    Pdu,
    Short,
    Status,
    read_short,
    short_body,
    take_pdu,
)

PATIENCE = 10.0  # how long a test waits for what must come
BINDS = {Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER}


@dataclass(frozen=True)
class Bind:
    """A bind as it was asked for."""

    kind: Command
    system_id: str
    password: str
    system_type: str
    at: float


@dataclass(frozen=True, eq=False)
class Submit:
    """A submit_sm as it came."""

    session: Session
    sequence: int
    short: Short
    at: float

    @property
    def to(self) -> str:
        return self.short.destination.number

    def answer(self, ref: str = "", status: int = 0) -> None:
        body = b"" if status else ref.encode() + b"\0"
        self.session.send(Pdu(Command.SUBMIT_RESP, self.sequence, body, status))


class Session:
    """One connection of a client."""

    def __init__(self, smsc: Smsc, conn: socket.socket) -> None:
        self.smsc = smsc
        self.kind: Command | None = None
        self.unbound = False
        self.seen: list[Pdu] = []
        self.acked: dict[int, int] = {}  # the statuses of deliver_sm_resp by sequence
        self._conn = conn
        self._sequence = 0
        self._writing = threading.Lock()

    def send(self, pdu: Pdu) -> None:
        self.say(bytes(pdu))

    def say(self, octets: bytes) -> None:
        with self._writing, suppress(OSError):
            self._conn.sendall(octets)

    def close(self) -> None:
        with suppress(OSError):
            self._conn.shutdown(socket.SHUT_RDWR)

    def next(self) -> int:
        with self._writing:
            self._sequence += 1
            return self._sequence

    def deliver(
        self,
        octets: bytes = b"",
        *,
        source: str = "15550001",
        destination: str = "4242",
        esm_class: int = 0,
        data_coding: int = 0,
        tags: Mapping[int, bytes] | None = None,
    ) -> int:
        """A deliver_sm; its sequence."""
        addresses = Address(1, 1, source), Address(0, 0, destination)
        short = Short(*addresses, octets, esm_class, 0, data_coding, tags or {})
        sequence = self.next()
        self.send(Pdu(Command.DELIVER, sequence, short_body(short)))
        return sequence

    def serve(self) -> None:
        buffer, heard = bytearray(), monotonic()
        while True:
            try:
                chunk = self._conn.recv(65_536)
            except TimeoutError:
                if monotonic() - heard > self.smsc.patience:
                    return
                self.send(Pdu(Command.ENQUIRE_LINK, self.next()))
                continue
            if not chunk:
                return
            heard = monotonic()
            buffer += chunk
            while pdu := take_pdu(buffer):
                self.seen.append(pdu)
                self._heed(pdu)
                self.smsc.notify()

    def _heed(self, pdu: Pdu) -> None:
        if pdu.command in BINDS:
            self._bind(pdu)
        elif pdu.command == Command.SUBMIT:
            submit = Submit(self, pdu.sequence, read_short(pdu), monotonic())
            self.smsc.submits.append(submit)
            self.smsc.on_submit(submit)
        elif pdu.command == Command.ENQUIRE_LINK and self.smsc.answers_links:
            self.send(Pdu(pdu.command | RESP, pdu.sequence))
        elif pdu.command == Command.UNBIND:
            self.unbound = True
            self.send(Pdu(Command.UNBIND_RESP, pdu.sequence))
        elif pdu.command == Command.DELIVER | RESP:
            self.acked[pdu.sequence] = pdu.status

    def _bind(self, pdu: Pdu) -> None:
        kind = Command(pdu.command)
        names = [name.decode() for name in pdu.body.split(b"\0")[:3]]
        bind = Bind(kind, names[0], names[1], names[2], monotonic())
        status = self.smsc.on_bind(bind)
        self.smsc.binds.append(bind)
        if status is None:
            return
        if not status:
            self.kind = kind
            self.smsc.opened(self)
        self.send(Pdu(kind | RESP, pdu.sequence, b"smsc\0", status))
        if not status:
            self.smsc.on_bound(self)


class Smsc:
    """`on_bind` gives a status (None: no answer), `on_submit` answers; `patience` is how long a client may be mute.

    `most` is how many sessions were bound at once, the most there ever were.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, patience: float = 60.0, port: int = 0) -> None:
        self.binds: list[Bind] = []
        self.submits: list[Submit] = []
        self.sessions: list[Session] = []
        self.bound: list[Session] = []
        self.most = 0
        self.answers_links = True
        self.patience = patience
        self.on_bind: Callable[[Bind], int | None] = lambda bind: Status.OK
        self.on_bound: Callable[[Session], None] = lambda session: None
        self.on_submit: Callable[[Submit], None] = lambda submit: submit.answer(f"id-{len(self.submits)}")
        self._tls = tls
        self._news = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *ended: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for session in [*self.sessions]:
            session.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def notify(self) -> None:
        with self._news:
            self._news.notify_all()

    def opened(self, session: Session) -> None:
        with self._news:
            self.bound.append(session)
            self.most = max(self.most, len(self.bound))

    def wait(self, what: str, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until this is so."""
        with self._news:
            assert self._news.wait_for(condition, seconds), f"not within {seconds:g} s: {what}"

    def bound_session(self, kind: Command | None = None) -> Session:
        """The newest that is bound, as soon as there is one."""

        def found() -> Session | None:
            return next((s for s in reversed(self.bound) if kind is None or s.kind is kind), None)

        self.wait("a bind", found)
        session = found()
        assert session
        return session

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(lambda conn=conn: self._serve(conn))  # type: ignore[misc]

    def _spawn(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _serve(self, conn: socket.socket) -> None:
        with suppress(OSError, Garbled), conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                conn = self._tls.wrap_socket(conn, server_side=True)
            conn.settimeout(self.patience / 2)
            session = Session(self, conn)
            self.sessions.append(session)
            with conn:
                try:
                    session.serve()
                finally:
                    with self._news:
                        if session in self.bound:
                            self.bound.remove(session)
                        self._news.notify_all()
