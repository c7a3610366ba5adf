"""The operator's desk: migrating and provisioning, from the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dispatcher.carriers.generic import DescriptionError
from dispatcher.engine.provisioning import Provisioning
from dispatcher.settings import Settings
from dispatcher.store.migrating import migrate
from dispatcher.store.provisioning import Rows
from dispatcher.transports.guarded import forbidden_url
from dispatcher.wiring.parts import carrier_of, open_database, ready_database, utc_now


def migrated(settings: Settings) -> str:
    """Bring the database to this program's shape; the revision it has then. Raises StoreUnavailable."""
    database = open_database(settings)
    try:
        return migrate(database)
    finally:
        database.close()


def carrier_objection(carrier: str, settings: Mapping[str, Any]) -> str | None:
    """Why a connection cannot work as described, or None."""
    try:
        carrier_of(carrier, settings)
    except DescriptionError as error:
        return str(error)
    return None


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
