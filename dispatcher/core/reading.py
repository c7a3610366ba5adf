"""Reading what carriers write: whatever it holds, it is read or it is nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dispatcher.core.given import NO_TEXT

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_SECONDS: Final = 11  # digits; more are of milliseconds


def json_of(body: bytes) -> Any:  # noqa: ANN401  # whatever they wrote
    """The body read as JSON; None for anything else."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def dig(value: Any, *steps: str | int) -> Any:  # noqa: ANN401
    """What stands at the end of these steps through objects and lists; None where nothing does."""
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def text_at(value: Any, *steps: str | int, most: int = 255) -> str:  # noqa: ANN401
    """A text, or a number as text, at the end of these steps, cut at `most`; "" for anything else."""
    found = dig(value, *steps)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return clean(str(found))[:most]


def id_at(value: Any, *steps: str | int, most: int = 255) -> str:  # noqa: ANN401
    """An id at the end of these steps, cut at `most`: a text that is not blank or a whole number above 0; else ""."""
    found = dig(value, *steps)
    if isinstance(found, int) and not isinstance(found, bool) and found > 0:
        found = str(found)
    return clean(found)[:most] if isinstance(found, str) and clean(found).strip() else ""


def clean(text: str) -> str:
    """The text without what no database keeps: NUL and halves of surrogate pairs."""
    return NO_TEXT.sub("", text)


def instant_of(said: str) -> datetime | None:
    """The instant in UTC that is written as ISO 8601 with its offset, or as seconds or milliseconds since 1970."""
    try:
        if said.isascii() and said.isdigit():
            count = int(said)
            return EPOCH + (timedelta(seconds=count) if len(said) <= MOST_SECONDS else timedelta(milliseconds=count))
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None
