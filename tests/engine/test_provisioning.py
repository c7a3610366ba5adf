"""Provisioning over a real store: what is kept, and what is refused in one sentence that names what is at fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from dispatcher.core.hours import DEFAULT, from_mapping
from dispatcher.core.invitation import Account, App, Policy
from dispatcher.engine.app_settings import AppSettings
from dispatcher.engine.checks import Wrong
from dispatcher.engine.provisioning import Credential, Provisioning
from dispatcher.store.database import Database
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from tests.factories import NOON

FOUR = {"monday": ["09:00-12:00"], "closed": ["2026-12-25"]}


@dataclass
class House:
    """Provisioning as the command line has it; `private` URLs are forbidden, the carrier `odd` is unknown."""

    database: Database
    checked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = Rows(self.database, lambda: NOON)
        self.provisioning = Provisioning(
            register=self.rows,
            clock=lambda: NOON,
            forbidden=lambda url: "is a private address" if "private" in url else None,
            check_carrier=self._check,
            ring=self.rung.append,
        )

    def _check(self, carrier: str, settings: Mapping[str, Any]) -> str | None:
        self.checked.append((carrier, settings))
        return "carrier: must be one of simulated" if carrier == "odd" else None

    def sender(self, number: str = "+12015550000", connection: str = "carrier", **given: Any) -> tuple[int, str]:
        values: dict[str, Any] = {"mps": 1.0, "daily_cap": None, "apps": [], "weight": 1.0}
        return self.provisioning.sender(number, connection, **(values | given))

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.write() as tx:
            return [tuple(row) for row in tx.run(Statement(statement))]


@pytest.fixture
def house(database: Database) -> House:
    """Account 1 `Example` with app `com.example.1`, and connection `carrier`."""
    house = House(database)
    house.provisioning.account("Example", "a@example.com")
    house.provisioning.app("Example", AppSettings("com.example.1"))
    house.provisioning.connection("carrier", "simulated", {}, {})
    return house


def hashed(credential: Credential) -> str:
    return sha256(credential.secret.encode()).hexdigest()


# --- What is kept -----------------------------------------------------------------------------------------------------


def test_an_account_and_its_keys(house: House) -> None:
    number, first = house.provisioning.account("  Another  ", "b@example.com")
    second = house.provisioning.key("Another")
    third = house.provisioning.key(second.api_key)
    house.provisioning.key(str(number))
    asked = CachedDirectory(house.database, keep=0.0)
    assert len({first.api_key, second.api_key, third.api_key}) == 3
    assert min(len(credential.secret) for credential in (first, second, third)) >= 43, "256 bits"
    for credential in (first, second, third):
        assert asked.account(credential.api_key, hashed(credential)) == Account(number)
    house.provisioning.revoke(second.api_key)
    house.provisioning.revoke(second.api_key)
    assert asked.account(second.api_key, hashed(second)) is None
    assert asked.account(first.api_key, hashed(first)) == Account(number)
    kept = [value for row in house.run("select * from api_keys") for value in row]
    assert first.secret not in map(str, kept)


def test_an_app_as_it_is_asked_for(house: House) -> None:
    asked = AppSettings(
        "com.example.2",
        callback_url="https://x.example/{status}",
        hours=FOUR,
        country="DE",
        countries=" us, de,US ",
        policy="at_least_once",
        country_from_sender=True,
        callback_corrections=True,
        callback_clicks=True,
    )
    number, secret = house.provisioning.app("Example", asked)
    assert CachedDirectory(house.database).app(1, "com.example.2") == App(
        number,
        1,
        "com.example.2",
        hours=from_mapping(FOUR),
        country="DE",
        country_from_sender=True,
        countries=frozenset({"DE", "US"}),
        policy=Policy.AT_LEAST_ONCE,
        calls_back=True,
    )
    assert house.run(f"""select callback_secret, callback_clicks, callback_corrections, network_id, countries
        from apps where id = {number}""") == [(secret, 1, 1, "com.example.2", "DE,US")]
    assert len(secret) >= 43


def test_an_app_of_which_nothing_is_said(house: House) -> None:
    assert CachedDirectory(house.database).app(1, "com.example.1") == App(1, 1, "com.example.1", hours=DEFAULT)


def test_two_accounts_may_have_an_app_of_the_same_name(house: House) -> None:
    house.provisioning.account("Another", "b@example.com")
    number, _ = house.provisioning.app("Another", AppSettings("com.example.1", hours="always"))
    assert number != 1


# What is given, what is kept: number, kind, region.
SENDERS = [
    ("+12015550000", ("+12015550000", "long_code", "US")),
    ("+1 (201) 555-0001", ("+12015550001", "long_code", "US")),
    ("+4915123456789", ("+4915123456789", "long_code", "DE")),
    ("+18005550100", ("+18005550100", "toll_free", "US")),
    ("123", ("123", "short_code", "")),
    ("12345678", ("12345678", "short_code", "")),
    ("Example", ("Example", "alphanumeric", "")),
    ("EX 11 chars", ("EX 11 chars", "alphanumeric", "")),
]


def test_senders_as_they_are_kept(house: House) -> None:
    for given, (number, kind, region) in SENDERS:
        key, written = house.sender(given, mps=2.5, daily_cap=100, weight=0.5)
        assert written == number
        columns = "number, kind, region, mps, daily_cap, weight, connection_id"
        assert house.run(f"select {columns} from senders where id = {key}") == [
            (number, kind, region, 2.5, 100, 0.5, 1)
        ]


def test_the_country_of_a_sender_is_its_numbers_own_or_said(house: House) -> None:
    for given, country, region in (("12345", "us", "US"), ("Example", "GB", "GB"), ("+4915123456789", "DE", "DE")):
        key, written = house.sender(given, country=country)
        assert house.run(f"select region from senders where id = {key}") == [(region,)]
        changed = region if written.startswith("+") else ""
        house.provisioning.change_sender(written, "", {"country": ""})
        assert house.run(f"select region from senders where id = {key}") == [(changed,)]


def test_what_is_held_against_an_endpoint_ends(house: House) -> None:
    stop = "insert into endpoints (app_id, failures, stopped_at, reason) values (1, 3, 0, 'HTTP 410')"
    app, made = "com.example.1", house.provisioning
    mends: list[Callable[[], object]] = [
        lambda: made.pause_app(app, "", paused=False),
        lambda: made.change_app(app, "", {"callback_url": "https://x.example/"}),
    ]
    for mend in mends:
        house.run(stop)
        made.change_app(app, "", {"weight": 2.0})
        made.pause_app(app, "", paused=True)
        assert house.rows.ailing()[1]["reason"] == "HTTP 410"
        house.rung.clear()
        mend()
        assert house.rows.ailing() == {}
        assert "callbacks" in house.rung


def test_the_secret_of_callbacks_is_renewed(house: House) -> None:
    [(old,)] = house.run("select callback_secret from apps")
    renewed = house.provisioning.renew_secret("com.example.1", "Example")
    assert house.run("select callback_secret from apps") == [(renewed,)]
    assert renewed != old
    assert len(renewed) >= 43


def test_a_sender_may_be_dedicated(house: House) -> None:
    house.provisioning.app("Example", AppSettings("com.example.2"))
    house.sender(apps=["com.example.1", "com.example.2"])
    house.sender("+12015550001")
    assert house.run("select sender_id, app_id from sender_apps order by app_id") == [(1, 1), (1, 2)]


def test_a_connection_is_asked_whether_it_can_work(house: House) -> None:
    house.provisioning.connection("second_1-a", "simulated", {"a": 1}, {"in_flight": 7})
    assert house.checked[-1] == ("simulated", {"a": 1})
    assert house.run("select name, carrier, in_flight from connections where id = 2") == [
        ("second_1-a", "simulated", 7)
    ]


# --- What is refused --------------------------------------------------------------------------------------------------

Act = Callable[[House], object]


def app(**given: Any) -> Act:
    return lambda house: house.provisioning.app("Example", AppSettings(**({"app_id": "com.example.new"} | given)))


def sender(*names: str, **given: Any) -> Act:
    return lambda house: house.sender(*names, **given)


def account(company: str, email: str = "a@example.com") -> Act:
    return lambda house: house.provisioning.account(company, email)


def connection(name: str, carrier: str = "simulated", **settings: Any) -> Act:
    return lambda house: house.provisioning.connection(name, carrier, settings, {})


def deep(tables: int) -> object:
    return {"a": deep(tables - 1)} if tables else 1


WRONG: list[tuple[Act, str]] = [
    (account(""), "company: 1 to 200 characters"),
    (account("  "), "company: 1 to 200 characters"),
    (account("x" * 201), "company: 1 to 200 characters"),
    (account("New", ""), "email: must be an e-mail address"),
    (account("New", "a.example.com"), "email: must be an e-mail address"),
    (account("New", "@example.com"), "email: must be an e-mail address"),
    (account("New", "a@"), "email: must be an e-mail address"),
    (account("New", "a b@example.com"), "email: must be an e-mail address"),
    (account("New", "a" * 250 + "@b.de"), "email: must be an e-mail address"),
    (lambda house: house.provisioning.key("nobody"), "account: nobody is no apiKey, number or company name"),
    (lambda house: house.provisioning.key("99"), "account: 99 is no apiKey, number or company name"),
    (lambda house: house.provisioning.key("9" * 30), f"account: {'9' * 30} is no apiKey, number or company name"),
    (lambda house: house.provisioning.revoke("nothing"), "key: nothing is not known"),
    (app(app_id=""), "app-id: 1 to 255 printable characters"),
    (app(app_id="x" * 256), "app-id: 1 to 255 printable characters"),
    (app(app_id="a\nb"), "app-id: 1 to 255 printable characters"),
    (app(app_id="com.example.1"), "app-id: com.example.1 exists already for this account"),
    (app(callback_url="ftp://x.example/"), "callback-url: has to begin with http:// or https://"),
    (app(callback_url="https://{phone}.example/"), "callback-url: placeholders may stand in the path and the query"),
    (app(callback_url="https://x.example/" + "x" * 2048), "callback-url: at most 2048 characters"),
    (app(callback_url="https://private.example/"), "callback-url: is a private address"),
    (app(accepted_url="https://private.example/"), "accepted-url: is a private address"),
    (app(country="XX"), "country: not an ISO 3166 country code such as US or DE"),
    (app(countries=""), "countries: must be all, or country codes separated by commas"),
    (app(countries=" , "), "countries: must be all, or country codes separated by commas"),
    (app(countries="US,XX"), "countries: XX is not an ISO 3166 country code"),
    (app(network_id="x" * 256), "network-id: at most 255 characters"),
    (app(network_id="a\0b"), "network-id: must be text"),
    (app(stop_text="x" * 460), "stop-text: 4 segments; at most 3"),
    (app(help_text="x\0"), "help-text: must be text"),
    (app(accepted_content_type="text/html"), "accepted-content-type: must be empty or one of application/json"),
    (app(hours="sometimes"), "hours: must be always, or a file"),
    (app(hours={}), "hours: hours: open at no time; name spans under one of every, weekdays, weekend, monday"),
    (app(hours={"sunday": "all"}), "hours: sunday: a list of at most"),
    (connection(""), "name: 1 to 64 letters, digits, - or _"),
    (connection("x" * 65), "name: 1 to 64 letters, digits, - or _"),
    (connection("a/b"), "name: 1 to 64 letters, digits, - or _"),
    (connection("für"), "name: 1 to 64 letters, digits, - or _"),
    (connection("carrier"), "name: a connection carrier exists already"),
    (connection("new", "odd"), "carrier: must be one of simulated"),
    (connection("new", a={"b": [1, {"c": None}]}), "a.b[1].c: "),
    (connection("new", a=float("inf")), "a: "),
    (connection("new", a=["b\0"]), "a[0]: "),
    (connection("new", a={"\ud800": 1}), "a"),
    (connection("new", a=deep(30)), "settings: too many tables within one another"),
    (sender("+1999"), "number: not a valid phone number; write it as +, country code and number"),
    (sender("12"), "number: a phone number begins with +; a short code has 3 to 8 digits"),
    (sender("123456789"), "number: a phone number begins with +; a short code has 3 to 8 digits"),
    (sender(""), "number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits"),
    (sender("   "), "number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits"),
    (sender("twelve chars"), "number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits"),
    (sender("Grüße"), "number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits"),
    (sender("a-b"), "number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits"),
    (sender(mps=0.0), "mps: 0.001 to 1000000 segments per second"),
    (sender(mps=1e7), "mps: 0.001 to 1000000 segments per second"),
    (sender(mps=float("nan")), "mps: 0.001 to 1000000 segments per second"),
    (sender(daily_cap=0), "daily-cap: "),
    (sender(daily_cap=1 << 31), "daily-cap: "),
    (sender(weight=0.0), "weight: 0.01 to 1000"),
    (sender(weight=1001.0), "weight: 0.01 to 1000"),
    (sender("12345", country="XX"), "country: not an ISO 3166 country code such as US or DE"),
    (sender(country="CA"), "country: +12015550000 is a number of US"),
    (sender("+12015550000", "nowhere"), "connection: nowhere is not known"),
    (sender(apps=["com.example.none"]), "app: com.example.none is not known"),
]  # fmt: skip


def test_what_is_refused(house: House) -> None:
    before = house.run(
        "select (select count(*) from apps), (select count(*) from accounts), (select count(*) from senders)"
    )
    for act, sentence in WRONG:
        with pytest.raises(Wrong, match=f"^{re.escape(sentence)}"):
            act(house)
    after = house.run(
        "select (select count(*) from apps), (select count(*) from accounts), (select count(*) from senders)"
    )
    assert after == before, "and nothing of it is kept"


def test_names_that_mean_more_than_one(house: House) -> None:
    house.provisioning.account("Example", "b@example.com")
    with pytest.raises(Wrong, match="account: Example is the name of several; name one by its number or an apiKey"):
        house.provisioning.key("Example")
    house.provisioning.app("2", AppSettings("com.example.1"))
    with pytest.raises(Wrong, match=re.escape("app: com.example.1 is more than one app")):
        house.sender(apps=["com.example.1"])


def test_a_number_is_a_sender_of_a_connection_once(house: House) -> None:
    house.sender()
    with pytest.raises(Wrong, match=re.escape("number: +12015550000 is a sender of carrier already")):
        house.sender("+1 201 555 0000")
    house.provisioning.connection("second", "simulated", {}, {})
    house.sender(connection="second")


def test_a_policy_that_is_none(house: House) -> None:
    with pytest.raises(Wrong):
        house.provisioning.app("Example", AppSettings("com.example.new", policy="sometimes"))


def test_what_may_set_something_moving_wakes_dispatch(house: House) -> None:
    house.sender()
    made = house.provisioning
    assert house.rung == []
    acts: list[Callable[[], object]] = [
        lambda: made.change_app("com.example.1", "", {"weight": 2.0}),
        lambda: made.pause_app("com.example.1", "Example", paused=False),
        lambda: made.change_sender("+12015550000", "", {"mps": 2.0}, ["com.example.1"]),
        lambda: made.pause_sender("+12015550000", "carrier", paused=False),
        lambda: made.end_rest("+12015550000", ""),
        lambda: made.change_connection("carrier", {"a": {"b": 1}}, {"in_flight": 3}),
        lambda: made.pause_connection("carrier", paused=False),
    ]
    for act in acts:
        house.rung.clear()
        act()
        assert house.rung[-1] == "due"
        assert set(house.rung) <= {"due", "callbacks"}


def test_settings_are_laid_over_one_another(house: House) -> None:
    house.provisioning.change_connection("carrier", {"a": {"b": 1, "c": 2}}, {})
    house.provisioning.change_connection("carrier", {"a": {"c": 3}, "d": 4}, {})
    assert house.checked[-1] == ("simulated", {"a": {"b": 1, "c": 3}, "d": 4})
    assert house.rows.contract("carrier") == house.checked[-1]
    asked = len(house.checked)
    house.provisioning.change_connection("carrier", {}, {"in_flight": 5})
    assert len(house.checked) == asked, "what is not changed is not judged again: its credentials may be elsewhere"


def test_a_network_id_that_is_taken_back_is_the_app_id(house: House) -> None:
    for given, kept in (("net", "net"), ("", "com.example.1")):
        house.provisioning.change_app("com.example.1", "", {"network_id": given})
        assert house.run("select network_id from apps") == [(kept,)]
