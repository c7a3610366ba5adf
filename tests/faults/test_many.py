"""Many processes on one database, killed and started again all the while: each invitation is submitted once."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dispatcher.store.postgres import Postgres
from tests.factories import SECRET, provision
from tests.faults.crowd import Crowd
from tests.faults.ledger import Watch, audit, live
from tests.faults.scene import CALLBACK, FULL, IN_FLIGHT, SETTINGS
from tests.faults.tally import tally
from tests.processes import (
    TICK,
    Customer,
    Process,
    Receiver,
    Recorder,
    Stage,
    end_now,
    eventually,
    family_of,
    free_port,
    runs,
    staged,
)

WEBS, WORKS = (2, 4) if FULL else (2, 3)


class Fleet:
    """Web and work processes by their places; whoever has ended is started again."""

    def __init__(self, stage: Stage, ports: list[int], works: int) -> None:
        self._stage = stage
        self._words = [("web", "--port", str(port)) for port in ports] + [("work",)] * works
        self._places: dict[int, Process] = {n: self._start(n) for n in range(len(self._words))}
        self.killed: dict[int, int] = {}  # how many submits may be in doubt, by the pid of the work process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> Fleet:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._stop.set()
        self._thread.join()

    def _start(self, place: int) -> Process:
        return self._stage.start(*self._words[place], ready=False)

    def _keep(self) -> None:
        while not self._stop.wait(TICK):
            for place, process in self._places.items():
                if process.popen.poll() is not None:
                    self._places[place] = self._start(place)

    def kill(self, place: int) -> None:
        """Kill -9 whoever is there; what it leaves behind ends by itself."""
        process = eventually("it runs", lambda: p if (p := self._places[place]).popen.poll() is None else None)
        family = family_of(process.pid)
        if self._words[place] == ("work",):
            self.killed[process.pid] = IN_FLIGHT
        end_now([process.pid])
        eventually("all that it started has ended", lambda: not any(map(runs, family)))


def ready(stage: Stage, ports: list[int]) -> Mapping[int, Any]:
    """Until each API answers."""
    return {port: eventually("it answers", lambda p=port: answers(p)) for port in ports}  # type: ignore[misc]


def answers(port: int) -> bool:
    try:
        return Customer("", "", port).call("GET", "/health").status == 200
    except OSError:
        return False


@pytest.mark.loaded
@pytest.mark.timeout(1200 if FULL else 120)
def test_many_processes_submit_each_invitation_once(
    postgres_url: str, recorder: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    count, kills = (20_000, 60) if FULL else (300, 4)
    database = Postgres(postgres_url, connections=2)
    provision(
        database,
        carrier="generic",
        settings=recorder.settings(),
        senders=8,
        mps=50,
        callback_url=receiver.url + CALLBACK,
    )
    recorder.tell(pause=0.05)
    with staged(postgres_url, tmp_path, **SETTINGS, POSTGRES__CONNECTIONS=3) as stage:
        ports = [stage.port, *(free_port() for _ in range(WEBS - 1))]
        customer = Customer("key", SECRET, stage.port)
        with Fleet(stage, ports, WORKS) as fleet:
            ready(stage, ports)
            with Crowd(customer, count, ports, pause=0.0) as crowd, Watch(customer, crowd.accepted) as watch:
                for n in range(kills):
                    share = count * (n + 1) // (kills + 1)
                    crowd.wait_for(share, 300)
                    eventually("half of them left", lambda least=share // 2: recorder.count() >= least, 300)  # type: ignore[misc]
                    fleet.kill(random.randrange(WEBS) if n % 3 == 2 else WEBS + random.randrange(WORKS))
                tally.fault()
                crowd.wait_for_all(300)
                eventually("nothing is on its way", lambda: live(database) == 0, 300)
                eventually("every receipt is taken", lambda: len(recorder.receipts()) == recorder.count(), 60)
            audit(database, recorder, receiver, crowd.accepted, fleet.killed)
            database.close()
        assert not crowd.refused
        assert watch.regressed() == {}
        assert stage.complaints() == []
