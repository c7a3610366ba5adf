"""The demo: everything on this machine, provisioned on the first run, with a receiver that shows callbacks."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote_plus

import typer

from dispatcher.cli.common import Failed, provisioned, settings
from dispatcher.cli.receiver import API, CREDENTIAL, INTRODUCTION, OTHER_APP
from dispatcher.cli.running import family, migrate_first
from dispatcher.logs import configure
from dispatcher.processes import port_taken
from dispatcher.serve import Child, become
from dispatcher.settings import Settings

COMPANY: Final = "Demo"
APP_ID: Final = "com.example.demo"
SENDERS: Final = ("+12015550140", "+13015550141", "+14155550142")
AREA_CODES: Final = ("201", "206", "212", "301", "305", "312", "404", "415", "503", "617", "702", "713")


def demo(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Where the API listens (8000).")] = None,
    receiver_port: Annotated[int, typer.Option(min=1, max=65535, help="Where callbacks are received.")] = 8001,
) -> None:
    """Run it all on 127.0.0.1 with a demo account, and show how to post a first invitation."""
    environment = {"DISPATCHER_CALLBACKS__ALLOW": "127.0.0.0/8"}
    if port is not None:
        environment |= {"DISPATCHER_WEB__PORT": str(port), "DISPATCHER_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    found = settings(environment)
    configure("warning")
    for host, taken in ((found.web.host, found.web.port), ("127.0.0.1", receiver_port)):
        if objection := port_taken(host, taken):
            raise Failed(f"{objection}; choose others with make run ARGS='--port 8010 --receiver-port 8011'")
    migrate_first(environment)
    key, secret = _provisioned(found, receiver_port)
    base = f"http://{found.web.host}:{found.web.port}"
    typer.echo(f"Dispatcher is starting at {base} ...", err=True)
    told = {INTRODUCTION: _introduction(found, receiver_port, key, secret), API: base}
    if secret:
        told |= {CREDENTIAL: f"{key}:{secret}"}
    children = family(found)
    for child in children:
        child.environment |= environment | {"DISPATCHER_LOG_LEVEL": "warning"}
    receiver = Child("receiver", ["demo-receiver", "--port", str(receiver_port)], told)
    become([receiver, *children], "warning")


def _provisioned(found: Settings, receiver_port: int) -> tuple[str, str]:
    """The credential of a new demo account; empty where the database has been provisioned before.

    Callbacks go to the receiver of this run, whatever port an earlier one had.
    """
    from dispatcher.engine.app_settings import AppSettings
    from dispatcher.store.tables import App

    url = f"http://127.0.0.1:{receiver_port}/callback?id={{messageId}}&ref={{referenceId}}&phone={{phone}}"
    url += "&status={status}&at={completionDate}"
    with provisioned(found) as (tools, rows):
        if apps := rows.listed(App):
            for app in apps:
                if app["app_id"] == APP_ID:
                    tools.change_app(APP_ID, str(app["account_id"]), {"callback_url": url})
            return "", ""
        _, made = tools.account(COMPANY, "demo@example.com")
        tools.connection("simulated", "simulated", {}, {})
        tools.app(made.api_key, AppSettings(APP_ID, callback_url=url, callback_clicks=True, hours="always"))
        tools.app(made.api_key, AppSettings(OTHER_APP, hours="always"))
        for number in SENDERS:  # of their own: so nothing else is ever simulated, and the demo texts nobody
            tools.sender(number, "simulated", mps=10, daily_cap=None, apps=[APP_ID, OTHER_APP], weight=1.0)
        return made.api_key, made.secret


def _introduction(found: Settings, receiver_port: int, key: str, secret: str) -> str:
    base = f"http://{found.web.host}:{found.web.port}"
    phone = f"+1{secrets.choice(AREA_CODES)}55501{50 + secrets.randbelow(50)}"  # kept for fiction; nobody's number
    form = f"phone={quote_plus(phone)}&osType=ANDROID&appId={APP_ID}&message=Join+me+at+https://example.com/app"
    if secret:
        credential = f"  apiKey  {key}\n  secret  {secret}   (shown this once)\n"
    else:
        add = f"{_relative(sys.executable)} -m dispatcher account add-key {COMPANY}"
        credential = f"  The apiKey and secret were shown on the first run; for another pair:\n  {add}\n"
        key, secret = "APIKEY", "SECRET"
    return f"""
Dispatcher is ready at {base}; Ctrl-C ends it.
Data is kept in {_where(found.database_url)}.
Callbacks go to http://127.0.0.1:{receiver_port} and are printed here; for this run, callbacks may reach
loopback addresses. Texts go to a simulated carrier: nobody is texted.

{credential}
Post an invitation:

  curl --user {key}:{secret} --data '{form}' {base}/ws/invitation

and ask for its status with the messageId of the answer:

  curl --user {key}:{secret} {base}/ws/invitation/MESSAGEID

README.md names a number for every status code.

"""


def _where(url: str) -> str:
    if url.startswith("sqlite:///"):
        return str(Path(url.removeprefix("sqlite:///")).resolve())
    return url.rpartition("@")[2]  # without the password


def _relative(path: str) -> str:
    short = os.path.relpath(path)
    return path if short.startswith("..") else short
