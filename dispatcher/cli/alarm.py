"""Alarms: what an operator has to see to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dispatcher.cli.common import AsJson, instant, listing, one_sentence, settings

cli = typer.Typer(help="What an operator has to see to.", no_args_is_help=True)


@cli.callback()
def alarms() -> None:
    """Keep `alarm list` two words."""


@cli.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that are over: the last of each.")] = False,
    as_json: AsJson = False,
) -> None:
    """The alarms that are open: since when, how often, and why last."""
    from dispatcher.wiring.desk import all_alarms

    with one_sentence():
        found = all_alarms(settings())
    shown = [
        {
            "kind": alarm.kind,
            "subject": alarm.subject,
            "since": instant(alarm.since),
            "lastAt": instant(alarm.last_at),
            "count": alarm.count,
            "reason": alarm.reason,
            "open": alarm.is_open,
        }
        for alarm in found
        if every or alarm.is_open
    ]
    listing(shown, as_json=as_json, line=_line)


def _line(row: dict[str, Any]) -> str:
    times = "once" if row["count"] == 1 else f"{row['count']} times, the last at {row['lastAt']}"
    state = "" if row["open"] else "over  "
    return f"{state}{row['kind']}  {row['subject']}  since {row['since']}, {times}: {row['reason']}"
