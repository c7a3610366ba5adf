"""A burst of one tenant, the morning herd, and a pause that outlasts a restart."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.flows import FEW
from dispatcher.core.invitation import Candidate
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import SECRET, candidate, provision
from tests.faults.ledger import balance, live
from tests.faults.tally import tally
from tests.processes import Customer, Recorder, Stage, eventually, staged

FULL: Final = os.environ.get("FAULTS") == "full"
BURST: Final = 100_000 if FULL else 5_000
PAGE: Final = 5_000
SINGLES: Final = 20 if FULL else 5
WITHIN: Final = 2.0  # seconds from being due until it reaches the carrier
HERD: Final = 600 if FULL else 120
MPS: Final = 20.0
SLOW: Final = 1.0  # so that a pause comes in time, however long its command takes to start
WITNESS: Final = 0.25  # seconds that the witness itself may be late
PLACES: Final = WITNESS * MPS  # by which it may mistake the order
SOON: Final = 5.0  # seconds, where those before in the queue would take many times as long
IN_STATE: Final = Statement("select count(*) from messages where app_id = :app_id and state = :state")


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        yield stage
        assert stage.complaints() == []


def filled(database: Database, count: int, after: float = 0.0) -> list[Candidate]:
    """So many invitations of app 1, all due `after` seconds from now."""
    now = utc_now()
    due = now + timedelta(seconds=after)
    times = {"created_at": now, "planned_at": due, "expires_at": now + timedelta(days=2)}
    phones = (f"+1301{222 + n // 8000}{2000 + n % 8000}" for n in range(count))
    made = [candidate(phone, **times, duplicate_until=now + timedelta(days=7)) for phone in phones]
    for n in range(0, count, PAGE):
        Admissions(database).admit(made[n : n + PAGE], now)
    return made


def test_a_burst_of_one_tenant_delays_another_by_seconds(stage: Stage, database: Database, recorder: Recorder) -> None:
    """Two apps with a sender each; one has its burst due when the other posts one invitation after the other."""
    rows = provision(database, carrier="generic", settings=recorder.settings(), senders=0, apps=2)
    for n in (1, 2):
        sender = {"number": f"+1201555000{n}", "kind": "long_code", "region": "US", "mps": 200.0, "weight": 1.0}
        rows.add_sender(sender, "carrier", [f"com.example.{n}"])
    burst = filled(database, BURST)
    stage.start("web")
    work = stage.start("work", ready=False)
    recorder.wait_for(50)
    customer = Customer("key", SECRET, stage.port)
    posted = {}
    for n in range(SINGLES):
        answered = customer.invite(f"302222{2000 + n}", appId="com.example.2")
        posted[answered.json["messageId"]] = time.monotonic()
        recorder.wait_for(recorder.count() + 20)  # the burst goes on meanwhile
    ends = {customer.final(message_id)["code"] for message_id in posted}
    assert work.stop() == 0
    submits = recorder.submits()
    tally.count(len(posted), 0, len(submits) - len({submit.key for submit in submits}), 0)
    arrived = {submit.key: submit.at for submit in submits}
    assert len(arrived) == len(submits)
    late = {key: arrived[key] - at for key, at in posted.items()}
    assert max(late.values()) <= WITHIN, late
    assert ends == {1}
    assert arrived.keys() - posted.keys() <= {str(one.id) for one in burst}
    with database.read() as tx:
        assert tx.run(IN_STATE, app_id=1, state="queued")[0][0] > BURST // 4, "the burst was over before"


def test_one_who_invites_hundreds_keeps_others_of_the_app_waiting_for_seconds(
    stage: Stage, database: Database, recorder: Recorder
) -> None:
    rows = provision(database, carrier="generic", settings=recorder.settings(), mps=MPS)
    stage.start("web")
    customer = Customer("key", SECRET, stage.port)
    many, singles = (int(MPS * 60), 10) if FULL else (int(MPS * 16), 3)
    ids = [customer.invite(f"301222{2000 + n}", inviterId="busy").json["messageId"] for n in range(many)]
    stage.start("work", ready=False)
    recorder.wait_for(2 * FEW)
    late = []
    for n in range(singles):
        single = customer.invite(f"302222{2000 + n}", inviterId=f"friend {n}").json["messageId"]
        posted = time.monotonic()
        ids.append(single)
        assert customer.final(single)["code"] == 1
        [submit] = [submit for submit in recorder.submits() if submit.key == single]
        late.append(submit.at - posted)
    assert max(late) <= SOON, late
    with database.read() as tx:
        assert tx.run(IN_STATE, app_id=1, state="queued")[0][0] > SOON * MPS // 2, "all had left before"
    rows.change_sender("+12015550000", "carrier", {"mps": 1000.0}, None)
    tally.fault()
    eventually("nothing is on its way", lambda: live(database) == 0, 120)
    assert {code for _, code, _ in balance(database, recorder, ids).values()} == {1}


def test_the_morning_herd_keeps_order_and_pace(stage: Stage, database: Database, recorder: Recorder) -> None:
    """All are due at one instant: none leaves before, each sender keeps its rate in every window, and the order."""
    provision(database, carrier="generic", settings=recorder.settings(), senders=2, mps=MPS)
    stage.start("web")
    stage.start("work", ready=False)
    opening = time.monotonic() + 2.0
    herd = [str(one.id) for one in filled(database, HERD, after=2.0)]
    tally.fault()
    eventually("nothing is on its way", lambda: live(database) == 0, 120)
    assert {code for _, code, _ in balance(database, recorder, herd).values()} == {1}
    by_sender = defaultdict(list)
    for submit in sorted(recorder.submits(), key=lambda submit: submit.at):
        by_sender[submit.sender].append(submit)
    assert len(by_sender) == 2
    for submits in by_sender.values():
        assert submits[0].at >= opening - WITNESS
        line = sorted((submit.key for submit in submits), key=herd.index)
        for n, first in enumerate(submits):
            assert abs(line.index(first.key) - n) <= PLACES
            for m, last in enumerate(submits[n + 1 :], 1):
                assert last.at - first.at >= m / MPS - WITNESS, (n, m)


def test_a_pause_outlasts_a_restart(stage: Stage, database: Database, recorder: Recorder) -> None:
    """Pause, restart, resume: what waits is kept, does not leave meanwhile, and leaves once afterwards."""
    rows = provision(database, carrier="generic", settings=recorder.settings(), apps=2, mps=SLOW)
    stage.start("web")
    first = stage.start("work", ready=False)
    ids = [str(one.id) for one in filled(database, 200 if FULL else 40)]
    recorder.wait_for(1)
    stage.command("app", "pause", "com.example.1")
    assert first.stop() == 0
    left = {submit.key for submit in recorder.submits()}
    assert len(left) < len(ids), "the pause came too late"
    stage.start("work", ready=False)
    customer = Customer("key", SECRET, stage.port)
    other = customer.invite("3032223333", appId="com.example.2").json["messageId"]
    assert customer.final(other)["code"] == 1
    assert {submit.key for submit in recorder.submits()} == left | {other}
    held = next(message_id for message_id in reversed(ids) if message_id not in left)
    assert customer.status(held)["holdReason"] == "app paused"
    rows.change_sender("+12015550000", "carrier", {"mps": 1000.0}, None)
    stage.command("app", "resume", "com.example.1")
    tally.fault()
    eventually("nothing is on its way", lambda: live(database) == 0)
    assert {code for _, code, _ in balance(database, recorder, [*ids, other]).values()} == {1}
    assert recorder.count() == len(ids) + 1
