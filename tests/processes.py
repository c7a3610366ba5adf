"""Dispatcher as its operators run it: real processes, real sockets, kill -9; and what stands around it in a test."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from dispatcher.processes import PARENT, port_taken
from tests.recorder import TOKEN, Submit, Told

T = TypeVar("T")
ROOT: Final = Path(__file__).parent.parent
TOKEN_VALUE: Final = "token of a test"
PORTS: Final = range(20_000, 30_000)  # below those that the kernel gives to outgoing connections
TICK: Final = 0.02
_held: list[int] = []


def eventually(what: str, look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """What `look` finds, as soon as it is something true; AssertionError when it never is."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(TICK)
    return found


def free_port() -> int:
    """A port that is free, and stays ours among the tests of this machine until this process ends."""
    folder = Path(tempfile.gettempdir()) / "dispatcher-test-ports"
    folder.mkdir(exist_ok=True)
    while True:
        port = random.choice(PORTS)
        lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        if port_taken("127.0.0.1", port):
            os.close(lock)
            continue
        _held.append(lock)
        return port


def children_of(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == pid and state != "Z":
                    found.append(int(entry.name))
    return sorted(found)


def family_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(p for child in children_of(pid) for p in family_of(child))]


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end_now(pids: Sequence[int]) -> None:
    """Kill -9."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass(frozen=True, slots=True)
class Customer:
    """A client of the API with its credential; `port` says which web process it asks."""

    key: str
    secret: str
    port: int

    def call(self, method: str, path: str, form: Mapping[str, str] | None = None, *, port: int | None = None) -> Answer:
        """One request on a connection of its own. Raises OSError or HTTPException where there is no answer."""
        basic = b64encode(f"{self.key}:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        body = urlencode(form) if form is not None else None
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def invite(self, phone: str, *, port: int | None = None, **more: str) -> Answer:
        form = {"phone": phone, "osType": "ANDROID", "message": "Join me", "appId": "com.example.1"} | more
        return self.call("POST", "/ws/invitation", form, port=port)

    def status(self, message_id: str, *, port: int | None = None) -> dict[str, Any]:
        answer = self.call("GET", f"/ws/invitation/{message_id}", port=port)
        assert answer.status == 200, answer
        return answer.json

    def final(self, message_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """The status, once it is final."""

        def look() -> dict[str, Any] | None:
            found = self.status(message_id)
            return found if found["completionDate"] is not None else None

        return eventually(f"{message_id} is final", look, seconds)


class Process:
    """A process of ours with its log."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], log: Path, stdin: int = subprocess.DEVNULL
    ) -> None:
        self.words = words
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={
                    **environment,
                    PARENT: str(os.getpid()),
                },  # it ends with the thread that starts it, however that ends
                stdin=stdin,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Ask it to end; the status it ended with."""
        self.popen.send_signal(number)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.send_signal(signal.SIGABRT)  # faulthandler writes down what each thread was doing
            self.popen.wait(seconds)
            raise AssertionError(f"not ended within {seconds:g} s: {self.log.read_text()[-8000:]}") from None

    def kill(self) -> None:
        """Kill -9, of this process alone."""
        self.popen.kill()
        self.popen.wait()


@dataclass
class Stage:
    """One installation: its database, its settings, its folder for logs, and the processes that a test starts on it."""

    database_url: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    started: list[Process] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What every process gets: nothing of the operator's own DISPATCHER_*, bytecode from a place of the tests."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DISPATCHER_", "PYTHON", "COV_"))}
        return inherited | {
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"dispatcher-test-bytecode-{os.getuid()}"),
            "PYTHONWARNINGS": "error",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONUNBUFFERED": "1",
            "DISPATCHER_DATABASE_URL": self.database_url,
            "DISPATCHER_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "DISPATCHER_WEB__PORT": str(self.port),
            "DISPATCHER_WEB__THREADS": "8",
            "DISPATCHER_POSTGRES__CONNECTIONS": "4",
            "DISPATCHER_CALLBACKS__ALLOW": "127.0.0.0/8",
            TOKEN: TOKEN_VALUE,
            **self.settings,
        }

    def command(self, *words: str) -> dict[str, Any]:
        """What a command answers with --json."""
        return dict(self.commanded(*words))

    def commanded(self, *words: str) -> Any:  # noqa: ANN401 (an object of most commands, a list of some)
        """The same, also where it is a list."""
        done = subprocess.run(
            [sys.executable, "-m", "dispatcher", *words, "--json"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def start(
        self, *words: str, ready: bool = True, module: str = "dispatcher", stdin: int = subprocess.DEVNULL
    ) -> Process:
        """`python -m dispatcher WORDS`; with `ready`, once the API of that process answers."""
        log = self.folder / f"{len(self.started)}-{words[0]}.log"
        process = Process(["-m", module, *words], self.environment, log, stdin)
        self.started.append(process)
        if ready:
            port = int(words[words.index("--port") + 1]) if "--port" in words else self.port
            self.wait_for_web(process, port)
        return process

    def wait_for_web(self, process: Process, port: int) -> None:
        """Until the API answers."""

        def look() -> bool:
            assert process.popen.poll() is None, f"it ended at once: {process.log.read_text()}"
            with suppress(OSError, HTTPException):
                return Customer("", "", port).call("GET", "/health").status == 200
            return False

        eventually(f"the API answers on port {port}", look)

    def complaints(self, expected: str = "Traceback is expected nowhere") -> list[str]:
        """Every line of any log that no healthy process writes, but for those that hold what is `expected`."""
        marks = ("Traceback", "Error:", "Warning:", '"level": "critical"')
        return [
            f"{process.log.name}: {line}"
            for process in self.started
            for line in process.log.read_text().splitlines()
            if any(mark in line for mark in marks) and expected not in line
        ]

    def close(self) -> None:
        """Nothing of it outlives this."""
        families = [pid for process in self.started for pid in family_of(process.pid)]
        end_now(families)
        for process in self.started:
            with process.popen:  # closes what it was given to read
                process.popen.wait()
        eventually("every process has ended", lambda: not any(map(runs, families)))


@contextmanager
def staged(database_url: str, folder: Path, **settings: object) -> Iterator[Stage]:
    """A stage for one test; WORK__LEASE_SECONDS=7 is DISPATCHER_WORK__LEASE_SECONDS."""
    stage = Stage(database_url, folder, {f"DISPATCHER_{name}": str(value) for name, value in settings.items()})
    try:
        yield stage
    finally:
        stage.close()


@dataclass(frozen=True, slots=True)
class Call:
    """A callback that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]


class Receiver:
    """A customer's endpoint: keeps what arrives and answers `status`, with a `location` if any."""

    def __init__(self, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.status = 204
        self.location = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.calls.append(Call(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a caller that was killed

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Recorder:
    """The recording carrier (tests/recorder.py) in its own process, and what a test asks of it."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.file = folder / "ledger.jsonl"
        self._log = (folder / "recorder.log").open("ab")
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.recorder", "--file", str(self.file), "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, TOKEN: TOKEN_VALUE, PARENT: str(os.getpid())},
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._popen.stdout is not None
        self.port = int(self._popen.stdout.readline())

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *ended: object) -> None:
        self._popen.terminate()
        with self._popen:
            assert self._popen.wait(10) == 0
        self._log.close()
        assert Path(self._log.name).read_bytes() == b""

    def settings(self) -> dict[str, Any]:
        """Its description, as `connection add --file tests/recorder.toml --set request.url=...` keeps it."""
        described = tomllib.loads((ROOT / "tests" / "recorder.toml").read_text())
        described["request"]["url"] = self.url
        return described

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/submit"

    def reply(self, port: int, their: str, our: str, text: str, ref: str, connection: str = "carrier") -> int:
        """Have somebody answer, by a hook of the web process at `port`; the status that the hook got."""
        body = json.dumps({"from": their, "to": our, "text": text, "id": ref})
        hook = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            headers = {"Content-Type": "application/json", "X-Webhook-Token": TOKEN_VALUE}
            hook.request("POST", f"/hooks/{connection}", body, headers)
            return hook.getresponse().status
        finally:
            hook.close()

    def tell(self, **control: object) -> None:
        """How to behave: see Carrier._tell."""
        self._ask("PUT", "/control", control)

    def count(self) -> int:
        """How many submits arrived."""
        return int(self._ask("GET", "/count")["submits"])

    def turned_away(self) -> int:
        """How many submits came with another key than the one in force."""
        return int(self._ask("GET", "/count")["turned"])

    def wait_for(self, count: int) -> None:
        """Until so many submits arrived."""
        eventually(f"{count} submits", lambda: self.count() >= count, 60)

    def submits(self) -> list[Submit]:
        return [Submit(**each) for each in self._ask("GET", "/ledger")["submits"]]

    def receipts(self) -> list[Told]:
        return [Told(**each) for each in self._ask("GET", "/ledger")["receipts"]]

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            assert response.status == 200, response.status
            return dict(json.loads(response.read()))
        finally:
            connection.close()
