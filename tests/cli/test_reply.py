"""Replies as an operator sees and settles them."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Final

import pytest

from dispatcher.core.exchange import Receipt, Reply
from dispatcher.core.lifecycle import Event
from dispatcher.core.person import person_of
from dispatcher.engine.ports import AlarmKind
from dispatcher.engine.replies import Replies
from dispatcher.store.admissions import Admissions
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.replies import ReplyBook
from dispatcher.store.revision import pepper
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Run, refused
from tests.cli.test_doctor import findings
from tests.factories import candidate, ids

people: Final = count(2000)
KNOWN: Final = Statement("insert into sticky_senders (app_id, person, sender_id, used_at) values (1, :person, 1, :at)")


@pytest.fixture(scope="module")
def sender(rows: Rows) -> str:
    values = {"number": "+12015550000", "kind": "long_code", "region": "US", "mps": 1.0, "weight": 1.0}
    rows.add_sender(values, "simulated", [])
    return "+12015550000"


class Somebody:
    """A person whom app 1 texted, unless a stranger."""

    def __init__(self, database: Database, sender: str, phone: str = "", *, stranger: bool = False) -> None:
        self.database, self.sender = database, sender
        self.phone = phone or f"+1301222{next(people)}"
        self.person = person_of(pepper(database), self.phone)
        if not stranger:
            with database.write() as tx:
                tx.run(KNOWN, person=self.person, at=micros(utc_now()))

    def say(self, text: str, spelled: str = "") -> None:
        book = ReplyBook(self.database, lambda: next(ids))
        replies = Replies(book=book, pepper=pepper(self.database), clock=utc_now, ring=lambda topic: None)
        replies.take(
            1, [Reply(their_number=spelled or self.phone, our_number=self.sender, text=text, ref=f"m{next(ids)}")]
        )

    def opted_out(self) -> list[tuple[str, int, str]]:
        return [(o.scope.value, o.scope_id, o.said) for o in OptOutBook(self.database).of(self.person)]


def waiting(run: Run) -> list[int]:
    return [row["reply"] for row in run("reply", "list").json]


@pytest.fixture
def somebody(database: Database, sender: str) -> Somebody:
    return Somebody(database, sender)


def test_a_doubtful_reply_waits_until_it_is_settled_as_stop(run: Run, database: Database, somebody: Somebody) -> None:
    somebody.say("not interested\nat all")
    [row] = [row for row in run("reply", "list").json if row["phone"] == somebody.phone]
    told = {name: row[name] for name in ("sender", "text", "verdict", "review", "answered", "settledAt")}
    assert told == {
        "sender": "+12015550000",
        "text": "not interested\nat all",
        "verdict": "doubtful",
        "review": "perhaps STOP",
        "answered": False,
        "settledAt": None,
    }
    shown = run("reply", "list", as_json=False).out
    assert f"+1301•••{somebody.phone[-4:]} to +12015550000  doubtful (perhaps STOP)  not interested at all" in shown
    now = utc_now()
    made = candidate(
        somebody.phone, person=somebody.person, created_at=now, planned_at=now, expires_at=now + timedelta(1)
    )
    Admissions(database).admit([made], now)
    number = str(row["reply"])
    assert run("reply", "settle", number, "--as", "stop").json == {"reply": row["reply"], "as": "stop", "discarded": 1}
    assert somebody.opted_out() == [("app", 1, "not interested\nat all")]
    assert row["reply"] not in waiting(run)
    refused(run("reply", "settle", number, "--as", "nothing"), f"reply: none of number {number} waits")
    [after] = [each for each in run("reply", "list", "--all").json if each["reply"] == row["reply"]]
    assert (after["verdict"], after["review"], after["answered"]) == ("stop", None, False)
    assert after["settledAt"].endswith("Z")


def test_whoever_settles_a_reply_means_every_spelling_of_the_phone(run: Run, database: Database, sender: str) -> None:
    """Argentina's, with and without the 9: each app texted one of them."""
    local = f"1123{next(people):06d}"
    spelled = [Somebody(database, sender, f"+549{local}"), Somebody(database, sender, f"+54{local}")]
    spelled[0].say("not interested", f"54{local}")
    [reply] = [row["reply"] for row in run("reply", "list").json if row["phone"] == spelled[0].phone]
    run("reply", "settle", str(reply), "--as", "stop")
    assert [one.opted_out() for one in spelled] == [[("app", 1, "not interested")]] * 2


@pytest.mark.parametrize(("wish", "verdict"), [("nothing", "none"), ("start", "start")])
def test_what_is_no_stop_opts_nobody_out(run: Run, somebody: Somebody, wish: str, verdict: str) -> None:
    somebody.say("who gave you my number")
    number = waiting(run)[-1]
    assert run("reply", "settle", str(number), "--as", wish).json["discarded"] == 0
    assert somebody.opted_out() == []
    assert [row["verdict"] for row in run("reply", "list", "--all").json if row["reply"] == number] == [verdict]


@pytest.mark.parametrize(("wish", "left"), [("stop", 1), ("start", 0), ("nothing", 0)])
def test_a_stop_of_a_stranger_is_looked_at(run: Run, database: Database, sender: str, wish: str, left: int) -> None:
    stranger = Somebody(database, sender, stranger=True)
    stranger.say("STOP")
    assert stranger.opted_out() == [("global", 0, "STOP")]
    run("reply", "settle", str(waiting(run)[-1]), "--as", wish)
    assert len(stranger.opted_out()) == left


def test_replies_that_ask_for_nothing_are_listed_with_all(run: Run, somebody: Somebody) -> None:
    somebody.say("sounds good!")
    before = waiting(run)
    [row] = [row for row in run("reply", "list", "--all").json if row["phone"] == somebody.phone]
    assert (row["verdict"], row["reply"] in before) == ("none", False)


@pytest.mark.parametrize("number", ["0", "999999999999", "99999999999999999999999"])
def test_there_is_no_such_reply(run: Run, somebody: Somebody, number: str) -> None:
    refused(run("reply", "settle", number, "--as", "stop"), f"reply: none of number {number} waits; see `reply list`")


def test_doctor_counts_those_that_wait(run: Run, somebody: Somebody) -> None:
    somebody.say("wrong number")
    check = findings(run)[1]["replies"]
    assert (check["ok"], check["todo"]) == (False, "`reply list`, then `reply settle` each")
    assert check["what"].endswith("for a person")


def test_what_strangers_wrote_moves_no_terminal(run: Run, database: Database, somebody: Somebody) -> None:
    """Nor adds a line to a list, nor turns the direction of one; programs get it whole."""
    evil = "stop\x1b]0;owned\x07\x1b[2J please\r\n1  2026  \u202efake\x9b2J"
    somebody.say(evil)
    told = [Receipt(Event.DELIVER, ref="r\x1b[2J\n2", reason="\x1b]0;x")]
    ReceiptBook(database).take(1, told, utc_now())
    assert evil in [row["text"] for row in run("reply", "list").json]
    assert "r\x1b[2J\n2" in [row["ref"] for row in run("receipt", "list").json]
    with database.write() as tx:
        raise_alarms(tx, AlarmKind.CONNECTION_UNUSABLE, {1: "no\x1b[2J"}, utc_now())
    Workers(database).note_unusable(Workers(database).enrol("work", utc_now()), 1, "no\x1b[2J", utc_now())
    shown = {
        r"stop\x1b]0;owned\x07\x1b[2J please 1 2026 \u202efake\x9b2J": ("reply", "list"),
        r"ref r\x1b[2J 2  delivered": ("receipt", "list"),
        r": no\x1b[2J": ("alarm", "list", "--all"),
        r"cannot use it: no\x1b[2J": ("connection", "list"),
        r"cannot use it: no\x1b[2J; ": ("doctor",),
        r"no\x1b[2J": ("explain", "+13012224999", "--app", "com.example.1"),
    }
    for words, command in shown.items():
        out = run(*command, as_json=False).out
        assert words in out, out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)
    ran = run("app", "show", "no\x1b[2Jne", as_json=False)
    refused(ran, r"no\x1b[2Jne")
    assert "\x1b" not in ran.err
