"""A stand-in for a carrier: a small server that keeps each request whole and answers what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

from dispatcher.core.exchange import Request, Response
from dispatcher.transports.http import HttpTransport

PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came over the socket; `target` is the path with its query, names of headers are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def said(self, *names: str) -> tuple[object, ...]:
        """All but the headers, and those of them that matter: two requests that say the same are equal in this."""
        return self.method, self.target, self.body, {name: self.headers.get(name.lower()) for name in names}


Respond = Callable[[Seen], Response]


class Stand:
    """A context manager; `answer` may be changed at any time, and may depend on what was asked."""

    def __init__(self, answer: Response | Respond) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, body)
                stand.seen.append(seen)
                answer = stand.answer if isinstance(stand.answer, Response) else stand.answer(seen)
                self.send_response(answer.status)
                # Closed, for the clients of many SDKs never end their sessions.
                told = {"Content-Type": "application/json", "Content-Length": str(len(answer.body)), **answer.headers}
                for name, value in (told | {"Connection": "close"}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815  # names that the library looks for

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self) -> Seen:
        """The only request since the last one was taken."""
        [seen] = self.seen
        self.seen.clear()
        return seen


def carried(request: Request) -> Response:
    """What is answered to a request that our own transport carries."""
    answers: list[Response] = []
    done = threading.Event()

    def take(response: Response) -> None:
        answers.append(response)
        done.set()

    with HttpTransport(connect_timeout=PATIENCE, timeout=PATIENCE, user_agent="Dispatcher/test", slots=1) as transport:
        transport.start(request, take, lane="test")
        assert done.wait(2 * PATIENCE)
    return answers[0]
