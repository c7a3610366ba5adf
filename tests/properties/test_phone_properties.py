"""Whatever is typed: a valid number in its only form, or a refusal that keeps it to itself.

And always the number that the library alone would read, for any other is a stranger's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.phone import LINE_TYPES, MAX_E164, YOUNG, Phone, known_region, parse, quick, slow
from tests.properties.drawn import drawn

REGIONS = ["US", "CA", "GB", "BR", "MX", "DE", "IT", "AG", "RU", "IN", "CI"]
E164 = re.compile(r"\+[1-9][0-9]{4,14}")
digits = st.text("0123456789", max_size=16)
plain = st.builds(str.__add__, st.sampled_from(["", "+", "+1", "1", "00", "011", "+44", "0"]), digits)
nanp = st.builds("{}{}{:04}".format, st.integers(200, 999), st.integers(0, 999), st.integers(0, 9999))
marks = st.sampled_from(
    [" ", "-", "(", ")", ".", "/", "\u200e", "\u00a0", "\u2011", "x", "+", "٣", "３", ";ext=", "\x00"]
)
typed = st.lists(marks | st.sampled_from("0123456789") | st.characters(), max_size=70).map("".join)


def is_young(phone: Phone) -> bool:
    """Whether it lies in an area code that the library does not know yet; see test_phone.py."""
    return phone.e164.startswith("+1") and phone.e164[2:5] in YOUNG


def is_old(raw: str, phone: Phone) -> bool:
    """Whether it is a Mexican number as it was dialled before 2019."""
    typed = "".join(str(unicodedata.decimal(char)) for char in raw if char.isdecimal())
    return phone.e164.startswith("+52") and bool(re.search(f"(?:1|04[45]){phone.e164[3:]}$", typed))


def attempt(raw: str, region: str) -> Phone | Refusal:
    try:
        return parse(raw, region)
    except Refusal as refusal:
        return refusal


@drawn(300)
@given(plain | nanp | typed, st.sampled_from(REGIONS))
@example("8612000000", "US")
@example("0445512345678", "MX")
def test_a_number_or_a_refusal(raw: str, region: str) -> None:
    found = attempt(raw, region)
    if isinstance(found, Phone):
        assert E164.fullmatch(found.e164)
        assert known_region(found.region) or found.region == "001"
        assert is_young(found) is not phonenumbers.is_valid_number(phonenumbers.parse(found.e164))
        assert parse(found.e164, "DE") == found
    else:
        assert found.code == Code.INVALID_PHONE
        assert found.message.startswith("phone: ")
        assert len(found.message) < 120
        assert not re.search(r"[0-9]{3}", found.message)


@drawn(500)
@given(plain | nanp, st.sampled_from(REGIONS))
def test_the_fast_path_never_differs_from_the_library(raw: str, region: str) -> None:
    found = quick(raw, region)
    assert found is None or found == slow(raw, region)


@drawn(300)
@given(nanp, st.sampled_from(["{}", "+1{}", "1{}", "1 {}", "({}", " {}\n"]))
def test_marks_change_nothing(number: str, form: str) -> None:
    bare, marked = attempt(number, "US"), attempt(form.format(number), "US")
    assert type(bare) is type(marked)
    assert isinstance(bare, Refusal) or bare == marked


def library(text: str, region: str) -> Phone | None:
    """What phonenumbers alone makes of a text: a valid number that needs no extension, or None."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    home = phonenumbers.region_code_for_number(number)
    if not phonenumbers.is_valid_number(number) or number.extension or len(e164) > MAX_E164 or home is None:
        return None
    return Phone(e164, home, LINE_TYPES[phonenumbers.number_type(number)])


def reading(raw: str, region: str) -> Phone | None:
    """What the library makes of what people see, and where that is nothing, of its digits after 00 or 011."""
    seen = "".join(char for char in raw.replace("\t", " ") if unicodedata.category(char) != "Cf")
    typed = "".join(str(unicodedata.decimal(char)) for char in seen if char.isdecimal())
    found = library(seen, region)
    for prefix in ("00", "011"):
        if found is None and typed.startswith(prefix) and not re.search("[+\uff0b\ufe62]", seen):
            found = library("+" + typed.removeprefix(prefix), region)
    return found


def agree(raw: str, region: str) -> None:
    """That parse() reads what the library does; what it refuses to read at all is not compared."""
    found = attempt(raw, region)
    if isinstance(found, Phone):
        known = reading(raw, region)
        assert known == (None if is_young(found) or (known is None and is_old(raw, found)) else found)
    elif found.message.startswith("phone: not a valid number"):
        assert reading(raw, region) is None


def written() -> Iterator[tuple[str, str]]:
    """Every region's example number of every type as people there write it, at home and to others; and the region."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            if number := phonenumbers.example_number_for_type(region, kind):
                for form in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL):
                    yield phonenumbers.format_number(number, form), region


WRITTEN = sorted(set(written()))


@pytest.mark.parametrize("reader", ["home", "US", "GB", "BR"])
def test_every_example_of_the_library_is_read_as_the_library_reads_it(reader: str) -> None:
    for text, home in WRITTEN:
        agree(text, home if reader == "home" else reader)


@drawn(500)
@given(plain | nanp, st.sampled_from(REGIONS))
def test_digits_are_read_as_the_library_reads_them(raw: str, region: str) -> None:
    agree(raw, region)


hostile = st.sampled_from(
    [*"0123456789 -().[]/~+#*,;xX\t\x00", *"\u00ad\u200e\u202e\u00a0\u2011\uff0b\uff5e\u30fc3٣", "e\u0301"]
)
edits = st.lists(st.tuples(st.integers(0, 40), st.booleans(), hostile), max_size=4)


@drawn(1000)
@given(st.sampled_from(WRITTEN), edits, st.sampled_from(REGIONS))
@example(("+39 02 1234 5678", "IT"), [(11, True, "~")], "US")  # the library takes what follows for an extension
@example(("+230 219 0123", "MU"), [(7, False, "~"), (2, True, "0"), (14, False, "-")], "US")  # whatever ends it
def test_hostile_texts_are_read_as_the_library_reads_them_or_refused(
    given_as: tuple[str, str], edits: list[tuple[int, bool, str]], region: str
) -> None:
    text = given_as[0]
    for position, insert, what in edits:
        text = text[:position] + what + text[position + (not insert) :]
    agree(text, region)


@drawn(300)
@given(typed, st.sampled_from(REGIONS))
def test_whatever_is_typed_is_read_as_the_library_reads_it_or_refused(raw: str, region: str) -> None:
    agree(raw, region)
