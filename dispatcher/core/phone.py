"""From whatever a person typed to E.164, region and line type (libphonenumber's metadata, package phonenumbers).

A number says where its range was given out and for what. It cannot say whether it was ported, is in use or takes texts;
in North America it cannot even tell mobile from fixed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from dispatcher.core.area_codes import CODES, areas_of
from dispatcher.core.codes import Code, Refusal

MAX_LENGTH: Final = 64  # characters as typed; the longest number in words of punctuation needs half of it
MAX_E164: Final = 16  # "+" and 15 digits (ITU-T E.164, 6.2.1)
NOWHERE: Final = "001"  # the region of satellite and other numbers of no country (UN M.49: the world)

# Keep every compiled pattern. Without it the patterns of a few dozen countries push one another out of re's own cache,
# and a number costs 500 us instead of 30. It holds about 3 MiB when every country has been seen.
phonenumbers.enable_pattern_cache()


class LineType(StrEnum):
    """What a range of numbers was given out for; screening decides which of them get a text."""

    MOBILE = "mobile"
    FIXED = "fixed"
    FIXED_OR_MOBILE = "fixed_or_mobile"  # all of +1, and more: the number alone cannot tell
    VOIP = "voip"
    NON_FIXED_VOIP = "non_fixed_voip"  # of an app that gives out numbers: takes texts, and is as soon had as left
    PERSONAL = "personal"  # follows its owner to any line
    PAGER = "pager"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    UAN = "uan"  # a company's number
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"  # never from parse(), which refuses it; a lookup may answer so
    NONE = "none"  # as a lookup says: nobody can have that number


LINE_TYPES: Final = MappingProxyType(
    {
        PhoneNumberType.MOBILE: LineType.MOBILE,
        PhoneNumberType.FIXED_LINE: LineType.FIXED,
        PhoneNumberType.FIXED_LINE_OR_MOBILE: LineType.FIXED_OR_MOBILE,
        PhoneNumberType.VOIP: LineType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER: LineType.PERSONAL,
        PhoneNumberType.PAGER: LineType.PAGER,
        PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE: LineType.PREMIUM,
        PhoneNumberType.SHARED_COST: LineType.SHARED_COST,
        PhoneNumberType.UAN: LineType.UAN,
        PhoneNumberType.VOICEMAIL: LineType.VOICEMAIL,
    }
)


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid number. `region` is its ISO 3166 country, or NOWHERE."""

    e164: str
    region: str
    line_type: LineType


def known_region(code: str) -> bool:
    """Whether numbers can be read as of this ISO 3166 country; Android tells it in lower case, which counts too."""
    return code.isascii() and code.upper() in phonenumbers.SUPPORTED_REGIONS  # ß in upper case is SS, a country


def parse(raw: str, region: str) -> Phone:
    """The number that was meant by somebody in `region` (a known one).

    With `+` or the region's own international prefix it keeps its own country; only where that reading is invalid is
    a leading 00 or 011 taken as international (São Paulo's area code is 011). Digits, dashes and spaces of any script
    are read, invisible marks of address books are dropped. Letters are refused: the seven of 1-800-FLOWERS are as
    often a typing error, and an error would reach a stranger. A Mexican number as it was dialled before 2019 is read as
    today's.

    Raises:
        Refusal: INVALID_PHONE, with a sentence that does not repeat the number.
    """
    digits = _digits(raw)
    region = region.upper()
    found = quick(digits, region) or slow(digits, region) or old(digits, region) or young(digits, region)
    if found is None:
        place = f" in {region}" if known_region(region) and not digits.startswith("+") else ""
        raise Refusal(Code.INVALID_PHONE, f"phone: not a valid number{place}")
    return found


def warm_up(regions: Iterable[str] = tuple(sorted(phonenumbers.SUPPORTED_REGIONS))) -> None:
    """Load and compile what numbers of these regions need: 1 to 10 ms each, which else their first number pays."""
    for region in regions:
        if example := phonenumbers.example_number(region):
            phonenumbers.number_type(phonenumbers.parse(f"+{example.country_code}{example.national_number}"))


# --- From text to digits -------------------------------------------------------------------------------------------

# Soft hyphen, zero width, bidi and joining marks, byte order mark.
_INVISIBLE: Final = frozenset(
    chr(code)
    for first, last in (
        (0xAD, 0xAD),
        (0x61C, 0x61C),
        (0x180E, 0x180E),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xFEFF, 0xFEFF),
    )
    for code in range(first, last + 1)
)
# East Asian and mathematical twins of what may stand in a number; the library's own list of punctuation, and a plus.
_TWINS: Final = MappingProxyType(
    {
        "\N{FULLWIDTH PLUS SIGN}": "+",
        "\N{SMALL PLUS SIGN}": "+",
        "\N{FULLWIDTH LEFT PARENTHESIS}": "(",
        "\N{FULLWIDTH RIGHT PARENTHESIS}": ")",
        "\N{FULLWIDTH LEFT SQUARE BRACKET}": "[",
        "\N{FULLWIDTH RIGHT SQUARE BRACKET}": "]",
        "\N{FULLWIDTH FULL STOP}": ".",
        "\N{FULLWIDTH SOLIDUS}": "/",
        "\N{MINUS SIGN}": "-",
        "\N{KATAKANA-HIRAGANA PROLONGED SOUND MARK}": "-",
        "\N{SWUNG DASH}": "~",
        "\N{TILDE OPERATOR}": "~",
        "\N{FULLWIDTH TILDE}": "~",
    }
)
_MARKS: Final = " \t-.()[]/~"
_PUNCTUATION: Final = str.maketrans("", "", _MARKS)
_NUMBER: Final = re.compile(r"\+?[0-9]+")
_EXTENSION: Final = re.compile(
    r"(?:[0-9)][ .,]*(?:;ext|extension|ext|x|#)[ .:=]*|~[ \t.-]*)[0-9]{1,9}[^0-9]*$",  # after a tilde, says the library
    re.IGNORECASE,
)


def _digits(raw: str) -> str:
    """ASCII digits, perhaps after one `+`: all that the library gets to see."""
    if len(raw) > MAX_LENGTH:
        raise Refusal(Code.INVALID_PHONE, f"phone: longer than {MAX_LENGTH} characters")
    text = raw if raw.isascii() else "".join(map(_plain, raw))
    text = text.strip(" \t\r\n")
    digits = text.translate(_PUNCTUATION)
    if not _NUMBER.fullmatch(digits) or ("~" in text and _EXTENSION.search(text.rstrip(_MARKS))):
        raise Refusal(Code.INVALID_PHONE, f"phone: {_objection(text)}")
    return digits


def _plain(char: str) -> str:
    """A character of any script as the ASCII one that stands for it in a number; others as they are."""
    if char in _INVISIBLE:
        return ""
    match unicodedata.category(char):
        case "Nd":
            return str(unicodedata.decimal(char))
        case "Pd":
            return "-"
        case "Zs":
            return " "
        case _:
            return _TWINS.get(char, char)


def _objection(text: str) -> str:
    if _EXTENSION.search(text):
        return "an extension cannot receive texts; give the number alone"
    if any(char.isalpha() for char in text):
        return "letters are not read as digits; write the number in digits"
    return "digits, with + in front, spaces, dashes, dots, slashes and brackets are all that may stand in it"


# --- From digits to a number ---------------------------------------------------------------------------------------


def slow(digits: str, region: str) -> Phone | None:
    """What the library makes of digits; None when they are no valid number."""
    return next((found for reading in _readings(digits) if (found := _read(reading, region))), None)


def _readings(digits: str) -> Iterator[str]:
    """As they stand, and then without a prefix by which people of other countries dial abroad."""
    yield digits
    for prefix in ("00", "011"):
        if digits.startswith(prefix):
            yield "+" + digits.removeprefix(prefix)


# 01, 044 and 045, and the 1 after +52 for mobiles, were given up on 3 August 2019 (IFT, Plan Técnico Fundamental de
# Numeración; twilio.com/guidelines/mx/sms). Address books and networks still have them.
_MEXICO: Final = 52
_MEXICAN: Final = re.compile(r"(?:0?1|04[45])([0-9]{10})")


def old(digits: str, region: str) -> Phone | None:
    """A Mexican number with a prefix of before 2019, without it; None when it is none of those."""
    for number in _parsed(_readings(digits), region):
        national = _MEXICAN.fullmatch(phonenumbers.national_significant_number(number))
        if number.country_code == _MEXICO and national and (found := _read(f"+{_MEXICO}{national[1]}", region)):
            return found
    return None


def _parsed(readings: Iterable[str], region: str) -> Iterator[PhoneNumber]:
    for reading in readings:
        try:
            yield phonenumbers.parse(reading, region)
        except NumberParseException:
            continue


def _read(digits: str, region: str) -> Phone | None:
    number = next(_parsed([digits], region), None)
    if number is None:
        return None
    # UNKNOWN is the library's word for invalid: is_valid_number would tell no more, for 13 us again.
    line_type = LINE_TYPES.get(phonenumbers.number_type(number))
    home = phonenumbers.region_code_for_number(number)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if line_type is None or home is None or len(e164) > MAX_E164:
        return None
    return Phone(e164, home, line_type)


# --- The fast path: plain numbers of the United States and Canada ---------------------------------------------------

_NATIONAL_LENGTH: Final = 10


def _ranges(region: str) -> re.Pattern[str]:
    """The library's pattern of ordinary numbers, which in these two countries is one for mobile and fixed lines."""
    metadata = PhoneMetadata.metadata_for_region(region)  # promised to nobody: where it has gone, nothing is quick
    ordinary = metadata and metadata.fixed_line
    return re.compile((ordinary and ordinary.national_number_pattern) or "(?!)")


_RANGES: Final = tuple((region, _ranges(region)) for region in ("US", "CA"))


def quick(digits: str, region: str) -> Phone | None:
    """The same as slow() for an ordinary number of the United States or Canada, 20 times as fast; else None.

    The tests compare the two over every area code, at every edge of the ranges and over hostile digits.
    """
    if digits.startswith("+1"):
        national = digits[2:]
    elif region in ("US", "CA"):
        national = digits.removeprefix("1")
    else:
        return None
    if len(national) != _NATIONAL_LENGTH:
        return None
    for home, ranges in _RANGES:
        if ranges.fullmatch(national):
            return Phone("+1" + national, home, LineType.FIXED_OR_MOBILE)
    return None


# --- Area codes that are younger than the library's metadata --------------------------------------------------------


# The library takes up some codes years after people have numbers with them (github.com/daviddrysdale/
# python-phonenumbers/issues/318), and those people would be told that their number is none.
def _is_known(code: str) -> bool:
    return any(ranges.fullmatch(code + "2223333") for _, ranges in _RANGES)


YOUNG: Final = frozenset(
    code for code in CODES if not _is_known(code) and any(map(_is_known, areas_of(f"+1{code}2223333")))
)


def young(digits: str, region: str) -> Phone | None:
    """A number of an overlay that the library does not know: what it would be with its area's oldest code; or None."""
    for number in _parsed(_readings(digits), region):
        national = str(number.national_number)
        if number.country_code == 1 and national[:3] in YOUNG:
            for area in areas_of("+1" + national):
                if twin := quick("+1" + area + national[3:], "US"):
                    return Phone("+1" + national, twin.region, twin.line_type)
    return None
