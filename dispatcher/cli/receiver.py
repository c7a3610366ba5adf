"""The demo's callback receiver."""

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
HEALTH: Final = "_DISPATCHER_HEALTH"


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


def _introduce(words: str, health: str) -> None:
    """Say how to begin once the API answers, so that what is pasted at once works."""
    while True:
        try:
            requests.get(health, timeout=2)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            sys.stdout.write(words)
            sys.stdout.flush()
            return


def demo_receiver(port: Annotated[int, typer.Option(min=1, max=65535)] = 8001) -> None:
    """Print the callbacks that arrive on 127.0.0.1, until stopped."""
    if (words := os.environ.pop(INTRODUCTION, None)) and (health := os.environ.pop(HEALTH, None)):
        threading.Thread(target=_introduce, args=(words, health), daemon=True).start()
    try:
        with ThreadingHTTPServer(("127.0.0.1", port), _Receiver) as server:
            server.serve_forever()
    except OSError as error:
        raise Failed(f"127.0.0.1:{port}: {error.strerror}") from None
