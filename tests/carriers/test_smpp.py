"""SMPP: left what the world does, right what is made of it."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import smpp34
from hypothesis import given as for_all
from hypothesis import strategies as st

from dispatcher.carriers.smpp import Smpp, from_settings
from dispatcher.core.alphabets import Alphabet, decoded
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.core.segments import count
from dispatcher.core.smpp import Address, Command, Pdu, Short, Tag, Terms, pdus, read_short, short_body
from dispatcher.store.connections import Contract
from dispatcher.wiring.carriers import hook_url
from tests.carriers.meanings import unexplained
from tests.carriers.noise import hooks, read_calmly, responses, short
from tests.carriers.texts import SUBMISSIONS

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "smpp.toml"
SETTINGS: Final = {"host": "smsc.example.com", "system_id": "us"}
SECRETS: Final = {"password": "secret"}


def smpp(*, password: str = "secret", **settings: Any) -> Smpp:
    given = Given(SETTINGS | settings, {"password": password})
    made = from_settings(given)
    given.check_known()
    return made


SMPP: Final = smpp()


def mt(text: str = "Join me", sender: str = "+12015550160") -> Submission:
    return Submission("234234", sender, "+13012223333", text, count(text).segments)


def parts(carrier: Smpp, submission: Submission) -> list[Short]:
    return [read_short(pdu) for pdu in pdus(carrier.build(submission, NOON).body)]


# --- Settings ------------------------------------------------------------------------------------------------------


def test_what_is_not_said_is_ordinary() -> None:
    assert SMPP.terms == Terms(host="smsc.example.com", port=2775, system_id="us", password="secret")
    assert (SMPP.url, smpp(tls=True).url) == ("smpp://smsc.example.com:2775", "smpps://smsc.example.com:2775")
    assert "secret" not in repr(SMPP)


def test_the_example_can_be_used() -> None:
    """As it is, and with every line that is commented out."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    every = [line.removeprefix("# ") if " = " in line or "# [" in line else line for line in lines]
    plain, full = (_described("\n".join(said)) for said in (lines, every))
    assert (plain.terms.host, plain.terms.tls) == ("smsc.example.com", False)
    assert (full.terms.pair, full.terms.binds, full.terms.tls, full.long) == (False, 1, True, "udh")
    assert full.statuses == {0x45: Outcome(Fate.NEVER, code=Code.OPTED_OUT), 0x401: Outcome(Fate.LATER, limit=True)}
    assert full.errors == {"1": Code.INVALID_PHONE, "30": None}


def _described(toml: str) -> Smpp:
    given = Given(tomllib.loads(toml), {"password": "secret"})
    made = from_settings(given)
    given.check_known()
    return made


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"host": None}, "host: is missing"),
        ({"host": "smpp://smsc.example.com"}, "host: must be the name or address of a host"),
        ({"system_id": "sixteen letters!"}, "system_id: must be a text of 1 to 15 characters"),
        ({"system_id": "é"}, "system_id: must be printable characters"),
        ({"password": "nine char"}, "credentials.password: must be 1 to 8 printable characters"),
        ({"password": "é"}, "credentials.password: must be 1 to 8 printable characters"),
        ({"bind": "both"}, "bind: must be one of transceiver, pair"),
        ({"binds": 0}, "binds: must be a whole number, 1 to 64"),
        ({"window": "many"}, "window: must be a whole number, 1 to 1000"),
        ({"alphabet": "ucs2"}, "alphabet: must be one of gsm, latin1, ascii"),
        ({"long": "sar"}, "long: must be one of udh, payload"),
        ({"id_form": "octal"}, "id_form: must be one of same, hex, decimal"),
        ({"short_code": "3"}, "short_code: must be TON/NPI, such as 3/0"),
        ({"ca_file": "/ca.pem"}, "ca_file: is of no use without tls"),
        ({"statuses": "later"}, "statuses: must be a table"),
        ({"statuses": {"69": "later"}}, "statuses.69: a status is written as 0x45"),
        ({"statuses": {"0x00": "later"}}, "statuses.0x00: a status is written as 0x45"),
        (
            {"statuses": {"0x45": "taken"}},
            "statuses.0x45: must be one of later, never, other_sender, stop_carrier, unknown, 123, 124, 125, 127",
        ),
        ({"errors": {"1": 128}}, "errors.1: must be one of filtered, 123, 124, 125, 127"),
        ({"errors": {"1": True}}, "errors.1: must be one of filtered, 123, 124, 125, 127"),
        ({"hots": "x"}, "hots: unknown; allowed are "),
    ],
)
def test_wrong_settings(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        smpp(**settings)
    assert str(raised.value).startswith(sentence)


# --- Submits -------------------------------------------------------------------------------------------------------


def test_a_submit() -> None:
    request = SMPP.build(mt(), NOON)
    assert (request.method, request.url, request.headers) == ("SMPP", "smpp://smsc.example.com:2775", {"key": "234234"})
    theirs = smpp34.SubmitSm(
        short_message=b"Join me",
        source_addr="12015550160",
        source_addr_ton=1,
        source_addr_npi=1,
        destination_addr="13012223333",
        dest_addr_ton=1,
        dest_addr_npi=1,
        registered_delivery=1,
    ).encode()
    [ours], [pdu] = pdus(request.body), pdus(bytes(theirs))
    assert ours.body == pdu.body


@pytest.mark.parametrize(
    ("sender", "settings", "address"),
    [
        ("+12015550160", {}, Address(1, 1, "12015550160")),
        ("54321", {}, Address(0, 0, "54321")),
        ("54321", {"short_code": "3/1"}, Address(3, 1, "54321")),
        ("Example", {}, Address(5, 0, "Example")),
        ("4Example", {}, Address(5, 0, "4Example")),
    ],
)
def test_a_sender(sender: str, settings: dict[str, Any], address: Address) -> None:
    [one] = parts(smpp(**settings), mt(sender=sender))
    assert one.source == address


@pytest.mark.parametrize(
    ("text", "settings", "octets", "coding"),
    [
        ("Hi @ €", {}, b"Hi \x00 \x1b\x65", 0),
        ("Hi @", {"alphabet": "latin1", "data_coding": 3}, b"Hi @", 3),
        ("é", {"alphabet": "latin1", "data_coding": 3}, b"\xe9", 3),
        ("€", {"alphabet": "latin1", "data_coding": 3}, b"\x20\xac", 8),
        ("é", {"alphabet": "ascii", "data_coding": 1}, b"\x00\xe9", 8),
        ("e", {"alphabet": "ascii", "data_coding": 1}, b"e", 1),
        ("á", {"alphabet": "latin1"}, b"\x00\xe1", 8),  # Latin-1 has it, the network has not: it would become an a
        ("я", {}, b"\x04\x4f", 8),
        ("😀", {}, b"\xd8\x3d\xde\x00", 8),
        ("", {}, b"", 0),
    ],
)
def test_letters(text: str, settings: dict[str, Any], octets: bytes, coding: int) -> None:
    [one] = parts(smpp(**settings), mt(text))
    assert (one.octets, one.data_coding, one.esm_class) == (octets, coding, 0)


def test_a_long_text_goes_in_parts_and_the_last_is_reported_on() -> None:
    shorts = parts(SMPP, mt("a" * 307))
    assert [len(each.octets) for each in shorts] == [159, 159, 7]
    assert [each.registered for each in shorts] == [0, 0, 1]
    assert {each.esm_class for each in shorts} == {0x40}
    heads = [each.octets[:6] for each in shorts]
    assert [head[:3] + head[4:] for head in heads] == [b"\x05\x00\x03\x03" + bytes((n,)) for n in (1, 2, 3)]
    assert len({head[3] for head in heads}) == 1
    wide = parts(SMPP, mt("я" * 135))
    assert [len(each.octets) for each in wide] == [140, 140, 8]
    assert {each.data_coding for each in wide} == {8}


def test_a_letter_that_another_alphabet_lacks_takes_up_to_three_times_the_parts_that_were_counted() -> None:
    """As the documents say: the counting is by GSM-7, and nothing in a text is replaced."""
    for settings, text in (({"alphabet": "latin1"}, "€" + "a" * 147), ({"alphabet": "ascii"}, "é" * 160)):
        assert count(text).segments == 1
        assert len(parts(smpp(**settings), mt(text))) == 3


def test_a_long_text_in_one() -> None:
    carrier = smpp(long="payload")
    [one] = parts(carrier, mt("a" * 307))
    assert (one.octets, one.registered, one.esm_class, one.tags) == (b"", 1, 0, {0x424: b"a" * 307})
    [one] = parts(carrier, mt("я" * 135))
    assert one.tags == {0x424: "я".encode("utf-16-be") * 135}
    [one] = parts(carrier, mt("a" * 160))
    assert (one.octets, one.tags) == (b"a" * 160, {})


@pytest.mark.parametrize("submission", SUBMISSIONS, ids=short)
@pytest.mark.parametrize("settings", [{}, {"alphabet": "latin1"}, {"alphabet": "ascii"}, {"long": "payload"}], ids=str)
def test_every_text_arrives_letter_by_letter(submission: Submission, settings: dict[str, Any]) -> None:
    """And takes as many parts as were counted, where the alphabet has its letters."""
    carrier = smpp(**settings)
    shorts = parts(carrier, submission)
    wide = shorts[0].data_coding == 8
    octets = [each.octets[6:] if each.esm_class else each.content for each in shorts]
    assert "".join(decoded(each, Alphabet.UCS2 if wide else carrier.alphabet) for each in octets) == submission.text
    if not settings:
        assert len(shorts) == submission.segments
    assert all(len(each.octets) <= (140 if wide else 160) for each in shorts)


# --- Answers -------------------------------------------------------------------------------------------------------


def answered(*statuses: int, refs: tuple[str, ...] = ("a", "b", "c"), fault: Fault | None = None) -> Response:
    said = [
        Pdu(Command.SUBMIT_RESP, n, b"" if status else refs[n].encode() + b"\0", status)
        for n, status in enumerate(statuses)
    ]
    return Response(
        200 if said else 0, body=b"".join(map(bytes, said)), fault=fault, detail="it broke" if fault else ""
    )


def refused_bind(status: int) -> Response:
    body = bytes(Pdu(Command.BIND_TRANSCEIVER | 1 << 31, 1, b"", status))
    return Response(0, body=body, fault=Fault.UNREACHABLE, detail="bind refused")


def partly(reason: str) -> Outcome:
    return Outcome(Fate.NEVER, reason=reason, partly=True)


UNKNOWN: Final = Fate.UNKNOWN
ANSWERS: Final = [
    (answered(0), Outcome(Fate.TAKEN, ref="a")),
    (answered(0, 0, 0), Outcome(Fate.TAKEN, ref="c")),
    (answered(0x58), Outcome(Fate.LATER, reason="0x58 throttled", limit=True)),
    (answered(0x14), Outcome(Fate.LATER, reason="0x14 queue full", limit=True)),
    (answered(0x08), Outcome(Fate.LATER, reason="0x08 system error")),
    (answered(0x0B), Outcome(Fate.NEVER, reason="0x0B invalid destination address", code=Code.INVALID_PHONE)),
    (answered(0x0A), Outcome(Fate.OTHER_SENDER, reason="0x0A invalid source address")),
    (answered(0x45), Outcome(Fate.NEVER, reason="0x45 submit failed")),
    (answered(0x0E), Outcome(Fate.STOP_CARRIER, reason="0x0E invalid password")),
    (answered(0xFF), Outcome(UNKNOWN, reason="0xFF unknown error")),
    (answered(0x410), unexplained("0x410")),
    # A part that was taken is never sent again.
    (answered(0, 0x0B), partly("1 of its parts taken, then: 0x0B invalid destination address")),
    (answered(0, 0, 0x08), partly("2 of its parts taken, then: 0x08 system error")),
    (answered(0, 0x0E), partly("1 of its parts taken, then: 0x0E invalid password")),
    (answered(0, 0xFF), Outcome(UNKNOWN, reason="1 of its parts taken, then: 0xFF unknown error")),
    (answered(0, 0, fault=Fault.CUT), Outcome(UNKNOWN, reason="2 of its parts taken, then: it broke")),
    (answered(0, fault=Fault.UNSENT), partly("1 of its parts taken, then: it broke")),  # the next surely never was
    (answered(fault=Fault.UNSENT), Outcome(Fate.LATER, reason="it broke", limit=True)),
    (answered(fault=Fault.UNREACHABLE), Outcome(Fate.LATER, reason="it broke")),
    (answered(fault=Fault.CUT), Outcome(UNKNOWN, reason="it broke")),
    (answered(fault=Fault.TIMEOUT), Outcome(UNKNOWN, reason="it broke")),
    (answered(), Outcome(UNKNOWN, reason="an answer without words")),
    (refused_bind(0x0E), Outcome(Fate.STOP_CARRIER, reason="bind refused: 0x0E invalid password")),
    (refused_bind(0x0F), Outcome(Fate.STOP_CARRIER, reason="bind refused: 0x0F invalid system_id")),
    (refused_bind(0x0D), Outcome(Fate.STOP_CARRIER, reason="bind refused: 0x0D bind failed")),
    (refused_bind(0x05), Outcome(Fate.LATER, reason="bind refused: 0x05 already bound")),
    (refused_bind(0x08), Outcome(Fate.LATER, reason="bind refused: 0x08 system error")),
    (refused_bind(0x400), Outcome(Fate.LATER, reason="bind refused: 0x400")),
]  # fmt: skip


@pytest.mark.parametrize(("response", "outcome"), ANSWERS)
def test_answers(response: Response, outcome: Outcome) -> None:
    assert SMPP.read(response) == outcome


def test_a_connection_gives_statuses_its_own_meaning() -> None:
    carrier = smpp(statuses={"0x45": 127, "0x0401": "later", "0x0B": "125"})
    assert carrier.read(answered(0x45)) == Outcome(Fate.NEVER, reason="0x45 submit failed", code=Code.OPTED_OUT)
    assert carrier.read(answered(0x401)) == Outcome(Fate.LATER, reason="0x401", limit=True)
    assert carrier.read(answered(0x0B)).code is Code.NOT_MOBILE
    assert carrier.read(answered(0x50)).code is Code.INVALID_PHONE


# --- Receipts ------------------------------------------------------------------------------------------------------

TEXT: Final = (
    "id:00ab12 sub:001 dlvrd:001 submit date:2611221430 done date:2611221431 stat:DELIVRD err:000 text:stat:UNDELIV"
)


def deliver(text: bytes | str = b"", *, esm_class: int = 4, coding: int = 0, **tags: bytes) -> Hook:
    octets = text.encode() if isinstance(text, str) else text
    named = {int(Tag[name.upper()]): value for name, value in tags.items()}
    said = Short(Address(1, 1, "13012223333"), Address(0, 0, "54321"), octets, esm_class, 0, coding, named)
    return Hook("SMPP", "smpp://smsc.example.com:2775", body=bytes(Pdu(Command.DELIVER, 7, short_body(said))))


def receipt(event: Event, ref: str, reason: str = "", **more: Any) -> list[Receipt]:
    return [Receipt(event, "", ref, reason, **more)]


DELIVER, REFUSE, SUBMIT = Event.DELIVER, Event.REFUSE, Event.SUBMIT
RECEIPTS: Final = [
    (deliver(TEXT), receipt(DELIVER, "ab12", "DELIVRD")),
    (deliver("ID:1 STAT:delivrd ERR:0"), receipt(DELIVER, "1", "DELIVRD")),
    (deliver("stat:DELIVRD id:1"), receipt(DELIVER, "1", "DELIVRD")),
    (deliver("id: 1 stat: DELIVERED"), receipt(DELIVER, "1", "DELIVERED")),
    (deliver("id:1,stat:EXPIRED,err:069,Text:"), receipt(REFUSE, "1", "EXPIRED 69")),
    (deliver("id:1 sub:1 dlvrd:0 stat:UNDELIV err:0f1 text:"), receipt(REFUSE, "1", "UNDELIV f1")),
    (deliver("id:1 stat:DELETED"), receipt(REFUSE, "1", "DELETED")),
    (deliver("id:1 stat:REJECTD err:8"), receipt(REFUSE, "1", "REJECTD 8")),
    (deliver("id:1 stat:FAILED"), receipt(REFUSE, "1", "FAILED")),
    (deliver("id:1 stat:ENROUTE"), receipt(SUBMIT, "1", "ENROUTE")),
    (deliver("id:1 stat:ACCEPTD"), receipt(SUBMIT, "1", "ACCEPTD")),
    (deliver("id:1 stat:UNKNOWN"), receipt(SUBMIT, "1", "UNKNOWN")),
    (deliver("id:1 stat:UNDELIV", esm_class=0x20), receipt(SUBMIT, "1", "UNDELIV")),  # they are still trying
    (deliver("id:\"1\" stat:'DELIVRD' err:\"000\""), receipt(DELIVER, "1", "DELIVRD")),
    (deliver("id:1 stat:SOMETHING"), []),
    (deliver("id:1"), []),
    (deliver("id:1 stat:DELIVRD\0"), receipt(DELIVER, "1", "DELIVRD")),
    (deliver("id:1 stat:DELIVRD".encode("utf-16-be"), coding=8), receipt(DELIVER, "1", "DELIVRD")),
    (deliver(message_payload=TEXT.encode()), receipt(DELIVER, "ab12", "DELIVRD")),
    (deliver(receipted_message_id=b"AB12\0", message_state=b"\x02"), receipt(DELIVER, "ab12", "DELIVRD")),
    (deliver(receipted_message_id=b"AB12", message_state=b"\x08"), receipt(REFUSE, "ab12", "REJECTD")),
    (
        deliver(receipted_message_id=b"1\0", message_state=b"\x05", network_error_code=b"\x03\x00\x1b"),
        receipt(REFUSE, "1", "UNDELIV 27"),
    ),
    # Optional parameters win over the text.
    (deliver(TEXT, receipted_message_id=b"1\0", message_state=b"\x05"), receipt(REFUSE, "1", "UNDELIV")),
    (deliver(TEXT, message_state=b""), receipt(DELIVER, "ab12", "DELIVRD")),
    (deliver(TEXT, message_state=b"\x63"), receipt(DELIVER, "ab12", "DELIVRD")),
    (deliver(TEXT, network_error_code=b"\x03\x00"), receipt(DELIVER, "ab12", "DELIVRD")),
    # Some forget to say that it is a receipt.
    (deliver(esm_class=0, receipted_message_id=b"1\0", message_state=b"\x02"), receipt(DELIVER, "1", "DELIVRD")),
]  # fmt: skip


@pytest.mark.parametrize(("hook", "events"), RECEIPTS)
def test_receipts(hook: Hook, events: list[Receipt]) -> None:
    assert SMPP.verify(hook, NOON)
    assert SMPP.events(hook) == events


@pytest.mark.parametrize("esm_class", [0, 8])
def test_a_receipt_that_is_not_marked_as_one_is_about_the_number_it_came_from(esm_class: int) -> None:
    about = "+13012223333"
    found = SMPP.events(deliver(TEXT, esm_class=esm_class))
    assert found == receipt(DELIVER, "ab12", "DELIVRD", about=about)
    assert about not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "id:1 stat:DELIVRD",
        "see id:1 done date:1 stat:DELIVRD",
        "id:1 done date:1",
        "id: done date:1 stat:DELIVRD",
        "id:1 done date:1 stat:X",
    ],
)
def test_what_only_looks_like_a_receipt_is_a_reply(text: str) -> None:
    assert isinstance(SMPP.events(deliver(text, esm_class=0))[0], Reply)


def test_a_data_sm_is_a_receipt_too() -> None:
    tags = b"\x00\x1e\x00\x02AB\x04\x27\x00\x01\x02"
    body = b"\0\x01\x011\0\x00\x002\0\x04\x00\x00" + tags
    hook = Hook("SMPP", "smpp:", body=bytes(Pdu(Command.DATA, 1, body)))
    assert SMPP.events(hook) == receipt(DELIVER, "ab", "DELIVRD")


def test_errors_of_receipts() -> None:
    carrier = smpp(errors={"001": 123, "27": "filtered", "0f1": "125"})
    for error, told in (
        ("001", {"code": Code.INVALID_PHONE}),
        ("1", {"code": Code.INVALID_PHONE}),
        ("f1", {"code": Code.NOT_MOBILE}),
        ("27", {"filtered": True}),
        ("28", {}),
    ):
        reason = f"UNDELIV {error.lstrip('0')}"
        assert carrier.events(deliver(f"id:1 stat:UNDELIV err:{error}")) == receipt(REFUSE, "1", reason, **told)
    assert carrier.events(deliver("id:1 stat:DELIVRD err:27"))[0].filtered is False  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("id_form", "answer", "told", "ref"),
    [
        ("same", "00AB12", "00AB12", "ab12"),
        ("same", "AB12", "0000ab12", "ab12"),
        ("same", "123", "0000000123", "123"),
        ("same", "0000043794", "43794", "43794"),
        ("same", "0xAB12", "AB12", "ab12"),
        ("same", "0", "00", "0"),
        ("same", "00aZ", "00aZ", "00aZ"),  # of letters beyond f, whose case and zeros may tell it from another
        ("same", "7F-3C", "7F-3C", "7F-3C"),
        ("decimal", "00AB12", "43794", "ab12"),
        ("decimal", "ab12", "0043794", "ab12"),
        ("hex", "43794", "00AB12", "43794"),
        ("hex", "0043794", "ab12", "43794"),
        ("decimal", "7f-3c", "7f-3c", "7f-3c"),  # no number at all: as it is
        ("decimal", "AB12", "0xAB12", "ab12"),  # told in hex all the same
        ("hex", "0xAB12", "0XAB12", "43794"),
        ("decimal", "0xyz", "0xyz", "0xyz"),
        ("hex", "1_0", "1_0", "1_0"),
        ("same", "a_1", "a_1", "a_1"),  # in GSM-7 that octet would be another letter
        ("hex", "xyz", "xyz", "xyz"),
    ],
)
def test_ids(id_form: str, answer: str, told: str, ref: str) -> None:
    carrier = smpp(id_form=id_form)
    assert carrier.read(answered(0, refs=(answer,))).ref == ref
    assert carrier.events(deliver(f"id:{told} stat:DELIVRD")) == receipt(DELIVER, ref, "DELIVRD")


@pytest.mark.parametrize(
    ("statuses", "events"),
    [
        ([0], [Receipt(SUBMIT, "234234", "a")]),
        ([0, 0], [Receipt(SUBMIT, "234234", "b")]),
        ([0x0B], [Receipt(REFUSE, "234234", "", "0x0B invalid destination address", Code.INVALID_PHONE, unsent=True)]),
        ([0, 0x0B], [Receipt(REFUSE, "234234", "", "1 of its parts taken, then: 0x0B invalid destination address")]),
        ([0x58], []),
        ([0, 0x58], [Receipt(REFUSE, "234234", "", "1 of its parts taken, then: 0x58 throttled")]),
        ([0xFF], []),
    ],
)
def test_a_late_answer(statuses: list[int], events: list[Receipt]) -> None:
    assert SMPP.events(Hook("SMPP", "smpp:", {}, {"key": "234234"}, answered(*statuses).body)) == events


# --- Replies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "coding", "esm_class", "text"),
    [
        (b"STOP", 0, 0, "STOP"),
        (b"\x00\x1b\x65", 0, 0, "@€"),
        (b"\xe9", 3, 0, "é"),
        ("Olá".encode("utf-16-be"), 8, 0, "Olá"),
        (b"\x05\x00\x03\x07\x02\x01STOP pl", 0, 0x40, "STOP pl"),  # each part is a reply of its own
        (b"\x00S\x00", 8, 0, "S\ufffd"),
        (b"id:1 stat:DELIVRD", 0, 0, "id:1 stat:DELIVRD"),  # what a person writes reports nothing
        (b"id:1 stat:DELIVRD", 0, 0x08, "id:1 stat:DELIVRD"),
    ],
)
def test_replies(octets: bytes, coding: int, esm_class: int, text: str) -> None:
    found = SMPP.events(deliver(octets, coding=coding, esm_class=esm_class))
    assert found == [Reply(their_number="+13012223333", our_number="54321", text=text)]


def test_a_reply_in_the_payload() -> None:
    [reply] = SMPP.events(deliver(esm_class=0, message_payload=b"STOP"))
    assert isinstance(reply, Reply)
    assert reply.text == "STOP"


def test_an_empty_reply_is_none() -> None:
    assert SMPP.events(deliver(esm_class=0)) == []


# --- What cannot be read, or is not theirs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", bytes(Pdu(Command.DELIVER, 1, b"AAAAAAAA")), bytes(Pdu(Command.DELIVER, 1)) * 2],
)
def test_no_pdu(body: bytes) -> None:
    with pytest.raises(Refusal) as raised:
        SMPP.events(Hook("SMPP", "smpp:", body=body))
    assert raised.value.http == 400


@pytest.mark.parametrize(
    "hook", [deliver("stat:DELIVRD"), deliver(b"\x09\x00", esm_class=0x40), deliver(esm_class=0x40)]
)
def test_what_says_too_little(hook: Hook) -> None:
    with pytest.raises(Refusal):
        SMPP.events(hook)


@for_all(hooks(["id", "stat"], [deliver(TEXT).body]))
def test_nobody_can_tell_anything_by_http(hook: Hook) -> None:
    assert SMPP.verify(hook, NOON) is False
    told = Hook("SMPP", hook.url, hook.query, hook.headers, hook.body)
    try:
        SMPP.events(told)
    except Refusal as refusal:
        assert refusal.http == 400  # noqa: PT017


@for_all(responses(["id"], [answered(0).body]))
def test_noise_is_no_answer(response: Response) -> None:
    if not response.fault or response.body:
        read_calmly(SMPP, response)


@for_all(st.binary(max_size=200), st.integers(0, 0xFF), st.integers(0, 0xFF))
def test_noise_in_a_deliver_sm(octets: bytes, esm_class: int, coding: int) -> None:
    try:
        events = SMPP.events(deliver(octets, esm_class=esm_class, coding=coding))
    except Refusal:
        return
    for event in events:
        assert isinstance(event, Reply) or event.event is not DELIVER


def test_it_has_no_address_for_hooks() -> None:
    contract = Contract(1, "main", "smpp", {}, timedelta(hours=72), acceptance_is_final=False)
    assert hook_url(contract, "https://us.example") == ""
