"""Opt-outs: who is not to be texted, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, listing, masked, opted_out

cli = typer.Typer(help="People who are not to be texted.", no_args_is_help=True)

Phone = Annotated[str, typer.Argument(help="The number as somebody typed it.")]
Country = Annotated[str, typer.Option(help="The country that a national number is read in.")]
App = Annotated[str, typer.Option(help="By this app.")]
Account = Annotated[
    str, typer.Option(help="By every app of this account: an apiKey, number or company name; with --app its owner.")
]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="By anybody.")]


@cli.command()
def add(
    phone: Phone,
    country: Country = "US",
    app: App = "",
    account: Account = "",
    everywhere: Everywhere = False,
    said: Annotated[str, typer.Option(help="What they said, for the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep a person from being texted, and discard what waits for them."""
    _check_scope(app, account, everywhere)
    with opted_out() as desk:
        scope, scope_id = desk.scope(app, account)
        e164, discarded = desk.optouts.add(phone, country, scope, scope_id, said)
    answer({"phone": e164, "scope": scope, "discarded": discarded}, as_json=as_json)


@cli.command()
def remove(
    phone: Phone,
    country: Country = "US",
    app: App = "",
    account: Account = "",
    everywhere: Everywhere = False,
    as_json: AsJson = False,
) -> None:
    """Let a person be texted again; their other opt-outs stay."""
    _check_scope(app, account, everywhere)
    with opted_out() as desk:
        scope, scope_id = desk.scope(app, account)
        e164 = desk.optouts.remove(phone, country, scope, scope_id)
    answer({"phone": e164, "scope": scope}, as_json=as_json)


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every opt-out; numbers stand whole in --json alone."""
    with opted_out() as desk:
        listing(_shown(desk.listed()), as_json=as_json, line=_line)


def _check_scope(app: str, account: str, everywhere: bool) -> None:
    if bool(app or account) == everywhere:
        raise Failed("scope: must be one of --app, --account and --everywhere")


def _shown(found: Iterator[tuple[Any, str | None]]) -> Iterator[dict[str, Any]]:
    for optout, whose in found:
        yield {
            "phone": optout.address or None,  # erased, or learned from a carrier that told no number
            "scope": optout.scope,
            "whose": whose,
            "source": optout.source,
            "said": optout.said,
            "since": instant(optout.created_at),
        }


def _line(row: dict[str, Any]) -> str:
    phone = masked(row["phone"]) if row["phone"] else "(erased)"
    whose = f" {row['whose']}" if row["whose"] else ""
    return f"{phone}  {row['scope']}{whose}  {row['source']}  {row['since']}  {' '.join(row['said'].split())}".rstrip()
