"""Requests that no client library would send, byte by byte at the server that customers talk to.

On SQLite alone: what is tried here ends before the store.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import BadStatusLine, HTTPResponse
from json import loads
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from dispatcher.store.provisioning import Rows
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import provision
from tests.processes import Stage, staged
from tests.web.api import FORM, basic, invitation

PATIENCE: Final = 5.0
COUNT: Final = Statement("select count(*) from messages")
KEPT: Final = Statement("select count(*) from receipts")
TELLS: Final = {
    "request": {"url": "http://127.0.0.1:9/submit"},
    "receipts": {"ref": "json:id", "status": "json:status", "delivered": "delivered", "verify": "none"},
}
HEAD: Final = b"POST /ws/invitation HTTP/1.1\r\n"
WHO: Final = f"Host: localhost\r\nAuthorization: {basic()}\r\n".encode()
KIND: Final = f"Content-Type: {FORM}\r\n".encode()
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: nothing (status 0) where the server hung up."""

    status: int
    kind: str
    body: bytes

    @property
    def code(self) -> int:
        return int(self.json["code"])

    @property
    def json(self) -> dict[str, Any]:
        return dict(loads(self.body))


@dataclass(frozen=True, slots=True)
class Wire:
    """The server's socket, and a look into its database."""

    port: int
    database: Sqlite

    def talk(self, *parts: bytes | float, hang_up: bool = False) -> Said:
        """Send the bytes, with pauses of so many seconds between, and read one answer."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            with suppress(OSError):  # it may answer, and hang up, before it has read all
                for part in parts:
                    if isinstance(part, float):
                        time.sleep(part)
                    else:
                        connection.sendall(part)
                if hang_up:
                    connection.shutdown(socket.SHUT_WR)
            return read(connection)

    def kept(self) -> int:
        with self.database.read() as tx:
            return int(tx.run(KEPT)[0][0])

    def stored(self) -> int:
        with self.database.read() as tx:
            return int(tx.run(COUNT)[0][0])


def read(connection: socket.socket) -> Said:
    answer = HTTPResponse(connection)
    try:
        answer.begin()
        return Said(answer.status, answer.getheader("Content-Type", ""), answer.read())
    except (ConnectionError, BadStatusLine):
        return Said(0, "", b"")
    finally:
        answer.close()


@pytest.fixture(scope="module")
def wire(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder = tmp_path_factory.mktemp("wire")
    path = folder / "dispatcher.db"
    shutil.copy(sqlite_template, path)
    database = Sqlite(path)
    provision(database)
    Rows(database, utc_now).add_connection("told", "generic", TELLS, {})
    settings = {"WEB__WORKERS": 1, "WEB__THREADS": 4}
    with staged(f"sqlite:///{path}", folder, **settings) as stage:
        stage.start("web", "--port", str(stage.port))
        yield Wire(stage.port, database)
        _calm(stage)
    database.close()


def _calm(stage: Stage) -> None:
    assert stage.complaints() == []


def body() -> bytes:
    return urlencode(invitation()).encode()


def sized(content: bytes, length: int | None = None) -> bytes:
    return f"Content-Length: {len(content) if length is None else length}\r\n\r\n".encode() + content


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


LAST: Final = b"0\r\n\r\n"


# --- Bodies that are sent honestly ---------------------------------------------------------------------------------


def test_a_chunked_body(wire: Wire) -> None:
    """Taken whole, or refused for its unknown length."""
    for size in (1, 20, 10_000):
        form = body()
        chunks = [chunk(form[n : n + size]) for n in range(0, len(form), size)]
        assert wire.talk(HEAD, WHO, KIND, CHUNKED, b"\r\n", *chunks, LAST).code in (0, 411)


def test_a_slow_body(wire: Wire) -> None:
    form = body()
    parts = [part for n in range(0, len(form), 20) for part in (0.02, form[n : n + 20])]
    assert wire.talk(HEAD, WHO, KIND, sized(b"", len(form)), *parts).code == 0


def test_a_body_after_100_continue(wire: Wire) -> None:
    assert wire.talk(HEAD, WHO, KIND, b"Expect: 100-continue\r\n", sized(body())).code == 0


def test_two_requests_at_once_on_one_connection(wire: Wire) -> None:
    before = wire.stored()
    with socket.create_connection(("127.0.0.1", wire.port), PATIENCE) as connection:
        connection.sendall((HEAD + WHO + KIND + sized(body())) + (HEAD + WHO + KIND + sized(body())))
        assert read(connection).code == 0
    deadline = time.monotonic() + PATIENCE
    while wire.stored() < before + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert wire.stored() == before + 2


# --- Bodies that are not what they say -----------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 400, 60_000])
def test_a_body_that_ends_before_its_content_length_is_not_taken(wire: Wire, missing: int) -> None:
    """Whoever hangs up half-way may have lost half of the text: nobody shall be sent such a half."""
    before, form = wire.stored(), body()
    said = wire.talk(HEAD, WHO, KIND, sized(form, len(form) + missing), hang_up=True)
    assert said.status in (0, 400)
    assert wire.stored() == before


@pytest.mark.parametrize("last", [b"", b"40\r\nabc", b"ZZ\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n"])
def test_a_chunked_body_that_ends_early_is_not_taken(wire: Wire, last: bytes) -> None:
    before = wire.stored()
    said = wire.talk(HEAD, WHO, KIND, CHUNKED, b"\r\n", chunk(body()), last, hang_up=True)
    assert said.status == 0 or 400 <= said.status < 500
    assert wire.stored() == before


def test_a_body_that_goes_on_after_its_content_length(wire: Wire) -> None:
    before, form = wire.stored(), body()
    said = wire.talk(HEAD, WHO, KIND, sized(form, 20))
    assert (said.status, said.code) == (400, 102)
    assert wire.stored() == before


@pytest.mark.parametrize("length", [65_537, 70_000, 10_000_000])
def test_a_long_body_by_its_content_length(wire: Wire, length: int) -> None:
    before, form = wire.stored(), body() + b"&x="
    said = wire.talk(HEAD, WHO, KIND, sized(form + b"a" * (length - len(form))))
    assert said.status in (0, 413), "or it hung up on what it would not read"
    assert said.status == 0 or said.code == 413
    assert wire.stored() == before


@pytest.mark.parametrize("length", [65_537, 70_000, 10_000_000])
def test_a_long_body_in_chunks(wire: Wire, length: int) -> None:
    """Without a Content-Length it is known too late; what was cut off must not be judged as if it were all."""
    before, form = wire.stored(), body() + b"&x="
    rest = chunk(b"a" * 65_536) * ((length - len(form)) // 65_536) + chunk(b"a" * ((length - len(form)) % 65_536))
    said = wire.talk(HEAD, WHO, KIND, CHUNKED, b"\r\n", chunk(form), rest, LAST)
    assert said.status in (0, 411, 413)
    assert not said.status or said.code == said.status
    assert wire.stored() == before


def test_a_long_body_that_waits_for_100_continue(wire: Wire) -> None:
    said = wire.talk(HEAD, WHO, KIND, b"Expect: 100-continue\r\n", sized(b"", 10_000_000))
    assert (said.status, said.code) == (413, 413)


def test_a_body_of_unknown_length_in_http_1_0(wire: Wire) -> None:
    before = wire.stored()
    said = wire.talk(HEAD.replace(b"1.1", b"1.0"), WHO, KIND, b"\r\n", body(), hang_up=True)
    assert (said.status, said.code) == (400, 102)
    assert wire.stored() == before


# --- What is no HTTP -----------------------------------------------------------------------------------------------

NO_HTTP: Final = {
    "a negative length": HEAD + WHO + KIND + b"Content-Length: -1\r\n\r\n",
    "a length in words": HEAD + WHO + KIND + b"Content-Length: ten\r\n\r\n",
    "an exponent": HEAD + WHO + KIND + b"Content-Length: 1e3\r\n\r\n",
    "a length beyond all": HEAD + WHO + KIND + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "an empty length": HEAD + WHO + KIND + b"Content-Length:\r\n\r\n",
    "two lengths": HEAD + WHO + KIND + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    "a broken chunk": HEAD + WHO + KIND + CHUNKED + b"\r\nZZ\r\nabc\r\n0\r\n\r\n",
    "NUL in a header": HEAD + WHO + KIND + b"X: a\0b\r\n" + sized(b""),
    "a header without a colon": HEAD + WHO + KIND + b"nonsense\r\n" + sized(b""),
    "a space in a header's name": HEAD + WHO + KIND + b"X y: z\r\n" + sized(b""),
    "200 headers": HEAD + WHO + KIND + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + sized(b""),
    "a megabyte of headers": HEAD + WHO + KIND + b"Idempotency-Key: " + b"k" * 1_000_000 + b"\r\n" + sized(b""),
    "raw bytes in the path": b"GET /ws/invitation/\xff\xfe HTTP/1.1\r\n" + WHO + b"\r\n",
    "a space in the path": b"GET /ws/invitation/1 2 HTTP/1.1\r\n" + WHO + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/3.0": b"GET /health HTTP/3.0\r\n" + WHO + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "noise": bytes(range(256)) * 8 + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_turned_away(wire: Wire, request_bytes: bytes) -> None:
    """The server answers these before the application sees them: a 4xx without a body, or it hangs up."""
    before = wire.stored()
    said = wire.talk(request_bytes, hang_up=True)
    assert said.status == 0 or 400 <= said.status < 500
    assert "html" not in said.kind
    assert b"Traceback" not in said.body
    assert wire.stored() == before


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        (b"Idempotency-Key: \xff\xfe\r\n", 400, 101),
        ("Idempotency-Key: schlüssel\r\n".encode(), 400, 101),
        (b"Idempotency-Key: " + b"k" * 10_240 + b"\r\n", 400, 101),
        (b"Idempotency-Key: a\tb\r\n", 400, 101),
        (f"Authorization: {basic()}\r\n".encode(), 401, 100),
    ],
)
def test_headers_that_cannot_be(wire: Wire, header: bytes, status: int, code: int) -> None:
    before = wire.stored()
    said = wire.talk(HEAD, WHO, KIND, header, sized(body()))
    assert (said.status, said.kind, said.code) == (status, "application/json", code)
    assert wire.stored() == before


@pytest.mark.parametrize("value", [b"Basic \xff\xff", b"Basic " + b"\xc3\xa9" * 9, b"\xff", b""])
def test_credentials_in_raw_bytes(wire: Wire, value: bytes) -> None:
    said = wire.talk(HEAD, b"Host: localhost\r\nAuthorization: ", value, b"\r\n", KIND, sized(body()))
    assert (said.status, said.code) == (401, 100)


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (b"GET /ws/invitation/%ff HTTP/1.1", 404, 103),
        (b"GET /ws/invitation/%00 HTTP/1.1", 404, 103),
        (b"GET /ws/invitation/%D9%A1 HTTP/1.1", 404, 103),
        (b"GET /ws/invitation/%ZZ HTTP/1.1", 404, 103),
        (b"GET /ws/invitation/% HTTP/1.1", 404, 103),
        (b"GET /ws/invitation/.. HTTP/1.1", 404, 103),
        (b"GET /ws/invitation/%2e%2e%2f1 HTTP/1.1", 404, 404),
        (b"GET /ws/invitation/../../health HTTP/1.1", 404, 404),
        (b"GET //ws//invitation/1 HTTP/1.1", 404, 404),
        (b"GET /" + b"a" * 30_000 + b" HTTP/1.1", 404, 404),
        (b"OPTIONS * HTTP/1.1", 404, 404),
        (b"TRACE /ws/invitation HTTP/1.1", 405, 405),
        (b"BREW /ws/invitation HTTP/1.1", 405, 405),
    ],
)
def test_request_lines(wire: Wire, line: bytes, status: int, code: int) -> None:
    said = wire.talk(line, b"\r\n", WHO, b"\r\n")
    assert (said.status, said.kind, said.code) == (status, "application/json", code)
    assert said.json.keys() == {"code", "message"}


# --- Hooks, whose senders choose how they send ---------------------------------------------------------------------

HOOK: Final = b"POST /hooks/told HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
TOLD: Final = b'{"id": "7", "status": "delivered"}'


@pytest.mark.parametrize("size", [1, 20, 10_000])
def test_a_hook_in_chunks(wire: Wire, size: int) -> None:
    chunks = [chunk(TOLD[n : n + size]) for n in range(0, len(TOLD), size)]
    assert wire.talk(HOOK, CHUNKED, b"\r\n", *chunks, LAST).status == 204


@pytest.mark.parametrize("last", [b"40\r\nabc", b"ZZ\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n"])
def test_half_a_hook_in_chunks_tells_nothing(wire: Wire, last: bytes) -> None:
    before = wire.kept()
    said = wire.talk(HOOK, CHUNKED, b"\r\n", chunk(TOLD[:-1]), last, hang_up=True)
    assert said.status in (0, 400)
    assert wire.kept() == before


@pytest.mark.parametrize("padding", [100_000, 2_000_000])
def test_a_long_hook(wire: Wire, padding: int) -> None:
    """A carrier may tell of many messages at once, but not without end."""
    body = TOLD + b" " * padding
    chunks = [chunk(body[n : n + 60_000]) for n in range(0, len(body), 60_000)]
    for head in ([sized(body)], [CHUNKED, b"\r\n", *chunks, LAST]):
        assert wire.talk(HOOK, *head).status in ((204,) if padding < 1 << 20 else (0, 413))
