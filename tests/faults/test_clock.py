"""A host whose clock is set back while it works: ids never repeat, nothing stands still, nothing is sent twice."""

from __future__ import annotations

from itertools import pairwise

from dispatcher.core.lifecycle import State
from dispatcher.store.statement import Statement
from tests.faults.ledger import Watch
from tests.faults.scene import IN_FLIGHT, Scene
from tests.faults.shim import Shim
from tests.processes import eventually

HOUR = 3600  # seconds
LONG_OVER = Statement("update messages set lease_until = 1 where state = 'submitting'")


def test_a_clock_that_jumps_back_repeats_no_id_and_stops_no_work(scene: Scene, shim: Shim) -> None:
    """By an hour, of web and work alike; SQLite's own clock is the host's, PostgreSQL's another one."""
    scene.provision()
    scene.recorder.tell(pause=0.2)
    scene.stage.start("web")
    scene.work()
    with Watch(scene.customer, scene.accepted) as watch:
        ids: list[int] = []
        for n in range(3):
            scene.post(20)
            scene.recorder.wait_for(20 * (n + 1))
            ids.append(max(int(i) for i in scene.accepted.values()))
            shim.tell(clock=-HOUR * (n + 1))
        found = scene.audit()
    assert found.states == {State.DELIVERED: 60}
    assert all(before < after for before, after in pairwise(ids))
    assert watch.regressed() == {}
    assert scene.stage.complaints() == []


def test_sweeps_do_not_wait_for_a_clock_that_was_set_back(scene: Scene, shim: Shim) -> None:
    """Nobody rings for what a killed process leaves: only a sweep finds it."""
    scene.provision()
    scene.recorder.tell(pause=1, flowing=False)
    scene.stage.start("web")
    first = scene.work()
    scene.post(IN_FLIGHT)
    scene.recorder.wait_for(IN_FLIGHT)
    first.kill()
    second = scene.work()
    scene.post(1)
    living = scene.accepted[f"r{IN_FLIGHT}"]
    eventually("the other one's submit has landed", lambda: scene.states()[living] == State.SUBMITTED)
    shim.tell(clock=-HOUR)
    eventually("it has noticed", lambda: "the clock was set back" in second.log.read_text())
    with scene.database.write() as tx:
        tx.run(LONG_OVER)
    eventually("they are taken back", lambda: f'"in_doubt": {IN_FLIGHT}' in second.log.read_text(), 10)
    scene.recorder.tell(flowing=True)
    assert scene.audit().states == {State.DELIVERED: IN_FLIGHT + 1}
    assert scene.stage.complaints() == []
