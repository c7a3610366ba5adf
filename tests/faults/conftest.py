"""What stands around Dispatcher in a fault test: the carrier that witnesses, and a customer's endpoint.

The gate runs each test on one of its databases, FAULTS=short on both (tests/conftest.py); FAULTS=full runs the long
forms, and every test with five seeds. `make faults` prints what they counted as a table.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from dispatcher.store.database import Database
from tests.faults.scene import SETTINGS, Scene
from tests.faults.shim import Shim
from tests.faults.tally import table, tally
from tests.processes import Receiver, Recorder, staged

SEEDS: Final = 5


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path) as recorder:
        yield recorder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def scene(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver
) -> Iterator[Scene]:
    with staged(database_url, tmp_path, **SETTINGS) as stage:
        yield Scene(stage, database, recorder, receiver)


@pytest.fixture
def shim(scene: Scene, tmp_path: Path) -> Shim:
    """Every process of the scene is started under it."""
    shim = Shim(tmp_path)
    scene.stage.settings = {**scene.stage.settings, **shim.environment}
    return shim


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every fault with several seeds in the long form; a test that is loaded by itself says so."""
    loaded = "tmp_path" not in metafunc.fixturenames or [*metafunc.definition.iter_markers("loaded")]
    if os.environ.get("FAULTS") == "full" and not loaded:
        metafunc.fixturenames.append("seed")
        metafunc.parametrize("seed", range(1, SEEDS + 1))


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> None:
    """The same chances for the same seed, and the figures of this test for the table."""
    if (called := getattr(request.node, "callspec", None)) and "seed" in called.params:
        random.seed(called.params["seed"])
    request.node.user_properties.append(("tally", tally.begin()))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "loaded: many faults in one loaded run, which is not repeated by seed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, where these tests alone were asked for."""
    runs: dict[str, list[tuple[bool, dict[str, float]]]] = defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            figures = dict(report.user_properties).get("tally")
            if report.when != "call" or figures is None or not figures["accepted"]:
                continue
            database = next((name for name in ("sqlite", "postgres") if name in report.nodeid), "")
            scenario = f"{report.nodeid.rpartition('::')[2].partition('[')[0].removeprefix('test_')} {database}"
            runs[scenario.replace("_", " ").strip()].append((outcome == "passed", figures))
    if runs:
        terminalreporter.section("faults")
        terminalreporter.write_line("\n".join(table(runs)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=lambda item: item.get_closest_marker("loaded") is None)
