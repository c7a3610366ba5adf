"""The Transport port over SMPP: one connection, by as many binds of it as this process holds leases for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from threading import Lock
from time import monotonic
from typing import Final

from dispatcher.core.exchange import Fault, Hook, Request, Response
from dispatcher.core.smpp import Command, Terms
from dispatcher.engine.transport import Paced
from dispatcher.transports.lanes import LATE, Order
from dispatcher.transports.smpp.link import Link
from dispatcher.transports.smpp.session import Ack
from dispatcher.transports.smpp.waiting import Waiting

# As many as its window may wait beside it for each bind, and no more than these: so it is not short of work, and a
# process that is killed leaves few in doubt that nobody submitted.
MOST_AHEAD: Final = 128
UNBOUND: Final = Response(fault=Fault.UNSENT, detail="this process holds no bind of the connection")
CLOSED: Final = Response(fault=Fault.UNSENT, detail="the transport is closed")
_log = logging.getLogger(__name__)


class SmppTransport:
    """One connection. It binds what it is told to `hold`, and ends with `close`."""

    def __init__(self, name: str, tell: Callable[[Hook, Ack], None], *, timeout: float, connect_timeout: float) -> None:
        """`tell` takes what the other side says, and the call that acknowledges it; it must not block.

        A submit is answered within `timeout` seconds of its beginning; `connect_timeout` is for each step of a bind.
        """
        self.name = name
        self.tell = tell
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._lock = Lock()
        self._links: dict[int, tuple[Link, ...]] = {}  # by slot
        self._pending = 0  # started and not answered
        self._running = True
        self._elsewhere = False  # whether another process is bound or tries to
        self._waiting = Waiting(lambda order: self.answer(order, LATE))

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
        """Submit, as the port says. Without a bind it is answered here and now."""
        order = Order(request, then, lane, at, until, paced)
        with self._lock:
            refusal = self._refusal() or (LATE if max(at, monotonic()) >= until else None)
            if refusal is None:
                self._pending += 1
                self._waiting.put(order)
            links = self._senders()
        if refusal is not None:
            _hand_over(order, refusal)
        for link in links:
            link.ring()

    def room(self) -> int:
        """How many more may be started now; where no bind is up anywhere they are answered why."""
        with self._lock:
            senders = self._senders()
            if self._elsewhere and not any(link.can_submit for link in senders):
                return 0
            windows = [link.terms.window for link in senders]
            places = sum(window + min(window, MOST_AHEAD) for window in windows)
            return max(0, places - self._pending)

    def hold(self, terms: Terms, slots: Mapping[int, float], *, elsewhere: bool = False) -> None:
        """Hold a bind for each of these slots until the monotonic instant at which its lease ends, and no other.

        What is no longer to be held ends when what is in flight has been answered; `held` tells. While another process
        is bound or tries to (`elsewhere`), there is no room for what this one cannot submit. Once none is, its place
        may be ours.
        """
        with self._lock:
            alone, self._elsewhere = self._elsewhere and not elsewhere, elsewhere
            resting = [link for links in self._links.values() for link in links if alone and not link.bound]
            begun = self._begin(terms, slots) if self._running else []
            ended = [
                link
                for slot, links in self._links.items()
                for link in links
                if slot not in slots or link.terms != terms or not self._running
            ]
        for link in resting:
            link.try_now()
        for link in ended:
            link.leave(self._timeout)
        for link in begun:
            link.start()
        self.changed()

    def _begin(self, terms: Terms, slots: Mapping[int, float]) -> list[Link]:
        begun: list[Link] = []
        for slot, until in slots.items():
            links = self._links.get(slot, ())
            for link in links:
                link.extend(until)
            if all(link.ended for link in links):
                self._links[slot] = self._made(terms, until)
                begun += self._links[slot]
        return begun

    def _made(self, terms: Terms, until: float) -> tuple[Link, ...]:
        link = partial(
            Link, self, self._waiting, terms, until=until, timeout=self._timeout, connect_timeout=self._connect_timeout
        )
        if not terms.pair:
            return (link(Command.BIND_TRANSCEIVER),)
        ear = link(Command.BIND_RECEIVER)
        return ear, link(Command.BIND_TRANSMITTER, ear=ear)

    def held(self) -> Mapping[int, str]:
        """The slots whose binds have not ended, and of each why it is not bound, "" where it is or may be so soon."""
        with self._lock:
            self._links = {slot: links for slot, links in self._links.items() if not all(link.ended for link in links)}
            return {
                slot: "; ".join(dict.fromkeys(link.why for link in links if link.why))
                for slot, links in self._links.items()
            }

    def down(self) -> Response | None:
        """What a submit is answered while no bind is up, anew after each try; None before a first has ended."""
        with self._lock:
            downs = [link.down for link in self._senders()]
        return downs[0] if all(downs) and downs else None

    def leave(self, grace: float) -> None:
        """Take nothing new, let what is in flight come home for `grace` seconds, then unbind; returns at once."""
        with self._lock:
            self._running = False
            links = [link for links in self._links.values() for link in links]
        for link in links:
            link.leave(grace)
        self.changed()

    def close(self, grace: float = 5.0) -> None:
        """Leave, and wait for its end; all is answered then."""
        self.leave(grace)
        end = monotonic() + grace + self._connect_timeout
        for link in [link for links in self._links.values() for link in links]:
            link.join(max(0.0, end - monotonic()))

    # --- What the binds ask ----------------------------------------------------------------------------------------

    def answer(self, order: Order, response: Response) -> None:
        """Hand it what became of it."""
        order.gone = True
        with self._lock:
            self._pending -= 1  # before the answer, whose receiver may ask for room()
        _hand_over(order, response)

    def changed(self) -> None:
        """A bind is up, down or ends: those who wait go on, or are sent back where nobody can take them.

        They were never begun, and wait for one event: it must not count as so many failures.
        """
        with self._lock:
            refusal = self._refusal()
            left = self._waiting.dismiss() if refusal else []
            links = self._senders()
        for link in links:
            link.ring()
        for order in left:
            self.answer(order, _unsent(refusal or UNBOUND))

    def _senders(self) -> list[Link]:
        return [link for links in self._links.values() for link in links if link.sends]

    def _refusal(self) -> Response | None:
        """What to answer at once, None where a bind is up or may yet be."""
        if not self._running:
            return CLOSED
        downs = [link.down for link in self._senders()]
        if not downs:
            return UNBOUND
        down = downs[0] if all(downs) else None
        return _unsent(down) if down and self._elsewhere else down


def _unsent(refusal: Response) -> Response:
    return Response(fault=Fault.UNSENT, detail=refusal.detail)


def _hand_over(order: Order, response: Response) -> None:
    try:
        order.then(response)
    except Exception:
        _log.exception("an answer of lane %s was not taken", order.lane)
