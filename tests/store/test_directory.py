"""Who is who: right and wrong credentials, apps with all that is settled for them, and how long that is remembered."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest

from dispatcher.core.hours import ALWAYS, DEFAULT, OpenHours, from_mapping
from dispatcher.core.invitation import Account, App, Policy
from dispatcher.store import directory
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision

RIGHT = sha256(SECRET.encode()).hexdigest()
WRONG = sha256(b"guessed").hexdigest()
SUNDAYS = {"sunday": ["09:00-12:00"], "closed": ["2026-12-27"]}
KEEP = 2.0

CREDENTIALS = [
    ("key", RIGHT, Account(1)),
    ("key", WRONG, None),
    ("key", "", None),
    ("key", RIGHT.upper(), None),
    ("KEY", RIGHT, None),
    ("other", RIGHT, None),
    ("", RIGHT, None),
]
# What is kept of an app, and what is made of it.
SETTLED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"hours": None}, {"hours": DEFAULT}),
    ({"hours": {"always": True}}, {"hours": ALWAYS}),
    ({"hours": SUNDAYS}, {"hours": from_mapping(SUNDAYS)}),
    ({"country": "DE", "country_from_sender": 1}, {"country": "DE", "country_from_sender": True}),
    ({"countries": "all"}, {"countries": None}),
    ({"countries": "DE,US"}, {"countries": frozenset({"DE", "US"})}),
    ({"policy": "at_least_once"}, {"policy": Policy.AT_LEAST_ONCE}),
    ({"duplicate_seconds": 60, "most_segments": 3}, {"duplicate_window": timedelta(minutes=1), "most_segments": 3}),
    ({"weight": 2.5, "callback_url": "https://x.example/"}, {"weight": 2.5, "calls_back": True}),
]


def run(database: Database, text: str) -> None:
    with database.write() as tx:
        tx.run(Statement(text))


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The monotonic clock of the directory, which stands still until the test moves it."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(directory, "time", clock)
    return clock


@pytest.fixture
def known(database: Database) -> Rows:
    return provision(database, apps=2)


def test_credentials(database: Database, known: Rows) -> None:
    for asked in (CachedDirectory(database), CachedDirectory(database, keep=0.0)):
        for key, secret_hash, account in CREDENTIALS * 2:
            assert asked.account(key, secret_hash) == account, (key, secret_hash)


def test_a_second_key_a_revoked_one_and_a_paused_account(
    database: Database, known: Rows, ticks: SimpleNamespace
) -> None:
    asked = CachedDirectory(database, keep=KEEP)
    known.add_key(1, "second", WRONG)
    assert asked.account("second", WRONG) == asked.account("key", RIGHT) == Account(1)
    known.revoke_key("key")
    run(database, "update accounts set paused_at = 1")
    ticks.now += KEEP
    assert asked.account("key", RIGHT) == Account(1), "remembered for a moment"
    ticks.now += KEEP + 0.001
    assert asked.account("key", RIGHT) is None
    assert asked.account("second", WRONG) == Account(1, paused=True)


def test_what_was_not_found_is_asked_for_again(database: Database, known: Rows) -> None:
    asked = CachedDirectory(database)
    assert asked.account("new", RIGHT) is None
    assert asked.app(1, "com.example.new") is None
    assert asked.apps([3]) == {}
    known.add_key(1, "new", RIGHT)
    known.add_app(1, {"app_id": "com.example.new", "hours": None})
    assert asked.account("new", RIGHT) == Account(1)
    app = asked.app(1, "com.example.new")
    assert app == App(3, 1, "com.example.new", hours=DEFAULT)
    assert asked.apps([3]) == {3: app}


def test_apps_as_they_are_settled(database: Database) -> None:
    rows = provision(database, apps=0)
    asked = CachedDirectory(database)
    for number, (values, made) in enumerate(SETTLED, 1):
        rows.add_app(1, {"app_id": f"app {number}", "hours": {"always": True}} | values)
        assert asked.app(1, f"app {number}") == App(number, 1, f"app {number}", **made)


def test_an_app_belongs_to_its_account(database: Database, known: Rows) -> None:
    asked = CachedDirectory(database)
    assert known.add_account("Another", "b@example.com", "key 2", WRONG) == 2
    known.add_app(2, {"app_id": "com.example.1", "hours": None})
    mine, theirs = asked.app(1, "com.example.1"), asked.app(2, "com.example.1")
    assert mine is not None
    assert theirs is not None
    assert (mine.id, theirs.id, theirs.account_id) == (1, 3, 2)
    assert asked.app(2, "com.example.2") is None


def test_apps_by_their_numbers(database: Database, known: Rows) -> None:
    asked = CachedDirectory(database)
    assert asked.apps([]) == {}
    found = asked.apps([2, 1, 2, 99, -1])
    assert {number: app.app_id for number, app in found.items()} == {1: "com.example.1", 2: "com.example.2"}


def test_a_change_is_seen_within_the_time_that_an_app_is_kept(
    database: Database, known: Rows, ticks: SimpleNamespace
) -> None:
    asked = CachedDirectory(database, keep=KEEP)
    before = asked.app(1, "com.example.1")
    assert before is not None
    assert not before.paused
    assert asked.apps([1]) == {1: before}
    run(database, "update apps set paused_at = 1 where id = 1")
    assert asked.app(1, "com.example.1") == asked.apps([1])[1] == before
    ticks.now += KEEP + 0.001
    after = asked.app(1, "com.example.1")
    assert after is not None
    assert after.paused
    assert asked.apps([1]) == {1: after}


def test_an_app_that_is_gone_is_forgotten(database: Database, known: Rows, ticks: SimpleNamespace) -> None:
    asked = CachedDirectory(database, keep=KEEP)
    assert asked.app(1, "com.example.2")
    assert set(asked.apps([1, 2])) == {1, 2}
    assert asked.account("key", RIGHT)
    run(database, "delete from api_keys")
    run(database, "delete from apps where id = 2")
    ticks.now += KEEP + 0.001
    assert asked.app(1, "com.example.2") is None
    assert asked.apps([2]) == {}
    assert asked.account("key", RIGHT) is None


def test_a_full_memory_forgets_nothing_that_is_asked_for(
    database: Database, known: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else decide() discards what the app paid for, for "the app no longer exists"."""
    monkeypatch.setattr(directory, "MOST", 1)
    asked = CachedDirectory(database)
    assert set(asked.apps([1])) == {1}
    assert set(asked.apps([1, 2])) == {1, 2}


def test_memory_is_bounded(database: Database, known: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MOST", 1)
    asked = CachedDirectory(database)
    for _ in range(2):
        assert {n: asked.app(1, f"com.example.{n}") is not None for n in (1, 2)} == {1: True, 2: True}
    assert len(asked._by_name) == 1


@pytest.mark.parametrize(
    ("kept", "hours"),
    [
        (None, DEFAULT),
        ({"always": True}, ALWAYS),
        ('{"always": true}', ALWAYS),
        ('{"sunday": ["09:00-12:00"], "closed": ["2026-12-27"]}', from_mapping(SUNDAYS)),
        ("null", DEFAULT),
    ],
    ids=["null", "a mapping", "a text", "a text with dates", "a text of null"],
)
def test_hours(kept: object, hours: OpenHours) -> None:
    assert directory.hours_of(kept) == hours
