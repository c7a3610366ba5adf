"""Every table, once. Alembic's migrations are checked against this file by the gate.

Instants are whole microseconds since 1970 UTC in a BIGINT: exact, ordered, the same on both databases, and what the
set statements of the hot paths work with; `Instant` turns them into aware datetimes for everything that is not hot.
A person's address stands in `people.address` and nowhere else; everything about a person is keyed by `person`, a keyed
hash of it (core.person), so that it can be erased.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from dispatcher.store.instants import instant, micros


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else instant(value)


SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata
# Rows that are removed while others still name them: SQLite would give their numbers to the next ones.
NEVER_AGAIN = {"sqlite_autoincrement": True}
KEYED = {"sqlite_with_rowid": False}  # rows that live in their primary key: one page to write instead of two


def key(*, auto: bool = False) -> Any:
    """A 63-bit primary key: minted by the process (engine Ids), or counted by the database where `auto`."""
    kind = BigInteger().with_variant(Integer(), "sqlite")
    return Field(default=None if auto else ..., sa_column=Column(kind, primary_key=True, autoincrement=auto))


def refers(target: str, *, primary: bool = False, optional: bool = False) -> Any:
    """A column that points at another table's key."""
    column: Column[int] = Column(BigInteger, ForeignKey(target), primary_key=primary, nullable=optional)
    return Field(default=None if optional else ..., sa_column=column)


def at(*, optional: bool = False) -> Any:
    """An instant."""
    return Field(default=None if optional else ..., sa_column=Column(Instant, nullable=optional))


def words(length: int, default: str = "", *, primary: bool = False) -> Any:
    """A short text that is never null."""
    return Field(
        default=default,
        sa_column=Column(
            String(length), primary_key=primary, nullable=False, server_default=None if primary else default
        ),
    )


class Installation(SQLModel, table=True):
    """What belongs to this installation as a whole, such as the pepper of the person hashes."""

    __tablename__ = "installation"
    name: str = words(40, primary=True)
    value: str = Field(sa_column=Column(Text, nullable=False))


class Account(SQLModel, table=True):
    """A customer."""

    __tablename__ = "accounts"
    id: int | None = key(auto=True)
    company: str = words(200)
    email: str = words(254)
    created_at: datetime = at()
    paused_at: datetime | None = at(optional=True)


class ApiKey(SQLModel, table=True):
    """One of an account's credentials; the secret is kept as its SHA-256, for it is 256 random bits."""

    __tablename__ = "api_keys"
    api_key: str = words(64, primary=True)
    account_id: int = refers("accounts.id")
    secret_hash: str = words(64)
    label: str = words(100)
    created_at: datetime = at()
    revoked_at: datetime | None = at(optional=True)


class App(SQLModel, table=True):
    """A store listing of an account, with all that is settled per app."""

    __tablename__ = "apps"
    __table_args__ = (Index("uq_apps_account_id_app_id", "account_id", "app_id", unique=True),)
    id: int | None = key(auto=True)
    account_id: int = refers("accounts.id")
    app_id: str = words(255)
    callback_url: str = words(2048)
    callback_secret: str = words(64)
    callback_clicks: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    callback_corrections: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    hours: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    country: str = words(2, "US")
    country_from_sender: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    countries: str = words(1024, "all")
    network_id: str = words(255)
    accepted_url: str = words(2048)
    accepted_post_data: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    accepted_content_type: str = words(64)
    policy: str = words(16, "at_most_once")
    duplicate_seconds: int = Field(default=604_800, sa_column=Column(Integer, nullable=False))
    most_segments: int = Field(default=10, sa_column=Column(Integer, nullable=False))
    stop_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    start_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    help_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    weight: float = Field(default=1.0, sa_column=Column(Float, nullable=False, server_default="1"))
    created_at: datetime = at()
    paused_at: datetime | None = at(optional=True)


class Connection(SQLModel, table=True):
    """One contract with a carrier. `settings` names credentials by where they stand, never holds them in the clear."""

    __tablename__ = "connections"
    __table_args__ = NEVER_AGAIN
    id: int | None = key(auto=True)
    name: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    carrier: str = words(32)
    settings: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    in_flight: int = Field(default=256, sa_column=Column(Integer, nullable=False))
    receipt_seconds: int = Field(default=259_200, sa_column=Column(Integer, nullable=False))
    acceptance_is_final: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    weight: float = Field(default=1.0, sa_column=Column(Float, nullable=False, server_default="1"))
    created_at: datetime = at()
    paused_at: datetime | None = at(optional=True)
    stopped_at: datetime | None = at(optional=True)
    stop_reason: str = words(255)
    retry_at: datetime | None = at(optional=True)
    silent_at: datetime | None = at(optional=True)
    silent_by: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))  # the worker
    silence: str = words(255)
    unbound_at: datetime | None = at(optional=True)
    unbound: str = words(255)
    hooks_at: datetime | None = at(optional=True)
    hooks_refused_at: datetime | None = at(optional=True)


class Sender(SQLModel, table=True):
    """A number, short code or alphanumeric id that we send from, and its room: `free_at` is when it may send next.

    `load` is what it was used so far against its weight, `holder` the worker that gave out its last slots.
    """

    __tablename__ = "senders"
    __table_args__ = (Index("uq_senders_number_connection_id", "number", "connection_id", unique=True), NEVER_AGAIN)
    id: int | None = key(auto=True)
    number: str = words(32)
    kind: str = words(16)
    region: str = words(3)
    connection_id: int = refers("connections.id")
    mps: float = Field(default=1.0, sa_column=Column(Float, nullable=False))
    daily_cap: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    weight: float = Field(default=1.0, sa_column=Column(Float, nullable=False, server_default="1"))
    free_at: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    day: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    used: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    load: float = Field(default=0.0, sa_column=Column(Float, nullable=False, server_default="0"))
    holder: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    rest_until: datetime | None = at(optional=True)
    rest_reason: str = words(255)
    created_at: datetime = at()
    paused_at: datetime | None = at(optional=True)


class SenderApp(SQLModel, table=True):
    """A sender that is dedicated to an app; a sender without such a row is shared by all."""

    __tablename__ = "sender_apps"
    sender_id: int = refers("senders.id", primary=True)
    app_id: int = refers("apps.id", primary=True)


class ConnectionHealth(SQLModel, table=True):
    """When a connection will have its whole share again (core.health), and why it has not."""

    __tablename__ = "connection_health"
    connection_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    well_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    reason: str = words(255)


class SenderHealth(SQLModel, table=True):
    """The same of a sender. Not in its row, nor tied to it: every mark locks that."""

    __tablename__ = "sender_health"
    sender_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    well_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    reason: str = words(255)


class Alarm(SQLModel, table=True):
    """What an operator has to see to: the last time that it happened to this subject, and whether it goes on."""

    __tablename__ = "alarms"
    kind: str = words(32, primary=True)
    subject: str = words(300, primary=True)
    since: datetime = at()
    last_at: datetime = at()
    count: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))
    reason: str = words(255)
    ended_at: datetime | None = at(optional=True)


class StickySender(SQLModel, table=True):
    """The sender that this person already knows from this app."""

    __tablename__ = "sticky_senders"
    __table_args__ = (Index("ix_sticky_senders_used_at", "used_at"), KEYED)
    app_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    person: str = words(22, primary=True)
    sender_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    used_at: datetime = at()


class EarlierSender(SQLModel, table=True):
    """A sender that this person knew from this app before the one of `sticky_senders`."""

    __tablename__ = "earlier_senders"
    __table_args__ = (Index("ix_earlier_senders_used_at", "used_at"), KEYED)
    person: str = words(22, primary=True)
    sender_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    app_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    used_at: datetime = at()


class Person(SQLModel, table=True):
    """A recipient: the one place of the address, and what was learned about the number."""

    __tablename__ = "people"
    __table_args__ = KEYED
    person: str = words(22, primary=True)
    address: str | None = Field(default=None, sa_column=Column(String(320), nullable=True))
    line_type: str = words(16)
    line_type_at: datetime | None = at(optional=True)
    line_type_from: str = words(8)
    os: str = words(16)
    os_at: datetime | None = at(optional=True)
    os_from: str = words(8)


class Lookup(SQLModel, table=True):
    """A number to be looked up, for invitations that wait. The sooner one of them may leave, the sooner it is asked.

    It is asked at `due_at` or later, by who holds its lease; after the answer it is looked at once more, for
    invitations that were admitted meanwhile.
    """

    __tablename__ = "lookups"
    __table_args__ = (Index("ix_lookups_planned_at", "planned_at"), KEYED)
    person: str = words(22, primary=True)
    planned_at: datetime = at()
    due_at: datetime = at()
    lease_until: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    generation: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    tries: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))


class LookupDay(SQLModel, table=True):
    """How many lookups were begun on a day (its number since 1970, UTC), and how the last one failed that did."""

    __tablename__ = "lookup_days"
    day: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    asked: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    failed_at: datetime | None = at(optional=True)
    failure: str = words(255)


class Message(SQLModel, table=True):
    """The queue and the ledger of all that goes out. `code` and `reason` are the last word on it.

    `due_at` is the next instant at which anything is to be done: queued, when to try; submitted, when to stop waiting
    for a receipt; in doubt, when to close. `awaited` is the sender that the recipient waits for, or 0, and of an answer
    its only sender, negated; `flow` the line of its inviter (core.flows). `generation` grows with every claim and
    fences every later write.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_due", "app_id", "region", "awaited", "flow", "due_at", "id",
              sqlite_where=text("state = 'queued'"), postgresql_where=text("state = 'queued'")),
        Index("ix_messages_awaiting", "planned_at", sqlite_where=text("state = 'queued' and awaited > 0"),
              postgresql_where=text("state = 'queued' and awaited > 0")),
        Index("ix_messages_lease", "lease_until", sqlite_where=text("state in ('claimed', 'submitting')"),
              postgresql_where=text("state in ('claimed', 'submitting')")),
        Index("ix_messages_waiting", "due_at", sqlite_where=text("state in ('submitted', 'in_doubt')"),
              postgresql_where=text("state in ('submitted', 'in_doubt')")),
        Index("ix_messages_person", "person", "app_id", sqlite_where=text("state in ('queued', 'claimed')"),
              postgresql_where=text("state in ('queued', 'claimed')")),
        Index("ix_messages_reference", "account_id", "reference", "id", sqlite_where=text("reference <> ''"),
              postgresql_where=text("reference <> ''")),
        Index("ix_messages_external", "external_id", sqlite_where=text("external_id <> ''"),
              postgresql_where=text("external_id <> ''")),
    )  # fmt: skip
    id: int = key()
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    app_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    kind: str = words(16, "invitation")
    channel: str = words(8, "sms")
    person: str = words(22)
    region: str = words(3)
    time_zone: str = words(40)
    state: str = words(12)
    code: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    reason: str = words(255)
    admitted_code: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    duplicate_of: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    reopens_at: datetime | None = at(optional=True)
    text: str = Field(sa_column=Column(Text, nullable=False))
    segments: int = Field(default=1, sa_column=Column(Integer, nullable=False))
    os: str = words(16)
    reference: str = words(255)
    inviter: str = words(255)
    inviter_name: str = words(255)
    campaign: str = words(255)
    callback_url: str = words(2048)
    external_id: str = words(64)
    extra: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    created_at: datetime = at()
    planned_at: datetime = at()
    due_at: datetime = at()
    hold: str = words(64)
    awaited: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    flow: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    expires_at: datetime = at()
    generation: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    lease_until: datetime | None = at(optional=True)
    tries: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    sender_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    sent_at: datetime | None = at(optional=True)
    completed_at: datetime | None = at(optional=True)
    clicked_at: datetime | None = at(optional=True)


class Attempt(SQLModel, table=True):
    """One submit, written before the carrier is called: the ledger of what may have left.

    `day` is the UTC day (its number since 1970) on which its segments count against the cap of its sender.
    `ask_at` is when its carrier is asked next what became of it, null unless that is in doubt and it can be asked;
    `asks` how often it was.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_ref", "connection_id", "ref", sqlite_where=text("ref <> ''"),
              postgresql_where=text("ref <> ''")),
        Index("ix_attempts_ask", "connection_id", "ask_at", sqlite_where=text("ask_at is not null"),
              postgresql_where=text("ask_at is not null")),
        KEYED,
    )  # fmt: skip
    message_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    generation: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    sender_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    connection_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    worker_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    rule: str = words(32)
    started_at: datetime = at()
    day: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    ended_at: datetime | None = at(optional=True)
    fate: str = words(16)
    ref: str = words(255)
    reason: str = words(255)
    ask_at: datetime | None = at(optional=True)
    asks: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))


class DuplicateSlot(SQLModel, table=True):
    """Who was invited by which app, and until when not again."""

    __tablename__ = "duplicate_slots"
    __table_args__ = (Index("ix_duplicate_slots_until_at", "until_at"), KEYED)
    app_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    person: str = words(22, primary=True)
    message_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    until_at: datetime = at()


class IdempotencyKey(SQLModel, table=True):
    """A customer's own key for a request (referenceId or Idempotency-Key), and what it was first used for."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_until_at", "until_at"), KEYED)
    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    key: str = words(257, primary=True)
    message_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    digest: str = words(22)
    until_at: datetime = at()


class OptOut(SQLModel, table=True):
    """A person who may not be texted: by one app, by an account, or at all (`scope` app, account, global).

    `created_at` is when that was said, the last time where people said it themselves.
    """

    __tablename__ = "optouts"
    __table_args__ = KEYED
    person: str = words(22, primary=True)
    scope: str = words(8, primary=True)
    scope_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    created_at: datetime = at()
    source: str = words(32)
    said: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    sender_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


class Callback(SQLModel, table=True):
    """A call owed to a customer, written with the state step that causes it: one of a kind per subject."""

    __tablename__ = "callbacks"
    __table_args__ = (
        Index("ix_callbacks_due", "app_id", "due_at", "subject_id", sqlite_where=text("state = 'queued'"),
              postgresql_where=text("state = 'queued'")),
        Index("ix_callbacks_failed", "app_id", "ended_at", "subject_id", sqlite_where=text("state = 'failed'"),
              postgresql_where=text("state = 'failed'")),
        Index("ix_callbacks_lease", "lease_until", sqlite_where=text("state = 'claimed'"),
              postgresql_where=text("state = 'claimed'")),
        KEYED,
    )  # fmt: skip
    subject_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str = words(16, primary=True)
    app_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    message_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = words(12, "queued")
    status: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    completed_at: datetime = at()
    payload: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    created_at: datetime = at()
    first_try_at: datetime | None = at(optional=True)
    due_at: datetime = at()
    generation: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    lease_until: datetime | None = at(optional=True)
    tries: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    ended_at: datetime | None = at(optional=True)
    reason: str = words(255)


class CallbackTry(SQLModel, table=True):
    """Every try of a callback, and what the endpoint said."""

    __tablename__ = "callback_tries"
    __table_args__ = KEYED
    subject_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str = words(16, primary=True)
    generation: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: datetime = at()
    http: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    reason: str = words(255)


class Endpoint(SQLModel, table=True):
    """The health of an app's callback endpoint: failures and rests since a success, and the stop that 410 brings.

    `failing_since` and `failed_at` are the first and the last failure of the outage that goes on.
    """

    __tablename__ = "endpoints"
    app_id: int = refers("apps.id", primary=True)
    failures: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    failing_since: datetime | None = at(optional=True)
    failed_at: datetime | None = at(optional=True)
    rests: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    rest_until: datetime | None = at(optional=True)
    stopped_at: datetime | None = at(optional=True)
    reason: str = words(255)


class ReceiptBox(SQLModel, table=True):
    """Receipts that matched nothing yet: kept, and matched when the id becomes known."""

    __tablename__ = "receipts"
    __table_args__ = (
        Index("ix_receipts_ref", "connection_id", "ref"),
        Index("ix_receipts_received_at", "received_at"),
    )
    id: int | None = key(auto=True)
    connection_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    key: str = words(64)
    ref: str = words(255)
    event: str = words(12)
    code: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    reason: str = words(255)
    filtered: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    received_at: datetime = at()


class ReplyBox(SQLModel, table=True):
    """Every reply, with what was made of it; `said_at` is when it was written, as far as its carrier tells.

    `sender` is our number as the carrier wrote it, `sender_id` which sender that is, or 0; `answer_id` the message that
    answers it. `review` says why a person should look, and is empty once they did.
    """

    __tablename__ = "replies"
    __table_args__ = (
        Index("uq_replies_ref", "connection_id", "ref", unique=True, sqlite_where=text("ref <> ''"),
              postgresql_where=text("ref <> ''")),
        Index("ix_replies_person", "person", "received_at"),
        Index("ix_replies_received_at", "received_at"),
        Index("ix_replies_review", "id", sqlite_where=text("review <> ''"), postgresql_where=text("review <> ''")),
    )  # fmt: skip
    id: int | None = key(auto=True)
    connection_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    ref: str = words(255)
    sender: str = words(32)
    sender_id: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    person: str = words(22)
    text: str = Field(sa_column=Column(Text, nullable=False))
    verdict: str = words(16)
    review: str = words(64)
    answer_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    said_at: datetime | None = at(optional=True)
    received_at: datetime = at()
    settled_at: datetime | None = at(optional=True)


class Click(SQLModel, table=True):
    """A click on an invitation's link, as reported or as seen by our own short link."""

    __tablename__ = "clicks"
    __table_args__ = (Index("ix_clicks_message_id", "message_id"), Index("ix_clicks_clicked_at", "clicked_at"))
    id: int = key()
    message_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    app_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    clicked_at: datetime = at()
    user_agent: str = words(1024)
    os: str = words(16)
    human: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))


class Acceptance(SQLModel, table=True):
    """An invited person who joined, and who brought them."""

    __tablename__ = "acceptances"
    __table_args__ = (Index("uq_acceptances_app_id_invitee", "app_id", "person", unique=True),)
    id: int = key()
    app_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    person: str = words(22)
    message_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    inviter: str = words(255)
    accepted_at: datetime = at()
    source: str = words(32)


class NodeLease(SQLModel, table=True):
    """A node number for minting ids: who holds it, and up to which instant ids were or may be minted with it."""

    __tablename__ = "node_leases"
    node: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    owner: str = words(64)
    lease_until: int = Field(sa_column=Column(BigInteger, nullable=False))
    minted_to: int = Field(sa_column=Column(BigInteger, nullable=False))


class BindLease(SQLModel, table=True):
    """A bind that a connection's contract allows: the process that holds it, and why it is not bound ("": it is)."""

    __tablename__ = "bind_leases"
    connection_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    slot: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    holder: int = Field(sa_column=Column(BigInteger, nullable=False))
    lease_until: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = words(255)


class Unusable(SQLModel, table=True):
    """A connection that a process cannot use, for want of a credential, and why."""

    __tablename__ = "unusable"
    connection_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    worker_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    reason: str = words(255)


class Worker(SQLModel, table=True):
    """A process that works or serves, and its heartbeat."""

    __tablename__ = "workers"
    __table_args__ = NEVER_AGAIN
    id: int | None = key(auto=True)
    kind: str = words(8)
    host: str = words(255)
    pid: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    started_at: datetime = at()
    lease_until: int = Field(sa_column=Column(BigInteger, nullable=False))
