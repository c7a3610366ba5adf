"""What the doctor finds, and what it tells to do."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.exchange import Receipt
from dispatcher.core.health import Ailment
from dispatcher.core.lifecycle import Event
from dispatcher.core.screening import LinePolicy
from dispatcher.engine.binds import BEGINNING
from dispatcher.engine.health import AFTER_SILENCE, AFTER_STOP
from dispatcher.engine.lookups import LookedUp, Wanted
from dispatcher.store.binds import HeldBind
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.line_types import LineTypeBook
from dispatcher.store.nodes import NodeIds
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.revision import head
from dispatcher.store.statement import Statement
from dispatcher.store.tables import Sender
from dispatcher.store.workers import Workers
from dispatcher.wiring.connections import binding, pools_of, standing, with_others
from dispatcher.wiring.ground import data
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Run, runner
from tests.store.test_queue import queued


def findings(run: Run) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = run("doctor")
    return ran.status, {row["check"]: row for row in json.loads(ran.out)}


def test_lookups_and_what_became_of_them(
    run: Run, rows: Rows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> tuple[bool, str]:
        found = findings(run)[1]["lookups"]
        return found["ok"], found["what"]

    assert told() == (True, "off: landlines of North America are learned by carriers' refusals alone")
    monkeypatch.setenv("DISPATCHER_LOOKUPS__PROVIDER", "twilio")
    monkeypatch.setenv("DISPATCHER_LOOKUPS__DAILY_CAP", "7")
    assert told() == (
        False,
        "setting lookups.settings.credentials.username: is missing; say where it stands, env:VARIABLE or file:/path",
    )
    monkeypatch.setenv("TEST_LOOKUP", "secret")
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"DISPATCHER_LOOKUPS__SETTINGS__CREDENTIALS__{name}", "env:TEST_LOOKUP")
    assert told() == (True, "twilio; 0 of 7 asked today, 0 wait")
    now = utc_now()
    wanted = Wanted("p", "+12015550199", 1, 0, now)
    for at, ok in ((now - timedelta(hours=1), True), (now, False)):
        LineTypeBook(database, LinePolicy()).settle([LookedUp(wanted, reason="HTTP 500")], at)
        if at.date() == now.date():  # else it was yesterday's
            what = f"twilio; 0 of 7 asked today, 0 wait; the last that failed, at {at:%H:%M:%S}Z: HTTP 500"
            assert told() == (ok, what)
    with database.write() as tx:
        tx.run(Statement("update lookup_days set asked = 7, failed_at = null"))
    assert told() == (False, "twilio; 7 of 7 asked today, 0 wait")


def test_what_is_used_of_daily_caps(run: Run, rows: Rows, database: Database) -> None:
    run("sender", "add", "+12015550161", "--connection", "simulated", "--daily-cap", "9")
    for used, told in ((8, "none of 1 is used up today"), (9, "used up until midnight UTC: +12015550161 (9 of 9)")):
        with database.write() as tx:
            tx.run(Statement("update senders set used = :used, day = {clock} / 86400000000"), used=used)
        assert findings(run)[1]["daily caps"]["what"] == told
        assert [row["usedToday"] for row in run("sender", "list").json if row["dailyCap"]] == [used]
    run("sender", "remove", "+12015550161")


def test_an_installation_that_lacks_things_until_it_is_mended(
    run: Run, rows: Rows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, found = findings(run)
    assert status == 1
    bad = {check for check, row in found.items() if not row["ok"]}
    assert bad == {"senders of com.example.1", "workers"}
    assert all(bool(row["todo"]) is not row["ok"] for row in found.values())
    assert found["limits"]["what"] == "off: countries of com.example.1"
    run("sender", "add", "+12015550160", "--connection", "simulated")
    Workers(database).enrol("work", utc_now())
    assert findings(run)[0] == 0
    lines = run("doctor", as_json=False).out.splitlines()
    assert "ok   workers: 1 alive" in lines
    run("sender", "pause", "+12015550160")
    assert findings(run)[1]["senders of com.example.1"]["ok"] is False
    run("sender", "resume", "+12015550160")
    for endpoint, what in (
        ("(1, 9, 0, null, 'HTTP 503')", "may be called"),
        ("(1, 10, 0, null, 'HTTP 503')", "failed 10 times in a row, since 1970-01-01T00:00Z: HTTP 503"),
        ("(1, 1, 0, 0, 'HTTP 410')", "stopped: HTTP 410"),
    ):
        with database.write() as tx:
            tx.run(Statement("update apps set callback_url = 'http://93.184.215.14/'"))
            tx.run(Statement("delete from endpoints"))
            tx.run(
                Statement(
                    f"insert into endpoints (app_id, failures, failing_since, stopped_at, reason) values {endpoint}"
                )
            )
        told = findings(run)[1]["callbacks of com.example.1"]
        assert (told["what"], told["ok"]) == (what, what == "may be called")
    run("app", "resume", "com.example.1")
    assert findings(run)[0] == 0
    with database.write() as tx:
        tx.run(Statement("update apps set callback_url = 'http://127.0.0.1/'"))
        tx.run(Statement("update connections set carrier = 'generic'"))
    status, found = findings(run)
    assert status == 1
    bad = {check for check, row in found.items() if not row["ok"]}
    assert bad == {"callbacks of com.example.1", "connection simulated", "public_url"}
    for url, ok in (("http://localhost:8000", False), ("https://sms.example.com", True)):
        monkeypatch.setenv("DISPATCHER_PUBLIC_URL", url)
        assert findings(run)[1]["public_url"]["ok"] is ok
    SenderPool(database).stop_connection(1, "HTTP 401", timedelta(hours=1), utc_now())
    with database.write() as tx:
        tx.run(Statement("update connections set carrier = 'simulated'"))
    assert findings(run)[1]["connection simulated"]["what"] == "stopped: HTTP 401"
    SenderPool(database).resume_connections([1])
    for ago, ok in ((timedelta(minutes=9), False), (timedelta(minutes=11), True)):
        SenderPool(database).note_silence(1, "no answer", utc_now() - ago, 1)
        line = findings(run)[1]["connection simulated"]
        assert line["ok"] == (run("connection", "list").json[0]["silence"] is None) == ok
        assert str(line["what"]).startswith("left alone by a worker, tried last at ") != ok
    Workers(database).note_unusable(1, 1, "credentials.token: the environment has no TOKEN", utc_now())
    line = findings(run)[1]["connection simulated"]
    assert line["ok"] is False
    assert str(line["what"]).endswith(" cannot use it: credentials.token: the environment has no TOKEN")
    assert str(line["what"]) in run("connection", "list", as_json=False).out
    Workers(database).note_unusable(1, 1, "", utc_now())
    assert findings(run)[1]["connection simulated"]["ok"] is True
    todo = found["callbacks of com.example.1"]["todo"]
    monkeypatch.setenv(*todo.rpartition("export ")[2].split("="))
    assert findings(run)[1]["callbacks of com.example.1"]["ok"] is True


LINE: dict[str, Any] = dict.fromkeys(("stopped_at", "unbound_at", "paused_at")) | {
    "name": "a",
    "carrier": "simulated",
    "settings": {},
}


@pytest.mark.parametrize(("others", "told"), [(True, "goes to others"), (False, "there is no other")])
def test_whose_share_goes_to_others_is_said_only_where_there_are_any(others: bool, told: str) -> None:
    found = standing(LINE, Ailment(1 / 64, "timeout"), None, alone=False, others=others)
    assert not found.ok
    assert told in found.todo


@pytest.mark.parametrize("reason", [AFTER_STOP, AFTER_SILENCE])
def test_a_share_that_only_has_to_grow_again_is_no_fault(reason: str) -> None:
    found = standing(LINE, Ailment(1 / 64, reason), None, alone=False, others=False)
    assert found.ok
    assert found.what == f"can be used, health 0.016: {reason}, and is whole within 2 minutes"


def test_others_are_those_of_the_same_app() -> None:
    connections: list[dict[str, Any]] = [{"id": n, "paused_at": None, "stopped_at": None} for n in (1, 2, 3)]
    senders: list[dict[str, Any]] = [{"id": n, "connection_id": n, "paused_at": None} for n in (1, 2, 3)]
    apps = [{"id": n} for n in (1, 2)]
    assert with_others(connections, senders, pools_of(apps, senders, {1: [1]})) == {2, 3}
    assert with_others(connections, senders, pools_of(apps, senders, {1: [1], 2: [1, 2]})) == {1, 2}
    senders[1]["paused_at"] = utc_now()
    assert with_others(connections, senders, pools_of(apps, senders, {1: [1]})) == set()
    connections[2]["stopped_at"], senders[1]["paused_at"] = utc_now(), None
    assert with_others(connections, senders, pools_of(apps, senders, {})) == {1, 2}


def test_binds_are_told_with_who_holds_them_and_what_to_do() -> None:
    line, mine = {"name": "sm", "settings": {"binds": 2}}, "process 7 on a"
    for held, alive, ok, what, todo in (
        ([], 0, False, "0 of 2 bound", "run `dispatcher work`"),
        ([], 1, False, "0 of 2 bound", "workers take them within seconds"),
        ([HeldBind("", mine)], 1, True, "1 of 2 bound", ""),
        ([HeldBind(BEGINNING, mine)], 1, False, f"0 of 2 bound; 1 held by {mine}: not bound yet", "look again"),
        (
            [HeldBind("", mine), HeldBind("bind refused", "process 8 on b")], 2, False,
            "1 of 2 bound; 1 held by process 8 on b: bind refused", "mend what it says",
        ),
    ):  # fmt: skip
        found = binding(line, held, alive)
        assert (found.ok, found.what) == (ok, what)
        assert todo in found.todo


def test_an_app_that_is_paused_is_told_of_and_is_no_fault(run: Run) -> None:
    assert "app com.example.1" not in findings(run)[1]
    run("app", "pause", "com.example.1")
    told = findings(run)[1]["app com.example.1"]
    assert told["ok"]
    assert re.fullmatch(r"is paused since .*Z; its invitations wait for `app resume`", str(told["what"]))
    run("app", "resume", "com.example.1")


def test_a_sender_at_rest_is_told_of(run: Run, database: Database) -> None:
    for digits in ("61", "62"):
        run("sender", "add", f"+120155501{digits}", "--connection", "simulated")
    senders = Rows(database, utc_now).listed(Sender)
    for sender in senders[1:]:
        SenderPool(database).rest_sender(sender["id"], timedelta(hours=1), "HTTP 403")
    told = findings(run)[1]["senders of com.example.1"]
    assert (told["what"], told["ok"]) == (f"1 can be used, {len(senders) - 1} at rest (HTTP 403)", True)
    SenderPool(database).rest_sender(senders[0]["id"], timedelta(hours=1), "HTTP 401")
    told = findings(run)[1]["senders of com.example.1"]
    assert (told["what"], told["ok"]) == (f"0 can be used, {len(senders)} at rest (HTTP 401, HTTP 403)", False)
    for sender in senders:
        run("sender", "rest", sender["number"], "--clear")
    assert findings(run)[1]["senders of com.example.1"]["what"] == f"{len(senders)} can be used"


def test_a_trial_on_one_machine_needs_no_other_address(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KANNEL", "a secret of a test")
    kannel = {"url": "http://127.0.0.1:9/cgi-bin/sendsms", "username": "us"}
    kannel |= dict.fromkeys(("credentials.password", "credentials.hook_token"), "env:TEST_KANNEL")
    pairs = [word for key, value in kannel.items() for word in ("--set", f"{key}={value}")]
    assert run("connection", "add", "nearest", "--carrier", "kannel", *pairs).status == 0
    assert findings(run)[1]["public_url"]["ok"] is True
    file = tmp_path / "carrier.toml"
    for name, address, ok in (("near", "127.0.0.1:9", True), ("far", "carrier.example.com", False)):
        file.write_text(f"[request]\nurl = 'http://{address}/submit'\nbody = '{{to}} {{text}}'\n")
        assert run("connection", "add", name, "--carrier", "generic", "--file", str(file)).status == 0
        assert findings(run)[1]["public_url"]["ok"] is ok


def test_what_is_in_doubt_is_counted_and_is_no_fault(run: Run, database: Database) -> None:
    assert findings(run)[1]["in doubt"] == {"check": "in doubt", "ok": True, "what": "0 invitations", "todo": None}
    change = Statement("update messages set state = :state, due_at = :due_at where id = :id")
    soon, later = timedelta(minutes=14), timedelta(hours=72)
    fates = (("in_doubt", soon, "1 invitation"), ("in_doubt", soon, "2 invitations"), ("submitted", later, "2 invit"))
    for row, (state, ahead, what) in zip(queued(database, 3), fates, strict=True):
        with database.write() as tx:
            tx.run(change, id=row.id, state=state, due_at=micros(utc_now() + ahead))
        told = findings(run)[1]["in doubt"]
        assert told["ok"]
        assert told["what"].startswith(what)
        assert told["what"].endswith("; carriers that can be asked, receipts or 15 minutes resolve them")
    with database.write() as tx:
        tx.run(Statement("delete from messages"))


def test_receipts_are_counted_but_for_the_last_minutes(run: Run, database: Database) -> None:
    """Which may only have overtaken our own write; `receipt list` shows all."""
    for came, count in ((timedelta(0), 0), (timedelta(minutes=2), 1)):
        ReceiptBook(database).take(1, [Receipt(Event.DELIVER, ref=f"of another {count}")], utc_now() - came)
        told = str(findings(run)[1]["receipts"]["what"])
        assert told.startswith(f"{count} of the last 24 hours, but for the last minute, match no message")
    with database.write() as tx:
        tx.run(Statement("delete from receipts"))


def test_a_database_of_a_newer_version(run: Run, database: Database) -> None:
    revise = Statement("update alembic_version set version_num = :number")
    with database.write() as tx:
        tx.run(revise, number="9999")
    told = findings(run)[1]["database"]
    assert told["what"].startswith("the database was migrated by a newer version")
    assert told["todo"].startswith("install that version here, or restore the backup")
    with database.write() as tx:
        tx.run(revise, number=head())
    assert findings(run)[1]["database"]["ok"]


def test_what_the_database_is(run: Run, rows: Rows, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = findings(run)
    if database.name == "sqlite":
        assert found["sqlite"]["what"].startswith(f"{sqlite3.sqlite_version}, journal mode wal")
        assert "MiB free at /" in found["disk"]["what"]
        return
    assert re.fullmatch(r"version 1[5-9]\.\d+.*", found["postgres"]["what"])
    # Two web processes and one that works, with two connections each; one that listens, two of a command.
    assert found["connections"]["what"].startswith("2 web and 1 work processes may open 9, the server allows ")
    with database.write() as tx:
        tx.run(Statement("update workers set lease_until = 0"))
    with ExitStack() as house:
        workers = Workers(database)
        for kind in ("web",) * 3 + ("work",) * 2:  # each has a node number too, and is counted once
            house.callback(workers.leave, workers.enrol(kind, utc_now()))
            house.callback(NodeIds(database, lambda: utc_now().timestamp()).release)
        told = findings(run)[1]["connections"]["what"]
        assert told.startswith("3 web and 2 work processes may open 14, the server allows ")
    monkeypatch.setenv("DISPATCHER_POSTGRES__CONNECTIONS", "200")
    monkeypatch.setattr("dispatcher.wiring.ground.OLDEST_POSTGRES", 99)
    status, found = findings(run)
    assert status == 1
    assert {check for check in ("postgres", "connections", "durability", "clock") if not found[check]["ok"]} == {
        "postgres", "connections",
    }  # fmt: skip
    assert found["postgres"]["todo"] == "upgrade it to 99 or newer"


def test_data_that_grew_old() -> None:
    zones, numbers = data(utc_now())
    assert (zones.check, zones.ok, numbers.ok) == ("time zones", True, True)
    assert zones.what.startswith("tz database 20")
    assert numbers.what.startswith("phonenumbers ")
    zones, _ = data(utc_now() + timedelta(days=4 * 365))
    assert not zones.ok
    assert "tzdata" in zones.todo


def test_a_database_that_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, todo in ((tmp_path / "new.db", "run `dispatcher migrate`"), (tmp_path, "start it")):
        status, found = findings(runner(f"sqlite:///{path}", monkeypatch, capsys))
        assert (status, found["database"]["ok"]) == (1, False)
        assert found["database"]["todo"].startswith(todo)
