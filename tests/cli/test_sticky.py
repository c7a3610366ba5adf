"""The senders that people know from an app: listed and forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.person import person_of
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.provisioning import Rows
from dispatcher.store.revision import pepper
from dispatcher.store.statement import Statement
from tests.cli.commands import Run, refused
from tests.factories import NOON

APP = "com.example.1"
FIRST, SECOND = "+12015550100", "+12015550101"
PEOPLE = [f"+1201222{n}" for n in range(3000, 3006)]
KNOW = Statement("insert into sticky_senders (app_id, person, sender_id, used_at) values (:app, :person, :sender, :at)")
MEET = Statement("insert into people (person, address, line_type, os) values (:person, :address, '', '')")


@pytest.fixture(scope="module")
def senders(rows: Rows, database: Database) -> list[int]:
    """Two of them, the second on two connections; every person is met but the last, who was erased."""
    rows.add_connection("second", "simulated", {}, {})
    values = {"kind": "long_code", "region": "US"}
    lines = ((FIRST, "simulated"), (SECOND, "simulated"), (SECOND, "second"))
    with database.write() as tx:
        for phone in PEOPLE[:-1]:
            tx.run(MEET, person=person_of(pepper(database), phone), address=phone)
    return [rows.add_sender(values | {"number": number}, line, []) for number, line in lines]


@pytest.fixture
def known(senders: list[int], database: Database) -> None:
    """Everybody knows a sender of the app, by turns; somebody knows one of another app."""
    with database.write() as tx:
        tx.run(Statement("delete from sticky_senders"))
        for n, phone in enumerate(PEOPLE):
            at = micros(NOON + timedelta(hours=n))
            tx.run(KNOW, app=1, person=person_of(pepper(database), phone), sender=senders[n % 3], at=at)


def pairs(run: Run) -> set[tuple[str | None, str]]:
    return {(row["phone"], row["sender"]) for row in run("app", "sticky", "list", APP).json}


ALL: set[tuple[str | None, str]] = {
    (phone if n < 5 else None, SECOND if n % 3 else FIRST) for n, phone in enumerate(PEOPLE)
}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_they_are_listed_page_by_page(run: Run, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("dispatcher.wiring.desk.PAGE", size)
    assert pairs(run) == ALL
    lines = run("app", "sticky", "list", APP, as_json=False).out.splitlines()
    assert f"+1201•••3000  {FIRST}  2026-11-22T12:00:00Z" in lines
    assert f"(erased)  {SECOND}  2026-11-22T17:00:00Z" in lines
    assert len(lines) == len(ALL)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("--phone", "(201) 222-3000"), {pair for pair in ALL if pair[0] != PEOPLE[0]}),
        (("--sender", "+1 201 555 0101"), {pair for pair in ALL if pair[1] != SECOND}),
        ((), set()),
    ],
)
def test_they_are_forgotten(run: Run, words: tuple[str, ...], left: set[tuple[str | None, str]]) -> None:
    made = run("app", "sticky", "reset", APP, "--account", "Example", *words).json
    assert made == {"appId": APP, "forgotten": len(ALL) - len(left)}
    assert pairs(run) == left
    assert run("app", "sticky", "reset", APP, *words).json["forgotten"] == 0


@pytest.mark.usefixtures("known")
def test_another_app_knows_its_own(run: Run, rows: Rows) -> None:
    rows.add_app(1, {"app_id": "com.other", "callback_secret": "s"})
    assert run("app", "sticky", "list", "com.other").json == []
    assert run("app", "sticky", "reset", "com.other").json["forgotten"] == 0
    assert pairs(run) == ALL


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("list", "com.nobody"), "app: com.nobody is not known"),
        (("reset", "com.nobody"), "app: com.nobody is not known"),
        (("reset", APP, "--account", "nobody"), "account"),
        (("reset", APP, "--phone", "911"), "phone"),
        (("reset", APP, "--phone", "3012223333", "--country", "XX"), "country"),
        (("reset", APP, "--sender", "+12015550199"), "sender: +12015550199 is not a sender"),
        (("reset", APP, "--sender", "12"), "number"),
        (("reset", APP, "--sender", FIRST, "--phone", PEOPLE[0]), "phone: either --phone or --sender"),
    ],
)
def test_what_cannot_be(run: Run, words: tuple[str, ...], named: str) -> None:
    refused(run("app", "sticky", *words), named)
