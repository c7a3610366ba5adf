"""The operator's desk: migrating, provisioning, opt-outs and sticky senders, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dispatcher.core.exchange import Wish
from dispatcher.core.given import SettingsError
from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.person import person_of
from dispatcher.engine.checks import Wrong
from dispatcher.engine.imports import Imports
from dispatcher.engine.optouts import OptOuts, read_phone
from dispatcher.engine.ports import CALLBACKS, Alarm
from dispatcher.engine.provisioning import Provisioning
from dispatcher.engine.sender_settings import sender_number
from dispatcher.settings import Settings
from dispatcher.store.alarms import alarms
from dispatcher.store.learning import Knowledge
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.orphans import Orphan, Orphans
from dispatcher.store.provisioning import Rows
from dispatcher.store.replays import Owed, Replays, Try
from dispatcher.store.reviews import Kept, Reviews
from dispatcher.store.revision import pepper
from dispatcher.store.sticky import StickySenders
from dispatcher.store.tables import Account, App, Sender
from dispatcher.transports.guarded import forbidden_url
from dispatcher.wiring.carriers import carrier_of, credentials_of
from dispatcher.wiring.parts import open_database, ready_database, utc_now

PAGE: Final = 1000  # people read at once
LATELY: Final = timedelta(days=30)
BEYOND: Final = 1 << 63  # ids that no database keeps


def migrated(settings: Settings) -> str:
    """Bring the database to this program's shape; the revision it has then. Raises StoreUnavailable."""
    from dispatcher.store.migrating import migrate  # Alembic takes longer to load than most commands take to run

    database = open_database(settings)
    try:
        return migrate(database)
    finally:
        database.close()


def carrier_objection(carrier: str, settings: Mapping[str, Any]) -> str | None:
    """Why a connection cannot work as described, or None."""
    try:
        carrier_of(carrier, settings)
    except SettingsError as error:
        return str(error)
    return None


def missing_credentials(settings: Mapping[str, Any]) -> list[str]:
    """Why credentials that a connection names cannot be read from this environment, each in a sentence."""
    places = settings.get("credentials", {})
    sentences = []
    for name, place in places.items() if isinstance(places, Mapping) else ():
        try:
            credentials_of({"credentials": {name: place}})
        except SettingsError as error:
            sentences.append(str(error))
    return sentences


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
                ring=database.ring,
            ),
            rows,
        )


@dataclass(frozen=True, slots=True)
class OptOutDesk:
    """Opt-outs by hand, and the names of apps and accounts that they belong to."""

    optouts: OptOuts
    book: OptOutBook
    rows: Rows

    def scope(self, app: str, account: str) -> tuple[Scope, int]:
        """What an operator names: an app (of an account), an account, or neither for everybody. Raises Wrong."""
        if app:
            return Scope.APP, self.rows.find_app(app, account)
        if account:
            return Scope.ACCOUNT, self.rows.find_account(account)
        return Scope.GLOBAL, 0

    def listed(self) -> Iterator[tuple[OptOut, str | None]]:
        """Every opt-out by person, page by page, with whose it is; None for everybody's."""
        names = {
            Scope.APP: {row["id"]: row["app_id"] for row in self.rows.listed(App)},
            Scope.ACCOUNT: {row["id"]: row["company"] for row in self.rows.listed(Account)},
            Scope.GLOBAL: {},
        }
        after = ""
        while page := self.book.listed(after, PAGE):
            after = page[-1].person
            yield from ((o, names[o.scope].get(o.scope_id)) for o in page)


@contextmanager
def optouts(settings: Settings) -> Iterator[OptOutDesk]:
    """Opt-outs, for the command line."""
    with ready_database(settings) as database:
        book = OptOutBook(database)
        by_hand = OptOuts(book=book, pepper=pepper(database), clock=utc_now, ring=database.ring)
        yield OptOutDesk(by_hand, book, Rows(database, utc_now))


@contextmanager
def imports(settings: Settings) -> Iterator[Imports]:
    """Imports of what is known of numbers, for the command line."""
    with ready_database(settings) as database:
        yield Imports(knowledge=Knowledge(database), pepper=pepper(database))


@dataclass(frozen=True, slots=True)
class StickyDesk:
    """The senders that people know, by the names of apps and the numbers of both."""

    sticky: StickySenders
    pepper: bytes
    rows: Rows

    def listed(self, app: str, account: str) -> Iterator[tuple[str, str, datetime]]:
        """Every pair of an app, page by page: the person's number if it is kept, the sender's, and when it was used."""
        number = self.rows.find_app(app, account)
        senders = {row["id"]: row["number"] for row in self.rows.listed(Sender)}
        after = ""
        while page := self.sticky.listed(number, after, PAGE):
            after = page[-1][0]
            yield from ((address, senders[sender_id], used_at) for _, sender_id, used_at, address in page)

    def reset(self, app: str, account: str, phone: str, country: str, sender: str) -> int:
        """Forget an app's pairs: a person's, a sender's (of every connection that has it), or all; how many."""
        number = self.rows.find_app(app, account)
        if phone:
            person = person_of(self.pepper, read_phone(phone, country).e164)
            return self.sticky.reset(number, person=person)
        if not sender:
            return self.sticky.reset(number)
        written = sender_number(sender)[0]
        found = [row["id"] for row in self.rows.listed(Sender) if row["number"] == written]
        if not found:
            raise Wrong(f"sender: {written} is not a sender")
        return sum(self.sticky.reset(number, sender_id=sender_id) for sender_id in found)


@contextmanager
def sticky(settings: Settings) -> Iterator[StickyDesk]:
    """Known senders, for the command line."""
    with ready_database(settings) as database:
        yield StickyDesk(StickySenders(database), pepper(database), Rows(database, utc_now))


@dataclass(frozen=True, slots=True)
class CallbackDesk:
    """Callbacks after their end, by the names of apps."""

    replays: Replays
    rows: Rows
    ring: Callable[[str], None]

    def of(self, message_id: int) -> list[tuple[Owed, list[Try]]]:
        """Every callback of an invitation, with its tries."""
        return self.replays.of(message_id) if 0 < message_id < BEYOND else []

    def failed(self, app: str, account: str, since: datetime | None, until: datetime | None) -> Iterator[Owed]:
        """Those of an app that were given up, of the last 30 days unless told otherwise."""
        now = utc_now()
        return self.replays.failed(self.rows.find_app(app, account), since or now - LATELY, until or now)

    def replay(self, message_id: int) -> int:
        """Make those of an invitation once more. Raises Wrong where none has come to its end."""
        count = self.replays.replay(message_id, utc_now()) if 0 < message_id < BEYOND else 0
        if not count:
            raise Wrong(f"message: {message_id} has no callback that has come to its end")
        self.ring(CALLBACKS)
        return count

    def replay_failed(self, app: str, account: str, since: datetime | None, until: datetime | None) -> int:
        """Make those of an app once more that were given up."""
        now = utc_now()
        app_id = self.rows.find_app(app, account)
        count = self.replays.replay_failed(app_id, since or now - LATELY, until or now, now)
        self.ring(CALLBACKS)
        return count

    def stopped(self, message_id: int | None, app: str, account: str) -> str:
        """The id of the app, of a message or as named, whose endpoint is stopped; "" where it is not."""
        found = self.replays.of(message_id) if message_id is not None else []
        number = found[0][0].app_id if found else self.rows.find_app(app, account)
        if not self.rows.ailing().get(number, {}).get("stopped_at"):
            return ""
        return str(next(row["app_id"] for row in self.rows.listed(App) if row["id"] == number))


@contextmanager
def callbacks(settings: Settings) -> Iterator[CallbackDesk]:
    """Callbacks, for the command line."""
    with ready_database(settings) as database:
        yield CallbackDesk(Replays(database), Rows(database, utc_now), database.ring)


@contextmanager
def orphans(settings: Settings) -> Iterator[Iterator[Orphan]]:
    """The receipts that match no message, for the command line."""
    with ready_database(settings) as database:
        yield _pages(Orphans(database))


def _pages(book: Orphans) -> Iterator[Orphan]:
    after = 0
    while page := book.listed(after, PAGE):
        after = page[-1].id
        yield from page


def all_alarms(settings: Settings) -> list[Alarm]:
    """Every alarm, open or over."""
    with ready_database(settings) as database:
        return alarms(database, utc_now())


@dataclass(frozen=True, slots=True)
class ReplyDesk:
    """Replies, page by page, and what an operator makes of them."""

    reviews: Reviews
    pepper: bytes
    ring: Callable[[str], None]

    def listed(self, *, every: bool) -> Iterator[Kept]:
        """Those that wait for a person, or `every` one."""
        after = 0
        while page := self.reviews.listed(after, PAGE, every=every):
            after = page[-1].id
            yield from page

    def settle(self, reply: int, wish: Wish | None) -> int | None:
        """What a reply asks for, None for nothing: the messages that discarded, None where no such reply waits."""
        discarded = self.reviews.settle(reply, wish, utc_now(), self.pepper) if 0 < reply < BEYOND else None
        if discarded:
            self.ring(CALLBACKS)
        return discarded


@contextmanager
def replies(settings: Settings) -> Iterator[ReplyDesk]:
    """Replies, for the command line."""
    with ready_database(settings) as database:
        yield ReplyDesk(Reviews(database), pepper(database), database.ring)
