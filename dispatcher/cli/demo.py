"""The demo: everything on this machine, provisioned on the first run, with a receiver that shows callbacks."""

from __future__ import annotations

import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Final
from urllib.parse import quote_plus

import typer

from dispatcher.cli.common import Failed, settings
from dispatcher.cli.running import family, migrate
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.engine.provisioning import AppSettings, Wrong
from dispatcher.logs import configure
from dispatcher.processes import port_taken
from dispatcher.serve import Child, Family
from dispatcher.store.tables import App
from dispatcher.transports.simulated import behaviour
from dispatcher.wiring import provisioning

COMPANY: Final = "Demo"
APP_ID: Final = "com.example.demo"
SENDERS: Final = ("+12015550160", "+13015550161", "+14155550162")
RECEIVER_PORT: Final = 8001
LOOPBACK: Final = {"DISPATCHER_CALLBACKS__ALLOW": "127.0.0.0/8"}
AREA_CODES: Final = ("201", "206", "212", "301", "305", "312", "404", "415", "503", "617", "702", "713")


def demo() -> None:
    """Run it all on 127.0.0.1 with a demo account, and show how to post a first invitation."""
    found = settings(LOOPBACK)
    configure("warning")
    for host, port in ((found.web.host, found.web.port), ("127.0.0.1", RECEIVER_PORT)):
        if objection := port_taken(host, port):
            raise Failed(objection)
    migrate()
    _introduce()
    children = family(None, None)
    for child in children:
        child.environment |= LOOPBACK | {"DISPATCHER_LOG_LEVEL": "warning"}
    raise typer.Exit(Family([Child("receiver", ["demo-receiver"]), *children]).run())


def _introduce() -> None:
    found = settings(LOOPBACK)
    base = f"http://{found.web.host}:{found.web.port}"
    try:
        with provisioning(found) as (tools, rows):
            key, secret = "", ""
            if not rows.listed(App):
                _, made = tools.account(COMPANY, "demo@example.com")
                key, secret = made.api_key, made.secret
                tools.connection("simulated", "simulated", {}, {})
                for number in SENDERS:
                    tools.sender(number, "simulated", mps=10, daily_cap=None, apps=[], weight=1.0)
                url = f"http://127.0.0.1:{RECEIVER_PORT}/callback?id={{messageId}}&ref={{referenceId}}&phone={{phone}}"
                asked = AppSettings(
                    app_id=APP_ID,
                    callback_url=url + "&status={status}&at={completionDate}",
                    hours="always",
                )
                tools.app(key, asked)
    except (Wrong, StoreUnavailable) as error:
        raise Failed(str(error)) from None
    phone = _unused()
    say = typer.echo
    say(f"\nDispatcher is at {base}, data in {found.database_url}; Ctrl-C ends it.")
    say(f"Callbacks go to http://127.0.0.1:{RECEIVER_PORT} and are printed here; for this run, callbacks may reach")
    say("loopback addresses. Texts go to a simulated carrier: nobody is texted.\n")
    if secret:
        say(f"  apiKey  {key}\n  secret  {secret}   (shown this once)\n")
    else:
        say("  The apiKey and secret were shown on the first run; another pair:")
        say(f"  {sys.executable} -m dispatcher account add-key {COMPANY}\n")
        key, secret = "APIKEY", "SECRET"
    form = f"phone={quote_plus(phone)}&osType=ANDROID&appId={APP_ID}&message=Join+me+at+https://example.com/app"
    say("Post an invitation:\n")
    say(f"  curl --user {key}:{secret} --data '{form}' {base}/ws/invitation\n")
    say("and ask for its status with the messageId of the answer:\n")
    say(f"  curl --user {key}:{secret} {base}/ws/invitation/MESSAGEID\n")


def _unused() -> str:
    """A number out of those kept for fiction, which the simulated carrier delivers at once."""
    while True:
        phone = f"+1{secrets.choice(AREA_CODES)}55501{50 + secrets.randbelow(50)}"
        if not behaviour(phone):
            return phone


class _Receiver(BaseHTTPRequestHandler):
    """Prints each callback and answers 204."""

    def do_GET(self) -> None:
        """A callback."""
        delivery = self.headers.get("Dispatcher-Delivery", "")
        print(f"callback  GET {self.path}  delivery {delivery}", flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing more."""


def demo_receiver(port: Annotated[int, typer.Option()] = RECEIVER_PORT) -> None:
    """Print the callbacks that arrive on 127.0.0.1, until stopped."""
    try:
        with ThreadingHTTPServer(("127.0.0.1", port), _Receiver) as server:
            server.serve_forever()
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except OSError as error:
        raise Failed(f"127.0.0.1:{port}: {error.strerror}") from None
