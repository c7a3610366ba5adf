"""What is settled of a sender, each setting checked before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dispatcher.core.codes import Refusal
from dispatcher.core.phone import parse
from dispatcher.engine.checks import Wrong, is_country, share

MOST_DAILY: Final = 2_147_483_647  # what the column holds


def sender_number(number: str) -> tuple[str, str, str]:
    """A sender as it is kept, its kind, and its region where it has one."""
    digits = number.removeprefix("+")
    if number.startswith("+"):
        try:
            phone = parse(number, "US")
        except Refusal:
            raise Wrong("number: not a valid phone number; write it as +, country code and number") from None
        kind = "toll_free" if phone.line_type == "toll_free" else "long_code"
        return phone.e164, kind, phone.region
    if digits.isascii() and digits.isdigit():
        if 3 <= len(digits) <= 8:
            return digits, "short_code", ""
        raise Wrong("number: a phone number begins with +; a short code has 3 to 8 digits")
    if 1 <= len(number) <= 11 and number.isascii() and number.replace(" ", "").isalnum():
        return number, "alphanumeric", ""
    raise Wrong("number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits")


def _mps(asked: float) -> float:
    if not 0.001 <= asked <= 1_000_000:
        raise Wrong("mps: 0.001 to 1000000 segments per second")
    return asked


def _daily_cap(asked: int | None) -> int | None:
    if asked is not None and not 1 <= asked <= MOST_DAILY:
        raise Wrong(f"daily-cap: 1 to {MOST_DAILY}")
    return asked


def sender_columns(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a sender that are asked for, each checked. Raises Wrong."""
    columns: dict[str, Callable[[Any], Any]] = {"mps": _mps, "daily_cap": _daily_cap, "weight": share}
    return {name: check(asked[name]) for name, check in columns.items() if name in asked}


def sender_region(number: str, own: str, asked: str) -> str:
    """The country whose people a sender is chosen for first: its number's own, else the one said. Raises Wrong."""
    if asked and not is_country(asked):
        raise Wrong("country: not an ISO 3166 country code such as US or DE")
    if own and asked.upper() not in {"", own}:
        raise Wrong(f"country: {number} is a number of {own}")
    return own or asked.upper()
