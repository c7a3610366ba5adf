"""`connection test` by a carrier whose receipts come to the installation's web: it finds them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.store.database import Database
from tests.factories import provision
from tests.processes import ROOT, Recorder, Stage, staged


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path) as recorder:
        yield recorder


def tried(stage: Stage, *more: str) -> tuple[int, dict[str, Any]]:
    words = ["connection", "test", "carrier", "--to", "+12012223333", *more, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", *words],
        cwd=ROOT,
        env=stage.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)


def test_a_trial_is_followed_to_its_receipts(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder
) -> None:
    provision(database, carrier="generic", settings=recorder.settings())
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        stage.start("web")
        status, told = tried(stage)
        assert (status, told["result"], told["fate"]) == (0, "delivered", "taken")
        assert told["receipts"] == [{"event": "delivered", "code": None, "reason": "delivered"}]
        recorder.tell(rules=[{"behaviour": "undelivered"}])
        status, told = tried(stage)
        assert (status, told["result"]) == (1, "not delivered (124): failed")
        recorder.tell(rules=[{"behaviour": "drop"}])
        status, told = tried(stage)
        assert (status, told["result"], told["fate"]) == (0, "delivered", "unknown")
        recorder.tell(rules=[{"behaviour": "silent"}])
        status, told = tried(stage, "--wait", "0.5")
        hook = f"http://127.0.0.1:{stage.port}/hooks/carrier"
        assert (status, told["result"]) == (
            1,
            f"taken, but no receipt within 0.5 s: is {hook} reachable from the carrier?",
        )
        assert stage.complaints() == []
