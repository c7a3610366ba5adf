"""What is in doubt is asked about, by real processes in carriers' own words: one text for each, whatever is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from dispatcher.core.lifecycle import State
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import SECRET, provision
from tests.faults.deduplicating import CARRIERS, ENVIRONMENT, Deduplicating, Sinch, Telnyx
from tests.faults.scene import FULL
from tests.faults.tally import tally
from tests.processes import Customer, Process, Stage, eventually, staged

LEASE: Final = 7
SETTINGS: Final = {
    "WORK__LEASE_SECONDS": LEASE,
    "WORK__IN_DOUBT_MINUTES": 1,
    "WORK__RESCUE_SECONDS": 0.5,
    "CARRIERS__TIMEOUT_SECONDS": 1,
    "WEB__WORKERS": 1,
}
EACH: Final = 10 if FULL else 4
STATES: Final = Statement("select id, state, code, reason from messages")
REFS: Final = Statement("select fate, count(*) from attempts group by fate order by fate")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=CARRIERS, ids=[each.carrier for each in CARRIERS])
def carrier(request: pytest.FixtureRequest) -> Iterator[Deduplicating]:
    with request.param() as carrier:
        yield carrier


@pytest.fixture
def telnyx() -> Iterator[Deduplicating]:
    with Telnyx() as carrier:
        yield carrier


@pytest.fixture
def settings() -> dict[str, Any]:
    return SETTINGS


@pytest.fixture
def stage(database_url: str, tmp_path: Path, settings: dict[str, Any]) -> Iterator[Stage]:
    with staged(database_url, tmp_path, **settings) as stage:
        yield stage
        assert stage.complaints() == []


def states(database: Database) -> dict[str, tuple[str, int, str]]:
    with database.read() as tx:
        return {str(row[0]): (row[1], row[2], row[3]) for row in tx.run(STATES)}


def said(process: Process, text: str) -> bool:
    return process.log.read_text() == text


def dying(stage: Stage) -> Process:
    """Work processes that die at the points that are told to them."""
    process = stage.start("dying", module="tests.faults.dying", ready=False, stdin=subprocess.PIPE)
    eventually("it is ready", partial(said, process, "ready\n"))
    return process


def die_at(process: Process, *points: str) -> None:
    """Have one die at each of these, one after the other."""
    for n, point in enumerate(points, 1):
        assert process.popen.stdin is not None
        process.popen.stdin.write(f"{point}\n".encode())
        process.popen.stdin.flush()
        eventually(f"one died when it had {point}", partial(said, process, "ready\n" + "-9\n" * n))
        tally.fault()


def test_whatever_is_lost_is_sent_once(stage: Stage, database: Database, carrier: Deduplicating) -> None:
    """Two processes; answers and submits are lost, and an answer to a question."""
    provision(database, carrier=carrier.carrier, settings=carrier.settings)
    stage.start("web")
    customer = Customer("key", SECRET, stage.port)
    answers = [customer.invite(f"3012222{n:02d}{end}") for n in range(20, 20 + EACH) for end in (0, 1, 2, 3)]
    ids = {answer.json["messageId"]: n % 4 for n, answer in enumerate(answers)}
    for _ in range(2):
        stage.start("work", ready=False)
    tally.fault()
    sent = {(State.SUBMITTED, 0, "")}
    eventually("all are sent", lambda: {*states(database).values()} == sent, 50)
    arrived, taken = carrier.of(carrier.arrived), carrier.of(carrier.taken)
    tally.count(len(ids), len(ids.keys() - taken.keys()), taken.total() - len(ids), 0)
    assert taken == dict.fromkeys(ids, 1)
    assert all(arrived[key] > 1 for key, end in ids.items() if end), "each was in doubt"
    assert max(arrived.values()) <= 4
    with database.read() as tx:
        assert tx.run(REFS) == [("taken", len(ids))]


def test_a_carrier_that_has_a_list_is_asked_for_it(stage: Stage, database: Database) -> None:
    """It takes whatever is submitted, so nothing is submitted twice."""
    with Sinch() as carrier:
        provision(database, carrier=carrier.carrier, settings=carrier.settings)
        stage.start("web")
        customer = Customer("key", SECRET, stage.port)
        answers = [customer.invite(f"3012222{n:02d}{end}") for n in range(20, 20 + EACH) for end in (0, 1)]
        ids = [answer.json["messageId"] for answer in answers]
        stage.start("work", ready=False)
        tally.fault()
        sent = {(State.SUBMITTED, 0, "")}
        eventually("all are sent", lambda: {*states(database).values()} == sent, 50)
        assert carrier.of(carrier.arrived) == carrier.of(carrier.taken) == dict.fromkeys(ids, 1)
    tally.count(len(ids), 0, 0, 0)


def test_a_process_killed_before_and_after_its_question(
    stage: Stage, database: Database, telnyx: Deduplicating
) -> None:
    """One has claimed a question when it dies, the next has the answer: neither sends anything twice."""
    provision(database, carrier=telnyx.carrier, settings=telnyx.settings)
    stage.start("web")
    died = dying(stage)
    message_id = Customer("key", SECRET, stage.port).invite("3012223331").json["messageId"]
    die_at(died, "asked", "told")
    assert telnyx.of(telnyx.arrived) == {message_id: 2}
    assert states(database)[message_id][0] == State.IN_DOUBT
    stage.start("work", ready=False)
    eventually("it is sent", lambda: states(database)[message_id] == (State.SUBMITTED, 0, ""), 50)
    assert telnyx.of(telnyx.arrived) == {message_id: 3}
    assert telnyx.of(telnyx.taken) == {message_id: 1}
    tally.count(1, 0, 0, 0)


@pytest.mark.parametrize("settings", [SETTINGS | {"WORK__IN_DOUBT_MINUTES": 0.15}], ids=["soon closed"])
def test_a_question_that_would_send_obeys_the_rules_of_sending(
    stage: Stage, database: Database, telnyx: Deduplicating
) -> None:
    """Three were marked and never left: asking sends the first, but nobody who opted out since, and nobody at night."""
    rows = provision(database, carrier=telnyx.carrier, settings=telnyx.settings, apps=2)
    stage.start("web")
    died = dying(stage)
    customer = Customer("key", SECRET, stage.port)
    asleep = customer.invite("3012224440", appId="com.example.2").json["messageId"]
    stopped, sent = (customer.invite(f"301222444{n}").json["messageId"] for n in (4, 5))
    die_at(died, "marked")
    stage.command("optout", "add", "+13012224444", "--everywhere")
    opens = utc_now().astimezone(ZoneInfo("America/New_York")) + timedelta(hours=6)
    rows.change_app("com.example.2", "", {"hours": {"every": [f"{opens:%H}:00-{opens:%H}:30"]}})
    stage.start("work", ready=False)
    unknown = (State.FAILED, 124, "outcome unknown")
    wanted = {asleep: unknown, stopped: unknown, sent: (State.SUBMITTED, 0, "")}
    eventually("the others are closed by their policy", lambda: states(database) == wanted, 50)
    assert telnyx.of(telnyx.arrived) == telnyx.of(telnyx.taken) == {sent: 1}
    tally.count(3, 0, 0, 2)
