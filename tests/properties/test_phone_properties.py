"""Whatever is typed: a valid number in its only form, or a refusal that keeps it to itself."""

from __future__ import annotations

import re

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.phone import Phone, known_region, parse, quick, slow

REGIONS = ["US", "CA", "GB", "BR", "MX", "DE", "IT", "AG", "RU", "IN", "CI"]
E164 = re.compile(r"\+[1-9][0-9]{4,14}")
digits = st.text("0123456789", max_size=16)
plain = st.builds(str.__add__, st.sampled_from(["", "+", "+1", "1", "00", "011", "+44", "0"]), digits)
nanp = st.builds("{}{}{:04}".format, st.integers(200, 999), st.integers(0, 999), st.integers(0, 9999))
marks = st.sampled_from(
    [" ", "-", "(", ")", ".", "/", "\u200e", "\u00a0", "\u2011", "x", "+", "٣", "３", ";ext=", "\x00"]
)
typed = st.lists(marks | st.sampled_from("0123456789") | st.characters(), max_size=70).map("".join)


def attempt(raw: str, region: str) -> Phone | Refusal:
    try:
        return parse(raw, region)
    except Refusal as refusal:
        return refusal


@settings(max_examples=300, deadline=None)
@given(plain | nanp | typed, st.sampled_from(REGIONS))
def test_a_number_or_a_refusal(raw: str, region: str) -> None:
    found = attempt(raw, region)
    if isinstance(found, Phone):
        assert E164.fullmatch(found.e164)
        assert known_region(found.region) or found.region == "001"
        assert phonenumbers.is_valid_number(phonenumbers.parse(found.e164))
        assert parse(found.e164, "DE") == found
    else:
        assert found.code == Code.INVALID_PHONE
        assert found.message.startswith("phone: ")
        assert len(found.message) < 120
        assert not re.search(r"[0-9]{3}", found.message)


@settings(max_examples=500, deadline=None)
@given(plain | nanp, st.sampled_from(REGIONS))
def test_the_fast_path_never_differs_from_the_library(raw: str, region: str) -> None:
    found = quick(raw, region)
    assert found is None or found == slow(raw, region)


@settings(max_examples=300, deadline=None)
@given(nanp, st.sampled_from(["{}", "+1{}", "1{}", "1 {}", "({}", " {}\n"]))
def test_marks_change_nothing(number: str, form: str) -> None:
    bare, marked = attempt(number, "US"), attempt(form.format(number), "US")
    assert type(bare) is type(marked)
    assert isinstance(bare, Refusal) or bare == marked
