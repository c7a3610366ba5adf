"""Numbers: what an operator knows of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, instant_of, one_sentence, settings, visible

cli = typer.Typer(help="What is known of numbers.", no_args_is_help=True)
LONGEST_LINE = 65_536  # characters read at once, whatever the file holds


@cli.callback()
def number() -> None:
    """Keep `import` a command of its own, though it is the only one."""


@cli.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header: number, line_type, os, country.")],
    country: Annotated[str, typer.Option(help="The country of national numbers, where a line names none.")] = "US",
    as_of: Annotated[str, typer.Option(help="When this was known, such as 2026-11-22T09:00Z (default: now).")] = "",
    dry_run: Annotated[bool, typer.Option(help="Read and refuse, but keep nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep which numbers are landlines or feature phones; lines that cannot be read are told, and end in status 1."""
    from dispatcher.wiring.desk import imports
    from dispatcher.wiring.parts import utc_now

    now = utc_now()
    at = instant_of("as-of", as_of) if as_of else now
    if at > now:
        raise Failed("as-of: must not be in the future, or nothing that is learned later would count")
    with one_sentence(), imports(settings()) as desk:
        try:
            with file.open(encoding="utf-8-sig", errors="replace") as text:
                lines = iter(partial(text.readline, LONGEST_LINE), "")
                found = desk.load(lines, country=country, at=at, refuse=_refuse, dry_run=dry_run)
        except OSError as error:
            raise Failed(f"{file}: {error.strerror}") from None
    kept = {"kept": 0, "wouldKeep": found.kept} if dry_run else {"kept": found.kept}
    told = {"lines": found.lines, "refused": found.refused, **kept, "asOf": instant(at), "dryRun": dry_run}
    answer(told, as_json=as_json)
    if found.refused:
        raise typer.Exit(1)


def _refuse(line: int, why: str) -> None:
    typer.echo(f"line {line}: {visible(why)}", err=True)
