"""Settings: the environment over the file over config/default.toml, and one sentence for each that is wrong."""

from __future__ import annotations

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from dispatcher.settings import Settings, SettingsError, default_file, load


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "settings.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def setting(settings: Settings, name: str) -> object:
    found: object = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def leaves(table: dict[str, object], before: str = "") -> dict[str, object]:
    """Every setting by its dotted name."""
    found: dict[str, object] = {}
    for name, value in table.items():
        found |= leaves(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return found


def test_the_defaults_are_the_file_that_explains_them() -> None:
    defaults = leaves(tomllib.loads(default_file().read_text(encoding="utf-8")))
    settings = load(None, {})
    for name, value in defaults.items():
        found = setting(settings, name)
        assert found == (tuple(value) if isinstance(value, list) else value), name
    assert leaves(settings.model_dump()).keys() == defaults.keys(), "each setting stands in config/default.toml"


CHANGES: Final = [
    ("database_url", "postgresql://a@b/c", '"postgresql://a@b/c"', "postgresql://a@b/c"),
    ("public_url", "https://us.example/", '"https://us.example/"', "https://us.example"),
    ("log_level", "debug", '"debug"', "debug"),
    ("web.host", "::1", '"::1"', "::1"),
    ("web.port", "9000", "9000", 9000),
    ("web.workers", "4", "4", 4),
    ("web.threads", "64", "64", 64),
    ("web.metrics_token", "env:METRICS_TOKEN", '"env:METRICS_TOKEN"', "env:METRICS_TOKEN"),
    ("work.in_flight", "7", "7", 7),
    ("work.lease_seconds", "36.5", "36.5", 36.5),
    ("work.in_doubt_minutes", "0.5", "0.5", 0.5),
    ("work.rescue_seconds", "1", "1", 1.0),
    ("carriers.connect_seconds", "2.5", "2.5", 2.5),
    ("carriers.timeout_seconds", "54", "54", 54.0),
    ("callbacks.allow", "127.0.0.0/8", '["127.0.0.0/8"]', (ip_network("127.0.0.0/8"),)),
    ("callbacks.in_flight", "1", "1", 1),
    ("callbacks.in_flight_per_app", "2", "2", 2),
    ("callbacks.timeout_seconds", "1", "1", 1.0),
    ("lookups.provider", "twilio", '"twilio"', "twilio"),
    ("lookups.grace_seconds", "1", "1", 1.0),
    ("lookups.keep_days", "90", "90", 90),
    ("lookups.daily_cap", "1", "1", 1),
    ("lookups.timeout_seconds", "0.5", "0.5", 0.5),
    ("lookups.in_flight", "64", "64", 64),
    ("lookups.non_fixed_voip", "accept", '"accept"', "accept"),
    ("postgres.connections", "20", "20", 20),
    ("postgres.pooled", "true", "true", True),
]


@pytest.mark.parametrize(("name", "variable", "toml", "value"), CHANGES)
def test_each_setting_by_file_and_by_environment(
    tmp_path: Path, name: str, variable: str, toml: str, value: object
) -> None:
    *table, key = name.split(".")
    file = written(tmp_path, ("".join(f"[{part}]\n" for part in table)) + f"{key} = {toml}\n")
    assert setting(load(file, {}), name) == value
    assert setting(load(None, {f"DISPATCHER_{name.upper().replace('.', '__')}": variable}), name) == value


def test_every_setting_is_tried_here() -> None:
    assert {name for name, *_ in CHANGES} == leaves(load(None, {}).model_dump()).keys()


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, "[web]\nport = 9000\nthreads = 3\n")
    settings = load(
        file, {"DISPATCHER_WEB__PORT": "9001", "PORT": "1", "DISPATCHERX": "1", "dispatcher_web__port": "2"}
    )
    assert (settings.web.port, settings.web.threads, settings.web.workers) == (9001, 3, load(None, {}).web.workers)


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("", []),
        (" ", []),
        (",", []),
        ("127.0.0.0/8", ["127.0.0.0/8"]),
        ("127.0.0.0/8,10.1.0.0/16", ["127.0.0.0/8", "10.1.0.0/16"]),
        (" 127.0.0.1 , fd00::/8 ,", ["127.0.0.1/32", "fd00::/8"]),
    ],
)
def test_lists_are_separated_by_commas(value: str, networks: list[str]) -> None:
    settings = load(None, {"DISPATCHER_CALLBACKS__ALLOW": value})
    assert list(map(str, settings.callbacks.allow)) == networks


@pytest.mark.parametrize("name", ["DISPATCHER_WEB__HOST", "dispatcher_x", "DISPATCHER_PUBLIC_URL"])
def test_names_have_no_case_after_the_prefix(name: str) -> None:
    assert load(None, {name.replace("PUBLIC_URL", "Public_Url"): "http://x.y"}).log_level == "info"


ENVIRONMENT: Final = [
    ({"DISPATCHER_PORT": "1"}, "DISPATCHER_PORT: port is not a setting"),
    ({"DISPATCHER_WEB__PORTS": "1"}, "DISPATCHER_WEB__PORTS: ports is not a setting"),
    ({"DISPATCHER_WEB_PORT": "1"}, "DISPATCHER_WEB_PORT: web_port is not a setting"),
    ({"DISPATCHER_": "1"}, "DISPATCHER_:"),
    ({"DISPATCHER_WEB__": "1"}, "DISPATCHER_WEB__:"),
    ({"DISPATCHER_WEB": "1"}, "DISPATCHER_WEB: web must be a table"),
    ({"DISPATCHER_LOG_LEVEL__X": "1"}, "DISPATCHER_LOG_LEVEL__X: log_level must not be a table"),
    ({"DISPATCHER_WEB__PORT__X": "1"}, "DISPATCHER_WEB__PORT__X: port must not be a table"),
    ({"DISPATCHER_WEB__PORT": ""}, "web.port"),
    ({"DISPATCHER_WEB__PORT": "0"}, "setting web.port: must be at least 1, not '0'"),
    ({"DISPATCHER_WEB__PORT": "65536"}, "setting web.port: must be at most 65535, not '65536'"),
    ({"DISPATCHER_WEB__PORT": "8000.5"}, "web.port"),
    ({"DISPATCHER_WEB__PORT": "eight"}, "setting web.port: must be a whole number, not 'eight'"),
    ({"DISPATCHER_WEB__PORT": "9" * 5000}, "web.port"),
    ({"DISPATCHER_WEB__HOST": ""}, "setting web.host: must not be empty"),
    ({"DISPATCHER_WEB__WORKERS": "0"}, "web.workers"),
    ({"DISPATCHER_WEB__WORKERS": "65"}, "web.workers"),
    ({"DISPATCHER_WEB__THREADS": "257"}, "web.threads"),
    ({"DISPATCHER_WEB__METRICS_TOKEN": "s3cret"}, "setting web.metrics_token: must be env:VARIABLE or file:/path"),
    ({"DISPATCHER_LOG_LEVEL": "loud"}, "setting log_level: must be 'debug', 'info', 'warning' or 'error', not 'loud'"),
    ({"DISPATCHER_LOG_LEVEL": "INFO"}, "log_level"),
    ({"DISPATCHER_DATABASE_URL": ""}, "database_url"),
    ({"DISPATCHER_DATABASE_URL": "sqlite://"}, "database_url"),
    ({"DISPATCHER_DATABASE_URL": "sqlite:///"}, "database_url"),
    ({"DISPATCHER_DATABASE_URL": "mysql://a@b/c"}, "database_url"),
    ({"DISPATCHER_DATABASE_URL": "/var/lib/dispatcher.db"}, "database_url"),
    ({"DISPATCHER_PUBLIC_URL": "us.example"}, "public_url"),
    ({"DISPATCHER_PUBLIC_URL": "ftp://us.example"}, "public_url"),
    ({"DISPATCHER_PUBLIC_URL": "http://"}, "public_url"),
    ({"DISPATCHER_PUBLIC_URL": "https:///hooks"}, "public_url"),
    ({"DISPATCHER_PUBLIC_URL": "https://us.example/?x=1"}, "setting public_url: must have no query"),
    ({"DISPATCHER_PUBLIC_URL": "https://us.example#f"}, "setting public_url: must have no query (?) and no fragment"),
    ({"DISPATCHER_PUBLIC_URL": "https://us example"}, "public_url"),
    ({"DISPATCHER_WORK__IN_FLIGHT": "0"}, "work.in_flight"),
    ({"DISPATCHER_WORK__LEASE_SECONDS": "nan"}, "work.lease_seconds"),
    ({"DISPATCHER_WORK__LEASE_SECONDS": "inf"}, "work.lease_seconds"),
    ({"DISPATCHER_WORK__LEASE_SECONDS": "-1"}, "work.lease_seconds"),
    ({"DISPATCHER_WORK__LEASE_SECONDS": "35.9"}, "work.lease_seconds: must be at least 6 more than carriers"),
    ({"DISPATCHER_CARRIERS__TIMEOUT_SECONDS": "54.5"}, "work.lease_seconds: must be at least 6 more than carriers"),
    ({"DISPATCHER_CALLBACKS__ALLOW": "everything"}, "callbacks.allow"),
    ({"DISPATCHER_CALLBACKS__ALLOW": "10.0.0.1/8"}, "callbacks.allow"),
    ({"DISPATCHER_CALLBACKS__ALLOW": "127.0.0.0/8;10.0.0.0/8"}, "callbacks.allow"),
    ({"DISPATCHER_CALLBACKS__TIMEOUT_SECONDS": "51"}, "callbacks.timeout_seconds"),
    ({"DISPATCHER_POSTGRES__POOLED": "perhaps"}, "setting postgres.pooled: must be true or false, not 'perhaps'"),
    ({"DISPATCHER_POSTGRES__CONNECTIONS": "1"}, "postgres.connections"),
    ({"DISPATCHER_LOOKUPS__PROVIDER": "nobody"}, "lookups.provider: must be '', 'twilio' or 'generic', not 'nobody'"),
    ({"DISPATCHER_LOOKUPS__GRACE_SECONDS": "0"}, "lookups.grace_seconds"),
    ({"DISPATCHER_LOOKUPS__KEEP_DAYS": "29"}, "lookups.keep_days: must be at least 30, not '29'"),
    ({"DISPATCHER_LOOKUPS__KEEP_DAYS": "91"}, "lookups.keep_days: must be at most 90, not '91'"),
    ({"DISPATCHER_LOOKUPS__DAILY_CAP": "0"}, "lookups.daily_cap"),
    ({"DISPATCHER_LOOKUPS__TIMEOUT_SECONDS": "31"}, "lookups.timeout_seconds"),
    ({"DISPATCHER_LOOKUPS__IN_FLIGHT": "0"}, "lookups.in_flight"),
    ({"DISPATCHER_LOOKUPS__NON_FIXED_VOIP": "ask"}, "lookups.non_fixed_voip"),
    ({"DISPATCHER_LOOKUPS__URL": "https://x.example"}, "url is not a setting"),
    ({"DISPATCHER_LOOKUPS__SETTINGS": "https://x.example"}, "settings must be a table"),
]


def sentence(file: Path | None, environment: dict[str, str]) -> str:
    """The one sentence with which it stops."""
    with pytest.raises(SettingsError) as raised:
        load(file, environment)
    said = str(raised.value)
    assert said
    assert "\n" not in said
    assert "pydantic" not in said
    assert "Input should" not in said, "the sentence is ours"
    assert len(said) < 500
    return said


@pytest.mark.parametrize(("environment", "said"), ENVIRONMENT, ids=lambda case: str(case)[:60])
def test_what_is_wrong_in_the_environment(environment: dict[str, str], said: str) -> None:
    assert said in sentence(None, environment)


FILES: Final[list[tuple[str | bytes, str]]] = [
    ("port = 1", "port is not a setting"),
    ("[web]\nports = 1", "ports is not a setting"),
    ("[webb]\nport = 1", "webb is not a setting"),
    ("web = 1", "web must be a table"),
    ("[log_level]\nx = 1", "log_level must not be a table"),
    ("[[web]]\nport = 1", "web must be a table"),
    ("[web]\nport = '8000 '\nhost = 5", "web.host"),
    ("[web]\nport = [1]", "web.port"),
    ("[web]\nport = 1979-05-27", "web.port"),
    ("[web]\nport = true", "web.port"),
    ("[work]\nlease_seconds = true", "work.lease_seconds"),
    ("[callbacks]\nallow = 7", "callbacks.allow"),
    ("[callbacks]\nallow = [7]", "callbacks.allow"),
    ("[callbacks]\nallow = ['10.0.0.1/8']", "callbacks.allow"),
    ("database_url = 7", "database_url"),
    ("log_level = ''", "log_level"),
    ("[web\nport = 1", "settings.toml:"),
    ("web.port = 1\nweb.port = 2", "settings.toml:"),
    ("nonsense", "settings.toml:"),
    (b"log_level = '\xff'", "settings.toml:"),
    (b"\xff\xfel\0o\0g\0", "settings.toml:"),
    ("\0", "settings.toml:"),
]


@pytest.mark.parametrize(("text", "said"), FILES)
def test_what_is_wrong_in_a_file(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in sentence(written(tmp_path, text), {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "nowhere.toml: No such file" in sentence(tmp_path / "nowhere.toml", {})
    assert "directory" in sentence(tmp_path, {})
    if os.getuid():
        locked = written(tmp_path, "")
        locked.chmod(0)
        assert "Permission denied" in sentence(locked, {})


def test_what_a_provider_of_lookups_is_given_may_be_named_at_will(tmp_path: Path) -> None:
    file = written(
        tmp_path, "[lookups.settings]\nurl = 'https://x.example'\n[lookups.settings.types]\nCELL = 'mobile'\n"
    )
    given = load(file, {"DISPATCHER_LOOKUPS__SETTINGS__CREDENTIALS__KEY": "env:KEY"}).lookups.settings
    assert given == {"url": "https://x.example", "types": {"CELL": "mobile"}, "credentials": {"key": "env:KEY"}}


def test_settings_do_not_change() -> None:
    settings = load(None, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "debug"  # type: ignore[misc]


def test_no_sentence_repeats_a_password() -> None:
    assert "hunter2" not in sentence(None, {"DISPATCHER_DATABASE_URL": "postgres://us:hunter2@db/dispatcher"})
