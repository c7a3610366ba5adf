"""What the doctor finds, and what it tells to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Run, runner


def findings(run: Run) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = run("doctor")
    return ran.status, {row["check"]: row for row in json.loads(ran.out)}


def test_an_installation_that_lacks_things_until_it_is_mended(run: Run, rows: Rows, database: Database) -> None:
    status, found = findings(run)
    assert status == 1
    bad = {check for check, row in found.items() if not row["ok"]}
    assert bad == {"senders of com.example.1", "workers"}
    assert all(bool(row["todo"]) is not row["ok"] for row in found.values())
    assert found["limits"]["what"] == "off: countries of com.example.1"
    run("sender", "add", "+12015550160", "--connection", "simulated")
    Workers(database).enrol("work", utc_now())
    assert findings(run)[0] == 0
    lines = run("doctor", as_json=False).out.splitlines()
    assert "ok   workers: 1 alive" in lines
    run("sender", "pause", "+12015550160")
    assert findings(run)[1]["senders of com.example.1"]["ok"] is False
    run("sender", "resume", "+12015550160")
    with database.write() as tx:
        tx.run(Statement("update apps set callback_url = 'http://127.0.0.1/'"))
        tx.run(Statement("update connections set carrier = 'generic'"))
    status, found = findings(run)
    assert status == 1
    bad = {check for check, row in found.items() if not row["ok"]}
    assert bad == {"callbacks of com.example.1", "connection simulated", "public_url"}


def test_a_database_that_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, todo in ((tmp_path / "new.db", "run `dispatcher migrate`"), (tmp_path, "start it")):
        status, found = findings(runner(f"sqlite:///{path}", monkeypatch, capsys))
        assert (status, found["database"]["ok"]) == (1, False)
        assert found["database"]["todo"].startswith(todo)
