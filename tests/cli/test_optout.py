"""Opt-outs by an operator's hand."""

from __future__ import annotations

import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.person import person_of
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.provisioning import Rows
from dispatcher.store.revision import pepper
from tests.cli.commands import Run, refused
from tests.factories import NOON, candidate

APP: Final = ("--app", "com.example.1")


def test_a_person_is_kept_out_and_let_in_again(run: Run, database: Database) -> None:
    person = person_of(pepper(database), "+13012223001")
    Admissions(database).admit([candidate("+13012223001", person=person)], NOON)
    made = run("optout", "add", "301 222 3001", *APP, "--said", "no more, please").json
    assert made == {"phone": "+13012223001", "scope": "app", "discarded": 1}
    assert run("optout", "add", "301 222 3001", *APP).json["discarded"] == 0
    [kept] = OptOutBook(database).of(person)
    assert (kept.scope, kept.scope_id, kept.source, kept.said) == (Scope.APP, 1, "operator", "no more, please")
    assert run("optout", "remove", "+13012223001", *APP).json == {"phone": "+13012223001", "scope": "app"}
    assert OptOutBook(database).of(person) == []
    refused(run("optout", "remove", "+13012223001", *APP), "phone: no opt-out of that number in this scope")


def test_every_scope_is_listed_with_whose_it_is(run: Run, database: Database) -> None:
    person = person_of(pepper(database), "+4915123456002")
    for scope in (APP, ("--account", "Example"), ("--everywhere",)):
        assert run("optout", "add", "01512 3456002", "--country", "DE", *scope).json["discarded"] == 0
    OptOutBook(database).add([OptOut("unknown", Scope.GLOBAL, 0, "carrier", "STOP\nall")], NOON)
    listed = run("optout", "list").json
    mine = [row for row in listed if row["phone"] == "+4915123456002"]
    assert [(row["scope"], row["whose"], row["source"]) for row in mine] == [
        ("account", "Example", "operator"),
        ("app", "com.example.1", "operator"),
        ("global", None, "operator"),
    ]
    assert all(row["since"].endswith("Z") and datetime.fromisoformat(row["since"]).tzinfo for row in mine)
    [nameless] = [row for row in listed if row["phone"] is None]
    assert (nameless["said"], nameless["since"]) == ("STOP\nall", "2026-11-22T12:00:00Z")
    lines = run("optout", "list", as_json=False).out.splitlines()
    assert len(lines) == len(listed)
    assert "3456002" not in "\n".join(lines), "a screen shows no whole number"
    assert [line for line in lines if line.startswith("+4915•••6002  app com.example.1  operator  20")]
    assert "(erased)  global  carrier  2026-11-22T12:00:00Z  STOP all" in lines
    for scope_id in OptOutBook(database).of(person):
        OptOutBook(database).remove(person, scope_id.scope, scope_id.scope_id)


def test_a_page_that_ends_within_a_person_loses_nothing(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones = [f"+1301222{n}" for n in range(4000, 4005)]
    for phone in phones:
        OptOutBook(database).add(
            [OptOut(person_of(pepper(database), phone), Scope.APP, n, "reply", address=phone) for n in (1, 2, 3)], NOON
        )
    whole = run("optout", "list").json
    assert [row["phone"] for row in whole if row["source"] == "reply"].count(phones[0]) == 3
    assert len([row for row in whole if row["phone"] in phones]) == 15
    for size in (1, 2, 3, 4):
        monkeypatch.setattr("dispatcher.wiring.desk.PAGE", size)
        assert run("optout", "list").json == whole


def test_an_app_that_two_accounts_have_is_named_with_its_owner(run: Run, rows: Rows) -> None:
    other = rows.add_account("Other", "o@example.com", "others", "")
    for owner in (1, other):
        rows.add_app(owner, {"app_id": "com.both", "callback_secret": "s"})
    refused(run("optout", "add", "3012223009", "--app", "com.both"), "app: com.both is more than one app")
    assert run("optout", "add", "3012223009", "--app", "com.both", "--account", "Other").json["scope"] == "app"
    refused(run("optout", "remove", "3012223009", "--app", "com.both", "--account", "Example"), "phone")
    assert run("optout", "remove", "3012223009", "--app", "com.both", "--account", "others").json


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("3012223333",), "scope: "),
        (("3012223333", *APP, "--everywhere"), "scope: "),
        (("911", *APP), "phone: "),
        (("3012223333", "--country", "XX", *APP), "country: "),
        (("3012223333", "--app", "com.nobody"), "app: com.nobody is not known"),
        (("3012223333", "--account", "nobody"), "account: nobody"),
        (("3012223333", "--app", "\udcff"), "app: "),
        (("3012223333", "--account", "\udcff"), "account: "),
    ],
)
def test_what_cannot_be(run: Run, words: tuple[str, ...], named: str) -> None:
    for verb in ("add", "remove"):
        refused(run("optout", verb, *words), named)


def test_the_list_goes_along_as_the_page_says(run: Run, database: Database, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    script = dedent(page.split("<<'END'\n")[1].split("    END\n")[0])
    number = "+13012223009"
    for scope in (APP, ("--account", "Example"), ("--everywhere",)):
        assert run("optout", "add", number, *scope, "--said", '-- it\'s "enough"').status == 0
    person = person_of(pepper(database), number)
    before = OptOutBook(database).of(person)
    (tmp_path / "optouts.json").write_text(run("optout", "list").out, encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "-"], input=script, cwd=tmp_path, text=True, capture_output=True, check=True, timeout=30
    ).stdout
    for scope in (APP, ("--account", "Example"), ("--everywhere",)):
        run("optout", "remove", number, *scope)
    assert OptOutBook(database).of(person) == []
    ours = [words for line in made.splitlines() if number in (words := shlex.split(line))]
    assert {words[0] for words in ours} == {"dispatcher"}
    assert [run(*words[1:]).status for words in ours] == [0, 0, 0]
    assert [(o.scope, o.scope_id, o.said) for o in OptOutBook(database).of(person)] == [
        (o.scope, o.scope_id, o.said) for o in before
    ]
