"""Carriers that come and go, throttle, drop what they took, hang, and never report."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.lifecycle import State
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.faults.ledger import UNKNOWN, balance, live
from tests.faults.tally import tally
from tests.processes import Customer, Recorder, Stage, eventually, free_port, staged

FULL: Final = os.environ.get("FAULTS") == "full"
SETTINGS: Final = {
    "WORK__LEASE_SECONDS": 7,
    "WORK__IN_DOUBT_MINUTES": 0.05,
    "WORK__RESCUE_SECONDS": 0.5,
    "CARRIERS__TIMEOUT_SECONDS": 1,
    "WEB__WORKERS": 1,
}
ONCE, AT_LEAST_ONCE = "com.example.1", "com.example.2"
DELIVERED: Final = (State.DELIVERED, 1, "")
IN_DOUBT: Final = (State.FAILED, 124, UNKNOWN)
EACH: Final = 10 if FULL else 3
# What the carrier does with numbers that end so, what becomes of the invitation, and whether it comes again where the
# app wants at least once: only what nobody ever told about does.
FAULTS: Final = (
    ("1", "drop", DELIVERED, False),  # taken, cut off, and its receipt tells
    ("2", "taken without a word", IN_DOUBT, True),
    ("3", "reset", IN_DOUBT, True),
    ("4", "hang", IN_DOUBT, True),
    ("5", "stall", DELIVERED, False),  # taken, no answer, and its receipt tells
    ("6", "error", IN_DOUBT, True),
    ("7", "taken", DELIVERED, False),
)
TRIES: Final = Statement("select tries from messages where id = :id")
RECEIPT_WAIT: Final = Statement("update connections set receipt_seconds = :seconds, acceptance_is_final = :final")


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, **SETTINGS) as stage:
        yield stage
        assert stage.complaints() == []


def invited(stage: Stage, ends: str, count: int, app: str = ONCE, series: int = 0) -> list[str]:
    """The ids of so many invitations to numbers of this series that end so."""
    customer = Customer("key", SECRET, stage.port)
    answers = [customer.invite(f"30122{series:01d}{n:03d}{ends}", appId=app) for n in range(200, 200 + count)]
    assert [(answer.status, answer.json["code"]) for answer in answers] == [(200, 0)] * count
    return [answer.json["messageId"] for answer in answers]


def waits(customer: Customer, message_id: str) -> bool:
    return bool(customer.status(message_id)["holdReason"] == "retry")


def test_a_carrier_that_comes_and_goes(stage: Stage, database: Database, tmp_path: Path) -> None:
    """While it is away nothing is lost and nothing in doubt: a refused connection surely took nothing."""
    port = free_port()
    with Recorder(tmp_path, port) as recorder:
        provision(database, carrier="generic", settings=recorder.settings())
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)
        ids = invited(stage, "0", EACH)
        for message_id in ids:
            customer.final(message_id)
    for cycle in range(1, 5 if FULL else 3):
        meanwhile = invited(stage, str(cycle), EACH)
        ids += meanwhile
        eventually("it was tried in vain", partial(waits, customer, meanwhile[-1]))
        tally.fault()
        with Recorder(tmp_path, port) as recorder:
            for message_id in meanwhile:
                customer.final(message_id)
            found = balance(database, recorder, ids)
            assert {*found.values()} == {DELIVERED}


def test_a_carrier_that_throttles(stage: Stage, database: Database, recorder: Recorder) -> None:
    """Its limit costs no try, it is left alone for as long as it asks, and takes each invitation in the end."""
    times = 4 if FULL else 2
    provision(database, carrier="generic", settings=recorder.settings())
    recorder.tell(rules=[{"ends": "0", "behaviour": "throttle", "times": times}, {"behaviour": "busy", "times": times}])
    stage.start("web")
    stage.start("work", ready=False)
    ids = invited(stage, "0", 5 * EACH) + invited(stage, "1", 5 * EACH)
    recorder.wait_for(1)
    tally.fault()
    eventually("nothing is on its way", lambda: live(database) == 0)
    assert {*balance(database, recorder, ids).values()} == {DELIVERED}
    submits = defaultdict(list)
    for submit in recorder.submits():
        submits[submit.key].append(submit.at)
    assert {len(each) for each in submits.values()} == {times + 1}
    assert min(after - before for each in submits.values() for before, after in pairwise(each)) >= 1.0
    with database.read() as tx:
        assert {tx.run(TRIES, id=int(message_id))[0][0] for message_id in ids} == {0}


def test_a_carrier_that_takes_and_drops_the_connection(stage: Stage, database: Database, recorder: Recorder) -> None:
    """Also one that hangs, resets, and answers 500: what is in doubt is sent again only where an app wants it."""
    rows = provision(database, carrier="generic", settings=recorder.settings())
    rows.add_app(1, {"app_id": AT_LEAST_ONCE, "hours": {"always": True}, "policy": "at_least_once"})
    recorder.tell(rules=[{"ends": ends, "behaviour": name, "times": 1} for ends, name, _, _ in FAULTS])
    stage.start("web")
    stage.start("work", ready=False)
    once: dict[str, list[str]] = defaultdict(list)
    again: dict[str, list[str]] = defaultdict(list)
    customer = Customer("key", SECRET, stage.port)
    for n in range(4 if FULL else 3):  # all kinds in turn: so many in a row that no answer comes to would stop it
        for ends, *_ in FAULTS:
            once[ends] += invited(stage, ends, 1, series=2 * n)
            again[ends] += invited(stage, ends, 1, AT_LEAST_ONCE, 2 * n + 1)
        for message_id in (once[ends][-1], again[ends][-1]):
            customer.final(message_id)
    tally.fault()
    eventually("nothing is on its way", lambda: live(database) == 0)
    ids = [message_id for each in (once, again) for of_fault in each.values() for message_id in of_fault]
    found = balance(database, recorder, ids, most=2)
    arrivals = Counter(submit.key for submit in recorder.submits())
    for ends, name, end, twice in FAULTS:
        assert {(found[i], arrivals[i]) for i in once[ends]} == {(end, 1)}, name
        assert {(found[i], arrivals[i]) for i in again[ends]} == {(DELIVERED, 1 + twice)}, name


@pytest.mark.parametrize("final", [False, True], ids=["receipts", "acceptance is final"])
def test_a_carrier_that_never_reports(stage: Stage, database: Database, recorder: Recorder, *, final: bool) -> None:
    """What it took ends all the same, and is not sent again, whatever the app's policy."""
    rows = provision(database, carrier="generic", settings=recorder.settings())
    rows.add_app(1, {"app_id": AT_LEAST_ONCE, "hours": {"always": True}, "policy": "at_least_once"})
    with database.write() as tx:
        tx.run(RECEIPT_WAIT, seconds=1, final=int(final))
    recorder.tell(rules=[{"behaviour": "silent"}])
    stage.start("web")
    stage.start("work", ready=False)
    ids = invited(stage, "0", EACH) + invited(stage, "0", EACH, AT_LEAST_ONCE, 1)
    tally.fault()
    eventually("nothing is on its way", lambda: live(database) == 0)
    end = DELIVERED if final else (State.FAILED, 124, "no receipt")
    assert {*balance(database, recorder, ids).values()} == {end}
    customer = Customer("key", SECRET, stage.port)
    assert {customer.status(message_id)["status"] for message_id in ids} == {"sent"}
    assert recorder.count() == len(ids)
