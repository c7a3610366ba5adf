"""Apps: the store listings that accounts invite to."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli import sticky
from dispatcher.cli.common import AsJson, Failed, answer, instant, listing, provisioned
from dispatcher.core.invitation import Policy
from dispatcher.engine.app_settings import AppSettings
from dispatcher.store.tables import App

cli = typer.Typer(help="The apps that people are invited to.", no_args_is_help=True)
cli.add_typer(sticky.cli, name="sticky")

AppId = Annotated[str, typer.Argument(help="The app's id.")]
Owner = Annotated[str, typer.Option("--account", help="Its account, where several have an app of that id.")]
DAY = 86_400
ABOUT = {  # of what `show` tells, where the name alone does not
    "callbackFailures": "in a row",
    "country": "that national numbers are read in",
    "countryFromSender": "read them in the senderPhone's country instead",
    "countries": "where it may invite to",
    "policy": "what becomes of an outcome that nobody knows",
    "duplicateDays": "how long nobody is invited again",
    "mostSegments": "longer texts are refused",
    "weight": "its share beside other apps",
    "stopText": "confirms a STOP",
    "startText": "confirms a START",
    "helpText": "answers HELP",
}


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
    duplicate_days: Annotated[float, typer.Option(min=0, max=3650, help="How long nobody is invited again.")] = 7,
    most_segments: Annotated[int, typer.Option(min=1, max=255, help="Longer texts are refused.")] = 10,
    weight: Annotated[float, typer.Option(help="Its share beside other apps.")] = 1.0,
    stop_text: Annotated[str, typer.Option(help="Confirms a STOP; {app} is its id (default: a plain text).")] = "",
    start_text: Annotated[str, typer.Option(help="Confirms a START.")] = "",
    help_text: Annotated[str, typer.Option(help="Answers HELP: who sends, and how to stop it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an app of an account."""
    asked = AppSettings(
        app_id=app_id,
        callback_url=callback_url,
        hours=_hours(hours),
        country=country.upper() if country.isascii() else country,  # else ß becomes SS, a country
        countries=countries,
        stop_text=stop_text,
        start_text=start_text,
        help_text=help_text,
        policy=policy,
        country_from_sender=country_from_sender,
        callback_clicks=callback_clicks,
        callback_corrections=callback_corrections,
        duplicate_seconds=int(duplicate_days * DAY),
        most_segments=most_segments,
        weight=weight,
    )
    with provisioned() as (provisioning, _):
        number, secret = provisioning.app(account, asked)
    answer({"app": number, "appId": app_id, "callbackSecret": secret}, as_json=as_json)


@cli.command("set")
def set_(
    app_id: AppId,
    account: Owner = "",
    callback_url: Annotated[str | None, typer.Option(help="Called on final outcomes; empty for none.")] = None,
    hours: Annotated[str | None, typer.Option(help="always, default, or a TOML file of open hours.")] = None,
    country: Annotated[str | None, typer.Option(help="The country that national numbers are read in.")] = None,
    country_from_sender: Annotated[bool | None, typer.Option(help="Read them in the senderPhone's country.")] = None,
    countries: Annotated[str | None, typer.Option(help="all, or codes separated by commas.")] = None,
    policy: Annotated[Policy | None, typer.Option(help="What becomes of an outcome nobody knows.")] = None,
    callback_corrections: Annotated[bool | None, typer.Option(help="Call when a receipt corrects a 124.")] = None,
    callback_clicks: Annotated[bool | None, typer.Option(help="Call on clicks too.")] = None,
    duplicate_days: Annotated[
        float | None, typer.Option(min=0, max=3650, help="How long nobody is invited again.")
    ] = None,
    most_segments: Annotated[int | None, typer.Option(min=1, max=255, help="Longer texts are refused.")] = None,
    weight: Annotated[float | None, typer.Option(help="Its share beside other apps.")] = None,
    stop_text: Annotated[str | None, typer.Option(help="Confirms a STOP; empty: the default.")] = None,
    start_text: Annotated[str | None, typer.Option(help="Confirms a START; empty: the default.")] = None,
    help_text: Annotated[str | None, typer.Option(help="Answers HELP; empty: the default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change an app; what is not named stays. Running processes heed it within two seconds."""
    given: dict[str, Any] = {
        "callback_url": callback_url,
        "country": country,
        "country_from_sender": country_from_sender,
        "countries": countries,
        "policy": policy,
        "callback_corrections": callback_corrections,
        "callback_clicks": callback_clicks,
        "duplicate_seconds": None if duplicate_days is None else int(duplicate_days * DAY),
        "most_segments": most_segments,
        "weight": weight,
        "stop_text": stop_text,
        "start_text": start_text,
        "help_text": help_text,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    if hours is not None:
        asked["hours"] = None if hours == "default" else _hours(hours)
    with provisioned() as (provisioning, _):
        provisioning.change_app(app_id, account, asked)
    answer({"appId": app_id}, as_json=as_json)


@cli.command()
def pause(app_id: AppId, account: Owner = "", as_json: AsJson = False) -> None:
    """Leave what is queued for an app alone; running processes heed it within two seconds."""
    with provisioned() as (provisioning, _):
        provisioning.pause_app(app_id, account, paused=True)
    answer({"appId": app_id, "paused": True}, as_json=as_json)


@cli.command()
def resume(app_id: AppId, account: Owner = "", as_json: AsJson = False) -> None:
    """Go on with an app, and with callbacks if its endpoint stopped them; processes heed it within two seconds."""
    with provisioned() as (provisioning, rows):
        stopped = rows.ailing().get(rows.find_app(app_id, account), {}).get("stopped_at")
        provisioning.pause_app(app_id, account, paused=False)
    note = "The stop of its callbacks has ended; what is owed goes out." if stopped else ""
    answer({"appId": app_id, "paused": False}, as_json=as_json, note=note)


@cli.command()
def secret(app_id: AppId, account: Owner = "", as_json: AsJson = False) -> None:
    """Renew the secret that signs an app's callbacks; the old one signs no more."""
    with provisioned() as (provisioning, _):
        renewed = provisioning.renew_secret(app_id, account)
    answer({"appId": app_id, "callbackSecret": renewed}, as_json=as_json, note="The secret is shown this once.")


@cli.command("list")
def list_(
    account: Annotated[str, typer.Option(help="Those of this account: an apiKey, number or company name.")] = "",
    as_json: AsJson = False,
) -> None:
    """Every app, with its owner."""
    with provisioned() as (_, rows):
        owner = rows.find_account(account) if account else None
        ailing = rows.ailing()
        shown = [_shown(row, ailing) for row in rows.listed(App) if owner in {None, row["account_id"]}]
    listing(shown, as_json=as_json, line=_line)


@cli.command()
def show(app_id: AppId, account: Owner = "", as_json: AsJson = False) -> None:
    """All that is settled of an app, but for the secret of its callbacks."""
    with provisioned() as (_, rows):
        number = rows.find_app(app_id, account)
        [found] = [row for row in rows.listed(App) if row["id"] == number]
        ailing = rows.ailing()
    shown = _shown(found, ailing)
    answer(shown if as_json else shown | _worded(shown), as_json=as_json, about=ABOUT)


def _worded(shown: dict[str, Any]) -> dict[str, Any]:
    """What people read where programs read a table or nothing."""
    texts = {name: shown[name] or "the default" for name in ("stopText", "startText", "helpText")}
    days = shown["hours"] or {}
    spans = ", ".join(" ".join([day, *(open_ or ["closed"])]) for day, open_ in days.items() if open_ is not True)
    return texts | {"hours": (spans or "always") if days else "the default"}


def _shown(row: dict[str, Any], ailing: dict[int, dict[str, Any]]) -> dict[str, Any]:
    endpoint = ailing.get(row["id"], {"failures": 0, "rest_until": None, "stopped_at": None, "reason": ""})
    return {
        "app": row["id"],
        "appId": row["app_id"],
        "account": row["account_id"],
        "paused": row["paused_at"] is not None,
        "callbackUrl": row["callback_url"],
        "callbackClicks": bool(row["callback_clicks"]),
        "callbackCorrections": bool(row["callback_corrections"]),
        "callbackFailures": endpoint["failures"],  # in a row
        "callbackRestUntil": instant(endpoint["rest_until"]),
        "callbackStoppedAt": instant(endpoint["stopped_at"]),
        "callbackReason": endpoint["reason"] or None,
        "hours": row["hours"],  # none: the default
        "country": row["country"],
        "countryFromSender": bool(row["country_from_sender"]),
        "countries": row["countries"],
        "policy": row["policy"],
        "duplicateDays": row["duplicate_seconds"] / DAY,
        "mostSegments": row["most_segments"],
        "weight": row["weight"],
        "stopText": row["stop_text"] or None,  # none: the default
        "startText": row["start_text"] or None,
        "helpText": row["help_text"] or None,
        "since": instant(row["created_at"]),
    }


def _line(row: dict[str, Any]) -> str:
    state = "paused" if row["paused"] else "open"
    if row["callbackStoppedAt"]:
        state += f", callbacks stopped since {row['callbackStoppedAt']}: {row['callbackReason']}"
    return f"{row['appId']}  account {row['account']}  {state}  {row['countries']}  {row['callbackUrl']}".rstrip()


def _hours(given: str) -> dict[str, Any] | str | None:
    if given in ("", "always"):
        return given or None
    try:
        return tomllib.loads(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failed(f"hours: {given}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number too long, lists too deep
        raise Failed(f"hours: {given}: {error}") from None
