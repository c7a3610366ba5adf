"""While hosts are upgraded one by one: what runs goes on beside a database that was expanded for the next release."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dispatcher.store.database import Database
from tests.factories import SECRET, provision
from tests.processes import Customer, children_of, end_now, staged

# What a next release may do (docs/upgrades.md): add what has a default, or may be null.
EXPAND: Final = (
    "alter table messages add column later varchar(8) not null default ''",
    "alter table senders add column later bigint",
    "create index ix_later on messages (later)",
    "create table later (id bigint primary key)",
    "update alembic_version set version_num = '9999'",
)


def test_what_runs_goes_on_beside_an_expanded_database(database: Database, database_url: str, tmp_path: Path) -> None:
    provision(database)
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        web = stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)
        first = customer.invite("+12012223300").json["messageId"]
        assert customer.final(first)["code"] == 1
        with database.exclusive(), database.engine.begin() as connection:
            for change in EXPAND:
                connection.exec_driver_sql(change)
        second = customer.invite("+12012223301").json["messageId"]
        assert customer.final(second)["code"] == 1
        assert customer.invite("+12012223300").json["duplicateOf"] == first
        assert customer.status(first)["code"] == 1

        old = stage.start("work", ready=False)
        assert old.popen.wait(30) == 1
        assert "migrated by a newer version" in old.log.read_text()
        assert customer.final(customer.invite("+12012223302").json["messageId"])["code"] == 1
        end_now(children_of(web.pid))
        assert web.popen.wait(30) == 1
        [line] = [line for line in web.log.read_text().splitlines() if "a worker cannot start" in line]
        assert "migrated by a newer version" in line
        assert stage.complaints() == []
