"""kill -9 at each point at which a crash leaves another trace, and SIGSTOP for longer than a lease lasts."""

from __future__ import annotations

import fcntl
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from dispatcher.store.database import Database
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.processes import Customer, Process, Receiver, Recorder, Stage, eventually, staged

LEASE: Final = 7
SETTINGS: Final = {
    "WORK__LEASE_SECONDS": LEASE,
    "WORK__IN_DOUBT_MINUTES": 0.05,
    "WORK__RESCUE_SECONDS": 0.5,
    "CARRIERS__TIMEOUT_SECONDS": 1,
    "WEB__WORKERS": 1,
}
ONCE, AT_LEAST_ONCE = "com.example.1", "com.example.2"
SILENT: Final = "77"  # the carrier takes it the first time, and never reports
# Where a process dies, whose app, which number, how often the carrier is asked in all, and the code in the end.
CASES: Final = (
    ("claimed", ONCE, "01", 1, 1),  # surely unsent: another process sends it
    ("marked", ONCE, "02", 0, 124),  # nobody can know whether it was sent, so it is not sent again
    ("marked", AT_LEAST_ONCE, "03", 1, 1),  # unless the app wants that
    ("answered", ONCE, "04", 1, 1),  # the carrier has it, and its receipt tells
    ("unsettled", ONCE, "05", 1, 1),
    ("unsettled", ONCE, SILENT, 1, 124),
    ("unsettled", AT_LEAST_ONCE, SILENT, 2, 1),
    ("settled", ONCE, "06", 1, 1),  # after the commit and before the callback
)
CALLBACK: Final = "/?id={messageId}&status={status}"
BUSY: Final = Statement(
    """select distinct state from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'"""
)
GENERATION: Final = Statement("select state, generation from messages where id = :id")


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, **SETTINGS) as stage:
        yield stage


def test_a_process_killed_at_any_point_leaves_what_another_one_finishes(
    stage: Stage, database: Database, recorder: Recorder, receiver: Receiver
) -> None:
    rows = provision(database, carrier="generic", settings=recorder.settings(), callback_url=receiver.url + CALLBACK)
    values = {"app_id": AT_LEAST_ONCE, "callback_url": receiver.url + CALLBACK, "callback_secret": "s"}
    rows.add_app(1, values | {"hours": {"always": True}, "policy": "at_least_once"})
    recorder.tell(rules=[{"ends": SILENT, "behaviour": "silent", "times": 1}])
    dying = stage.start("dying", module="tests.faults.dying", ready=False, stdin=subprocess.PIPE)
    stage.start("web")
    customer = Customer("key", SECRET, stage.port)
    eventually("it is ready", partial(said_so, dying, "ready\n"))

    ids = []
    for n, (point, app, ends, _, _) in enumerate(CASES, 1):
        ids.append(customer.invite(f"3012223{n}{ends}", appId=app).json["messageId"])
        assert dying.popen.stdin is not None
        dying.popen.stdin.write(f"{point}\n".encode())
        dying.popen.stdin.flush()
        eventually(f"one died when it had {point}", partial(said_so, dying, "ready\n" + "-9\n" * n))

    stage.start("work", ready=False)
    marked = ids[1]
    eventually("the marked one is in doubt", lambda: customer.status(marked)["holdReason"] == "in doubt")
    assert customer.status(marked)["status"] == "pending"
    found = [customer.final(message_id) for message_id in ids]
    arrivals = Counter(submit.key for submit in recorder.submits())
    assert [(*c[:3], arrivals[i], end["code"]) for c, i, end in zip(CASES, ids, found, strict=True)] == list(CASES)
    assert {end["status"] for end in found} == {"sent"}
    eventually("every callback", lambda: len(receiver.calls) >= len(CASES))
    paths = sorted(f"/?id={i}&status={end['code']}" for i, end in zip(ids, found, strict=True))
    assert sorted(call.path for call in receiver.calls) == paths
    assert stage.complaints() == []


def test_a_process_that_was_stopped_for_longer_than_its_lease_changes_nothing(
    stage: Stage, database: Database, recorder: Recorder
) -> None:
    """Its rows are taken over; when it goes on, it neither submits them nor writes about them."""
    provision(database, carrier="generic", settings=recorder.settings(), mps=5)
    recorder.tell(pause=0.3)
    stage.start("web")
    customer = Customer("key", SECRET, stage.port)
    first = stage.start("work", ready=False)
    ids = [customer.invite(f"30122230{n:02d}").json["messageId"] for n in range(12)]
    recorder.wait_for(2)
    eventually("it is stopped between two transactions", partial(stopped, first, database))
    before = {submit.key for submit in recorder.submits()}

    stage.start("work", ready=False)
    for message_id in ids:
        customer.final(message_id)
    generations = books(database, ids)
    first.popen.send_signal(signal.SIGCONT)
    assert first.stop() == 0
    arrivals = Counter(submit.key for submit in recorder.submits())
    assert max(arrivals.values()) == 1
    assert books(database, ids) == generations
    codes = {i: customer.status(i)["code"] for i in ids}
    assert {codes[i] for i in before} == {1}
    assert {i for i in ids if codes[i] == 124} == set(ids) - arrivals.keys()
    assert stage.complaints("get a connection") == []  # a pool whose timer ran while it was stopped


def said_so(process: Process, text: str) -> bool:
    return process.log.read_text() == text


def stopped(process: Process, database: Database) -> bool:
    """Stop it, unless it would hold what others need: then it goes on."""
    process.popen.send_signal(signal.SIGSTOP)
    eventually("it is stopped", lambda: " T " in Path(f"/proc/{process.pid}/stat").read_text())
    if isinstance(database, Sqlite):
        with open(f"{database.path}.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                process.popen.send_signal(signal.SIGCONT)
                return False
        return True
    busy = [("active",)]
    while busy == [("active",)]:  # a statement that ends without its client
        with database.read() as tx:
            busy = tx.run(BUSY)
    if busy:
        process.popen.send_signal(signal.SIGCONT)
    return not busy


def books(database: Database, ids: list[str]) -> list[tuple[object, ...]]:
    with database.read() as tx:
        return [tuple(tx.run(GENERATION, id=int(i))[0]) for i in ids]
