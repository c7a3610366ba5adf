"""The senders that people know from an app: whom it texts again, it texts from the same one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, listing, masked, one_sentence, settings

cli = typer.Typer(help="The senders that people know from an app.", no_args_is_help=True)

AppId = Annotated[str, typer.Argument(help="The app's id.")]
Owner = Annotated[str, typer.Option("--account", help="Its account, where several have an app of that id.")]


@cli.command("list")
def list_(app_id: AppId, account: Owner = "", as_json: AsJson = False) -> None:
    """Every person that an app texted lately, and from which sender; numbers stand whole in --json alone."""
    from dispatcher.wiring.desk import sticky

    with one_sentence(), sticky(settings()) as desk:
        shown = (
            {"phone": phone or None, "sender": sender, "usedAt": instant(used_at)}
            for phone, sender, used_at in desk.listed(app_id, account)
        )
        listing(shown, as_json=as_json, line=_line)


@cli.command()
def reset(
    app_id: AppId,
    account: Owner = "",
    phone: Annotated[str, typer.Option(help="For this person alone.")] = "",
    country: Annotated[str, typer.Option(help="The country that a national number is read in.")] = "US",
    sender: Annotated[str, typer.Option(help="For this sender alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """Forget the senders that people know from an app; the next text chooses anew."""
    from dispatcher.wiring.desk import sticky

    if phone and sender:
        raise Failed("phone: either --phone or --sender")
    with one_sentence(), sticky(settings()) as desk:
        forgotten = desk.reset(app_id, account, phone, country, sender)
    answer({"appId": app_id, "forgotten": forgotten}, as_json=as_json)


def _line(row: dict[str, Any]) -> str:
    phone = masked(row["phone"]) if row["phone"] else "(erased)"
    return f"{phone}  {row['sender']}  {row['usedAt']}"
