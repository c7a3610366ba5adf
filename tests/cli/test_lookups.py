"""What a number and a text are; no database is there."""

from __future__ import annotations

import os

import pytest

from tests.cli.commands import Run, refused, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("sqlite:////nowhere/dispatcher.db", monkeypatch, capsys)


def test_a_number(run: Run) -> None:
    told = {
        "e164": "+13012223333",
        "valid": True,
        "lineType": "fixed_or_mobile",
        "region": "US",
        "zones": ["America/New_York"],
    }
    assert run("lookup", "(301) 222-3333").json == told
    assert run("lookup", "1 301 222 3333", "--country", "ca").json == told
    german = run("lookup", "01512 3456789", "--country", "DE").json
    assert (german["e164"], german["lineType"], german["zones"]) == ("+4915123456789", "mobile", ["Europe/Berlin"])


@pytest.mark.parametrize("phone", ["911", "", "+999123456789", "1-800-FLOWERS", "\udcff", "9" * 100])
def test_a_number_that_is_none(run: Run, phone: str) -> None:
    told = run("lookup", phone).json
    assert told.pop("reason").startswith("phone: ")
    assert told == {"e164": None, "valid": False, "lineType": None, "region": None, "zones": []}


def test_what_the_database_knows_is_told_where_it_is_asked(run: Run) -> None:
    """What it knows is in test_number; here is none."""
    refused(run("lookup", "(301) 222-3333", "--known"), "Permission denied" if os.getuid() else "")


def test_a_country_that_is_none(run: Run) -> None:
    refused(run("lookup", "3012223333", "--country", "XX"), "country")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Join me", ("GSM-7", 7, 1, [])),
        ("5 €, 6 €", ("GSM-7", 10, 1, ["€"])),
        ("Привет", ("UCS-2", 6, 1, ["П", "р", "и", "в", "е", "т"])),
        ("a" * 161, ("GSM-7", 161, 2, [])),
    ],
)
def test_the_size_of_a_text(run: Run, text: str, told: tuple[object, ...]) -> None:
    assert tuple(run("segments", text).json.values()) == told


def test_a_text_that_is_none(run: Run) -> None:
    refused(run("segments", "a\udcff"), "text")


def test_without_json_people_read_lines(run: Run) -> None:
    lines = ["e164: -", "valid: no", "lineType: -", "region: -", "zones: -"]
    assert run("lookup", "911", as_json=False).out.splitlines()[:-1] == lines
    assert run("segments", "☺ ☹", as_json=False).out.splitlines()[-1] == "costly: ☺ ☹"
