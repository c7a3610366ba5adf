"""Texts are cut whole, within the limits, and as few times as that allows."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.segments import BASIC, EXTENSION, count, split

LIMITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
gsm = st.text(st.sampled_from(BASIC + EXTENSION * 8), max_size=700)
anything = st.text(st.sampled_from("abcя€~😀🇩") | st.characters(), max_size=300)


def units(text: str, encoding: str) -> int:
    if encoding == "UCS-2":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return sum(2 if char in EXTENSION else 1 for char in text)


@settings(max_examples=200, deadline=None)
@given(gsm | anything)
def test_parts_join_to_the_text_and_keep_the_limit(text: str) -> None:
    size, parts = count(text), split(text)
    alone, joined = LIMITS[size.encoding]
    assert "".join(parts) == text
    assert len(parts) == size.segments
    assert sum(units(part, size.encoding) for part in parts) == size.units == units(text, size.encoding)
    assert all(units(part, size.encoding) <= (alone if len(parts) == 1 else joined) for part in parts)
    assert len(parts) == 1 or size.units > alone
    for part, following in pairwise(parts):
        assert units(part + following[0], size.encoding) > joined


@settings(max_examples=200, deadline=None)
@given(gsm | anything)
def test_costly_characters_are_the_reason(text: str) -> None:
    size = count(text)
    cheaper = "".join(char for char in text if char not in size.costly)
    assert count(cheaper).encoding == "GSM-7"
    assert size.encoding == "UCS-2" or count(cheaper).units == len(cheaper)
    assert list(size.costly) == sorted(set(size.costly), key=text.index)
