"""Letters as octets, against the codec that others wrote where there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.alphabets import Alphabet, alphabet_of, decoded, encoded
from dispatcher.core.segments import BASIC, EXTENSION

GSM, LATIN1, ASCII, UCS2 = Alphabet.GSM, Alphabet.LATIN1, Alphabet.ASCII, Alphabet.UCS2

WRITTEN = [
    ("Hello @", GSM, b"Hello \x00"),
    ("{€}", GSM, b"\x1b\x28\x1b\x65\x1b\x29"),
    ("à§", GSM, b"\x7f\x5f"),
    ("it’s", GSM, None),
    ("\x1b", GSM, None),
    ("\xa0", GSM, None),
    ("é", LATIN1, b"\xe9"),
    ("€", LATIN1, None),
    ("e", ASCII, b"e"),
    ("é", ASCII, None),
    ("é😀", UCS2, b"\x00\xe9\xd8\x3d\xde\x00"),
    ("a\ud83d", UCS2, b"\x00a\x00?"),
]


@pytest.mark.parametrize(("text", "alphabet", "octets"), WRITTEN)
def test_written(text: str, alphabet: Alphabet, octets: bytes | None) -> None:
    assert encoded(text, alphabet) == octets


READ = [
    (b"\x00\x1b\x65", GSM, "@€"),
    (b"a\x1ba", GSM, "aa"),  # 6.2.1.1: a second septet that is not in the table is read by the first
    (b"a\x1b\x1bb", GSM, "a b"),
    (b"a\x1b", GSM, "a"),
    (b"\x80\xff", GSM, "\ufffd\ufffd"),
    (b"\x1b\x80", GSM, "\ufffd"),
    (b"\xe9", LATIN1, "é"),
    (b"\xe9", ASCII, "\ufffd"),
    (b"\x00S\x00T", UCS2, "ST"),
    (b"\x00S\x00", UCS2, "S\ufffd"),
]


@pytest.mark.parametrize(("octets", "alphabet", "text"), READ)
def test_read(octets: bytes, alphabet: Alphabet, text: str) -> None:
    assert decoded(octets, alphabet) == text


@given(st.text(BASIC + EXTENSION))
def test_every_letter_of_gsm_7_comes_back(text: str) -> None:
    octets = encoded(text, GSM)
    assert octets is not None
    assert decoded(octets, GSM) == text
    assert len(octets) == len(text) + sum(letter in EXTENSION for letter in text)
    assert all(octet < 0x80 for octet in octets)


@given(st.text())
def test_every_text_can_be_written_in_ucs_2(text: str) -> None:
    octets = encoded(text, UCS2)
    assert octets is not None
    assert decoded(octets, UCS2) == text


@given(st.binary(), st.sampled_from(Alphabet))
def test_octets_of_any_kind_can_be_read(octets: bytes, alphabet: Alphabet) -> None:
    assert isinstance(decoded(octets, alphabet), str)


@pytest.mark.parametrize(
    ("data_coding", "alphabet"),
    [
        (0x00, GSM),
        (0x01, ASCII),
        (0x03, LATIN1),
        (0x04, LATIN1),
        (0x08, UCS2),
        (0x10, GSM),
        (0x14, LATIN1),
        (0x18, UCS2),
        (0x19, UCS2),
        (0x1C, GSM),
        (0x80, LATIN1),
        (0xF0, GSM),
        (0xF4, LATIN1),
        (0xF1, GSM),
    ],
)
def test_a_data_coding_tells_the_alphabet(data_coding: int, alphabet: Alphabet) -> None:
    assert alphabet_of(data_coding, GSM) is alphabet
