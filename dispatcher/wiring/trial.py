"""A trial of a connection, from the command line: its words, its transport, one text and its receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from dispatcher.core.exchange import Hook
from dispatcher.core.given import SettingsError
from dispatcher.engine.checks import Wrong, check_texts
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.engine.replies import Replies
from dispatcher.engine.trial import Trial
from dispatcher.loops import Gatherer
from dispatcher.settings import Settings
from dispatcher.store.binds import Leases
from dispatcher.store.connections import Contracts
from dispatcher.store.nodes import NodeIds
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.orphans import Orphans
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.replies import ReplyBook
from dispatcher.store.revision import pepper
from dispatcher.store.tables import Sender
from dispatcher.store.workers import Workers
from dispatcher.wiring.carriers import tells
from dispatcher.wiring.parts import quietly, ready_database, utc_now
from dispatcher.wiring.smpp import SmppBinds, bound_for_trial
from dispatcher.wiring.work import carrier_transports, line_of, take_told


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
        told: Gatherer[tuple[str, Hook]] = Gatherer("receipts", unavailable=StoreUnavailable)
        house.callback(told.stop)
        workers = Workers(database)
        worker_id = 0
        if contract.carrier == "smpp":  # binds are shared out among those who are known to be there
            worker_id = workers.enrol("trial", utc_now())
            house.callback(quietly, lambda: workers.leave(worker_id))
        leases = Leases(database)
        smpp = SmppBinds(settings, leases, worker_id)
        transports = carrier_transports(house, settings, told, smpp)
        try:
            line = line_of(contract, transports, settings.public_url)
        except SettingsError as error:
            raise Wrong(f"{connection}: {error}") from None
        secret = pepper(database)
        replies = Replies(book=ReplyBook(database, ids), pepper=secret, clock=utc_now, ring=database.ring)
        inbox = Inbox(receipts=ReceiptBook(database), replies=replies, clock=utc_now, ring=database.ring)
        told.start(lambda batch: take_told(inbox, {line.name: line}.get, batch))
        smpp.start(inbox, lambda: [line])
        if worker_id:
            bound_for_trial(house, smpp, leases, worker_id, lambda: workers.beat(worker_id))
        senders = [row["number"] for row in Rows(database, utc_now).listed(Sender) if row["connection_id"] == line.id]
        yield Trial(
            line=line,
            senders=senders,
            tells=tells(contract),
            receipts=Orphans(database),
            opt_outs=OptOutBook(database).of,
            pepper=secret,
            ids=ids,
            clock=utc_now,
            patience=timedelta(seconds=settings.carriers.timeout_seconds + 5),
        )
