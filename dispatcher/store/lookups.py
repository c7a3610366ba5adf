"""What is kept of one person and of an app's senders, for whoever asks why. Nothing is written here."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from dispatcher.core.invitation import Account, OptOut
from dispatcher.core.screening import Known
from dispatcher.core.senders import Sender
from dispatcher.engine.explain import Hindrance, Place
from dispatcher.store.database import Database
from dispatcher.store.health import CONNECTION, SENDER, ailing
from dispatcher.store.instants import instant, maybe
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.pool import LEFT_ALONE, OF_APP
from dispatcher.store.statement import Row, Statement
from dispatcher.store.sticky import StickySenders
from dispatcher.store.workers import unusable

ACCOUNT: Final = Statement("select id, paused_at is not null from accounts where id = :id")
PERSON: Final = Statement(
    "select line_type, line_type_at, os, os_at, line_type_from, os_from from people where person = :person"
)
PLACE: Final = Statement("select message_id, until_at from duplicate_slots where person = :person and app_id = :app_id")
# Those that store.pool leaves out of the pool, and why.
HINDERED: Final = Statement(
    f"""select s.number, s.paused_at is not null, case when s.rest_until > {{clock}} then s.rest_until end,
        s.rest_reason, c.name, c.paused_at is not null, c.stop_reason, c.retry_at
    from senders s join connections c on c.id = s.connection_id
    where (s.paused_at is not null or s.rest_until > {{clock}} or c.paused_at is not null or {LEFT_ALONE})
    and {OF_APP.format(app=":app_id")}
    order by s.id"""
)


HALTED: Final = Statement("select stopped_at is not null, stop_reason, unbound from connections where id = :id")


class StoreLookups:
    """What this database keeps."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database
        self._optouts = OptOutBook(database)
        self._sticky = StickySenders(database)

    def account(self, account_id: int) -> Account:
        """The account of that number, which is there."""
        with self._database.read() as tx:
            [(number, paused)] = tx.run(ACCOUNT, id=account_id)
        return Account(number, paused=bool(paused))

    def known(self, person: str) -> Known:
        """What was learned of a person's number."""
        with self._database.read() as tx:
            found = tx.run(PERSON, person=person)
        return next((_known(*row) for row in found), Known())

    def opt_outs(self, person: str) -> list[OptOut]:
        """Every opt-out of a person."""
        return self._optouts.of(person)

    def place(self, app_id: int, person: str) -> Place | None:
        """Who holds this place, or held it last."""
        with self._database.read() as tx:
            found = tx.run(PLACE, app_id=app_id, person=person)
        return Place(found[0][0], instant(found[0][1])) if found else None

    def sticky_sender(self, app_id: int, person: str, now: datetime) -> int | None:
        """The sender that this person knows from this app."""
        return self._sticky.of(app_id, person, now)

    def ailments(self, sender: Sender) -> list[str]:
        """Why a sender or its connection has less than its whole share, or can send nothing at all for now."""
        with self._database.read() as tx:
            its, of_connection = ailing(tx, SENDER).get(sender.id), ailing(tx, CONNECTION).get(sender.connection_id)
            [(stopped, reason, unbound)] = tx.run(HALTED, id=sender.connection_id)
            why = unusable(tx, to_send=True).get(sender.connection_id)
        told = [f"health {its}"] * bool(its) + [f"its connection's health {of_connection}"] * bool(of_connection)
        told += [f"its connection is stopped: {reason}"] * bool(stopped)
        told += [f"its connection is not bound: {unbound}"] * bool(unbound and not stopped)
        return told + [f"its connection: {why}"] * bool(why)

    def hindrances(self, app_id: int) -> list[Hindrance]:
        """The senders of this app that cannot be used now: its own, else the shared ones."""
        with self._database.read() as tx:
            return [_hindrance(row) for row in tx.run(HINDERED, app_id=app_id)]


def _known(line_type: str, line_type_at: int | None, os: str, os_at: int | None, *sources: str) -> Known:
    line_type_from, os_from = sources
    return Known(line_type, maybe(line_type_at), os, maybe(os_at), line_type_from=line_type_from, os_from=os_from)


def _hindrance(row: Row) -> Hindrance:
    number, paused, rests, rest_reason, connection, line_paused, stop_reason, retry = row
    if paused:
        return Hindrance(number, "is paused")
    if rests is not None:
        return Hindrance(number, f"rests: {rest_reason}", instant(rests))
    if line_paused:
        return Hindrance(number, f"is of {connection}, which is paused")
    return Hindrance(number, f"is of {connection}, which is stopped: {stop_reason}", maybe(retry))
