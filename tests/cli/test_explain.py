"""What `explain` answers, for programs and for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.store.database import Database
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.store.tables import App
from dispatcher.store.workers import Workers
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Run, refused
from tests.web.api import COUNTS

APP = ("--app", "com.example.1")
NIGHT = ("--at", "2026-11-22T12:00:00Z")  # 07:00 in New York


@pytest.fixture(scope="module")
def sender(rows: Rows) -> None:
    rows.add_sender({"number": "+12015550100", "kind": "long_code", "region": "US"}, "simulated", [])


@pytest.mark.usefixtures("sender")
def test_nothing_against_it(run: Run, database: Database) -> None:
    with database.read() as tx:
        before = tx.run(COUNTS)
    told = run("explain", "(201) 222-3333", *APP, "--at", "2026-11-22T10:00:00-05:00").json
    rules = told.pop("rules")
    assert told == {
        "phone": "+12012223333",
        "allowed": True,
        "code": 0,
        "message": "Invitation request accepted",
        "nextOpenAt": "2026-11-22T15:00:00Z",
        "zones": ["America/New_York"],
        "sender": "+12015550100",
    }
    assert all(rule.keys() == {"rule", "verdict", "because"} for rule in rules)
    assert {rule["verdict"] for rule in rules} == {"pass", "unknown"}
    with database.read() as tx:
        assert tx.run(COUNTS) == before, "nothing is stored"


@pytest.mark.usefixtures("sender")
def test_it_tells_when_it_opens_and_why_it_waits(run: Run) -> None:
    told = run("explain", "+12012223333", *APP, *NIGHT).json
    assert (told["allowed"], told["nextOpenAt"]) == (True, "2026-11-22T14:00:00Z")
    [hours] = [rule for rule in told["rules"] if rule["rule"] == "open hours"]
    assert hours == {
        "rule": "open hours",
        "verdict": "wait",
        "because": "quiet hours; open in America/New_York at 2026-11-22T14:00:00Z",
    }


@pytest.mark.usefixtures("sender")
def test_options_are_what_an_invitation_would_say(run: Run, rows: Rows) -> None:
    german = run("explain", "0151 23456789", *APP, "--country", "de").json
    assert (german["phone"], german["zones"]) == ("+4915123456789", ["Europe/Berlin"])
    device = ("--os", "IOS", "--text", "ю" * 71)
    found = {rule["rule"]: rule["because"] for rule in run("explain", "+12012223333", *APP, *device).json["rules"]}
    assert found["device"] == "IOS asked; nothing learned"
    assert found["message"] == "2 of at most 10 segments, in UCS-2"
    other = rows.add_account("Explained", "o@example.com", "explained", "")
    rows.add_app(other, {"app_id": "com.example.1", "callback_secret": "s", "countries": "CA"})
    refused(run("explain", "+12012223333", *APP), "app: com.example.1 is more than one app")
    assert run("explain", "+12012223333", *APP, "--account", "Explained").json["code"] == 100
    assert run("explain", "+12012223333", *APP, "--account", "Example").json["code"] == 0
    [made] = [row["id"] for row in rows.listed(App) if row["account_id"] == other]
    rows.change_app("com.example.1", "Explained", {"app_id": f"com.explained.{made}"})


@pytest.mark.usefixtures("sender")
def test_an_objection_is_not_a_failure_of_the_command(run: Run, database: Database) -> None:
    run("optout", "add", "+12012223401", *APP, "--said", "never again")
    told = run("explain", "+12012223401", *APP).json
    assert (told["allowed"], told["code"]) == (False, 127)
    assert told["message"].startswith("User opted-out (of this app since 20")
    assert "never again" not in str(told), "what somebody said is theirs"
    none = run("explain", "911", *APP).json
    assert (none["phone"], none["allowed"], none["code"], none["zones"]) == (None, False, 123, [])
    with database.write() as tx:
        tx.run(Statement("delete from optouts"))


@pytest.mark.usefixtures("sender")
def test_without_json_people_read_lines(run: Run) -> None:
    lines = run("explain", "+12012223333", *APP, *NIGHT, as_json=False).out.splitlines()
    assert lines[:4] == ["phone: +12012223333", "allowed: yes", "code: 0", "message: Invitation request accepted"]
    assert "sender: +12015550100" in lines
    assert "  pass     opt-out     no opt-out" in lines
    assert "  wait     open hours  quiet hours; open in America/New_York at 2026-11-22T14:00:00Z" in lines


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--app", "com.nobody"), "app: com.nobody is not known"),
        (("--app", "\udcff"), "app"),
        ((*APP, "--account", "nobody"), "account"),
        ((*APP, "--country", "XX"), "country"),
        ((*APP, "--at", "tomorrow"), "at: must be an instant"),
        ((*APP, "--at", "2026-11-22T12:00:00"), "at: must be an instant"),
        ((*APP, "--at", "0001-01-01T00:00:00+14:00"), "at: must be an instant"),
        ((*APP, "--at", "9999-12-31T23:59:59-14:00"), "at: must be an instant"),
    ],
)
def test_what_cannot_be_asked(run: Run, words: tuple[str, ...], named: str) -> None:
    refused(run("explain", "+12012223333", *words), named)


def test_wrong_usage_is_status_2(run: Run) -> None:
    assert run("explain", "+12012223333", as_json=False).status == 2
    assert run("explain", *APP, as_json=False).status == 2
    assert run("explain", "+12012223333", *APP, "--os", "SYMBIAN", as_json=False).status == 2


@pytest.mark.usefixtures("sender")
def test_who_is_left_alone_is_named_only_where_there_is_nobody_else(run: Run, rows: Rows, database: Database) -> None:
    """As dispatch chooses."""
    quiet, number = rows.add_connection("quiet", "simulated", {}, {}), "+16465550177"
    run("sender", "add", number, "--connection", "quiet")
    assert run("explain", "+16462223333", *APP).json["sender"] == number
    worker = Workers(database).enrol("work", utc_now())
    SenderPool(database).note_silence(quiet, "no answer", utc_now(), worker)
    assert run("explain", "+16462223333", *APP).json["sender"] not in {"", number}
    others = [row["number"] for row in run("sender", "list").json if row["number"] != number]
    for other in others:
        run("sender", "pause", other)
    assert run("explain", "+16462223333", *APP).json["sender"] == number
    Workers(database).leave(worker)
    for other in others:
        run("sender", "resume", other)
    run("sender", "remove", number)
    run("connection", "remove", "quiet")


@pytest.mark.usefixtures("sender")
def test_whom_a_text_may_try_after_a_stop_is_named_only_where_there_is_nobody_else(
    run: Run, rows: Rows, database: Database
) -> None:
    stopped, number = rows.add_connection("stopped", "simulated", {}, {}), "+16465550178"
    run("sender", "add", number, "--connection", "stopped")
    pool = SenderPool(database)
    pool.stop_connection(stopped, "HTTP 401", timedelta(0), utc_now())  # a text may try it at once
    others = [row["number"] for row in run("sender", "list").json if row["number"] != number]
    assert run("explain", "+16462223333", *APP).json["sender"] in others
    for other in others:
        run("sender", "pause", other)
    told = run("explain", "+16462223333", *APP).json
    assert told["sender"] == number
    assert "its connection is stopped: HTTP 401" in told["rules"][-1]["because"]
    for other in others:
        run("sender", "resume", other)
    run("sender", "remove", number)
    run("connection", "remove", "stopped")
