"""The files of config/deploy, the Procfile and the pages of docs name nothing that is not there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from dispatcher.__main__ import command_line
from tests.processes import ROOT

DEPLOY: Final = ROOT / "config" / "deploy"
UNITS: Final = sorted(path.name for path in DEPLOY.glob("*.service"))
PROGRAM: Final = "/opt/dispatcher/venv/bin/dispatcher"
OURS: Final = re.compile(r"^ *(?:sudo -u \S+ )?(?:\S*/bin/)?(?:python -m )?dispatcher (.+?)(?: [>|].*)?$", re.MULTILINE)
FENCED: Final = re.compile(r"```\w*\n(.*?)```|((?:^ {4}.*\n)+)", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PAGES: Final = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def understand(words: Sequence[str]) -> str:
    """Read a command as the program does, without doing it; its name. Raises click.UsageError."""
    command: Any = typer.main.get_command(command_line(words))
    context = command.make_context("dispatcher", list(words))
    while hasattr(command, "resolve_command"):
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(command.name, rest, parent=context)
    return str(command.name)


def unit(name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((DEPLOY / name).read_text(encoding="utf-8"))
    return dict(parser["Service"])


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_one_of_our_commands(name: str) -> None:
    program, *words = shlex.split(unit(name)["ExecStart"])
    assert program == PROGRAM
    assert understand(words) in {"serve", "web", "work"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    here = tmp_path / name.replace("@.", "@1.")
    program = Path(sys.executable).parent / "dispatcher"  # at least that must be there
    here.write_text((DEPLOY / name).read_text(encoding="utf-8").replace(PROGRAM, f'"{program}"'), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_container_copies_what_is_there_and_starts_one_of_our_commands() -> None:
    lines = [line.split() for line in (DEPLOY / "Containerfile").read_text(encoding="utf-8").splitlines() if line]
    copied = [words[1:-1] for words in lines if words[0] == "COPY" and not words[1].startswith("--from")]
    assert all((ROOT / path).exists() for paths in copied for path in paths)
    assert {"dispatcher", "migrations", "config"} <= {path for paths in copied for path in paths}
    [entry] = [words[1:] for words in lines if words[0] == "ENTRYPOINT"]
    [command] = [words[1:] for words in lines if words[0] == "CMD"]
    assert entry == ['["dispatcher"]']
    assert understand(re.findall(r'"(\w+)"', " ".join(command))) == "serve"


def test_the_procfile_starts_our_commands() -> None:
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").replace("$PORT", "5000").splitlines()
    commands = [found[1] for line in lines if (found := re.match(r"\w+:.* python -m dispatcher (.+)", line))]
    assert [understand(shlex.split(words)) for words in commands] == ["web", "work", "migrate"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_commands_and_files_that_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = "\n".join(fenced or indented for fenced, indented in FENCED.findall(text))
    for words in OURS.findall(blocks):
        understand(shlex.split(words, comments=True))
    missing = [link for link in LINK.findall(text) if not ((ROOT / page).parent / link).exists()]
    assert missing == []


def test_what_is_not_a_command_is_found_out() -> None:
    for words in (["migrates"], ["serve", "--ports", "1"], ["connection", "halt", "main"]):
        with pytest.raises(Exception, match=r"No such|Missing"):
            understand(words)
