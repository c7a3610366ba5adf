"""The submits of one bind that are on their way, part by part, and what each was answered so far."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Final

from dispatcher.core.exchange import Fault, Response
from dispatcher.core.smpp import Command, Garbled, Pdu, pdus
from dispatcher.transports.lanes import Order

MOST_GIVEN_UP: Final = 1000  # of which an answer that comes too late is still heeded
ANSWERED: Final = 200  # the Response.status of whatever the other side said something to


@dataclass(slots=True, eq=False)
class Flight:
    """A submit, Garbled if its request is none: its parts go one after the other, each when the one before was taken.

    So a number that is refused costs one part, and whoever gets the last part got them all: only that one is asked a
    receipt for.
    """

    order: Order
    until: float  # monotonic; then it is given up
    parts: list[Pdu] = field(init=False)
    sent: int = 0  # parts that were taken
    answers: bytearray = field(default_factory=bytearray)  # a submit_sm_resp for each part, numbered from 0
    begun: float = 0.0  # monotonic; when its last part was sent
    written_at: int = 0  # what of the wire is written once its last part is

    def __post_init__(self) -> None:
        self.parts = [*pdus(self.order.request.body)]
        if not self.parts:
            raise Garbled("nothing to submit")

    @property
    def part(self) -> Pdu:
        """The one that is sent now."""
        return self.parts[self.sent]

    @property
    def last(self) -> bool:
        """Whether that is the last one."""
        return self.sent + 1 == len(self.parts)

    def heed(self, status: int, body: bytes) -> bool:
        """Note what the part was answered; whether there is another to send."""
        self.answers += bytes(Pdu(Command.SUBMIT_RESP, self.sent, body, status))
        if status or self.last:
            return False
        self.sent += 1
        return True

    def response(self, fault: Fault | None = None, detail: str = "") -> Response:
        """All that is known of it."""
        return Response(ANSWERED if self.answers else 0, {}, bytes(self.answers), fault, detail)


class Flights:
    """Those of one bind."""

    def __init__(self) -> None:
        self.next: deque[Flight] = deque()  # whose next part may be sent
        self._flying: dict[int, Flight] = {}  # by the sequence number that is to be answered
        self._given_up: OrderedDict[int, Flight] = OrderedDict()
        self.look_at = inf  # when the first of them is to be given up

    def __len__(self) -> int:
        return len(self._flying)

    def __bool__(self) -> bool:
        return bool(self._flying or self.next)

    def begin(self, sequence: int, flight: Flight) -> None:
        """Its part was sent."""
        self._flying[sequence] = flight
        self.look_at = min(self.look_at, flight.until)

    def land(self, sequence: int) -> Flight | None:
        """Which part is answered by this; None if it was given up, or was never sent."""
        return self._flying.pop(sequence, None)

    def late(self, sequence: int) -> Flight | None:
        """Which submit is answered by this though it was given up."""
        return self._given_up.pop(sequence, None)

    def give_up(self, now: float) -> Iterator[tuple[Flight, Fault]]:
        """Those that were not answered in time. UNSENT: surely nothing but the parts before was taken."""
        if now < self.look_at:
            return
        for sequence, flight in [(s, f) for s, f in self._flying.items() if f.until <= now]:
            self._given_up[sequence] = self._flying.pop(sequence)
            if len(self._given_up) > MOST_GIVEN_UP:
                self._given_up.popitem(last=False)
            yield flight, Fault.TIMEOUT
        yield from [(flight, Fault.UNSENT) for flight in self.next if flight.until <= now]
        self.next = deque(flight for flight in self.next if flight.until > now)
        self.look_at = min((f.until for f in (*self._flying.values(), *self.next)), default=inf)

    def end(self) -> Iterator[Flight]:
        """All of them, for nothing will be answered any more."""
        yield from self._flying.values()
        yield from self.next
        self._flying.clear()
        self.next.clear()
        self._given_up.clear()
        self.look_at = inf
