"""Accounts, apps, connections and senders, as rows. Not hot: SQLModel sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, select

from dispatcher.core.health import NEARLY_WHOLE, Ailment
from dispatcher.core.pacing import SECOND, gap_of
from dispatcher.engine.checks import Wrong, check_texts
from dispatcher.engine.ports import Clock
from dispatcher.store.alarms import left_alone
from dispatcher.store.database import Database
from dispatcher.store.health import CONNECTION, SENDER, ailing, heal
from dispatcher.store.instants import micros
from dispatcher.store.pool import resume
from dispatcher.store.statement import Statement
from dispatcher.store.tables import (
    Account,
    ApiKey,
    App,
    BindLease,
    Connection,
    ConnectionHealth,
    Endpoint,
    ReceiptBox,
    ReplyBox,
    Sender,
    SenderApp,
    SenderHealth,
    Unusable,
)
from dispatcher.store.workers import unusable

HEEDED: Final = timedelta(seconds=3)  # by then every process has seen what was changed
PAGE: Final = 5000
LEAST_WAIT: Final = 2 * SECOND  # slots were given out so far ahead at most, by the pace that was
SOONER: Final = Statement("update senders set free_at = {clock} + :wait where id = :id and free_at > {clock} + :wait")
PLAN_AGAIN: Final = Statement(
    """update messages set due_at = :at where id in (
        select id from messages where app_id = :app_id and state = 'queued' and due_at > :at
        and hold in ('quiet hours', 'no common open hour') limit :most)
    returning id"""
)


class Rows:
    """Where provisioned things are kept."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Work on this database."""
        self._database = database
        self._clock = clock

    def add_account(self, company: str, email: str, api_key: str, secret_hash: str) -> int:
        """A new account with its first key; its number."""
        with self._database.session() as session:
            account = Account(company=company, email=email, created_at=self._clock())
            number = _added(session, account)
            session.add(_key(number, api_key, secret_hash, self._clock()))
        return number

    def add_key(self, account_id: int, api_key: str, secret_hash: str) -> None:
        """Another key of an account."""
        with self._database.session() as session:
            session.add(_key(account_id, api_key, secret_hash, self._clock()))

    def revoke_key(self, api_key: str) -> None:
        """An end to a key."""
        with self._database.session() as session:
            found = session.get(ApiKey, api_key)
            if found is None:
                raise Wrong(f"key: {api_key} is not known")
            found.revoked_at = found.revoked_at or self._clock()
            session.add(found)

    def find_account(self, name: str) -> int:
        """The account of a key, a number or a company's name."""
        check_texts(account=name)
        with self._database.session() as session:
            key = session.get(ApiKey, name)
            if key is not None:
                return key.account_id
            number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1
            found = session.exec(
                select(Account.id).where((col(Account.company) == name) | (col(Account.id) == number))
            ).all()
        if len(found) != 1 or found[0] is None:
            if found:
                raise Wrong(f"account: {name} is the name of several; name one by its number or an apiKey")
            raise Wrong(f"account: {name} is no apiKey, number or company name")
        return found[0]

    def add_app(self, account_id: int, values: Mapping[str, Any]) -> int:
        """A new app of an account; its number."""
        with self._database.session() as session:
            return _added(
                session,
                App(account_id=account_id, created_at=self._clock(), **values),
                f"app-id: {values['app_id']} exists already for this account",
            )

    def add_connection(self, name: str, carrier: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """A new connection; its number."""
        row = Connection(name=name, carrier=carrier, settings=dict(settings), created_at=self._clock(), **values)
        with self._database.session() as session:
            return _added(session, row, f"name: a connection {name} exists already")

    def add_sender(self, values: Mapping[str, Any], connection: str, apps: Sequence[str]) -> int:
        """A new sender; its number."""
        with self._database.session() as session:
            line = _connection(session, connection)
            owners = [_app(session, name) for name in apps]
            sender = Sender(connection_id=_number(line), created_at=self._clock(), **values)
            number = _added(session, sender, f"number: {values['number']} is a sender of {connection} already")
            session.add_all([SenderApp(sender_id=number, app_id=app_id) for app_id in owners])
        return number

    def change_app(self, name: str, account: str, values: Mapping[str, Any]) -> None:
        """Other values for an app; `account` says whose is meant where several have it."""
        number = self.find_app(name, account)
        with self._database.session() as session:
            _set(session, session.get_one(App, number), values)
        if "hours" in values:
            self._plan_again(number)

    def _plan_again(self, app_id: int) -> None:
        """Have dispatch look again, by the new hours, at what waited for the old ones to open."""
        given = {"app_id": app_id, "at": micros(self._clock() + HEEDED), "most": PAGE}
        moved = PAGE
        while moved == PAGE:
            with self._database.write() as tx:
                moved = len(tx.run(PLAN_AGAIN, **given))

    def forget_endpoint(self, name: str, account: str) -> None:
        """An end to what is held against an app's callback endpoint: failures, a rest, a stop."""
        number = self.find_app(name, account)
        with self._database.session() as session:
            session.exec(delete(Endpoint).where(col(Endpoint.app_id) == number))

    def change_connection(self, name: str, values: Mapping[str, Any]) -> None:
        """Other values for a connection."""
        with self._database.session() as session:
            _set(session, _connection(session, name), values)

    def resume_connection(self, name: str) -> None:
        """An end to a stop of a connection, to the rests that came of it, and to what is held against its health."""
        with self._database.session() as session:
            number = _number(_connection(session, name))
        with self._database.write() as tx:
            resume(tx, [number])
            heal(tx, CONNECTION, number)

    def change_sender(
        self, number: str, connection: str, values: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> None:
        """Other values for a sender, and other apps unless `apps` is None; `connection` says which where several."""
        with self._database.session() as session:
            found = _sender(session, number, connection)
            _set(session, found, values)
            if apps is not None:
                session.exec(delete(SenderApp).where(col(SenderApp.sender_id) == found.id))
                owners = {_app(session, name) for name in apps}
                session.add_all([SenderApp(sender_id=_number(found), app_id=app_id) for app_id in sorted(owners)])
            changed = _number(found)
        if "mps" in values:
            with self._database.write() as tx:
                tx.run(SOONER, id=changed, wait=max(gap_of(values["mps"]), LEAST_WAIT))

    def remove_connection(self, name: str) -> None:
        """An end to a connection that has no senders and was never heard of; who submitted has senders."""
        with self._database.session() as session:
            number = _number(_connection(session, name))
            if session.exec(select(Sender.id).where(Sender.connection_id == number).limit(1)).first():
                raise Wrong(f"name: {name} has senders; `sender remove` them first, or `connection pause` it")
            for box in (ReceiptBox, ReplyBox):
                if session.exec(select(box.id).where(box.connection_id == number).limit(1)).first():
                    raise Wrong(f"name: {name} was used; `connection pause` it instead")
            session.exec(delete(ConnectionHealth).where(col(ConnectionHealth.connection_id) == number))
            session.exec(delete(BindLease).where(col(BindLease.connection_id) == number))
            session.exec(delete(Unusable).where(col(Unusable.connection_id) == number))
            session.exec(delete(Connection).where(col(Connection.id) == number))

    def remove_sender(self, number: str, connection: str) -> None:
        """An end to a sender that never sent anything, nor was written to."""
        with self._database.session() as session:
            found = _number(_sender(session, number, connection))
            session.exec(delete(SenderApp).where(col(SenderApp.sender_id) == found))
            session.exec(delete(SenderHealth).where(col(SenderHealth.sender_id) == found))
            answered = select(ReplyBox.id).where(ReplyBox.sender_id == found).exists()
            unused = (col(Sender.id) == found, col(Sender.free_at) == 0, ~answered)  # every text moves free_at
            if not session.exec(delete(Sender).where(*unused)).rowcount:
                raise Wrong(f"number: {number} was used; `sender pause` it instead")

    def contract(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The carrier of a connection, and its settings."""
        with self._database.session() as session:
            found = _connection(session, name)
            return found.carrier, found.settings

    def find_app(self, name: str, account: str = "") -> int:
        """The app of that id; where several accounts have it, `account` says whose is meant."""
        check_texts(app=name)
        owner = self.find_account(account) if account else None
        with self._database.session() as session:
            return _app(session, name, owner)

    def keys(self) -> dict[int, list[str]]:
        """The credentials in force, by account."""
        found: dict[int, list[str]] = {}
        with self._database.session() as session:
            in_force = select(ApiKey).where(col(ApiKey.revoked_at).is_(None)).order_by(col(ApiKey.created_at))
            for row in session.exec(in_force):
                found.setdefault(row.account_id, []).append(row.api_key)
        return found

    def dedicated(self) -> dict[int, list[int]]:
        """The apps that senders are dedicated to, by sender."""
        found: dict[int, list[int]] = {}
        with self._database.session() as session:
            for row in session.exec(select(SenderApp).order_by(col(SenderApp.app_id))):
                found.setdefault(row.sender_id, []).append(row.app_id)
        return found

    def ailing(self) -> dict[int, dict[str, Any]]:
        """The callback endpoints that failed lately, rest or are stopped, by app."""
        with self._database.session() as session:
            return {row.app_id: row.model_dump() for row in session.exec(select(Endpoint))}

    def unwell(self) -> tuple[dict[int, Ailment], dict[int, Ailment]]:
        """The connections and the senders whose share is not nearly whole now, and why."""
        with self._database.read() as tx:
            connections, senders = ailing(tx, CONNECTION), ailing(tx, SENDER)
        return _news(connections), _news(senders)

    def unusable(self) -> dict[int, str]:
        """The connections that a process cannot use, and why."""
        with self._database.read() as tx:
            return unusable(tx)

    def left_alone(self) -> set[int]:
        """The connections that a worker leaves alone now since it hears nothing from their carriers."""
        with self._database.read() as tx:
            return left_alone(tx, self._clock())

    def listed(self, kind: type[Account] | type[Connection] | type[Sender] | type[App]) -> list[dict[str, Any]]:
        """Every row of a kind, in the order made."""
        with self._database.session() as session:
            return [row.model_dump() for row in session.exec(select(kind).order_by(col(kind.id))).all()]


def _news(ailments: Mapping[int, Ailment]) -> dict[int, Ailment]:
    return {i: each for i, each in ailments.items() if each.share < NEARLY_WHOLE}


def _key(account_id: int, api_key: str, secret_hash: str, now: datetime) -> ApiKey:
    return ApiKey(api_key=api_key, account_id=account_id, secret_hash=secret_hash, created_at=now)


def _added(session: Session, row: Account | App | Connection | Sender, taken: str = "") -> int:
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        raise Wrong(taken or "it exists already") from None
    return _number(row)


def _number(row: Account | App | Connection | Sender) -> int:
    if row.id is None:
        raise Wrong("the database gave it no number")
    return row.id


def _connection(session: Session, name: str) -> Connection:
    found = session.exec(select(Connection).where(Connection.name == name)).first()
    if found is None:
        raise Wrong(f"connection: {name} is not known")
    return found


def _sender(session: Session, number: str, connection: str) -> Sender:
    named = select(Sender).where(Sender.number == number)
    if connection:
        named = named.where(Sender.connection_id == _connection(session, connection).id)
    found = session.exec(named).all()
    if len(found) != 1:
        many = "a sender of several connections; name the connection"
        raise Wrong(f"number: {number} is {many if found else 'not a sender'}")
    return found[0]


def _set(session: Session, row: App | Connection | Sender, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name != "paused_at" or value is None or row.paused_at is None:  # who pauses again keeps the first instant
            setattr(row, name, value)
    session.add(row)


def _app(session: Session, name: str, owner: int | None = None) -> int:
    named = select(App.id).where(App.app_id == name)
    found = session.exec(named if owner is None else named.where(App.account_id == owner)).all()
    if len(found) != 1 or found[0] is None:
        raise Wrong(f"app: {name} is {'more than one app' if found else 'not known'}")
    return found[0]
