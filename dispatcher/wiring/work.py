"""A work process: dispatch, callbacks, rescue and pruning, with their transports, under one clockwork."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dispatcher.core.exchange import Hook, Receipt, Reply
from dispatcher.engine.callbacks import Answer, Callbacks
from dispatcher.engine.dispatch import Dispatch, Line, Pace, Worker
from dispatcher.engine.health import Result
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.inquiry import Inquiry, Told
from dispatcher.engine.ports import CALLBACKS, DUE, StoreUnavailable
from dispatcher.engine.pruning import Pruning
from dispatcher.engine.replies import Replies
from dispatcher.engine.rescue import Rescue
from dispatcher.engine.transport import Answerable, Transport
from dispatcher.loops import Clockwork, Gatherer, Loop
from dispatcher.settings import Settings
from dispatcher.store.attic import StoreAttic
from dispatcher.store.binds import Leases
from dispatcher.store.connections import Contract, Contracts
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.inquiries import InquiryBook
from dispatcher.store.nodes import LEASE, NodeIds
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.pool import SenderPool
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import Reach, ReceiptBook
from dispatcher.store.replies import ReplyBook
from dispatcher.store.rescue import Sweeper
from dispatcher.store.revision import pepper
from dispatcher.store.workers import LEASE_SECONDS, Workers
from dispatcher.transports.guarded import guarded_transport
from dispatcher.transports.http import HttpTransport
from dispatcher.transports.simulated import SimulatedTransport
from dispatcher.wiring.carriers import carrier_of, discretion_of, hook_url
from dispatcher.wiring.lookups import looking_up, provider_of
from dispatcher.wiring.parts import Lines, Pulse, quietly, ready_database, utc_now
from dispatcher.wiring.smpp import SmppBinds

BINDS_SECONDS: Final = 2.0
DISPATCH_SECONDS: Final = 0.5
INQUIRY_SECONDS: Final = 2.0
PRUNING_SECONDS: Final = 60.0
GIVE_UP_SECONDS: Final = 60.0
ROOM_FOR: Final = 2  # so many connections have all their places at once: one that hangs leaves the others theirs
AGENT: Final = "Dispatcher/0.1"


@dataclass(frozen=True, slots=True)
class Transports:
    """What carries submits out."""

    http: Transport
    simulated: Transport
    smpp: SmppBinds

    def of(self, contract: Contract) -> Transport:
        """That of a connection."""
        match contract.carrier:
            case "simulated":
                return self.simulated
            case "smpp":
                return self.smpp.of(contract.name)
        return self.http


def line_of(contract: Contract, transports: Transports, public_url: str) -> Line:
    """A connection as dispatch uses it. Raises SettingsError."""
    return Line(
        id=contract.id,
        name=contract.name,
        carrier=carrier_of(contract.carrier, contract.settings),
        transport=transports.of(contract),
        receipt_wait=contract.receipt_wait,
        receipt_url=hook_url(contract, public_url),
        acceptance_is_final=contract.acceptance_is_final,
        discretion=discretion_of(contract),
    )


@contextmanager
def working(settings: Settings, between: Callable[[str], None] = lambda point: None) -> Iterator[Clockwork]:
    """The dispatcher at work, until the block ends: nothing new is begun then, what is in flight is waited for.

    Raises SettingsError for lookups that cannot be made as settled, StoreUnavailable without a database.
    """
    provider = provider_of(settings.lookups)
    with ExitStack() as house:  # what is opened last ends first, so the order of the steps matters
        database = house.enter_context(ready_database(settings))
        pool, outbox, reach = SenderPool(database), CallbackOutbox(database), Reach()
        receipts = ReceiptBook(database, reach)
        ids = _minting(house, database)
        workers = Workers(database)
        worker = _enrolled(house, workers, pool)
        pace = _pace(settings)
        clockwork: Clockwork

        def ring(topic: str) -> None:
            clockwork.ring(topic)

        told, results, answers, asked = _gatherers(house)
        smpp = SmppBinds(settings, Leases(database), worker.id)
        transports = carrier_transports(house, settings, told, smpp)
        called = _callback_transport(house, settings)
        lines: Lines[Line] = Lines(
            Contracts(database),
            lambda c: line_of(c, transports, settings.public_url),
            lambda contract, why: workers.note_unusable(worker.id, contract.id, why, utc_now()),
        )
        dispatch = Dispatch(
            queue=MessageQueue(database, reach),
            pool=pool,
            directory=CachedDirectory(database),
            lines=lines,
            put=results.put,
            ring=ring,
            clock=utc_now,
            jitter=random.SystemRandom().random,
            pace=pace,
            worker=worker,
            per_line=settings.work.in_flight,
            between=between,
        )
        inquiry = Inquiry(
            book=InquiryBook(database),
            directory=CachedDirectory(database),
            lines=lines,
            put=asked.put,
            heard=dispatch.heard,
            ring=ring,
            clock=utc_now,
            jitter=random.SystemRandom().random,
            pace=pace,
            worker=worker,
            between=between,
        )
        callbacks = _callbacks(settings, outbox, called, answers, worker.alive)
        replies = Replies(book=ReplyBook(database, ids), pepper=pepper(database), clock=utc_now, ring=ring)
        inbox = Inbox(receipts=receipts, replies=replies, clock=utc_now, ring=ring)
        rescue = Rescue(
            sweeper=Sweeper(database),
            outbox=outbox,
            receipts=receipts,
            clock=utc_now,
            ring=ring,
            doubt=pace.doubt,
            answerable=lambda: [i for i, line in lines().items() if isinstance(line.carrier, Answerable)],
        )
        pruning = Pruning(attic=StoreAttic(database), clock=utc_now)
        loops = [
            *_loops(settings, dispatch, callbacks, rescue, pruning, inquiry),
            *looking_up(house, settings.lookups, provider, database, ring, worker.alive, AGENT),
            Loop("binds", BINDS_SECONDS, smpp.turn),
        ]
        clockwork = Clockwork(loops, utc_now, unavailable=StoreUnavailable)
        told.start(lambda batch: take_told(inbox, lines.named, batch))
        smpp.start(inbox, lambda: lines().values())
        results.start(dispatch.settle)
        asked.start(inquiry.settle)
        answers.start(lambda batch: _settle_calls(callbacks, batch, ring))
        house.enter_context(database.listen(ring))
        clockwork.start()
        house.callback(clockwork.stop)
        yield clockwork


def _enrolled(house: ExitStack, workers: Workers, pool: SenderPool) -> Worker:
    """This process, whose heart beats from now on; what it holds is given back when it leaves."""
    worker_id = workers.enrol("work", utc_now())
    house.callback(quietly, lambda: workers.leave(worker_id))
    house.callback(quietly, lambda: pool.let_go(worker_id))
    pulse = house.enter_context(Pulse([lambda: workers.beat(worker_id)], LEASE_SECONDS))
    return Worker(worker_id, pulse.alive)


def _minting(house: ExitStack, database: Database) -> NodeIds:
    """Ids of what this process queues itself: answers to replies."""
    ids = NodeIds(database, time.time)
    house.callback(ids.release)
    house.enter_context(Pulse([ids.heartbeat], LEASE.total_seconds()))
    return ids


def _pace(settings: Settings) -> Pace:
    return Pace(
        lease=timedelta(seconds=settings.work.lease_seconds),
        timeout=timedelta(seconds=settings.carriers.timeout_seconds),
        doubt=timedelta(minutes=settings.work.in_doubt_minutes),
    )


def _gatherers(
    house: ExitStack,
) -> tuple[Gatherer[tuple[str, Hook]], Gatherer[Result], Gatherer[Answer], Gatherer[Told]]:
    """Of what carriers tell by themselves, of what submits and callbacks came to, and of answers about doubts."""
    told: Gatherer[tuple[str, Hook]] = Gatherer("receipts", unavailable=StoreUnavailable)
    results: Gatherer[Result] = Gatherer("settle", unavailable=StoreUnavailable)
    answers: Gatherer[Answer] = Gatherer("callbacks", unavailable=StoreUnavailable)
    asked: Gatherer[Told] = Gatherer("inquiry", unavailable=StoreUnavailable)
    for gatherer in (told, results, answers, asked):
        house.callback(gatherer.stop)
    return told, results, answers, asked


def carrier_transports(
    house: ExitStack, settings: Settings, told: Gatherer[tuple[str, Hook]], smpp: SmppBinds
) -> Transports:
    """What carries submits out; what the simulated carrier tells meanwhile goes to `told`."""
    simulated = house.enter_context(SimulatedTransport(lambda name, hook: told.put((name, hook))))
    carried = house.enter_context(
        HttpTransport(
            slots=ROOM_FOR * settings.work.in_flight,
            lane_slots=settings.work.in_flight,
            connect_timeout=settings.carriers.connect_seconds,
            timeout=settings.carriers.timeout_seconds,
            user_agent=AGENT,
        )
    )
    # A submit that is in flight is waited for: ended by us, it would be in doubt.
    house.callback(carried.close, settings.carriers.timeout_seconds + 1)
    house.callback(smpp.close, settings.carriers.timeout_seconds + 1)
    return Transports(carried, simulated, smpp)


def _callback_transport(house: ExitStack, settings: Settings) -> Transport:
    return house.enter_context(
        guarded_transport(
            settings.callbacks.allow,
            slots=settings.callbacks.in_flight,
            lane_slots=settings.callbacks.in_flight_per_app,
            connect_timeout=min(5.0, settings.callbacks.timeout_seconds),
            timeout=settings.callbacks.timeout_seconds,
            user_agent=AGENT,
        )
    )


def _callbacks(
    settings: Settings,
    outbox: CallbackOutbox,
    transport: Transport,
    answers: Gatherer[Answer],
    alive: Callable[[], bool],
) -> Callbacks:
    return Callbacks(
        outbox=outbox,
        transport=transport,
        put=answers.put,
        clock=utc_now,
        jitter=random.SystemRandom().random,
        alive=alive,
        monotonic=time.monotonic,
        timeout=timedelta(seconds=settings.callbacks.timeout_seconds),
    )


def _loops(
    settings: Settings, dispatch: Dispatch, callbacks: Callbacks, rescue: Rescue, pruning: Pruning, inquiry: Inquiry
) -> Sequence[Loop]:
    return [
        Loop(DUE, DISPATCH_SECONDS, dispatch.turn, frozenset({DUE})),
        Loop(CALLBACKS, DISPATCH_SECONDS, callbacks.turn, frozenset({CALLBACKS})),
        Loop("give up", GIVE_UP_SECONDS, callbacks.give_up),
        Loop("rescue", settings.work.rescue_seconds, rescue.turn),
        Loop("inquiry", INQUIRY_SECONDS, inquiry.turn),
        Loop("pruning", PRUNING_SECONDS, pruning.turn),
    ]


def _settle_calls(callbacks: Callbacks, answers: Sequence[Answer], ring: Callable[[str], None]) -> None:
    callbacks.settle(answers)
    ring(CALLBACKS)  # their lanes have room again


def take_told(inbox: Inbox, named: Callable[[str], Line | None], batch: Sequence[tuple[str, Hook]]) -> None:
    """Take what carriers told by another way than the web."""
    told: dict[int, tuple[Line, list[Receipt | Reply]]] = {}
    for name, hook in batch:
        if line := named(name):
            told.setdefault(line.id, (line, []))[1].extend(line.carrier.events(hook))
    for line, events in told.values():
        inbox.take(line, events)
