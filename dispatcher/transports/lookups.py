"""Lookups over HTTP, by `requests`: a few threads, each with its question; see engine.lookups.

Whatever the other side does, a question ends: an answer that is not there in time, drips, has no end or leads elsewhere
is none. Certificates are verified, no redirect is followed, and no credential is sent that the words do not name.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from socket import SHUT_RDWR
from threading import Event, Lock, Timer
from time import monotonic
from typing import Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse, HTTPResponse

from dispatcher.core.exchange import Fault, Request, Response

MOST_BYTES: Final = 65_536
CHUNK: Final = 16_384


def _watched(connection: HTTPConnection, answer: Callable[[], HTTPResponse]) -> HTTPResponse:
    """The head of an answer. A single read is timed already; this ends one that drips, in twice as long."""
    late = Event()

    def hang_up() -> None:
        late.set()
        if (line := connection.sock) is not None:
            with suppress(OSError):  # it ended by itself
                line.shutdown(SHUT_RDWR)

    seconds = connection.timeout
    watch = Timer(2 * seconds if isinstance(seconds, int | float) else 60.0, hang_up)
    watch.daemon = True
    watch.start()
    try:
        head = answer()
    finally:
        watch.cancel()
    if late.is_set():  # http.client takes the end of a connection for the end of a head
        head.close()
        raise TimeoutError
    return head


class _Plain(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself has it
        return _watched(self, super().getresponse)


class _Secure(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself has it
        return _watched(self, super().getresponse)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class RequestsAsker:
    """Asks with so many threads."""

    def __init__(self, *, slots: int, timeout: float, user_agent: str) -> None:
        """`timeout` seconds for the connection, then for each read; five times as long at most for all of it."""
        self._slots = slots
        self._timeout = timeout
        self._free = slots
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="lookup")
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=slots)
        adapter.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def room(self) -> int:
        """How many more may be begun now."""
        return self._free

    def start(self, request: Request, then: Callable[[Response], None]) -> None:
        """Begin in a thread that is free, or the first that will be; `then` is called there exactly once."""
        with self._lock:
            self._free -= 1
        self._threads.submit(self._exchange, request, then)

    def close(self) -> None:
        """End when what is under way has ended; nothing new may be begun."""
        self._threads.shutdown()
        self._session.close()

    def _exchange(self, request: Request, then: Callable[[Response], None]) -> None:
        try:
            response = self._ask(request)
        except (
            Exception
        ) as error:  # such as a URL that requests refuses: whoever waits gets an answer, and no word of the error
            response = Response(fault=Fault.UNREACHABLE, detail=f"makes no request: {type(error).__name__}")
        with self._lock:
            self._free += 1
        then(response)

    def _ask(self, request: Request) -> Response:
        """One exchange. The words of requests' own errors hold the address, with the number, so they are not kept."""
        try:
            with self._session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body or None,
                auth=_as_it_is,
                allow_redirects=False,
                stream=True,
                timeout=self._timeout,
            ) as answer:
                return self._read(answer)
        except requests.exceptions.SSLError:
            return Response(fault=Fault.UNREACHABLE, detail="TLS failed")
        except requests.exceptions.ConnectTimeout:
            return Response(fault=Fault.UNREACHABLE, detail="no connection in time")
        except (requests.exceptions.Timeout, ReadTimeoutError):
            return Response(fault=Fault.TIMEOUT, detail="no answer in time")
        except (requests.exceptions.ConnectionError, HTTPError) as error:
            refused = "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)
            fault = Fault.UNREACHABLE if refused else Fault.CUT
            return Response(fault=fault, detail="no connection" if refused else "the connection broke")

    def _read(self, answer: requests.Response) -> Response:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        raw: BaseHTTPResponse = answer.raw
        until, body = monotonic() + self._timeout, b""
        while chunk := raw.read1(CHUNK, decode_content=True):
            body += chunk
            if len(body) > MOST_BYTES:
                return Response(answer.status_code, headers, b"", Fault.OVERSIZED, "an answer without end")
            if monotonic() > until:
                return Response(answer.status_code, headers, b"", Fault.TIMEOUT, "no end of the answer in time")
        return Response(answer.status_code, headers, body)


def _as_it_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """What requests is told to authenticate by, else it takes what a .netrc holds for that host."""
    return prepared
