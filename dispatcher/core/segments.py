"""How many segments a text takes, and which characters make it dear (3GPP TS 23.038 6.2.1, TS 23.040 9.2.3.24.1).

National shift tables are left out: few routes carry them. Nothing is ever replaced in a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

# The default alphabet in the order of its codes 0x00 to 0x7F, without 0x1B, the escape.
BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = "\f^{}\\[~]|€"  # written as an escape and a second septet

_PLAIN: Final = re.compile(f"[{re.escape(BASIC)}]*")
_GSM: Final = re.compile(f"[{re.escape(BASIC + EXTENSION)}]*")
_NOT_GSM: Final = re.compile(f"[^{re.escape(BASIC + EXTENSION)}]")
_EXTENDED: Final = re.compile(f"[{re.escape(EXTENSION)}]")
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")  # two 16-bit units each


@dataclass(frozen=True, slots=True)
class Segments:
    """The size of a text: `units` are septets of GSM-7 or 16-bit units of UCS-2.

    `costly` names each character once: those that force UCS-2 or, in GSM-7, those that cost two septets.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int
    costly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Encoding:
    name: Literal["GSM-7", "UCS-2"]
    alone: int  # units of a segment that is the only one
    joined: int  # units of one of several, which carry a header of 6 bytes
    double: re.Pattern[str]  # what takes two units, never cut apart
    costly: re.Pattern[str]


_GSM_7: Final = _Encoding("GSM-7", 160, 153, _EXTENDED, _EXTENDED)
_UCS_2: Final = _Encoding("UCS-2", 70, 67, _ASTRAL, _NOT_GSM)


def count(text: str) -> Segments:
    """Encoding, units and segments of a text; an empty one is still one segment."""
    units = len(text)
    if _PLAIN.fullmatch(text):  # most texts
        return Segments("GSM-7", units, 1 if units <= _GSM_7.alone else -(-units // _GSM_7.joined))
    how = _encoding(text)
    units += len(how.double.findall(text))
    costly = tuple(dict.fromkeys(how.costly.findall(text)))
    return Segments(how.name, units, 1 if units <= how.alone else len(_cut(text, how)), costly)


def split(text: str, *, wide: bool = False) -> tuple[str, ...]:
    """The text of each segment, as count() counts them; joined they are the text again. `wide`: in UCS-2 anyhow."""
    how = _UCS_2 if wide else _encoding(text)
    units = len(text) + len(how.double.findall(text))
    return (text,) if units <= how.alone else _cut(text, how)


def _encoding(text: str) -> _Encoding:
    return _GSM_7 if _GSM.fullmatch(text) else _UCS_2


def _cut(text: str, how: _Encoding) -> tuple[str, ...]:
    """Parts as long as they may be, except that what takes two units goes whole into the next one."""
    parts, begin, room = [], 0, how.joined
    for index, char in enumerate(text):
        units = 2 if how.double.match(char) else 1
        if units > room:
            parts.append(text[begin:index])
            begin, room = index, how.joined
        room -= units
    return (*parts, text[begin:])
