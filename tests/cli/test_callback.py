"""Callbacks after their end: shown with their tries, listed where they were given up, made once more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Run, refused
from tests.factories import candidate
from tests.store.test_outbox import called

APP = "com.example.2"
MINUTE = timedelta(minutes=1)
FORGET = [Statement(f"delete from {table}") for table in ("callback_tries", "callbacks", "duplicate_slots", "messages")]

STOPPED = Statement(
    """insert into endpoints (app_id, failures, failing_since, stopped_at, reason)
    values (:app_id, 1, 0, 0, 'HTTP 410, the endpoint is gone')"""
)
FAILED = Statement("update callbacks set state = 'failed', ended_at = due_at where state = 'queued'")


@pytest.fixture(scope="module")
def app(rows: Rows) -> int:
    values = {"app_id": APP, "callback_secret": "s", "callback_url": "https://customer.example/"}
    return rows.add_app(1, values)


@pytest.fixture(autouse=True)
def clean(database: Database) -> Iterator[None]:
    yield
    with database.write() as tx:
        for statement in FORGET:
            tx.run(statement)


def owed(database: Database, app: int, count: int, at: datetime) -> list[int]:
    """Callbacks of so many invitations, due at that instant."""
    given: dict[str, Any] = {"app_id": app, "code": Code.NOT_MOBILE, "created_at": at, "planned_at": at}
    made = [candidate(f"+1301222{n:04d}", **given, duplicate_until=at) for n in range(count)]
    Admissions(database).admit(made, at)
    return [c.id for c in made]


def tried(database: Database, app: int, at: datetime, http: int) -> None:
    """All that is due is tried once, and that is the end of it."""
    outbox = CallbackOutbox(database)
    due = outbox.claim({app: 1000}, at, MINUTE)
    reason = "" if http == 200 else f"HTTP {http}"
    outbox.settle([called(each, http, at=at, reason=reason, delivered=http == 200) for each in due])


def test_every_try_is_shown(run: Run, database: Database, app: int) -> None:
    at = utc_now() - 5 * MINUTE
    [message] = owed(database, app, 1, at)
    tried(database, app, at, 404)
    ended = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    [shown] = run("callback", "show", str(message)).json
    assert shown == {
        "delivery": f"{message}-final",
        "messageId": str(message),
        "state": "failed",
        "status": 125,
        "tries": 1,
        "dueAt": None,
        "endedAt": ended,
        "reason": "HTTP 404",
        "tried": [{"at": ended, "http": 404, "reason": "HTTP 404"}],
    }
    lines = run("callback", "show", str(message), as_json=False).out.splitlines()
    assert lines == [
        f"{message}-final  status 125  failed  ended {ended}  1 try  HTTP 404",
        f"  {ended}  HTTP 404",
    ]
    refused(run("callback", "show", "7"), "7", "no callback")


def test_what_was_given_up_is_listed_page_by_page(
    run: Run, database: Database, app: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.store.replays.PAGE", 2)
    at = utc_now() - 5 * MINUTE
    failed = owed(database, app, 5, at)
    tried(database, app, at, 404)
    owed(database, app, 7, at)[5:]
    tried(database, app, at, 200)
    listed = run("callback", "list", APP, "--account", "Example").json
    assert [row["messageId"] for row in listed] == [str(message) for message in failed]
    since = (at + MINUTE).isoformat()
    assert run("callback", "list", APP, "--since", since).json == []
    empty = run("callback", "list", APP, "--since", since, as_json=False)
    assert (empty.status, empty.out, empty.err) == (0, "", "nothing to list\n")
    assert run("callback", "list", APP, "--until", since, as_json=False).out.count("\n") == 5
    refused(run("callback", "list", "com.example.none"), "com.example.none")
    refused(run("callback", "list", APP, "--since", "yesterday"), "since: must be an instant")


def test_those_of_an_app_are_made_once_more(
    run: Run, database: Database, app: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.store.replays.PAGE", 2)
    at = utc_now() - 5 * MINUTE
    failed = owed(database, app, 5, at)
    tried(database, app, at, 410)
    assert run("callback", "replay", "--app", APP, "--until", at.isoformat()).json == {"replayed": 0}
    assert run("callback", "replay", "--app", APP).json == {"replayed": 5}
    assert run("callback", "list", APP).json == []
    now = utc_now()
    again = CallbackOutbox(database).claim({app: 100}, now, MINUTE)
    assert sorted(due.message_id for due in again) == failed
    assert {(due.generation, due.tries, due.first_try_at, due.status) for due in again} == {(2, 0, now, 125)}


@pytest.mark.parametrize("http", [200, 404])
def test_those_of_an_invitation_are_made_once_more(run: Run, database: Database, app: int, http: int) -> None:
    at = utc_now() - 5 * MINUTE
    [message] = owed(database, app, 1, at)
    refused(run("callback", "replay", str(message)), "come to its end")
    tried(database, app, at, http)
    assert run("callback", "replay", str(message)).json == {"replayed": 1}
    refused(run("callback", "replay", str(message)), "come to its end")
    tried(database, app, utc_now(), 200)
    [shown] = run("callback", "show", str(message)).json
    assert (shown["state"], shown["tries"], [t["http"] for t in shown["tried"]]) == ("delivered", 1, [http, 200])
    head = run("callback", "show", str(message), as_json=False).out.splitlines()[0]
    assert head.endswith("  1 try since it was replayed, 2 in all")


def test_at_a_stopped_endpoint_it_is_said_that_nothing_goes_out(run: Run, database: Database, app: int) -> None:
    at = utc_now() - 5 * MINUTE
    [message] = owed(database, app, 1, at)
    tried(database, app, at, 404)
    with database.write() as tx:
        tx.run(STOPPED, app_id=app)
    for words in ((str(message),), ("--app", APP)):
        ran = run("callback", "replay", *words, as_json=False)
        assert ran.out == f"replayed: 1\nThe endpoint is stopped: nothing goes out until `app resume {APP}`.\n"
        with database.write() as tx:
            tx.run(FAILED)
    ended = "appId: com.example.2\npaused: no\n"
    note = "The stop of its callbacks has ended; what is owed goes out.\n"
    assert [run("app", "resume", APP, as_json=False).out for _ in range(2)] == [ended + note, ended]
    assert run("callback", "replay", str(message), as_json=False).out == "replayed: 1\n"


@pytest.mark.parametrize("words", [(), ("7", "--app", APP), ("7", "--since", "2026-11-22T09:00Z")])
def test_which_ones_has_to_be_said(run: Run, words: tuple[str, ...]) -> None:
    refused(run("callback", "replay", *words))


@pytest.mark.parametrize("number", [0, (1 << 63) - 1, 1 << 63, 10**23, -1, -(10**23)])
def test_a_number_that_nothing_has_is_refused_in_a_sentence(run: Run, number: int) -> None:
    for command, said in (("show", "owes no callback"), ("replay", "has no callback that has come to its end")):
        ran = run("callback", command, "--json", "--", str(number), as_json=False)
        refused(ran, f"message: {number} {said}")
