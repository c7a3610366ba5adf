"""Commands as `python -m dispatcher` runs them, within this process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import pytest

from dispatcher.__main__ import main

TOKEN: Final = "TEST_CLI_TOKEN"
_new: Final = count(1)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 (an object of most commands, a list of some)
        assert (self.status, self.err) == (0, "")
        return json.loads(self.out)


Run = Callable[..., Ran]


def runner(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands on this database, with --json unless told otherwise; NEW in a word becomes a name of its own."""
    for name in [name for name in os.environ if name.startswith("DISPATCHER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DISPATCHER_DATABASE_URL", url)
    monkeypatch.setenv("DISPATCHER_POSTGRES__CONNECTIONS", "2")
    monkeypatch.setenv(TOKEN, "t0ken")

    def run(*words: str, as_json: bool = True) -> Ran:
        named = [word.replace("NEW", f"new{next(_new)}") for word in words]
        monkeypatch.setattr(sys, "argv", ["dispatcher", *named, *(["--json"] if as_json else [])])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        return Ran(status, *capsys.readouterr())

    return run


def refused(ran: Ran, *words: str) -> None:
    """Status 1 and one sentence that names `words`."""
    assert (ran.status, ran.out) == (1, ""), ran.err
    assert ran.err.startswith("dispatcher: ")
    assert ran.err.count("\n") == 1
    for word in words:
        assert word in ran.err
