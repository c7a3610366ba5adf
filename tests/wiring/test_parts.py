"""What web and work processes have in common."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from dispatcher.core.senders import Sender
from dispatcher.engine.ports import AlarmKind
from dispatcher.engine.transport import Carrier
from dispatcher.store.alarms import alarms
from dispatcher.store.attic import StoreAttic
from dispatcher.store.connections import Contract, Contracts
from dispatcher.store.database import Database
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from dispatcher.wiring.carriers import carrier_of, credentials_of
from dispatcher.wiring.parts import Lines, utc_now
from tests.factories import NOON, provision
from tests.processes import eventually


class Spoken(NamedTuple):
    name: str
    carrier: Carrier


def lines(database: Database, worker_id: int) -> Lines[Contract]:
    workers = Workers(database)
    return Lines(Contracts(database), lambda c: c, lambda c, why: workers.note_unusable(worker_id, c.id, why, NOON))


def raised(database: Database) -> list[tuple[AlarmKind, int, bool]]:
    return [(alarm.kind, alarm.count, alarm.is_open) for alarm in alarms(database, NOON)]


def test_a_credential_that_one_process_lacks_is_told_until_it_has_it(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "token"
    rows = provision(database, settings={"credentials": {"token": f"file:{place}"}})
    mine, other = (Workers(database).enrol("work", NOON) for _ in range(2))
    found = lines(database, mine)
    assert found() == {}
    lines(database, other)()
    assert rows.unusable()[1].endswith(f" cannot use it: credentials.token: {place} cannot be read")
    assert raised(database) == [(AlarmKind.CONNECTION_UNUSABLE, 2, True)]
    place.write_text("a token of a test")
    eventually("it can be used", found)
    assert raised(database)[0][-1] is True, "the other one did not look again"
    Workers(database).leave(other)
    assert rows.unusable() == {}
    assert raised(database) == [(AlarmKind.CONNECTION_UNUSABLE, 2, False)]


@pytest.mark.parametrize("carrier", ["infobip", "generic"])
def test_a_credential_that_would_end_a_line_of_a_request_is_refused_and_not_told(
    database: Database, carrier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a line after it is that of a file, or of a command's output, and none of its own."""
    places = {"api_key": "env:TEST_KEY", "hook_token": "env:TEST_TOKEN"}
    settings = {"base_url": "http://127.0.0.1:9", "credentials": places}
    if carrier == "generic":
        settings = {"request": {"url": "http://127.0.0.1:9"}, "credentials": places}
    monkeypatch.setenv("TEST_KEY", "k3y\r\n")
    monkeypatch.setenv("TEST_TOKEN", "t0ken")
    provision(database, carrier=carrier, settings=settings)
    assert credentials_of(settings) == {"api_key": "k3y", "hook_token": "t0ken"}
    workers = Workers(database)
    worker = workers.enrol("work", NOON)

    def used() -> list[str]:
        made = Lines(
            Contracts(database),
            lambda contract: Spoken(contract.name, carrier_of(contract.carrier, contract.settings)),
            lambda contract, why: workers.note_unusable(worker, contract.id, why, NOON),
        )
        return [line.name for line in made().values()]

    assert used() == ["carrier"]
    monkeypatch.setenv("TEST_KEY", "k3y\r\nX-Evil: 1")
    assert used() == []
    [alarm] = alarms(database, NOON)
    assert alarm.reason.startswith("credentials.api_key: must ")
    assert "control character" in alarm.reason
    assert "k3y" not in alarm.reason


def test_a_connection_that_was_removed_is_gone_for_running_processes(database: Database) -> None:
    rows = provision(database)
    rows.add_connection("typo", "simulated", {}, {})
    found = lines(database, 1)
    assert [line.name for line in found().values()] == ["carrier", "typo"]
    rows.remove_connection("typo")
    rows.add_connection("main", "simulated", {}, {})
    eventually("it is noticed", lambda: [line.name for line in found().values()] == ["carrier", "main"])


def test_what_a_process_told_goes_with_it(database: Database) -> None:
    provision(database)
    worker = Workers(database).enrol("work", NOON)
    Workers(database).note_unusable(worker, 1, "no token", NOON)
    StoreAttic(database).prune(utc_now(), 9)
    assert Rows(database, utc_now).unusable()
    with database.write() as tx:
        tx.run(Statement("update workers set lease_until = 1"))
    StoreAttic(database).prune(utc_now(), 9)
    with database.read() as tx:
        assert tx.run(Statement("select * from unusable")) == []


def test_whoever_asks_why_is_told_what_keeps_a_connection_from_sending(database: Database) -> None:
    provision(database)
    worker = Workers(database).enrol("work", NOON)
    pool, lookups = SenderPool(database), StoreLookups(database)

    def told() -> list[str]:
        sender: Sender = pool.usable(NOON - NOON, None).senders[1]
        return lookups.ailments(sender)

    assert told() == []
    pool.stop_connection(1, "HTTP 401", NOON - NOON, NOON)
    Workers(database).note_unusable(worker, 1, "no token", NOON)
    first, second = told()
    assert first == "its connection is stopped: HTTP 401"
    assert second.startswith("its connection: a worker on ")
    assert second.endswith(" cannot use it: no token")
    pool.resume_connections([1])
    with database.write() as tx:
        tx.run(Statement("update connections set unbound = 'unreachable'"))
    assert told()[0] == "its connection is not bound: unreachable"
