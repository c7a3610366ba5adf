"""How often properties draw: seldom in the gate, often with FAULTS=short."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

AT_LENGTH: Final = os.environ.get("FAULTS") in {"short", "full"}
FEWER: Final = 4
LEAST: Final = 40


def drawn(most: int) -> settings:
    """Draw up to `most` examples at length, and a part of them in the gate."""
    return settings(max_examples=most if AT_LENGTH else min(most, max(LEAST, most // FEWER)))
