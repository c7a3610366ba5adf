"""`python -m dispatcher`: the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli import account, app, connection, demo, running, sender
from dispatcher.cli.common import Failed, state
from dispatcher.processes import PARENT, die_with_parent

cli = typer.Typer(
    help="An SMS invite dispatch engine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@cli.callback()
def options(
    config: Annotated[Path | None, typer.Option(help="A settings file; see config/default.toml.")] = None,
) -> None:
    """An SMS invite dispatch engine."""
    state["config"] = config


for command in (running.serve, running.web, running.work, running.migrate, demo.demo):
    cli.command()(command)
cli.command(hidden=True)(demo.demo_receiver)
for noun, commands in (
    ("account", account.cli),
    ("app", app.cli),
    ("sender", sender.cli),
    ("connection", connection.cli),
):
    cli.add_typer(commands, name=noun)


def main() -> None:
    """Run a command; what cannot be done is one sentence on standard error and status 1."""
    if parent := os.environ.pop(PARENT, None):
        die_with_parent(int(parent))
    try:
        cli()
    except Failed as error:
        typer.echo(f"dispatcher: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
