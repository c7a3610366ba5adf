"""Carriers that take one text of each key, however often it is submitted, and lose their own answers as told.

Each in a thread of the test, over sockets, in its vendor's words. What a number's last digit does to its first submits:
1 it is taken, and the connection ends before the answer; 2 the connection ends before it is taken; 3 the same as 1, and
the first question is answered 503. All else is taken and answered.
"""

from __future__ import annotations

import json
import re
import threading
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

CUT: Final = 0  # a status in whose place nothing is answered


@dataclass(frozen=True, slots=True)
class Asked:
    """A text as it arrived: whom it was for, and every byte of it."""

    to: str
    bytes: bytes


class Deduplicating:
    """The ledger of such a carrier: what `arrived` by its key, and what was `taken`, of which two are one too many."""

    carrier: str

    def __init__(self) -> None:
        self.arrived: defaultdict[str, list[Asked]] = defaultdict(list)
        self.taken: defaultdict[str, list[Asked]] = defaultdict(list)
        self._lock = threading.Lock()
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(*carrier.submit(dict(self.headers), body))

            def do_GET(self) -> None:
                self._answer(200, carrier.listed(self.path))

            def _answer(self, status: int, answer: object) -> None:
                if status == CUT:
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a worker that was killed

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

    def of(self, ledger: Mapping[str, list[Asked]]) -> Counter[str]:
        """How many there are of each message: a key begins with its id."""
        return Counter(re.split("[:-]", key)[0] for key, texts in ledger.items() for _ in texts)

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Of a connection to it."""

    @abstractmethod
    def texts(self, headers: Mapping[str, str], body: bytes) -> dict[str, Asked]:
        """The texts of a request, by what the carrier knows a repeat by."""

    @abstractmethod
    def answer(self, before: Mapping[str, bool]) -> tuple[int, object]:
        """The answer about these, by whether they had been taken before."""

    def listed(self, path: str) -> object:
        """What it tells of the texts that it was asked for."""
        raise NotImplementedError

    def submit(self, headers: Mapping[str, str], body: bytes) -> tuple[int, object]:
        status = 200
        before = {}
        with self._lock:
            for key, text in self.texts(headers, body).items():
                self.arrived[key].append(text)
                before[key] = bool(self.taken[key])
                match text.to[-1], len(self.arrived[key]):
                    case "2", 1:
                        status = CUT
                        continue
                    case (("1" | "3"), 1):
                        status = CUT
                    case "3", 2:
                        status = 503
                if not before[key]:
                    self.taken[key].append(text)
                elif self.taken[key][0].bytes != text.bytes:
                    self.taken[key].append(text)  # another text: no carrier takes it for the same
        return self.answer(before) if status == 200 else (status, {})


class Telnyx(Deduplicating):
    """A repeated Idempotency-Key is answered as the first time."""

    carrier = "telnyx"

    @property
    def settings(self) -> dict[str, Any]:
        credentials = {"api_key": "env:TEST_API_KEY", "public_key": "env:TEST_PUBLIC_KEY"}
        return {"base_url": f"{self.url}/v2", "credentials": credentials}

    def texts(self, headers: Mapping[str, str], body: bytes) -> dict[str, Asked]:
        return {headers["Idempotency-Key"]: Asked(json.loads(body)["to"], body)}

    def answer(self, before: Mapping[str, bool]) -> tuple[int, object]:
        [key] = before
        return 200, {"data": {"id": f"telnyx-{key}"}}


class Infobip(Deduplicating):
    """A repeated message id is refused as a duplicate."""

    carrier = "infobip"

    @property
    def settings(self) -> dict[str, Any]:
        credentials = {"api_key": "env:TEST_API_KEY", "hook_token": "env:TEST_HOOK_TOKEN"}
        return {"base_url": self.url, "credentials": credentials}

    def texts(self, headers: Mapping[str, str], body: bytes) -> dict[str, Asked]:
        found = {}
        for message in json.loads(body)["messages"]:
            [destination] = message["destinations"]
            found[destination["messageId"]] = Asked(destination["to"], json.dumps(message).encode())
        return found

    def answer(self, before: Mapping[str, bool]) -> tuple[int, object]:
        taken = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
        again = {"groupId": 5, "groupName": "REJECTED", "id": 23, "name": "REJECTED_DUPLICATE_MESSAGE_ID"}
        return 200, {
            "messages": [{"messageId": key, "status": again if known else taken} for key, known in before.items()]
        }


class Sinch(Deduplicating):
    """It knows no repeat: it has a list of what it took."""

    carrier = "sinch"

    @property
    def settings(self) -> dict[str, Any]:
        credentials = {"api_token": "env:TEST_API_KEY", "hook_token": "env:TEST_HOOK_TOKEN"}
        return {"base_url": self.url, "service_plan_id": "plan", "credentials": credentials}

    def texts(self, headers: Mapping[str, str], body: bytes) -> dict[str, Asked]:
        batch = json.loads(body)
        return {batch["client_reference"]: Asked(batch["to"][0], body)}

    def answer(self, before: Mapping[str, bool]) -> tuple[int, object]:
        [key] = before
        return 201, {"id": f"sinch-{key}"}

    def listed(self, path: str) -> object:
        [key] = parse_qs(urlsplit(path).query)["client_reference"]
        batches = [{"id": f"sinch-{key}", "client_reference": key} for _ in self.taken[key]]
        return {"count": len(batches), "page": 0, "page_size": 30, "batches": batches}


CARRIERS: Final = (Telnyx, Infobip)
ENVIRONMENT: Final = {
    "TEST_API_KEY": "secret",
    "TEST_PUBLIC_KEY": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
    "TEST_HOOK_TOKEN": "token",
}
