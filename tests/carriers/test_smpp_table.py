"""SMPP's words, as the SMPP Protocol Specification v3.4 has them, and what is made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from dispatcher.carriers.smpp import from_settings
from dispatcher.core.exchange import Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from dispatcher.core.smpp import Address, Command, Pdu, Short, Tag, pdus, read_short, short_body
from tests.carriers.meanings import (
    DELIVER,
    INVALID,
    LATER,
    LIMIT,
    NEVER,
    OURS,
    REFUSE,
    SENDER,
    SUBMIT,
    UNEXPLAINED,
    UNKNOWN,
)

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SMPP: Final = from_settings(Given({"host": "smsc.example.com", "system_id": "us"}, {"password": "secret"}))
THEIRS, OURSELVES = Address(1, 1, "13012223333"), Address(0, 0, "54321")

# 5.1.3: command_status, the words that an operator reads, what a submit and what a bind comes to that it answers.
STATUSES: Final = [
    (0x01, "invalid message length", NEVER, LATER),
    (0x02, "invalid command length", NEVER, LATER),
    (0x03, "invalid command", NEVER, LATER),
    (0x04, "not allowed by this bind", OURS, OURS),
    (0x06, "invalid priority", NEVER, LATER),
    (0x07, "invalid registered_delivery", NEVER, LATER),
    (0x08, "system error", LATER, LATER),
    (0x0A, "invalid source address", SENDER, LATER),
    (0x0B, "invalid destination address", INVALID, LATER),
    (0x0C, "", UNEXPLAINED, LATER),  # message ID
    (0x0D, "bind failed", OURS, OURS),
    (0x0E, "invalid password", OURS, OURS),
    (0x0F, "invalid system_id", OURS, OURS),
    (0x14, "queue full", LIMIT, LATER),
    (0x15, "invalid service_type", OURS, LATER),
    (0x33, "", UNEXPLAINED, LATER),  # number of destinations
    (0x43, "invalid esm_class", NEVER, LATER),
    (0x44, "", UNEXPLAINED, LATER),  # distribution list
    (0x45, "submit failed", NEVER, LATER),
    (0x48, "invalid source type of number", SENDER, LATER),
    (0x49, "invalid source numbering plan", SENDER, LATER),
    (0x50, "invalid destination type of number", INVALID, LATER),
    (0x51, "invalid destination numbering plan", INVALID, LATER),
    (0x53, "invalid system_type", OURS, OURS),
    (0x54, "", UNEXPLAINED, LATER),  # replace_if_present
    (0x58, "throttled", LIMIT, LATER),
    (0x61, "", UNEXPLAINED, LATER),  # scheduled delivery time
    (0x62, "", UNEXPLAINED, LATER),  # validity period
    (0x64, "temporary error of the application", LATER, LATER),
    (0x65, "permanent error of the application", NEVER, LATER),
    (0x66, "rejected by the application", NEVER, LATER),
    (0xC0, "", UNEXPLAINED, LATER),  # optional part of the PDU
    (0xFE, "delivery failure", NEVER, LATER),
    (0xFF, "unknown error", UNKNOWN, LATER),
    (0x400, "", UNEXPLAINED, LATER),  # the first of the SMSC's own
]
# 5.2.28: message_state, and how appendix B abbreviates it in the text of a receipt.
STATES: Final = [
    (1, "ENROUTE", SUBMIT),
    (2, "DELIVRD", DELIVER),
    (3, "EXPIRED", REFUSE),
    (4, "DELETED", REFUSE),
    (5, "UNDELIV", REFUSE),
    (6, "ACCEPTD", SUBMIT),
    (7, "UNKNOWN", SUBMIT),
    (8, "REJECTD", REFUSE),
]
# 5.2.12: bits 5 to 2 of esm_class, and whether what comes so is a receipt.
KINDS: Final = [
    (0x00, "none said, but it names a message of ours", DELIVER),
    (0x04, "delivery receipt", DELIVER),
    (0x08, "acknowledgement by the handset", None),
    (0x10, "acknowledgement by its user", None),
    (0x18, "end of a conversation", None),
    (0x20, "intermediate notification", SUBMIT),
]


def named(status: int, words: str) -> str:
    return f"0x{status:02X} {words}".rstrip()


def deliver(octets: bytes = b"", *, esm_class: int = 4, tags: dict[int, bytes] | None = None) -> Hook:
    short = Short(THEIRS, OURSELVES, octets, esm_class, tags=tags or {})
    return Hook("SMPP", "smpp:", body=bytes(Pdu(Command.DELIVER, 7, short_body(short))))


@pytest.mark.parametrize(("status", "words", "submit", "bind"), STATUSES)
def test_command_statuses(status: int, words: str, submit: Outcome, bind: Outcome) -> None:
    answer = Response(200, body=bytes(Pdu(Command.SUBMIT_RESP, 1, b"", status)))
    assert SMPP.read(answer) == replace(submit, reason=named(status, words))
    refusal = bytes(Pdu(Command.BIND_TRANSCEIVER | 1 << 31, 1, b"", status))
    said = f"bind refused: {named(status, words)}"
    assert SMPP.read(Response(0, body=refusal, fault=Fault.UNREACHABLE)) == replace(bind, reason=said)


def test_a_bind_that_is_there_already_may_pass() -> None:
    refusal = bytes(Pdu(Command.BIND_TRANSMITTER | 1 << 31, 1, b"", 0x05))
    outcome = SMPP.read(Response(0, body=refusal, fault=Fault.UNREACHABLE))
    assert outcome == replace(LATER, reason="bind refused: 0x05 already bound")


@pytest.mark.parametrize(("state", "word", "event"), STATES)
def test_message_states(state: int, word: str, event: Event) -> None:
    by_tag = deliver(tags={Tag.RECEIPTED_MESSAGE_ID: b"1\0", Tag.MESSAGE_STATE: bytes((state,))})
    by_text = deliver(f"id:1 sub:001 dlvrd:000 stat:{word} err:000 text:".encode())
    assert SMPP.events(by_tag) == SMPP.events(by_text) == [Receipt(event, "", "1", word)]


@pytest.mark.parametrize(("kind", "words", "event"), KINDS)
def test_kinds(kind: int, words: str, event: Event | None) -> None:
    tags = {int(Tag.RECEIPTED_MESSAGE_ID): b"1\0", int(Tag.MESSAGE_STATE): b"\x02"}
    [told] = SMPP.events(deliver(b"Yes", esm_class=kind, tags=tags))
    assert (told.event if isinstance(told, Receipt) else None) is event, words


def references(key: str) -> set[int]:
    """Of the parts of one text: the fourth octet of each header (3GPP TS 23.040, 9.2.3.24.1)."""
    built = SMPP.build(Submission(key, "54321", "+13012223333", "a" * 307, 3), NOON)
    parts = [read_short(pdu) for pdu in pdus(built.body)]
    assert [(each.octets[:3], each.octets[4:6]) for each in parts] == [(b"\5\0\3", bytes((3, n))) for n in (1, 2, 3)]
    return {each.octets[3] for each in parts}


def test_parts_of_one_text_have_one_reference_and_texts_have_all_of_them() -> None:
    found = [references(str(key)) for key in range(2000)]
    assert {len(each) for each in found} == {1}
    assert set().union(*found) == set(range(256))


@pytest.mark.parametrize(
    "header",
    [
        b"\x05\x00\x03\x7f\x02\x01",
        b"\x05\x00\x03\x80\x02\x01",
        b"\x05\x00\x03\xff\x02\x01",
        b"\x06\x08\x04\x00\x80\x02\x01",  # the reference of 16 bits, 9.2.3.24.8
        b"\x06\x08\x04\xc3\xa9\x02\x01",
        b"\x06\x08\x04\xff\xff\x02\x01",
    ],
)
def test_a_part_of_a_long_reply_is_read_whatever_its_reference(header: bytes) -> None:
    [reply] = SMPP.events(deliver(header + b"STOP", esm_class=0x40))
    assert isinstance(reply, Reply)
    assert (reply.their_number, reply.text) == ("+13012223333", "STOP")
