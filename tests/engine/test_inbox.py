"""The inbox over a real store: what is told is on disk on return, and the bell rings only for news."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

import pytest

from dispatcher.carriers.simulated import Simulated
from dispatcher.core.discretion import Discretion
from dispatcher.core.exchange import Fate, Outcome, Receipt, Reply
from dispatcher.core.lifecycle import Event, State
from dispatcher.engine.inbox import CHUNK, Inbox
from dispatcher.engine.ports import CALLBACKS, DUE
from dispatcher.engine.replies import Replies
from dispatcher.engine.transport import Carrier
from dispatcher.store.database import Database
from dispatcher.store.receipts import GroupedReceipts, ReceiptBook
from dispatcher.store.replies import ReplyBook
from tests.engine.test_dispatch import House
from tests.engine.transports import says
from tests.factories import NOON, PEPPER, ids, provision

REPLY = Reply(their_number="+12012223000", our_number="+12015550000", text="STOP", ref="mo-1")


@dataclass
class Known:
    """A connection as its hooks need it."""

    id: int = 1
    carrier: Carrier = field(default_factory=Simulated)
    discretion: Discretion = field(default_factory=Discretion)


@pytest.fixture
def house(database: Database) -> House:
    """A house with one invitation that its carrier took as `r`."""
    provision(database, callback_url="https://customer.example/")
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN, ref="r")})
    house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("yes"))
    house.rung.clear()
    return house


@pytest.fixture(params=["alone", "grouped"])
def inbox(house: House, request: pytest.FixtureRequest) -> Inbox:
    book = ReceiptBook(house.database)
    receipts = GroupedReceipts(house.database, lambda: NOON) if request.param == "grouped" else book
    replies = ReplyBook(house.database, lambda: next(ids))
    taken = Replies(book=replies, pepper=PEPPER, clock=lambda: NOON, ring=house.rung.append)
    return Inbox(receipts=receipts, replies=taken, clock=lambda: NOON, ring=house.rung.append)


def state(house: House) -> State:
    [(found,)] = house.run("select state from messages where kind = 'invitation'")
    return State(found)


def test_what_is_told_is_kept_and_rings_once(house: House, inbox: Inbox) -> None:
    told = [Receipt(Event.DELIVER, ref="r")]
    inbox.take(Known(), told)
    assert (state(house), house.rung) == (State.DELIVERED, [CALLBACKS])
    inbox.take(Known(), told)
    assert house.rung == [CALLBACKS], "a repeat is no news"


def test_another_connection_does_not_speak_of_ours(house: House, inbox: Inbox) -> None:
    inbox.take(Known(id=2), [Receipt(Event.DELIVER, ref="r")])
    assert (state(house), house.rung) == (State.SUBMITTED, [])
    assert house.run("select connection_id, ref from receipts") == [(2, "r")], "kept, for it may yet be known"


def test_receipts_are_taken_in_the_order_told_and_replies_beside_them(house: House, inbox: Inbox) -> None:
    inbox.take(
        Known(),
        [REPLY, Receipt(Event.SUBMIT, ref="r"), Receipt(Event.REFUSE, ref="r"), REPLY, Receipt(Event.DELIVER, ref="r")],
    )
    assert (state(house), house.rung) == (State.DELIVERED, [CALLBACKS, DUE])
    assert house.run("select ref, text, verdict from replies") == [("mo-1", "STOP", "stop")]


def test_a_receipt_is_kept_without_credentials_and_numbers(house: House, inbox: Inbox) -> None:
    known = Known(discretion=Discretion.about(["SeCrEt"]))
    inbox.take(known, [Receipt(Event.REFUSE, ref="r", reason="+1 (301) 222-3333 by /?p=SeCrEt")])
    assert house.run("select reason from messages where kind = 'invitation'") == [("+1 (301) •••-3333 by /?p=•••",)]


def test_a_flood_in_one_hook_is_written_in_chunks(house: House) -> None:
    """Thousands of wishes of one person, and of receipts that match nothing: the writer is not held for long."""
    ticks = (NOON + n * timedelta(milliseconds=1) for n in count())
    book = ReplyBook(house.database, lambda: next(ids))
    replies = Replies(book=book, pepper=PEPPER, clock=lambda: next(ticks), ring=house.rung.append)
    receipts = ReceiptBook(house.database)
    inbox = Inbox(receipts=receipts, replies=replies, clock=lambda: next(ticks), ring=house.rung.append)
    wishes = [replace(REPLY, text=("STOP", "START")[n % 2], ref=f"mo-{n}") for n in range(5000)]
    strangers = [Receipt(Event.DELIVER, ref=f"r-{n}") for n in range(5000)]
    for _ in range(2):
        inbox.take(Known(), [*wishes, *strangers, Receipt(Event.DELIVER, ref="r")])
    assert house.run("select count(*), count(distinct received_at) from replies") == [(5000, 5000 // CHUNK)]
    assert house.run("select count(*), count(distinct received_at) from receipts") == [(10_000, 2 * 5000 // CHUNK)]
    assert house.run("select verdict, count(*) from replies group by verdict order by 1") == [
        ("start", 2500),
        ("stop", 2500),
    ]
    assert state(house) is State.DELIVERED
    assert house.run("select count(*) from optouts") == [(0,)], "the last word was START"


def test_nothing_told_nothing_written(house: House, inbox: Inbox) -> None:
    inbox.take(Known(), [])
    assert (state(house), house.rung) == (State.SUBMITTED, [])
