"""Apps: the store listings that accounts invite to."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.common import AsJson, Failed, answer, provisioned
from dispatcher.core.invitation import Policy
from dispatcher.engine.provisioning import AppSettings

cli = typer.Typer(help="The apps that people are invited to.", no_args_is_help=True)


@cli.command()
def create(
    account: Annotated[str, typer.Option(help="The owner: an apiKey, number or company name.")],
    app_id: Annotated[str, typer.Option(help="Its id in the store, as clients send it.")],
    callback_url: Annotated[str, typer.Option(help="Called on final outcomes; may name {messageId} and so on.")] = "",
    hours: Annotated[str, typer.Option(help="always, or a TOML file of open hours (default 09:00-20:00).")] = "",
    country: Annotated[str, typer.Option(help="The country that national numbers are read in.")] = "US",
    country_from_sender: Annotated[bool, typer.Option(help="Read them in the senderPhone's country instead.")] = False,
    countries: Annotated[str, typer.Option(help="Where it may invite to: all, or codes separated by commas.")] = "all",
    policy: Annotated[Policy, typer.Option(help="What becomes of an outcome nobody knows.")] = Policy.AT_MOST_ONCE,
    callback_corrections: Annotated[bool, typer.Option(help="Call once more when a receipt corrects a 124.")] = False,
    callback_clicks: Annotated[bool, typer.Option(help="Call on clicks too.")] = False,
    network_id: Annotated[str, typer.Option(help="%network_id% in acceptance reports (default: the app id).")] = "",
    accepted_url: Annotated[str, typer.Option(help="Called when an invited person joins.")] = "",
    accepted_post_data: Annotated[str, typer.Option(help="Its body; then it is a POST.")] = "",
    accepted_content_type: Annotated[str, typer.Option(help="Of that body: JSON, form or XML.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an app of an account."""
    asked = AppSettings(
        app_id=app_id,
        callback_url=callback_url,
        hours=_hours(hours),
        country=country.upper() if country.isascii() else country,  # else ß becomes SS, a country
        countries=countries,
        network_id=network_id,
        accepted_url=accepted_url,
        accepted_post_data=accepted_post_data,
        accepted_content_type=accepted_content_type,
        policy=policy,
        country_from_sender=country_from_sender,
        callback_clicks=callback_clicks,
        callback_corrections=callback_corrections,
    )
    with provisioned() as (provisioning, _):
        number, secret = provisioning.app(account, asked)
    answer({"app": number, "appId": app_id, "callbackSecret": secret}, as_json=as_json)


def _hours(given: str) -> dict[str, Any] | str | None:
    if given in ("", "always"):
        return given or None
    try:
        return tomllib.loads(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failed(f"hours: {given}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number too long, lists too deep
        raise Failed(f"hours: {given}: {error}") from None
