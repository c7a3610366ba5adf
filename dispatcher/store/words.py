"""What others say, as a text column holds it."""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 255
NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")  # NUL and halves of surrogate pairs, which PostgreSQL does not take


def kept(said: str) -> str:
    """The beginning of it, without what no column takes: an odd word must not keep its row from being written."""
    return NO_TEXT.sub("", said[:MOST])
