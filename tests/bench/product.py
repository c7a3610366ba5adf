"""Dispatcher as it is installed: provisioned by its command line, run by its front door."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite
from tests.bench.databases import Place
from tests.bench.own import Failed, free_port, listening, output, running, tail
from tests.bench.without_c import phone_of
from tests.factories import candidate

APP = "com.mediocre.sprinklefree"
SENDERS = ("+12015550160", "+13015550161", "+14155550162", "+12065550163")
COMMAND = (sys.executable, "-m", "dispatcher")
PAGE = 1000
CONNECTION = """
[request]
method = "POST"
url = "http://127.0.0.1:{port}/Messages"
headers = {{ Authorization = "Basic QUM6dG9r" }}
body = "To={{to}}&From={{from}}&Body={{text}}&key={{key}}"
[answer]
id = "json:id"
"""
TEXT = "Download this awesome game http://goo.gl/XYZ"


@dataclass(frozen=True, slots=True)
class Customer:
    """Who posts in this run: credentials, and the numbers of account and app."""

    key: str
    secret: str
    account: int
    app: int


def environment(url: str) -> dict[str, str]:
    """What differs from the settings as shipped: the database, and that is all."""
    return {"DISPATCHER_DATABASE_URL": url, "PYTHONUNBUFFERED": "1"}


def provision(url: str, carrier_port: int, folder: Path) -> Customer:
    """An account, an app, a carrier and its senders, as a person would make them."""

    def do(*words: str) -> str:
        return output([*COMMAND, *words], environment(url))

    do("migrate")
    made = json.loads(do("account", "create", "--company", "Bench", "--email", "bench@example.com", "--json"))
    connection = folder / "connection.toml"
    connection.write_text(CONNECTION.format(port=carrier_port))
    do("connection", "add", "carrier", "--carrier", "generic", "--file", str(connection))
    for number in SENDERS:
        do("sender", "add", number, "--connection", "carrier", "--mps", "1000000")
    app = json.loads(do("app", "create", "--account", made["apiKey"], "--app-id", APP, "--hours", "always", "--json"))
    return Customer(made["apiKey"], made["secret"], made["account"], app["app"])


def seed(url: str, customer: Customer, serials: range, ahead: timedelta) -> None:
    """Queue invitations by the product's own admission, without HTTP; they are due `ahead` of now."""
    now = datetime.now(UTC)
    due = now + ahead
    database: Database = Sqlite(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite") else Postgres(url)
    try:
        admissions = Admissions(database)
        for page in (serials[at : at + PAGE] for at in range(0, len(serials), PAGE)):
            found = admissions.admit(
                [
                    candidate(
                        f"+1{phone_of(n)}", id=(1 << 50) + n, account_id=customer.account, app_id=customer.app,
                        text=TEXT, created_at=now, planned_at=due, expires_at=due + timedelta(hours=24),
                        duplicate_until=now + timedelta(days=7), key=f"r:{n}", reference=str(n),
                    )
                    for n in page
                ],
                now,
            )  # fmt: skip
            if any(one.code for one in found):
                raise Failed("an invitation of the seed was discarded")
    finally:
        database.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the product; `port` is 0 where it does not listen."""

    pid: int
    port: int = 0


@contextmanager
def serving(command: str, url: str, folder: Path) -> Iterator[Running]:
    """`web` or `serve`, for the length of the block."""
    port, log = free_port(), folder / f"{command}.log"
    words = [*COMMAND, command, "--host", "127.0.0.1", "--port", str(port)]
    with running(words, environment(url), log) as process:
        listening(process, port, log)
        time.sleep(1.0)  # the second worker
        yield Running(process.pid, port)
        if process.poll() is not None:
            raise Failed(f"{command} ended: {tail(log)}")


@contextmanager
def working(url: str, folder: Path) -> Iterator[Running]:
    """`work`, for the length of the block."""
    log = folder / "work.log"
    with running([*COMMAND, "work"], environment(url), log) as process:
        yield Running(process.pid)
        if process.poll() is not None:
            raise Failed(f"work ended: {tail(log)}")


def states(place: Place, name: str) -> dict[str, int]:
    """How many invitations are in which state."""
    return {str(row[0]): int(row[1]) for row in place.ask(name, "select state, count(*) from messages group by state")}
