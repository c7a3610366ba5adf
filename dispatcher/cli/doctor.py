"""Whether this installation is fit to send."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from dispatcher.cli.common import AsJson, listing, settings


def doctor(as_json: AsJson = False) -> None:
    """Check settings, database, connections, senders and workers; status 1 if anything is to be done."""
    from dispatcher.wiring.doctor import examine

    found = list(examine(settings()))
    shown = [asdict(one) | {"todo": None if one.ok else one.todo} for one in found]
    listing(shown, as_json=as_json, line=_line)
    if not all(one.ok for one in found):
        raise typer.Exit(1)


def _line(row: dict[str, Any]) -> str:
    return f"{'ok ' if row['ok'] else 'BAD'}  {row['check']}: {row['what']}" + (
        f"; {row['todo']}" if row["todo"] else ""
    )
