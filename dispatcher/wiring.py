"""The composition root: the only place that names concrete classes, reads credentials and the clock."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from flask import Flask

from dispatcher.carriers import generic
from dispatcher.carriers.simulated import Simulated
from dispatcher.core.exchange import Hook, Receipt, Reply
from dispatcher.core.invitation import Admitted, Candidate
from dispatcher.core.phone import warm_up
from dispatcher.core.zones import use_packaged_zones
from dispatcher.dialects.social_invite import routes as social_invite
from dispatcher.engine.callbacks import Answer, Callbacks
from dispatcher.engine.dispatch import Dispatch, Line, Pace, Result
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.intake import Intake
from dispatcher.engine.ports import CALLBACKS, DUE, StoreUnavailable
from dispatcher.engine.provisioning import Provisioning, Wrong
from dispatcher.engine.pruning import Pruning
from dispatcher.engine.rescue import Rescue
from dispatcher.engine.transport import Carrier, Transport
from dispatcher.loops import Clockwork, Gatherer, Loop
from dispatcher.settings import Settings
from dispatcher.store.admissions import Admissions
from dispatcher.store.attic import StoreAttic
from dispatcher.store.connections import Contract, Contracts
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.group import Group
from dispatcher.store.migrating import migrate, pending, pepper
from dispatcher.store.nodes import NodeIds
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.postgres import Postgres
from dispatcher.store.provisioning import Rows
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import GroupedReceipts, ReceiptBook
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.workers import LEASE_SECONDS, Workers
from dispatcher.transports.guarded import forbidden_url, guarded_transport
from dispatcher.transports.http import HttpTransport
from dispatcher.transports.simulated import SimulatedTransport
from dispatcher.web import hooks
from dispatcher.web.app import application
from dispatcher.web.kit import WebKit

log = logging.getLogger(__name__)
CARRIERS: Final = ("simulated", "generic")
BEAT_SECONDS: Final = 10.0
DISPATCH_SECONDS: Final = 0.5
PRUNING_SECONDS: Final = 60.0
REFRESH_SECONDS: Final = 2.0
AGENT: Final = "Dispatcher/0.1"


def utc_now() -> datetime:
    """The clock of the house."""
    return datetime.now(UTC)


def open_database(settings: Settings) -> Database:
    """The database that the settings name. Raises StoreUnavailable in one sentence."""
    use_packaged_zones()
    url = settings.database_url
    if url.startswith("sqlite:///"):
        return Sqlite(Path(url.removeprefix("sqlite:///")))
    return Postgres(url, connections=settings.postgres.connections)


def migrated(settings: Settings) -> str:
    """Bring the database to this program's shape; the revision it has then. Raises StoreUnavailable."""
    database = open_database(settings)
    try:
        return migrate(database)
    finally:
        database.close()


@contextmanager
def ready_database(settings: Settings) -> Iterator[Database]:
    """The database, refused while it is older than this program."""
    database = open_database(settings)
    try:
        if pending(database):
            raise StoreUnavailable("the database is not migrated; run `dispatcher migrate` first")
        yield database
    finally:
        database.close()


def credentials_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The credentials that a connection names, read from where they stand. Raises DescriptionError."""
    return {name: _credential(name, str(place)) for name, place in settings.get("credentials", {}).items()}


def _credential(name: str, place: str) -> str:
    kind, _, where = place.partition(":")
    if kind == "env":
        value = os.environ.get(where)
        if value is None:
            raise generic.DescriptionError(f"credentials.{name}: the environment has no {where}")
        return value
    if kind == "file":
        try:
            return Path(where).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise generic.DescriptionError(f"credentials.{name}: {where} cannot be read") from None
    raise generic.DescriptionError(f"credentials.{name}: must be env:VARIABLE or file:/path, not the secret itself")


def carrier_of(carrier: str, settings: Mapping[str, Any]) -> Carrier:
    """The words of a connection. Raises DescriptionError."""
    if carrier == "simulated":
        return Simulated()
    if carrier == "generic":
        return generic.from_description(settings, credentials_of(settings))
    raise generic.DescriptionError(f"carrier: must be one of {', '.join(CARRIERS)}")


def carrier_objection(carrier: str, settings: Mapping[str, Any]) -> str | None:
    """Why a connection cannot work as described, or None."""
    try:
        carrier_of(carrier, settings)
    except generic.DescriptionError as error:
        return str(error)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"settings: {error}"
    return None


@dataclass(frozen=True, slots=True)
class Speaker:
    """A connection as a web process needs it: whose words its hooks are."""

    id: int
    name: str
    carrier: Carrier


Spoken = TypeVar("Spoken", Line, Speaker)


class Lines(Generic[Spoken]):
    """The connections in use, read again every few seconds; one that cannot be read keeps its last good form."""

    def __init__(self, contracts: Contracts, make: Callable[[Contract], Spoken]) -> None:
        """`make` turns a contract into what this process needs of it, or raises DescriptionError."""
        self._contracts = contracts
        self._make: Callable[[Contract], Spoken] = make
        self._lines: dict[int, Spoken] = {}
        self._seen: dict[int, Contract] = {}
        self._until = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> Mapping[int, Spoken]:
        """The lines, by key."""
        if time.monotonic() >= self._until:
            with self._lock:
                self._refresh()
        return self._lines

    def named(self, name: str) -> Spoken | None:
        """The line of that name."""
        return next((line for line in self().values() if line.name == name), None)

    def _refresh(self) -> None:
        lines = dict(self._lines)
        for contract in self._contracts.all():
            if self._seen.get(contract.id) == contract:
                continue
            try:
                lines[contract.id] = self._make(contract)
                self._seen[contract.id] = contract
            except generic.DescriptionError as error:
                log.error(
                    "a connection cannot be used",
                    extra={"action": "connection", "connection": contract.name, "error": str(error)},
                )
        self._lines = lines
        self._until = time.monotonic() + REFRESH_SECONDS


def _speaker(contract: Contract) -> Speaker:
    return Speaker(contract.id, contract.name, carrier_of(contract.carrier, contract.settings))


def _line(contract: Contract, transports: Mapping[str, Transport], public_url: str) -> Line:
    tells = contract.carrier == "generic" and bool(contract.settings.get("receipts"))
    return Line(
        id=contract.id,
        name=contract.name,
        carrier=carrier_of(contract.carrier, contract.settings),
        transport=transports.get(contract.carrier, transports["http"]),
        receipt_wait=contract.receipt_wait,
        receipt_url=f"{public_url}/hooks/{contract.name}" if tells else "",
        acceptance_is_final=contract.acceptance_is_final,
    )


class Pulse:
    """A thread that keeps this process's leases alive, and knows when it failed to."""

    def __init__(self, beats: Sequence[Callable[[], None]], lease: float) -> None:
        """Call each of `beats` every few seconds; `lease` seconds after the last success we are as good as dead."""
        self._beats = beats
        self._lease = lease
        self._good = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._stop.set()
        self._thread.join()

    def alive(self) -> bool:
        """Whether the last heartbeat that succeeded is recent enough to claim work."""
        return time.monotonic() - self._good < self._lease / 2

    def _run(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            begun = time.monotonic()
            try:
                for beat in self._beats:
                    beat()
                self._good = begun
            except StoreUnavailable as error:
                log.error("a heartbeat failed", extra={"action": "heartbeat", "error": str(error)})
            except Exception:
                log.exception("a heartbeat failed", extra={"action": "heartbeat"})


def web_application(settings: Settings) -> Flask:
    """The API, for any WSGI server; it lives as long as its process."""
    house = ExitStack()
    database = house.enter_context(ready_database(settings))
    ids = NodeIds(database, time.time)
    house.callback(ids.release)
    house.enter_context(Pulse([ids.heartbeat], 60.0))
    group: Group[Candidate, Admitted] = Group(_admitting(database))
    directory = CachedDirectory(database)
    intake = Intake(admit=group.put, directory=directory, ids=ids, clock=utc_now, pepper=pepper(database))
    warm_up(("US",))  # else the first request pays for loading the metadata
    kit = WebKit(directory)
    lines = Lines(Contracts(database), _speaker)
    inbox = Inbox(receipts=GroupedReceipts(ReceiptBook(database), utc_now), clock=utc_now, ring=database.ring)
    app = application(
        [social_invite.door(intake, MessageQueries(database), kit), hooks.door(inbox, lines.named, kit)], kit
    )
    app.extensions["house"] = house
    return app


def _admitting(database: Database) -> Callable[[Sequence[Candidate]], Sequence[Admitted]]:
    """Admission of a group, and one ring for all of it: a NOTIFY for each would cost more than the commit."""
    admissions = Admissions(database)

    def admit(candidates: Sequence[Candidate]) -> Sequence[Admitted]:
        admitted = admissions.admit(candidates, utc_now())
        codes = {bool(one.code) for one in admitted if not one.replayed}
        for topic, discarded in ((DUE, False), (CALLBACKS, True)):
            if discarded in codes:
                database.ring(topic)
        return admitted

    return admit


@contextmanager
def working(settings: Settings, between: Callable[[str], None] = lambda point: None) -> Iterator[Clockwork]:
    """The dispatcher at work, until the block ends: nothing new is begun then, what is in flight is waited for."""
    with ExitStack() as house:
        database = house.enter_context(ready_database(settings))
        queue, outbox, receipts = MessageQueue(database), CallbackOutbox(database), ReceiptBook(database)
        workers = Workers(database)
        worker_id = workers.enrol("work", utc_now())
        house.callback(_quietly, lambda: workers.leave(worker_id))
        pulse = house.enter_context(Pulse([lambda: workers.beat(worker_id)], LEASE_SECONDS))
        pace = Pace(
            lease=timedelta(seconds=settings.work.lease_seconds),
            timeout=timedelta(seconds=settings.carriers.timeout_seconds),
            doubt=timedelta(minutes=settings.work.in_doubt_minutes),
        )
        clockwork: Clockwork

        def ring(topic: str) -> None:
            clockwork.ring(topic)

        inbox = Inbox(receipts=receipts, clock=utc_now, ring=ring)
        told: Gatherer[tuple[str, Hook]] = Gatherer("receipts", unavailable=StoreUnavailable)
        results: Gatherer[Result] = Gatherer("settle", unavailable=StoreUnavailable)
        answers: Gatherer[Answer] = Gatherer("callbacks", unavailable=StoreUnavailable)
        for gatherer in (told, results, answers):
            house.callback(gatherer.stop)
        simulated = house.enter_context(SimulatedTransport(lambda name, hook: told.put((name, hook))))
        carried = house.enter_context(
            HttpTransport(
                slots=settings.work.in_flight,
                lane_slots=settings.work.in_flight,
                connect_timeout=settings.carriers.connect_seconds,
                timeout=settings.carriers.timeout_seconds,
                user_agent=AGENT,
            )
        )
        # A submit that is in flight is waited for: ended by us, it would be in doubt.
        house.callback(carried.close, settings.carriers.timeout_seconds + 1)
        called = house.enter_context(
            guarded_transport(
                settings.callbacks.allow,
                slots=settings.callbacks.in_flight,
                lane_slots=settings.callbacks.in_flight_per_app,
                connect_timeout=min(5.0, settings.callbacks.timeout_seconds),
                timeout=settings.callbacks.timeout_seconds,
                user_agent=AGENT,
            )
        )
        transports: dict[str, Transport] = {"http": carried, "simulated": simulated}
        lines: Lines[Line] = Lines(Contracts(database), lambda c: _line(c, transports, settings.public_url))
        chance = random.SystemRandom()
        dispatch = Dispatch(
            queue=queue,
            directory=CachedDirectory(database),
            lines=lines,
            put=results.put,
            ring=ring,
            clock=utc_now,
            jitter=chance.random,
            pace=pace,
            worker_id=worker_id,
            alive=pulse.alive,
            between=between,
        )
        callbacks = Callbacks(
            outbox=outbox,
            transport=called,
            put=answers.put,
            clock=utc_now,
            jitter=chance.random,
            alive=pulse.alive,
            monotonic=time.monotonic,
            timeout=timedelta(seconds=settings.callbacks.timeout_seconds),
        )
        rescue = Rescue(queue=queue, outbox=outbox, receipts=receipts, clock=utc_now, ring=ring, doubt=pace.doubt)
        pruning = Pruning(attic=StoreAttic(database), clock=utc_now)
        clockwork = Clockwork(
            [
                Loop(DUE, DISPATCH_SECONDS, dispatch.turn, frozenset({DUE})),
                Loop(CALLBACKS, DISPATCH_SECONDS, callbacks.turn, frozenset({CALLBACKS})),
                Loop("rescue", settings.work.rescue_seconds, rescue.turn),
                Loop("pruning", PRUNING_SECONDS, pruning.turn),
            ],
            utc_now,
        )
        told.start(lambda batch: _take(inbox, lines, batch))
        results.start(dispatch.settle)
        answers.start(callbacks.settle)
        house.enter_context(database.listen(ring))
        clockwork.start()
        house.callback(clockwork.stop)
        yield clockwork


def _take(inbox: Inbox, lines: Lines[Line], batch: Sequence[tuple[str, Hook]]) -> None:
    told: dict[int, list[Receipt | Reply]] = {}
    for name, hook in batch:
        if line := lines.named(name):
            told.setdefault(line.id, []).extend(line.carrier.events(hook))
    for connection_id, events in told.items():
        inbox.take(connection_id, events)


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except StoreUnavailable as error:
        log.warning("could not say goodbye", extra={"action": "stop", "error": str(error)})


@contextmanager
def provisioning(settings: Settings) -> Iterator[tuple[Provisioning, Rows]]:
    """Provisioning, for the command line."""
    with ready_database(settings) as database:
        rows = Rows(database, utc_now)
        yield (
            Provisioning(
                register=rows,
                clock=utc_now,
                forbidden=lambda url: forbidden_url(url, settings.callbacks.allow),
                check_carrier=carrier_objection,
            ),
            rows,
        )


__all__ = ["Wrong", "open_database", "provisioning", "utc_now", "web_application", "working"]
