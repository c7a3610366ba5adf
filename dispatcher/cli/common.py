"""What every command shares: the settings, its output, and one sentence when it cannot be done.

Nothing heavy is imported here: a process that only starts others stays small.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatcher.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from dispatcher.engine.provisioning import Provisioning
    from dispatcher.store.provisioning import Rows

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
state: dict[str, Path | None] = {"config": None}


class Failed(Exception):
    """A command that could not be done, in one sentence."""


def settings(overrides: Mapping[str, str] | None = None) -> Settings:
    """The settings in force."""
    try:
        return load(state["config"], {**os.environ, **(overrides or {})})
    except SettingsError as error:
        raise Failed(str(error)) from None


@contextmanager
def provisioned(found: Settings | None = None) -> Iterator[tuple[Provisioning, Rows]]:
    """Provisioning on the database of the settings; what is wrong becomes one sentence."""
    from dispatcher.engine.ports import StoreUnavailable
    from dispatcher.engine.provisioning import Wrong
    from dispatcher.wiring.desk import provisioning

    try:
        with provisioning(found or settings()) as tools:
            yield tools
    except (Wrong, StoreUnavailable) as error:
        raise Failed(str(error)) from None


def answer(data: Mapping[str, Any], *, as_json: bool, note: str = "") -> None:
    """Print what was made: JSON for programs, a line each for people."""
    if as_json:
        typer.echo(json.dumps(data))
        return
    for name, value in data.items():
        typer.echo(f"{name}: {value}")
    if note:
        typer.echo(note)
