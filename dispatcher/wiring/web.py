"""A web process: the doors, the group commit, ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask import Blueprint, Flask

from dispatcher.core.codes import Refusal
from dispatcher.core.device import device_of
from dispatcher.core.discretion import Discretion
from dispatcher.core.given import CREDENTIALS, Given
from dispatcher.core.invitation import Admitted, Candidate
from dispatcher.core.phone import warm_up
from dispatcher.core.screening import LinePolicy
from dispatcher.dialects.social_invite import routes as social_invite
from dispatcher.engine.clicks import Clicks
from dispatcher.engine.hooks import Hooks, Lookup
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.intake import Intake
from dispatcher.engine.ports import CALLBACKS, DUE, LOOKUPS
from dispatcher.engine.replies import Replies
from dispatcher.engine.transport import Carrier
from dispatcher.settings import Settings
from dispatcher.store.admissions import Admissions, admit
from dispatcher.store.clicks import GroupedClicks
from dispatcher.store.connections import Contract, Contracts
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.figures import StoreFigures
from dispatcher.store.group import Group
from dispatcher.store.hooks import HookBook
from dispatcher.store.nodes import NodeIds
from dispatcher.store.queries import MessageQueries
from dispatcher.store.receipts import GroupedReceipts
from dispatcher.store.replies import GroupedReplies
from dispatcher.store.revision import pepper
from dispatcher.store.workers import Workers
from dispatcher.web import hooks
from dispatcher.web.app import application
from dispatcher.web.kit import WebKit
from dispatcher.wiring.carriers import carrier_of, credentials_of, discretion_of, takes_hooks
from dispatcher.wiring.parts import Lines, Pulse, policy_of, quietly, ready_database, utc_now

# Doubles the groups of a busy PostgreSQL, at a fifth less work for each row (`make bench`).
BREATH_SECONDS: Final = 0.001
COME_AGAIN_SECONDS: Final = 60  # a person has to mend it


@dataclass(frozen=True, slots=True)
class Speaker:
    """A connection as a web process needs it: whose words its hooks are."""

    id: int
    name: str
    carrier: Carrier
    discretion: Discretion
    takes_hooks: bool


def _speaker(contract: Contract) -> Speaker:
    words = carrier_of(contract.carrier, contract.settings)
    return Speaker(contract.id, contract.name, words, discretion_of(contract), takes_hooks(contract))


def load_rules() -> None:
    """Read metadata of numbers and browsers, which else the first request pays for."""
    warm_up(("US",))
    device_of("")


def web_application(settings: Settings) -> Flask:
    """The API, for any WSGI server; it lives as long as its process."""
    token = metrics_token(settings)  # before anything is opened
    house = ExitStack()
    database = house.enter_context(ready_database(settings))
    ids = NodeIds(database, time.time)
    house.callback(ids.release)
    workers = Workers(database)
    me = workers.enrol("web", utc_now())
    house.callback(quietly, lambda: workers.leave(me))
    house.enter_context(Pulse([ids.heartbeat, lambda: workers.beat(me)], 60.0))
    secret = pepper(database)
    directory = CachedDirectory(database)
    intake = Intake(
        admit=_admitting(database, policy_of(settings.lookups)),
        earlier=Admissions(database).earlier,
        directory=directory,
        ids=ids,
        clock=utc_now,
        pepper=secret,
    )
    load_rules()
    kit = WebKit(directory)
    lines = Lines(Contracts(database), _speaker, lambda contract, why: _note(workers, me, contract, why))
    book = GroupedReplies(database, ids, utc_now)
    replies = Replies(book=book, pepper=secret, clock=utc_now, ring=database.ring)
    inbox = Inbox(receipts=GroupedReceipts(database, utc_now), replies=replies, clock=utc_now, ring=database.ring)
    taking = Hooks(inbox=inbox, heard=HookBook(database), clock=utc_now)
    clicks = Clicks(book=GroupedClicks(database, utc_now), ids=ids, ring=database.ring)
    doors = [
        social_invite.door(intake, MessageQueries(database, utc_now), clicks, kit),
        hooks.door(taking, _lookup(lines), settings.public_url, kit),
    ]
    app = application([*doors, *_metrics(settings, token, database, kit)], kit)
    app.extensions["house"] = house
    return app


def _note(workers: Workers, me: int, contract: Contract, why: str) -> None:
    if takes_hooks(contract):  # a connection whose carrier tells nothing by HTTP needs no credential here
        workers.note_unusable(me, contract.id, why, utc_now())


def _lookup(lines: Lines[Speaker]) -> Lookup:
    """Of connections by name; a carrier whose word cannot be read here now is to come again: Refusal 503."""

    def known(name: str) -> Speaker | None:
        lacked = lines.lacks(name)  # asked on both sides: they may be read again in between
        line = lines.named(name)
        if line is None and (lacked or lines.lacks(name)):
            raise Refusal(503, "the connection cannot be used now, try again", retry_after=COME_AGAIN_SECONDS)
        return line

    return known


def metrics_token(settings: Settings) -> str:
    """The token with which figures may be read, "" where nobody may. Raises SettingsError."""
    place = settings.web.metrics_token
    found = {CREDENTIALS: {"metrics_token": place}} if place else {}
    return Given({}, credentials_of(found)).secret("metrics_token", optional=True)


def _metrics(settings: Settings, token: str, database: Database, kit: WebKit) -> Sequence[Blueprint]:
    if not token:
        return []
    from dispatcher.web import metrics  # its library is not small

    doubt = timedelta(minutes=settings.work.in_doubt_minutes)
    return [metrics.door(StoreFigures(database, utc_now, doubt), token, kit)]


def _admitting(database: Database, policy: LinePolicy) -> Callable[[Candidate], Admitted]:
    """Admission in groups, and one ring for each group: a NOTIFY for each row would cost more than the commit."""

    def ring(admitted: Sequence[Admitted]) -> None:
        codes = {bool(one.code) for one in admitted if not one.replayed}
        for topic, discarded in ((DUE, False), (CALLBACKS, True)):
            if discarded in codes:
                database.ring(topic)
        if any(one.looked_up for one in admitted):
            database.ring(LOOKUPS)

    group: Group[Candidate, Admitted] = Group(
        database.write,
        lambda tx, candidates: admit(tx, candidates, utc_now(), policy),
        after=ring,
        breath=BREATH_SECONDS,
    )
    return group.put
