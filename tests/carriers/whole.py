"""The whole engine with one HTTP carrier: web and work as they are wired, a database, sockets, and a stand-in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

from werkzeug.serving import WSGIRequestHandler, make_server

from dispatcher.store.statement import Row, Statement
from dispatcher.wiring.parts import open_database
from dispatcher.wiring.web import web_application
from dispatcher.wiring.work import working
from tests.carriers.stand import Seen, Stand
from tests.factories import SECRET, provision
from tests.processes import Customer, eventually, free_port
from tests.web.api import Api, settled

FORM: Final = "application/x-www-form-urlencoded"
SENDER: Final = "+12015550000"  # the one that provision() makes
_phones: Final = count(2223333)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Whole:
    """An engine whose connection `carrier` submits to `stand` and hears at `public_url`/hooks/carrier."""

    api: Api
    stand: Stand
    customer: Customer
    public_url: str

    def invite(self, text: str = "Join me") -> tuple[str, str, Seen]:
        """Invite somebody new: the message id, their number, and the submit that the stand-in saw."""
        self.stand.seen.clear()
        phone = f"+1301{next(_phones)}"
        answer = self.customer.invite(phone, message=text)
        assert answer.status == 200, answer
        eventually("the submit", lambda: self.stand.seen)
        return str(answer.json["messageId"]), phone, self.stand.take()

    def standing(self, message_id: str) -> tuple[str, int]:
        """The public word and the code."""
        found = self.customer.status(message_id)
        return found["status"], found["code"]

    def sent(self, message_id: str) -> None:
        """Wait until the carrier's answer is written."""
        eventually("it is sent", lambda: self.standing(message_id) == ("sent", 0))

    def hook(self, url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> int:
        """The carrier's request to us, over a socket; the HTTP status that it gets."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == self.public_url, "the address that we told the carrier is ours"
        connection = HTTPConnection("127.0.0.1", int(parts.port or 0), timeout=20)
        try:
            connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def query(self, words: str) -> list[Row]:
        """What the database says to a select."""
        return self.api.query(Statement(words))


@contextmanager
def whole(database_url: str, stand: Stand, carrier: str, settings: dict[str, Any], **given: object) -> Iterator[Whole]:
    """Web and work over this database, with account 1, app com.example.1 and the connection `carrier` of this kind.

    `settings` are the connection's, as its file gives them; credentials stand in the environment of this process.
    `given` are settings of the engine, named as in the environment.
    """
    port = free_port()
    public_url = f"http://127.0.0.1:{port}"
    used = settled(database_url, PUBLIC_URL=public_url, **given)
    database = open_database(used)
    try:
        rows = provision(database, carrier=carrier, settings=settings)
        app = web_application(used)
        server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            with working(used):
                yield Whole(Api(app, database, rows, database_url), stand, Customer("key", SECRET, port), public_url)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            app.extensions["house"].close()
    finally:
        database.close()
