"""Texts are cut whole, within the limits, and as few times as that allows."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.core.segments import BASIC, EXTENSION, count, split
from tests.properties.drawn import drawn

# TS 23.038 6.2.1, a row for every 16 codes; \x1b is the escape, and what follows it is in the table below (6.2.1.1).
DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
ESCAPE = 0x1B
ESCAPED = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
SEPTETS = {char: [code] for code, char in enumerate(DEFAULT) if code != ESCAPE} | {
    char: [ESCAPE, code] for code, char in ESCAPED.items()
}
LIMITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
gsm = st.text(st.sampled_from(BASIC + EXTENSION * 8), max_size=700)
anything = st.text(st.sampled_from("abcя€~😀🇩") | st.characters(), max_size=300)


def units(text: str, encoding: str) -> int:
    if encoding == "UCS-2":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return sum(2 if char in EXTENSION else 1 for char in text)


@drawn(200)
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


@drawn(200)
@given(gsm | anything)
def test_costly_characters_are_the_reason(text: str) -> None:
    size = count(text)
    cheaper = "".join(char for char in text if char not in size.costly)
    assert count(cheaper).encoding == "GSM-7"
    assert size.encoding == "UCS-2" or count(cheaper).units == len(cheaper)
    assert list(size.costly) == sorted(set(size.costly), key=text.index)


def cut_by_units(text: str) -> list[str]:
    """Segments as the standards have them, slowly: septets or 16-bit units, taken one by one, and read again."""
    if all(char in SEPTETS for char in text):
        units, encoding, opens_pair = [u for char in text for u in SEPTETS[char]], "GSM-7", range(ESCAPE, ESCAPE + 1)
    else:
        octets = text.encode("utf-16-be")
        units = [int.from_bytes(octets[n : n + 2]) for n in range(0, len(octets), 2)]
        encoding, opens_pair = "UCS-2", range(0xD800, 0xDC00)
    alone, joined = LIMITS[encoding]
    if len(units) <= alone:
        return [_read(units, encoding)]
    segments: list[list[int]] = [[]]
    for n, unit in enumerate(units):
        second = n > 0 and units[n - 1] in opens_pair
        if not second and len(segments[-1]) + 1 + (unit in opens_pair) > joined:
            segments.append([])
        segments[-1].append(unit)
    return [_read(segment, encoding) for segment in segments]


def _read(units: list[int], encoding: str) -> str:
    """What a phone shows; a half of a pair is an error."""
    if encoding == "UCS-2":
        return b"".join(unit.to_bytes(2) for unit in units).decode("utf-16-be")
    septets = iter(units)
    return "".join(ESCAPED[next(septets)] if unit == ESCAPE else DEFAULT[unit] for unit in septets)


# A run of one character and some others: long enough for several segments, with pairs at every place of an edge.
runs = st.builds(
    "".join, st.lists(st.builds(str.__mul__, st.sampled_from("a€я😀"), st.integers(0, 160)), min_size=1, max_size=6)
)
whole = st.text(st.sampled_from("abcя€~😀🇩") | st.characters(exclude_categories=["Cs"]), max_size=300)


@drawn(500)
@given(runs | gsm | whole)
@example("\f" * 77)
@example("a" * 159 + "😀")
def test_every_segment_is_that_of_a_slow_cut_unit_by_unit(text: str) -> None:
    cut = cut_by_units(text)
    assert list(split(text)) == cut
    assert count(text).segments == len(cut)
