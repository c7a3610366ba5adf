"""A database for the commands of one file of tests, with a little in it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.wiring.parts import open_database, utc_now
from tests.cli.commands import Run, runner
from tests.web.api import DATABASES, new_database, settled


@pytest.fixture(scope="module", params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with new_database(str(request.param), request, tmp_path_factory.mktemp("cli")) as made:
        yield made


@pytest.fixture(scope="module")
def database(url: str) -> Iterator[Database]:
    opened = open_database(settled(url))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def rows(database: Database) -> Rows:
    """Account 1, `Example`, with the key `key`, an app and the connection `simulated`."""
    made = Rows(database, utc_now)
    made.add_account("Example", "a@example.com", "key", sha256(b"").hexdigest())
    made.add_app(1, {"app_id": "com.example.1", "callback_secret": "s"})
    made.add_connection("simulated", "simulated", {}, {})
    return made


@pytest.fixture
def run(url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command as `python -m dispatcher` would, with --json unless told otherwise."""
    return runner(url, monkeypatch, capsys)
