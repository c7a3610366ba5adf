"""HttpTransport against real sockets on 127.0.0.1: whatever a server does, each exchange is answered once, truly."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import inf
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Self

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.engine.transport import Paced
from dispatcher.transports.exchange import MOST_HEADER_BYTES
from dispatcher.transports.http import HttpTransport
from dispatcher.transports.lanes import Lanes, Order

PATIENCE = 10.0  # how long a test waits for what must come
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Seen:
    """A request as the server read it, whole."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float


Act = Callable[["Server", socket.socket], bool]  # what to do with a request that was read; whether to read on


def say(data: bytes, *, keep: bool = True) -> Act:
    def act(_server: Server, conn: socket.socket) -> bool:
        conn.sendall(data)
        return keep

    return act


def close(_server: Server, _conn: socket.socket) -> bool:
    return False


def reset(_server: Server, conn: socket.socket) -> bool:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang(server: Server, conn: socket.socket) -> bool:
    """No answer until the test lets go."""
    server.let_go.wait(PATIENCE)
    with suppress(OSError):
        conn.sendall(OK)
    return True


class Server:
    """Does with each request what comes next in its script, and `otherwise` when that is used up."""

    def __init__(self, *script: Act, otherwise: Act | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.let_go = threading.Event()
        self.greet: Callable[[Server, socket.socket], object] = lambda server, conn: None  # before a byte is read
        self.closed = 0
        self._script = deque(script)
        self._otherwise = otherwise or say(OK)
        self._tls = tls
        self._news = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self.stop_listening()
        for conn in list(self._open):
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait(self, condition: Callable[[Server], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: condition(self), PATIENCE)

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            for number in range(100_000):
                conn, _ = self._listener.accept()
                self._open.add(conn)
                self._spawn(partial(self._serve, conn, number))

    def _serve(self, conn: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):  # the latter when what comes is no HTTP
            self.greet(self, conn)
            if self._tls:
                self._open.discard(conn)
                conn = self._tls.wrap_socket(conn, server_side=True)
                self._open.add(conn)
            self._converse(conn, number)
        self._open.discard(conn)
        conn.close()
        with self._news:
            self.closed += 1
            self._news.notify_all()

    def _converse(self, conn: socket.socket, number: int) -> None:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with conn.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode().split(" ")
                headers = {}
                while (line := stream.readline().rstrip()) != b"":
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", 0)))
                with self._news:
                    self.seen.append(Seen(method, target, headers, body, number, monotonic()))
                    act = self._script.popleft() if self._script else self._otherwise
                    self._news.notify_all()
                if not act(self, conn):
                    return


make = partial(HttpTransport, connect_timeout=5.0, timeout=PATIENCE, user_agent="dispatcher/test")


class Answers:
    """A `then` for many exchanges: who was answered, and with what."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[int, Response]] = SimpleQueue()

    def then(self, number: int = 0) -> Callable[[Response], None]:
        return lambda response: self._queue.put((number, response))

    def take(self, count: int = 1) -> dict[int, Response]:
        """The next answers; that there are no more is looked at by none_left()."""
        got = [self._queue.get(timeout=PATIENCE) for _ in range(count)]
        assert max(Counter(number for number, _ in got).values(), default=1) == 1
        return dict(got)

    def none_left(self) -> bool:
        return self._queue.empty()


def ask(transport: HttpTransport, request: Request, *, lane: str = "a", at: float = 0.0) -> Response:
    answers = Answers()
    transport.start(request, answers.then(), lane=lane, at=at)
    return answers.take()[0]


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    with make() as transport:
        yield transport


# --- what goes out, what comes back ---


def test_an_exchange(transport: HttpTransport) -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nX-Id: 7\r\nVia: a\r\nvia:b\r\nContent-Length: 5\r\n\r\n\xff{id}"
    with Server(say(answer)) as server:
        request = Request("POST", server.url("/send?to=%2B1"), {"Authorization": "Basic eA==", "X-Empty": ""}, b"a=1")
        response = ask(transport, request)
    assert response == Response(202, {"x-id": "7", "via": "a, b", "content-length": "5"}, b"\xff{id}")
    [seen] = server.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/send?to=%2B1", b"a=1")
    assert seen.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "dispatcher/test",
        "accept": "*/*",
        "authorization": "Basic eA==",
        "x-empty": "",
        "content-length": "3",
    }


def test_a_handle_used_again_keeps_nothing_of_the_last_request() -> None:
    kinds = [
        ("POST", b"one"), ("GET", b""), ("PUT", b"two"), ("DELETE", b""), ("HEAD", b""), ("POST", b""), ("HEAD", b""),
        ("PATCH", b"three"), ("DELETE", b"four"), ("GET", b""), ("HEAD", b""), ("GET", b""), ("PUT", b""),
    ]  # fmt: skip
    with Server() as server, make(slots=1) as transport:
        for number, (method, body) in enumerate(kinds):
            headers = {"Content-Type": "text/x"} if number == 0 else {}
            response = ask(transport, Request(method, server.url(f"/{number}"), headers, body))
            assert (response.status, response.fault) == (200, None)
            assert response.body == (b"" if method == "HEAD" else b"ok")
            if method == "HEAD":  # the "ok" that our simple server says after it would disturb the next
                assert server.seen[-1].headers.get("content-length") is None
    assert [(seen.method, seen.body) for seen in server.seen] == kinds
    assert [seen.headers.get("content-type") for seen in server.seen] == ["text/x", *[None] * (len(kinds) - 1)]
    lengths = {(seen.method, seen.headers.get("content-length")) for seen in server.seen if not seen.body}
    assert lengths == {("GET", None), ("DELETE", None), ("HEAD", None), ("POST", "0"), ("PUT", "0")}


def test_a_large_body_goes_out_at_once(transport: HttpTransport) -> None:
    body = bytes(3_000_000)
    with Server() as server:
        assert ask(transport, Request("POST", server.url(), {}, body)).status == 200
    assert server.seen[0].body == body
    assert "expect" not in server.seen[0].headers


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "http://127.0.0.1:{port}/", {"X": "a\r\nY: b"}),
        Request("GET", "http://127.0.0.1:{port}/", {"X\n": "a"}),
        Request("GET", "http://127.0.0.1:{port}/", {"X": "é"}),
        Request("GET", "http://127.0.0.1:{port}/é"),
        Request("GET", "http://127.0.0.1:{port}/a b"),
        Request("GET", "http://127.0.0.1:{port}/a\r\nX: b"),
        Request("GET", "http://127.0.0.1:99999/"),
        Request("GET / HTTP/1.1\r\nX:", "http://127.0.0.1:{port}/"),
        Request("GET", "ftp://127.0.0.1:{port}/"),
        Request("GET", "file:///etc/passwd"),
        Request("GET", ""),
    ],
    ids=lambda request: f"{request.method[:4]} {request.url} {dict(request.headers)}",
)
def test_what_makes_no_request_is_not_sent(transport: HttpTransport, request_: Request) -> None:
    with Server() as server:
        url = request_.url.replace("{port}", str(server.port))
        response = ask(transport, Request(request_.method, url, request_.headers))
        assert (response.status, response.fault) == (0, Fault.UNREACHABLE)
        assert response.detail
        assert server.seen == []
        assert ask(transport, Request("GET", server.url())).status == 200


def test_only_the_last_of_several_answers_counts(transport: HttpTransport) -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early: Hints\r\nLink: x\r\n\r\n"
    with Server(say(early + OK)) as server:
        response = ask(transport, Request("POST", server.url(), {}, b"x"))
    assert response == Response(200, {"content-length": "2"}, b"ok")


def test_lines_of_a_header_that_are_no_fields(transport: HttpTransport) -> None:
    with Server(say(b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok")) as server:
        response = ask(transport, Request("GET", server.url()))
    assert (response.status, response.body, response.headers["content-length"]) == (200, b"ok", "2")


def test_chunks_and_trailers(transport: HttpTransport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n"
    with Server(say(chunked)) as server:
        response = ask(transport, Request("GET", server.url()))
    assert (response.body, response.headers["x-t"]) == (b"ok!", "1")


def test_redirects_are_not_followed(transport: HttpTransport) -> None:
    with Server() as other, Server() as server:
        server._script.append(
            say(f"HTTP/1.1 302 Found\r\nLocation: {other.url()}\r\nContent-Length: 0\r\n\r\n".encode())
        )
        response = ask(transport, Request("POST", server.url(), {}, b"x"))
    assert (response.status, response.fault, response.headers["location"]) == (302, None, other.url())
    assert (len(server.seen), other.seen) == (1, [])


@pytest.mark.parametrize("status", [204, 304, 400, 401, 407, 408, 417, 429, 500, 503])
def test_every_status_is_an_answer(transport: HttpTransport, status: int) -> None:
    with Server(say(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())) as server:
        response = ask(transport, Request("POST", server.url(), {"Authorization": "Basic eA=="}, b"x"))
    assert (response.status, response.fault, len(server.seen)) == (status, None, 1)


def test_the_environment_names_no_proxy(transport: HttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as proxy, Server() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url())
        assert ask(transport, Request("GET", server.url())).status == 200
    assert (len(server.seen), proxy.seen) == (1, [])


def test_connections_are_kept(transport: HttpTransport) -> None:
    with Server() as server:
        for _ in range(20):
            assert ask(transport, Request("POST", server.url(), {}, b"x")).status == 200
    assert {seen.connection for seen in server.seen} == {0}


# --- limits ---


def test_a_body_up_to_the_cap() -> None:
    with Server(otherwise=say(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + bytes(2000))) as server:
        with make(most_bytes=2000) as transport:
            assert ask(transport, Request("GET", server.url())).body == bytes(2000)
        with make(most_bytes=1999) as transport:
            response = ask(transport, Request("GET", server.url()))
    assert (response.status, response.fault, response.body) == (200, Fault.OVERSIZED, bytes(1999))


def test_a_body_without_an_end() -> None:
    def pour(_server: Server, conn: socket.socket) -> bool:
        conn.sendall(b"HTTP/1.1 201 Created\r\n\r\n")
        while True:  # until the other side has had enough
            conn.sendall(bytes(65_536))

    with Server(pour) as server, make(most_bytes=100_000) as transport:
        response = ask(transport, Request("GET", server.url()))
        assert (response.status, response.fault, len(response.body)) == (201, Fault.OVERSIZED, 100_000)
        assert ask(transport, Request("GET", server.url())).status == 200


def test_a_header_without_an_end(transport: HttpTransport) -> None:
    header = b"HTTP/1.1 200 OK\r\n" + b"X-Much: 0123456789\r\n" * (MOST_HEADER_BYTES // 20 + 1)
    with Server(say(header)) as server:
        response = ask(transport, Request("GET", server.url()))
    assert (response.status, response.fault, response.headers["x-much"][:10]) == (200, Fault.OVERSIZED, "0123456789")


# --- what goes wrong ---


def test_no_answer_in_time() -> None:
    with Server(otherwise=hang) as server, make(timeout=0.1) as transport:
        response = ask(transport, Request("POST", server.url(), {}, b"x"))
        assert (response.status, response.fault, len(server.seen)) == (0, Fault.TIMEOUT, 1)


def test_half_an_answer_in_time() -> None:
    def half(server: Server, conn: socket.socket) -> bool:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
        return hang(server, conn)

    with Server(half) as server, make(timeout=0.1) as transport:
        response = ask(transport, Request("POST", server.url(), {}, b"x"))
        assert (response.status, response.fault, response.body) == (200, Fault.TIMEOUT, b"ok")


def test_connection_refused(transport: HttpTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    response = ask(transport, Request("POST", f"http://127.0.0.1:{port}/", {}, b"x"))
    assert (response.status, response.fault) == (0, Fault.UNREACHABLE)
    assert "connect" in response.detail.lower()


def test_a_name_that_does_not_resolve() -> None:
    with make(connect_timeout=1.0) as transport:
        response = ask(transport, Request("POST", "http://no-such-host.invalid/", {}, b"x"))
    assert (response.status, response.fault) == (0, Fault.UNREACHABLE)


def test_a_handshake_that_hangs_is_surely_not_sent() -> None:
    with Server(otherwise=hang) as server, make(connect_timeout=0.1) as transport:
        server.greet = hang
        response = ask(transport, Request("POST", server.url(scheme="https"), {}, b"x"))
    assert (response.status, response.fault, server.seen) == (0, Fault.UNREACHABLE, [])


def test_a_server_that_speaks_no_tls(transport: HttpTransport) -> None:
    with Server() as server:
        server.greet = say(b"220 ready\r\n")
        response = ask(transport, Request("POST", server.url(scheme="https"), {}, b"x"))
    assert (response.status, response.fault) == (0, Fault.UNREACHABLE)


BROKEN = [
    ("closed after reading", close, 0),
    ("reset after reading", reset, 0),
    ("half a status line", say(b"HTTP/1.", keep=False), 0),
    ("half a header", say(b"HTTP/1.1 200 OK\r\nContent-", keep=False), 200),
    ("half a body", say(b"HTTP/1.1 201 OK\r\nContent-Length: 10\r\n\r\nok", keep=False), 201),
    ("half a chunk", say(b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", keep=False), 201),
    ("no chunk", say(b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok", keep=False), 201),
    ("two lengths", say(b"HTTP/1.1 201 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", keep=False), 201),
    ("another protocol", say(b"220 smtp.example ESMTP\r\n", keep=False), 0),
    ("noise", say(bytes(range(256)) * 4, keep=False), 0),
]


@pytest.mark.parametrize(("act", "status"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_that_is_none(transport: HttpTransport, method: str, act: Act, status: int, kept: bool) -> None:
    body = b"x" if method == "POST" else b""
    with Server(*[say(OK)] * kept, act) as server:
        for _ in range(kept):
            assert ask(transport, Request("POST", server.url("/before"), {}, b"x")).status == 200
        response = ask(transport, Request(method, server.url("/now"), {}, body))
        assert (response.status, response.fault) == (status, Fault.CUT)
        assert response.detail
        assert [seen.target for seen in server.seen].count("/now") == 1
        assert ask(transport, Request("POST", server.url("/after"), {}, b"x")).status == 200


def test_a_connection_that_is_reset_before_anything_was_read(transport: HttpTransport) -> None:
    def hang_up(server: Server, conn: socket.socket) -> None:
        reset(server, conn)
        conn.close()

    with Server() as server:
        server.greet = hang_up
        response = ask(transport, Request("POST", server.url(), {}, b"x"))
    # It may come before libcurl has even seen that it is connected; afterwards nobody can tell what was read.
    assert response.fault in {Fault.CUT, Fault.UNREACHABLE}
    assert response.status == 0


# --- nothing is sent twice ---


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
@pytest.mark.parametrize("kept", [1, 3], ids=["no other kept connection", "others kept"])
@pytest.mark.parametrize(
    ("method", "body"), [("POST", b"x"), ("POST", b""), ("GET", b""), ("PUT", b"x"), ("DELETE", b"")]
)
def test_a_kept_connection_that_ends_after_reading(
    transport: HttpTransport, method: str, body: bytes, kept: int, end: Act
) -> None:
    """By itself libcurl would send it again here, be it on a new connection or on another kept one."""
    answers = Answers()
    with Server(*[hang] * kept, end) as server:
        for number in range(kept):
            transport.start(Request("POST", server.url("/before"), {}, b"x"), answers.then(number), lane="a")
        server.wait(lambda server: len(server.seen) == kept)
        server.let_go.set()
        answers.take(kept)
        response = ask(transport, Request(method, server.url("/now"), {}, body))
        assert (response.status, response.fault) == (0, Fault.CUT)
        assert response.detail == "a kept connection ended without an answer, after the request may have been read"
        assert [seen.target for seen in server.seen].count("/now") == 1
        assert server.seen[-1].connection < kept  # it went out on a kept one


def test_a_kept_connection_that_ends_when_nobody_listens_any_more(transport: HttpTransport) -> None:
    """The fresh connection that libcurl then tries is refused, which must not read as if nothing had been sent."""

    def leave(server: Server, conn: socket.socket) -> bool:
        server.stop_listening()
        return reset(server, conn)

    with Server(say(OK), leave) as server:
        assert ask(transport, Request("POST", server.url(), {}, b"x")).status == 200
        response = ask(transport, Request("POST", server.url(), {}, b"x"))
    assert (response.fault, len(server.seen)) == (Fault.CUT, 2)


def test_a_kept_connection_that_ended_before_is_not_used(transport: HttpTransport) -> None:
    with Server(say(OK, keep=False)) as server:
        assert ask(transport, Request("POST", server.url(), {}, b"x")).status == 200
        server.wait(lambda server: server.closed == 1)
        for _ in range(2):
            assert ask(transport, Request("POST", server.url(), {}, b"x")).status == 200
    assert [seen.connection for seen in server.seen] == [0, 1, 1]


def test_many_kept_connections_that_ended_before_are_not_used(transport: HttpTransport) -> None:
    """By itself libcurl looks at most once a second whether a kept connection is alive."""

    def hang_up(server: Server, conn: socket.socket) -> bool:
        hang(server, conn)
        return False

    answers, total = Answers(), 20
    with Server(*[hang_up] * total) as server:
        for path in ("/before", "/now"):
            for number in range(total):
                transport.start(Request("POST", server.url(path), {}, b"x"), answers.then(number), lane="a")
            server.wait(lambda server: len(server.seen) >= total)
            server.let_go.set()
            assert {response.status for response in answers.take(total).values()} == {200}
            server.wait(lambda server: server.closed == total)
    assert len(server.seen) == 2 * total


def test_a_flapping_server_reads_each_request_at_most_once() -> None:
    ends: list[Act] = [say(OK), say(OK), close, say(OK), reset, say(OK, keep=False), say(OK)]
    answers, total = Answers(), 600
    with Server(*ends * 80) as server, make(slots=16) as transport:
        for number in range(total):
            transport.start(Request("POST", server.url(f"/{number}"), {}, b"x"), answers.then(number), lane="a")
        got = answers.take(total)
        assert answers.none_left()
    arrivals = Counter(seen.target for seen in server.seen)
    assert max(arrivals.values()) == 1
    for number, response in got.items():
        assert response.fault in (None, Fault.CUT)
        assert response.fault or arrivals[f"/{number}"] == 1
    assert sum(response.fault is Fault.CUT for response in got.values()) > 50


# --- TLS ---


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_tls(tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file = str(tmp_path / "ca.pem")
    with Server(tls=tls) as server:
        request = Request("POST", server.url(host="localhost", scheme="https"), {}, b"x")
        with make(ca_file=ca_file) as transport:
            assert [ask(transport, request).status for _ in range(3)] == [200, 200, 200]
            wrong_name = ask(transport, Request("POST", server.url(scheme="https"), {}, b"x"))
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with make() as transport:
            unknown = ask(transport, request)
        monkeypatch.setenv("SSL_CERT_FILE", ca_file)
        with make() as transport:
            assert ask(transport, request).status == 200
    assert (wrong_name.status, wrong_name.fault) == (0, Fault.UNREACHABLE)
    assert (unknown.status, unknown.fault) == (0, Fault.UNREACHABLE)
    assert [seen.connection for seen in server.seen[:3]] == [0, 0, 0]
    assert len(server.seen) == 4


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
def test_a_kept_tls_connection_that_ends_after_reading(tls: ssl.SSLContext, tmp_path: Path, end: Act) -> None:
    with Server(say(OK), end, tls=tls) as server, make(ca_file=str(tmp_path / "ca.pem")) as transport:
        request = Request("POST", server.url(host="localhost", scheme="https"), {}, b"x")
        assert ask(transport, request).status == 200
        assert ask(transport, request).fault is Fault.CUT
        assert len(server.seen) == 2
        assert ask(transport, request).status == 200


# --- lanes and slots ---


def test_a_hung_lane_delays_no_other() -> None:
    hung, quick = Answers(), Answers()
    with Server(otherwise=hang) as dead, Server() as server, make(slots=4, lane_slots=2) as transport:
        for number in range(6):
            transport.start(Request("POST", dead.url(), {}, b"x"), hung.then(number), lane="dead")
        dead.wait(lambda dead: len(dead.seen) == 2)
        for number in range(50):
            transport.start(Request("POST", server.url(), {}, b"x"), quick.then(number), lane="alive")
        assert {response.status for response in quick.take(50).values()} == {200}
        assert (len(dead.seen), hung.none_left()) == (2, True)
        dead.let_go.set()
        assert {response.status for response in hung.take(6).values()} == {200}


def test_no_more_than_the_slots_are_in_flight() -> None:
    answers = Answers()
    with Server(otherwise=hang) as server, make(slots=3) as transport:
        assert transport.room() == 3
        for number in range(5):
            transport.start(Request("POST", server.url(), {}, b"x"), answers.then(number), lane=f"lane {number}")
            assert transport.room() == max(0, 2 - number)
        server.wait(lambda server: len(server.seen) == 3)
        server.let_go.set()
        answers.take(5)
        assert len({seen.connection for seen in server.seen}) <= 3
        assert transport.room() == 3


def test_a_slot_is_free_before_the_answer_is_handed_over() -> None:
    rooms: SimpleQueue[int] = SimpleQueue()
    with Server() as server, make(slots=1) as transport:
        transport.start(Request("GET", server.url()), lambda _: rooms.put(transport.room()), lane="a")
        assert rooms.get(timeout=PATIENCE) == 1


def order(lane: str) -> Order:
    return Order(Request("GET", "http://x/"), lambda _: None, lane, 0.0, 1.0)


@given(st.lists(st.one_of(st.sampled_from("abc"), st.none(), st.integers(0, 9)), max_size=60))
def test_lanes_keep_to_their_caps_and_lose_nobody(steps: list[str | int | None]) -> None:
    """A letter puts someone in that lane, None lets one begin, a number ends one that is in flight or lapses one."""
    lanes = Lanes(slots=4, lane_slots=2)
    flying: list[Order] = []
    waiting: list[Order] = []
    for step in steps:
        if isinstance(step, str):
            waiting.append(order(step))
            lanes.put(waiting[-1])
        elif step is None:
            taken = lanes.take()
            held = Counter(one.lane for one in flying)
            able = [one for one in waiting if held[one.lane] < 2] if len(flying) < 4 else []
            assert (taken in able) if able else taken is None
            if taken:
                assert taken is next(one for one in waiting if one.lane == taken.lane)  # in each lane first come, first
                taken.gone = True
                waiting.remove(taken)
                flying.append(taken)
        elif flying and step < 5:
            lanes.release(flying.pop(step % len(flying)).lane)
        elif waiting:
            waiting.pop(step % len(waiting)).gone = True
        assert lanes.in_flight == len(flying)
    assert Counter(map(id, lanes.dismiss())) == Counter(map(id, waiting))


def test_lanes_take_turns() -> None:
    lanes = Lanes(slots=9, lane_slots=9)
    for lane in "aaaaab":
        lanes.put(order(lane))
    assert [taken.lane for taken in iter(lanes.take, None)] == list("abaaaa")


# --- at and until ---


def test_at() -> None:
    answers, total = Answers(), 30
    with Server() as server, make() as transport:
        ask(transport, Request("GET", server.url()))
        begin = monotonic() + 0.02
        due = {f"/{number}": begin + number * 0.005 for number in range(total)}
        for number, (target, at) in reversed(list(enumerate(due.items()))):
            transport.start(Request("GET", server.url(target)), answers.then(number), lane="a", at=at)
        assert transport.room() == 256 - total
        answers.take(total)
    late = sorted(seen.at - due[seen.target] for seen in server.seen[1:])
    assert late[0] >= 0  # never early
    assert late[len(late) // 2] < 0.02  # about 1 ms on a machine at rest; a busy one must not fail here


def test_the_same_instant_keeps_the_order() -> None:
    answers = Answers()
    with Server() as server, make(slots=1) as transport:
        at = monotonic() + 0.02
        for number in range(20):
            transport.start(Request("GET", server.url(f"/{number}")), answers.then(number), lane="a", at=at)
        answers.take(20)
    assert [seen.target for seen in server.seen] == [f"/{number}" for number in range(20)]


def test_too_late_to_begin(transport: HttpTransport) -> None:
    answers = Answers()
    now = monotonic()
    with Server() as server:
        request = Request("POST", server.url(), {}, b"x")
        transport.start(request, answers.then(0), lane="a", until=now)
        transport.start(request, answers.then(1), lane="a", at=now + 60, until=now + 60)
        transport.start(request, answers.then(2), lane="a", at=now + 60, until=now - 60)
        got = answers.take(3)
    assert {(response.status, response.fault) for response in got.values()} == {(0, Fault.UNSENT)}
    assert server.seen == []


def test_who_waits_too_long_for_a_slot_is_not_sent() -> None:
    hung, waiting = Answers(), Answers()
    with Server(otherwise=hang) as server, make(lane_slots=1) as transport:
        transport.start(Request("POST", server.url("/first"), {}, b"x"), hung.then(), lane="a")
        until = monotonic() + 0.05
        for number in range(3):
            request = Request("POST", server.url("/late"), {}, b"x")
            transport.start(request, waiting.then(number), lane="a", at=until - 0.02 * number, until=until)
        got = waiting.take(3)
        assert monotonic() >= until
        assert {response.fault for response in got.values()} == {Fault.UNSENT}
        server.let_go.set()
        assert hung.take()[0].status == 200
        assert ask(transport, Request("POST", server.url("/next"), {}, b"x")).status == 200
    assert [seen.target for seen in server.seen] == ["/first", "/next"]


def test_who_began_in_time_is_not_answered_again() -> None:
    hung, second = Answers(), Answers()
    with Server(hang) as server, make(lane_slots=1) as transport:
        until = monotonic() + 0.2
        transport.start(Request("POST", server.url(), {}, b"x"), hung.then(), lane="a")
        transport.start(Request("POST", server.url(), {}, b"x"), second.then(), lane="a", until=until)
        server.wait(lambda server: len(server.seen) == 1)
        server.let_go.set()
        assert hung.take()[0].status == 200
        assert second.take()[0].status in {0, 200}  # 0 on a machine so busy that it took that long
        assert ask(transport, Request("POST", server.url(), {}, b"x"), at=until).status == 200
        assert second.none_left()


def test_a_handshake_that_ends_after_until_is_not_sent(tls: ssl.SSLContext, tmp_path: Path) -> None:
    answers = Answers()
    with Server(tls=tls) as server, make(ca_file=str(tmp_path / "ca.pem")) as transport:
        until = monotonic() + 0.1

        def dawdle(server: Server, _conn: socket.socket) -> None:
            while (rest := until - monotonic()) > 0:
                server.let_go.wait(rest)

        server.greet = dawdle
        request = Request("POST", server.url(host="localhost", scheme="https"), {}, b"x")
        transport.start(request, answers.then(), lane="a", until=until)
        response = answers.take()[0]
    assert (response.status, response.fault, server.seen) == (0, Fault.UNSENT, [])


def test_those_who_waited_and_began_are_forgotten() -> None:
    answers, total = Answers(), 4000
    with Server() as server, make(slots=8) as transport:
        for number in range(total):
            request = Request("GET", server.url())
            transport.start(request, answers.then(number), lane="a", until=monotonic() + 3600)
        answers.take(total)
        ask(transport, Request("GET", server.url()))
        assert len(transport._lapses) <= 1100


# --- pace ---


class Begins:
    """A guard that allows everything, and knows when each request was about to be written."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self, _address: tuple[str, int]) -> bool:
        self.at.append(monotonic())
        return True


def test_exchanges_of_one_pace_begin_apart_and_hold_up_no_other() -> None:
    answers, begins, rest = Answers(), Begins(), 0.03
    with Server() as server, make(slots=1, socket_guard=begins) as transport:
        ask(transport, Request("GET", server.url()))  # opens the connection, of which the guard is asked as well
        before = len(begins.at)
        for number in range(4):
            paced = Paced(7, rest, inf)
            transport.start(Request("GET", server.url(f"/{number}")), answers.then(number), lane="a", paced=paced)
        answers.take(4)
    assert [seen.target for seen in server.seen[1:]] == ["/0", "/1", "/2", "/3"]
    gaps = [after - earlier for earlier, after in pairwise(begins.at[before:])]
    assert min(gaps) >= rest


def test_those_who_wait_for_their_pace_hold_no_slot() -> None:
    answers = Answers()
    with Server() as server, make(slots=1) as transport:
        for number in range(3):
            transport.start(Request("GET", server.url()), answers.then(number), lane="a", paced=Paced(7, 3600.0, inf))
        assert ask(transport, Request("GET", server.url("/other"))).status == 200


def test_a_pace_counts_from_when_a_request_is_written_however_long_its_connection_took(
    tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """Each opens a connection of its own, the first the slowest: none may overtake another, or come too close."""
    answers, begins, rest = Answers(), Begins(), 0.05
    waits = deque([0.2, 0.1, 0.0])
    with (
        Server(otherwise=close, tls=tls) as server,
        make(ca_file=str(tmp_path / "ca.pem"), socket_guard=begins) as transport,
    ):
        server.greet = lambda server, _: server.let_go.wait(waits.popleft())
        for number in range(3):
            request = Request("POST", server.url(f"/{number}", host="localhost", scheme="https"), {}, b"x")
            transport.start(request, answers.then(number), lane="a", paced=Paced(7, rest, inf))
        answers.take(3)
    assert [seen.target for seen in server.seen] == ["/0", "/1", "/2"]
    written = begins.at[1::2]  # of each it is asked when its connection is opened, and again before it is written
    assert min(after - before for before, after in pairwise(written)) >= rest


def test_a_connection_that_opens_too_late_for_a_pace_is_not_written_on(tls: ssl.SSLContext, tmp_path: Path) -> None:
    answers = Answers()
    with Server(tls=tls) as server, make(ca_file=str(tmp_path / "ca.pem")) as transport:
        latest = monotonic() + 0.1

        def dawdle(server: Server, _conn: socket.socket) -> None:
            while (rest := latest - monotonic()) > -0.01:
                server.let_go.wait(max(rest, 0.01))

        server.greet = dawdle
        request = Request("POST", server.url(host="localhost", scheme="https"), {}, b"x")
        transport.start(request, answers.then(0), lane="a", paced=Paced(7, 0.0, latest))
        transport.start(request, answers.then(1), lane="a", paced=Paced(7, 0.0, inf))
        found = answers.take(2)
    assert (found[0].fault, found[1].status) == (Fault.UNSENT, 200), "and who stood behind it goes on"
    assert len(server.seen) == 1


def test_paces_of_different_keys_know_nothing_of_one_another() -> None:
    answers = Answers()
    with Server() as server, make() as transport:
        for number in range(3):
            paced = Paced(number, 3600.0, inf)
            transport.start(Request("GET", server.url()), answers.then(number), lane="a", paced=paced)
        assert {response.status for response in answers.take(3).values()} == {200}


@pytest.mark.parametrize("limit", ["latest", "until"])
def test_who_would_begin_too_late_for_its_pace_is_not_sent_and_answered_once(limit: str) -> None:
    answers = Answers()
    with Server() as server:
        with make(slots=1) as transport:
            first = Request("POST", server.url("/first"), {}, b"x")
            transport.start(first, answers.then(0), lane="a", paced=Paced(7, 3600.0, inf))
            assert answers.take()[0].status == 200
            until = monotonic() + 0.05
            second = Request("POST", server.url("/second"), {}, b"x")
            paced = Paced(7, 3600.0, until if limit == "latest" else inf)
            transport.start(second, answers.then(1), lane="a", until=inf if limit == "latest" else until, paced=paced)
            assert answers.take()[1].fault is Fault.UNSENT
            assert ask(transport, Request("GET", server.url("/next"))).status == 200, "the slot is free"
            assert transport.room() == 1
        assert answers.none_left()
    assert [seen.target for seen in server.seen] == ["/first", "/next"]


def test_who_waits_for_its_pace_is_answered_when_the_transport_closes() -> None:
    answers = Answers()
    with Server() as server, make() as transport:
        for number in range(3):
            transport.start(Request("GET", server.url()), answers.then(number), lane="a", paced=Paced(7, 3600.0, inf))
        assert answers.take()[0].status == 200
        transport.close()
        assert [response.fault for response in answers.take(2).values()] == [Fault.UNSENT] * 2
    assert answers.none_left()


# --- many, and what the receivers do ---


def test_thousands_at_once() -> None:
    answers, total = Answers(), 3000
    with Server() as server, make(slots=64, lane_slots=32) as transport:
        for number in range(total):
            request = Request("POST", server.url(f"/{number}"), {}, b"x")
            transport.start(request, answers.then(number), lane=str(number % 7))
        assert {response.status for response in answers.take(total).values()} == {200}
        assert answers.none_left()
        assert transport.room() == 64
    assert len(server.seen) == total
    assert len({seen.connection for seen in server.seen}) <= 64


def test_many_threads_start() -> None:
    answers = Answers()
    with Server() as server, make(slots=16) as transport:

        def work(first: int) -> None:
            for number in range(first, first + 100):
                transport.start(Request("GET", server.url()), answers.then(number), lane="a")

        threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 800, 100)]
        for thread in threads:
            thread.start()
        assert len(answers.take(800)) == 800
        for thread in threads:
            thread.join()


def test_a_receiver_may_start_the_next(transport: HttpTransport) -> None:
    last: SimpleQueue[Response] = SimpleQueue()
    with Server() as server:

        def then(left: int, response: Response) -> None:
            if left:
                transport.start(Request("GET", server.url()), partial(then, left - 1), lane="a")
            else:
                last.put(response)

        transport.start(Request("GET", server.url()), partial(then, 100), lane="a")
        assert last.get(timeout=PATIENCE).status == 200
    assert len(server.seen) == 101


def test_a_receiver_that_fails_harms_nobody(transport: HttpTransport, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Response) -> None:
        raise RuntimeError("no more room")

    with Server() as server, caplog.at_level(logging.ERROR):
        transport.start(Request("GET", server.url()), fail, lane="a lane")
        assert ask(transport, Request("GET", server.url())).status == 200
        transport.close()
        transport.start(Request("GET", server.url()), fail, lane="a lane")
    assert [record.getMessage() for record in caplog.records] == ["an answer of lane a lane was not taken"] * 2


# --- the end ---


def test_close_lets_what_is_in_flight_come_home() -> None:
    home, waiting, after = Answers(), Answers(), Answers()
    with Server(otherwise=hang) as server:
        transport = make(lane_slots=1).__enter__()
        request = Request("POST", server.url(), {}, b"x")
        transport.start(request, home.then(), lane="a")
        server.wait(lambda server: len(server.seen) == 1)
        transport.start(request, waiting.then(0), lane="a")
        transport.start(request, waiting.then(1), lane="b", at=monotonic() + 60)
        transport.start(request, waiting.then(2), lane="a", until=monotonic() + 60)
        closing = threading.Thread(target=transport.close, args=(PATIENCE,))
        closing.start()
        assert {response.fault for response in waiting.take(3).values()} == {Fault.UNSENT}
        transport.start(request, after.then(), lane="b")
        assert after.take()[0].fault is Fault.UNSENT
        assert home.none_left()
        server.let_go.set()
        closing.join(PATIENCE)
        assert not closing.is_alive()
        assert home.take()[0].status == 200
        transport.close()
    assert len(server.seen) == 1


def test_close_gives_up_after_the_grace(tls: ssl.SSLContext) -> None:
    answers = Answers()
    with Server(otherwise=hang) as server, Server(tls=tls) as shy:
        shy.greet = hang
        with make() as transport:
            transport.start(Request("POST", server.url(), {}, b"x"), answers.then(0), lane="a")
            transport.start(Request("POST", shy.url(scheme="https"), {}, b"x"), answers.then(1), lane="b")
            server.wait(lambda server: len(server.seen) == 1)
            begin = monotonic()
            transport.close(grace=0.05)
            assert 0.05 <= monotonic() - begin < PATIENCE
            got = answers.take(2)
            assert answers.none_left()
    assert (got[0].fault, got[1].fault) == (Fault.CUT, Fault.UNSENT)  # the second stood in its handshake


def test_close_may_be_called_by_a_receiver() -> None:
    answers, done = Answers(), threading.Event()
    with Server() as server, make() as transport:

        def then(_: Response) -> None:
            transport.close(0)
            done.set()

        transport.start(Request("GET", server.url()), then, lane="a")
        assert done.wait(PATIENCE)
        transport.start(Request("GET", server.url()), answers.then(), lane="a")
        assert answers.take()[0].fault is Fault.UNSENT


def test_before_and_after_its_time_nothing_is_sent() -> None:
    answers, transport = Answers(), make()
    transport.start(Request("GET", "http://127.0.0.1/"), answers.then(), lane="a")
    assert answers.take()[0].fault is Fault.UNSENT
    assert transport.room() == 0
    with transport:
        assert transport.room() == 256
    assert transport.room() == 0
    transport.start(Request("GET", "http://127.0.0.1/"), answers.then(), lane="a")
    assert answers.take()[0].fault is Fault.UNSENT
    with pytest.raises(RuntimeError, match="only once"):
        transport.__enter__()


def test_a_mistake_of_our_own_still_answers_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers()
    with Server(otherwise=hang) as server, make(lane_slots=1) as transport, caplog.at_level(logging.CRITICAL):
        request = Request("POST", server.url(), {}, b"x")
        transport.start(request, answers.then(0), lane="a")
        server.wait(lambda server: len(server.seen) == 1)
        transport.start(request, answers.then(1), lane="a")
        monkeypatch.setattr(transport, "_reap", lambda: 1 / 0)
        transport.start(request, answers.then(2), lane="a", at=monotonic() + 60)
        got = answers.take(3)
        transport.start(request, answers.then(), lane="a")
        assert answers.take()[0].fault is Fault.UNSENT
    assert [got[number].fault for number in range(3)] == [Fault.CUT, Fault.UNSENT, Fault.UNSENT]
    assert "mistake" in caplog.text


def test_nothing_is_left_open() -> None:
    with Server() as server:
        before = open_descriptors()
        with make() as transport:
            ask(transport, Request("GET", server.url()))
            assert open_descriptors() > before
        server.wait(lambda server: server.closed == 1)
        assert open_descriptors() == before


def open_descriptors() -> int:
    poller = select.poll()
    for descriptor in range(256):
        poller.register(descriptor, 0)
    return 256 - sum(bool(events & select.POLLNVAL) for _, events in poller.poll(0))
