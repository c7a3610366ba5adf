"""What a reason does not tell: credentials of ours, and numbers of people.

A carrier's words, in which it or a proxy may repeat our request, go into logs, alarms, answers to customers, and stay.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import pairwise
from json import dumps
from typing import Final

from dispatcher.core.exchange import Outcome, Receipt

MASK: Final = "•••"
LEAST_SECRET: Final = 4  # characters; fewer may stand in a reason by chance
MOST_SECRET: Final = 32  # characters of which none stands there by chance; what follows them is masked unread
REST: Final = r"""[^\s&"'<>,;]*"""
JWT: Final = r"eyJ[\w-]{8,}\.[\w.-]+"  # such as Vonage is given: good for some minutes
SHORTEST_NUMBER: Final = 8  # digits; fewer may stand in a reason by chance
SURE: Final = 7  # digits at the end of a number, by which it is known in any spelling; the first three are masked
GAP: Final = re.compile(r"[^0-9A-Za-z]{0,3}")  # between the digits of one number
CUT: Final = 255  # characters of a reason that may end in the middle of a number
HALF_NUMBER: Final = re.compile(r"[0-9][0-9 ().-]{4,}[0-9]\Z")
ANY_NUMBER: Final = re.compile(r"[0-9](?:[ ().-]{0,3}[0-9]){7,}")


@dataclass(frozen=True, slots=True)
class Discretion:
    """Takes out of what one connection says what nobody should read there. The repr shows nothing of it."""

    secrets: re.Pattern[str] = field(default=re.compile(JWT), repr=False)

    @staticmethod
    def about(credentials: Iterable[str]) -> Discretion:
        """Of a connection that has these credentials."""
        spellings = {one for each in credentials if len(each) >= LEAST_SECRET for one in _spellings(each)}
        found = [_pattern([_letter(c) for c in one]) for one in sorted(spellings, key=len, reverse=True)]
        return Discretion(re.compile("|".join([*found, JWT])))

    def reason(self, said: str, phone: str = "") -> str:
        """The words without credentials and without this number, E.164; without any number where it is not known."""
        if not said:
            return said
        said = self.secrets.sub(MASK, said)
        return _without(said, phone) if phone else ANY_NUMBER.sub(lambda found: _masked(found[0]), said)

    def outcome(self, outcome: Outcome, phone: str) -> Outcome:
        """The outcome of a submit to this number."""
        reason = self.reason(outcome.reason, phone)
        return outcome if reason == outcome.reason else replace(outcome, reason=reason)

    def receipt(self, receipt: Receipt) -> Receipt:
        """A receipt, of whoever's text."""
        reason = self.reason(receipt.reason)
        return receipt if reason == receipt.reason else replace(receipt, reason=reason)


def _spellings(secret: str) -> Iterator[str]:
    """The secret, and what base64 makes of it wherever it stands: after a user and a colon, for one."""
    yield secret
    octets = secret.encode("utf-8", "surrogatepass")
    for before, mixed in ((0, 0), (1, 2), (2, 3)):  # octets before it, and letters that are theirs as well
        yield b64encode(bytes(before) + octets).decode()[mixed : (before + len(octets)) * 8 // 6]


def _letter(c: str) -> str:
    """A pattern for one letter as it is, or escaped for an address, be it twice, for JSON or for HTML."""
    if c.isascii() and c.isalnum():
        return c
    octets = [f"{octet:02x}" for octet in c.encode("utf-8", "surrogatepass")]
    coded = "".join("(?:%(?:25)*)+" + "".join(f"[{h}{h.upper()}]" for h in octet) for octet in octets)
    ways = {r"\\?" + re.escape(c), re.escape(dumps(c)[1:-1]), re.escape(escape(c)), coded}
    return f"(?:{'|'.join(sorted(ways | ({'[+]'} if c == ' ' else set())))})"


def _pattern(letters: Sequence[str]) -> str:
    """A pattern for these letters in a row, or for the first of them where the words end: they may have been cut."""
    rest = REST if len(letters) > MOST_SECRET else ""
    for letter in reversed(letters[LEAST_SECRET:MOST_SECRET]):
        rest = rf"(?:\Z|{letter}{rest})"
    return "".join(letters[:LEAST_SECRET]) + rest


def _without(said: str, phone: str) -> str:
    """The words without this number, however its digits are set apart."""
    number = phone.removeprefix("+")
    if len(said) < SURE or len(number) < SHORTEST_NUMBER:
        return said
    places = [i for i, c in enumerate(said) if "0" <= c <= "9"]
    digits, sure = "".join(said[i] for i in places), number[-SURE:]
    end = len(digits)
    while (found := digits.rfind(sure, 0, end)) >= 0:  # from the end on, so that the places before stay
        end, span = found, places[found : found + SURE]
        if all(GAP.fullmatch(said, a + 1, b) for a, b in pairwise(span)):
            said = f"{said[: span[0]]}{_masked(said[span[0] : span[-1] + 1])}{said[span[-1] + 1 :]}"
    return HALF_NUMBER.sub(MASK, said) if len(said) >= CUT else said


def _masked(number: str) -> str:
    """The number without the first three of its last seven digits."""
    places = [i for i, c in enumerate(number) if "0" <= c <= "9"][-SURE:]
    return f"{number[: places[0]]}{MASK}{number[places[2] + 1 :]}"
