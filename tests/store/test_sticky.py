"""Pairs of person and sender on both databases: who wrote last, for ninety days, and undone by operators."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatcher.core.person import person_of
from dispatcher.core.senders import LaneKey
from dispatcher.store.admissions import Admissions
from dispatcher.store.attic import StoreAttic
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND
from dispatcher.store.pool import SenderPool
from dispatcher.store.queue import MessageQueue
from dispatcher.store.sticky import REMEMBERED, StickySenders
from tests.factories import NOON, PEPPER, candidate, provision
from tests.store.test_queue import mark, take

ANN, BEN = "+12012223333", "+12012224444"
DAYS = timedelta(days=1)


def write_to(database: Database, *phones: str, at: datetime = NOON, app_id: int = 1) -> None:
    """Let each be written to, one after the other, by whoever is chosen."""
    queue = MessageQueue(database)
    for phone in phones:
        made = candidate(phone, app_id=app_id, planned_at=at, expires_at=at + DAYS, duplicate_until=at)
        Admissions(database).admit([made], at)
        mark(database, queue.claim({LaneKey(app_id, "US"): 1}, at, timedelta(seconds=60)), at)


def pairs(database: Database, app_id: int = 1) -> list[tuple[str, int, datetime]]:
    return [(address, sender, at) for _, sender, at, address in StickySenders(database).listed(app_id, "", 100)]


def test_who_wrote_last_is_kept_and_handed_to_the_next_claim(database: Database) -> None:
    provision(database, senders=2)
    write_to(database, ANN, BEN)
    assert sorted(pairs(database)) == [(ANN, 1, NOON), (BEN, 2, NOON)]
    Admissions(database).admit([candidate(BEN, planned_at=NOON)], NOON)
    [row] = take(database)
    assert row.sticky_sender == 2


def test_a_pair_is_of_one_app(database: Database) -> None:
    provision(database, senders=2, apps=2)
    write_to(database, ANN)
    assert StickySenders(database).of(1, person_of(PEPPER, ANN), NOON) == 1
    assert StickySenders(database).of(2, person_of(PEPPER, ANN), NOON) is None


def test_a_pair_is_written_again_once_a_day_or_when_it_changes(database: Database) -> None:
    provision(database, senders=2)
    write_to(database, ANN)
    write_to(database, ANN, at=NOON + timedelta(hours=23))
    assert pairs(database) == [(ANN, 1, NOON)]
    write_to(database, ANN, at=NOON + timedelta(hours=25))
    assert pairs(database) == [(ANN, 1, NOON + timedelta(hours=25))]
    SenderPool(database).rest_sender(1, DAYS, "filtered")
    write_to(database, ANN, at=NOON + timedelta(hours=26))
    assert pairs(database) == [(ANN, 2, NOON + timedelta(hours=26))]


def test_a_pair_is_forgotten_after_ninety_days(database: Database) -> None:
    provision(database)
    write_to(database, ANN, BEN)
    sticky, attic = StickySenders(database), StoreAttic(database)
    late = NOON + REMEMBERED
    assert sticky.of(1, person_of(PEPPER, ANN), late - MICROSECOND) == 1
    assert sticky.of(1, person_of(PEPPER, ANN), late) is None
    assert attic.prune(late - MICROSECOND, 100) == 2, "their places in the duplicate window"
    assert len(pairs(database)) == 2
    assert attic.prune(late, 1) == 1
    assert attic.prune(late, 1) == 1
    assert pairs(database) == []


def test_listed_page_by_page(database: Database) -> None:
    provision(database)
    write_to(database, *(f"+1201222{n}" for n in range(3000, 3005)))
    sticky, found, after = StickySenders(database), [], ""
    while page := sticky.listed(1, after, 2):
        assert len(page) <= 2
        found += [address for *_, address in page]
        after = page[-1][0]
    assert sorted(found) == [f"+1201222{n}" for n in range(3000, 3005)]


def test_reset(database: Database) -> None:
    provision(database, senders=2, apps=2)
    write_to(database, ANN, BEN)
    write_to(database, ANN, app_id=2)
    sticky = StickySenders(database)
    assert sticky.reset(1, person=person_of(PEPPER, ANN)) == 1
    assert sticky.reset(1, person=person_of(PEPPER, ANN)) == 0
    assert [address for address, *_ in pairs(database)] == [BEN]
    assert sticky.reset(1, sender_id=1) == 0
    assert sticky.reset(1, sender_id=2) == 1
    write_to(database, ANN, BEN, at=NOON + DAYS)
    assert sticky.reset(1) == 2
    assert len(pairs(database, 2)) == 1
