"""Pruning on both databases: what is out of date goes, a page at a time, and nothing else."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.core.exchange import Receipt
from dispatcher.core.keywords import heard
from dispatcher.core.lifecycle import Event
from dispatcher.engine.ports import Clicked
from dispatcher.engine.pruning import Pruning
from dispatcher.engine.replies import Letter, OurSender, Writer
from dispatcher.store.admissions import Admissions
from dispatcher.store.attic import StoreAttic
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, micros
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.replies import ReplyBook
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, ids, provision
from tests.store.test_clicks import click, clicked_at, kept, tell
from tests.store.test_receipts import submitted

KEYS = Statement("select count(*) from idempotency_keys")
SLOTS = Statement("select count(*) from duplicate_slots")
MESSAGES = Statement("select count(*) from messages")
EARLIER = Statement("insert into earlier_senders (person, sender_id, app_id, used_at) values ('p', 1, 1, :at)")


def counts(database: Database) -> tuple[int, ...]:
    with database.read() as tx:
        return tuple(tx.run(statement)[0][0] for statement in (KEYS, SLOTS, MESSAGES))


def test_keys_go_after_a_day_and_places_after_their_window(database: Database) -> None:
    provision(database)
    made = [candidate(f"+1301222{n:04d}", key=f"r:{n}") for n in range(3000, 3005)]
    Admissions(database).admit(made, NOON)
    attic = StoreAttic(database)
    assert attic.prune(NOON + timedelta(hours=23), 100) == 0
    assert attic.prune(NOON + timedelta(hours=24), 2) == 2
    assert counts(database) == (3, 5, 5)
    assert attic.prune(NOON + timedelta(days=7), 100) == 5
    assert counts(database) == (0, 0, 5)


def test_a_receipt_that_nothing_matched_goes_after_a_week(database: Database) -> None:
    provision(database)
    ReceiptBook(database).take(1, [Receipt(Event.DELIVER, ref="whose")], NOON)
    attic = StoreAttic(database)
    assert attic.prune(NOON + timedelta(days=7) - MICROSECOND, 100) == 0
    assert attic.prune(NOON + timedelta(days=7), 100) == 1
    with database.read() as tx:
        assert tx.run(Statement("select id from receipts")) == []


def test_a_click_goes_after_ninety_days_and_its_message_remembers_it(database: Database) -> None:
    provision(database, callback_url="http://example.com/", callback_clicks=1)
    made = submitted(database, 3)
    tell(database, *map(click, made))
    late = NOON + timedelta(days=90)
    tell(database, click(made[0], user_agent="a Pixel"), at=NOON + MICROSECOND)
    attic = StoreAttic(database)
    attic.prune(late - MICROSECOND, 100)
    assert len(kept(database)) == 4
    assert attic.prune(late, 2) == 2
    assert attic.prune(late, 2) == 1
    assert [row[1] for row in kept(database)] == ["a Pixel"]
    assert tell(database, click(made[0]), at=late)[0] == Clicked(made[0], False), "the first click was long ago"
    assert clicked_at(database, made[0]) == NOON


def test_replies_go_after_ninety_days_but_not_what_somebody_should_look_at(database: Database) -> None:
    provision(database)
    book, writer = ReplyBook(database, lambda: next(ids)), Writer("p", "+13012223333")
    for text in ("hello", "not interested", "hello again"):
        book.take([Letter(1, text, "+12015550000", OurSender(1, "US"), [writer], text, heard(text))], NOON)
    with database.write() as tx:
        tx.run(EARLIER, at=micros(NOON))
    attic = StoreAttic(database)
    assert attic.prune(NOON + timedelta(days=90) - MICROSECOND, 100) == 0
    assert attic.prune(NOON + timedelta(days=90), 100) == 2
    with database.read() as tx:
        assert [row[0] for row in tx.run(Statement("select text from replies"))] == ["not interested"]
        assert tx.run(Statement("select app_id from earlier_senders")) == []


def test_a_full_page_asks_for_another_turn(database: Database) -> None:
    provision(database)
    made = [candidate(f"+1301{n:07d}") for n in range(2223000, 2224000)]
    Admissions(database).admit(made, NOON)
    pruning = Pruning(attic=StoreAttic(database), clock=lambda: NOON + timedelta(days=8))
    assert pruning.turn() == timedelta(0)
    assert pruning.turn() is None
    assert counts(database) == (0, 0, 1000)
