"""Receipts that match no message."""

from __future__ import annotations

from typing import Any

import typer

from dispatcher.cli.common import TOLD, AsJson, instant, listing, one_sentence, settings
from dispatcher.core.lifecycle import Event

cli = typer.Typer(help="Receipts that match no message.", no_args_is_help=True)


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every receipt whose message is not known, kept for seven days in case it becomes so."""
    from dispatcher.wiring.desk import orphans

    with one_sentence(), orphans(settings()) as found:
        shown = (
            {
                "connection": orphan.connection,
                "key": orphan.receipt.key or None,
                "ref": orphan.receipt.ref or None,
                "event": TOLD[orphan.receipt.event],
                "code": int(orphan.receipt.code) if orphan.receipt.event is Event.REFUSE else None,
                "reason": orphan.receipt.reason or None,
                "receivedAt": instant(orphan.received_at),
            }
            for orphan in found
        )
        listing(shown, as_json=as_json, line=_line)


def _line(row: dict[str, Any]) -> str:
    names = [f"{name} {row[name]}" for name in ("key", "ref") if row[name]]
    event = f"{row['event']} ({row['code']})" if row["code"] else row["event"]
    return "  ".join([row["connection"], *names, event, row["receivedAt"], row["reason"] or ""]).rstrip()
