"""Two work processes and one sender: what the carrier sees keeps the sender's distance, whoever submits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.processes import Customer, Recorder, eventually, staged

GAP: Final = 1.0  # seconds
LEAST: Final = 0.95 * GAP
LONG: Final = "x" * 200  # two segments
SUBMITTERS: Final = Statement(
    """select w.pid from attempts a join workers w on w.id = a.worker_id
    group by w.pid order by max(a.started_at) desc"""
)


def test_two_processes_never_exceed_one_senders_rate(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder
) -> None:
    """The one that submits is stopped half-way, so that the other takes the sender over."""

    def submitters() -> list[int]:
        with database.read() as tx:
            return [row[0] for row in tx.run(SUBMITTERS)]

    provision(database, carrier="generic", settings=recorder.settings(), mps=1 / GAP)
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        stage.start("web")
        customer = Customer("key", SECRET, stage.port)
        workers = {process.pid: process for process in (stage.start("work", ready=False) for _ in range(2))}
        ids = [
            customer.invite(f"30122230{n:02d}", message=LONG if n in (1, 5) else "Join me").json["messageId"]
            for n in range(7)
        ]
        recorder.wait_for(3)
        [first] = submitters()
        assert workers[first].stop() == 0
        for message_id in ids:
            assert customer.final(message_id)["code"] == 1
        eventually("the other one took over", lambda: len(submitters()) == 2)
        assert stage.complaints() == []
    seen = sorted(recorder.submits(), key=lambda submit: submit.at)
    assert len({submit.key for submit in seen}) == len(seen) == len(ids)
    for before, after in pairwise(seen):
        segments = 2 if before.text == LONG else 1
        assert after.at - before.at >= LEAST * segments
