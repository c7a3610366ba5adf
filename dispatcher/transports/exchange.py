"""One exchange on an easy handle of libcurl: what goes out, what comes back, and whether anything went out at all.

Nothing is sent twice. When a kept connection ends before the first byte of an answer, libcurl by itself sends the
request again on another one, a POST too (Curl_retry_request in its lib/transfer.c), although the server may have read
and obeyed it, and there is no switch for that. But each time right before the first byte of a request is written it
asks PREREQFUNCTION, and ours agrees once per exchange, and never after `until`. That makes "may have left" exact as
well: an exchange for which it was never asked wrote nothing.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Container, Iterable, Mapping
from time import monotonic
from typing import Final

import pycurl

from dispatcher.core.exchange import Fault, Response
from dispatcher.transports.lanes import LATE, Order

SocketGuard = Callable[[tuple[str, int]], bool]  # asked with (address, port)
NetworkPath = tuple[str, str, int, int]  # of a connection: their address, ours, their port, ours

MOST_HEADER_BYTES: Final = 32_768
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # these say "Content-Length: 0" where others say nothing
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_LINE_END: Final = re.compile(r"[\r\n\0]")


class Exchange:
    """One easy handle with what went out on it and what has come back. Pooled, so load() must set all that differs."""

    order: Order

    def __init__(
        self,
        options: Mapping[int, object],
        most_bytes: int,
        guard: SocketGuard | None,
        ended: Container[NetworkPath],
        written: Callable[[Order], None],
    ) -> None:
        self.curl = pycurl.Curl()
        self._most_bytes = most_bytes
        self._guard = guard
        self._ended = ended
        self._tell_written = written
        for option, value in options.items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.PREREQFUNCTION, self._may_write)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._take_body)
        if guard:
            self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
            self.curl.setopt(pycurl.SOCKOPTFUNCTION, _keep_from_children)

    def load(self, order: Order) -> None:
        """Make the handle ready for this order. Raises whatever it raises if this makes no request."""
        self.order = order
        self.path: NetworkPath | None = None
        self.begun = self.again = self.stale = self.opened = self.overfull = False
        self.refused = ""
        self._lines: list[bytes] = []
        self._chunks: list[bytes] = []
        self._header_room = MOST_HEADER_BYTES
        self._body_room = self._most_bytes
        curl, request = self.curl, order.request
        if not request.method.isalpha():
            raise ValueError("the method is not a word")
        curl.setopt(pycurl.FRESH_CONNECT, 0)
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, _header_lines(request.headers))
        if request.body or request.method in _WITH_BODY:
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDS, request.body)
        else:
            curl.setopt(pycurl.HTTPGET, 1)
            if request.method == "HEAD":
                curl.setopt(pycurl.NOBODY, 1)
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)

    def refresh(self) -> None:
        """Make the handle ready for the same order on a new connection."""
        self.stale = False
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)

    def response(self, code: int, why: str) -> Response:
        """The answer, or after an error of libcurl the fault in its place."""
        headers, whole = _headers(self._lines)
        if code == 0 and not whole:  # libcurl takes the end of the connection for the end of a header
            code, why = pycurl.E_RECV_ERROR, "the answer ended in its header"
        fault = self._fault(code) if code else None
        detail = self._detail(fault, why) if fault else ""
        if not self.begun:
            return Response(fault=fault, detail=detail)
        return Response(int(self.curl.getinfo(pycurl.RESPONSE_CODE)), headers, b"".join(self._chunks), fault, detail)

    def _fault(self, code: int) -> Fault:
        if self.overfull:
            return Fault.OVERSIZED
        if self.begun:
            return Fault.TIMEOUT if code == pycurl.E_OPERATION_TIMEDOUT else Fault.CUT
        if self.refused and not self.opened:
            return Fault.FORBIDDEN
        return Fault.UNSENT if code == pycurl.E_ABORTED_BY_CALLBACK else Fault.UNREACHABLE

    def _detail(self, fault: Fault, why: str) -> str:
        if fault is Fault.FORBIDDEN:
            return f"{self.refused} is not an address that may be called"
        if fault is Fault.OVERSIZED:
            return f"the answer is longer than {self._most_bytes} bytes, or its header than {MOST_HEADER_BYTES}"
        if fault is Fault.UNSENT:
            return LATE.detail
        if self.again:
            return "a kept connection ended without an answer, after the request may have been read"
        return why

    def _may_write(self, *path: *NetworkPath) -> int:
        """Whether libcurl may write the request now: once, in time, and to no address that the guard refuses."""
        self.again = self.begun
        if self.begun or self.order.is_late(monotonic()):
            return int(pycurl.PREREQFUNC_ABORT)
        if path in self._ended:
            self.stale = True
            return int(pycurl.PREREQFUNC_ABORT)
        if self._guard and not self._guard((path[0], path[2])):  # a kept connection is looked at again too
            self.refused, self.opened = path[0], False
            return int(pycurl.PREREQFUNC_ABORT)
        self.path = path
        self.begun = True
        self._tell_written(self.order)
        return int(pycurl.PREREQFUNC_OK)

    def _take_header(self, line: bytes) -> int | None:
        self._header_room -= len(line)
        if self._header_room < 0:
            self.overfull = True
            return 0
        self._lines.append(line)
        return None

    def _take_body(self, chunk: bytes) -> int | None:
        if len(chunk) > self._body_room:
            self._chunks.append(chunk[: self._body_room])
            self.overfull = True
            return 0
        self._body_room -= len(chunk)
        self._chunks.append(chunk)
        return None

    def _open_socket(self, _purpose: int, peer: tuple[int, int, int, tuple[str, int]]) -> socket.socket | int:
        family, kind, protocol, address = peer
        if family not in _FAMILIES or not (self._guard and self._guard(address[:2])):
            self.refused = str(address[0])
            return int(pycurl.SOCKET_BAD)
        self.opened = True
        return _LentSocket(family, kind, protocol)


class _LentSocket(socket.socket):
    """A socket of which pycurl duplicates the descriptor, and which it then drops without closing it."""

    def __del__(self) -> None:
        self.close()


def _keep_from_children(descriptor: int, _purpose: int) -> int:
    """Pycurl's duplicate is inheritable, unlike what libcurl opens itself."""
    os.set_inheritable(descriptor, False)
    return int(pycurl.SOCKOPT_OK)


def _header_lines(headers: Mapping[str, str]) -> list[str]:
    """The header as libcurl wants it; without a value a name ends in a semicolon, or libcurl would leave it out."""
    lines = ["Expect:"]  # no waiting for 100 Continue
    typed = False
    for name, value in headers.items():
        lines.append(f"{name}: {value}" if value.strip() else f"{name};")
        typed = typed or name.lower() == "content-type"
    if _LINE_END.search("".join(lines)):
        raise ValueError("a header holds the end of a line")
    if not typed:
        lines.append("Content-Type:")  # nor the type of a form for what is none
    return lines


def _headers(lines: Iterable[bytes]) -> tuple[dict[str, str], bool]:
    """The header of the last answer (informational ones may precede it) and whether it came to its end.

    Names are in lower case, repeated ones joined.
    """
    headers: dict[str, str] = {}
    whole = False
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers.clear()
            whole = False
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        else:  # the empty line; any other without a colon makes libcurl fail
            whole = True
    return headers, whole
