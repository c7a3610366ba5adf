"""Work processes share binds: never more than the contract allows, whoever is killed, stopped, or comes later."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from time import monotonic

import pytest

from dispatcher.store.binds import Leases
from dispatcher.store.postgres import Postgres
from dispatcher.store.statement import Statement
from dispatcher.store.workers import LEASE_SECONDS
from tests.factories import SECRET, provision
from tests.faults.tally import tally
from tests.processes import Customer, Process, Stage, eventually, staged
from tests.smsc import Smsc

SUBMITTED = Statement("select count(*) from messages where state = 'submitted'")
HANDOVER = 15.0  # seconds in which a process that came gets its share
PASSWORD = "TEST_SMPP_PASSWORD"
AT_LENGTH = os.environ.get("FAULTS") in {"short", "full"}


def settings(smsc: Smsc, binds: int) -> dict[str, object]:
    credentials = {"password": f"env:{PASSWORD}"}
    return {"host": "127.0.0.1", "port": smsc.port, "system_id": "us", "binds": binds, "credentials": credentials}


def shares(database: Postgres) -> list[int]:
    """How many binds each process holds."""
    return sorted(Counter(Leases(database).look()[1].values()).values())


def submitted(database: Postgres) -> int:
    """How many the carrier took, as it is written."""
    with database.read() as tx:
        return int(tx.run(SUBMITTED)[0][0])


def work(stage: Stage) -> Process:
    return stage.start("work", ready=False)


def relieved(stage: Stage, database: Postgres, smsc: Smsc, first: Process, second: Process) -> Process:
    """The second ends, and another comes."""
    assert second.stop() == 0
    tally.fault()
    eventually("the first holds both", lambda: shares(database) == [2], HANDOVER)
    third = work(stage)
    eventually("it gets its share", lambda: shares(database) == [1, 1], HANDOVER)
    return third


def outlasted(stage: Stage, database: Postgres, smsc: Smsc, first: Process, second: Process) -> Process:
    """The first is stopped for longer than its lease, the second is killed, and another comes."""
    stopped = monotonic()
    first.popen.send_signal(signal.SIGSTOP)
    second.kill()
    tally.fault()
    third = work(stage)
    eventually("the third holds both", lambda: shares(database) == [2], LEASE_SECONDS + HANDOVER)
    smsc.wait("and is bound", lambda: len(smsc.bound) == 2, 30)
    assert monotonic() - stopped > LEASE_SECONDS - 5
    first.popen.send_signal(signal.SIGCONT)
    eventually("it gets its share again", lambda: shares(database) == [1, 1], LEASE_SECONDS + HANDOVER)
    return third


@pytest.mark.timeout(180)
def test_there_are_never_more_binds_than_allowed(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process alone, two, one of them stopped and the other killed, and the stopped one wakes.

    On PostgreSQL alone, since it takes as long as a lease; the leases are proven on both (store/test_binds.py). In the
    gate a process ends in order instead, so that nobody waits for a lease.
    """
    monkeypatch.setenv(PASSWORD, "secret")
    database = Postgres(postgres_url, connections=2)
    with Smsc(patience=8.0) as smsc, staged(postgres_url, tmp_path, WEB__WORKERS=1) as stage:
        provision(
            database, carrier="smpp", settings=settings(smsc, 2), mps=1000
        )  # so fast that no process has it to itself
        stage.start("web")
        customer = Customer("key", SECRET, stage.port)
        first = work(stage)
        smsc.wait("one process binds twice", lambda: len(smsc.bound) == 2, 30)
        second = work(stage)
        eventually("each has its share", lambda: shares(database) == [1, 1], HANDOVER)
        smsc.wait("both are bound", lambda: len(smsc.bound) == 2, 30)

        accepted = [customer.invite(f"+1301222{n:04d}").json["messageId"] for n in range(3000, 3100)]
        eventually("all are submitted", lambda: submitted(database) == len(accepted), 60)

        third = (outlasted if AT_LENGTH else relieved)(stage, database, smsc, first, second)
        smsc.wait("both are bound", lambda: len(smsc.bound) == 2, 30)

        more = [customer.invite(f"+1301222{n:04d}").json["messageId"] for n in range(4000, 4010)]
        eventually("all are submitted", lambda: submitted(database) == len(accepted) + len(more), 60)
        for process in (first, third):
            assert process.stop() == 0
        assert shares(database) == []
        assert smsc.most == 2
        assert len(smsc.submits) == len(accepted) + len(more)
        assert {submit.to for submit in smsc.submits} == {
            *(f"1301222{n:04d}" for n in range(3000, 3100)),
            *(f"1301222{n:04d}" for n in range(4000, 4010)),
        }
        assert stage.complaints() == []
    database.close()
