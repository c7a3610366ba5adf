"""What people type, and what becomes of it."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from itertools import pairwise, product

import phonenumbers
import pytest
from phonenumbers.phonenumberutil import _VALID_PUNCTUATION, PhoneNumberType

from dispatcher.core.area_codes import CODES
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.phone import LINE_TYPES, YOUNG, LineType, Phone, known_region, parse, quick, slow, warm_up, young

MARYLAND = Phone("+13012223333", "US", LineType.FIXED_OR_MOBILE)
LONDON = Phone("+442079460958", "GB", LineType.FIXED)
SAO_PAULO = Phone("+5511961234567", "BR", LineType.MOBILE)

READ = [
    ("3012223333", "US", MARYLAND),
    ("(301) 222-3333", "us", MARYLAND),
    ("1-301-222-3333", "US", MARYLAND),
    ("+1 301.222.3333", "DE", MARYLAND),
    (" \t+1/301/222/3333\r\n", "US", MARYLAND),
    ("[1]~301~222-3333", "US", MARYLAND),
    ("301 222 3333", "CA", MARYLAND),
    ("(+1) 301 222 3333", "GB", MARYLAND),
    ("506-234-5678", "US", Phone("+15062345678", "CA", LineType.FIXED_OR_MOBILE)),
    ("+1 268 464 1234", "US", Phone("+12684641234", "AG", LineType.MOBILE)),
    ("020 7946 0958", "GB", LONDON),
    ("+44 (0)20 7946 0958", "US", LONDON),
    ("07911 123456", "GB", Phone("+447911123456", "GG", LineType.MOBILE)),
    ("06 12345678", "IT", Phone("+390612345678", "IT", LineType.FIXED)),  # the zero is part of the number
    ("0612345678", "FR", Phone("+33612345678", "FR", LineType.MOBILE)),
    ("98123 45678", "IN", Phone("+919812345678", "IN", LineType.MOBILE)),
    ("+881 612345678", "US", Phone("+881612345678", "001", LineType.MOBILE)),
    ("800-234-5678", "US", Phone("+18002345678", "US", LineType.TOLL_FREE)),
    ("900 234 5678", "US", Phone("+19002345678", "US", LineType.PREMIUM)),
]


@pytest.mark.parametrize(("raw", "region", "expected"), READ)
def test_read(raw: str, region: str, expected: Phone) -> None:
    assert parse(raw, region) == expected


MEXICO = Phone("+525512345678", "MX", LineType.FIXED_OR_MOBILE)
OF_BEFORE = [
    ("+52 1 55 1234 5678", "US", MEXICO),
    ("5215512345678", "MX", MEXICO),
    ("011 52 1 55 1234 5678", "US", MEXICO),
    ("044 55 1234 5678", "MX", MEXICO),
    ("045 55 1234 5678", "MX", MEXICO),
    ("01 55 1234 5678", "MX", MEXICO),
    ("011 15 2345-6789", "AR", Phone("+5491123456789", "AR", LineType.MOBILE)),
    ("+54 11 15 2345 6789", "US", Phone("+5491123456789", "AR", LineType.MOBILE)),
]


@pytest.mark.parametrize(("raw", "region", "expected"), OF_BEFORE)
def test_a_number_as_it_was_dialled_before_is_todays(raw: str, region: str, expected: Phone) -> None:
    assert parse(raw, region) == expected


ABROAD = [
    ("011 44 20 7946 0958", "US", LONDON),  # the region's own prefix
    ("00 44 20 7946 0958", "GB", LONDON),
    ("0011 44 20 7946 0958", "AU", LONDON),
    ("8~10 44 20 7946 0958", "RU", LONDON),
    ("00 44 20 7946 0958", "US", LONDON),  # another region's, where the national reading is invalid
    ("011 44 20 7946 0958", "GB", LONDON),
    ("001 301 222 3333", "US", MARYLAND),
    ("011 96123-4567", "BR", SAO_PAULO),  # 011 is São Paulo here
    ("(011) 96123-4567", "BR", SAO_PAULO),
    ("+55 011 96123-4567", "US", SAO_PAULO),
]


@pytest.mark.parametrize(("raw", "region", "expected"), ABROAD)
def test_an_international_prefix_keeps_the_number_s_own_country(raw: str, region: str, expected: Phone) -> None:
    assert parse(raw, region) == expected


INVALID = [
    ("+52 1 00 1234 5678", "MX"),
    ("+44 1 55 1234 5678", "MX"),
    ("+55 11 8765 4321", "BR"),  # of before, or a digit is missing: it would reach a stranger
    ("1111111111", "US"),  # the sample of a contractor invitation API
    ("15551231234", "US"),  # the sample of an "invitation accepted" callback
    ("+3012223333", "US"),  # a plus is taken at its word: Greece
    ("+999 123 4567", "US"),
    ("+0044 20 7946 0958", "US"),
    ("00 99 9999 9999", "US"),
    ("011", "US"),
    ("00", "GB"),
    ("911", "US"),
    ("1" * 64, "US"),
    ("+1" * 1 + "3" * 40, "US"),
    ("3012223333", "XX"),
    ("3012223333", ""),
]


@pytest.mark.parametrize(("raw", "region"), INVALID)
def test_invalid(raw: str, region: str) -> None:
    with pytest.raises(Refusal, match=r"^phone: not a valid number") as refused:
        parse(raw, region)
    assert (refused.value.code, refused.value.http) == (Code.INVALID_PHONE, 400)
    assert raw not in refused.value.message


UNREADABLE = [
    ("1-800-FLOWERS", "letters"),
    ("301-222-333O", "letters"),
    ("tel:+13012223333", "letters"),
    ("tel:2223333;phone-context=+1301", "letters"),
    ("+13012223333;isub=12345", "letters"),
    ("三〇一二二二三三三三", "letters"),
    ("301-222-3333 x123", "extension"),
    ("301-222-3333x123", "extension"),
    ("301-222-3333 ext. 5", "extension"),
    ("301-222-3333 EXTENSION 55", "extension"),
    ("+1 301 222 3333;ext=99", "extension"),
    ("(301) 222-3333 #4", "extension"),
    ("301-222-3333 ~ 4", "extension"),
    ("301~222~3333", "extension"),
    ("030 123～456 -", "extension"),
    ("", "digits"),
    ("   ", "digits"),
    ("+", "digits"),
    ("()-", "digits"),
    ("++13012223333", "digits"),
    ("1+3012223333", "digits"),
    ("301 222 3333+", "digits"),
    ("301,222,3333", "digits"),
    ("301\n222\n3333", "digits"),
    ("3012223333\x00", "digits"),
    ("\x003012223333", "digits"),
    ("301\x85222\u20283333", "digits"),
    ("301²²²3333", "digits"),
    ("*31#3012223333", "digits"),
    ("1\N{COMBINING ENCLOSING KEYCAP}3012223333", "digits"),
    ("\ud83d3012223333", "digits"),
    ("<script>", "letters"),
]


@pytest.mark.parametrize(("raw", "because"), UNREADABLE)
def test_unreadable(raw: str, because: str) -> None:
    with pytest.raises(Refusal, match=f"^phone: .*{because}") as refused:
        parse(raw, "US")
    assert refused.value.code == Code.INVALID_PHONE
    assert "3333" not in refused.value.message


@pytest.mark.parametrize(("char", "times"), [("3", 65), ("3", 300), (" ", 65), ("x", 1_000_000)])
def test_longer_than_64_characters(char: str, times: int) -> None:
    raw = char * times
    with pytest.raises(Refusal, match=r"^phone: longer than 64 characters$"):
        parse(raw, "US")


def of_category(name: str) -> Iterable[str]:
    return (char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == name)


def test_a_digit_of_any_script_is_a_digit() -> None:
    for digit in of_category("Nd"):
        library = phonenumbers.parse("301222333" + digit, "US")
        assert parse("301222333" + digit, "US").e164 == f"+1{library.national_number}"


@pytest.mark.parametrize("category", ["Pd", "Zs"])
def test_a_dash_or_space_of_any_script_parts_digits(category: str) -> None:
    for mark in of_category(category):
        assert parse(f"301{mark}222{mark}3333", "US") == MARYLAND


def test_what_the_library_takes_for_punctuation_is_taken_too() -> None:
    marks = _VALID_PUNCTUATION.replace("\\", "")
    ranges = ["\u2010\u2011\u2012\u2013\u2014\u2015", "\uff0d\uff0e\uff0f"]
    for mark in set(marks + "".join(ranges)) - {"x"}:
        assert parse(f"1{mark}301{mark}222 3333", "US") == MARYLAND, hex(ord(mark))


MARKS = [
    0xAD,
    0x61C,
    0x180E,
    0x200B,
    0x200C,
    0x200D,
    0x200E,
    0x200F,
    0x202A,
    0x202C,
    0x202E,
    0x2060,
    0x2066,
    0x2069,
    0xFEFF,
]


@pytest.mark.parametrize("code", MARKS)
def test_invisible_marks_of_address_books_are_dropped(code: int) -> None:
    mark = chr(code)
    assert parse(f"{mark}+1 301{mark}222 3333{mark}", "US") == MARYLAND


def test_twins() -> None:
    assert parse("\uff0b１（３０１）２２２－３３３３", "JP") == MARYLAND
    assert parse("\ufe62\u0661 \u0663\u0660\u0661 \u0662\u0662\u0662 \u0663\u0663\u0663\u0663", "EG") == MARYLAND


@pytest.mark.parametrize(
    ("code", "known"),
    [("US", True), ("us", True), ("XK", True), ("GB", True), ("UK", False), ("001", False), ("ZZ", False), ("", False)],
)
def test_known_region(code: str, known: bool) -> None:
    assert known_region(code) is known


def test_each_line_type_of_the_library_has_a_word() -> None:
    assert set(LINE_TYPES) == set(PhoneNumberType.values()) - {PhoneNumberType.UNKNOWN}
    assert set(LINE_TYPES.values()) == set(LineType) - {LineType.UNKNOWN, LineType.NON_FIXED_VOIP, LineType.NONE}


def test_each_example_of_the_library_is_read_as_its_own_e164() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind, line_type in LINE_TYPES.items():
            if example := phonenumbers.example_number_for_type(region, kind):
                e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                found = parse(e164, "US")
                assert found.e164 == e164
                assert {found.line_type, line_type} <= {line_type, LineType.FIXED_OR_MOBILE} | {found.line_type}
                assert known_region(found.region)


# In use and not, service codes (N11), fictional (555), and what no exchange begins with (0, 1).
EXCHANGES = ("000", "055", "122", "200", "211", "222", "411", "500", "555", "800", "911", "999")


def test_the_fast_path_tells_the_same_as_the_library_of_every_area_code() -> None:
    told = 0
    for area, exchange in product(range(1000), EXCHANGES):
        number = f"{area:03}{exchange}0123"
        for digits, region in ((number, "US"), ("+1" + number, "FR"), ("1" + number, "CA")):
            found = quick(digits, region)
            assert found == ordinary(slow(digits, region))
            told += found is not None
    assert told > 9_000


def test_the_fast_path_tells_the_same_as_the_library_at_every_edge_of_the_ranges() -> None:
    def told(first_six: int) -> Phone | None:
        return quick(f"{first_six:06}0123", "US")

    homes = [(n, found and found.region) for n, found in ((n, told(n)) for n in range(200_000, 1_000_000))]
    edges = [n for (_, before), (n, after) in pairwise(homes) if before != after]
    assert len(edges) > 700
    for n in (n for edge in edges for n in (edge - 1, edge)):
        assert told(n) == ordinary(slow(f"{n:06}0123", "US"))


def ordinary(found: Phone | None) -> Phone | None:
    """Those that the fast path is for."""
    common = found and found.region in ("US", "CA") and found.line_type is LineType.FIXED_OR_MOBILE
    return found if common else None


@pytest.mark.parametrize(
    ("digits", "region"),
    [
        ("13012223333", "GB"),
        ("3012223333", "GB"),
        ("+441234567890", "US"),
        ("+1301222333", "US"),
        ("+130122233334", "US"),
        ("113012223333", "US"),
        ("+18002345678", "US"),
        ("+12684641234", "US"),
        ("+1", "US"),
        ("", "US"),
    ],
)
def test_the_fast_path_leaves_the_rest_to_the_library(digits: str, region: str) -> None:
    assert quick(digits, region) is None


def test_an_area_code_that_the_library_does_not_know_yet_is_read_as_the_area_that_it_lies_over() -> None:
    assert "621" in YOUNG, "Houston's, from January 2025"
    for code in YOUNG:
        assert slow(f"+1{code}2223333", "US") is None, "the library knows it now, so this file need not"
        for raw, region in (
            (f"{code}2223333", "US"),
            (f"1-{code}-222-3333", "CA"),
            (f"1{code}2223333", "JM"),
            (f"+1 {code} 222 3333", "DE"),
            (f"001{code}2223333", "DE"),
            (f"0111{code}2223333", "US"),
            (f"0011 1{code}2223333", "AU"),
        ):
            assert parse(raw, region) == Phone(f"+1{code}2223333", "US", LineType.FIXED_OR_MOBILE)


@pytest.mark.parametrize(
    "raw", ["621 122 3333", "621 222 333", "621 2222 33333", "+49 621 222 3333 444 555", "0212223333"]
)
def test_nor_is_anything_else_of_it_a_number(raw: str) -> None:
    with pytest.raises(Refusal):
        parse(raw, "US")


def test_the_fast_path_knows_nothing_of_young_codes() -> None:
    assert {quick(f"{code}2223333", "US") for code in YOUNG} == {None}
    assert {young(f"{code}2223333", "US") for code in CODES - YOUNG} == {None}
    assert {young("6212223333", "DE"), young("+496212223333", "US")} == {None}


def test_warm_up() -> None:
    warm_up(["US", "GB", "BR"])
    warm_up(["ZZ"])  # knows no example, and needs none
