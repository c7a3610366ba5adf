"""Behind a pool by transaction, such as PgBouncer: nothing counts on what an earlier transaction left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pytest

from dispatcher.store.migrating import migrate
from dispatcher.store.postgres import Postgres
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.faults.crowd import Crowd
from tests.faults.ledger import audit, live
from tests.faults.pooler import SERVERS, Pooler, pooler
from tests.faults.scene import CALLBACK, SETTINGS
from tests.processes import Customer, Receiver, Recorder, eventually, staged

SHOWN: Final = Statement("select current_setting('enable_seqscan')")


@pytest.fixture
def pool(postgres_server: str) -> Iterator[Pooler]:
    """Before a database that is empty."""
    name = f"t_{uuid4().hex}"
    head, mark, tail = postgres_server.partition("?")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        with pooler(f"{head.rpartition('/')[0]}/{name}{mark}{tail}") as made:
            yield made
        connection.execute(f"drop database {name} with (force)".encode())


def seqscans(pool: Pooler) -> set[str]:
    """What each of the pool's connections says of a setting of ours."""
    found = set()
    for _ in range(SERVERS):
        with psycopg.connect(pool.url, autocommit=True, prepare_threshold=None) as connection:
            found |= {row[0] for row in connection.execute("show enable_seqscan")}
    return found


def test_everything_works_behind_a_pool_by_transaction(
    pool: Pooler, recorder: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    """From the migration to the callback; who works finds what is due by looking."""
    count = 60
    database = Postgres(pool.url, connections=2, pooled=True)
    migrate(database)
    provision(
        database, carrier="generic", settings=recorder.settings(), callback_url=receiver.url + CALLBACK, senders=4
    )
    with staged(pool.url, tmp_path, **SETTINGS, POSTGRES__POOLED="true") as stage:
        stage.start("web")
        stage.start("work", ready=False)
        with Crowd(Customer("key", SECRET, stage.port), count, [stage.port]) as crowd:
            crowd.wait_for_all()
        eventually("nothing is on its way", lambda: live(database) == 0)
        eventually("every receipt is taken", lambda: len(recorder.receipts()) == recorder.count())
        assert audit(database, recorder, receiver, crowd.accepted, {}).unknown == frozenset()
        assert stage.complaints() == []
    database.close()
    assert pool.trespasses == []
    assert pool.transactions > count / 10
    assert seqscans(pool) == {"on"}


def test_our_settings_hold_within_each_transaction(pool: Pooler) -> None:
    database = Postgres(pool.url, connections=2, pooled=True)
    for block in (database.read, database.write):
        with block() as tx:
            shown = tx.run(SHOWN)
        assert shown == [("off",)]
    database.close()
    assert seqscans(pool) == {"on"}


def test_without_that_setting_it_does_not_work(pool: Pooler) -> None:
    """So this pool is as strict as those that it stands for."""
    database = Postgres(pool.url, connections=2)
    with pytest.raises(psycopg.errors.InvalidSqlStatementName), database.read() as tx:
        tx.run(SHOWN)
    heard: list[str] = []
    with database.listen(heard.append):
        eventually("it listens", lambda: heard)
    database.close()
    assert {each.partition(" ")[0] for each in pool.trespasses} == {"prepared", "said"}
    assert "off" in seqscans(pool)
