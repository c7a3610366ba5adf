"""What others say, as a text column holds it."""

from __future__ import annotations

from typing import Final

from dispatcher.core.reading import clean

MOST: Final = 255


def kept(said: str) -> str:
    """The beginning of it, without what no column takes: an odd word must not keep its row from being written."""
    return clean(said[:MOST])
