"""What may be kept: the refusal of an operator's words, and what every database takes."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Final

from dispatcher.core.phone import known_region

MOST_DEPTH: Final = 20  # of tables within tables; none that means something comes near


class Wrong(Exception):
    """Something that cannot be provisioned as asked, in one sentence that names what is at fault."""


def _is_text(value: str) -> bool:
    """Whether every database keeps it: neither NUL nor half a surrogate pair (a byte that is no UTF-8)."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)


def check_texts(**given: str) -> None:
    """Raise Wrong for what no database takes as text, naming it."""
    for name, value in given.items():
        if not _is_text(value):
            raise Wrong(f"{name.replace('_', '-')}: must be text in UTF-8, without NUL")


def is_country(code: str) -> bool:
    """Two letters that are a country, in either case; 001, the region of no country, is none."""
    return len(code) == 2 and known_region(code)


def share(asked: float) -> float:
    """A weight beside others. Raises Wrong."""
    if not 0.01 <= asked <= 1000:  # less is no share of any batch; see MOST_BEHIND in core/senders.py
        raise Wrong("weight: 0.01 to 1000")
    return asked


def not_kept(value: object, key: str = "", depth: int = 0) -> str | None:
    """Why the settings of a connection cannot be kept as JSON, naming the one at fault; None if they can."""
    if depth > MOST_DEPTH:
        return "settings: too many tables within one another"
    if not isinstance(value, Mapping | list | tuple):
        return None if _is_plain(value) else f"{ascii(key)[1:-1]}: must be text in UTF-8, a number, true or false"
    below = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, inner in below:
        named = f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}" if key else name
        objection = not_kept(name, named) or not_kept(inner, named, depth + 1)
        if objection:
            return objection
    return None


def _is_plain(value: object) -> bool:
    """Whether it is a text or number that JSON can tell and every database keeps."""
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and isfinite(value)
