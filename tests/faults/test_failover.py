"""Two carriers, of which one goes away amid the run, or throttles all: all goes by the other, each text once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.lifecycle import State
from dispatcher.engine.throttles import SEVERAL
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.faults.ledger import live
from tests.processes import Customer, Recorder, Stage, eventually, free_port, staged

BEFORE, AFTER = 20, 60
STATES = Statement("select state, count(*) from messages group by state")
BY_RULE = Statement("select count(*) from attempts where rule = 'failover' and fate = 'taken'")
AILS = Statement("select count(*) from connection_health where connection_id = 1 and well_at > {clock}")


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        yield stage
        assert stage.complaints() == []


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


def at_work(stage: Stage, database: Database, first: Recorder, other: Recorder) -> Customer:
    """A web and a work process, with a sender on each of two carriers."""
    rows = provision(database, carrier="generic", settings=first.settings(), senders=2)
    rows.add_connection("other", "generic", other.settings(), {})
    with database.write() as tx:
        tx.run(Statement("update senders set connection_id = 2 where id = 2"))
    stage.start("web")
    stage.start("work", ready=False)
    return Customer("key", SECRET, stage.port)


def test_a_carrier_that_goes_away_leaves_its_flow_to_the_other(
    stage: Stage, database: Database, tmp_path: Path
) -> None:
    with Recorder(folder(tmp_path, "b")) as other:
        with Recorder(folder(tmp_path, "a"), free_port()) as first:
            customer = at_work(stage, database, first, other)
            ids = [customer.invite(f"301222{n:04d}").json["messageId"] for n in range(BEFORE)]
            for message_id in ids:
                customer.final(message_id)
            submits = [*first.submits(), *other.submits()]
            assert min(first.count(), other.count()) == BEFORE // 2, "both have their share"
        ids += [customer.invite(f"301333{n:04d}").json["messageId"] for n in range(AFTER)]
        eventually("all has left, and was delivered", lambda: live(database) == 0)
        submits += other.submits()[BEFORE // 2 :]
    assert Counter(submit.key for submit in submits) == dict.fromkeys(ids, 1), "each once"
    with database.read() as tx:
        assert tx.run(STATES) == [(State.DELIVERED, BEFORE + AFTER)]
        assert tx.run(BY_RULE)[0][0] > 0
        assert tx.run(AILS) == [(1,)]


@pytest.mark.parametrize("behaviour", ["throttle", "busy", "busy for a day"])
def test_a_carrier_that_throttles_all_leaves_its_flow_to_the_other(
    stage: Stage, database: Database, tmp_path: Path, behaviour: str
) -> None:
    with Recorder(folder(tmp_path, "b")) as other, Recorder(folder(tmp_path, "a")) as first:
        first.tell(rules=[{"behaviour": behaviour}])
        customer = at_work(stage, database, first, other)
        ids = [customer.invite(f"301222{n:04d}").json["messageId"] for n in range(BEFORE)]
        eventually("all has left, and was delivered", lambda: live(database) == 0)
        tried = Counter(submit.key for submit in first.submits())
        assert len(tried) >= SEVERAL
        assert max(tried.values()) == 1, "whoever was throttled went by the other at the next try"
        assert Counter(submit.key for submit in other.submits()) == dict.fromkeys(ids, 1), "each once"
    with database.read() as tx:
        assert tx.run(STATES) == [(State.DELIVERED, BEFORE)]
        assert tx.run(BY_RULE) == [(len(tried),)]
