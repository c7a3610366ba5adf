"""Left a text, right its size."""

from __future__ import annotations

import sys

import pytest

from dispatcher.core.segments import BASIC, EXTENSION, Segments, count, split


def gsm(units: int, segments: int, costly: str = "") -> Segments:
    return Segments("GSM-7", units, segments, tuple(costly))


def ucs(units: int, segments: int, costly: str) -> Segments:
    return Segments("UCS-2", units, segments, tuple(costly))


SIZES = [
    ("", gsm(0, 1)),
    ("Hello", gsm(5, 1)),
    ("a" * 160, gsm(160, 1)),
    ("a" * 161, gsm(161, 2)),
    ("a" * 306, gsm(306, 2)),
    ("a" * 307, gsm(307, 3)),
    (BASIC, gsm(127, 1)),
    (EXTENSION, gsm(20, 1, EXTENSION)),
    ("a" * 158 + "€", gsm(160, 1, "€")),
    ("a" * 159 + "€", gsm(161, 2, "€")),
    ("€" * 80, gsm(160, 1, "€")),
    ("€" * 153, gsm(306, 3, "€")),  # 76 pairs fill 152 of 153 septets, and the pair is not cut
    ("a" * 152 + "€" + "a" * 152, gsm(306, 3, "€")),
    ("a" * 151 + "€" + "a" * 153, gsm(306, 2, "€")),
    ("{a}{b}", gsm(10, 1, "{}")),
    ("à é ù Ç ñ", gsm(9, 1)),
    ("ç á", ucs(3, 1, "çá")),
    ("it’s", ucs(4, 1, "’")),
    ("`", ucs(1, 1, "`")),
    ("\t", ucs(1, 1, "\t")),
    ("\x1b", ucs(1, 1, "\x1b")),  # the escape itself is no letter
    ("я" * 70, ucs(70, 1, "я")),
    ("я" * 71, ucs(71, 2, "я")),
    ("я" * 134, ucs(134, 2, "я")),
    ("я" * 135, ucs(135, 3, "я")),
    ("😀", ucs(2, 1, "😀")),
    ("😀" * 35, ucs(70, 1, "😀")),
    ("😀" * 67, ucs(134, 3, "😀")),  # 33 pairs fill 66 of 67 units
    ("a" * 66 + "😀" + "a" * 66, ucs(134, 3, "😀")),
    ("a" * 65 + "😀" + "a" * 67, ucs(134, 2, "😀")),
    ("€ and я", ucs(7, 1, "я")),  # in UCS-2 the euro is as good as any
    ("\ud83d", ucs(1, 1, "\ud83d")),  # half a pair, which JSON can bring
]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_count(text: str, size: Segments) -> None:
    assert count(text) == size


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_split(text: str, size: Segments) -> None:
    parts = split(text)
    assert "".join(parts) == text
    assert len(parts) == size.segments


def test_parts_are_filled_to_the_last_unit_but_for_a_pair() -> None:
    assert [len(part) for part in split("a" * 307)] == [153, 153, 1]
    assert split("a" * 152 + "€" + "a" * 152) == ("a" * 152, "€" + "a" * 151, "a")
    assert split("я" * 66 + "😀" + "я" * 66) == ("я" * 66, "😀" + "я" * 65, "я")


def test_the_alphabet_is_that_of_23_038() -> None:
    assert len(BASIC) == len(set(BASIC)) == 127
    assert len(EXTENSION) == len(set(EXTENSION)) == 10
    assert BASIC.index("A") == 0x41 - 1  # the escape, 0x1B, is left out
    assert BASIC.index("\n") == 0x0A
    assert BASIC[0x1B:0x1F] == "ÆæßÉ"
    assert BASIC.endswith("äöñüà")


def test_each_character_costs_what_its_alphabet_says() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if char in BASIC:
            assert count(char) == gsm(1, 1)
        elif char in EXTENSION:
            assert count(char) == gsm(2, 1, char)
        elif code < 0x3000 or code % 97 == 0:  # the others are all alike
            assert count(char) == ucs(1 if code < 0x10000 else 2, 1, char)
