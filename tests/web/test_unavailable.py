"""A database that goes away: 503 meanwhile, nothing accepted that is not kept, back without a restart."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from werkzeug.test import TestResponse

from dispatcher.engine.ports import StoreUnavailable
from dispatcher.settings import Settings
from dispatcher.store.database import Database
from dispatcher.store.postgres import Postgres
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from dispatcher.wiring import parts
from tests.processes import eventually
from tests.web.api import INVITE, JSON, Api, Post, accepted, invitation, refused, served

RECEIPT: Final = Post(b'{"status": "delivered"}', JSON, path="/hooks/carrier?id=1")
REPLIES: Final = Statement("select ref, verdict, (select count(*) from optouts) from replies")
REPLY: Final = Post(
    b'{"from": "+13012223333", "to": "+12015550000", "text": "STOP", "id": "mo-1"}', JSON, path="/hooks/carrier"
)
OPEN: Final = {
    "request": {"url": "http://127.0.0.1:9/"},
    "receipts": {"key": "query:id", "status": "json:status", "delivered": ["delivered"], "verify": "none"},
    "replies": {"their_number": "json:from", "our_number": "json:to", "text": "json:text", "ref": "json:id"},
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each request waits ten seconds for a lock."""
    monkeypatch.setattr("dispatcher.store.sqlite.BUSY_SECONDS", 0.2)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Database]:
    """Every database that is opened from now on, so that a test can reach into the application's own."""
    found: list[Database] = []
    opens = parts.open_database

    def tapped(settings: Settings) -> Database:
        found.append(opens(settings))
        return found[-1]

    monkeypatch.setattr(parts, "open_database", tapped)
    return found


def unavailable(answer: TestResponse) -> None:
    refused(answer, 503, 503, "the store is not available now, try again")
    assert answer.get_json()["message"].startswith("not accepted: ") is (answer.request.method == "POST")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def together(act: Callable[[], TestResponse], times: int = 8) -> list[TestResponse]:
    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(act) for _ in range(times)]]


def impatient(opened: list[Database]) -> None:
    """Else each request waits ten seconds for a connection."""
    for database in opened:
        assert isinstance(database, Postgres)
        database._pool.timeout = 0.3


def down(api: Api) -> None:
    """Nothing is accepted, told or heard, one by one or many at once."""
    unavailable(api.invite(invitation()))
    for answer in together(lambda: api.invite(invitation())):
        unavailable(answer)
    unavailable(api.send(RECEIPT))
    for answer in [api.send(REPLY), *together(lambda: api.send(REPLY))]:
        unavailable(answer)


def back(api: Api, kept: list[str]) -> None:
    """Invitations are accepted again, and exactly those of `kept` and the new one are stored."""

    def look() -> dict[str, Any] | None:
        answer = api.invite(invitation())
        if answer.status_code == 503:
            unavailable(answer)
            return None
        return accepted(answer)

    kept.append(eventually("it is back", look, 20)["messageId"])
    for number in kept:
        assert api.ask(f"{INVITE}/{number}").get_json()["messageId"] == number


def repeated(api: Api) -> None:
    """What a carrier could not tell it tells again."""
    assert {answer.status_code for answer in together(lambda: api.send(REPLY))} == {204}


def numbers(rows: list[Any]) -> list[str]:
    return sorted(str(row[0]) for row in rows)


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def admin(server: str, *statements: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def messages(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return numbers(connection.execute("select id from messages where kind = 'invitation'").fetchall())


def test_backends_that_are_terminated(postgres_server: str, postgres_url: str) -> None:
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    end = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    kept: list[str] = []
    with served(postgres_url) as api:
        for _ in range(3):
            back(api, kept)
            admin(postgres_server, end)
            for answer in together(lambda: api.invite(invitation())):
                if answer.status_code == 503:
                    unavailable(answer)
                else:
                    kept.append(accepted(answer)["messageId"])
        back(api, kept)
    assert messages(postgres_url) == sorted(kept)


def test_a_database_that_is_dropped_and_restored(
    postgres_server: str, postgres_url: str, opened: list[Database]
) -> None:
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    with served(postgres_url, carrier="generic", settings=OPEN) as api:
        impatient(opened)
        kept = [accepted(api.invite(invitation()))["messageId"]]
        api.database.close()  # it is renamed, which none that is connected may see
        admin(
            postgres_server,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
            f"alter database {name} rename to {name}_kept",
        )
        down(api)
        unavailable(api.ask(f"{INVITE}/{kept[0]}"))
        admin(postgres_server, f"alter database {name}_kept rename to {name}")
        back(api, kept)
        repeated(api)
    assert messages(postgres_url) == sorted(kept)


def test_hooks_that_nobody_vouches_for_do_not_wait_for_a_database_that_is_away(
    postgres_server: str, postgres_url: str, opened: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may post them would else hold every thread: one asks for the connections, the others know the last."""
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    monkeypatch.setattr(parts, "REFRESH_SECONDS", 0.0)  # due at once
    with served(postgres_url, carrier="generic", settings=OPEN) as api:
        impatient(opened)
        kept = [accepted(api.invite(invitation()))["messageId"]]
        assert api.ask("/hooks/nobody").status_code == 404
        api.database.close()
        admin(
            postgres_server,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
            f"alter database {name} rename to {name}_kept",
        )
        monkeypatch.setattr(parts, "REFRESH_SECONDS", 60.0)  # not due again while this test lasts
        [own] = opened
        assert isinstance(own, Postgres)
        before = own._pool.get_stats()["requests_num"]
        answers = together(lambda: api.ask("/hooks/nobody"), 24)
        assert {answer.status_code for answer in answers} == {404}
        assert own._pool.get_stats()["requests_num"] - before == 1
        unavailable(api.send(RECEIPT))
        admin(postgres_server, f"alter database {name}_kept rename to {name}")
        back(api, kept)
        eventually("receipts are taken", lambda: api.send(RECEIPT).status_code == 204, 20)


def test_a_database_that_takes_no_writes(postgres_server: str, postgres_url: str) -> None:
    """As a standby after a failover, or one whose disk an operator protects."""
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    end = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    with served(postgres_url, carrier="generic", settings=OPEN) as api:
        kept = [accepted(api.invite(invitation()))["messageId"]]
        admin(postgres_server, f"alter database {name} set default_transaction_read_only = on", end)
        eventually("it can be read again", lambda: api.ask(f"{INVITE}/{kept[0]}").status_code == 200, 20)
        down(api)
        assert api.ask(f"{INVITE}/{kept[0]}").status_code == 200
        admin(postgres_server, f"alter database {name} reset default_transaction_read_only", end)
        back(api, kept)
        repeated(api)
    assert messages(postgres_url) == sorted(kept)


# --- SQLite --------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def api(sqlite_url: str, opened: list[Database]) -> Iterator[Api]:
    with served(sqlite_url, carrier="generic", settings=OPEN) as api:
        yield api


def in_file(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return numbers(connection.execute("select id from messages where kind = 'invitation'").fetchall())


def test_a_full_disk(api: Api, opened: list[Database], path: Path) -> None:
    kept = [accepted(api.invite(invitation()))["messageId"]]
    [own] = opened
    assert isinstance(own, Sqlite)
    with own._locked():
        [[pages]] = own._writer.execute("pragma page_count").fetchall()
        own._writer.execute(f"pragma max_page_count = {pages + 1}")
    for _ in range(200):
        answer = api.invite(invitation(message="x" * 1500))
        if answer.status_code == 503:
            break
        kept.append(accepted(answer)["messageId"])
    big = invitation(message="x" * 1500)
    unavailable(api.invite(big))
    for answer in together(lambda: api.invite(invitation(message="x" * 1500))):
        unavailable(answer)
    assert api.ask(f"{INVITE}/{kept[0]}").status_code == 200, "what is kept can be read"
    assert in_file(path) == sorted(kept)
    with own._locked():
        own._writer.execute("pragma max_page_count = 1000000")
    kept.append(accepted(api.invite(big))["messageId"])
    assert in_file(path) == sorted(kept)


def test_a_lock_that_somebody_holds(api: Api, path: Path) -> None:
    """A backup tool, or an operator who opened the file by hand."""
    kept = [accepted(api.invite(invitation()))["messageId"]]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        down(api)
        assert api.ask(f"{INVITE}/{kept[0]}").status_code == 200, "readers wait for nobody"
        other.execute("rollback")
    back(api, kept)
    repeated(api)
    assert api.query(REPLIES) == [("mo-1", "stop", 1)]
    assert in_file(path) == sorted(kept)


def test_a_file_that_may_not_be_written(api: Api, path: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").touch(0o400)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write whatever the mode says")
    kept = [accepted(api.invite(invitation()))["messageId"]]
    files = [path, *path.parent.glob(f"{path.name}-*"), path.parent]
    modes = [file.stat().st_mode for file in files]
    try:
        for file in files:
            file.chmod(0o500 if file.is_dir() else 0o400)
        for answer in [api.invite(invitation()), *together(lambda: api.invite(invitation()))]:
            if answer.status_code == 200:  # what was open already stays so
                kept.append(accepted(answer)["messageId"])
            else:
                unavailable(answer)
    finally:
        for file, mode in zip(files, modes, strict=True):
            file.chmod(mode)
    back(api, kept)
    assert in_file(path) == sorted(kept)


def test_a_folder_that_is_removed_and_restored(api: Api, path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is written to a file that nobody can open any more is not kept, so it must not be accepted."""
    kept = [accepted(api.invite(invitation()))["messageId"]]
    copy = tmp_path_factory.mktemp("copy") / path.name
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for entry in path.parent.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    path.parent.rmdir()
    down(api)
    path.parent.mkdir()
    shutil.copy(copy, path)
    back(api, kept)
    assert in_file(path) == sorted(kept)


def test_a_start_without_a_database_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreUnavailable, match="file"), served(f"sqlite:///{blocked}/dispatcher.db"):
        pass
