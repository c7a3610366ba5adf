"""One bound connection: keeps the window and keeps alive, hands on what is told, ends in peace where it can."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic
from typing import Final, Protocol

from dispatcher.core.exchange import Fault, Hook, Response
from dispatcher.core.smpp import LAST_SEQUENCE, RESP, RESTS, Command, Garbled, Pdu, Status, Terms, bind_body
from dispatcher.core.throttling import Throttling
from dispatcher.transports.lanes import LATE, Order
from dispatcher.transports.smpp.bell import Bell
from dispatcher.transports.smpp.flights import Flight, Flights
from dispatcher.transports.smpp.waiting import Waiting
from dispatcher.transports.smpp.wire import Lost, Wire

ENQUIRE_WAIT: Final = 10.0  # at most, and no longer than the pause before
UNBIND_WAIT: Final = 1.0
END_EARLY: Final = 5.0  # so long before its lease is over a bind begins to end
MOST_AT_ONCE: Final = 65_536  # octets of submits that are handed to the system together
MOST_UNTOLD: Final = 1000  # deliver_sm that are not durable yet; more are to be told again
_log = logging.getLogger(__name__)

Ack = Callable[[Status], None]


class House(Protocol):
    """The connection that a bind belongs to."""

    name: str

    def answer(self, order: Order, response: Response) -> None:
        """Hand it what became of it."""
        ...

    def tell(self, hook: Hook, ack: Ack) -> None:
        """Hand on what the other side said; `ack` is called once it is durable, from any thread."""
        ...

    def changed(self) -> None:
        """It is bound, went down, or has ended."""
        ...


@dataclass(slots=True)
class Life:
    """How long a bind lasts, in monotonic instants: its lease, and from when and for how long it ends by our choice."""

    until: float
    leave_at: float = inf
    leave_by: float = inf

    def leaving(self) -> bool:
        """Whether nothing new is begun."""
        return monotonic() >= min(self.leave_at, self.until - END_EARLY)

    def unbind_by(self) -> float:
        """When it no longer waits for what is in flight."""
        return min(self.leave_by, self.until - UNBIND_WAIT)


class Refused(Exception):
    """The other side said no to the bind."""

    def __init__(self, pdu: Pdu) -> None:
        super().__init__(f"bind refused, status 0x{pdu.status:02X}")
        self.pdu = pdu


class Session:
    """A bind as long as its connection lasts. `bell` wakes it; `end` answers whatever is left.

    While it `can_hear` nothing of what becomes of them, it begins no submits.
    """

    def __init__(
        self,
        house: House,
        waiting: Waiting,
        terms: Terms,
        kind: Command,
        life: Life,
        bell: Bell,
        can_hear: Callable[[], bool],
    ) -> None:
        self._house = house
        self._waiting = waiting
        self._terms = terms
        self._kind = kind
        self._life = life
        self._bell = bell
        self._can_hear = can_hear
        self._url = f"smpp://{terms.host}:{terms.port}"
        self._flights = Flights()
        self._untold = 0  # deliver_sm that are not acknowledged
        self._acks: deque[Pdu] = deque()
        self._sequence = 0
        self._throttling = Throttling()
        self._heard, self._asked, self._unbinding = monotonic(), inf, inf

    def bind(self, wire: Wire, seconds: float) -> None:
        """Raises Refused, Lost, Garbled, OSError."""
        wire.put(Pdu(self._kind, self._next(), bind_body(self._terms)))
        limit = monotonic() + seconds
        while (left := limit - monotonic()) > 0 and not self._life.leaving():
            wire.flush()
            self._bell.sleep(left, wire)
            self._bell.hush()
            for pdu in wire.fetch():
                if pdu.command == Command.NACK or (pdu.command == self._kind | RESP and pdu.status):
                    raise Refused(pdu)
                if pdu.command == self._kind | RESP:
                    return
        raise Lost("the bind was not answered")

    def serve(self, wire: Wire, timeout: float) -> None:
        """Until we unbind or its lease ends; a submit may take `timeout` seconds. Raises Lost, Garbled, OSError."""
        self._heard = monotonic()
        while monotonic() < min(self._unbinding, self._life.until):
            for pdu in wire.fetch():
                self._heard, self._asked = monotonic(), inf
                if pdu.command == Command.UNBIND_RESP:
                    return
                self._heed(pdu, wire)
            now = monotonic()
            if now < self._life.until:  # else nothing may be written: another process may be bound in our place
                self._tend(wire, now, timeout)
                wire.flush()
                self._sleep(wire)

    def end(self, wire: Wire) -> None:
        """Answer what was in flight. What the system did not take wholly cannot have reached anybody."""
        for flight in self._flights.end():
            unsent = not flight.sent and flight.written_at > wire.taken
            self._answer(flight, Fault.UNREACHABLE if unsent else Fault.CUT, "the connection broke before the answer")

    # --- What is due of our own ------------------------------------------------------------------------------------

    @property
    def _sends(self) -> bool:
        return self._kind is not Command.BIND_RECEIVER and not self._life.leaving()

    def _tend(self, wire: Wire, now: float, timeout: float) -> None:
        """Keep alive, acknowledge, give up, begin, end."""
        clear = not wire.unsent  # while the other side does not read, what is begun would only wait here
        self._bell.hush()
        self._keep_alive(wire, now)
        while self._acks:
            pdu = self._acks.popleft()
            self._untold -= 1
            wire.put(pdu)
        for given_up, fault in self._flights.give_up(now):
            self._answer(given_up, fault, "not answered in time" if fault is Fault.TIMEOUT else LATE.detail)
        while clear and wire.unsent < MOST_AT_ONCE and self._free(now) and (flight := self._take(now + timeout)):
            sequence = self._next()
            wire.put(flight.part._replace(sequence=sequence))
            flight.begun, flight.written_at = now, wire.put_in_all
            self._throttling.begun(now)
            self._flights.begin(sequence, flight)
            if not flight.sent:
                self._waiting.written(flight.order)
        if self._sends:
            self._waiting.tend()
        elif self._unbinding == inf and self._may_unbind(now):
            self._unbinding = now + UNBIND_WAIT
            wire.put(Pdu(Command.UNBIND, self._next()))

    def _keep_alive(self, wire: Wire, now: float) -> None:
        if now >= self._asked:
            raise Lost("enquire_link was not answered")
        if self._asked == inf and now >= self._heard + self._terms.enquire_seconds:
            self._asked = now + min(ENQUIRE_WAIT, self._terms.enquire_seconds)
            wire.put(Pdu(Command.ENQUIRE_LINK, self._next()))

    def _free(self, now: float) -> bool:
        """Whether a part may be sent."""
        return len(self._flights) < self._terms.window and now >= self._throttling.free_at

    def _take(self, until: float) -> Flight | None:
        """The next that may go: one whose next part is due, else one that begins now."""
        if self._flights.next:
            return self._flights.next.popleft()
        while self._sends and self._can_hear() and (order := self._waiting.take()):
            try:
                return Flight(order, until)
            except Garbled as error:
                self._waiting.released(order)
                self._house.answer(order, Response(fault=Fault.UNREACHABLE, detail=f"makes no PDU: {error}"))
        return None

    def _may_unbind(self, now: float) -> bool:
        idle = not (self._flights or self._untold)
        return self._life.leaving() and (idle or now >= self._life.unbind_by())

    def _sleep(self, wire: Wire) -> None:
        """Until something is due or comes."""
        now = monotonic()
        free = self._free(now) and not wire.unsent
        if wire.unread or (free and self._flights.next):
            return
        due = [self._flights.look_at, self._unbinding, self._life.until]
        due.append(self._heard + self._terms.enquire_seconds if self._asked == inf else self._asked)
        if self._unbinding == inf:
            due.append(self._life.unbind_by() if self._life.leaving() else self._life.until - END_EARLY)
        if self._sends:
            due.append(self._waiting.due(free=free and self._can_hear()))
        if now < self._throttling.free_at:
            due.append(self._throttling.free_at)
        self._bell.sleep(min(due) - now, wire)

    # --- What comes ------------------------------------------------------------------------------------------------

    def _heed(self, pdu: Pdu, wire: Wire) -> None:
        match pdu.command:
            case Command.SUBMIT_RESP:
                self._land(pdu)
            case Command.NACK:
                _log.warning(
                    "a PDU was not understood",
                    extra={"action": "bind", "connection": self._house.name, "reason": f"status 0x{pdu.status:02X}"},
                )
                self._land(pdu._replace(status=pdu.status or Status.UNKNOWN_ERROR))
            case Command.DELIVER | Command.DATA:
                self._hear(pdu, wire)
            case Command.ENQUIRE_LINK:
                wire.put(Pdu(pdu.command | RESP, pdu.sequence))
            case Command.UNBIND:
                wire.put(Pdu(pdu.command | RESP, pdu.sequence))
                wire.flush()
                raise Lost("the other side unbound")
            case unknown if not unknown & RESP:
                wire.put(Pdu(Command.NACK, pdu.sequence, status=Status.INVALID_COMMAND))

    def _land(self, pdu: Pdu) -> None:
        flight = self._flights.land(pdu.sequence)
        if flight is None:
            self._land_late(pdu)
            return
        if pdu.status in RESTS:
            self._throttling.refused(flight.begun, monotonic())
        else:
            self._throttling.taken(flight.begun)
        again = flight.sent > 0 and pdu.status in RESTS  # surely not taken, while the parts before it were
        if again or flight.heed(pdu.status, pdu.body):
            self._flights.next.append(flight)
        else:
            self._answer(flight)

    def _land_late(self, pdu: Pdu) -> None:
        """Hand on how the parts of a submit were answered that was given up, and is in doubt until the last one is."""
        flight = self._flights.late(pdu.sequence)
        if flight and not flight.heed(pdu.status, pdu.body):
            answers = flight.response().body
            self._house.tell(Hook("SMPP", self._url, {}, flight.order.request.headers, answers), lambda status: None)

    def _hear(self, pdu: Pdu, wire: Wire) -> None:
        answer = partial(Pdu, pdu.command | RESP, pdu.sequence, b"\0")
        if self._untold >= MOST_UNTOLD:
            wire.put(answer(Status.TRY_AGAIN))
            return
        self._untold += 1

        def ack(status: Status) -> None:
            self._acks.append(answer(status))
            self._bell.ring()

        self._house.tell(Hook("SMPP", self._url, body=bytes(pdu)), ack)

    def _answer(self, flight: Flight, fault: Fault | None = None, detail: str = "") -> None:
        self._waiting.released(flight.order)
        self._house.answer(flight.order, flight.response(fault, detail))

    def _next(self) -> int:
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        return self._sequence
