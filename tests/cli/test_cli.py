"""The commands that provision: what they answer with --json, and one sentence with status 1, or 2, when they cannot."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.hours import ALWAYS, DEFAULT, from_mapping
from dispatcher.core.invitation import Account, Policy
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.store.tables import App, Connection, Sender
from tests.cli.commands import TOKEN, Ran, Run, refused, runner
from tests.processes import Stage
from tests.web.api import short

ADDRESS: Final = "http://93.184.215.14"  # a public one: no name is looked up here
ROWS: Final = Statement(
    " union all ".join(f"select count(*) from {kind}" for kind in ("apps", "senders", "connections"))
)
once = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # what is judged before any database is asked
_new: Final = count(1)


def counted(database: Database) -> list[int]:
    with database.read() as tx:
        return [row[0] for row in tx.run(ROWS)]


# --- What is made --------------------------------------------------------------------------------------------------


def test_account_create(run: Run, database: Database) -> None:
    made = run("account", "create", "--company", "Étoile & Co", "--email", "a+b@example.com").json
    assert made.keys() == {"account", "apiKey", "secret"}
    assert [type(value) for value in made.values()] == [int, str, str]
    assert len(made["secret"]) >= 32
    found = CachedDirectory(database).account(made["apiKey"], sha256(made["secret"].encode()).hexdigest())
    assert found == Account(made["account"])
    other = run("account", "create", "--company", "Étoile & Co", "--email", "a+b@example.com").json
    assert not set(made.values()) & set(other.values())


def test_the_secret_is_kept_as_a_hash_alone(run: Run, url: str) -> None:
    made = run("account", "create", "--company", "Hashed", "--email", "a@example.com").json
    if url.startswith("sqlite"):  # the other database keeps the same rows, and has no dump in this process
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            dump = "\n".join(connection.iterdump())
        assert made["apiKey"] in dump
        assert made["secret"] not in dump


@pytest.mark.parametrize("owner", ["key", "1", "Example"])
def test_app_create(run: Run, rows: Rows, database: Database, owner: str) -> None:
    name = f"com.{owner}"
    made = run("app", "create", "--account", owner, "--app-id", name).json
    assert made["appId"] == name
    assert isinstance(made["app"], int)
    found = CachedDirectory(database).app(1, name)
    assert found is not None
    assert (found.id, found.hours, found.country, found.countries) == (made["app"], DEFAULT, "US", None)
    assert (found.policy, found.calls_back, found.country_from_sender) == (Policy.AT_MOST_ONCE, False, False)
    [row] = [row for row in rows.listed(App) if row["id"] == made["app"]]
    assert (row["network_id"], row["callback_secret"]) == (name, made["callbackSecret"])


def test_app_create_with_everything(run: Run, rows: Rows, database: Database) -> None:
    callback = f"{ADDRESS}/cb?m={{messageId}}&r=<referenceId>&p=%phone%&s={{status}}&c={{completionDate}}"
    made = run(
        "app", "create", "--account", "key", "--app-id", "com.all", "--callback-url", callback, "--hours", "always",
        "--country", "de", "--countries", "de, AT,ch",
        "--policy", "at_least_once", "--country-from-sender", "--callback-corrections", "--callback-clicks",
        "--duplicate-days", "0.5", "--most-segments", "3", "--weight", "2",
    ).json  # fmt: skip
    found = CachedDirectory(database).app(1, "com.all")
    assert found is not None
    assert (found.hours, found.country, found.countries) == (ALWAYS, "DE", frozenset({"DE", "AT", "CH"}))
    assert (found.policy, found.calls_back, found.country_from_sender) == (Policy.AT_LEAST_ONCE, True, True)
    assert (found.duplicate_window, found.most_segments, found.weight) == (timedelta(hours=12), 3, 2.0)
    [row] = [row for row in rows.listed(App) if row["id"] == made["app"]]
    assert row["callback_url"] == callback
    assert (row["callback_corrections"], row["callback_clicks"]) == (1, 1)


HOURS: Final = {
    "every day": 'every = ["09:00-20:00"]',
    "by day": 'weekdays = ["08:00-12:00", "14:00-21:00"]\nsaturday = ["10:00-24:00"]\nsunday = []',
    "over midnight": 'every = ["20:00-02:00"]',
    "closed, as TOML writes dates": 'every = ["09:00-20:00"]\nclosed = [2026-12-25, 2027-01-01]',
    "closed, in words": 'every = ["09:00-20:00"]\nclosed = ["2026-12-25"]',
    "always": "always = true",
}


@pytest.mark.parametrize("text", HOURS.values(), ids=HOURS)
def test_hours_from_a_file(run: Run, database: Database, tmp_path: Path, text: str) -> None:
    path = tmp_path / "hours.toml"
    path.write_text(text, encoding="utf-8")
    name = f"com.hours.{next(_new)}"
    assert run("app", "create", "--account", "key", "--app-id", name, "--hours", str(path)).json["appId"] == name
    found = CachedDirectory(database).app(1, name)
    assert found is not None
    assert found.hours == from_mapping(tomllib.loads(text))


@pytest.mark.parametrize(
    ("number", "written", "kind"),
    [
        ("+12015550160", "+12015550160", "long_code"),
        ("+1 (201) 555-0161", "+12015550161", "long_code"),
        ("+18005550199", "+18005550199", "toll_free"),
        ("12345", "12345", "short_code"),
        ("Example", "Example", "alphanumeric"),
        ("Exam ple 24", "Exam ple 24", "alphanumeric"),
    ],
)
def test_sender_add(run: Run, rows: Rows, number: str, written: str, kind: str) -> None:
    made = run("sender", "add", number, "--connection", "simulated").json
    assert made.keys() >= {"sender", "number", "connection"}
    assert (made["number"], made["connection"]) == (written, "simulated")
    [row] = [row for row in rows.listed(Sender) if row["id"] == made["sender"]]
    assert (row["number"], row["kind"], row["mps"], row["daily_cap"], row["weight"]) == (written, kind, 1.0, None, 1.0)


def test_sender_add_with_everything(run: Run, rows: Rows) -> None:
    rows.add_app(1, {"app_id": "com.own", "callback_secret": "s"})
    made = run(
        "sender", "add", "+447400123456", "--connection", "simulated", "--mps", "0.5", "--daily-cap", "2000",
        "--weight", "2.5", "--app", "com.own", "--app", "com.example.1",
    ).json  # fmt: skip
    [row] = [row for row in rows.listed(Sender) if row["id"] == made["sender"]]
    assert (row["mps"], row["daily_cap"], row["weight"], row["region"]) == (0.5, 2000, 2.5, "GB")


DESCRIBED: Final = f"""
[credentials]
token = "env:{TOKEN}"
[request]
url = "{ADDRESS}/send"
content_type = "application/json"
headers = {{ Authorization = "Bearer {{token}}" }}
body = '{{"to": "{{to}}"}}'
[answer]
id = "json:id"
"""


def test_connection_add_and_list(run: Run, rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "carrier.toml"
    path.write_text(DESCRIBED, encoding="utf-8")
    made = run(
        "connection", "add", "acme-1", "--carrier", "generic", "--file", str(path), "--set", f"request.url={ADDRESS}/x",
        "--set", "request.method=PUT", "--in-flight", "7", "--receipt-hours", "0.5", "--acceptance-is-final",
    ).json  # fmt: skip
    assert (made["name"], made["carrier"]) == ("acme-1", "generic")
    assert isinstance(made["connection"], int)
    [row] = [row for row in rows.listed(Connection) if row["id"] == made["connection"]]
    assert (row["in_flight"], row["receipt_seconds"], row["acceptance_is_final"]) == (7, 1800, 1)
    assert (row["settings"]["request"]["url"], row["settings"]["request"]["method"]) == (f"{ADDRESS}/x", "PUT")
    assert "t0ken" not in json.dumps(row["settings"]), "where a credential stands, never the credential"
    listed = run("connection", "list").json
    well: dict[str, object] = {"paused": False, "stopped": None, "stoppedAt": None, "nextTryAt": None, "missing": [],
                               "silence": None, "silentAt": None, "unbound": None, "unboundAt": None,
                               "unusable": None}  # fmt: skip
    whole = {"weight": 1.0, "health": 1.0, "ails": None}
    assert {"name": "simulated", "carrier": "simulated", "inFlight": 256, **whole} | well in listed
    assert {"name": "acme-1", "carrier": "generic", "inFlight": 7, **whole} | well in listed
    assert "t0ken" not in json.dumps(listed)


def test_keys_are_added_and_revoked(run: Run, database: Database) -> None:
    made = run("account", "create", "--company", "Keys", "--email", "a@example.com").json
    more = run("account", "add-key", "Keys").json
    assert more.keys() == {"apiKey", "secret"}
    assert run("account", "revoke-key", made["apiKey"]).json == {"revoked": made["apiKey"]}
    directory = CachedDirectory(database)
    assert directory.account(made["apiKey"], sha256(made["secret"].encode()).hexdigest()) is None
    assert directory.account(more["apiKey"], sha256(more["secret"].encode()).hexdigest()) == Account(made["account"])
    refused(run("account", "revoke-key", "nobody"), "nobody")


def test_without_json_people_read_lines(run: Run) -> None:
    ran = run("account", "create", "--company", "Lines", "--email", "a@example.com", as_json=False)
    names = [line.partition(": ")[0] for line in ran.out.splitlines()[:3]]
    assert (ran.status, ran.err, names) == (0, "", ["account", "apiKey", "secret"])
    assert "once" in ran.out
    listed = run("connection", "list", as_json=False)
    assert "simulated  simulated  ok" in listed.out.splitlines()


# --- What cannot be made -------------------------------------------------------------------------------------------

ACCOUNT: Final = ("account", "create")
APP: Final = ("app", "create", "--account", "key", "--app-id", "NEW")
SENDER: Final = ("sender", "add")
SIMULATED: Final = ("--connection", "simulated")
ADD: Final = ("connection", "add", "NEW", "--carrier", "generic")
WRONG: Final[list[tuple[tuple[str, ...], str]]] = [
    ((*ACCOUNT, "--company", "", "--email", "a@b"), "company"),
    ((*ACCOUNT, "--company", " ", "--email", "a@b"), "company"),
    ((*ACCOUNT, "--company", "c" * 201, "--email", "a@b"), "company"),
    ((*ACCOUNT, "--company", "c", "--email", "a"), "email"),
    ((*ACCOUNT, "--company", "c", "--email", "a@"), "email"),
    ((*ACCOUNT, "--company", "c", "--email", "a @b"), "email"),
    ((*ACCOUNT, "--company", "c", "--email", "a" * 254 + "@b"), "email"),
    ((*APP[:4], "--app-id", ""), "app-id"),
    ((*APP[:4], "--app-id", "a" * 256), "app-id"),
    ((*APP[:4], "--app-id", "a\nb"), "app-id"),
    ((*APP[:4], "--app-id", "\udcff"), "app-id"),
    ((*APP, "--country", "XX"), "country"),
    ((*APP, "--country", ""), "country"),
    ((*APP, "--country", "ß"), "country"),
    ((*APP, "--country", "USA"), "country"),
    ((*APP, "--weight", "0"), "weight"),
    ((*APP, "--countries", ""), "countries"),
    ((*APP, "--countries", ","), "countries"),
    ((*APP, "--countries", "US,XX"), "countries: XX"),
    ((*APP, "--hours", "/nowhere/hours.toml"), "hours: /nowhere/hours.toml: No such file"),
    ((*APP, "--hours", "/"), "hours"),
    ((*SENDER, "+1", *SIMULATED), "number"),
    ((*SENDER, "+999123456789", *SIMULATED), "number"),
    ((*SENDER, "13012223333", *SIMULATED), "number"),
    ((*SENDER, "12", *SIMULATED), "number"),
    ((*SENDER, "", *SIMULATED), "number"),
    ((*SENDER, "Twelve chars", *SIMULATED), "number"),
    ((*SENDER, "Étoile", *SIMULATED), "number"),
    ((*SENDER, "1234", *SIMULATED, "--mps", "0"), "mps"),
    ((*SENDER, "1234", *SIMULATED, "--mps", "-1"), "mps"),
    ((*SENDER, "1234", *SIMULATED, "--mps", "nan"), "mps"),
    ((*SENDER, "1234", *SIMULATED, "--mps", "inf"), "mps"),
    ((*SENDER, "1234", *SIMULATED, "--daily-cap", "0"), "daily-cap"),
    ((*SENDER, "1234", *SIMULATED, "--daily-cap", "-1"), "daily-cap"),
    ((*SENDER, "1234", *SIMULATED, "--weight", "0"), "weight"),
    ((*SENDER, "1234", *SIMULATED, "--country", "XX"), "country"),
    ((*SENDER, "+12015550160", *SIMULATED, "--country", "CA"), "country"),
    ((*SENDER, "1234", *SIMULATED, "--weight", "nan"), "weight"),
    (("connection", "add", "", "--carrier", "simulated"), "name"),
    (("connection", "add", "a b", "--carrier", "simulated"), "name"),
    (("connection", "add", "a/b", "--carrier", "simulated"), "name"),
    (("connection", "add", "é", "--carrier", "simulated"), "name"),
    (("connection", "add", "n" * 65, "--carrier", "simulated"), "name"),
    (("connection", "add", "NEW", "--carrier", "twillio"), "carrier"),
    (("connection", "add", "NEW", "--carrier", ""), "carrier"),
    (ADD, "request.url"),
    ((*ADD, "--file", "/nowhere.toml"), "/nowhere.toml: No such file"),
    ((*ADD, "--set", "request.url"), "key=value"),
    ((*ADD, "--set", "=x"), "key=value"),
    ((*ADD, "--set", "request=x", "--set", "request.url=y"), "request"),
]
BEYOND: Final[list[tuple[tuple[str, ...], str]]] = [  # what a database would refuse, each in its own way
    ((*ACCOUNT, "--company", "\udcff", "--email", "a@b"), "company"),
    ((*ACCOUNT, "--company", "c", "--email", "\udcff@b"), "email"),
    ((*APP[:2], "--account", "nobody", "--app-id", "x"), "account"),
    ((*APP[:2], "--account", "", "--app-id", "x"), "account"),
    ((*APP[:2], "--account", "0", "--app-id", "x"), "account"),
    ((*APP[:2], "--account", "9" * 30, "--app-id", "x"), "account"),
    ((*APP[:4], "--app-id", "com.example.1"), "app-id"),
    ((*SENDER, "1234", "--connection", "nobody"), "connection"),
    ((*SENDER, "1234", *SIMULATED, "--daily-cap", "3000000000"), "daily-cap"),
    ((*SENDER, "1234", *SIMULATED, "--daily-cap", "9" * 30), "daily-cap"),
    ((*SENDER, "1234", *SIMULATED, "--app", "com.nobody"), "app"),
    (("connection", "add", "simulated", "--carrier", "simulated"), "name: a connection simulated exists"),
]


@once
@pytest.mark.parametrize(("words", "named"), WRONG)
def test_what_cannot_be_made_is_one_sentence(run: Run, database: Database, words: tuple[str, ...], named: str) -> None:
    before = counted(database)
    refused(run(*words), named)
    assert counted(database) == before


@pytest.mark.parametrize(("words", "named"), BEYOND)
def test_what_a_database_would_refuse_is_one_sentence(
    run: Run, database: Database, words: tuple[str, ...], named: str
) -> None:
    before = counted(database)
    refused(run(*words), named)
    assert counted(database) == before


def test_a_company_with_two_accounts_is_named_by_its_key(run: Run) -> None:
    for _ in range(2):
        assert run("account", "create", "--company", "Twice", "--email", "a@example.com").json
    refused(run("app", "create", "--account", "Twice", "--app-id", "x"), "account", "name of several")


def test_a_sender_is_added_to_a_connection_once(run: Run) -> None:
    assert run("sender", "add", "+13015550123", *SIMULATED).json
    refused(run("sender", "add", "+1 301 555 0123", *SIMULATED), "number")


PRIVATE: Final = [
    "ftp://93.184.215.14/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "93.184.215.14/cb",
    "//93.184.215.14/cb",
    "http://",
    "http:///cb",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://localhost/",
    "http://LOCALHOST:8000/",
    "http://x.localhost/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://[::1]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://user:pass@93.184.215.14/",
    "http://93.184.215.14:0/",
    "http://93.184.215.14:99999/",
    "http://93.184.215.14\\@127.0.0.1/",
    "http://93.184.215.14/a b",
    "http://93.184.215.14/\r\nX: y",
    "http://{phone}/",
    "http://93.184.215.14:{status}/",
    f"http://93.184.215.14/{'a' * 2048}",
]


@once
@pytest.mark.parametrize("address", PRIVATE, ids=short)
def test_addresses_that_may_not_be_called(run: Run, database: Database, address: str) -> None:
    before = counted(database)
    refused(run(*APP, "--callback-url", address), "callback-url")
    assert counted(database) == before


@once
def test_addresses_that_the_operator_allows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_CALLBACKS__ALLOW", "127.0.0.0/8,10.1.0.0/16")
    for n, address in enumerate(("http://127.0.0.1:8001/cb", "http://10.1.2.3/", "http://localhost/{messageId}")):
        assert run("app", "create", "--account", "key", "--app-id", f"com.in.{n}", "--callback-url", address).json
    refused(run(*APP, "--callback-url", "http://10.2.0.1/"), "callback-url")


BAD_HOURS: Final[list[tuple[str | bytes, str]]] = [
    ("", "hours"),
    ("always = false", "always"),
    ('always = true\nevery = ["09:00-20:00"]', "always"),
    ('mondays = ["09:00-20:00"]', "mondays"),
    ('every = "09:00-20:00"', "every"),
    ('every = ["9-20"]', "every"),
    ('every = ["09:00-25:00"]', "every"),
    ('every = ["09:00-12:00", "11:00-20:00"]', "every"),
    ("monday = []", "hours"),
    ('every = ["09:00-20:00"]\nclosed = ["Christmas"]', "closed"),
    ('every = ["09:00-20:00"]\nclosed = [2026-12-25T00:00:00]', "closed"),
    ("every = [", "hours.toml"),
    (b"\xff", "hours.toml"),
]


@once
@pytest.mark.parametrize(("text", "named"), BAD_HOURS)
def test_hours_that_cannot_be(run: Run, tmp_path: Path, text: str | bytes, named: str) -> None:
    path = tmp_path / "hours.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(run(*APP, "--hours", str(path)), "hours", named)


FILES: Final[list[tuple[str | bytes, str]]] = [
    ("nonsense", "carrier.toml"),
    (b"\xff", "carrier.toml"),
    ("credentials = 7", "credentials"),
    ('credentials = ["env:X"]', "credentials"),
    ('[credentials]\ntoken = "s3cret"', "credentials.token"),
    ('[credentials]\ntoken = "env:TEST_CLI_NOTHING"', "credentials.token"),
    ('[credentials]\ntoken = "file:/nowhere"', "credentials.token"),
    ('[credentials]\ntoken = "file:/"', "credentials.token"),
    (f'[credentials]\ntext = "env:{TOKEN}"', "credentials.text"),
    ("requests = 7", "requests"),
    ('[answer]\ntaken = ["ok"]', "answer.taken"),
    ("[[answer.refused]]\nstatus = 400\nretry_seconds = inf", "retry_seconds"),
    ("[[answer.refused]]\nstatus = 400\nretry_seconds = nan", "retry_seconds"),
    ("[request.headers]\nX = 2026-11-22", "headers"),
]


@once
@pytest.mark.parametrize(("text", "named"), FILES)
def test_descriptions_that_cannot_work(
    run: Run, database: Database, tmp_path: Path, text: str | bytes, named: str
) -> None:
    path = tmp_path / "carrier.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = counted(database)
    ran = run(*ADD, "--file", str(path), "--set", f"request.url={ADDRESS}/")
    refused(ran, named)
    assert "s3cret" not in ran.err
    assert counted(database) == before


@once
def test_an_empty_credential_is_none(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "")
    (tmp_path / "empty").write_text("\n")
    for place in (f"env:{TOKEN}", f"file:{tmp_path / 'empty'}"):
        given = ("--set", f"credentials.token={place}", "--set", f"request.url={ADDRESS}/")
        refused(run(*ADD, *given), "credentials.token")


USAGE: Final = [
    (),
    ("nonsense",),
    ("account",),
    ("account", "make"),
    ("account", "create"),
    ("account", "create", "--company", "c"),
    ("account", "create", "--company", "c", "--email", "a@b", "extra"),
    ("app", "create", "--account", "key"),
    ("app", "create", "--account", "key", "--app-id", "x", "--policy", "sometimes"),
    ("app", "create", "--account", "key", "--app-id", "x", "--nonsense"),
    ("app", "create", "--account", "key", "--app-id", "x", "--duplicate-days", "-1"),
    ("app", "create", "--account", "key", "--app-id", "x", "--most-segments", "0"),
    ("sender", "add", "1234"),
    ("sender", "add", "--connection", "simulated"),
    ("sender", "add", "1234", "--connection", "simulated", "--mps", "fast"),
    ("sender", "add", "1234", "--connection", "simulated", "--daily-cap", "1.5"),
    ("connection", "add", "x"),
    ("connection", "add", "x", "--carrier", "simulated", "--in-flight", "0"),
    ("connection", "add", "x", "--carrier", "simulated", "--in-flight", "4097"),
    ("connection", "add", "x", "--carrier", "simulated", "--receipt-hours", "0"),
    ("connection", "add", "x", "--carrier", "simulated", "--receipt-hours", "nan"),
    ("connection", "forget", "x"),
]


@once
@pytest.mark.parametrize("words", USAGE, ids=lambda words: " ".join(words) or "nothing")
def test_wrong_usage_is_status_2(run: Run, database: Database, words: tuple[str, ...]) -> None:
    before = counted(database)
    ran = run(*words, as_json=False)
    assert ran.status == 2, ran
    assert "Traceback" not in ran.err
    assert counted(database) == before


@once
def test_wrong_settings_are_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused(run("--config", str(tmp_path / "nowhere.toml"), "connection", "list"), "nowhere.toml")
    monkeypatch.setenv("DISPATCHER_WEB__PORT", "x")
    refused(run("connection", "list"), "web.port")


@once
def test_a_config_file_may_have_any_name(run: Run, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DISPATCHER_DATABASE_URL")
    monkeypatch.chdir(tmp_path)
    for name in ("settings.toml", "work", "app"):
        (tmp_path / name).write_text(f"database_url = '{url}'\n")
        assert run("--config", name, "connection", "list").json


# --- A database that is not there, and real processes --------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"this is no database", b"SQLite format 3\0" + b"\xff" * 4096], ids=len)
def test_a_file_that_is_no_database(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dispatcher.db"
    path.write_bytes(content)
    run = runner(f"sqlite:///{path}", monkeypatch, capsys)
    refused(run("connection", "list"), str(path) if content else "migrate")


def test_a_folder_in_place_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(runner(f"sqlite:///{tmp_path}", monkeypatch, capsys)("connection", "list"), str(tmp_path))


def test_a_postgres_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dispatcher.store.postgres.WAIT_SECONDS", 0.3)  # else ten, for a server that is just starting
    run = runner("postgresql://us:hunter2@127.0.0.1:1/nothing", monkeypatch, capsys)
    ran = run("connection", "list")
    refused(ran, "PostgreSQL")
    assert "hunter2" not in ran.err


def test_a_process_ends_with_its_status(tmp_path: Path) -> None:
    """The same through real processes, from a database that is not there yet."""
    stage = Stage(f"sqlite:///{tmp_path}/new/dispatcher.db", tmp_path)

    def process(*words: str) -> Ran:
        command = [sys.executable, "-m", "dispatcher", *words]
        done = subprocess.run(command, env=stage.environment, capture_output=True, check=False, timeout=60)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    refused(process("connection", "list", "--json"), "dispatcher migrate")
    assert process("migrate").status == 0
    made = process("account", "create", "--company", "Example", "--email", "a@example.com", "--json").json
    assert made.keys() == {"account", "apiKey", "secret"}


def test_the_version(run: Run) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("--version", as_json=False).out == f"dispatcher {project['version']}\n"
