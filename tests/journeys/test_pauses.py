"""Pause and resume of an app, a sender and a connection, by the commands, while a work process runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from dispatcher.store.database import Database
from tests.factories import SECRET, provision
from tests.processes import Customer, Recorder, Stage, staged

PROMISED: Final = 2.0  # seconds within which running processes heed it
PAUSES: Final = [
    ("app", "com.example.1", "app paused"),
    ("sender", "+12015550000", "no sender"),
    ("connection", "carrier", "no sender"),
]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path) as recorder:
        yield recorder


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        yield stage
        assert stage.complaints() == []


class Pair:
    """Two apps with a sender and a connection each: what is paused of the first leaves the second alone."""

    def __init__(self, stage: Stage, database: Database, recorder: Recorder) -> None:
        rows = provision(database, carrier="generic", settings=recorder.settings(), senders=0, apps=2)
        rows.add_connection("other", "generic", recorder.settings(), {})
        for n, connection in enumerate(("carrier", "other")):
            sender = {"number": f"+1201555000{n}", "kind": "long_code", "region": "US", "mps": 1000, "weight": 1.0}
            rows.add_sender(sender, connection, [f"com.example.{n + 1}"])
        self.customer = Customer("key", SECRET, stage.port)
        self._phones = (f"+1201222{n}" for n in count(3000))

    def _post(self, app: int) -> str:
        return str(self.customer.invite(next(self._phones), appId=f"com.example.{app}").json["messageId"])

    def held(self) -> tuple[str, str | None]:
        """An invitation of the first app, and why it is still here when a later one of the second has left."""
        message_id = self._post(1)
        assert self.customer.final(self._post(2))["code"] == 1
        status = self.customer.status(message_id)
        return message_id, status["holdReason"] if status["status"] == "pending" else None


def test_a_running_process_heeds_a_pause_and_its_end(stage: Stage, database: Database, recorder: Recorder) -> None:
    pair = Pair(stage, database, recorder)
    stage.start("web")
    stage.start("work", ready=False)
    assert pair.customer.final(pair.held()[0])["code"] == 1, "both leave, and the process knows both"
    for what, name, why in PAUSES:
        stage.command(what, "pause", name)
        until = time.monotonic() + PROMISED
        held: list[str] = []
        while len(held) < 3:
            late = time.monotonic() > until
            message_id, reason = pair.held()
            assert reason == why or not (late or held), f"{what}: not held, or no longer"
            held += [message_id] if reason == why else []
        assert not {submit.key for submit in recorder.submits()} & set(held)

        stage.command(what, "resume", name)
        until = time.monotonic() + PROMISED
        while pair.held()[1]:
            assert time.monotonic() <= until, f"{what}: still held"
        assert [pair.customer.final(message_id)["code"] for message_id in held] == [1, 1, 1]
        submits = Counter(submit.key for submit in recorder.submits())
        assert [submits[message_id] for message_id in held] == [1, 1, 1]
