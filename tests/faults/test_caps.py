"""A carrier that cannot be reached for a while uses up nobody's daily cap: all that the cap allows leaves after it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dispatcher.store.database import Database
from dispatcher.store.queries import MessageQueries
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import SECRET, provision
from tests.processes import ROOT, Customer, Recorder, eventually, free_port, staged
from tests.smsc import Smsc

CAP, MORE = 5, 3
PASSWORD = "TEST_SMPP_PASSWORD"
TRIED = Statement("select count(*) from attempts where fate = 'later'")
LEFT = Statement("select count(*) from messages where state in ('submitted', 'delivered')")
WAIT = Statement("select id from messages where state = 'queued'")


def http(port: int) -> dict[str, Any]:
    described = tomllib.loads((ROOT / "tests" / "recorder.toml").read_text())
    return {**described, "request": {**described["request"], "url": f"http://127.0.0.1:{port}/submit"}}


def smpp(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "system_id": "us", "credentials": {"password": f"env:{PASSWORD}"}}


@contextmanager
def smsc(folder: Path, port: int) -> Iterator[Callable[[], int]]:
    with Smsc(port=port) as carrier:
        yield lambda: len(carrier.submits)


@contextmanager
def recorder(folder: Path, port: int) -> Iterator[Callable[[], int]]:
    with Recorder(folder, port) as carrier:
        yield carrier.count


@pytest.mark.parametrize(
    ("carrier", "settings", "at_work"), [("generic", http, recorder), ("smpp", smpp, smsc)], ids=["http", "smpp"]
)
def test_an_outage_uses_up_no_cap(
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    carrier: str,
    settings: Callable[[int], dict[str, Any]],
    at_work: Callable[[Path, int], Any],
) -> None:
    monkeypatch.setenv(PASSWORD, "secret")
    port = free_port()
    provision(database, carrier=carrier, settings=settings(port))
    run(database, Statement(f"update senders set daily_cap = {CAP}"))
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)
        for n in range(CAP + MORE):
            customer.invite(f"301222{n:04d}")
        eventually("more was tried than the cap allows", lambda: run(database, TRIED)[0][0] > CAP, 30)
        with at_work(tmp_path, port) as count:
            eventually("all that the cap allows has left", lambda: run(database, LEFT) == [(CAP,)], 60)
            eventually("the others wait for tomorrow", lambda: holds(database) == ["daily cap"] * MORE)
            assert run(database, Statement("select used from senders")) == [(CAP,)]
            assert count() == CAP


def holds(database: Database) -> list[str]:
    """Why each that is queued waits, as the customer is told."""
    queries = MessageQueries(database, utc_now)
    return [standing.hold for row in run(database, WAIT) if (standing := queries.standing(1, row[0]))]


def run(database: Database, statement: Statement) -> list[tuple[Any, ...]]:
    with database.write() as tx:
        return [tuple(row) for row in tx.run(statement)]
