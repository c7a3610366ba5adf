"""kill -9 of every process of ours, again and again, while invitations are posted and dispatched.

Afterwards nothing that was accepted is lost, and nothing has reached the carrier twice. FAULTS=full runs the long form.
"""

from __future__ import annotations

import os
import random
import threading
from contextlib import suppress
from http.client import HTTPException
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pytest

from dispatcher.store.database import Database
from tests.factories import SECRET, provision
from tests.faults.ledger import Watch, audit, live, owing
from tests.processes import (
    TICK,
    Customer,
    Receiver,
    Recorder,
    Stage,
    children_of,
    end_now,
    eventually,
    family_of,
    runs,
    staged,
)

FULL: Final = os.environ.get("FAULTS") == "full"
IN_FLIGHT: Final = 32
SETTINGS: Final = {
    "WORK__IN_FLIGHT": IN_FLIGHT,
    "WORK__LEASE_SECONDS": 7,
    "WORK__IN_DOUBT_MINUTES": 0.05,
    "WORK__RESCUE_SECONDS": 0.5,
    "CARRIERS__TIMEOUT_SECONDS": 1,
    "CALLBACKS__TIMEOUT_SECONDS": 1,
    "WEB__WORKERS": 2,
}
POSTERS: Final = 8


class Troupe:
    """The processes of an installation, started again by the test whenever one has ended."""

    def __init__(self, stage: Stage, roles: tuple[str, ...]) -> None:
        self._stage = stage
        self._roles = {role: stage.start(role, ready=False) for role in roles}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self.killed: dict[int, int] = {}  # how many submits may be in doubt, by the pid of the work process
        self._kills = 0

    def __enter__(self) -> Troupe:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        # Each kill ends one process, and may end another start of it: its port or its database is not free yet.
        while not self._stop.wait(TICK) and len(self._stage.started) <= len(self._roles) + 3 * self._kills + 1:
            for role, process in self._roles.items():
                if process.popen.poll() is not None:
                    self._roles[role] = self._stage.start(role, ready=False)

    def _found(self, victim: str) -> list[int]:
        """The processes that play this part now."""
        web = self._roles.get("web") or self._roles["serve"]
        if victim in self._roles:
            return [self._roles[victim].pid]
        children = children_of(web.pid)
        if "serve" in self._roles:
            named = {name: [p for p in children if name in _words(p)] for name in ("web", "work")}
            return named[victim] if victim in named else [w for p in named["web"] for w in children_of(p)]
        return children

    def kill(self, victim: str) -> None:
        """Kill -9 one process that plays this part, once there is one; what it leaves behind ends by itself."""
        self._kills += 1
        pid = random.choice(eventually(f"there is a {victim}", lambda: self._found(victim)))
        family = family_of(pid)
        if "work" in _words(pid):  # one that ends because its parent was killed has time to lose nothing
            self.killed[pid] = IN_FLIGHT
        end_now([pid])
        eventually(f"all that {victim} started has ended", lambda: not any(map(runs, family)))


def _words(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


class Posters:
    """Customers who post until they are answered: no answer means the same post again, under the same reference."""

    def __init__(self, customer: Customer, count: int) -> None:
        self.accepted: dict[str, str] = {}
        self.strange: list[str] = []
        self._customer = customer
        self._left = iter(range(count))
        self._permits = threading.Semaphore(0)
        self._stop = False
        self._threads = [threading.Thread(target=self._post, daemon=True) for _ in range(POSTERS)]

    def __enter__(self) -> Posters:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._stop = True
        self.permit(POSTERS)
        for thread in self._threads:
            thread.join()

    def permit(self, count: int) -> None:
        """Let so many more be posted."""
        self._permits.release(count)

    def wait_for(self, count: int) -> None:
        """Until so many are accepted."""
        eventually(f"{count} are accepted", lambda: len(self.accepted) >= count, 60)

    def _post(self) -> None:
        while self._permits.acquire() and not self._stop:
            n = next(self._left, None)
            if n is None:
                return
            reference = f"r{n}"
            while reference not in self.accepted and not self._stop:
                with suppress(OSError, HTTPException):
                    answer = self._customer.invite(f"301{222 + n // 10000}{n % 10000:04d}", referenceId=reference)
                    if answer.status == 200:
                        self.accepted[reference] = answer.json["messageId"]
                    else:
                        self.strange.append(f"{answer.status} {answer.body!r}")


CALLBACK: Final = "/?id={messageId}&status={status}"
SEPARATE: Final = ("work", "web worker", "web", "work", "web worker", "web")
TOGETHER: Final = ("work", "web", "serve", "web worker", "work", "serve")


@pytest.mark.loaded
@pytest.mark.timeout(900 if FULL else 120)
@pytest.mark.parametrize(
    ("roles", "victims"),
    [
        pytest.param(("web", "work"), SEPARATE, id="separate"),
        pytest.param(("serve",), TOGETHER, id="serve", marks=pytest.mark.skipif(not FULL, reason="needs FAULTS=full")),
    ],
)
def test_nothing_is_lost_and_nothing_is_sent_twice(
    database_url: str,
    database: Database,
    recorder: Recorder,
    receiver: Receiver,
    tmp_path: Path,
    roles: tuple[str, ...],
    victims: tuple[str, ...],
) -> None:
    count, kills = (1000, 24) if FULL else (300, 6)
    provision(
        database,
        carrier="generic",
        settings=recorder.settings(),
        senders=4,
        mps=25,
        callback_url=receiver.url + CALLBACK,
    )
    recorder.tell(pause=0.05)
    with staged(database_url, tmp_path, **SETTINGS) as stage, Troupe(stage, roles) as troupe:
        customer = Customer("key", SECRET, stage.port)
        with Posters(customer, count) as posters, Watch(customer, posters.accepted) as watch:
            share = count // (kills + 1)
            for n, victim in enumerate(islice(cycle(victims), kills), 1):
                posters.permit(share)
                posters.wait_for(share * (n - 1) + share // 2)  # the others are on their way when it is killed
                if victim in ("work", "serve"):
                    recorder.wait_for(recorder.count() + 1)
                troupe.kill(victim)
            posters.permit(count)
            posters.wait_for(count)
            eventually("nothing is on its way", lambda: live(database) == 0, 120)
            eventually("every receipt is taken", lambda: len(recorder.receipts()) == recorder.count(), 60)
            if FULL:  # what a killed process had claimed is called when its lease of a minute is over
                eventually("every callback is made", lambda: owing(database) == 0, 120)
            found = audit(database, recorder, receiver, posters.accepted, troupe.killed)
        print(found.states, "unknown:", len(found.unknown), "owed:", found.owed, "killed:", len(troupe.killed))  # noqa: T201
        assert posters.strange == []
        assert watch.regressed() == {}
        assert len(watch.seen) > 10
        assert stage.complaints() == []
