"""What web and work processes have in common: the database, the connections, the heartbeat."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from dispatcher.core.given import SettingsError
from dispatcher.core.phone import LineType
from dispatcher.core.screening import MAY_BE_MOBILE, LinePolicy
from dispatcher.core.zones import use_packaged_zones
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.settings import LookupSettings, Settings
from dispatcher.store.connections import Contract, Contracts
from dispatcher.store.database import Database
from dispatcher.store.revision import pending
from dispatcher.store.sqlite import Sqlite
from dispatcher.wiring.carriers import credentials_of

log = logging.getLogger(__name__)
BEAT_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 1.0  # after a heartbeat that failed: what waits for the database waits for this as well
REFRESH_SECONDS: Final = 2.0


def utc_now() -> datetime:
    """The clock of the house."""
    return datetime.now(UTC)


def open_database(settings: Settings) -> Database:
    """The database that the settings name. Raises StoreUnavailable in one sentence."""
    use_packaged_zones()
    url = settings.database_url
    if url.startswith("sqlite:///"):
        return Sqlite(Path(url.removeprefix("sqlite:///")))
    from dispatcher.store.postgres import Postgres

    return Postgres(url, connections=settings.postgres.connections, pooled=settings.postgres.pooled)


def policy_of(settings: LookupSettings) -> LinePolicy:
    """Which line types get a text, how long the answer of a lookup counts, and how long a first text waits for one."""
    also = {LineType.NON_FIXED_VOIP} if settings.non_fixed_voip == "accept" else set()
    return LinePolicy(
        grace=timedelta(seconds=settings.grace_seconds) if settings.provider else None,
        keep=timedelta(days=settings.keep_days),
        textable=MAY_BE_MOBILE | also,
    )


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


class Named(Protocol):
    """Whatever a process makes of a contract."""

    @property
    def name(self) -> str:
        """The connection's name."""
        ...


Spoken = TypeVar("Spoken", bound=Named)


class Lines(Generic[Spoken]):
    """The connections in use, read again every few seconds with their credentials.

    One that cannot be read keeps its last good form.
    """

    def __init__(
        self,
        contracts: Contracts,
        make: Callable[[Contract], Spoken],
        tell: Callable[[int, str], None] = lambda connection_id, why: None,
    ) -> None:
        """`make` turns a contract into what this process needs of it, or raises SettingsError.

        `tell` takes the key of a connection that cannot be used, and why; "" once it can.
        """
        self._contracts = contracts
        self._make: Callable[[Contract], Spoken] = make
        self._tell = tell
        self._lines: dict[int, Spoken] = {}
        self._seen: dict[int, tuple[Contract, Mapping[str, str]]] = {}
        self._broken: dict[int, str] = {}
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
        contracts = self._contracts.all()
        there = {contract.id for contract in contracts}
        lines = {number: line for number, line in self._lines.items() if number in there}
        for contract in contracts:
            try:
                seen = contract, credentials_of(contract.settings)  # a file may hold another one since
                if self._seen.get(contract.id) != seen:
                    lines[contract.id] = self._make(contract)
                    self._seen[contract.id] = seen
                if contract.id in self._broken:
                    self._tell(contract.id, "")
                    del self._broken[contract.id]
            except SettingsError as error:
                if self._broken.get(contract.id) != str(error):  # said once, not at every look
                    self._tell(contract.id, str(error))
                    log.error(
                        "connection %s cannot be used: %s",
                        contract.name,
                        error,
                        extra={"action": "connection", "connection": contract.name},
                    )
                self._broken[contract.id] = str(error)
        self._lines = lines
        self._until = time.monotonic() + REFRESH_SECONDS


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
        wait = BEAT_SECONDS
        while not self._stop.wait(wait):
            wait, begun = AGAIN_SECONDS, time.monotonic()
            try:
                for beat in self._beats:
                    beat()
                self._good, wait = begun, BEAT_SECONDS
            except StoreUnavailable as error:
                log.error("a heartbeat failed", extra={"action": "heartbeat", "error": str(error)})
            except Exception:
                log.exception("a heartbeat failed", extra={"action": "heartbeat"})
