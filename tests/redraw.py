"""Redraws what the docs show of the program's own tables: `make docs`. A test fails while they differ."""

from __future__ import annotations

import re
from pathlib import Path

from dispatcher.core.lifecycle import diagram

LIFECYCLE = Path(__file__).parent.parent / "docs" / "lifecycle.md"
DRAWING = re.compile(r"(```mermaid\n).*?(\n```)", re.DOTALL)


def redrawn() -> str:
    """docs/lifecycle.md with the diagram as the table has it now."""
    return DRAWING.sub(lambda found: found[1] + diagram() + found[2], LIFECYCLE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    LIFECYCLE.write_text(redrawn(), encoding="utf-8")
