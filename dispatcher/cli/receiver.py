"""The demo's callback receiver."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated

import typer

from dispatcher.cli.common import Failed


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


def demo_receiver(port: Annotated[int, typer.Option(min=1, max=65535)] = 8001) -> None:
    """Print the callbacks that arrive on 127.0.0.1, until stopped."""
    try:
        with ThreadingHTTPServer(("127.0.0.1", port), _Receiver) as server:
            server.serve_forever()
    except OSError as error:
        raise Failed(f"127.0.0.1:{port}: {error.strerror}") from None
