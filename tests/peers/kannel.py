"""Kannel itself, as processes of a test: bearerbox, smsbox, and its own fake SMSC (Debian: kannel, kannel-extras)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Self

from tests.processes import eventually, free_port

BEARERBOX: Final = "/usr/sbin/bearerbox"
SMSBOX: Final = "/usr/sbin/smsbox"
FAKESMSC: Final = "/usr/lib/kannel/test/fakesmsc"
READY: Final = re.compile(r"smsbox:.*on-line.*\bfake\b.*?\(online", re.DOTALL)
ARRIVED: Final = re.compile("Got message [0-9]+: <(.*)>")
USER, PASSWORD = "dispatcher", "pass & word"
ABSENT: Final = " and ".join(
    package for package, program in (("kannel", BEARERBOX), ("kannel-extras", FAKESMSC)) if not shutil.which(program)
)

CORE: Final = """
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = bar
smsbox-port = {box}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
log-file = "bearerbox.log"
log-level = 0
sms-resend-freq = 1
sms-resend-retry = 1
sms-outgoing-queue-limit = {queue}
store-type = file
store-location = "kannel.store"
dlr-storage = internal
"""
# One fake SMSC for what we send; another brings replies, so that each of its clients has a port of its own.
FAKE: Final = """
group = smsc
smsc = fake
smsc-id = {id}
port = {port}
connect-allow-ip = "127.0.0.1"
allowed-smsc-id = {id}
"""
# Kannel's own client of a smsbox, which speaks sendsms.
UPSTREAM: Final = """
group = smsc
smsc = http
system-type = kannel
smsc-id = upstream
send-url = "{url}"
smsc-username = {user}
smsc-password = "{password}"
port = {port}
connect-allow-ip = "127.0.0.1"
allowed-smsc-id = upstream
"""
USERS: Final = """
group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
sendsms-interface = "127.0.0.1"
log-file = "smsbox.log"
log-level = 0
mo-recode = {recode}
http-request-retry = 100
http-queue-delay = 1

group = sendsms-user
username = {user}
password = "{password}"
concatenation = true
max-messages = 24

group = sms-service
keyword = default
catch-all = true
max-messages = 0
concatenation = true
get-url = "{replies}"
"""


class Gateway:
    """Kannel with its files in `folder`; `replies` is the get-url of its sms-service. A context manager."""

    def __init__(
        self,
        folder: Path,
        replies: str = "http://127.0.0.1:9/",
        upstream: str = "",
        recode: bool = True,
        queue: int = 1000,
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.ports: Mapping[str, int] = {name: free_port() for name in ("admin", "box", "send", "fake", "mo", "up")}
        self._running: list[subprocess.Popen[bytes]] = []
        self._writer: subprocess.Popen[bytes] | None = None
        said = {
            "user": USER,
            "password": PASSWORD,
            "replies": replies,
            "recode": str(recode).lower(),
            "queue": str(queue),
            "url": upstream,
        }
        words = CORE + (UPSTREAM if upstream else "") + USERS
        words = words.format(**self.ports, **said, port=self.ports["up"])
        words += "".join(FAKE.format(id=name, port=self.ports[name]) for name in ("fake", "mo"))
        (folder / "kannel.conf").write_text(words, encoding="utf-8")

    @property
    def url(self) -> str:
        """Where it takes submits."""
        return f"http://127.0.0.1:{self.ports['send']}/cgi-bin/sendsms"

    def __enter__(self) -> Self:
        try:
            self._start("bearerbox", BEARERBOX, "-v", "4", "kannel.conf")
            eventually("the bearerbox is there", lambda: "Kannel" in self._status())
            self._start("smsbox", SMSBOX, "-v", "4", "kannel.conf")
            self._start_fakesmsc("fakesmsc", "fake", "0", "1 2 text nop")
            eventually("smsbox and SMSC are there", lambda: READY.search(self._status()))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *ended: object) -> None:
        """The bearerbox first: it takes the others along, but hangs where its smsbox went before it."""
        for process in self._running:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()

    def reply(self, theirs: str, ours: str, text: str, kind: str = "text") -> None:
        """Somebody writes to us, once the last one has come; `text` of the kind ucs2 is UTF-16BE, percent-encoded."""
        if self._writer is not None:  # it never ends by itself, and the SMSC serves one at a time
            self._writer.terminate()
            self._writer.wait()
        self._writer = self._start_fakesmsc("reply", "mo", "1", f"{theirs} {ours} {kind} {text}")

    def arrived(self) -> list[str]:
        """What the SMSC got, as its program shows it: FROM TO KIND TEXT."""
        return ARRIVED.findall(self._said("fakesmsc.out"))

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.out").open("wb") as out:
            process = subprocess.Popen(
                ("setpriv", "--pdeathsig", "TERM", *command),  # it ends with us, however we end
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._running.append(process)
        return process

    def _start_fakesmsc(self, name: str, port: str, most: str, message: str) -> subprocess.Popen[bytes]:
        place = ("-H", "127.0.0.1", "-r", str(self.ports[port]))
        return self._start(name, FAKESMSC, *place, "-i", "0.1", "-m", most, message)

    def _said(self, file: str) -> str:
        return (self.folder / file).read_text(encoding="utf-8", errors="replace")

    def _status(self) -> str:
        """What the bearerbox says of itself and of those who are connected."""
        assert self._running[0].poll() is None, self._said("bearerbox.out")[-2000:]
        connection = HTTPConnection("127.0.0.1", self.ports["admin"], timeout=5)
        try:
            connection.request("GET", "/status.txt?password=bar")
            return connection.getresponse().read().decode("utf-8", "replace")
        except (OSError, HTTPException):
            return ""
        finally:
            connection.close()
