"""Senders: the numbers that texts come from."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli.common import AsJson, answer, provisioned

cli = typer.Typer(help="The numbers, short codes and names that texts come from.", no_args_is_help=True)


@cli.command()
def add(
    number: Annotated[str, typer.Argument(help="+E.164, a short code, or up to 11 letters and digits.")],
    connection: Annotated[str, typer.Option(help="The connection it belongs to.")],
    mps: Annotated[float, typer.Option(help="Segments per second it may submit.")] = 1.0,
    daily_cap: Annotated[int | None, typer.Option(help="Segments per UTC day it may submit.")] = None,
    weight: Annotated[float, typer.Option(help="Its share beside the others of its pool.")] = 1.0,
    app: Annotated[list[str] | None, typer.Option(help="Dedicate it to this app (may be repeated).")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a sender to a connection; without --app it is shared by all apps that have none of their own."""
    with provisioned() as (provisioning, _):
        number_id, written = provisioning.sender(
            number, connection, mps=mps, daily_cap=daily_cap, apps=app or [], weight=weight
        )
    answer({"sender": number_id, "number": written, "connection": connection}, as_json=as_json)
