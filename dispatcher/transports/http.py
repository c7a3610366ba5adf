"""HTTP for carriers and callbacks: hundreds of exchanges in flight over one libcurl multi handle, in one thread."""

from __future__ import annotations

import logging
import os
import select
from collections import deque
from collections.abc import Callable, Mapping, Sequence
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
from dispatcher.transports.exchange import Exchange, NetworkPath, SocketGuard
from dispatcher.transports.lanes import LATE, Lanes, Order, Paces, Timed

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

_FAULTY: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL
_INTERESTS: Final = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
_TIDY_FROM: Final = 1024
_CLOSED: Final = "the transport is closed"
_log = logging.getLogger(__name__)


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
        self._lanes = Lanes(slots, lane_slots)
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
        self._inbox: deque[Order] = deque()
        self._serial = count()  # a heap keeps the order of what is due at the same instant
        self._later: list[Timed] = []  # by `at`, or by when a pace lets the next begin
        self._paces = Paces(self._later, self._serial, lambda order: self._answer(order, LATE))
        self._lapses: list[Timed] = []  # of those who wait for a slot, by `until`
        self._pool: list[Exchange] = []
        self._flying: dict[pycurl.Curl, Exchange] = {}
        self._watched: set[int] = set()  # the descriptors that libcurl waits for; the rest of the poller is kept idle
        self._paths: dict[int, NetworkPath] = {}  # what connection answered last on a descriptor
        self._ended: set[NetworkPath] = set()  # kept connections that the other side has ended
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
        order = Order(request, then, lane, at, until, paced)
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
        self._paces.release(order)
        self._answer(order, response)

    def _note(self, path: NetworkPath, descriptor: int) -> None:
        """Remember which connection a descriptor is; what was there before is gone."""
        before = self._paths.get(descriptor)
        if descriptor >= 0 and before != path:
            self._paths[descriptor] = path
            if before:
                self._ended.discard(before)

    def _collect(self) -> list[Order]:
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
                self._answer(order, LATE)
            else:
                self._lanes.put(order)
        while self._lapses and self._lapses[0][0] <= now:
            order = heappop(self._lapses)[2]
            if not order.gone:
                self._answer(order, LATE)
        return due

    def _begin_next(self, newcomers: Sequence[Order]) -> None:
        while order := self._lanes.take():
            if self._paces.take(order):
                self._begin(order)
            else:
                self._lanes.release(order.lane)
        for order in newcomers:
            if not order.gone and order.until < inf:
                heappush(self._lapses, (order.until, next(self._serial), order))
        if len(self._lapses) > _TIDY_FROM + 2 * (self._accepted - self._answered):  # most have begun since
            self._lapses = [lapse for lapse in self._lapses if not lapse[2].gone]
            heapify(self._lapses)

    def _begin(self, order: Order) -> None:
        order.gone = True
        exchange = self._pool.pop() if self._pool else self._new_exchange()
        try:
            exchange.load(order)
            self._multi.add_handle(exchange.curl)
        except Exception as error:
            self._pool.append(exchange)
            self._lanes.release(order.lane)
            self._paces.release(order)
            self._answer(order, Response(fault=Fault.UNREACHABLE, detail=f"makes no request: {error}"))
        else:
            self._flying[exchange.curl] = exchange

    def _new_exchange(self) -> Exchange:
        return Exchange(self._options, self._most_bytes, self._guard, self._ended, self._paces.written)

    def _answer(self, order: Order, response: Response) -> None:
        order.gone = True
        self._answered += 1  # before the answer, whose receiver may ask for room()
        _hand_over(order, response)

    def _dismiss(self) -> None:
        """Answer all who have not begun: UNSENT."""
        later = [order for _, _, order in self._later if not order.gone]
        waiting = [*self._lanes.dismiss(), *later, *self._paces.dismiss(), *self._inbox]
        self._later.clear()
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


def _hand_over(order: Order, response: Response) -> None:
    try:
        order.then(response)
    except Exception:
        _log.exception("an answer of lane %s was not taken", order.lane)
