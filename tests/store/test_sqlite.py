"""What SQLite alone promises: on disk before it counts, one writer across processes, and plain words when it cannot."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from dispatcher.store import sqlite
from dispatcher.store.database import DatabaseUnavailable
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.tables import metadata
from tests.store.test_fifo_bell import Ears, line, talking

SOON = 10.0
WAL, FULL = "wal", 2
NODE = Statement("insert into node_leases (node, owner, lease_until, minted_to) values (:node, '', 0, 0)")
NODES = Statement("select node from node_leases order by node")
OPENS = """
import sys
from pathlib import Path
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement

for path in map(str.strip, sys.stdin):
    try:
        database = Sqlite(Path(path))
        with database.write() as tx:
            tx.run(Statement("create table if not exists t (n integer)"))
            tx.run(Statement("insert into t values (1)"))
        with database.read() as tx:
            mode = tx.run(Statement("pragma journal_mode"))[0][0]
        database.close()
        print(mode, flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""
WRITES = """
import sys
from pathlib import Path
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement

database = Sqlite(Path(sys.argv[1]))
print("open", flush=True)
for number in sys.stdin:
    with database.write() as tx:
        tx.run(Statement(f"insert into node_leases values ({number}, '', 0, 0)"))
    print("written", flush=True)
"""


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def file(path: Path) -> Iterator[Sqlite]:
    database = Sqlite(path)
    yield database
    database.close()


def pragma(tx: Tx, name: str) -> object:
    return tx.run(Statement(f"pragma {name}"))[0][0]


def add(file: Sqlite, *numbers: int, then: Exception | None = None) -> None:
    """Rows in one transaction, which fails in the end if told so."""
    with file.write() as tx:
        for number in numbers:
            tx.run(NODE, node=number)
        if then:
            raise then


def add_by_session(file: Sqlite, number: int, then: Exception | None = None) -> None:
    with file.session() as session:
        session.connection().execute(text(f"insert into node_leases values ({number}, '', 0, 0)"))
        if then:
            raise then


def nodes(database: Sqlite) -> list[int]:
    with database.read() as tx:
        return [row[0] for row in tx.run(NODES)]


def test_every_commit_is_on_disk(file: Sqlite) -> None:
    with file.write() as tx:
        assert (pragma(tx, "journal_mode"), pragma(tx, "synchronous")) == (WAL, FULL)
    with file.session() as session:
        found = [session.connection().exec_driver_sql(f"pragma {p}").scalar() for p in ("journal_mode", "synchronous")]
    assert found == [WAL, FULL]


def test_a_reader_cannot_write_and_sees_what_is_committed(file: Sqlite) -> None:
    with file.read() as tx:
        assert pragma(tx, "query_only") == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            tx.run(NODE, node=1)
    with file.write() as tx:
        tx.run(NODE, node=1)
        assert nodes(file) == [], "a reader waits for no writer"
    assert nodes(file) == [1]


def test_two_processes_that_open_a_new_file_at_once(tmp_path: Path) -> None:
    with talking(OPENS) as one, talking(OPENS) as other:
        for number in range(40):
            path = tmp_path / f"{number}.db"
            for child in (one, other):
                assert child.stdin is not None
                child.stdin.write(f"{path}\n".encode())
            assert [line(child) for child in (one, other)] == [WAL, WAL]
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("select count(*) from t").fetchone() == (2,)


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        database = Sqlite(tmp_path / "deep" / "new.db")
        with database.write() as tx:
            tx.run(Statement("create table t (n integer)"))
        files = sorted((tmp_path / "deep").iterdir())
        assert [file.name for file in files] == ["new.db", "new.db-shm", "new.db-wal", "new.db.lock"]
        assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
        database.close()
    finally:
        os.umask(mask)


def test_what_raises_is_undone(file: Sqlite) -> None:
    with pytest.raises(KeyError):
        add(file, 1, then=KeyError())
    with pytest.raises(KeyError):
        add_by_session(file, 2, then=KeyError())
    assert nodes(file) == []
    add(file, 3)
    add_by_session(file, 4)
    assert nodes(file) == [3, 4]


def test_writers_of_many_threads_and_two_openings_take_turns(path: Path, file: Sqlite) -> None:
    other = Sqlite(path)
    together = threading.Barrier(8)

    def write(number: int) -> None:
        together.wait(SOON)
        for node in range(number, 400, 8):
            with (file, other)[number % 2].write() as tx:
                tx.run(NODE, node=node)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert nodes(file) == nodes(other) == list(range(400))
    other.close()


# --- Whose fault it is ------------------------------------------------------------------------------------------------


def wrong_write(file: Sqlite) -> None:
    with file.write() as tx:
        tx.run(Statement("insert into nowhere values (1)"))


def wrong_read(file: Sqlite) -> None:
    with file.read() as tx:
        tx.run(Statement("select nothing from node_leases"))


def wrong_session(file: Sqlite) -> None:
    with file.session() as session:
        session.connection().execute(text("select * from nowhere"))


@pytest.mark.parametrize("act", [wrong_write, wrong_read, wrong_session])
def test_a_wrong_statement_is_not_called_unavailable(file: Sqlite, act: Callable[[Sqlite], None]) -> None:
    with pytest.raises((sqlite3.OperationalError, OperationalError)):
        act(file)
    assert nodes(file) == []


def test_what_exists_already_is_not_called_unavailable(file: Sqlite) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        add(file, 1, 1)
    assert nodes(file) == []


def test_a_full_disk_is(file: Sqlite) -> None:
    with file.write() as tx:
        pages = pragma(tx, "page_count")
        pragma(tx, f"max_page_count = {pages}")
    with pytest.raises(DatabaseUnavailable, match="full"):
        add(file, *range(1000))
    assert nodes(file) == []
    with file.write() as tx:
        pragma(tx, "max_page_count = 1000000")
    add(file, 1)
    assert nodes(file) == [1], "and it goes on when there is room again"


def test_a_stranger_that_does_not_let_go_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    database = Sqlite(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("begin immediate")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            add(database, 1)
        assert nodes(database) == []
        stranger.execute("rollback")
    add(database, 1)
    assert nodes(database) == [1]
    database.close()


def test_a_stranger_that_does_not_let_go_is_for_a_session_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with closing(Sqlite(path)) as database, closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("begin immediate")
        with pytest.raises(DatabaseUnavailable):
            add_by_session(database, 1)


@pytest.mark.parametrize("case", ["a folder", "no SQLite file", "under a file"])
def test_what_cannot_be_opened_is(case: str, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    match case:
        case "a folder":
            path.mkdir()
        case "no SQLite file":
            path.write_bytes(b"something else entirely" * 100)
        case "under a file":
            path.write_bytes(b"")
            path /= "y.db"
    with pytest.raises(DatabaseUnavailable, match=str(path)):
        Sqlite(path)


# --- The rest ---------------------------------------------------------------------------------------------------------


def test_while_one_has_it_alone_nobody_else_writes(path: Path, file: Sqlite) -> None:
    other = Sqlite(path)
    written = threading.Event()

    def write() -> None:
        with other.write() as tx:
            tx.run(NODE, node=1)
        written.set()

    with file.exclusive():
        thread = threading.Thread(target=write)
        thread.start()
        assert not written.wait(0.05)
        assert nodes(other) == []
    assert written.wait(SOON)
    thread.join()
    other.close()


def replace(path: Path, *, lock: bool) -> None:
    """Put a copy in the place of a file that nobody writes to now, and remove its lock file too if told so."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    shutil.copy(path, f"{path}.copy")
    os.replace(f"{path}.copy", path)
    if lock:
        Path(f"{path}.lock").unlink()


def in_time(act: Callable[[], None]) -> None:
    """Do it in another thread, which is given up when it hangs."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(SOON)
    assert not thread.is_alive()


@pytest.mark.parametrize("lock", [False, True], ids=["the same lock", "another lock"])
def test_a_file_that_was_replaced_is_followed_and_its_lock_is_let_go(path: Path, *, lock: bool) -> None:
    file = Sqlite(path)
    with talking(WRITES, str(path)) as child:
        assert line(child) == "open"
        assert child.stdin is not None
        descriptors = []
        for number in range(0, 40, 10):
            in_time(partial(add, file, number))
            in_time(partial(add, file, number + 1))
            child.stdin.write(f"{number + 2}\n{number + 3}\n".encode())
            assert [line(child, SOON), line(child, SOON)] == ["written", "written"]
            in_time(partial(add, file, number + 4))
            assert nodes(file)[-1] == number + 4
            descriptors.append(len(os.listdir("/proc/self/fd")))
            replace(path, lock=lock)
        assert len({*descriptors}) == 1, "whatever was opened for a removed one is closed"
        assert nodes(file) == [number + n for number in range(0, 40, 10) for n in range(5)]
    in_time(file.close)


def test_has_table(file: Sqlite) -> None:
    assert all(file.has_table(name) for name in metadata.tables)
    assert not file.has_table("nowhere")


def test_close_gives_every_descriptor_back(path: Path) -> None:
    gc.collect()  # what other tests left behind would be closed meanwhile
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        database, ears = Sqlite(path), Ears()
        with database.listen(ears):
            database.ring("due")
            assert ears.next() == "d"
        with database.session() as session:
            session.connection().execute(text("select 1"))
        with database.read() as one, database.read() as other:
            assert pragma(one, "query_only") == pragma(other, "query_only") == 1
        database.close()
    assert len(os.listdir("/proc/self/fd")) <= before
