"""One bind, in a thread of its own: connect, bind, serve, and again after a rest, for as long as its lease lasts.

A transmitter begins nothing while the receiver of its pair is not bound: nobody would hear what became of it. An SMSC
that ends a bind now and then most often takes the next one: until that was tried, nobody is told that it is down.
"""

from __future__ import annotations

import logging
import random
from threading import Thread
from time import monotonic
from typing import Final

from dispatcher.core.exchange import Fault, Response
from dispatcher.core.smpp import Command, Garbled, Terms
from dispatcher.engine.binds import BEGINNING
from dispatcher.transports.faults import in_words
from dispatcher.transports.smpp.bell import Bell
from dispatcher.transports.smpp.session import END_EARLY, House, Life, Refused, Session
from dispatcher.transports.smpp.waiting import Waiting
from dispatcher.transports.smpp.wire import Lost, Wire

FIRST_REST: Final = 0.5  # seconds before another try to bind, twice as long after each in vain
REFUSED_REST: Final = 5.0  # the first one after a bind that was refused: whoever hammers is locked out
LONGEST_REST: Final = 60.0
STEADY: Final = 10.0  # so long a bind must have lasted for the rests to begin anew
_log = logging.getLogger(__name__)


class Link:
    """One bind. `ear` is the receiver of a transmitter's pair."""

    def __init__(
        self,
        house: House,
        waiting: Waiting,
        terms: Terms,
        kind: Command,
        *,
        until: float,
        timeout: float,
        connect_timeout: float,
        ear: Link | None = None,
    ) -> None:
        """`until` is when its lease ends; `timeout` is for a submit, `connect_timeout` for each step of a bind."""
        self.terms = terms
        self._kind = kind
        self.bound = False
        self.ended = False
        self.why = BEGINNING  # "" while it is bound, and after that until the next try has ended
        self._house = house
        self._waiting = waiting
        self._ear = ear
        self._down: Response | None = None
        self._at_once = False  # whether it is not to rest before the next try
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._life = Life(until)
        self._bell = Bell()
        self._thread = Thread(target=self._run, name=f"smpp-{house.name}", daemon=True)

    def start(self) -> None:
        """Bind, and again whenever that breaks."""
        self._thread.start()

    def ring(self) -> None:
        """Somebody waits."""
        self._bell.ring()

    def try_now(self) -> None:
        """Rest no longer: whatever kept it from being bound may be over."""
        self._down, self._at_once = None, True
        self._bell.ring()

    def extend(self, until: float) -> None:
        """Its lease lasts until this monotonic instant."""
        self._life.until = until

    def leave(self, grace: float) -> None:
        """Begin nothing new, let what is in flight come home for `grace` seconds, unbind and end."""
        now = monotonic()
        self._life.leave_at = min(self._life.leave_at, now)
        self._life.leave_by = min(self._life.leave_by, now + grace)
        self._bell.ring()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    @property
    def sends(self) -> bool:
        """Whether submits go this way."""
        return self._kind is not Command.BIND_RECEIVER and not self.ended and not self._life.leaving()

    @property
    def down(self) -> Response | None:
        """What to answer while no submit can begin, None while one can and before a first try to bind has ended."""
        return self._down or (self._ear.down if self._ear else None)

    @property
    def can_submit(self) -> bool:
        """Whether a submit can begin."""
        return self.bound and self._can_hear()

    def _can_hear(self) -> bool:
        return self._ear is None or self._ear.bound

    def _run(self) -> None:
        rest = FIRST_REST
        while not self._life.leaving():
            begun = monotonic()
            down, least = self._once()
            was_bound, self.bound = self.bound, False
            if self._life.leaving():
                break
            lasted = monotonic() - begun
            rest = max(FIRST_REST if lasted > STEADY else rest, least)
            self._report(down, hopeful=was_bound and rest <= max(FIRST_REST, lasted))
            self._pause(monotonic() + rest * random.uniform(0.5, 1.0))  # noqa: S311  (not all at once)
            rest = min(rest * 2, LONGEST_REST)
        self.ended = True
        self._bell.close()
        self._house.changed()

    def _once(self) -> tuple[Response, float]:
        """One bind from its beginning to its end: what to answer until the next, and the least rest before that."""
        try:
            session = Session(
                self._house, self._waiting, self.terms, self._kind, self._life, self._bell, self._can_hear
            )
            wire = Wire(self.terms, self._connect_timeout)
            try:
                session.bind(wire, self._connect_timeout)
                self.bound, self.why, self._down, self._at_once = True, "", None, False
                self._house.changed()
                _log.info("bound", extra=self._told())
                session.serve(wire, self._timeout)
            finally:
                wire.close()
                session.end(wire)
        except Refused as refused:
            return Response(0, {}, bytes(refused.pdu), Fault.UNREACHABLE, str(refused)), REFUSED_REST
        except (Lost, Garbled, OSError) as error:
            said = str(error) if isinstance(error, Lost) else in_words(error)
            return Response(fault=Fault.UNREACHABLE, detail=said), 0.0
        except Exception as error:
            _log.exception("a bind broke by a mistake of ours", extra=self._told())
            return Response(fault=Fault.UNREACHABLE, detail=repr(error)), 0.0
        return Response(fault=Fault.UNREACHABLE, detail="unbound"), 0.0

    def _report(self, down: Response, *, hopeful: bool) -> None:
        """A bind that broke first, or lasted for longer than it rests now, may soon be had again: it is only logged."""
        again = self._down is not None and self._down.detail == down.detail
        level = logging.INFO if again else logging.WARNING
        _log.log(level, "a bind is down", extra=self._told() | {"reason": down.detail})
        if not hopeful:
            self.why, self._down = down.detail, down
        self._house.changed()

    def _pause(self, wake: float) -> None:
        while not (self._life.leaving() or self._at_once) and (left := wake - monotonic()) > 0:
            self._bell.sleep(min(left, self._life.until - END_EARLY - monotonic()))
            self._bell.hush()
        self._at_once = False

    def _told(self) -> dict[str, str]:
        return {"action": "bind", "connection": self._house.name, "kind": self._kind.name.lower()}
