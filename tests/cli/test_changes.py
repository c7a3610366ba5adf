"""The commands that list, change, pause and resume what is provisioned."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.core.exchange import Receipt
from dispatcher.core.health import Harm
from dispatcher.core.hours import ALWAYS, DEFAULT
from dispatcher.core.invitation import App, Policy
from dispatcher.core.lifecycle import Event
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.statement import Statement
from dispatcher.store.tables import App as AppRow
from dispatcher.store.tables import Connection
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import TOKEN, Run, refused
from tests.processes import free_port

ADDRESS: Final = "http://93.184.215.14"
APP: Final = "com.example.1"


def app(database: Database) -> App:
    found = CachedDirectory(database).app(1, APP)
    assert found is not None
    return found


def usable(database: Database) -> set[str]:
    pool = SenderPool(database).usable(timedelta(seconds=1), None)
    return {sender.number for sender in pool.senders.values()}


def named(rows: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    [row] = [row for row in rows if row[key] == value]
    return row


def test_an_app_is_changed_piece_by_piece(run: Run, database: Database) -> None:
    before = run("app", "show", APP).json
    changes: list[tuple[tuple[str, ...], str, object]] = [
        (("--callback-url", f"{ADDRESS}/cb?s={{status}}"), "callbackUrl", f"{ADDRESS}/cb?s={{status}}"),
        (("--hours", "always"), "hours", {"always": True}),
        (("--country", "de"), "country", "DE"),
        (("--country-from-sender",), "countryFromSender", True),
        (("--countries", "us, CA"), "countries", "CA,US"),
        (("--policy", "at_least_once"), "policy", "at_least_once"),
        (("--callback-corrections",), "callbackCorrections", True),
        (("--callback-clicks",), "callbackClicks", True),
        (("--duplicate-days", "0.5"), "duplicateDays", 0.5),
        (("--most-segments", "3"), "mostSegments", 3),
        (("--weight", "2"), "weight", 2.0),
        (("--stop-text", " You left {app}. "), "stopText", "You left {app}."),
        (("--start-text", "You are back."), "startText", "You are back."),
        (("--help-text", "Ring us."), "helpText", "Ring us."),
    ]
    expected = dict(before)
    for words, name, value in changes:
        assert run("app", "set", APP, *words).json == {"appId": APP}
        expected[name] = value
        assert run("app", "show", APP).json == expected
    found = app(database)
    assert (found.hours, found.policy, found.duplicate_window) == (ALWAYS, Policy.AT_LEAST_ONCE, timedelta(hours=12))
    back = ("--hours", "default", "--callback-url", "", "--no-callback-clicks", "--countries", "all")
    assert run("app", "set", APP, *back).json
    shown = run("app", "show", APP).json
    names = ("hours", "callbackUrl", "callbackClicks", "countries")
    assert [shown[name] for name in names] == [None, "", False, "all"]
    assert app(database).hours == DEFAULT


@pytest.mark.parametrize(
    ("hours", "words"),
    [(None, "the default"), ({"always": True}, "always"), ({"monday": ["09:00-12:00", "13:00-20:00"], "sunday": []},
      "monday 09:00-12:00 13:00-20:00, sunday closed")],
)  # fmt: skip
def test_people_read_words_of_an_app(run: Run, rows: Rows, hours: dict[str, Any] | None, words: str) -> None:
    rows.change_app(APP, "", {"hours": hours, "callback_url": ""})
    lines = run("app", "show", APP, as_json=False).out.splitlines()
    told = {f"hours: {words}", "callbackUrl: -"}
    assert told <= set(lines)


def test_an_app_is_paused_and_resumed(run: Run, database: Database) -> None:
    assert run("app", "pause", APP).json == {"appId": APP, "paused": True}
    assert app(database).paused
    assert named(run("app", "list").json, "appId", APP)["paused"] is True
    assert run("app", "resume", APP, "--account", "key").json == {"appId": APP, "paused": False}
    assert not app(database).paused


def test_apps_and_accounts_are_listed(run: Run, rows: Rows) -> None:
    made = run("account", "create", "--company", "Lister", "--email", "l@example.com").json
    rows.add_app(made["account"], {"app_id": "com.lister", "callback_secret": "hidden"})
    listed = run("app", "list", "--account", "Lister").json
    assert [(row["appId"], row["account"]) for row in listed] == [("com.lister", made["account"])]
    assert "hidden" not in str(listed), "the secret of its callbacks is not shown"
    assert {row["appId"] for row in run("app", "list").json} >= {APP, "com.lister"}
    account = named(run("account", "list").json, "company", "Lister")
    assert (account["account"], account["email"], account["apiKeys"]) == (
        made["account"], "l@example.com", [made["apiKey"]],
    )  # fmt: skip
    run("account", "revoke-key", made["apiKey"])
    assert named(run("account", "list").json, "company", "Lister")["apiKeys"] == []
    assert f"com.lister  account {made['account']}  open  all" in run("app", "list", as_json=False).out.splitlines()
    assert f"{made['account']}  Lister  l@example.com" in run("account", "list", as_json=False).out.splitlines()
    refused(run("app", "list", "--account", "nobody"), "account")


def test_a_sender_is_changed_paused_and_rested(run: Run, database: Database) -> None:
    number = "+12015550170"
    run("sender", "add", number, "--connection", "simulated")
    plain = {
        "number": number, "connection": "simulated", "kind": "long_code", "region": "US", "mps": 1.0,
        "dailyCap": None, "usedToday": 0, "weight": 1.0, "health": 1.0, "ails": None, "apps": [],
        "paused": False, "restUntil": None, "restReason": None,
    }  # fmt: skip
    assert named(run("sender", "list").json, "number", number) == plain
    given = ("--mps", "2.5", "--daily-cap", "70", "--weight", "3", "--app", APP)
    assert run("sender", "set", "+1 201 555 0170", *given).json == {"number": number}
    changed = plain | {"mps": 2.5, "dailyCap": 70, "weight": 3.0, "apps": [APP]}
    assert named(run("sender", "list").json, "number", number) == changed
    assert (
        f"{number}  US  simulated  2.5 mps  0 of 70 today  {APP}  ok"
        in run("sender", "list", as_json=False).out.splitlines()
    )
    assert run("sender", "set", number, "--no-daily-cap", "--shared").json
    assert named(run("sender", "list").json, "number", number) == changed | {"dailyCap": None, "apps": []}
    assert number in usable(database)
    assert run("sender", "pause", number).json == {"number": number, "paused": True}
    assert number not in usable(database)
    assert run("sender", "resume", number, "--connection", "simulated").json == {"number": number, "paused": False}
    assert number in usable(database)
    sender_id = next(
        s.id for s in SenderPool(database).usable(timedelta(0), None).senders.values() if s.number == number
    )
    SenderPool(database).rest_sender(sender_id, timedelta(hours=1), "carrier says no")
    rests = named(run("sender", "list").json, "number", number)
    assert (rests["restReason"], rests["restUntil"].endswith("Z")) == ("carrier says no", True)
    assert run("sender", "rest", number, "--clear").json == {"number": number, "restUntil": None}
    assert number in usable(database)
    refused(run("sender", "rest", number), "--clear")


def test_a_short_code_is_of_the_country_that_is_said(run: Run) -> None:
    run("sender", "add", "54321", "--connection", "simulated", "--country", "us")
    assert named(run("sender", "list").json, "number", "54321")["region"] == "US"
    assert run("sender", "set", "54321", "--country", "CA").json == {"number": "54321"}
    assert "54321  CA  simulated  1 mps  no daily cap  shared  ok" in run("sender", "list", as_json=False).out
    assert run("sender", "set", "54321", "--country", "").json
    assert named(run("sender", "list").json, "number", "54321")["region"] is None


def test_an_endpoint_that_stopped_is_shown_until_it_is_resumed(run: Run, rows: Rows, database: Database) -> None:
    number = rows.add_app(1, {"app_id": "com.stopped", "callback_url": f"{ADDRESS}/cb", "callback_secret": "s"})
    well = {"callbackFailures": 0, "callbackRestUntil": None, "callbackStoppedAt": None, "callbackReason": None}
    assert run("app", "show", "com.stopped").json.items() >= well.items()
    with database.write() as tx:
        tx.run(Statement(
            "insert into endpoints (app_id, failures, stopped_at, reason) values (:app, 1, 0, 'HTTP 410')"
        ), app=number)  # fmt: skip
    shown = run("app", "show", "com.stopped").json
    assert (shown["callbackStoppedAt"], shown["callbackReason"]) == ("1970-01-01T00:00:00Z", "HTTP 410")
    lines = run("app", "list", as_json=False).out
    assert "com.stopped  account 1  open, callbacks stopped since 1970-01-01T00:00:00Z: HTTP 410" in lines
    assert run("app", "resume", "com.stopped").json
    assert run("app", "show", "com.stopped").json.items() >= well.items()


def test_the_secret_of_callbacks_is_renewed_and_shown_once(run: Run, rows: Rows) -> None:
    made = run("app", "secret", APP).json
    [row] = [row for row in rows.listed(AppRow) if row["app_id"] == APP]
    assert made == {"appId": APP, "callbackSecret": row["callback_secret"]}
    assert made["callbackSecret"] not in run("app", "show", APP, as_json=False).out
    assert "once" in run("app", "secret", APP, as_json=False).out


def test_a_number_of_two_connections_is_named_with_one(run: Run, rows: Rows) -> None:
    number = "+12015550171"
    rows.add_connection("second", "simulated", {}, {})
    for line in ("simulated", "second"):
        run("sender", "add", number, "--connection", line)
    refused(run("sender", "pause", number), f"number: {number} is a sender of several connections")
    assert run("sender", "pause", number, "--connection", "second").json
    told = {row["connection"]: row["paused"] for row in run("sender", "list").json if row["number"] == number}
    assert told == {"simulated": False, "second": True}


def test_a_connection_is_changed_paused_and_its_stop_ended(
    run: Run, rows: Rows, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "carrier.toml"
    path.write_text(f"credentials.token = 'env:{TOKEN}'\nrequest.url = '{ADDRESS}/send'\nanswer.id = 'json:id'\n")
    made = run("connection", "add", "acme-2", "--carrier", "generic", "--file", str(path)).json
    given = ("--set", f"request.url={ADDRESS}/other", "--in-flight", "3", "--receipt-hours", "2")
    assert run("connection", "set", "acme-2", *given, "--acceptance-is-final").json == {"name": "acme-2"}
    row = named(rows.listed(Connection), "name", "acme-2")
    assert row["settings"]["request"]["url"] == f"{ADDRESS}/other"
    assert row["settings"]["answer"] == {"id": "json:id"}, "what is not named stays"
    assert (row["in_flight"], row["receipt_seconds"], row["acceptance_is_final"]) == (3, 7200, 1)
    refused(run("connection", "set", "acme-2", "--set", "request.url=nonsense"), "request.url")
    run("sender", "add", "+12015550172", "--connection", "acme-2")
    assert run("connection", "pause", "acme-2").json == {"name": "acme-2", "paused": True}
    assert "+12015550172" not in usable(database)
    assert run("connection", "resume", "acme-2").json == {"name": "acme-2", "paused": False}
    SenderPool(database).stop_connection(made["connection"], "wrong password", timedelta(hours=1), utc_now())
    monkeypatch.delenv(TOKEN)
    stopped = named(run("connection", "list").json, "name", "acme-2")
    assert stopped["stopped"] == "wrong password"
    assert stopped["nextTryAt"] > stopped["stoppedAt"]
    assert stopped["missing"] == [f"credentials.token: the environment has no {TOKEN}"]
    assert "acme-2  generic  stopped since 20" in run("connection", "list", as_json=False).out
    assert "+12015550172" not in usable(database)
    assert run("connection", "resume", "acme-2").json
    assert "+12015550172" in usable(database)
    assert named(run("connection", "list").json, "name", "acme-2")["stoppedAt"] is None


def test_what_was_never_used_is_removed(run: Run, rows: Rows) -> None:
    number = "+12015550173"
    run("connection", "add", "typo", "--carrier", "simulated")
    run("sender", "add", number, "--connection", "typo", "--app", APP)
    refused(run("connection", "remove", "typo"), "name: typo has senders; `sender remove` them first")
    assert run("sender", "remove", number).json == {"number": number, "removed": True}
    assert run("connection", "remove", "typo").json == {"name": "typo", "removed": True}
    assert number not in {row["number"] for row in run("sender", "list").json}
    assert "typo" not in {row["name"] for row in run("connection", "list").json}
    assert APP not in {name for names in rows.dedicated().values() for name in map(str, names)}
    refused(run("sender", "remove", number), f"number: {number} is not a sender")
    refused(run("connection", "remove", "typo"), "connection: typo is not known")


@pytest.mark.parametrize(
    "used",
    [
        "update senders set free_at = 1 where id = :sender",
        """insert into replies (connection_id, ref, sender, sender_id, person, text, verdict, review, received_at)
        values (:line, '', '', :sender, 'x', 'hi', 'none', '', 0)""",
    ],
    ids=["a text", "a reply"],
)
def test_a_sender_that_was_used_stays(run: Run, database: Database, used: str) -> None:
    number = "+12015550176"
    run("connection", "add", "used", "--carrier", "simulated")
    made = run("sender", "add", number, "--connection", "used", "--app", APP).json["sender"]
    line = named(Rows(database, utc_now).listed(Connection), "name", "used")["id"]
    with database.write() as tx:
        tx.run(Statement(used.replace(":line", str(line))), sender=made)
    refused(run("sender", "remove", number), f"number: {number} was used; `sender pause` it instead")
    assert named(run("sender", "list").json, "number", number)["apps"] == [APP], "all of it stays"
    with database.write() as tx:
        tx.run(Statement("delete from replies where sender_id = :id"), id=made)
        tx.run(Statement("update senders set free_at = 0 where id = :id"), id=made)
    assert run("sender", "remove", number).json
    assert run("connection", "remove", "used").json


def test_a_connection_that_was_heard_of_stays(run: Run, database: Database, rows: Rows) -> None:
    run("connection", "add", "heard", "--carrier", "simulated")
    line = named(rows.listed(Connection), "name", "heard")["id"]
    ReceiptBook(database).take(line, [Receipt(Event.DELIVER, ref="of another")], utc_now())
    refused(run("connection", "remove", "heard"), "name: heard was used; `connection pause` it instead")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("app", "set", "com.nobody"), "app: com.nobody is not known"),
        (("app", "pause", "\udcff"), "app"),
        (("app", "show", APP, "--account", "nobody"), "account"),
        (("app", "secret", "com.nobody"), "app: com.nobody is not known"),
        (("sender", "set", "+12015550199", "--country", "CA"), "country: +12015550199 is a number of US"),
        (("app", "set", APP, "--country", "XX"), "country"),
        (("app", "set", APP, "--weight", "0"), "weight"),
        (("app", "set", APP, "--callback-url", "http://127.0.0.1/"), "callback-url"),
        (("app", "set", APP, "--hours", "/nowhere.toml"), "hours"),
        (("sender", "set", "+12015550199"), "number: +12015550199 is not a sender"),
        (("sender", "set", "1"), "number"),
        (("sender", "pause", "12345", "--connection", "nobody"), "connection"),
        (("sender", "set", "12345", "--mps", "0"), "mps"),
        (("sender", "set", "12345", "--daily-cap", "5", "--no-daily-cap"), "daily-cap"),
        (("sender", "set", "12345", "--app", APP, "--shared"), "app"),
        (("connection", "set", "nobody", "--in-flight", "2"), "connection: nobody is not known"),
        (("connection", "pause", "nobody"), "connection: nobody is not known"),
    ],
)
def test_what_cannot_be_changed(run: Run, words: tuple[str, ...], named: str) -> None:
    refused(run(*words), named)


def test_who_does_badly_is_shown_with_its_share_and_the_reason(run: Run, database: Database) -> None:
    number = "+12015550174"
    run("connection", "add", "third", "--carrier", "simulated", "--weight", "3")
    made = run("sender", "add", number, "--connection", "third").json["sender"]
    line = named(run("connection", "list").json, "name", "third")
    assert (line["weight"], line["health"], line["ails"]) == (3.0, 1.0, None)
    refused(run("connection", "set", "third", "--weight", "0"), "weight")
    assert run("connection", "set", "third", "--weight", "1.5").json == {"name": "third"}
    with database.read() as tx:
        [(third,)] = tx.run(Statement("select id from connections where name = 'third'"))
    SenderPool(database).harm({third: Harm(3.0, "timeout")}, {made: Harm(1.0, "6 of the last 20 were not delivered")})
    line = named(run("connection", "list").json, "name", "third")
    assert (line["weight"], line["ails"]) == (1.5, "timeout")
    assert line["health"] == pytest.approx(1 / 8, abs=0.02)
    assert "third  simulated  weight 1.5  health 0.1" in run("connection", "list", as_json=False).out
    assert named(run("sender", "list").json, "number", number)["health"] == 0.5
    assert "health 0.5: 6 of the last 20 were not delivered" in run("sender", "list", as_json=False).out
    found = {row["check"]: row for row in json.loads(run("doctor").out)}
    assert found["connection third"]["ok"] is False
    assert str(found["connection third"]["what"]).startswith("can be used, health 0.1")
    assert found[f"sender {number}"]["what"] == "health 0.5: 6 of the last 20 were not delivered"
    assert found[f"sender {number}"]["ok"] is True
    with database.write() as tx:
        tx.run(Statement("update senders set load = case when id = :id then 0 else 1000000 end"), id=made)
    told = run("explain", "+16462223333", "--app", APP).json["rules"][-1]["because"]
    assert re.fullmatch(rf"\+?{number[1:]}: .*; health 0.5: 6 of .*; its connection's health 0.1\d: timeout", told), (
        told
    )
    assert run("connection", "resume", "third").json
    line = named(run("connection", "list").json, "name", "third")
    assert (line["health"], line["ails"]) == (1.0, None), "whoever resumes it trusts it"


def test_alarms_are_listed_while_they_last(run: Run, database: Database) -> None:
    run("connection", "add", "fourth", "--carrier", "simulated")
    with database.read() as tx:
        [(fourth,)] = tx.run(Statement("select id from connections where name = 'fourth'"))
    for _ in range(2):
        SenderPool(database).stop_connection(fourth, "HTTP 401", timedelta(hours=1), utc_now())
    alarm = named(run("alarm", "list").json, "subject", "fourth")
    assert (alarm["kind"], alarm["count"], alarm["reason"], alarm["open"]) == (
        "connection_stopped",
        2,
        "HTTP 401",
        True,
    )
    assert "connection_stopped  fourth  since 20" in run("alarm", "list", as_json=False).out
    found = {row["check"]: row for row in json.loads(run("doctor").out)}
    assert found["alarms"]["ok"] is False
    assert "connection_stopped fourth since 20" in found["alarms"]["what"]
    run("connection", "resume", "fourth")
    assert [row for row in run("alarm", "list").json if row["subject"] == "fourth"] == []
    assert named(run("alarm", "list", "--all").json, "subject", "fourth")["open"] is False
    assert "over  connection_stopped  fourth" in run("alarm", "list", "--all", as_json=False).out


def test_a_token_that_is_not_there_stops_the_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_WEB__METRICS_TOKEN", "env:NO_SUCH_TOKEN")
    ran = run("web", "--port", str(free_port()), as_json=False)
    assert ran.err == "dispatcher: setting web.metrics_token: the environment has no NO_SUCH_TOKEN\n"
    assert ran.status == 1
