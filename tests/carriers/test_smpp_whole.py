"""SMPP, whole: an invitation goes out by a bind, receipts and replies come in by it, and what breaks is told truly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import pytest

from dispatcher.core.exchange import Response
from dispatcher.core.smpp import Command, Tag
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.wiring.doctor import examine
from dispatcher.wiring.work import working
from tests.carriers.stand import Stand
from tests.carriers.whole import Whole, whole
from tests.processes import eventually
from tests.smsc import Smsc, Submit
from tests.web.api import settled

STOPPED = Statement("select stop_reason from connections where stopped_at is not null")
BINDS = Statement("select slot, state from bind_leases order by slot")
STATES = Statement("select state from messages")


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with Smsc() as found:
        yield found


@contextmanager
def engine(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch, given: dict[str, object] | None = None, **more: Any
) -> Iterator[Whole]:
    monkeypatch.setenv("TEST_SMPP_PASSWORD", "secret")
    settings = {
        "host": "127.0.0.1",
        "port": smsc.port,
        "system_id": "us",
        "credentials": {"password": "env:TEST_SMPP_PASSWORD"},
    }
    with Stand(Response(500)) as stand, whole(database_url, stand, "smpp", settings | more, **(given or {})) as found:
        yield found


def invite(at: Whole, smsc: Smsc, phone: str, text: str = "Join me") -> tuple[str, Submit]:
    """Invite somebody: the message id, and the first submit_sm of theirs."""
    answer = at.customer.invite(phone, message=text)
    assert answer.status == 200, answer
    found: list[Submit] = []

    def look() -> bool:
        found[:] = [submit for submit in smsc.submits if submit.to == phone.removeprefix("+")]
        return bool(found)

    eventually("the submit", look)
    return str(answer.json["messageId"]), found[0]


def test_submit_receipts_and_reply(database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(database_url, smsc, monkeypatch, id_form="decimal") as at:
        smsc.on_submit = lambda submit: submit.answer("00AB12")
        first, submit = invite(at, smsc, "+13012223333")
        assert (submit.short.octets, submit.short.registered) == (b"Join me", 1)
        assert (submit.short.source.number, submit.to) == ("12015550000", "13012223333")
        at.sent(first)
        session = submit.session
        told = [session.deliver(b"id:43794 stat:ENROUTE err:000 text:Join me", esm_class=4)]
        told += [session.deliver(b"id:43794 stat:DELIVRD err:000 text:Join me", esm_class=4)]
        eventually("it is delivered", lambda: at.standing(first) == ("sent", 1))
        smsc.wait("both are acknowledged", lambda: [session.acked.get(n) for n in told] == [0, 0])

        smsc.on_submit = lambda submit: submit.answer("FF")
        second, _ = invite(at, smsc, "+13012223334")
        at.sent(second)
        session.deliver(esm_class=4, tags={Tag.RECEIPTED_MESSAGE_ID: b"255\0", Tag.MESSAGE_STATE: b"\x05"})
        eventually("it failed", lambda: at.standing(second) == ("sent", 124))

        reply = session.deliver(b"Who is this?", source="13012223333", destination="12015550000")
        smsc.wait("it is acknowledged", lambda: session.acked.get(reply) == 0)
        garbage = session.deliver(b"stat:DELIVRD", esm_class=4)
        smsc.wait("it is refused", lambda: session.acked.get(garbage) == 0x65)
        forged = b"id:255 stat:DELIVRD"
        assert at.hook(f"{at.public_url}/hooks/carrier", forged, {"Content-Type": "text/plain"}) == 403


def test_a_receipt_that_is_not_marked_as_one_cannot_be_forged(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = b"id:AB12 sub:001 dlvrd:001 submit date:2611221430 done date:2611221431 stat:DELIVRD err:000 text:Join me"
    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = lambda submit: submit.answer("AB12")
        key, submit = invite(at, smsc, "+13012223333")
        at.sent(key)
        eventually("its id is written", lambda: at.query("select 1 from attempts where ref = 'ab12'"))
        forged = submit.session.deliver(told, source="13012223334", destination="12015550000")
        smsc.wait("it is acknowledged", lambda: submit.session.acked.get(forged) == 0)
        assert at.query("select event, reason from receipts") == [("submit", "unproven DELIVRD")]
        assert at.standing(key) == ("sent", 0)
        submit.session.deliver(told, source="13012223333", destination="12015550000")
        eventually("it is delivered", lambda: at.standing(key) == ("sent", 1))


def test_a_long_text_is_delivered_by_the_receipt_of_its_last_part(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = lambda submit: submit.answer(f"part-{submit.short.octets[5]}")
        key, submit = invite(at, smsc, "+13012223333", "long " * 80)
        at.sent(key)
        assert [each.short.registered for each in smsc.submits] == [0, 0, 1]
        submit.session.deliver(b"id:part-3 stat:DELIVRD", esm_class=4)
        eventually("it is delivered", lambda: at.standing(key) == ("sent", 1))


def test_a_text_of_which_a_part_is_refused_has_failed_and_is_not_sent_again(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = lambda submit: submit.answer("a", status=0x45 if submit.short.octets[5] == 2 else 0)
        key, _ = invite(at, smsc, "+13012223333", "long " * 80)
        eventually("it failed", lambda: at.standing(key) == ("sent", 124))
        assert at.customer.status(key)["message"] == "1 of its parts taken, then: 0x45 submit failed"
        assert at.query("select state from messages") == [("failed",)]
    assert [submit.short.octets[5] for submit in smsc.submits] == [1, 2]


def test_a_receipt_that_is_faster_than_the_answer(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(submit: Submit) -> None:
        submit.session.deliver(b"id:hasty stat:DELIVRD", esm_class=4)
        submit.answer("hasty")

    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = hasty
        key, _ = invite(at, smsc, "+13012223333")
        eventually("it is delivered", lambda: at.standing(key) == ("sent", 1))


def test_a_refused_number(database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = lambda submit: submit.answer(status=0x0B)
        key, _ = invite(at, smsc, "+13012223333")
        eventually("it is refused", lambda: at.standing(key) == ("discarded", 123))


def test_no_more_is_marked_than_can_begin_soon(database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is marked when a process is killed is in doubt, whether it was submitted or not."""
    waiting: list[Submit] = []
    smsc.on_submit = waiting.append
    with engine(database_url, smsc, monkeypatch, window="2") as at:
        keys = [str(at.customer.invite(f"+1301222{n}").json["messageId"]) for n in range(3000, 3012)]
        eventually("the window is full", lambda: len(waiting) == 2)
        eventually(
            "as many wait", lambda: at.query("select count(*) from messages where state = 'submitting'") == [(4,)]
        )
        smsc.on_submit = lambda submit: submit.answer(submit.to)
        for submit in [*waiting]:
            submit.answer(submit.to)
        for key in keys:
            at.sent(key)
    assert len(smsc.submits) == len(keys)


def test_throttling_costs_no_try(database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = lambda submit: submit.answer("a", status=0x58 if len(smsc.submits) == 1 else 0)
        key, _ = invite(at, smsc, "+13012223333")
        at.sent(key)
        assert len(smsc.submits) == 2


def test_an_answer_that_comes_too_late_ends_the_doubt(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {"CARRIERS__TIMEOUT_SECONDS": 1}
    with engine(database_url, smsc, monkeypatch, given) as at:
        smsc.on_submit = lambda submit: None
        key, submit = invite(at, smsc, "+13012223333")
        eventually("it is in doubt", lambda: at.query("select 1 from messages where state = 'in_doubt'"))
        submit.session.deliver(b"id:late stat:DELIVRD", esm_class=4)  # nobody knows that id yet
        eventually("it is kept", lambda: at.query("select 1 from receipts where ref = 'late'"))
        submit.answer("late")
        eventually("it is delivered", lambda: at.standing(key) == ("sent", 1))
    assert len(smsc.submits) == 1


def test_a_refusal_that_comes_too_late_is_no_sending(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {"CARRIERS__TIMEOUT_SECONDS": 1}
    with engine(database_url, smsc, monkeypatch, given) as at:
        smsc.on_submit = lambda submit: None
        key, submit = invite(at, smsc, "+13012223333")
        eventually("it is in doubt", lambda: at.query("select 1 from messages where state = 'in_doubt'"))
        submit.answer(status=0x0B)
        eventually("it is refused", lambda: at.standing(key) == ("discarded", 123))


def test_a_text_of_which_a_part_is_throttled_for_too_long_has_failed_and_is_not_sent_again(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {"CARRIERS__TIMEOUT_SECONDS": 1}
    with engine(database_url, smsc, monkeypatch, given) as at:
        smsc.on_submit = lambda submit: submit.answer("a", status=0x58 if submit.short.octets[5] == 2 else 0)
        key, _ = invite(at, smsc, "+13012223333", "long " * 80)
        eventually("it failed", lambda: at.standing(key) == ("sent", 124))
        assert at.customer.status(key)["message"] == "1 of its parts taken, then: not begun in time"
    assert [submit.short.octets[5] for submit in smsc.submits].count(1) == 1


def test_a_refused_bind_stops_the_connection_and_keeps_the_queue(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    smsc.on_bind = lambda bind: 0x0E
    with engine(database_url, smsc, monkeypatch) as at:
        keys = [str(at.customer.invite(f"+1301222333{n}").json["messageId"]) for n in range(3)]
        eventually("it is stopped", lambda: at.api.query(STOPPED) == [("bind refused: 0x0E invalid password",)])
        assert {at.standing(key) for key in keys} == {("pending", 0)}
        eventually("it is noted", lambda: at.api.query(BINDS) == [(0, "bind refused, status 0x0E")])
        [found] = [each for each in examine(settled(database_url)) if each.check == "binds of carrier"]
        assert not found.ok
        assert re.fullmatch(r"0 of 1 bound; 1 held by process \d+ on \S+: bind refused, status 0x0E", found.what)
        assert found.todo.endswith("each is tried again by itself within a minute")
    assert len(smsc.binds) < 4
    assert not smsc.submits


def test_a_refused_bind_is_told_of_while_nothing_is_queued_and_ends_with_a_bind(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> tuple[bool, str, bool, str]:
        found = {each.check: each for each in examine(settled(database_url))}
        connection, alarms = found["connection carrier"], found["alarms"]
        return connection.ok, connection.what, alarms.ok, alarms.what

    smsc.on_bind = lambda bind: 0x0E
    reason = "bind refused: 0x0E invalid password"
    with engine(database_url, smsc, monkeypatch) as at:
        eventually("it is stopped", lambda: at.api.query(STOPPED) == [(reason,)])
        ok, what, calm, alarms = told()
        assert (ok, what, calm) == (False, f"stopped: {reason}", False)
        assert alarms.startswith("connection_stopped carrier since")
        smsc.on_bind = lambda bind: 0
        eventually("it is bound", lambda: told() == (True, "can be used", True, "none"))


def test_a_process_that_is_not_let_in_leaves_the_queue_to_one_that_is(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    smsc.on_bind = lambda bind: 0x0D if smsc.bound else 0
    with engine(database_url, smsc, monkeypatch, binds="2") as at, working(settled(database_url)):
        shared = [("", 1), ("bind refused, status 0x0D", 1)]
        states = "select state, count(distinct holder) from bind_leases group by state order by state"
        one_each = (
            "select 1 from (select count(distinct holder) as holders from bind_leases) as found where holders = 2"
        )
        eventually("each holds one", lambda: at.query(one_each) and at.query(states) == shared)
        for key in [str(at.customer.invite(f"+1301222{n}").json["messageId"]) for n in range(3000, 3020)]:
            at.sent(key)
        assert at.query("select distinct fate from attempts") == [("taken",)]
        found = {each.check: each for each in examine(settled(database_url))}
        assert found["connection carrier"].ok
        assert found["alarms"].ok
        assert not found["binds of carrier"].ok


def test_one_bind_comes_to_the_process_that_is_let_in(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    smsc.on_bind = lambda bind: 0 if bind.password == "good" else 0x0E
    with engine(database_url, smsc, monkeypatch) as at:
        eventually("it is stopped", lambda: at.api.query(STOPPED) == [("bind refused: 0x0E invalid password",)])
        monkeypatch.setenv("TEST_SMPP_PASSWORD", "good")  # of processes that start from now on
        with working(settled(database_url)):
            eventually("it goes on", lambda: smsc.bound and at.api.query(STOPPED) == [])
            key, _ = invite(at, smsc, "+13012223333")
            at.sent(key)
    assert smsc.most == 1


def test_an_smsc_that_is_gone_is_told_of_while_nothing_is_queued(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(database_url, smsc, monkeypatch):
        eventually("it is bound", lambda: smsc.bound)
        smsc.__exit__()

        def told() -> str:
            [found] = [each for each in examine(settled(database_url)) if each.check == "connection carrier"]
            return "" if found.ok else found.what

        eventually("it is told of", lambda: told().startswith("not bound since"))


def test_a_pair(database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(database_url, smsc, monkeypatch, bind="pair", binds="2") as at:
        eventually("two pairs", lambda: len(smsc.bound) == 4)
        eventually("it is noted", lambda: at.api.query(BINDS) == [(0, ""), (1, "")])
        found = {each.check: each.what for each in examine(settled(database_url))}
        assert found["binds of carrier"] == "2 of 2 bound"
        assert "public_url" not in found, "nothing has to reach us"
        key, submit = invite(at, smsc, "+13012223333")
        at.sent(key)
        assert submit.session.kind is Command.BIND_TRANSMITTER
        smsc.bound_session(Command.BIND_RECEIVER).deliver(b"id:id-1 stat:DELIVRD", esm_class=4)
        eventually("it is delivered", lambda: at.standing(key) == ("sent", 1))
    assert all(session.unbound for session in smsc.sessions)
    assert smsc.most == 4


def test_a_pair_whose_receiver_is_refused_stops_the_connection(
    database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    smsc.on_bind = lambda bind: 0x0E if bind.kind is Command.BIND_RECEIVER else 0
    with engine(database_url, smsc, monkeypatch, bind="pair") as at:
        keys = [str(at.customer.invite(f"+1301222333{n}").json["messageId"]) for n in range(3)]
        eventually("it is stopped", lambda: at.api.query(STOPPED) == [("bind refused: 0x0E invalid password",)])
        assert {at.standing(key) for key in keys} == {("pending", 0)}
        found = {each.check: each for each in examine(settled(database_url))}
        assert found["connection carrier"].what == "stopped: bind refused: 0x0E invalid password"
        assert not found["binds of carrier"].ok
        assert not found["alarms"].ok
    assert not smsc.submits


def test_the_end_waits_for_answers_and_acknowledges_what_was_told(
    database: Database, database_url: str, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine(database_url, smsc, monkeypatch) as at:
        smsc.on_submit = lambda submit: Timer(0.5, submit.answer, ["a"]).start()
        _, submit = invite(at, smsc, "+13012223333")
        told = submit.session.deliver(b"id:other stat:DELIVRD", esm_class=4)
    assert submit.session.unbound
    assert submit.session.acked == {told: 0}
    with database.read() as tx:
        assert tx.run(STATES) == [("submitted",)]
        assert tx.run(BINDS) == []
