"""Senders: the numbers that texts come from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dispatcher.cli.common import AsJson, Failed, answer, health, instant, listing, provisioned

cli = typer.Typer(help="The numbers, short codes and names that texts come from.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="The sender.")]
OfConnection = Annotated[str, typer.Option("--connection", help="Its connection, where several have that number.")]


@cli.command()
def add(
    number: Annotated[str, typer.Argument(help="+E.164, a short code, or up to 11 letters and digits.")],
    connection: Annotated[str, typer.Option(help="The connection it belongs to.")],
    mps: Annotated[float, typer.Option(help="Segments per second it may submit.")] = 1.0,
    daily_cap: Annotated[int | None, typer.Option(help="Segments per UTC day it may submit.")] = None,
    weight: Annotated[float, typer.Option(help="Its share beside the others of its pool.")] = 1.0,
    country: Annotated[str, typer.Option(help="Whom a short code or a name is for; a number tells it itself.")] = "",
    app: Annotated[list[str] | None, typer.Option(help="Dedicate it to this app (may be repeated).")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a sender to a connection; without --app it is shared by all apps that have none of their own."""
    with provisioned() as (provisioning, _):
        number_id, written = provisioning.sender(
            number, connection, mps=mps, daily_cap=daily_cap, apps=app or [], weight=weight, country=country
        )
    answer({"sender": number_id, "number": written, "connection": connection}, as_json=as_json)


@cli.command("set")
def set_(
    number: Number,
    connection: OfConnection = "",
    mps: Annotated[float | None, typer.Option(help="Segments per second it may submit.")] = None,
    daily_cap: Annotated[int | None, typer.Option(help="Segments per UTC day it may submit.")] = None,
    no_daily_cap: Annotated[bool, typer.Option("--no-daily-cap", help="As many as it likes.")] = False,
    weight: Annotated[float | None, typer.Option(help="Its share beside the others of its pool.")] = None,
    country: Annotated[str | None, typer.Option(help="Whom a short code or a name is for; empty for all.")] = None,
    app: Annotated[list[str] | None, typer.Option(help="Dedicate it to this app alone (may be repeated).")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Share it among all apps that have none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change a sender; what is not named stays. Running processes heed it at once."""
    if daily_cap is not None and no_daily_cap:
        raise Failed("daily-cap: either --daily-cap or --no-daily-cap")
    if app and shared:
        raise Failed("app: either --app or --shared")
    asked: dict[str, Any] = {"mps": mps, "daily_cap": daily_cap, "weight": weight, "country": country}
    asked = {name: value for name, value in asked.items() if value is not None}
    if no_daily_cap:
        asked["daily_cap"] = None
    with provisioned() as (provisioning, _):
        written = provisioning.change_sender(number, connection, asked, [] if shared else app or None)
    answer({"number": written}, as_json=as_json)


@cli.command()
def pause(number: Number, connection: OfConnection = "", as_json: AsJson = False) -> None:
    """Submit nothing more from a sender; what is in flight is finished."""
    with provisioned() as (provisioning, _):
        written = provisioning.pause_sender(number, connection, paused=True)
    answer({"number": written, "paused": True}, as_json=as_json)


@cli.command()
def resume(number: Number, connection: OfConnection = "", as_json: AsJson = False) -> None:
    """Submit from a sender again."""
    with provisioned() as (provisioning, _):
        written = provisioning.pause_sender(number, connection, paused=False)
    answer({"number": written, "paused": False}, as_json=as_json)


@cli.command()
def remove(number: Number, connection: OfConnection = "", as_json: AsJson = False) -> None:
    """Remove a sender that was never used; any other can be paused."""
    with provisioned() as (provisioning, _):
        written = provisioning.remove_sender(number, connection)
    answer({"number": written, "removed": True}, as_json=as_json)


@cli.command()
def rest(
    number: Number,
    clear: Annotated[bool, typer.Option("--clear", help="End it now.")] = False,
    connection: OfConnection = "",
    as_json: AsJson = False,
) -> None:
    """End the rest of a sender that its carrier objected to."""
    if not clear:
        raise Failed("rest: say --clear to end it; rests begin by themselves")
    with provisioned() as (provisioning, _):
        written = provisioning.end_rest(number, connection)
    answer({"number": written, "restUntil": None}, as_json=as_json)


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every sender, with its limits and whether it is used now."""
    from dispatcher.store.rooms import used_today
    from dispatcher.store.tables import App, Connection, Sender
    from dispatcher.wiring.parts import utc_now

    now = utc_now()
    with provisioned() as (_, rows):
        lines = {row["id"]: row["name"] for row in rows.listed(Connection)}
        names = {row["id"]: row["app_id"] for row in rows.listed(App)}
        dedicated = rows.dedicated()
        senders, (_, unwell) = rows.listed(Sender), rows.unwell()
    shown = []
    for row in senders:
        rests = row["rest_until"] is not None and row["rest_until"] > now
        shown.append(
            {
                "number": row["number"],
                "connection": lines[row["connection_id"]],
                "kind": row["kind"],
                "region": row["region"] or None,
                "mps": row["mps"],
                "dailyCap": row["daily_cap"],
                "usedToday": used_today(row, now),
                "weight": row["weight"],
                **health(unwell.get(row["id"])),
                "apps": [names[app] for app in dedicated.get(row["id"], [])],
                "paused": row["paused_at"] is not None,
                "restUntil": instant(row["rest_until"]) if rests else None,
                "restReason": row["rest_reason"] if rests else None,
            }
        )
    listing(shown, as_json=as_json, line=_line)


def _line(row: dict[str, Any]) -> str:
    cap = f"{row['usedToday']} of {row['dailyCap']} today" if row["dailyCap"] else "no daily cap"
    apps = " ".join(row["apps"]) or "shared"
    state = f"health {row['health']:g}: {row['ails']}" if row["ails"] else "ok"
    state = f"rests until {row['restUntil']}: {row['restReason']}" if row["restUntil"] else state
    state = "paused" if row["paused"] else state
    return f"{row['number']}  {row['region'] or '-'}  {row['connection']}  {row['mps']:g} mps  {cap}  {apps}  {state}"
