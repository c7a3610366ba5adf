"""Texts as the octets of an SMS and back: GSM-7 unpacked, a septet in each octet, or UCS-2 (3GPP TS 23.038, 6.2)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from dispatcher.core.segments import BASIC, EXTENSION

ESCAPE: Final = 0x1B
LETTERS: Final = BASIC[:ESCAPE] + " " + BASIC[ESCAPE:]  # by their codes; an escape that is escaped shows as a space
SECONDS: Final = MappingProxyType(dict(zip(b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", EXTENSION, strict=True)))
OCTETS: Final = MappingProxyType(
    {letter: bytes((code,)) for code, letter in enumerate(LETTERS) if code != ESCAPE}
    | {letter: bytes((ESCAPE, code)) for code, letter in SECONDS.items()}
)
UNKNOWN: Final = "\ufffd"


class Alphabet(StrEnum):
    """What the octets of a text may be letters of."""

    GSM = "gsm"
    LATIN1 = "latin1"
    ASCII = "ascii"
    UCS2 = "ucs2"


def encoded(text: str, alphabet: Alphabet) -> bytes | None:
    """The octets, or None where the alphabet lacks a letter. UCS-2 lacks none: half of a surrogate pair becomes "?"."""
    if alphabet is Alphabet.UCS2:
        return text.encode("utf-16-be", "replace")
    try:
        if alphabet is Alphabet.GSM:
            return b"".join([OCTETS[letter] for letter in text])
        return text.encode(alphabet)
    except (KeyError, UnicodeEncodeError):
        return None


def decoded(octets: bytes, alphabet: Alphabet) -> str:
    """The text; what no letter can be read from is the replacement character."""
    if alphabet is not Alphabet.GSM:
        return octets.decode("utf-16-be" if alphabet is Alphabet.UCS2 else alphabet, "replace")
    text, escaped = [], False
    for octet in octets:
        letter = LETTERS[octet] if octet < len(LETTERS) else UNKNOWN
        if escaped or octet != ESCAPE:
            text.append(SECONDS.get(octet, letter) if escaped else letter)
        escaped = octet == ESCAPE and not escaped
    return "".join(text)


def alphabet_of(data_coding: int, default: Alphabet) -> Alphabet:
    """What a data_coding says (SMPP 3.4, 5.2.19; from 0x10 on as in 23.038, 4). Binary is read as Latin-1."""
    match data_coding:
        case 0x00:
            return default
        case 0x01:
            return Alphabet.ASCII
        case 0x08:
            return Alphabet.UCS2
        case coding if coding >= 0xF0:  # with a class, of octets or septets
            return Alphabet.LATIN1 if coding & 0x04 else default
        case coding if 0x10 <= coding < 0x80:  # general: bits 3 and 2 tell it
            return (default, Alphabet.LATIN1, Alphabet.UCS2, default)[coding >> 2 & 3]
    return Alphabet.LATIN1
