"""PDUs: every field where the specification puts it, the same as smpp34 writes, and one exception for garbage."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from typing import Any

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.smpp import (
    LONGEST,
    Address,
    Command,
    Garbled,
    Pdu,
    Short,
    Tag,
    Terms,
    bind_body,
    pdus,
    read_id,
    read_short,
    short_body,
    take_pdu,
)

TERMS = Terms(host="smsc.example.com", port=2775, system_id="us", password="secret")
octet = st.integers(0, 255)
number = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20)
address = st.builds(Address, octet, octet, number)
tags = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=4)
shorts = st.builds(Short, address, address, st.binary(max_size=254), octet, octet, octet, tags)


def test_a_header() -> None:
    """3.2: length, command, status, sequence, each of four octets."""
    pdu = Pdu(Command.SUBMIT_RESP, 7, b"id\0", 0x58)
    assert bytes(pdu) == bytes.fromhex("00000013 80000004 00000058 00000007") + b"id\0"
    assert [*pdus(bytes(pdu) * 2)] == [pdu, pdu]


def test_a_bind() -> None:
    """4.1.1: system_id, password, system_type, version, the range of addresses."""
    terms = Terms(host="", port=0, system_id="us", password="secret", system_type="VMA")
    assert bind_body(terms) == b"us\0secret\0VMA\0\x34\x00\x00\x00"
    assert "secret" not in repr(terms)


@pytest.mark.parametrize(
    "given", [{"system_id": "x" * 16}, {"password": "x" * 9}, {"system_type": "x" * 13}, {"password": "a\0b"}]
)
def test_a_name_that_does_not_fit(given: dict[str, Any]) -> None:
    fitting: dict[str, Any] = {
        "host": "",
        "port": 0,
        "system_id": "x" * 15,
        "password": "x" * 8,
        "system_type": "x" * 12,
    }
    assert bind_body(Terms(**fitting))
    with pytest.raises(Garbled, match="characters at most"):
        bind_body(Terms(**(fitting | given)))


def test_a_submit() -> None:
    """4.4.1, field by field."""
    short = Short(Address(5, 0, "Acme"), Address(1, 1, "15550001"), b"hi", 0x40, 1, 8, {Tag.MESSAGE_PAYLOAD: b"x"})
    assert short_body(short) == (
        b"\0"  # service_type
        b"\x05\x00Acme\0\x01\x0115550001\0"
        b"\x40\x00\x00"  # esm_class, protocol_id, priority_flag
        b"\0\0"  # schedule_delivery_time, validity_period
        b"\x01\x00\x08\x00"  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
        b"\x02hi\x04\x24\x00\x01x"
    )


def test_a_short_message_that_is_too_long() -> None:
    with pytest.raises(Garbled, match="254"):
        short_body(Short(Address(1, 1, "1"), Address(1, 1, "2"), bytes(255)))


def test_a_number_that_is_too_long() -> None:
    with pytest.raises(Garbled, match="20 characters"):
        short_body(Short(Address(1, 1, "1" * 21), Address(1, 1, "2")))


@given(shorts)
def test_what_was_written_is_read(short: Short) -> None:
    assert read_short(Pdu(Command.DELIVER, 1, short_body(short))) == short


@given(shorts)
def test_smpp34_writes_the_same_octets(short: Short) -> None:
    theirs = smpp34.SubmitSm(
        short_message=short.octets,
        source_addr=short.source.number,
        source_addr_ton=short.source.ton,
        source_addr_npi=short.source.npi,
        destination_addr=short.destination.number,
        dest_addr_ton=short.destination.ton,
        dest_addr_npi=short.destination.npi,
        esm_class=short.esm_class,
        registered_delivery=short.registered,
        data_coding=short.data_coding,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in short.tags.items()],
    ).encode()
    [pdu] = pdus(bytes(theirs))
    assert bytes(theirs) == bytes(Pdu(Command.SUBMIT, pdu.sequence, short_body(short)))


@given(shorts)
def test_smpp34_reads_what_we_write(short: Short) -> None:
    theirs = smpp34.decode(bytes(Pdu(Command.DELIVER, 1, short_body(short))))
    assert isinstance(theirs, smpp34.DeliverSm)
    assert (theirs.source_addr, theirs.destination_addr) == (short.source.number, short.destination.number)
    assert bytes(theirs.short_message) == short.octets
    assert (theirs.esm_class, theirs.data_coding) == (short.esm_class, short.data_coding)


def test_the_user_data_stands_in_one_of_two_places() -> None:
    nobody = Address(0, 0, "")
    assert Short(nobody, nobody, b"here").content == b"here"
    assert Short(nobody, nobody, tags={Tag.MESSAGE_PAYLOAD: b"there"}).content == b"there"
    assert Short(nobody, nobody, b"here", tags={Tag.MESSAGE_PAYLOAD: b"there"}).content == b"here"
    assert Short(nobody, nobody).content == b""


def test_a_data_sm() -> None:
    """4.7.1: neither times nor short_message."""
    body = b"\0\x01\x0115550001\0\x00\x004242\0\x04\x01\x08" + struct.pack(">HH", Tag.MESSAGE_PAYLOAD, 2) + b"hi"
    short = read_short(Pdu(Command.DATA, 1, body))
    assert short == Short(Address(1, 1, "15550001"), Address(0, 0, "4242"), b"", 4, 1, 8, {Tag.MESSAGE_PAYLOAD: b"hi"})
    assert short.content == b"hi"


def test_the_first_of_two_tags_counts() -> None:
    body = short_body(Short(Address(0, 0, ""), Address(0, 0, ""), tags={1: b"a"})) + b"\x00\x01\x00\x01b"
    assert read_short(Pdu(Command.DELIVER, 1, body)).tags == {1: b"a"}


@pytest.mark.parametrize(("body", "ref"), [(b"", ""), (b"abc", "abc"), (b"abc\0\x00\x1d", "abc"), (b"\xff\0", "ÿ")])
def test_the_id_of_an_answer(body: bytes, ref: str) -> None:
    assert read_id(Pdu(Command.SUBMIT_RESP, 1, body)) == ref


@pytest.mark.parametrize("length", [0, 15, LONGEST + 1, 0xFFFFFFFF])
def test_a_length_that_none_has(length: int) -> None:
    """Said at once: to wait for so many octets would be to wait for ever."""
    with pytest.raises(Garbled, match="octets long"):
        take_pdu(bytearray(length.to_bytes(4, "big")))


def test_half_a_pdu_is_waited_for() -> None:
    whole = bytes(Pdu(Command.ENQUIRE_LINK, 1)) + bytes(Pdu(Command.SUBMIT_RESP, 2, b"id\0"))
    buffer, seen = bytearray(), []
    for octet in whole:
        buffer.append(octet)
        if pdu := take_pdu(buffer):
            seen.append(pdu)
    assert seen == [Pdu(Command.ENQUIRE_LINK, 1), Pdu(Command.SUBMIT_RESP, 2, b"id\0")]
    with pytest.raises(Garbled, match="amid"):
        [*pdus(whole[:-1])]


@given(shorts, st.data())
def test_a_body_that_is_cut_is_never_read_as_a_whole_one(short: Short, data: st.DataObject) -> None:
    """But where the cut leaves out whole parameters."""
    body = short_body(short)
    cut = data.draw(st.integers(0, len(body) - 1))
    with suppress(Garbled):
        read = read_short(Pdu(Command.DELIVER, 1, body[:cut]))
        assert (read.source, read.destination, read.octets) == (short.source, short.destination, short.octets)
        assert len(read.tags) < len(short.tags)


@given(st.binary(max_size=400))
def test_garbage_is_garbled_or_read(octets: bytes) -> None:
    with suppress(Garbled):
        for pdu in pdus(octets):
            read_id(pdu)
            read_short(pdu)


def test_pdus_with_a_mistake_are_garbled_or_read() -> None:
    chance = random.Random(7)
    whole = bytes(Pdu(Command.DELIVER, 1, short_body(Short(Address(1, 1, "15550001"), Address(0, 0, "4242"), b"hi"))))
    for _ in range(5000):
        octets = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        with suppress(Garbled):
            for pdu in pdus(bytes(octets)):
                read_short(pdu)
