"""One loaded run for each point at which a crash leaves another trace: two hundred work processes die there in turn."""

from __future__ import annotations

import random
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.faults.ledger import audit, live
from tests.faults.tally import tally
from tests.faults.test_kill import CALLBACK, FULL, IN_FLIGHT, SETTINGS, Posters
from tests.processes import Customer, Process, Receiver, Recorder, eventually, staged

POINTS: Final = ("claimed", "marked", "answered", "unsettled", "settled")
KILLS: Final = 200
MOST: Final = 10  # posted between two deaths
PIDS: Final = Statement("select pid from workers where kind = 'work'")


def died(dying: Process, times: int) -> bool:
    return dying.log.read_text().splitlines().count("-9") == times


@pytest.mark.loaded
@pytest.mark.skipif(not FULL, reason="needs FAULTS=full")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", POINTS)
def test_two_hundred_deaths_when(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver, point: str
) -> None:
    """Each dies at the first row that takes it to that point, while more is posted; the last one lives."""
    provision(
        database,
        carrier="generic",
        settings=recorder.settings(),
        senders=4,
        mps=1000,
        callback_url=receiver.url + CALLBACK,
    )
    shares = [random.randint(1, MOST) for _ in range(KILLS)]
    with staged(database_url, tmp_path, **SETTINGS) as stage:
        stage.start("web")
        dying = stage.start("dying", module="tests.faults.dying", ready=False, stdin=subprocess.PIPE)
        assert dying.popen.stdin is not None
        with Posters(Customer("key", SECRET, stage.port), sum(shares)) as posters:
            for n, share in enumerate(shares, 1):
                posters.permit(share)
                dying.popen.stdin.write(f"{point}\n".encode())
                dying.popen.stdin.flush()
                eventually(f"one died when it had {point}", partial(died, dying, n))
            posters.wait_for(sum(shares))
            with database.read() as tx:
                killed = {row[0]: IN_FLIGHT for row in tx.run(PIDS)}
            tally.fault()
            stage.start("work", ready=False)
            eventually("nothing is on its way", lambda: live(database) == 0, 120)
            eventually("every receipt is taken", lambda: len(recorder.receipts()) == recorder.count(), 60)
            audit(database, recorder, receiver, posters.accepted, killed)
        assert posters.strange == []
        assert stage.complaints() == []
