"""SMPP against real sockets on 127.0.0.1: whatever an SMSC does, each submit is answered once, truly."""

from __future__ import annotations

import logging
import random
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from math import inf
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Timer
from time import monotonic
from typing import Any

import pytest
import trustme

from dispatcher.core.exchange import Fault, Hook, Request, Response
from dispatcher.core.smpp import Address, Command, Pdu, Short, Status, Tag, Terms, pdus, read_id, read_short, short_body
from dispatcher.engine.transport import Paced
from dispatcher.transports.smpp import Ack, SmppTransport, link
from dispatcher.transports.smpp.session import END_EARLY
from dispatcher.transports.smpp.transport import MOST_AHEAD
from tests.processes import eventually
from tests.smsc import PATIENCE, Bind, Session, Smsc, Submit

TRANSCEIVER = Command.BIND_TRANSCEIVER


def request(to: str = "15550001", parts: int = 1, key: str = "7") -> Request:
    """What the carrier's words make of an MT: its submit_sm, part by part."""
    shorts = [Short(Address(0, 0, "4242"), Address(1, 1, to), b"part %d" % n) for n in range(parts)]
    body = b"".join(bytes(Pdu(Command.SUBMIT, 0, short_body(short))) for short in shorts)
    return Request("SMPP", "smpp://carrier", {"key": key}, body)


class Bound:
    """A transport with its SMSC, its answers and what it was told."""

    def __init__(self, smsc: Smsc, transport: SmppTransport, told: SimpleQueue[tuple[Hook, Ack]], terms: Terms) -> None:
        self.smsc = smsc
        self.transport = transport
        self.told = told
        self.terms = terms
        self.answers: SimpleQueue[Response] = SimpleQueue()

    def start(self, given: Request | None = None, **more: Any) -> None:
        self.transport.start(given or request(), self.answers.put, lane="carrier", **more)

    def answer(self) -> Response:
        return self.answers.get(timeout=PATIENCE)

    def submit(self, given: Request | None = None, **more: Any) -> Response:
        self.start(given, **more)
        return self.answer()

    def refusal(self) -> Response:
        """What a submit is answered once a try to bind has failed."""
        eventually("it is down", self.transport.down, PATIENCE)
        return self.submit()

    def hear(self) -> tuple[Pdu, Ack]:
        hook, ack = self.told.get(timeout=PATIENCE)
        [pdu] = pdus(hook.body)
        return pdu, ack

    def is_bound(self) -> bool:
        return set(self.transport.held().values()) == {""}


@contextmanager
def bound(
    smsc: Smsc,
    *,
    slots: Mapping[int, float] | None = None,
    timeout: float = 5.0,
    wait: bool = True,
    elsewhere: bool = False,
    **terms: Any,
) -> Iterator[Bound]:
    """A transport that holds one bind, or these slots; with `wait`, once it is bound."""
    told: SimpleQueue[tuple[Hook, Ack]] = SimpleQueue()
    values: dict[str, Any] = {"host": "127.0.0.1", "port": smsc.port, "system_id": "us", "password": "secret"}
    given = Terms(**(values | terms))
    transport = SmppTransport("carrier", lambda hook, ack: told.put((hook, ack)), timeout=timeout, connect_timeout=2.0)
    try:
        transport.hold(given, slots or {0: inf}, elsewhere=elsewhere)
        found = Bound(smsc, transport, told, given)
        if wait:
            eventually("it is bound", found.is_bound, PATIENCE)
        yield found
    finally:
        transport.close(0.5)


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with Smsc() as found:
        yield found


def refs(response: Response) -> list[str]:
    return [read_id(pdu) for pdu in pdus(response.body)]


def statuses(response: Response) -> list[int]:
    return [pdu.status for pdu in pdus(response.body)]


# --- Submits ---------------------------------------------------------------------------------------------------------


def test_a_submit_is_answered_with_the_answer(smsc: Smsc) -> None:
    with bound(smsc, system_type="VMA") as at:
        response = at.submit()
    assert (response.status, response.fault, refs(response), statuses(response)) == (200, None, ["id-1"], [0])
    [bind] = smsc.binds
    assert (bind.kind, bind.system_id, bind.password, bind.system_type) == (TRANSCEIVER, "us", "secret", "VMA")
    assert smsc.submits[0].short.octets == b"part 0"


def test_submits_wait_until_it_is_bound(smsc: Smsc) -> None:
    with bound(smsc, wait=False) as at:
        assert refs(at.submit()) == ["id-1"]


def test_the_window_is_kept_and_filled(smsc: Smsc) -> None:
    waiting: list[Submit] = []
    smsc.on_submit = waiting.append
    with bound(smsc, window=3) as at:
        for n in range(7):
            at.start(request(f"1555000{n}"))
        smsc.wait("the window is full", lambda: len(waiting) == 3)
        waiting[1].answer("b")
        smsc.wait("another one", lambda: len(waiting) == 4)
        assert refs(at.answer()) == ["b"]
        assert len(waiting) == 4
        smsc.on_submit = lambda submit: submit.answer(submit.to)
        for n in (0, 2, 3):
            waiting[n].answer(waiting[n].to)
        assert sorted(refs(at.answer())[0] for _ in range(6)) == [f"1555000{n}" for n in (0, 2, 3, 4, 5, 6)]


def test_room_is_the_window_and_as_many_that_wait_for_it(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: None
    with bound(smsc, window=4) as at:
        assert at.transport.room() == 4 + 4
        for _ in range(6):
            at.start()
        assert at.transport.room() == 2
    assert at.transport.room() == 0
    with bound(smsc, window=1000) as at:
        assert at.transport.room() == 1000 + MOST_AHEAD


def test_many_submits_are_answered_each_with_its_own_answer(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.answer(submit.to)
    with bound(smsc, slots={0: inf, 1: inf, 2: inf}, window=20, timeout=PATIENCE) as at:
        got: SimpleQueue[tuple[str, list[str]]] = SimpleQueue()
        for n in range(3000):
            to = f"1555{n:07d}"
            at.transport.start(request(to), lambda r, to=to: got.put((to, refs(r))), lane="carrier")  # type: ignore[misc]
        answers = [got.get(timeout=PATIENCE) for _ in range(3000)]
    assert all(found == [to] for to, found in answers)
    assert len({to for to, _ in answers}) == 3000
    assert smsc.most == 3
    assert len({submit.session for submit in smsc.submits}) == 3


def test_a_refusal_is_the_answer(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.answer(status=0x0B)
    with bound(smsc) as at:
        response = at.submit()
    assert (response.status, response.fault, statuses(response)) == (200, None, [0x0B])


def test_a_nack_is_no_yes(smsc: Smsc, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever status it carries, 0 too."""
    smsc.on_submit = lambda submit: submit.session.send(Pdu(Command.NACK, submit.sequence))
    with bound(smsc) as at:
        response = at.submit()
    assert statuses(response) == [Status.UNKNOWN_ERROR]
    assert "a PDU was not understood" in caplog.text


def test_a_request_that_is_none(smsc: Smsc) -> None:
    with bound(smsc) as at:
        for body in (b"", b"GET / HTTP/1.1\r\n\r\n"):
            response = at.submit(Request("SMPP", "", {}, body))
            assert response.fault is Fault.UNREACHABLE
            assert "makes no PDU" in response.detail
        assert refs(at.submit()) == ["id-1"]


def test_a_receiver_that_fails_harms_nobody(smsc: Smsc, caplog: pytest.LogCaptureFixture) -> None:
    def fail(response: Response) -> None:
        raise ValueError("a mistake")

    with bound(smsc) as at:
        at.transport.start(request(), fail, lane="carrier")
        assert refs(at.submit()) == ["id-2"]
    assert "was not taken" in caplog.text


# --- Parts -----------------------------------------------------------------------------------------------------------


def test_parts_go_one_after_the_other(smsc: Smsc) -> None:
    waiting: list[Submit] = []
    smsc.on_submit = waiting.append
    with bound(smsc) as at:
        at.start(request(parts=3))
        for n in range(3):
            smsc.wait("the next part", lambda n=n: len(waiting) == n + 1)  # type: ignore[misc]
            assert waiting[n].short.octets == b"part %d" % n
            waiting[n].answer(f"id-{n}")
        response = at.answer()
    assert (refs(response), [pdu.sequence for pdu in pdus(response.body)]) == (["id-0", "id-1", "id-2"], [0, 1, 2])


def test_a_refused_part_is_the_last_one(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.answer("a", status=0x0B if submit.short.octets == b"part 1" else 0)
    with bound(smsc) as at:
        response = at.submit(request(parts=3))
    assert statuses(response) == [0, 0x0B]
    assert len(smsc.submits) == 2


def test_a_part_that_is_throttled_goes_again(smsc: Smsc) -> None:
    """Those before it were taken, so the text must not be begun anew."""
    smsc.on_submit = lambda submit: submit.answer("a", status=0x58 if len(smsc.submits) == 2 else 0)
    with bound(smsc) as at:
        response = at.submit(request(parts=2))
    assert statuses(response) == [0, 0]
    assert [submit.short.octets for submit in smsc.submits] == [b"part 0", b"part 1", b"part 1"]


def test_a_part_that_is_throttled_for_too_long_is_surely_unsent(smsc: Smsc) -> None:
    """Those before it were taken, which is told."""
    smsc.on_submit = lambda submit: submit.answer("a", status=0x58 if len(smsc.submits) > 1 else 0)
    with bound(smsc, timeout=0.5) as at:
        response = at.submit(request(parts=2))
    assert (response.fault, statuses(response)) == (Fault.UNSENT, [0])
    assert len(smsc.submits) > 2


def test_a_late_answer_tells_of_the_parts_before_it(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.answer("a") if len(smsc.submits) == 1 else None
    with bound(smsc, timeout=0.3) as at:
        assert at.submit(request(parts=2)).fault is Fault.TIMEOUT
        smsc.submits[1].answer(status=0x0B)
        hook, _ = at.told.get(timeout=PATIENCE)
    assert [pdu.status for pdu in pdus(hook.body)] == [0, 0x0B]


def test_a_cut_between_parts_tells_which_were_taken(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.answer("a") if len(smsc.submits) == 1 else submit.session.close()
    with bound(smsc) as at:
        response = at.submit(request(parts=3))
    assert (response.status, response.fault, statuses(response)) == (200, Fault.CUT, [0])


# --- When and how fast -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0x58, 0x14])
def test_a_carrier_that_takes_one_at_a_time_gets_nearly_what_it_takes(smsc: Smsc, status: int) -> None:
    """20 a second and no two closer: whoever just rested after each refusal would get one a rest."""
    taken: list[float] = []

    def answer(submit: Submit) -> None:
        if taken and submit.at < taken[-1] + 0.05:
            submit.answer(status=status)
        else:
            taken.append(submit.at)
            submit.answer("a")

    smsc.on_submit = answer
    with bound(smsc) as at:
        for _ in range(20):
            at.start()
        while len(taken) < 40:
            at.answer()
            at.start()
    assert taken[-1] - taken[0] < 39 * 0.05 * 2
    assert len(smsc.submits) < 3 * len(taken)


def test_a_carrier_that_takes_nothing_is_tried_less_and_less(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.answer(status=0x58)
    with bound(smsc, window=1) as at:
        for _ in range(6):
            assert statuses(at.submit()) == [0x58]
    rests = [b.at - a.at for a, b in pairwise(smsc.submits)]
    assert all(rest >= 0.02 * 2**n for n, rest in enumerate(rests))


def test_a_submit_waits_for_its_instant(smsc: Smsc) -> None:
    with bound(smsc) as at:
        begun = monotonic()
        at.start(request("15550002"), at=begun + 0.3)
        at.start(request("15550001"))
        assert [at.answer().status, at.answer().status] == [200, 200]
    assert [submit.to for submit in smsc.submits] == ["15550001", "15550002"]
    assert smsc.submits[1].at >= begun + 0.3


def test_a_submit_that_could_not_begin_in_time_never_begins(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: None
    with bound(smsc, window=1) as at:
        at.start()
        at.start(until=monotonic() + 0.2)
        assert at.answer().fault is Fault.UNSENT
        assert at.submit(until=monotonic() - 1).fault is Fault.UNSENT
        assert at.submit(at=monotonic() + 2, until=monotonic() + 1).fault is Fault.UNSENT
        assert len(smsc.submits) == 1


def test_those_of_one_pace_keep_their_distance(smsc: Smsc) -> None:
    with bound(smsc, slots={0: inf, 1: inf}) as at:
        for _ in range(4):
            at.start(paced=Paced(1, 0.15, inf))
        for _ in range(4):
            at.start(paced=Paced(2, 0.0, inf))
        for _ in range(8):
            assert at.answer().status == 200
    distances = sorted(b.at - a.at for a, b in pairwise(smsc.submits))
    assert smsc.submits[-1].at - smsc.submits[0].at >= 0.3, "3 x 0.15, of which the way to the SMSC may take some"
    assert distances[-3] >= 0.05


def test_whoever_cannot_keep_its_pace_in_time_is_answered(smsc: Smsc) -> None:
    with bound(smsc) as at:
        at.start(paced=Paced(1, 5.0, inf))
        at.start(paced=Paced(1, 5.0, monotonic() + 1))
        assert sorted(str(at.answer().fault) for _ in range(2)) == ["None", "unsent"]


# --- Binds that fail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0x05, 0x0D, 0x0E, 0x0F])
def test_a_refused_bind_is_told_and_not_hammered(smsc: Smsc, status: int) -> None:
    smsc.on_bind = lambda bind: status
    with bound(smsc, wait=False) as at:
        first, second = at.refusal(), at.submit()
        assert first.fault is second.fault is Fault.UNREACHABLE
        assert [(pdu.command, pdu.status) for pdu in pdus(first.body)] == [(Command.BIND_TRANSCEIVER | 1 << 31, status)]
        assert at.transport.held() == {0: f"bind refused, status 0x{status:02X}"}
        assert at.transport.room() > 0
        assert not smsc.submits
    assert len(smsc.binds) == 1


def test_a_nack_refuses_a_bind(smsc: Smsc) -> None:
    smsc.on_bind = lambda bind: None
    with bound(smsc, wait=False) as at:
        smsc.wait("a bind", lambda: smsc.binds)
        smsc.sessions[0].send(Pdu(Command.NACK, 1))
        assert at.refusal().detail == "bind refused, status 0x00"


def test_a_mute_smsc(smsc: Smsc) -> None:
    smsc.on_bind = lambda bind: None
    with bound(smsc, wait=False) as at:
        response = at.refusal()
    assert (response.status, response.fault, response.body) == (0, Fault.UNREACHABLE, b"")
    assert "not answered" in response.detail


def test_nobody_listens(smsc: Smsc) -> None:
    smsc.__exit__()
    with bound(smsc, wait=False) as at:
        response = at.refusal()
    assert response.fault is Fault.UNREACHABLE
    assert response.detail == "connection refused"


def test_it_binds_again_once_it_can(smsc: Smsc, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    smsc.on_bound = lambda session: session.close() if len(smsc.binds) == 1 else None
    with bound(smsc, wait=False) as at:
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)
        eventually("it is bound", at.is_bound, PATIENCE)
        assert refs(at.submit()) == ["id-1"]
    assert [record.getMessage() for record in caplog.records].count("a bind is down") == 1
    assert "secret" not in caplog.text


def test_a_name_that_fits_no_bind(smsc: Smsc) -> None:
    with bound(smsc, wait=False, password="nine char") as at:
        assert "Garbled" in at.submit().detail


# --- Binds that break ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unbind", [True, False])
@pytest.mark.parametrize("pair", [True, False])
def test_what_waits_when_a_bind_ends_leaves_by_the_next(smsc: Smsc, pair: bool, unbind: bool) -> None:
    """Of a pair, it is the receiver that ends."""
    smsc.on_submit = lambda submit: None
    with bound(smsc, window=1, pair=pair, timeout=1.0) as at:
        for n in range(2):
            at.start(request(f"1555000{n}"))
        smsc.wait("one is in flight", lambda: smsc.submits)
        smsc.on_submit = lambda submit: submit.answer(submit.to)
        session, count = smsc.bound_session(Command.BIND_RECEIVER if pair else TRANSCEIVER), len(smsc.binds)
        if unbind:
            session.send(Pdu(Command.UNBIND, 9))
        session.close()
        assert at.answer().fault is (Fault.TIMEOUT if pair else Fault.CUT), "what was in flight is in doubt"
        assert refs(at.answer()) == ["15550001"]
        assert len(smsc.binds) == count + 1


def test_what_waits_when_a_bind_ends_is_sent_back_once_the_next_is_refused(smsc: Smsc) -> None:
    told: list[tuple[Response | None, bool]] = []

    with bound(smsc, window=1) as at:

        def refuse(bind: Bind) -> int:
            told.append((at.transport.down(), at.is_bound()))
            return 0x0E

        smsc.on_submit = lambda submit: None
        at.start(request("15550000"))
        smsc.wait("it is in flight", lambda: smsc.submits)
        at.start(request("15550001"))
        smsc.on_bind = refuse
        smsc.bound_session().close()
        assert at.answer().fault is Fault.CUT
        sent_back = at.answer()
        assert told == [(None, True)], "it was down to nobody before it was tried again"
        assert (sent_back.fault, sent_back.detail) == (Fault.UNSENT, "bind refused, status 0x0E")
        assert statuses(at.refusal()) == [0x0E]
        assert not at.is_bound()


def test_an_smsc_that_ends_each_bind_at_once_is_down(smsc: Smsc) -> None:
    smsc.on_bound = lambda session: session.close()
    with bound(smsc, wait=False) as at:
        told = {0: "the other side closed the connection"}
        eventually("it is told", lambda: at.transport.down() and at.transport.held() == told, PATIENCE)
        assert len(smsc.binds) > 1


def test_what_was_in_flight_when_it_broke_is_in_doubt(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: submit.session.close() if len(smsc.submits) == 3 else None
    with bound(smsc) as at:
        for _ in range(3):
            at.start()
        assert [at.answer().fault for _ in range(3)] == [Fault.CUT] * 3


def test_what_the_system_did_not_take_cannot_have_arrived(smsc: Smsc) -> None:
    """The SMSC stops reading: submits pile up in our buffer, and are surely unsent when the connection breaks."""
    stuck, let_go = Event(), Event()

    def stop_reading(submit: Submit) -> None:
        stuck.set()
        let_go.wait(PATIENCE)

    smsc.on_submit = stop_reading
    large = Short(Address(0, 0, "4242"), Address(1, 1, "1"), tags={Tag.MESSAGE_PAYLOAD: bytes(60_000)})
    body = bytes(Pdu(Command.SUBMIT, 0, short_body(large)))
    with bound(smsc, window=500, timeout=60) as at:
        for _ in range(500):
            at.start(Request("SMPP", "", {}, body))
        assert stuck.wait(PATIENCE)
        smsc.on_bind = lambda bind: 0x0D
        smsc.bound_session().close()
        let_go.set()
        faults = [at.answer().fault for _ in range(500)]
    assert {Fault.CUT, Fault.UNSENT} <= set(faults) <= {Fault.CUT, Fault.UNSENT, Fault.UNREACHABLE}
    assert faults.count(Fault.CUT) >= len(smsc.submits)


def test_a_submit_that_is_not_answered_in_time_is_in_doubt_and_its_late_answer_is_told(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: None
    with bound(smsc, timeout=0.3) as at:
        assert at.submit(request(key="77")).fault is Fault.TIMEOUT
        smsc.submits[0].answer("late")
        hook, _ = at.told.get(timeout=PATIENCE)
        [pdu] = pdus(hook.body)
        assert (hook.method, hook.headers["key"]) == ("SMPP", "77")
        assert (pdu.command, pdu.status, read_id(pdu)) == (Command.SUBMIT_RESP, 0, "late")
        smsc.submits[0].answer("twice")
        smsc.on_submit = lambda submit: submit.answer("b")
        assert refs(at.submit()) == ["b"]
        assert at.told.empty()


def test_an_enquire_link_that_is_not_answered_ends_the_bind(smsc: Smsc) -> None:
    smsc.answers_links = False
    with bound(smsc, enquire_seconds=1):
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)
        assert [pdu.command for pdu in smsc.sessions[0].seen].count(Command.ENQUIRE_LINK) == 1
        smsc.answers_links = True


def test_a_bind_is_kept_alive(smsc: Smsc) -> None:
    def asked() -> int:
        return [pdu.command for pdu in smsc.sessions[0].seen].count(Command.ENQUIRE_LINK)

    with bound(smsc, enquire_seconds=1) as at:
        smsc.wait("it asks", lambda: asked() >= 2)
        sequence = smsc.sessions[0].next()
        smsc.sessions[0].send(Pdu(Command.ENQUIRE_LINK, sequence))
        answer = Pdu(Command.ENQUIRE_LINK | 1 << 31, sequence)
        smsc.wait("and answers", lambda: answer in smsc.sessions[0].seen)
        assert at.is_bound()
    assert len(smsc.binds) == 1


def test_the_other_side_unbinds(smsc: Smsc) -> None:
    with bound(smsc):
        smsc.bound_session().send(Pdu(Command.UNBIND, 9))
        smsc.wait("it is answered", lambda: smsc.sessions[0].seen[-1] == Pdu(Command.UNBIND_RESP, 9))
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)


GARBAGE = {
    "no SMPP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "too short": bytes.fromhex("00000003 00000015 00000000 00000001"),
    "too long": bytes.fromhex("7fffffff 00000005 00000000 00000001"),
    "nothing but zeros": bytes(64),
}


@pytest.mark.parametrize("octets", GARBAGE.values(), ids=GARBAGE)
def test_garbage_ends_the_bind_and_another_begins(smsc: Smsc, octets: bytes) -> None:
    with bound(smsc) as at:
        smsc.bound_session().say(octets)
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)
        eventually("it is bound", at.is_bound, PATIENCE)
        assert refs(at.submit()) == ["id-1"]


def test_half_a_pdu_and_no_more_is_noticed(smsc: Smsc) -> None:
    """Every other octet of the connection would be the rest of that PDU: so the enquire_link finds no answer."""
    with bound(smsc, enquire_seconds=1):
        smsc.bound_session().say(bytes.fromhex("00010000 00000005 00000000"))
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)


def test_a_pdu_in_pieces_is_one(smsc: Smsc) -> None:
    with bound(smsc) as at:
        octets = bytes(Pdu(Command.DELIVER, 5, short_body(Short(Address(1, 1, "1"), Address(0, 0, "2"), b"STOP"))))
        for octet in octets:
            smsc.bound_session().say(bytes((octet,)))
        pdu, _ = at.hear()
        assert read_short(pdu).octets == b"STOP"


def test_an_unknown_command_is_refused_and_the_bind_goes_on(smsc: Smsc) -> None:
    with bound(smsc) as at:
        smsc.bound_session().send(Pdu(0x1234, 7, b"what"))
        nack = Pdu(Command.NACK, 7, status=Status.INVALID_COMMAND)
        smsc.wait("a nack", lambda: nack in smsc.sessions[0].seen)
        smsc.bound_session().send(Pdu(0x80001234, 7, b"an answer that nobody asked for"))
        smsc.bound_session().send(Pdu(Command.SUBMIT_RESP, 4711, b"nor this\0"))
        assert refs(at.submit()) == ["id-1"]
    assert len(smsc.binds) == 1


@pytest.mark.parametrize("seed", range(12))
def test_mutated_pdus_end_no_thread_and_lose_no_submit(seed: int) -> None:
    chance = random.Random(seed)
    deliver = bytes(Pdu(Command.DELIVER, 1, short_body(Short(Address(1, 1, "15550001"), Address(0, 0, "4242"), b"hi"))))

    def mutate(session: Session) -> None:
        octets = bytearray(deliver * 3)
        for _ in range(chance.randint(1, 6)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        session.say(bytes(octets))
        if chance.random() < 0.7:
            session.close()

    with Smsc() as smsc, bound(smsc, wait=False, timeout=0.3, slots=dict.fromkeys(range(4), inf)) as at:
        smsc.on_bound = mutate
        smsc.wait("four binds", lambda: len(smsc.binds) >= 4)
        for _ in range(20):
            at.start()
        for _ in range(20):
            at.answer()
        smsc.on_bound = lambda session: session.close()
        for session in [*smsc.sessions]:
            session.close()
        smsc.on_bound = lambda session: None
        eventually("it is bound", lambda: "" in at.transport.held().values(), PATIENCE)
        assert at.answers.empty()


# --- What is told ----------------------------------------------------------------------------------------------------


def test_what_is_told_is_acknowledged_when_it_is_durable(smsc: Smsc) -> None:
    with bound(smsc) as at:
        session = smsc.bound_session()
        first, second = session.deliver(b"one"), session.deliver(b"two", source="15550002", esm_class=4)
        (one, ack_one), (two, ack_two) = at.hear(), at.hear()
        assert (read_short(one).octets, read_short(two).octets) == (b"one", b"two")
        assert not session.acked
        ack_two(Status.OK)
        smsc.wait("the second", lambda: session.acked == {second: 0})
        ack_one(Status.TRY_AGAIN)
        smsc.wait("the first", lambda: session.acked == {second: 0, first: 0x64})


def test_what_is_acknowledged_after_its_connection_is_gone_goes_nowhere(smsc: Smsc) -> None:
    with bound(smsc) as at:
        smsc.bound_session().deliver(b"one")
        _, ack = at.hear()
        smsc.bound_session().close()
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)
        eventually("it is bound", at.is_bound, PATIENCE)
        ack(Status.OK)
        assert refs(at.submit()) == ["id-1"]
        assert not smsc.sessions[1].acked


def test_more_than_can_be_kept_is_to_be_told_again(smsc: Smsc) -> None:
    with bound(smsc) as at:
        session = smsc.bound_session()
        for n in range(1010):
            session.deliver(b"%d" % n)
        smsc.wait("ten refusals", lambda: len(session.acked) == 10)
        assert set(session.acked.values()) == {Status.TRY_AGAIN}
        for _ in range(1000):
            at.hear()[1](Status.OK)
        smsc.wait("the rest", lambda: len(session.acked) == 1010)


def test_a_pair_submits_by_one_and_hears_by_the_other(smsc: Smsc) -> None:
    with bound(smsc, pair=True) as at:
        assert {bind.kind for bind in smsc.binds} == {Command.BIND_TRANSMITTER, Command.BIND_RECEIVER}
        assert refs(at.submit()) == ["id-1"]
        assert smsc.submits[0].session.kind is Command.BIND_TRANSMITTER
        session = smsc.bound_session(Command.BIND_RECEIVER)
        sequence = session.deliver(b"hi")
        at.hear()[1](Status.OK)
        smsc.wait("the acknowledgement", lambda: session.acked == {sequence: 0})
        assert at.transport.room() == 2 * at.terms.window


def test_a_receiver_that_is_refused_refuses_the_pair_until_it_is_bound(smsc: Smsc) -> None:
    """Else receipts would never be heard, and nobody would be told."""
    smsc.on_bind = lambda bind: 0x0E if bind.kind is Command.BIND_RECEIVER else 0
    with bound(smsc, pair=True, wait=False) as at:
        smsc.bound_session(Command.BIND_TRANSMITTER)
        eventually("it is told", lambda: at.transport.held() == {0: "bind refused, status 0x0E"}, PATIENCE)
        response = at.submit()
        assert (response.fault, statuses(response)) == (Fault.UNREACHABLE, [0x0E])
        smsc.on_bind = lambda bind: 0
        eventually("it is bound", at.is_bound, PATIENCE)
        assert refs(at.submit()) == ["id-1"]


def test_a_receiver_that_is_mute_lets_nothing_begin(smsc: Smsc) -> None:
    smsc.on_bind = lambda bind: None if bind.kind is Command.BIND_RECEIVER else 0
    with bound(smsc, pair=True, wait=False) as at:
        smsc.bound_session(Command.BIND_TRANSMITTER)
        response = at.refusal()
        assert (response.fault, response.detail) == (Fault.UNREACHABLE, "the bind was not answered")
    assert not smsc.submits


def test_what_waits_for_a_receiver_begins_with_it(smsc: Smsc) -> None:
    smsc.on_bind = lambda bind: None if bind.kind is Command.BIND_RECEIVER else 0
    with bound(smsc, pair=True, wait=False) as at:
        smsc.bound_session(Command.BIND_TRANSMITTER)
        at.start()
        smsc.wait("the receiver's bind", lambda: len(smsc.binds) == 2)
        [ear] = [each for each in smsc.sessions if each.seen[0].command == Command.BIND_RECEIVER]
        assert not smsc.submits
        ear.send(Pdu(Command.BIND_RECEIVER | 1 << 31, ear.seen[0].sequence, b"smsc\0"))
        assert refs(at.answer()) == ["id-1"]


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def encrypted(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def ca_file(authority: trustme.CA, folder: Path) -> str:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_tls(authority: trustme.CA, tmp_path: Path) -> None:
    with Smsc(tls=encrypted(authority)) as smsc, bound(smsc, tls=True, ca_file=ca_file(authority, tmp_path)) as at:
        for _ in range(50):
            at.start(request(parts=2))
        assert {len(refs(at.answer())) for _ in range(50)} == {2}
        smsc.bound_session().say(
            b"".join(bytes(Pdu(Command.ENQUIRE_LINK, n)) for n in range(1, 5000))
            + bytes(Pdu(Command.DELIVER, 5000, short_body(Short(Address(1, 1, "1"), Address(0, 0, "2"), b"STOP"))))
        )
        assert read_short(at.hear()[0]).octets == b"STOP"


@pytest.mark.parametrize("what", ["another name", "another authority", "no TLS"])
def test_tls_that_proves_nothing(authority: trustme.CA, tmp_path: Path, what: str) -> None:
    tls = encrypted(authority, "smsc.example.com" if what == "another name" else "127.0.0.1")
    trusted = trustme.CA() if what == "another authority" else authority
    with (
        Smsc(tls=None if what == "no TLS" else tls) as smsc,
        bound(smsc, wait=False, tls=True, ca_file=ca_file(trusted, tmp_path)) as at,
    ):
        response = at.refusal()
        assert response.fault is Fault.UNREACHABLE
        assert response.detail.startswith(
            ("timed out", "TLS failed") if what == "no TLS" else "certificate not accepted"
        )
        assert not smsc.binds


def test_a_file_of_authorities_that_cannot_be_used(authority: trustme.CA, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in ("/nowhere.pem", str(empty)):
        with Smsc(tls=encrypted(authority)) as smsc, bound(smsc, wait=False, tls=True, ca_file=path) as at:
            assert at.submit().detail.startswith(f"certificates of {path} cannot be used: ")


# --- Leases and the end ----------------------------------------------------------------------------------------------


def test_without_a_bind_nothing_begins(smsc: Smsc) -> None:
    with bound(smsc) as at:
        at.transport.hold(at.terms, {})
        eventually("it has ended", lambda: not at.transport.held(), PATIENCE)
        assert at.transport.room() == 0
        assert at.submit().fault is Fault.UNSENT
        assert smsc.sessions[0].unbound


def test_who_is_not_bound_while_another_process_is_has_no_room(smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot submit is that one's. Once that is gone, its place may be free: it is tried at once."""
    monkeypatch.setattr(link, "REFUSED_REST", 600.0)
    smsc.on_bind = lambda bind: 0x0D
    with bound(smsc, wait=False, elsewhere=True) as at:
        assert at.transport.room() == 0
        response = at.refusal()
        assert (response.fault, response.detail) == (Fault.UNSENT, "bind refused, status 0x0D")
        assert at.transport.room() == 0
        smsc.on_bind = lambda bind: 0
        at.transport.hold(at.terms, {0: inf}, elsewhere=False)
        assert at.transport.room() > 0
        assert refs(at.submit()) == ["id-1"]
        at.transport.hold(at.terms, {0: inf}, elsewhere=True)
        assert at.transport.room() > 0
    assert len(smsc.binds) == 2


def test_a_slot_that_is_let_go_ends_when_all_is_answered(smsc: Smsc) -> None:
    waiting: list[Submit] = []
    smsc.on_submit = waiting.append
    with bound(smsc, window=1) as at:
        at.start()
        at.start()
        smsc.wait("one is in flight", lambda: waiting)
        at.transport.hold(at.terms, {})
        assert at.answer().fault is Fault.UNSENT
        assert at.transport.held() == {0: ""}
        waiting[0].answer("a")
        assert refs(at.answer()) == ["a"]
        eventually("it has ended", lambda: not at.transport.held(), PATIENCE)
        at.transport.hold(at.terms, {0: inf})
        smsc.wait("a second bind", lambda: len(smsc.binds) == 2)
    assert smsc.most == 1


def test_a_bind_ends_before_its_lease(smsc: Smsc) -> None:
    end = monotonic() + 6.0
    with bound(smsc, slots={0: end}, timeout=20) as at:
        smsc.on_submit = lambda submit: None
        at.start()
        eventually("it has ended", lambda: not at.transport.held(), PATIENCE)
        assert monotonic() < end + 0.1
        assert at.answer().fault is Fault.CUT
        assert smsc.sessions[0].unbound


def test_a_lease_that_is_renewed_lasts(smsc: Smsc) -> None:
    over = monotonic() + 6.0
    with bound(smsc, slots={0: over}) as at:
        at.transport.hold(at.terms, {0: inf})
        eventually("the first lease would end", lambda: monotonic() > over - END_EARLY + 0.5, PATIENCE)
        assert at.is_bound()
    assert len(smsc.binds) == 1


def test_other_terms_are_another_bind(smsc: Smsc) -> None:
    with bound(smsc) as at:
        other = Terms(host="127.0.0.1", port=smsc.port, system_id="others", password="secret")

        def changed() -> bool:
            at.transport.hold(other, {0: inf})
            return len(smsc.binds) == 2

        eventually("it is bound anew", changed, PATIENCE)
        eventually("it is bound", at.is_bound, PATIENCE)
    assert [bind.system_id for bind in smsc.binds] == ["us", "others"]
    assert smsc.most == 1


def test_the_end_waits_for_what_is_in_flight(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: Timer(0.3, submit.answer, ["a"]).start()
    with bound(smsc, window=1) as at:
        at.start()
        at.start()
        smsc.wait("one is in flight", lambda: smsc.submits)
        at.transport.close(5.0)
        first, second = at.answer(), at.answer()
        assert (first.fault, refs(second)) == (Fault.UNSENT, ["a"])
        assert at.submit().fault is Fault.UNSENT
        assert not at.transport.held()
    assert smsc.sessions[0].unbound


def test_the_end_waits_no_longer_than_it_was_told(smsc: Smsc) -> None:
    smsc.on_submit = lambda submit: None
    with bound(smsc) as at:
        at.start()
        smsc.wait("it is in flight", lambda: smsc.submits)
        begun = monotonic()
        at.transport.close(0.3)
        assert monotonic() - begun < 2
        assert at.answer().fault is Fault.CUT


def test_the_end_while_it_rests_is_at_once(smsc: Smsc) -> None:
    smsc.on_bind = lambda bind: 0x0E
    with bound(smsc, wait=False) as at:
        at.submit()
        begun = monotonic()
        at.transport.close(5.0)
        assert monotonic() - begun < 2
        at.transport.hold(at.terms, {0: inf})
        assert not at.transport.held()
