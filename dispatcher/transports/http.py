"""HTTP for carriers and callbacks: hundreds of exchanges in flight over one libcurl multi handle, in one thread.

Nothing is sent twice. When a kept connection ends before the first byte of an answer, libcurl by itself sends the
request again on another one, a POST too (Curl_retry_request in its lib/transfer.c), although the server may have read
and obeyed it, and there is no switch for that. But each time right before the first byte of a request is written it
asks PREREQFUNCTION, and ours agrees once per exchange, and never after `until`. That makes "may have left" exact as
well: an exchange for which it was never asked wrote nothing.
"""

from __future__ import annotations

import logging
import os
import re
import select
import socket
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from threading import Lock, Thread, current_thread
from time import monotonic
from types import TracebackType
from typing import Final, Self

import certifi
import pycurl

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.engine.transport import Paced

SocketGuard = Callable[[tuple[str, int]], bool]  # asked with (address, port)
_Path = tuple[str, str, int, int]  # of a connection: their address, ours, their port, ours

MOST_HEADER_BYTES: Final = 32_768
# Many servers close a kept connection after 5 s without use. A request that crosses such a close is in doubt, for
# nobody knows whether it was read, so ours are given up earlier.
IDLE_SECONDS: Final = 4
LIFETIME_SECONDS: Final = 60  # so that a moved name is noticed on busy connections too
LONGEST_SLEEP_MS: Final = 60_000

_OPTIONS: Final[Mapping[int, object]] = {
    pycurl.NOSIGNAL: 1,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.HTTP09_ALLOWED: 0,
    pycurl.FOLLOWLOCATION: 0,
    pycurl.PROXY: "",  # with NOPROXY, else http_proxy and its like are obeyed, and a guard sees the proxy only
    pycurl.NOPROXY: "*",
    pycurl.SSL_VERIFYPEER: 1,
    pycurl.SSL_VERIFYHOST: 2,
    pycurl.TCP_NODELAY: 1,
    pycurl.MAXAGE_CONN: IDLE_SECONDS,
    pycurl.MAXLIFETIME_CONN: LIFETIME_SECONDS,
}
_GUARDED: Final[Mapping[int, object]] = {pycurl.DNS_CACHE_TIMEOUT: 0}  # what was allowed a minute ago may have moved

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # these say "Content-Length: 0" where others say nothing
_FAULTY: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL
_INTERESTS: Final = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_LINE_END: Final = re.compile(r"[\r\n\0]")
_TIDY_FROM: Final = 1024
_CLOSED: Final = "the transport is closed"
_LATE: Final = Response(fault=Fault.UNSENT, detail="not begun in time")
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Order:
    """What start() was asked to do. `gone` once it is begun or answered; the heap of those who wait forgets it then."""

    request: Request
    then: Callable[[Response], None]
    lane: str
    at: float
    until: float
    paced: Paced | None = None
    gone: bool = False

    def is_late(self, now: float) -> bool:
        """Whether it may no longer be written."""
        return now >= self.until or (self.paced is not None and now > self.paced.latest)


class _Lanes:
    """Who waits for a slot, and how many slots each lane holds. Lanes take turns; a full one holds up no other."""

    def __init__(self, slots: int, lane_slots: int) -> None:
        self.in_flight = 0
        self._slots = slots
        self._lane_slots = lane_slots
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[_Order]] = {}
        self._turns: deque[str] = deque()  # the lanes in which somebody waits and which are not full

    def put(self, order: _Order) -> None:
        waiting = self._waiting.get(order.lane)
        if waiting is None:
            waiting = self._waiting[order.lane] = deque()
            if self._held.get(order.lane, 0) < self._lane_slots:
                self._turns.append(order.lane)
        waiting.append(order)

    def take(self) -> _Order | None:
        """The next that may begin; it holds a slot until its lane is released. None when nobody may."""
        while self._turns and self.in_flight < self._slots:
            lane = self._turns.popleft()
            waiting = self._waiting[lane]
            order = waiting.popleft()
            held = self._held.get(lane, 0) + (not order.gone)
            if not waiting:
                del self._waiting[lane]
            elif held < self._lane_slots:
                self._turns.append(lane)
            if not order.gone:
                self._held[lane] = held
                self.in_flight += 1
                return order
        return None

    def release(self, lane: str) -> None:
        held = self._held.pop(lane) - 1
        if held:
            self._held[lane] = held
        self.in_flight -= 1
        if held == self._lane_slots - 1 and lane in self._waiting:
            self._turns.append(lane)

    def dismiss(self) -> list[_Order]:
        """All who still wait, and no longer do."""
        left = [order for waiting in self._waiting.values() for order in waiting if not order.gone]
        self._waiting.clear()
        self._turns.clear()
        return left


class _Exchange:
    """One easy handle with what went out on it and what has come back. Pooled, so load() must set all that differs."""

    order: _Order

    def __init__(
        self,
        options: Mapping[int, object],
        most_bytes: int,
        guard: SocketGuard | None,
        ended: Container[_Path],
        written: Callable[[_Order], None],
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

    def load(self, order: _Order) -> None:
        """Make the handle ready for this order. Raises whatever it raises if this makes no request."""
        self.order = order
        self.path: _Path | None = None
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
            return _LATE.detail
        if self.again:
            return "a kept connection ended without an answer, after the request may have been read"
        return why

    def _may_write(self, *path: *_Path) -> int:
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


class HttpTransport:
    """The Transport port over libcurl. A context manager: its thread runs inside the `with`.

    At most `slots` exchanges are in flight, and `lane_slots` of any lane; whoever finds none free waits. Redirects are
    not followed, no proxy is used whatever the environment says, certificates are checked against `ca_file`, else
    SSL_CERT_FILE, else certifi. A `socket_guard` is asked about each address before it is connected to.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        timeout: float,
        user_agent: str,
        slots: int = 256,
        lane_slots: int = 256,
        most_bytes: int = 65_536,
        socket_guard: SocketGuard | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._slots = slots
        self._lanes = _Lanes(slots, lane_slots)
        self._most_bytes = most_bytes
        self._guard = socket_guard
        self._options: dict[int, object] = {
            pycurl.CONNECTTIMEOUT_MS: max(1, round(connect_timeout * 1000)),  # 0 would mean no limit
            pycurl.TIMEOUT_MS: max(1, round(timeout * 1000)),
            pycurl.USERAGENT: user_agent,
            pycurl.CAINFO: ca_file or os.environ.get("SSL_CERT_FILE") or certifi.where(),
            **_OPTIONS,
            **(_GUARDED if socket_guard else {}),
        }
        self._lock = Lock()  # over what start(), close() and the end of the thread share
        self._running = False
        self._asleep = False
        self._accepted = 0
        self._answered = 0
        self._inbox: deque[_Order] = deque()
        self._serial = count()  # a heap keeps the order of what is due at the same instant
        self._later: list[tuple[float, int, _Order]] = []  # by `at`
        self._rests: dict[int, float] = {}  # until when a pace lets nobody begin; one entry for each key ever used
        self._unwritten: dict[int, _Order] = {}  # of a pace, the one that has begun and is not written yet
        self._behind: dict[int, list[_Order]] = {}  # and who waits for that, since its connection may be slow to open
        self._lapses: list[tuple[float, int, _Order]] = []  # of those who wait for a slot, by `until`
        self._pool: list[_Exchange] = []
        self._flying: dict[pycurl.Curl, _Exchange] = {}
        self._watched: set[int] = set()  # the descriptors that libcurl waits for; the rest of the poller is kept idle
        self._paths: dict[int, _Path] = {}  # what connection answered last on a descriptor
        self._ended: set[_Path] = set()  # kept connections that the other side has ended
        self._stop_at = inf
        self._ear, self._bell = -1, -1
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        if self._thread:
            raise RuntimeError("a transport runs only once")
        self._ear, self._bell = os.pipe()
        self._poller = select.poll()
        self._poller.register(self._ear, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._slots)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._thread = Thread(target=self._run, name="http-transport", daemon=True)
        self._running = True
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self,
        request: Request,
        then: Callable[[Response], None],
        *,
        lane: str,
        at: float = 0.0,
        until: float = inf,
        paced: Paced | None = None,
    ) -> None:
        """Begin the exchange at `at`, as the port says. A transport that does not run answers UNSENT here and now."""
        order = _Order(request, then, lane, at, until, paced)
        with self._lock:
            if accepted := self._running:
                self._accepted += 1
                self._inbox.append(order)
                if self._asleep:
                    self._asleep = False
                    os.write(self._bell, b"!")
        if not accepted:
            _hand_over(order, Response(fault=Fault.UNSENT, detail=_CLOSED))

    def room(self) -> int:
        """How many more exchanges may be started now without waiting for a slot; those that wait for `at` count."""
        return max(0, self._slots - (self._accepted - self._answered)) if self._running else 0

    def close(self, grace: float = 5.0) -> None:
        """Take nothing new, let what is in flight come home for `grace` seconds, then give it up; all is answered."""
        with self._lock:
            self._running = False
            self._stop_at = min(self._stop_at, monotonic() + grace)
            if self._bell >= 0:
                os.write(self._bell, b"!")
        if self._thread and self._thread is not current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._running or (self._flying and monotonic() < self._stop_at):
                self._turn()
        except BaseException:  # whatever went wrong, those who wait for an answer get one
            _log.critical("the HTTP transport stopped by a mistake of its own", exc_info=True)
        finally:
            self._end()

    def _turn(self) -> None:
        """One round of the thread: wait, read and write, answer, begin."""
        self._asleep = True  # before the look into the inbox: who comes after the look rings the bell
        ready = self._poller.poll(0 if self._inbox else self._pause())
        self._asleep = False
        for descriptor, events in ready:
            self._drive(descriptor, events)
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._reap()
        if self._running:
            self._begin_next(self._collect())
        else:
            self._dismiss()

    def _pause(self) -> float:
        """Milliseconds until something is due."""
        due = self._stop_at
        if self._later:
            due = min(due, self._later[0][0])
        if self._lapses:
            due = min(due, self._lapses[0][0])
        pause = min(max(0.0, (due - monotonic()) * 1000), LONGEST_SLEEP_MS)
        timer = int(self._multi.timeout())  # asked for, since telling M_TIMERFUNCTION takes the GIL for each request
        return pause if timer < 0 else min(pause, timer)

    def _watch(self, interest: int, descriptor: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        if interest == pycurl.POLL_REMOVE:
            self._watched.discard(descriptor)
            self._poller.register(descriptor, select.POLLIN)  # if it is kept, its end is of interest; see _drive
        else:
            self._watched.add(descriptor)
            self._poller.register(descriptor, _INTERESTS.get(interest, 0))

    def _drive(self, descriptor: int, events: int) -> None:
        if descriptor in self._watched:
            bits = pycurl.CSELECT_IN if events & (select.POLLIN | _FAULTY) else 0
            if events & (select.POLLOUT | _FAULTY):
                bits |= pycurl.CSELECT_OUT
            self._multi.socket_action(descriptor, bits)
        elif descriptor == self._ear:
            os.read(self._ear, 4096)
        else:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        """Have no request written to this kept connection: something came on it unasked, most likely its end.

        libcurl (8.23) looks at most once a second whether a kept connection is alive, and a request written to a dead
        one is in doubt. The descriptor may also be closed by now, or another's: then no connection of that path is
        left, and no harm is done.
        """
        self._poller.unregister(descriptor)
        if path := self._paths.get(descriptor):
            self._ended.add(path)

    def _reap(self) -> None:
        more = 1
        while more:
            more, done, failed = self._multi.info_read()
            for curl in done:
                self._land(curl, 0, "")
            for curl, code, why in failed:
                self._land(curl, code, why)

    def _land(self, curl: pycurl.Curl, code: int, why: str) -> None:
        exchange = self._flying[curl]
        if exchange.stale:
            self._multi.remove_handle(curl)
            exchange.refresh()
            self._multi.add_handle(curl)
            return
        order, response = exchange.order, exchange.response(code, why)
        if exchange.path:
            self._note(exchange.path, curl.getinfo(pycurl.ACTIVESOCKET))
        self._multi.remove_handle(curl)
        del self._flying[curl]
        self._pool.append(exchange)
        self._lanes.release(order.lane)
        self._let_next(order)
        self._answer(order, response)

    def _note(self, path: _Path, descriptor: int) -> None:
        """Remember which connection a descriptor is; what was there before is gone."""
        before = self._paths.get(descriptor)
        if descriptor >= 0 and before != path:
            self._paths[descriptor] = path
            if before:
                self._ended.discard(before)

    def _collect(self) -> list[_Order]:
        """Those whose time has come, put in line; those whose time is over are answered."""
        now = monotonic()
        due = []
        for _ in range(len(self._inbox)):
            order = self._inbox.popleft()
            if order.at > now and order.at < order.until:
                heappush(self._later, (order.at, next(self._serial), order))
            else:
                due.append(order)
        while self._later and self._later[0][0] <= now:
            order = heappop(self._later)[2]
            if not order.gone:
                due.append(order)
        for order in due:
            if max(now, order.at) >= order.until:
                self._answer(order, _LATE)
            else:
                self._lanes.put(order)
        while self._lapses and self._lapses[0][0] <= now:
            order = heappop(self._lapses)[2]
            if not order.gone:
                self._answer(order, _LATE)
        return due

    def _begin_next(self, newcomers: Sequence[_Order]) -> None:
        while order := self._lanes.take():
            if self._may_begin(order):
                self._begin(order)
            else:
                self._lanes.release(order.lane)
        for order in newcomers:
            if not order.gone and order.until < inf:
                heappush(self._lapses, (order.until, next(self._serial), order))
        if len(self._lapses) > _TIDY_FROM + 2 * (self._accepted - self._answered):  # most have begun since
            self._lapses = [lapse for lapse in self._lapses if not lapse[2].gone]
            heapify(self._lapses)

    def _may_begin(self, order: _Order) -> bool:
        """Whether its pace lets it begin now; else it is put off, or answered where it is too late already."""
        if order.paced is None:
            return True
        now, rests_until = monotonic(), self._rests.get(order.paced.key, 0.0)
        if max(now, rests_until) > order.paced.latest:
            self._answer(order, _LATE)
        elif order.paced.key in self._unwritten:
            self._behind.setdefault(order.paced.key, []).append(order)
        elif rests_until > now:
            heappush(self._later, (rests_until, next(self._serial), order))
        else:
            return True
        return False

    def _written(self, order: _Order) -> None:
        if order.paced is not None:
            self._rests[order.paced.key] = monotonic() + order.paced.rest
            self._let_next(order)

    def _let_next(self, order: _Order) -> None:
        """Let those of the same pace go on that stood behind this one until it was written, or will never be."""
        if order.paced is not None and self._unwritten.get(order.paced.key) is order:
            key = order.paced.key
            del self._unwritten[key]
            for each in self._behind.pop(key, ()):
                heappush(self._later, (self._rests.get(key, 0.0), next(self._serial), each))

    def _begin(self, order: _Order) -> None:
        order.gone = True
        exchange = self._pool.pop() if self._pool else self._new_exchange()
        try:
            exchange.load(order)
            self._multi.add_handle(exchange.curl)
        except Exception as error:
            self._pool.append(exchange)
            self._lanes.release(order.lane)
            self._answer(order, Response(fault=Fault.UNREACHABLE, detail=f"makes no request: {error}"))
        else:
            self._flying[exchange.curl] = exchange
            if order.paced is not None:
                self._unwritten[order.paced.key] = order

    def _new_exchange(self) -> _Exchange:
        return _Exchange(self._options, self._most_bytes, self._guard, self._ended, self._written)

    def _answer(self, order: _Order, response: Response) -> None:
        order.gone = True
        self._answered += 1  # before the answer, whose receiver may ask for room()
        _hand_over(order, response)

    def _dismiss(self) -> None:
        """Answer all who have not begun: UNSENT."""
        put_off = [*(order for _, _, order in self._later), *(o for behind in self._behind.values() for o in behind)]
        waiting = [*self._lanes.dismiss(), *(order for order in put_off if not order.gone), *self._inbox]
        self._later.clear()
        self._behind.clear()
        self._inbox.clear()
        for order in waiting:
            self._answer(order, Response(fault=Fault.UNSENT, detail=_CLOSED))

    def _end(self) -> None:
        """The last that the thread does: answers for all, then everything is given back."""
        with self._lock:
            self._running = False
            os.close(self._bell)
            os.close(self._ear)
            self._bell = -1
        self._dismiss()
        for exchange in self._flying.values():
            fault = Fault.CUT if exchange.begun else Fault.UNSENT  # nothing runs on: what has not begun never will
            self._answer(exchange.order, Response(fault=fault, detail=_CLOSED))
        for exchange in self._flying.values():
            self._multi.remove_handle(exchange.curl)
        self._multi.close()
        for exchange in (*self._flying.values(), *self._pool):
            exchange.curl.close()
        self._flying.clear()
        self._pool.clear()


def _hand_over(order: _Order, response: Response) -> None:
    try:
        order.then(response)
    except Exception:
        _log.exception("an answer of lane %s was not taken", order.lane)


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
