"""What is looked up of a person and of an app's senders."""

from __future__ import annotations

from dispatcher.core.invitation import Account
from dispatcher.core.screening import Known
from dispatcher.engine.explain import Hindrance
from dispatcher.store.database import Database
from dispatcher.store.instants import instant
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.statement import Statement
from tests.factories import NOON, provision

LATE = 4_102_444_800_000_000  # 2100


def test_nobody_is_known(database: Database) -> None:
    provision(database)
    asked = StoreLookups(database)
    assert asked.known("nobody") == Known()
    assert asked.opt_outs("nobody") == []
    assert asked.place(1, "nobody") is None
    assert asked.sticky_sender(1, "nobody", NOON) is None
    assert asked.account(1) == Account(1)


def test_an_app_without_senders_of_its_own_is_hindered_by_the_shared_ones(database: Database) -> None:
    rows = provision(database, apps=2, senders=5)
    rows.add_connection("second", "simulated", {}, {})
    for number, line, apps in (("+12015550100", "second", []), ("+12015550101", "carrier", ["com.example.2"])):
        rows.add_sender({"number": number, "kind": "long_code", "region": "US"}, line, apps)
    asked = StoreLookups(database)
    assert asked.hindrances(1) == []
    with database.write() as tx:
        for change in (
            "update senders set paused_at = 1 where id in (1, 7)",
            f"update senders set rest_until = {LATE}, rest_reason = 'filtered' where id = 2",
            "update senders set rest_until = 1, rest_reason = 'long over' where id = 3",
            "update connections set stopped_at = 1, stop_reason = 'HTTP 401' where id = 2",
            "update connections set retry_at = {clock} + 60000000 where id = 2",
        ):
            tx.run(Statement(change))
        [(retry_at,)] = tx.run(Statement("select retry_at from connections where name = 'second'"))
    assert asked.hindrances(1) == [
        Hindrance("+12015550000", "is paused"),
        Hindrance("+12015550001", "rests: filtered", instant(LATE)),
        Hindrance("+12015550100", "is of second, which is stopped: HTTP 401", instant(retry_at)),
    ]
    assert asked.hindrances(2) == [Hindrance("+12015550101", "is paused")], "its own, and nobody else's"
    with database.write() as tx:
        tx.run(Statement("update connections set retry_at = 1, paused_at = 1 where name = 'second'"))
    assert asked.hindrances(1)[-1] == Hindrance("+12015550100", "is of second, which is paused")
