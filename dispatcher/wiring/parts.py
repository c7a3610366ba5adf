"""What web and work processes have in common: the database, the connections, the heartbeat."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf
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


def quietly(act: Callable[[], None]) -> None:
    """Do it, unless the store is away: then it is said in the log, and ends by itself."""
    try:
        act()
    except StoreUnavailable as error:
        log.warning("could not say goodbye", extra={"action": "stop", "error": str(error)})


class Named(Protocol):
    """Whatever a process makes of a contract."""

    @property
    def name(self) -> str:
        """The connection's name."""
        ...


Spoken = TypeVar("Spoken", bound=Named)


class Lines(Generic[Spoken]):
    """The connections in use, read again every few seconds with their credentials.

    One that cannot be read keeps its last good form; all do while the store is away.
    """

    def __init__(
        self,
        contracts: Contracts,
        make: Callable[[Contract], Spoken],
        tell: Callable[[Contract, str], None] = lambda contract, why: None,
    ) -> None:
        """`make` turns a contract into what this process needs of it, or raises SettingsError.

        `tell` takes a connection that cannot be used, and why; "" once it can. Raises StoreUnavailable: all are read.
        """
        self._contracts = contracts
        self._make: Callable[[Contract], Spoken] = make
        self._tell = tell
        self._lines: dict[int, Spoken] = {}
        self._made: dict[int, tuple[Contract, Mapping[str, str], Spoken]] = {}
        self._told: dict[int, str] = {}
        self._lacking: frozenset[str] = frozenset()
        self._until = 0.0  # whoever asks first knows also what was added meanwhile
        self._lock = threading.Lock()
        self._refresh()

    def __call__(self) -> Mapping[int, Spoken]:
        """The lines, by key. One caller at a time reads them again; the others take what there is, and wait for none.

        Anybody may post a hook: were each to wait for a store that is away, all threads would.
        """
        if time.monotonic() >= self._until and self._is_due():
            try:
                self._refresh()
            except StoreUnavailable as error:
                log.warning("connections were not read again", extra={"action": "connection", "error": str(error)})
            finally:
                self._until = time.monotonic() + REFRESH_SECONDS
        return self._lines

    def named(self, name: str) -> Spoken | None:
        """The line of that name."""
        return next((line for line in self().values() if line.name == name), None)

    def lacks(self, name: str) -> bool:
        """Whether there is a connection of that name that this process cannot use."""
        return name in self._lacking

    def _is_due(self) -> bool:
        with self._lock:
            due = time.monotonic() >= self._until
            if due:
                self._until = inf  # nobody else meanwhile
            return due

    def _refresh(self) -> None:
        contracts = self._contracts.all()
        lines: dict[int, Spoken] = {}
        broken: dict[int, str] = {}
        for contract in contracts:
            try:
                lines[contract.id] = self._line(contract)
            except SettingsError as error:
                broken[contract.id] = str(error)
                if contract.id in self._lines:
                    lines[contract.id] = self._lines[contract.id]
        self._lines = lines
        self._lacking = frozenset(contract.name for contract in contracts if contract.id not in lines)
        for contract in contracts:
            self._say(contract, broken.get(contract.id, ""))

    def _line(self, contract: Contract) -> Spoken:
        credentials = credentials_of(contract.settings)  # a file may hold another one since
        made = self._made.get(contract.id)
        if made is None or made[:2] != (contract, credentials):
            made = self._made[contract.id] = contract, credentials, self._make(contract)
        return made[2]

    def _say(self, contract: Contract, why: str) -> None:
        """Tell it once, not at every look. Raises StoreUnavailable, and it is told at the next one."""
        if self._told.get(contract.id, "") == why:
            return
        if why:
            extra = {"action": "connection", "connection": contract.name}
            log.error("connection %s cannot be used: %s", contract.name, why, extra=extra)
        self._tell(contract, why)
        self._told[contract.id] = why


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
