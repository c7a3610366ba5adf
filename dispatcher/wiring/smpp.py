"""SMPP in a process: a transport for each connection, the binds that it may hold, and what is told by them."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from threading import Event, Lock, Thread
from typing import Final

from dispatcher.carriers.smpp import Smpp
from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import Hook, Receipt, Reply
from dispatcher.core.smpp import Status
from dispatcher.engine.binds import BindLeases, Binds, Bound, none_left
from dispatcher.engine.checks import Wrong
from dispatcher.engine.dispatch import Line
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.loops import Gatherer
from dispatcher.settings import Settings
from dispatcher.store.binds import Leases
from dispatcher.store.workers import LEASE_SECONDS
from dispatcher.transports.smpp import Ack, SmppTransport
from dispatcher.wiring.parts import utc_now

log = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0
TRIAL_SECONDS: Final = 15.0  # for others to notice that one more wants a bind
GATHERED_SECONDS: Final = 0.005  # an SMSC waits for the acknowledgement of what it told before it tells more

Told = tuple[str, Hook, Ack]  # a connection, what came by its bind, and how to acknowledge it


class SmppBinds:
    """Everything that SMPP needs in one process: turned every few seconds, and closed before the gatherers."""

    def __init__(self, settings: Settings, leases: BindLeases, holder: int) -> None:
        """`holder` is the number of this process."""
        self._settings = settings
        self._transports: dict[str, SmppTransport] = {}
        self._lock = Lock()
        self._lines: Callable[[], Iterable[Line]] = tuple
        self._told: Gatherer[Told] = Gatherer("smpp", unavailable=StoreUnavailable, within=GATHERED_SECONDS)
        self._binds = Binds(
            leases=leases,
            bound=self.bound,
            holder=holder,
            lease=LEASE_SECONDS,
            clock=utc_now,
            jitter=random.SystemRandom().random,
        )

    def of(self, name: str) -> SmppTransport:
        """The transport of a connection, the same at every call."""
        with self._lock:
            if name not in self._transports:
                self._transports[name] = SmppTransport(
                    name,
                    lambda hook, ack: self._told.put((name, hook, ack)),
                    timeout=self._settings.carriers.timeout_seconds,
                    connect_timeout=self._settings.carriers.connect_seconds,
                )
            return self._transports[name]

    def start(self, inbox: Inbox, lines: Callable[[], Iterable[Line]]) -> None:
        """Bind those of these lines that speak SMPP from the next turn on, and hand what they tell to the inbox."""
        self._lines = lines
        self._told.start(lambda batch: take_heard(inbox, {line.name: line for line in lines()}, batch))

    def turn(self, *, yields: bool = True) -> timedelta | None:
        """Take, renew and give back leases, what was tried in vain too if it `yields`. Raises StoreUnavailable."""
        self._binds.turn(yields=yields)
        return None

    def close(self, grace: float) -> None:
        """Let what is in flight come home for `grace` seconds, unbind, and give the leases back."""
        with self._lock:
            transports = [*self._transports.values()]
        for transport in transports:
            transport.leave(grace)
        for transport in transports:
            transport.close(grace)
        self._told.stop()
        try:
            self._binds.close()
        except StoreUnavailable as error:
            log.warning("leases of binds end by themselves", extra={"action": "stop", "error": str(error)})

    def bound(self) -> Sequence[Bound]:
        """The connections that are bound to."""
        return [
            Bound(line.id, line.name, line.carrier.terms, self.of(line.name), line.carrier.read)
            for line in self._lines()
            if isinstance(line.carrier, Smpp)
        ]


def take_heard(inbox: Inbox, lines: Mapping[str, Line], batch: Sequence[Told]) -> None:
    """Take what was told, and acknowledge it: what is on disk for good, what is not yet as to be told again."""
    heard: dict[str, list[tuple[Ack, Sequence[Receipt | Reply]]]] = {}
    for name, hook, ack in batch:
        line = lines.get(name)
        if line is None:
            continue
        try:
            events = line.carrier.events(hook)
        except Refusal as refusal:
            log.warning("a PDU was not read", extra={"action": "hook", "connection": name, "reason": refusal.message})
            ack(Status.UNREADABLE)
            continue
        if not events:
            log.warning("a PDU told nothing that is known", extra={"action": "hook", "connection": name})
        heard.setdefault(name, []).append((ack, events))
    for name, told in heard.items():
        _take(inbox, lines[name], told)


def _take(inbox: Inbox, line: Line, told: Sequence[tuple[Ack, Sequence[Receipt | Reply]]]) -> None:
    status = Status.OK
    try:
        inbox.take(line, [event for _, events in told for event in events])
    except StoreUnavailable as error:
        log.error("what was told is to be told again", extra={"action": "hook", "error": str(error)})
        status = Status.TRY_AGAIN
    except Exception:
        log.exception("what was told could not be taken", extra={"action": "hook", "connection": line.name})
        if len(told) > 1:
            for each in told:
                _take(inbox, line, [each])
            return
        status = Status.TRY_AGAIN
    for ack, _ in told:
        ack(status)


def bound_for_trial(house: ExitStack, smpp: SmppBinds, leases: Leases, me: int, beat: Callable[[], None]) -> None:
    """Hold a bind of its one connection until the house ends, and wait until it is bound or was refused.

    A process that is not bound lets go of its own for it. Raises Wrong where other processes hold them all.
    """
    [bound] = smpp.bound()
    _turning(house, [beat, partial(smpp.turn, yields=False)], LOOK_SECONDS)
    end = time.monotonic() + TRIAL_SECONDS
    while "" not in (held := bound.transport.held()).values() and not bound.transport.down():
        if not held and (time.monotonic() > end or _all_elsewhere(bound, leases, me)):
            raise Wrong(_told_by(leases.states().get(bound.name, {}), bound.name))
        time.sleep(LOOK_SECONDS / 10)


def _all_elsewhere(bound: Bound, leases: Leases, me: int) -> bool:
    """Whether to wait for a bind is in vain: those who hold them are bound."""
    sharing, held, _ = leases.look()
    counts = Counter(holder for (connection_id, _), holder in held.items() if connection_id == bound.connection_id)
    return none_left(bound.terms.binds, sharing, counts, me) and not any(leases.states().get(bound.name, {}).values())


def _told_by(states: Mapping[int, str], name: str) -> str:
    if downs := sorted({state for state in states.values() if state}):
        return f"{name}: work processes hold every bind of it, and say: {'; '.join(downs)}"
    return f"{name}: work processes hold every bind of it; allow one more (binds), or stop one of them"


def _turning(house: ExitStack, beats: Sequence[Callable[[], object]], seconds: float) -> None:
    """Have these called again and again, in a thread of their own, until the house ends."""
    ended = Event()

    def turn() -> None:
        while not ended.is_set():
            try:
                for beat in beats:
                    beat()
            except StoreUnavailable as error:
                log.error("a turn was cut short", extra={"action": "turn", "error": str(error)})
            ended.wait(seconds)

    thread = Thread(target=turn, name="binds", daemon=True)
    thread.start()
    house.callback(thread.join)
    house.callback(ended.set)
