"""Questions over real sockets: whatever the other side does, each ends soon, with an answer or the reason for none."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

import pytest
import trustme

from dispatcher.core.exchange import Fault, Request, Response
from tests.carriers.stand import Stand
from tests.lookups.asking import AGENT, PATIENCE, asked, asker

Serve = Callable[[socket.socket], None]
SOON = 0.4  # seconds: the timeout of those who are to run into it


@contextmanager
def listening(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server of one connection that does what it likes with it; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with suppress(OSError):
                line, _ = server.accept()
                with line if context is None else context.wrap_socket(line, server_side=True) as talk:
                    serve(talk)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"{'https' if context else 'http'}://127.0.0.1:{server.getsockname()[1]}/x"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()


def answering(*parts: bytes, pause: float = 0.0, hold: bool = False) -> Serve:
    """Read the request, then write these, pausing between; with `hold`, wait until the other side hangs up."""

    def serve(line: socket.socket) -> None:
        line.recv(65_536)
        for part in parts:
            line.sendall(part)
            time.sleep(pause)
        if hold:
            line.settimeout(PATIENCE)
            line.recv(1)

    return serve


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIP = [bytes([byte]) for byte in HEAD * 40]
MISDEEDS: list[tuple[str, Serve, Response]] = [
    ("silent", answering(hold=True), Response(fault=Fault.TIMEOUT, detail="no answer in time")),
    ("cut", answering(), Response(fault=Fault.CUT, detail="the connection broke")),
    ("no HTTP", answering(b"\x00\x01\x02\r\n\r\n"), Response(fault=Fault.CUT, detail="the connection broke")),
    ("a head by the byte", answering(*DRIP, pause=0.05), Response(fault=Fault.TIMEOUT)),
    ("cut amid the body", answering(HEAD + b"Content-Length: 9\r\n\r\n{}"), Response(fault=Fault.CUT)),
    ("a body that stops", answering(HEAD + b"Content-Length: 9\r\n\r\n{}", hold=True), Response(fault=Fault.TIMEOUT)),
    (
        "a body by the byte",
        answering(HEAD + b"Content-Length: 9999\r\n\r\n", *[b"x"] * 200, pause=0.05),
        Response(200, fault=Fault.TIMEOUT),
    ),
    (
        "a body without end",
        answering(HEAD + b"Content-Length: 9999999\r\n\r\n", *[b"x" * 65_536] * 20),
        Response(200, fault=Fault.OVERSIZED),
    ),
]


@pytest.mark.parametrize(("serve", "told"), [case[1:] for case in MISDEEDS], ids=[case[0] for case in MISDEEDS])
def test_no_misdeed_holds_a_question(serve: Serve, told: Response) -> None:
    begun = time.monotonic()
    with listening(serve) as url:
        found = asked(Request("GET", url), timeout=SOON)
        assert (found.fault, found.status) == (told.fault, told.status)
        assert time.monotonic() - begun < PATIENCE / 2
    assert "127.0.0.1" not in found.detail, "the address may name a number"


def test_a_bomb_of_compressed_zeros_is_cut() -> None:
    import gzip  # noqa: PLC0415

    body = gzip.compress(bytes(50_000_000))
    with Stand(Response(200, {"Content-Encoding": "gzip"}, body)) as stand:
        assert asked(Request("GET", stand.url)).fault is Fault.OVERSIZED


def test_a_redirect_is_not_followed() -> None:
    with Stand(Response(200)) as elsewhere, Stand(Response(301, {"Location": elsewhere.url})) as stand:
        assert asked(Request("GET", stand.url)).status == 301
        assert elsewhere.seen == []


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert asked(Request("GET", f"http://127.0.0.1:{port}/")).fault is Fault.UNREACHABLE
    assert asked(Request("GET", "http://no.such.host.invalid/")).fault is Fault.UNREACHABLE


@pytest.mark.parametrize("request_", [Request("GET", "nonsense"), Request("GET", "http://x/", {"A": "b\nc"})])
def test_what_is_no_request(request_: Request, caplog: pytest.LogCaptureFixture) -> None:
    assert asked(request_).fault is Fault.UNREACHABLE
    assert caplog.text == ""


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    body = answering(HEAD + b"Content-Length: 2\r\n\r\n{}")
    with listening(body, context) as url:
        assert asked(Request("GET", url)).fault is Fault.UNREACHABLE
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with listening(body, context) as url:
        assert asked(Request("GET", url)).body == b"{}"


def test_only_what_is_said_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what a .netrc holds for that host, nor a cookie of an earlier answer."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    answers: SimpleQueue[Response] = SimpleQueue()
    with Stand(Response(200, {"Set-Cookie": "a=b"}, b"{}")) as stand, asker() as one:
        for _ in range(2):
            one.start(Request("GET", stand.url, {"X-Key": "k"}), answers.put)
            assert answers.get(timeout=PATIENCE).body == b"{}"
    for seen in stand.seen:
        assert (seen.headers["x-key"], seen.headers["user-agent"]) == ("k", AGENT)
        assert not seen.headers.keys() & {"authorization", "cookie"}


def test_room_is_what_is_free() -> None:
    held, answers = threading.Event(), SimpleQueue[Response]()

    def answer(_: object) -> Response:
        held.wait(PATIENCE)
        return Response(204)

    with Stand(answer) as stand, asker(slots=2) as one:
        assert one.room() == 2
        for left in (1, 0):
            one.start(Request("GET", stand.url), answers.put)
            assert one.room() == left
        held.set()
        assert [answers.get(timeout=PATIENCE).status for _ in range(2)] == [204, 204]
        assert one.room() == 2
