"""Settings, checked once at the start: config/default.toml < --config FILE < DISPATCHER_*."""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dispatcher.core.given import NOT_IN_URL

PREFIX: Final = "DISPATCHER_"
FREE: Final = "settings"  # a table whose keys are a provider's own, and are checked by whoever reads them
SENTENCES: Final = {  # what is wrong, by the library's word for it
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
UNSAID: Final = {  # the same, of values that are not repeated: they may hold a password
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list",
}


class SettingsError(Exception):
    """A setting that is wrong, in one sentence."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean(cls, value: object, info: ValidationInfo) -> object:
        """Of Python's numbers two are called true and false; none of ours is meant by them."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("must not be true or false")
        return value


def _listed(value: object) -> object:
    """The environment's way to write a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _network(value: object) -> object:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):  # a number would be read as an address
        raise ValueError("must be a network such as 10.0.0.0/8")
    return ip_network(value)


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class Web(_Table):
    """The API."""

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    workers: int = Field(ge=1, le=64)
    threads: int = Field(ge=1, le=256)
    metrics_token: str

    @field_validator("metrics_token")
    @classmethod
    def _place(cls, value: str) -> str:
        if value and not value.startswith(("env:", "file:")):
            raise ValueError("must be env:VARIABLE or file:/path, not the token itself")
        return value


class Work(_Table):
    """The dispatcher."""

    in_flight: int = Field(ge=1, le=4096)
    lease_seconds: float = Field(gt=0, le=3600)
    in_doubt_minutes: float = Field(gt=0, le=10_080)
    rescue_seconds: float = Field(gt=0, le=3600)


class Carriers(_Table):
    """Submits."""

    connect_seconds: float = Field(gt=0, le=60)
    timeout_seconds: float = Field(gt=0, le=600)


class CallbackSettings(_Table):
    """Customers' endpoints."""

    allow: Annotated[tuple[Network, ...], BeforeValidator(_listed)]
    in_flight: int = Field(ge=1, le=4096)
    in_flight_per_app: int = Field(ge=1, le=4096)
    timeout_seconds: float = Field(gt=0, le=50)


class LookupSettings(_Table):
    """What numbers are, asked of a provider. `settings` are the provider's own, read in wiring/lookups.py."""

    provider: Literal["", "twilio", "generic"]
    grace_seconds: float = Field(ge=1, le=300)
    keep_days: int = Field(ge=30, le=90)
    daily_cap: int = Field(ge=1, le=100_000_000)
    timeout_seconds: float = Field(ge=0.1, le=30)
    in_flight: int = Field(ge=1, le=64)
    non_fixed_voip: Literal["refuse", "accept"]
    settings: dict[str, Any]


class PostgresSettings(_Table):
    """The pool."""

    connections: int = Field(ge=2, le=200)
    pooled: bool


class Settings(_Table):
    """All settings; config/default.toml explains each."""

    database_url: str
    public_url: str
    log_level: Literal["debug", "info", "warning", "error"]
    web: Web
    work: Work
    carriers: Carriers
    callbacks: CallbackSettings
    lookups: LookupSettings
    postgres: PostgresSettings

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")) or value == "sqlite:///":
            raise ValueError("must be sqlite:///PATH or postgresql://USER@HOST/NAME")
        return value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        if NOT_IN_URL.search(value):
            raise ValueError("holds a space, a backslash or a character that has to be percent-encoded")
        if not _names_host(value):
            raise ValueError("must name a host, and a port from 1 to 65535 if any")
        if "?" in value or "#" in value:  # paths are put behind it
            raise ValueError("must have no query (?) and no fragment (#)")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _lease_outlasts(self) -> Settings:
        if self.work.lease_seconds < self.carriers.timeout_seconds + 6:
            raise ValueError("work.lease_seconds: must be at least 6 more than carriers.timeout_seconds")
        return self


def _names_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def default_file() -> Path:
    """config/default.toml: inside the installed package, or beside it in a checkout."""
    inside = Path(str(files("dispatcher"))) / "config"
    return (inside if inside.is_dir() else inside.parent.parent / "config") / "default.toml"


def load(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings in force. Raises SettingsError in one sentence."""
    merged = _toml(default_file())
    if file is not None:
        _merge(merged, _toml(file), str(file))
    for name, value in environment.items():
        if name.startswith(PREFIX):
            _merge(merged, _nested(name.removeprefix(PREFIX).lower().split("__"), value), name)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = _sentence(first["type"], first.get("ctx", {}), first["input"])
        said = said or first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"setting {where}: {said}" if where else said) from None


def _sentence(kind: str, limits: Mapping[str, Any], value: object) -> str:
    if kind in SENTENCES:
        return f"{SENTENCES[kind].format(**limits)}, not {reprlib.repr(value)}"
    return UNSAID.get(kind, "")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number too long, lists too deep
        raise SettingsError(f"{path}: {error}") from None


def _nested(path: list[str], value: str) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if path[1:] else value}


def _merge(into: dict[str, Any], given: Mapping[str, Any], source: str, *, free: bool = False) -> None:
    """Lay settings over others; in a `free` table a name may be a new one."""
    for name, value in given.items():
        if free and name not in into:
            into[name] = value
            continue
        if name not in into:
            raise SettingsError(f"{source}: {name} is not a setting; see config/default.toml")
        if isinstance(into[name], dict) != isinstance(value, dict):
            raise SettingsError(f"{source}: {name} must {'' if isinstance(into[name], dict) else 'not '}be a table")
        if isinstance(value, dict):
            _merge(into[name], value, source, free=free or name == FREE)
        else:
            into[name] = value
