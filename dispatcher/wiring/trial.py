"""A trial of a connection, from the command line: its words, its transport, one text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from dispatcher.core.given import SettingsError
from dispatcher.engine.checks import Wrong, check_texts
from dispatcher.engine.transport import Transport
from dispatcher.engine.trial import Trial
from dispatcher.settings import Settings
from dispatcher.store.connections import Contracts
from dispatcher.store.nodes import NodeIds
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.provisioning import Rows
from dispatcher.store.revision import pepper
from dispatcher.store.tables import Sender
from dispatcher.transports.http import HttpTransport
from dispatcher.transports.simulated import SimulatedTransport
from dispatcher.wiring.parts import ready_database, utc_now
from dispatcher.wiring.work import AGENT, line_of


@contextmanager
def trying(settings: Settings, connection: str) -> Iterator[Trial]:
    """A trial of the connection of that name. Raises Wrong where there is none, or it cannot be used."""
    check_texts(connection=connection)
    with ExitStack() as house:
        database = house.enter_context(ready_database(settings))
        contract = next((each for each in Contracts(database).all() if each.name == connection), None)
        if contract is None:
            raise Wrong(f"connection: {connection} is not known")
        ids = NodeIds(database, time.time)
        house.callback(ids.release)
        carried = HttpTransport(
            slots=1,
            lane_slots=1,
            connect_timeout=settings.carriers.connect_seconds,
            timeout=settings.carriers.timeout_seconds,
            user_agent=AGENT,
        )
        transports: dict[str, Transport] = {
            "http": house.enter_context(carried),
            "simulated": house.enter_context(SimulatedTransport(lambda name, hook: None)),
        }
        try:
            line = line_of(contract, transports, settings.public_url)
        except SettingsError as error:
            raise Wrong(f"{connection}: {error}") from None
        senders = [row["number"] for row in Rows(database, utc_now).listed(Sender) if row["connection_id"] == line.id]
        yield Trial(
            line=line,
            senders=senders,
            opt_outs=OptOutBook(database).of,
            pepper=pepper(database),
            ids=ids,
            clock=utc_now,
            patience=timedelta(seconds=settings.carriers.timeout_seconds + 5),
        )
