"""What would become of an invitation, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, instant_of, one_sentence, settings, visible
from dispatcher.core.invitation import InviteRequest, Os


def explain(
    phone: Annotated[str, typer.Argument(help="The number as somebody typed it.")],
    app: Annotated[str, typer.Option(help="The app that would invite.")],
    account: Annotated[str, typer.Option(help="Its account, where several have an app of that id.")] = "",
    country: Annotated[
        str, typer.Option(help="The country that a national number is read in (default: the app's).")
    ] = "",
    os: Annotated[Os, typer.Option(help="The device that is asked for.")] = Os.IOS_ANDROID,
    text: Annotated[str, typer.Option(help="The message.")] = "",
    at: Annotated[str, typer.Option(help="As if posted then, such as 2026-11-22T09:00Z (default: now).")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell what would become of an invitation: each rule, what it says and why; nothing is stored."""
    from dispatcher.core.phone import known_region
    from dispatcher.wiring.explain import explaining

    if country and not known_region(country):
        raise Failed("country: not an ISO 3166 country code such as US or DE")
    request = InviteRequest(phone=phone, text=text, app_id=app, os=os, region=country)
    posted = instant_of("at", at) if at else None
    with one_sentence(), explaining(settings()) as desk:
        found = desk.ask(account, request, posted)
    rules = [{"rule": each.rule, "verdict": each.verdict, "because": each.because} for each in found.rules]
    told = {
        "phone": found.phone or None,
        "allowed": not found.code,
        "code": int(found.code),
        "message": found.message,
        "nextOpenAt": instant(found.next_open_at),
        "zones": list(found.zones),
        "sender": found.sender or None,
    }
    if as_json:
        answer(told | {"rules": rules}, as_json=True)
        return
    answer(told, as_json=False)
    for each in found.rules:
        typer.echo(f"  {each.verdict:<7}  {each.rule:<10}  {visible(each.because)}")
