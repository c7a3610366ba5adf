"""The demo's customer: prepares what the README speaks of, says how to begin, and shows the callbacks that arrive."""

from __future__ import annotations

import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Final

import requests
import typer

from dispatcher.cli.common import Failed

INTRODUCTION: Final = "_DISPATCHER_INTRODUCTION"
API: Final = "_DISPATCHER_API"
CREDENTIAL: Final = "_DISPATCHER_CREDENTIAL"  # apiKey:secret, on the first run alone: it is kept nowhere

OTHER_APP: Final = "com.example.other"  # which has no callbacks, so that those shown are of what is posted by hand
SEEN: Final = "+14155550136"  # whose recipient has followed a link of the other app, on an iPhone
IPHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


class _Receiver(BaseHTTPRequestHandler):
    """Prints each callback and answers 204."""

    def do_GET(self) -> None:
        """A callback."""
        delivery = self.headers.get("Dispatcher-Delivery", "")
        sys.stdout.write(f"callback  GET {self.path}  delivery {delivery}\n")  # one write, for calls come at once
        sys.stdout.flush()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing more."""


def _introduce(words: str, api: str, credential: str) -> None:
    """Say how to begin once the API answers, so that what is pasted at once works."""
    with requests.Session() as http:
        http.trust_env = False  # no proxy stands before this machine's own API
        while True:
            try:
                http.get(f"{api}/health", timeout=2)
                if credential:
                    _prepare(http, api, credential)
            except requests.RequestException:
                time.sleep(0.1)
            else:
                sys.stdout.write(words)
                sys.stdout.flush()
                return


def _prepare(http: requests.Session, api: str, credential: str) -> None:
    """Teach the engine one phone, as any customer would. Repeated, it changes nothing."""
    key, _, secret = credential.partition(":")
    invited = {"phone": SEEN, "osType": "IOS", "message": "Join me", "appId": OTHER_APP, "referenceId": "prepared"}
    clicked = {"referenceId": "prepared", "userAgent": IPHONE}
    for path, form in (("invitation", invited), ("click", clicked)):
        http.post(f"{api}/ws/{path}", form, auth=(key, secret), timeout=10).raise_for_status()


def demo_receiver(port: Annotated[int, typer.Option(min=1, max=65535)] = 8001) -> None:
    """Print the callbacks that arrive on 127.0.0.1, until stopped."""
    words, api, credential = (os.environ.pop(name, "") for name in (INTRODUCTION, API, CREDENTIAL))
    if words:
        threading.Thread(target=_introduce, args=(words, api, credential), daemon=True).start()
    try:
        with ThreadingHTTPServer(("127.0.0.1", port), _Receiver) as server:
            server.serve_forever()
    except OSError as error:
        raise Failed(f"127.0.0.1:{port}: {error.strerror}") from None
