"""`python -m dispatcher`: the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Final

import typer

from dispatcher.cli.common import Failed, state, visible
from dispatcher.processes import PARENT, die_with_parent

NOUNS: Final = ("account", "app", "sender", "connection", "optout", "number", "receipt", "reply", "callback", "alarm")
VERBS: Final = {
    "serve": "running",
    "web": "running",
    "work": "running",
    "migrate": "running",
    "lookup": "lookups",
    "segments": "lookups",
    "explain": "explain",
    "doctor": "doctor",
    "demo": "demo",
}
HIDDEN: Final = {"demo-receiver": "receiver"}
VALUED: Final = ("--config",)  # the options before the command that take the next word


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dispatcher {version_of('dispatcher')}")
        raise typer.Exit


def options(
    config: Annotated[Path | None, typer.Option(help="A settings file; see config/default.toml.")] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Tell the version and end.")
    ] = False,
) -> None:
    """An SMS invite dispatch engine."""
    state["config"] = config


def command_line(words: Sequence[str]) -> typer.Typer:
    """The commands, of which only the one that `words` name is loaded: a process keeps what it imports."""
    cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
    cli.callback()(options)
    known = {*NOUNS, *VERBS, *HIDDEN}
    named = _command(words)
    wanted = named if named in known else None
    for verb, module in (VERBS | HIDDEN).items():
        if wanted in {None, verb}:
            function = getattr(import_module(f"dispatcher.cli.{module}"), verb.replace("-", "_"))
            cli.command(verb, hidden=verb in HIDDEN)(function)
    for noun in NOUNS:
        if wanted in {None, noun}:
            cli.add_typer(import_module(f"dispatcher.cli.{noun}").cli, name=noun)
    return cli


def _command(words: Sequence[str]) -> str | None:
    """The first word that is neither an option nor the value of one."""
    left = iter(words)
    for word in left:
        if word in VALUED:
            next(left, None)
        elif not word.startswith("-"):
            return word
    return None


def main() -> None:
    """Run a command; what cannot be done is one sentence on standard error and status 1."""
    if parent := os.environ.pop(PARENT, None):
        die_with_parent(int(parent))
    try:
        command_line(sys.argv[1:])()
    except Failed as error:
        typer.echo(f"dispatcher: {visible(str(error))}", err=True)  # one line, whatever it repeats
        sys.exit(1)
    except KeyboardInterrupt:  # before a command had begun: while its modules were read
        sys.exit(130)


if __name__ == "__main__":
    main()
