"""How else the number of a phone is written by networks that tell what it texted.

- Argentina: a mobile is called from abroad as +54 9 and its ten digits, and texts without the 9. The ten digits are
  given out once, to a mobile or to a landline (ENACOM, Plan Fundamental de Numeración Nacional); who texts is a mobile.
- Brazil: every mobile number got a 9 after its area code from 2012 to 6 November 2016 (Anatel, Resolução 553/2010), and
  is still told without it. Lines of trunked radio got none, whose numbers begin with 7: of those it cannot be told.

Mexico's old spellings are no numbers any more, and are read as today's wherever they are typed (phone.py).
"""

from __future__ import annotations

import re
from typing import Final

ARGENTINA: Final = re.compile(r"\+549?([0-9]{10})")
BRAZIL: Final = re.compile(r"\+55([0-9]{2})([6-9][0-9]{7})")


def spellings(e164: str) -> list[str]:
    """Every number that a phone may have which texts as this one, itself included, the likeliest first."""
    if found := ARGENTINA.fullmatch(e164):
        return [f"+549{found[1]}", f"+54{found[1]}"]
    if found := BRAZIL.fullmatch(e164):
        return [e164, f"+55{found[1]}9{found[2]}"]
    return [e164]
