"""What every command shares: the settings, its output, and one sentence when it cannot be done.

Nothing heavy is imported here: a process that only starts others stays small.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dispatcher.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from dispatcher.core.health import Ailment
    from dispatcher.engine.provisioning import Provisioning
    from dispatcher.store.provisioning import Rows
    from dispatcher.wiring.desk import OptOutDesk

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
TOLD = {"submit": "accepted", "deliver": "delivered", "refuse": "failed"}  # the events of receipts
LINES: Final = re.compile("\r\n|[\t-\r\x85\u2028\u2029]")
# Beside control characters those that turn the direction of what follows.
UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SANE = range(2000, 2100)  # years; open hours look some days ahead, which far from today are no dates
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
    from dispatcher.wiring.desk import provisioning

    with one_sentence(), provisioning(found or settings()) as tools:
        yield tools


@contextmanager
def opted_out() -> Iterator[OptOutDesk]:
    """The opt-outs on the database of the settings; what is wrong becomes one sentence."""
    from dispatcher.wiring.desk import optouts

    with one_sentence(), optouts(settings()) as desk:
        yield desk


@contextmanager
def one_sentence() -> Iterator[None]:
    """What an operator did wrong, or a store that is away, ends the command in one sentence."""
    from dispatcher.engine.checks import Wrong
    from dispatcher.engine.ports import StoreUnavailable

    try:
        yield
    except (Wrong, StoreUnavailable) as error:
        raise Failed(str(error)) from None


def answer(data: Mapping[str, Any], *, as_json: bool, note: str = "", about: Mapping[str, str] | None = None) -> None:
    """Print what was made: JSON for programs, a line each for people, with what a name is `about` where it says so."""
    if as_json:
        typer.echo(json.dumps(data))
        return
    for name, value in data.items():
        explained = f" ({about[name]})" if about and name in about else ""
        typer.echo(f"{name}{explained}: {_plain(visible(value))}")
    if note:
        typer.echo(note)


def listing(rows: Iterable[dict[str, Any]], *, as_json: bool, line: Callable[[dict[str, Any]], str]) -> None:
    """Print rows as they come, however many: one JSON list for programs, a line each for people."""
    if not as_json:
        empty = True
        for row in rows:
            typer.echo(line({name: visible(value) for name, value in row.items()}))
            empty = False
        if empty:
            typer.echo("nothing to list", err=True)
        return
    before = "["
    for row in rows:
        typer.echo(before + json.dumps(row), nl=False)
        before = ",\n"
    typer.echo("[]" if before == "[" else "]")


def instant(at: datetime | None) -> str | None:
    """An instant as commands write it: ISO 8601 in UTC, to the second."""
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def instant_of(option: str, given: str) -> datetime:
    """An instant as people write it for an option."""
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at.year not in SANE:
        raise Failed(f"{option}: must be an instant with its zone between 2000 and 2099, such as 2026-11-22T09:00Z")
    return at.astimezone(UTC)


def health(ailment: Ailment | None) -> dict[str, Any]:
    """How a connection or a sender does: the share that is left to it, and why it is not the whole."""
    return {"health": round(ailment.share, 2) if ailment else 1.0, "ails": ailment.reason if ailment else None}


def masked(phone: str) -> str:
    """A number that may stand on a screen: +1301•••3333."""
    return f"{phone[: len(phone) - 7][:5]}•••{phone[-4:]}"


def visible(value: Any) -> Any:  # noqa: ANN401 (whatever a row holds, in the same shape)
    """What may be shown on a terminal: strangers wrote some of it, and a terminal obeys control characters.

    What would begin another line is a space, any other is written as in Python.
    """
    if isinstance(value, str):
        return UNSEEN.sub(lambda found: ascii(found[0])[1:-1], LINES.sub(" ", value))
    if isinstance(value, Mapping):
        return {name: visible(each) for name, each in value.items()}
    return [visible(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(value: object) -> object:
    """A value as people read it."""
    if value in (None, [], ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else value
