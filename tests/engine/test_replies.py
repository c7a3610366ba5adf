"""Replies over a real store: whom a STOP stops, who is answered by whom, and what a machine that answers us ends in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core.answers import HELP_REST, MOST_A_DAY, REPEATED, VALIDITY
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome, Receipt, Reply, Wish
from dispatcher.core.invitation import Candidate, OptOut, Scope
from dispatcher.core.lifecycle import Event
from dispatcher.core.person import person_of
from dispatcher.core.screening import Source
from dispatcher.engine.ports import CALLBACKS, DUE
from dispatcher.engine.replies import AT_ONCE, Replies, ours, theirs
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.replies import GroupedReplies, ReplyBook
from dispatcher.store.rescue import Sweeper
from dispatcher.store.sticky import StickySenders
from tests.engine.test_dispatch import HOUR, URL, House
from tests.engine.transports import says
from tests.factories import NOON, PEPPER, candidate, ids, provision

ANN, BEN, OURS, OTHER = "+12012223000", "+12012223001", "+12015550000", "+12015550001"
DAY = timedelta(days=1)
YES = {"yes": Outcome(Fate.TAKEN, ref="r")}
REFUSED = {"127": Outcome(Fate.NEVER, code=Code.OPTED_OUT)}


@dataclass
class Desk(House):
    """A house whose people answer."""

    grouped: bool = False
    replies: Replies = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        book = ReplyBook(self.database, lambda: next(ids))
        if self.grouped:
            book = GroupedReplies(self.database, lambda: next(ids), lambda: self.now)
        self.replies = Replies(book=book, pepper=PEPPER, clock=lambda: self.now, ring=self.rung.append)

    def say(self, text: str, *, their: str = ANN, our: str = OURS, ref: str | None = None, **given: Any) -> None:
        name = f"mo-{next(ids)}" if ref is None else ref
        self.replies.take(1, [Reply(their_number=their, our_number=our, text=text, ref=name, **given)])

    def text(self, phone: str = ANN, **given: Any) -> int:
        """Have an app text somebody; the message's id."""
        [made] = self.admit(first=int(phone[-4:]), **({"duplicate_until": self.now} | given))
        self.go()
        return made.id

    def go(self) -> None:
        self.turns()
        self.settle(lambda exchange: says("yes"))

    def stopped(self) -> list[tuple[str, int, str]]:
        """Every opt-out, by its scope and source."""
        return [
            (row[0], row[1], row[2]) for row in self.run("select scope, scope_id, source from optouts order by 1, 2")
        ]

    def answers(self) -> list[tuple[str, int, str]]:
        """Every answer that was ever queued: its text, its sender, its state."""
        found = self.run("select text, -awaited, state from messages where kind <> 'invitation' order by id")
        return [(row[0], row[1], row[2]) for row in found]

    def verdicts(self) -> list[str]:
        return [row[0] for row in self.run("select verdict from replies order by id")]

    def reviews(self) -> list[str]:
        return [row[0] for row in self.run("select review from replies where review <> '' order by id")]


@pytest.fixture
def desk(database: Database) -> Desk:
    """Two shared senders and two apps."""
    provision(database, callback_url=URL, senders=2, apps=2)
    return Desk(database, outcomes=YES | REFUSED)


def confirmation(*apps: str) -> str:
    return (
        f"You have been unsubscribed from {', '.join(apps)} and will get no more messages. Reply START to resubscribe."
    )


# --- STOP ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "grouped"])
def test_a_stop_belongs_to_whoever_texted_from_that_sender(database: Database, grouped: bool) -> None:
    """It discards what is queued, is confirmed once from that very sender, and a repeat of it changes nothing."""
    provision(database, callback_url=URL, senders=2, apps=2)
    desk = Desk(database, outcomes=YES, grouped=grouped)
    desk.text(app_id=1)
    [queued] = desk.admit(duplicate_until=NOON + 9 * DAY)
    [other] = desk.admit(app_id=2)
    desk.rung.clear()
    desk.say("Stop please", ref="mo-1")
    assert (desk.stopped(), desk.rung) == ([("app", 1, "reply")], [CALLBACKS, DUE])
    assert desk.row(queued.id)["code"] == 127
    assert desk.run("select status from callbacks where message_id = :id", id=queued.id) == [(127,)]
    assert desk.row(other.id)["state"] == "queued", "another app, which never texted from there"
    assert desk.answers() == [(confirmation("com.example.1"), 1, "queued")]
    desk.say("Stop please", ref="mo-1")
    desk.say("STOP", ref="mo-2")
    assert (len(desk.answers()), desk.verdicts()) == (1, ["stop", "stop"]), "said again on the same day: one is enough"
    desk.transport.begun.clear()
    desk.go()
    [mt] = [exchange.mt for exchange in desk.transport.begun if exchange.mt["text"].startswith("You have")]
    assert (mt["sender"], mt["to"]) == (OURS, ANN)
    assert desk.run("select message_id from duplicate_slots") == [(other.id,)], "no place for an answer"
    owed = desk.run("select m.kind from callbacks c join messages m on m.id = c.message_id")
    assert owed == [("invitation",)]


def test_the_sender_that_texted_before_the_last_counts_too(desk: Desk) -> None:
    """Its app texts from another sender since; the confirmation leaves by the one that was written to."""
    desk.text()
    desk.run("update senders set paused_at = 1 where id = 1")
    desk.text()
    assert StickySenders(desk.database).of(1, person_of(PEPPER, ANN), NOON) == 2
    desk.run("update senders set paused_at = null")
    desk.say("stop")
    assert desk.stopped() == [("app", 1, "reply")]
    desk.go()
    assert desk.transport.begun[-1].mt["sender"] == OURS
    assert StickySenders(desk.database).of(1, person_of(PEPPER, ANN), NOON) == 2, "an answer makes nobody known"


@pytest.mark.parametrize("undone", ["all", "person", "sender"])
def test_what_an_operator_forgot_is_remembered_for_a_stop(desk: Desk, undone: str) -> None:
    desk.text(app_id=2)
    which: dict[str, dict[str, Any]] = {"person": {"person": person_of(PEPPER, ANN)}, "sender": {"sender_id": 1}}
    assert StickySenders(desk.database).reset(2, **which.get(undone, {})) == 1
    desk.say("stop")
    assert desk.stopped() == [("app", 2, "reply")]


def test_all_apps_that_texted_from_there_are_named(desk: Desk) -> None:
    desk.text(app_id=1)
    desk.now += DAY
    desk.text(app_id=2, planned_at=desk.now, expires_at=desk.now + DAY)
    desk.run("update sticky_senders set sender_id = 1")
    desk.say("stop")
    assert desk.stopped() == [("app", 1, "reply"), ("app", 2, "reply")]
    assert desk.answers() == [(confirmation("com.example.2", "com.example.1"), 1, "queued")], "the last one first"


def test_no_account_is_named_by_another(desk: Desk) -> None:
    """A number that several accounts share speaks for the one that texted last; who stopped is stopped for all."""
    rival = Rows(desk.database, lambda: NOON).add_account("Rival", "rival@example.com", "rival", "0" * 64)
    desk.run("update apps set account_id = :rival where id = 2", rival=rival)
    for app_id in (1, 2):
        desk.now += DAY
        desk.text(app_id=app_id, account_id=app_id, planned_at=desk.now, expires_at=desk.now + DAY)
    desk.run("update sticky_senders set sender_id = 1")
    for said in ("stop", "start", "help"):
        desk.say(said)
    assert desk.verdicts() == ["stop", "start", "help"]
    assert [text.split(".")[2][0] for text, _, _ in desk.answers()] == ["2", "2", "2"]
    assert not any("com.example.1" in text for text, _, _ in desk.answers())
    desk.say("stop")
    assert desk.stopped() == [("app", 1, "reply"), ("app", 2, "reply")]


def test_a_stranger_is_told_of_no_app_where_several_accounts_share_the_number(desk: Desk) -> None:
    rival = Rows(desk.database, lambda: NOON).add_account("Rival", "rival@example.com", "rival", "0" * 64)
    desk.run("update apps set account_id = :rival where id = 2", rival=rival)
    desk.run("insert into sender_apps (sender_id, app_id) values (1, 1), (1, 2)")
    desk.say("STOP", their=BEN)
    desk.say("HELP")
    assert desk.answers() == []
    desk.text(app_id=2, account_id=rival)
    desk.now += 91 * DAY
    desk.say("HELP")
    assert [text.split(":")[0] for text, _, _ in desk.answers()] == ["com.example.2"], "no stranger any more"


def test_who_texted_long_ago_is_not_meant_by_a_sender_that_is_somebodys(desk: Desk) -> None:
    desk.text(app_id=1)
    desk.run("insert into sender_apps (sender_id, app_id) values (1, 2)")
    desk.now += 92 * DAY
    desk.say("stop")
    assert desk.stopped() == [("app", 2, "reply")]


def test_else_all_that_ever_texted_are_meant(desk: Desk) -> None:
    desk.text(app_id=1, duplicate_until=NOON + 400 * DAY)
    desk.say("stop", our=OTHER)
    assert desk.stopped() == [("app", 1, "reply")]
    assert desk.answers() == [(confirmation("com.example.1"), 2, "queued")]


def test_a_stop_of_a_stranger_is_not_lost_and_somebody_should_look(desk: Desk) -> None:
    desk.say("stop")
    assert desk.stopped() == [("global", 0, "reply")]
    assert desk.reviews() == ["STOP of whom no app texted: now nobody texts them"]
    assert desk.answers() == [], "nobody knows in whose name"
    [made] = desk.admit()
    assert desk.row(made.id)["code"] == 127


def test_a_stranger_is_answered_in_the_name_of_the_only_app(database: Database) -> None:
    provision(database)
    desk = Desk(database, outcomes=YES)
    desk.say("stop")
    assert [answer[0] for answer in desk.answers()] == [confirmation("com.example.1")]


@pytest.mark.parametrize("our", ["4242", "Nobody", "", "+4930123456"])
def test_a_stop_to_a_number_that_is_none_of_ours_counts_and_is_not_answered(desk: Desk, our: str) -> None:
    desk.text()
    desk.say("stop", our=our)
    assert (desk.stopped(), desk.answers()) == ([("app", 1, "reply")], [])


def test_an_operators_word_stays_and_is_confirmed_once(desk: Desk) -> None:
    desk.text()
    OptOutBook(desk.database).add([OptOut(person_of(PEPPER, ANN), Scope.APP, 1, "operator")], NOON)
    for _ in range(3):
        desk.say("stop")
    assert (desk.stopped(), len(desk.answers())) == ([("app", 1, "operator")], 1)
    desk.say("start")
    assert (desk.stopped(), len(desk.answers()), desk.verdicts()[-1]) == ([("app", 1, "operator")], 1, "none")


def test_who_the_carrier_answered_gets_no_second_answer(desk: Desk) -> None:
    """And what the carrier understood counts, whatever its own words for it are."""
    desk.text()
    desk.say("adios amigos", answered=Wish.STOP)
    assert (desk.stopped(), desk.answers()) == ([("app", 1, "reply")], [])
    desk.say("hola", answered=Wish.START)
    assert (desk.stopped(), desk.answers()) == ([], [])
    desk.say("what", answered=Wish.HELP)
    assert (desk.answers(), desk.verdicts()) == ([], ["stop", "start", "help"])


# --- START and HELP --------------------------------------------------------------------------------------------------


def test_start_ends_what_stop_began_there_and_is_confirmed(desk: Desk) -> None:
    desk.text()
    desk.say("STOP")
    desk.say("Start")
    assert desk.stopped() == []
    assert [(text[:40], state) for text, _, state in desk.answers()] == [
        ("You have been unsubscribed from com.exam", "discarded"),
        ("You are subscribed to com.example.1 agai", "queued"),
    ], "what is queued is no longer true"
    desk.say("start")
    desk.say("stop")
    assert [state for *_, state in desk.answers()] == ["discarded", "discarded", "queued"]
    assert desk.verdicts() == ["stop", "start", "none", "stop"]


def test_yes_is_no_wish_where_nothing_is_stopped(desk: Desk) -> None:
    desk.text()
    desk.say("yes")
    assert (desk.verdicts(), desk.answers()) == (["none"], [])


def test_start_lifts_what_a_carrier_said_but_not_an_account_wide_opt_out(desk: Desk) -> None:
    desk.text()
    book = OptOutBook(desk.database)
    book.add([OptOut(person_of(PEPPER, ANN), Scope.APP, 1, Source.CARRIER)], NOON)
    book.add([OptOut(person_of(PEPPER, ANN), Scope.ACCOUNT, 1, "operator")], NOON)
    desk.say("START")
    assert (desk.stopped(), desk.verdicts()) == ([("account", 1, "operator")], ["start"])
    assert desk.answers() == [], "who says so would be wrong: they are still not texted"


def test_start_long_after_lifts_what_was_said_to_that_sender(desk: Desk) -> None:
    desk.text()
    desk.say("stop")
    desk.say("stop", their=BEN)
    desk.run("delete from sticky_senders")
    desk.run("delete from duplicate_slots")
    desk.now += 400 * DAY
    desk.say("start", our=OTHER)
    assert len(desk.stopped()) == 2, "asked of another sender"
    desk.say("start")
    desk.say("start", their=BEN)
    assert desk.stopped() == []


def test_help_is_the_apps_own_text_and_not_again_at_once(desk: Desk) -> None:
    desk.text()
    desk.run("update apps set help_text = '{app}: see example.com/help' where id = 1")
    desk.say("HELP")
    desk.say("help")
    assert desk.answers() == [("com.example.1: see example.com/help", 1, "queued")]
    desk.now += HELP_REST + timedelta(seconds=1)
    desk.say("help")
    assert (len(desk.answers()), desk.verdicts()) == (2, ["help"] * 3)


def test_two_machines_that_answer_each_other_end(desk: Desk) -> None:
    """Each answer of ours gets one of theirs, for days."""
    desk.text()
    for hour in range(48):
        desk.now = NOON + hour * HOUR
        desk.say(("HELP", "STOP", "START")[hour % 3])
    assert len(desk.answers()) == 2 * MOST_A_DAY
    before = len(desk.answers())
    desk.now += DAY + HOUR
    for _ in range(100):
        desk.say(
            "You have been unsubscribed from com.example.1 and will get no more messages. Reply START to resubscribe."
        )
    assert len(desk.answers()) == before


# --- Late, and in another order --------------------------------------------------------------------------------------

MINUTE = timedelta(minutes=1)
STOPPED = [("app", 1, "reply")]
# What came, in this order, and how many minutes ago each was said (None: nobody knows); whether they are stopped then.
ORDERS: list[tuple[list[tuple[str, int | None]], bool, list[str]]] = [
    ([("STOP", 1), ("START", 6)], True, ["stop", "none"]),
    ([("STOP", 6), ("START", 1)], False, ["stop", "start"]),
    ([("STOP", None), ("START", 1)], True, ["stop", "none"]),
    ([("STOP", 1), ("START", None)], False, ["stop", "start"]),
    ([("STOP", 9), ("STOP", 1), ("START", 6)], True, ["stop", "stop", "none"]),
    ([("STOP", 1), ("STOP", 9), ("START", 6)], True, ["stop", "stop", "none"]),
    ([("STOP", 9), ("START", 1), ("STOP", 6)], False, ["stop", "start", "stop"]),
    ([("STOP", 9), ("START", 6), ("STOP", 1)], True, ["stop", "start", "stop"]),
    ([("START", 1), ("STOP", 6)], False, ["none", "stop"]),
    ([("yes", 6), ("STOP", 1)], True, ["none", "stop"]),
    ([("hello", 1), ("STOP", 6)], True, ["none", "stop"]),
    ([("STOP", 9), ("START", None), ("STOP", 6)], True, ["stop", "start", "stop"]),
    ([("STOP", 9), ("START", 1), ("STOP", None)], True, ["stop", "start", "stop"]),
    ([("STOP", 9), ("START", 6), ("STOP", 6)], True, ["stop", "start", "stop"]),  # in the same second, perhaps
    ([("STOP", 1), ("START", -1)], False, ["stop", "start"]),  # it cannot be yet to come: it was said when it came
    ([("STOP", 1), ("START", 60 * 24 * 9)], False, ["stop", "start"]),  # nor is it told so late
]  # fmt: skip


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one hook"])
@pytest.mark.parametrize(("told", "stopped", "verdicts"), ORDERS)
def test_what_was_said_last_counts_in_whatever_order_it_comes(
    desk: Desk, told: list[tuple[str, int | None]], stopped: bool, verdicts: list[str], at_once: bool
) -> None:
    desk.text()
    replies = [
        Reply(
            their_number=ANN,
            our_number=OURS,
            text=text,
            ref=f"mo-{n}",
            said_at=None if ago is None else desk.now - ago * MINUTE,
        )
        for n, (text, ago) in enumerate(told)
    ]
    for some in [replies] if at_once else [[reply] for reply in replies]:
        desk.replies.take(1, some)
    assert desk.stopped() == (STOPPED if stopped else [])
    if not at_once:
        assert desk.verdicts() == verdicts


def test_a_late_stop_that_is_overtaken_is_shown(desk: Desk) -> None:
    """It answers nobody; and a START to one sender says nothing of what is said to another."""
    desk.text()
    desk.say("START", said_at=desk.now - MINUTE)
    desk.say("STOP", said_at=desk.now - 2 * MINUTE)
    assert (desk.stopped(), desk.answers(), desk.reviews()) == ([], [], ["STOP came late: START was said after it"])
    desk.say("STOP", our=OTHER, said_at=desk.now - 2 * MINUTE)
    assert desk.stopped() == STOPPED


def test_a_late_start_ends_nothing_that_a_carrier_or_an_operator_said_since(desk: Desk) -> None:
    desk.text()
    book = OptOutBook(desk.database)
    book.add([OptOut(person_of(PEPPER, ANN), Scope.APP, 1, Source.CARRIER)], NOON)
    desk.say("START", said_at=desk.now - MINUTE)
    assert desk.stopped() == [("app", 1, "carrier")]
    desk.now += MINUTE
    desk.say("START", said_at=desk.now)
    assert desk.stopped() == []


# What comes between the submit and its refusal, and whether they are opted out then.
MEANWHILE: list[tuple[dict[str, Any], bool]] = [
    ({"text": "START"}, False),
    ({"text": "START", "said_at": NOON + MINUTE}, False),
    ({"text": "START", "said_at": NOON - MINUTE}, True),  # it was said before the submit, and came after it
    ({"text": "hello"}, True),
    ({"text": "START", "our": OTHER}, True),  # another sender's: the carrier keeps this one from them
    ({"text": "START", "their": BEN}, True),
]


@pytest.mark.parametrize("told_by", ["answer", "receipt"])
@pytest.mark.parametrize("stop", [True, False], ids=["stopped", "not stopped here"])
@pytest.mark.parametrize(("said", "stopped"), MEANWHILE)
def test_a_refusal_that_comes_after_a_start_is_of_before(
    desk: Desk, said: dict[str, Any], stopped: bool, stop: bool, told_by: str
) -> None:
    """A carrier says of a submit that the person opted out: of its begin, be it an invitation or a confirmation."""
    desk.text()
    desk.say("STOP") if stop else desk.admit(duplicate_until=NOON)
    desk.turns()
    [open_one] = desk.transport.open
    if told_by == "receipt":
        desk.settle(lambda exchange: says("yes"))
    desk.now += 2 * MINUTE
    desk.say(**said)
    if told_by == "answer":
        desk.settle(lambda exchange: says("127"))
    else:
        receipt = Receipt(Event.REFUSE, key=open_one.mt["key"], code=Code.OPTED_OUT)
        ReceiptBook(desk.database).take(1, [receipt], desk.now)
    assert bool(desk.stopped()) is stopped
    desk.say("START")
    assert desk.stopped() == [], "what was said since ends it"


def test_who_is_refused_after_a_start_is_opted_out(desk: Desk) -> None:
    desk.text()
    desk.say("START")
    desk.now += MINUTE
    desk.admit(2, duplicate_until=NOON)
    desk.turns()
    desk.settle(lambda exchange: says("127"))
    assert desk.stopped() == [("app", 1, "carrier")] * 2


# --- Once, and from whom ---------------------------------------------------------------------------------------------


def test_a_repeat_without_an_id_is_what_was_said_last_a_moment_ago(desk: Desk) -> None:
    desk.text()
    for text in ("STOP", "STOP", "START", "STOP"):
        desk.say(text, ref="")
    assert desk.verdicts() == ["stop", "start", "stop"]
    desk.say("STOP", ref="", our=OTHER)
    desk.now += REPEATED
    desk.say("STOP", ref="", our=OTHER)
    assert len(desk.verdicts()) == 5, "to another sender, and later"


def test_many_at_once_are_taken_in_their_order(desk: Desk) -> None:
    desk.text()
    told = [("STOP", "1"), ("START", "2"), ("STOP", "1"), ("hello", "3"), ("STOP", "4"), ("", "5"), ("hello", "")]
    desk.replies.take(1, [Reply(their_number=ANN, our_number=OURS, text=text, ref=ref) for text, ref in told])
    assert desk.run("select ref, verdict from replies order by id") == [
        ("1", "stop"), ("2", "start"), ("3", "none"), ("4", "stop"), ("5", "none"), ("", "none")
    ]  # fmt: skip
    assert desk.stopped() == [("app", 1, "reply")]


def test_more_than_a_transaction_takes_are_all_taken_in_their_order(desk: Desk) -> None:
    desk.text()
    desk.text(BEN)
    told = [(ANN, "STOP"), (BEN, "START"), *[(ANN, "hello")] * AT_ONCE, (ANN, "START"), (BEN, "STOP")]
    replies = [Reply(their_number=who, our_number=OURS, text=text, ref=f"{n}") for n, (who, text) in enumerate(told)]
    for _ in range(2):
        desk.replies.take(1, replies)
        assert desk.run("select person from optouts") == [(person_of(PEPPER, BEN),)]
        assert desk.verdicts() == ["stop", "none", *["none"] * AT_ONCE, "start", "stop"]


def test_the_same_id_of_another_connection_is_another_reply(desk: Desk) -> None:
    for connection_id in (1, 2):
        desk.replies.take(connection_id, [Reply(their_number=ANN, our_number=OURS, text="hi", ref="7")])
    assert len(desk.verdicts()) == 2


@pytest.mark.parametrize("written", [ANN, ANN[1:], ANN[2:], "(201) 222-3000", "0012012223000", " +1 201 222 3000 "])
@pytest.mark.parametrize("our", [OURS, OURS[1:], OURS[2:], "+1 (201) 555-0000"])
def test_numbers_are_known_however_they_are_written(desk: Desk, written: str, our: str) -> None:
    desk.text()
    desk.say("stop", their=written, our=our)
    assert desk.stopped() == [("app", 1, "reply")]
    assert [answer[1] for answer in desk.answers()] == [1]


def test_short_codes_are_known_with_a_plus_and_without(desk: Desk) -> None:
    rows = Rows(desk.database, lambda: NOON)
    rows.add_sender({"number": "42420", "kind": "short_code", "region": "US", "mps": 9.0, "weight": 1.0}, "carrier", [])
    desk.say("hi", our="+42420")
    desk.say("hi", our="42420")
    assert desk.run("select sender_id from replies") == [(3,), (3,)]


def test_a_national_number_is_of_whom_we_know(desk: Desk) -> None:
    """+20 1222 3333 would be a number of Egypt; whom we texted wrote as people of the country do."""
    assert [phone.region for phone in theirs("2012223000", "US")][-1] == "US"
    desk.text()
    desk.say("stop", their="2012223000")
    assert desk.run("select person from optouts") == [(person_of(PEPPER, ANN),)]


ARGENTINE, MEXICAN, BRAZILIAN = "+5491123456789", "+525512345678", "+5511987654321"
RADIO, MOBILE = "+551177654321", "+5511977654321"  # two phones, or one of which some tell without its 9


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (ARGENTINE, "541123456789"),
        (ARGENTINE, "+54 11 15 2345 6789"),
        (ARGENTINE, "5491123456789"),
        ("+541123456789", "541123456789"),
        (MEXICAN, "5215512345678"),
        (MEXICAN, "+525512345678"),
        (BRAZILIAN, "551187654321"),
        (BRAZILIAN, "+5511987654321"),
        (MOBILE, "551177654321"),
        (RADIO, "551177654321"),
    ],
)
def test_whom_we_texted_is_known_by_every_spelling_of_the_phone(desk: Desk, number: str, written: str) -> None:
    def one() -> Candidate:
        return candidate(number, duplicate_until=NOON)

    Admissions(desk.database).admit([one()], NOON)
    desk.go()
    desk.say("STOP", their=written)
    person = person_of(PEPPER, number)
    assert (person, "app", 1) in desk.run("select person, scope, scope_id from optouts")
    assert {scope for scope, *_ in desk.stopped()} == {"app"}, "nobody whom we do not know"
    assert (desk.reviews(), len(desk.answers())) == ([], 1)
    desk.transport.begun.clear()
    desk.go()
    assert [exchange.mt["to"] for exchange in desk.transport.begun] == [number]
    assert Admissions(desk.database).admit([one()], NOON)[0].code is Code.OPTED_OUT
    desk.say("START", their=written)
    assert desk.stopped() == []
    assert Admissions(desk.database).admit([one()], NOON)[0].code is Code.ACCEPTED


ARGENTINE_TOO = "+541123456789"


@pytest.fixture
def spelled(desk: Desk) -> Desk:
    """One app texted a phone by one spelling, another app by the other, both from the same sender."""
    texted = [candidate(ARGENTINE, duplicate_until=NOON), candidate(ARGENTINE_TOO, app_id=2, duplicate_until=NOON)]
    Admissions(desk.database).admit(texted, NOON)
    desk.run("update senders set paused_at = 1 where number = :other", other=OTHER)
    desk.go()
    desk.run("update senders set paused_at = null")
    return desk


def codes(desk: Desk) -> list[Code]:
    """What is said to either app of either spelling."""
    asked = [candidate(n, app_id=app, duplicate_until=NOON) for n in (ARGENTINE, ARGENTINE_TOO) for app in (1, 2)]
    return [one.code for one in Admissions(desk.database).admit(asked, NOON)]


@pytest.mark.parametrize("written", ["541123456789", "+5491123456789"])
def test_a_stop_belongs_to_whoever_texted_any_spelling_of_the_phone(spelled: Desk, written: str) -> None:
    """It is confirmed once, and what waits for either is discarded; START ends all of it."""
    assert codes(spelled) == [Code.ACCEPTED] * 4
    spelled.say("STOP", their=written)
    assert spelled.run("select count(*) from messages where state = 'discarded' and code = 127") == [(4,)]
    assert codes(spelled) == [Code.OPTED_OUT] * 4
    [(text, sender, _)] = spelled.answers()
    assert ({app in text for app in ("com.example.1", "com.example.2")}, sender) == ({True}, 1)
    spelled.say("START", their=written)
    assert (spelled.stopped(), codes(spelled)) == ([], [Code.ACCEPTED] * 4)


def test_who_texted_another_spelling_from_there_goes_before_who_texted_from_elsewhere(desk: Desk) -> None:
    for number, app_id, by in ((ARGENTINE, 1, OTHER), (ARGENTINE_TOO, 2, OURS)):
        desk.run("update senders set paused_at = case when number = :by then null else 1 end", by=by)
        Admissions(desk.database).admit([candidate(number, app_id=app_id)], NOON)
        desk.go()
    desk.run("update senders set paused_at = null")
    desk.say("STOP", their=ARGENTINE)
    assert desk.stopped() == [("app", 2, "reply")] * 2


def test_what_another_spelling_of_the_phone_said_and_was_answered_counts(spelled: Desk) -> None:
    """Who wrote is told by whom that sender texted, and was the other spelling until the app texted this one."""
    spelled.say("HELP", their=ARGENTINE)
    spelled.say("START", their=ARGENTINE, said_at=spelled.now - MINUTE)
    spelled.run("update replies set person = :other", other=person_of(PEPPER, ARGENTINE_TOO))
    spelled.say("HELP", their=ARGENTINE)
    assert len(spelled.answers()) == 1
    spelled.say("STOP", their=ARGENTINE, said_at=spelled.now - 2 * MINUTE)
    assert (spelled.stopped(), spelled.reviews()) == ([], ["STOP came late: START was said after it"])


def test_of_two_whom_we_know_the_one_that_this_sender_texted_wrote(desk: Desk) -> None:
    for number, by in ((RADIO, OTHER), (MOBILE, OURS)):
        Admissions(desk.database).admit([candidate(number)], NOON)
        desk.run("update senders set paused_at = case when number = :by then null else 1 end", by=by)
        desk.go()
    desk.run("update senders set paused_at = null")
    desk.say("STOP", their=RADIO)
    assert desk.run("select person from optouts") == [(person_of(PEPPER, MOBILE),)]
    desk.say("STOP", their=RADIO, our=OTHER)
    assert {row[0] for row in desk.run("select person from optouts")} >= {person_of(PEPPER, RADIO)}


@pytest.mark.parametrize(
    ("written", "stopped"),
    [
        ("541123456789", [ARGENTINE, "+541123456789"]),
        ("5215512345678", [MEXICAN]),
        ("551187654321", [BRAZILIAN]),
        ("551177654321", [RADIO, MOBILE]),
        ("5511977654321", [MOBILE]),
    ],
)
def test_a_stranger_is_stopped_by_every_spelling_of_the_phone(desk: Desk, written: str, stopped: list[str]) -> None:
    for number in (ANN, BEN):
        desk.text(number)
    desk.say("STOP", their=written)
    assert {row[0] for row in desk.run("select person from optouts")} == {person_of(PEPPER, each) for each in stopped}
    assert [one.code for one in Admissions(desk.database).admit([candidate(each) for each in stopped], NOON)] == [
        Code.OPTED_OUT
    ] * len(stopped)
    desk.say("START", their=written)
    assert desk.stopped() == []


def test_our_numbers_are_looked_for_as_they_stand_first() -> None:
    assert ours("12015550000") == ["12015550000", "+12015550000"]
    assert ours("2015550000")[-1] == "+12015550000"
    assert ours("+42420") == ["+42420", "42420"]


@pytest.mark.parametrize("written", ["AMAZON", "7726", "", "+", "\0", "x" * 500, "\ud800"])
def test_who_cannot_be_a_person_is_kept_and_never_answered(desk: Desk, written: str) -> None:
    desk.say("STOP", their=written)
    desk.say("HELP", their=written)
    assert (desk.verdicts(), desk.answers()) == (["stop", "help"], [])
    assert desk.reviews() == ["STOP from a number that cannot be read"]


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "x" * 10_000, "STOP\0"])
def test_whatever_is_written_is_kept(desk: Desk, text: str) -> None:
    desk.say(text, ref="\0r" * 300)
    assert len(desk.verdicts()) == 1


def test_what_is_doubtful_stops_nobody_and_waits_for_a_person(desk: Desk) -> None:
    desk.text()
    desk.say("not interested")
    assert (desk.stopped(), desk.answers(), desk.verdicts(), desk.reviews()) == ([], [], ["doubtful"], ["perhaps STOP"])


def test_of_many_wishes_of_one_person_the_last_ones_are_done(desk: Desk) -> None:
    """What was queued is discarded nonetheless, and all are kept with what they asked for."""
    desk.text()
    [queued] = desk.admit(duplicate_until=NOON + 9 * DAY)
    told = ["STOP", "START", "HELP", "STOP", "HELP", "START", "START"] * 30
    replies = [Reply(their_number=ANN, our_number=OURS, text=text, ref=f"{n}") for n, text in enumerate(told)]
    desk.replies.take(1, replies)
    assert desk.verdicts() == [text.lower() for text in told]
    assert (desk.stopped(), desk.row(queued.id)["code"]) == ([], 127)
    assert [(text[:22], state) for text, _, state in desk.answers()] == [
        ("You have been unsubscr", "discarded"), ("com.example.1: texts b", "queued"),
        ("You are subscribed to ", "queued"),
    ]  # fmt: skip
    desk.replies.take(1, replies)
    assert len(desk.verdicts()) == len(told), "a repeat is no news"


def test_wishes_of_others_and_to_others_are_not_outdone(desk: Desk) -> None:
    for phone in (ANN, BEN):
        desk.text(phone)
    told = [(ANN, OURS, "STOP"), (BEN, OURS, "START"), (BEN, OURS, "STOP"), (ANN, OTHER, "START"), (ANN, OURS, "STOP")]
    desk.replies.take(
        1,
        [Reply(their_number=their, our_number=our, text=text, ref=text + their + our) for their, our, text in told[:4]],
    )
    assert {row[0] for row in desk.run("select person from optouts")} == {person_of(PEPPER, BEN)}
    desk.say("STOP")
    assert len(desk.stopped()) == 2


# --- By that very sender ---------------------------------------------------------------------------------------------


def test_an_answer_waits_for_its_sender_and_expires_with_its_validity(desk: Desk) -> None:
    desk.text()
    desk.run("update senders set paused_at = 1 where id = 1")
    desk.say("stop")
    desk.transport.begun.clear()
    desk.go()
    desk.now += 3 * HOUR
    Sweeper(desk.database).rescue(desk.now, timedelta(minutes=15), 500)
    desk.go()
    assert desk.answers() == [(confirmation("com.example.1"), 1, "queued")], "nobody lets go of it"
    assert desk.transport.begun == []
    desk.now += VALIDITY
    desk.go()
    assert [state for *_, state in desk.answers()] == ["expired"]


def test_an_answer_keeps_its_sender_through_a_refusal_and_a_lost_lease(database: Database) -> None:
    provision(database, senders=2)
    desk = Desk(database, outcomes={**YES, "no": Outcome(Fate.LATER, reason="busy", limit=True)})
    desk.text()
    desk.say("stop")
    desk.turns()
    desk.settle(lambda exchange: says("no"))
    desk.now += timedelta(minutes=2)
    desk.go()
    assert [exchange.mt["sender"] for exchange in desk.transport.begun] == [OURS] * 3
    desk.say("start")
    desk.crash_at = "claimed"
    with pytest.raises(RuntimeError):
        desk.dispatch.turn()
    desk.crash_at = ""
    desk.run("update messages set lease_until = 1 where state = 'claimed'")
    Sweeper(desk.database).rescue(desk.now, timedelta(minutes=15), 500)
    desk.go()
    assert [exchange.mt["sender"] for exchange in desk.transport.begun] == [OURS] * 4


def test_an_answer_leaves_although_the_app_has_other_senders_now(desk: Desk) -> None:
    desk.text()
    desk.run("insert into sender_apps (sender_id, app_id) values (2, 1), (1, 2)")
    desk.say("stop")
    desk.go()
    assert desk.transport.begun[-1].mt["sender"] == OURS


def test_an_answer_does_not_wait_behind_invitations(database: Database) -> None:
    """Of one sender with room for one text a second, hundreds are in line; the answer takes the next slot."""
    provision(database, mps=1)
    desk = Desk(database, outcomes=YES)
    desk.text()
    desk.admit(300, first=4000)
    desk.go()
    desk.run("update senders set free_at = 0")
    desk.transport.begun.clear()
    desk.say("stop")
    desk.go()
    assert desk.transport.begun[0].mt["to"] == ANN
    assert 1 <= len(desk.transport.begun) <= 2, "its pace holds"


def test_an_answer_of_two_segments_waits_for_room_as_others_do(database: Database) -> None:
    provision(database, mps=1, country="US")
    database_rows = Rows(database, lambda: NOON)
    database_rows.change_sender(OURS, "", {"daily_cap": 2})
    desk = Desk(database, outcomes=YES)
    desk.text()
    desk.run("update apps set stop_text = :text", text="ü" * 200)
    desk.say("stop")
    desk.go()
    assert [state for *_, state in desk.answers()] == ["queued"], "tomorrow"


def test_a_doubt_about_an_answer_is_never_sent_again(database: Database) -> None:
    provision(database, policy="at_least_once")
    desk = Desk(database, outcomes=YES | {"?": Outcome(Fate.UNKNOWN)})
    desk.text()
    desk.say("stop")
    desk.turns()
    desk.settle(lambda exchange: says("?"))
    Sweeper(database).rescue(desk.now + HOUR, timedelta(minutes=15), 500)
    assert [state for *_, state in desk.answers()] == ["failed"]


def test_a_refusal_of_a_confirmation_teaches_nothing_worse(database: Database) -> None:
    """A carrier that keeps opt-outs itself refuses what confirms them; START by reply ends what it said as well."""
    provision(database)
    desk = Desk(database, outcomes=YES | REFUSED)
    desk.text()
    desk.say("stop")
    desk.turns()
    desk.settle(lambda exchange: says("127"))
    assert (desk.stopped(), [state for *_, state in desk.answers()]) == ([("app", 1, "reply")], ["failed"])
