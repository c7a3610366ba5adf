"""A carrier whose key is revoked amid the run: nothing fails, the queue waits, the alarm says why, all leaves after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.settings import load
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.wiring.doctor import examine
from tests.factories import SECRET, provision
from tests.processes import TOKEN_VALUE, Customer, Recorder, Stage, eventually, staged

QUEUED: Final = 200
PROBES: Final = 5
MENDED: Final = "another token of a test"
METRICS: Final = "a third token of a test"
FAILED: Final = Statement("select count(*) from messages where state not in ('queued', 'claimed', 'submitting')")
TAKEN: Final = Statement("select count(*) from messages where state in ('submitted', 'delivered')")
DELIVERED: Final = Statement("select count(*) from messages where state = 'delivered' and code = 1")
STOPPED: Final = Statement("select count(*) from connections where stopped_at is not null")
WAIT_NO_MORE: Final = Statement("update connections set retry_at = 1 where stopped_at is not null")
DUE_NOW: Final = Statement("update messages set due_at = 1 where state = 'queued' and due_at > 1")


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "metrics").write_text(METRICS)
    with staged(database_url, tmp_path, WEB__WORKERS=1, WEB__METRICS_TOKEN=f"file:{tmp_path}/metrics") as stage:
        yield stage
        assert stage.complaints() == []


def count(database: Database, statement: Statement) -> int:
    with database.read() as tx:
        return int(tx.run(statement)[0][0])


def hasten(database: Database, *statements: Statement) -> None:
    """Let the half minute pass that a stopped connection is left alone, or the waits of its rows."""
    with database.write() as tx:
        for statement in statements:
            tx.run(statement)


def metrics(stage: Stage) -> dict[str, list[tuple[dict[str, str], float]]]:
    connection = HTTPConnection("127.0.0.1", stage.port, timeout=20)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {METRICS}"})
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {f.name: [(dict(s.labels), s.value) for s in f.samples] for f in text_string_to_metric_families(text)}


def alarms(stage: Stage, *words: str) -> list[dict[str, Any]]:
    return list(stage.commanded("alarm", "list", *words))


def replaced(file: Path, content: str) -> None:
    """As a deployment puts a file in the place of another."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{content}\n")
    fresh.rename(file)


def tried_again(database: Database, recorder: Recorder, before: int) -> bool:
    hasten(database, WAIT_NO_MORE, DUE_NOW)
    return recorder.turned_away() > before


@pytest.mark.parametrize("mended_by", ["time", "the operator"])
def test_a_key_that_is_revoked_amid_the_run(stage: Stage, database: Database, tmp_path: Path, mended_by: str) -> None:
    key, former = tmp_path / "key", tmp_path / "former"
    for file in (key, former):
        replaced(file, TOKEN_VALUE)
    with Recorder(tmp_path) as recorder:
        settings = recorder.settings() | {"credentials": {"token": f"file:{key}", "former": f"file:{former}"}}
        settings["receipts"]["verify"]["before"] = "former"
        provision(database, carrier="generic", settings=settings)
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)

        def invite(n: int) -> object:
            return customer.invite(f"3012{n:06d}")

        with ThreadPoolExecutor(8) as pool:
            sending = pool.map(invite, range(220_000, 220_000 + QUEUED // 2))
            recorder.wait_for(QUEUED // 8)
            recorder.tell(token=MENDED)
            list(sending)
            list(pool.map(invite, range(230_000, 230_000 + QUEUED)))
        everyone = QUEUED // 2 + QUEUED
        left = everyone - recorder.count()
        assert left >= QUEUED
        eventually("the connection is stopped", lambda: count(database, STOPPED))

        for n in range(PROBES):  # half a minute each
            eventually(f"it is tried once more, {n}", partial(tried_again, database, recorder, recorder.turned_away()))
        eventually("what it had taken is settled", lambda: count(database, TAKEN) == everyone - left)
        assert count(database, FAILED) == everyone - left, "nothing failed"
        [alarm] = alarms(stage)
        assert (alarm["kind"], alarm["subject"], alarm["reason"]) == ("connection_stopped", "carrier", "HTTP 401")
        assert alarm["count"] > 1
        found = {one.check: one for one in examine(load(None, stage.environment))}
        assert not found["alarms"].ok
        assert found["connection carrier"].what == "stopped: HTTP 401"
        told = metrics(stage)
        assert [labels for labels, _ in told["dispatcher_alarms"]] == [
            {"kind": "connection_stopped", "subject": "carrier"}
        ]
        waiting = {labels["state"]: value for labels, value in told["dispatcher_messages"]}
        assert waiting["queued"] + waiting["in_flight"] == left
        again = customer.invite("3012239999").json
        assert (again["status"], again["code"]) == ("pending", 0), "more is taken in all the while"

        replaced(key, MENDED)

        def gone() -> bool:
            hasten(database, DUE_NOW, *[WAIT_NO_MORE] * (mended_by == "time"))
            if mended_by == "the operator" and count(database, STOPPED):
                stage.command("connection", "resume", "carrier")
            return count(database, DELIVERED) == everyone + 1

        eventually("all has left, and was delivered", gone, 60)
        assert Counter(submit.key for submit in recorder.submits()).most_common(1)[0][1] == 1, "each once"
        assert recorder.count() == everyone + 1
        assert count(database, STOPPED) == 0
        assert alarms(stage) == []
        assert [alarm["open"] for alarm in alarms(stage, "--all")] == [False]
        assert metrics(stage)["dispatcher_alarms"] == []
