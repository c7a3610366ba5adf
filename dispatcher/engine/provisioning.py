"""Provisioning: accounts, apps, connections and senders, checked before they are kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import isfinite
from typing import Any, Final, Protocol

from dispatcher.core.codes import Refusal
from dispatcher.core.hours import from_mapping
from dispatcher.core.invitation import Policy
from dispatcher.core.phone import known_region, parse
from dispatcher.core.placeholders import template_error
from dispatcher.engine.callbacks import NAMES
from dispatcher.engine.ports import DUE, Clock, Ring

CONTENT_TYPES: Final = ("application/json", "application/x-www-form-urlencoded", "application/xml")
MOST_DAILY: Final = 2_147_483_647  # what the column holds
MOST_DEPTH: Final = 20  # of tables within tables; none that means something comes near


class Wrong(Exception):
    """Something that cannot be provisioned as asked, in one sentence that names what is at fault."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and its secret; the secret is known only here and now."""

    api_key: str
    secret: str


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What is settled of an app when it is made. `hours` is "always", a description, or None for the default."""

    app_id: str
    callback_url: str = ""
    hours: Mapping[str, Any] | str | None = None
    country: str = "US"
    countries: str = "all"
    network_id: str = ""
    accepted_url: str = ""
    accepted_post_data: str = ""
    accepted_content_type: str = ""
    policy: str = "at_most_once"
    country_from_sender: bool = False
    callback_clicks: bool = False
    callback_corrections: bool = False
    duplicate_seconds: int = 604_800
    most_segments: int = 10
    weight: float = 1.0


class Register(Protocol):
    """Where provisioned things are kept. Raises Wrong for what exists already or refers to nothing."""

    def add_account(self, company: str, email: str, api_key: str, secret_hash: str) -> int:
        """A new account with its first key; its number."""
        ...

    def add_key(self, account_id: int, api_key: str, secret_hash: str) -> None:
        """Another key of an account."""
        ...

    def revoke_key(self, api_key: str) -> None:
        """An end to a key."""
        ...

    def find_account(self, name: str) -> int:
        """The account of a key, a number or a company's name."""
        ...

    def add_app(self, account_id: int, values: Mapping[str, Any]) -> int:
        """A new app of an account; its number."""
        ...

    def add_connection(self, name: str, carrier: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """A new connection; its number."""
        ...

    def add_sender(self, values: Mapping[str, Any], connection: str, apps: Sequence[str]) -> int:
        """A new sender on a connection, dedicated to these apps if there are any; its number."""
        ...

    def change_app(self, name: str, account: str, values: Mapping[str, Any]) -> None:
        """Other values for an app; `account` says whose is meant where several have it."""
        ...

    def change_connection(self, name: str, values: Mapping[str, Any]) -> None:
        """Other values for a connection."""
        ...

    def change_sender(
        self, number: str, connection: str, values: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> None:
        """Other values for a sender, and other apps unless `apps` is None; `connection` says which where several."""
        ...

    def contract(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The carrier of a connection, and its settings."""
        ...


class Provisioning:
    """Makes what customers and operators need before a first invitation."""

    def __init__(
        self,
        *,
        register: Register,
        clock: Clock,
        forbidden: Callable[[str], str | None],
        check_carrier: Callable[[str, Mapping[str, Any]], str | None],
        ring: Ring,
    ) -> None:
        """`forbidden` tells why a URL may not be called; `check_carrier` why a connection's settings cannot work.

        `ring` wakes dispatch when something may move that could not before.
        """
        self._register = register
        self._clock = clock
        self._forbidden = forbidden
        self._check_carrier = check_carrier
        self._ring = ring

    def account(self, company: str, email: str) -> tuple[int, Credential]:
        """A new account, and its first credential."""
        if not company.strip() or len(company) > 200:
            raise Wrong("company: 1 to 200 characters")
        if len(email) > 254 or "@" not in email.strip("@") or any(c.isspace() for c in email):
            raise Wrong("email: must be an e-mail address")
        check_texts(company=company, email=email)
        made = _credential()
        return self._register.add_account(company.strip(), email, made.api_key, _hashed(made)), made

    def key(self, account: str) -> Credential:
        """Another credential of an account; the others stay valid."""
        check_texts(account=account)
        made = _credential()
        self._register.add_key(self._register.find_account(account), made.api_key, _hashed(made))
        return made

    def revoke(self, api_key: str) -> None:
        """An end to a credential, within the seconds for which processes remember it."""
        check_texts(key=api_key)
        self._register.revoke_key(api_key)

    def app(self, account: str, asked: AppSettings) -> tuple[int, str]:
        """A new app of an account, and the secret that signs its callbacks."""
        if not asked.app_id or len(asked.app_id) > 255 or not asked.app_id.isprintable():
            raise Wrong("app-id: 1 to 255 printable characters")
        check_texts(account=account)
        secret = secrets.token_urlsafe(32)
        values = self._app_values(asdict(asked)) | {"app_id": asked.app_id, "callback_secret": secret}
        values["network_id"] = asked.network_id or asked.app_id
        return self._register.add_app(self._register.find_account(account), values), secret

    def change_app(self, name: str, account: str, asked: Mapping[str, Any]) -> None:
        """Other settings for an app, named as in AppSettings; what is not named stays."""
        values = self._app_values(asked)
        if values.get("network_id") == "":
            values["network_id"] = name
        self._register.change_app(name, account, values)
        self._ring(DUE)

    def pause_app(self, name: str, account: str, *, paused: bool) -> None:
        """Leave what is queued for an app alone, or go on with it."""
        self._register.change_app(name, account, self._paused(paused))
        self._ring(DUE)

    def _paused(self, paused: bool) -> dict[str, Any]:
        return {"paused_at": self._clock() if paused else None}

    def _app_values(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of an app that are asked for, each checked."""
        columns: dict[str, Callable[[Any], Any]] = {
            "callback_url": lambda url: self._url("callback-url", url, NAMES),
            "callback_clicks": int,
            "callback_corrections": int,
            "hours": _hours,
            "country": _country,
            "country_from_sender": int,
            "countries": _countries,
            "network_id": _network_id,
            "accepted_url": lambda url: self._url("accepted-url", url, frozenset()),
            "accepted_post_data": _post_data,
            "accepted_content_type": _content_type,
            "policy": _policy,
            "duplicate_seconds": int,
            "most_segments": int,
            "weight": _weight,
        }
        return {name: check(asked[name]) for name, check in columns.items() if name in asked}

    def _url(self, name: str, url: str, placeholders: frozenset[str]) -> str:
        if len(url) > 2048:
            raise Wrong(f"{name}: at most 2048 characters")
        if url and (objection := template_error(url, placeholders) or self._forbidden(url)):
            raise Wrong(f"{name}: {objection}")
        return url

    def connection(self, name: str, carrier: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """A new connection to a carrier."""
        if not (0 < len(name) <= 64) or not name.isascii() or not all(c.isalnum() or c in "-_" for c in name):
            raise Wrong("name: 1 to 64 letters, digits, - or _")
        if objection := _not_kept(settings) or self._check_carrier(carrier, settings):
            raise Wrong(objection)
        return self._register.add_connection(name, carrier, settings, values)

    def sender(
        self, number: str, connection: str, *, mps: float, daily_cap: int | None, apps: Sequence[str], weight: float
    ) -> tuple[int, str]:
        """A new sender; its number as it will be used."""
        check_texts(connection=connection)
        for app in apps:
            check_texts(app=app)
        values = _sender_values({"mps": mps, "daily_cap": daily_cap, "weight": weight})
        written, kind, region = _sender_number(number)
        values |= {"number": written, "kind": kind, "region": region}
        return self._register.add_sender(values, connection, apps), written

    def change_connection(self, name: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Other settings for a connection, laid over those that it has, and other values."""
        check_texts(name=name)
        carrier, old = self._register.contract(name)
        merged = _merged(old, settings)
        if settings and (objection := _not_kept(merged) or self._check_carrier(carrier, merged)):
            raise Wrong(objection)
        self._register.change_connection(name, {**values, "settings": merged} if settings else values)
        self._ring(DUE)

    def pause_connection(self, name: str, *, paused: bool) -> None:
        """Submit nothing more by a connection, or go on, which also ends a stop."""
        check_texts(name=name)
        stop = {} if paused else {"stopped_at": None, "stop_reason": "", "retry_at": None}
        self._register.change_connection(name, self._paused(paused) | stop)
        self._ring(DUE)

    def change_sender(
        self, number: str, connection: str, asked: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> str:
        """Another mps, daily_cap or weight for a sender, other apps unless `apps` is None; its number as it is used."""
        check_texts(connection=connection)
        for app in apps or ():
            check_texts(app=app)
        return self._change_sender(number, connection, _sender_values(asked), apps)

    def pause_sender(self, number: str, connection: str, *, paused: bool) -> str:
        """Submit nothing more from a sender, or go on; its number as it is used."""
        check_texts(connection=connection)
        return self._change_sender(number, connection, self._paused(paused))

    def end_rest(self, number: str, connection: str) -> str:
        """Use a sender again that its carrier had objected to; its number as it is used."""
        check_texts(connection=connection)
        return self._change_sender(number, connection, {"rest_until": None, "rest_reason": ""})

    def _change_sender(
        self, number: str, connection: str, values: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> str:
        written, _, _ = _sender_number(number)
        self._register.change_sender(written, connection, values, apps)
        self._ring(DUE)
        return written


def _credential() -> Credential:
    return Credential(secrets.token_hex(8), secrets.token_urlsafe(32))


def _hashed(made: Credential) -> str:
    return sha256(made.secret.encode()).hexdigest()


def _hours(asked: Mapping[str, Any] | str | None) -> Mapping[str, Any] | None:
    if asked is None:
        return None
    if isinstance(asked, str):
        if asked != "always":
            raise Wrong("hours: must be always, or a file")
        return {"always": True}
    try:
        return from_mapping(asked).to_mapping()
    except ValueError as error:
        raise Wrong(f"hours: {error}") from None


def _country(asked: str) -> str:
    if not _is_country(asked):
        raise Wrong("country: not an ISO 3166 country code such as US or DE")
    return asked.upper()


def _network_id(asked: str) -> str:
    if len(asked) > 255:
        raise Wrong("network-id: at most 255 characters")
    check_texts(network_id=asked)
    return asked


def _post_data(asked: str) -> str:
    check_texts(accepted_post_data=asked)
    return asked


def _content_type(asked: str) -> str:
    if asked not in ("", *CONTENT_TYPES):
        raise Wrong(f"accepted-content-type: must be empty or one of {', '.join(CONTENT_TYPES)}")
    return asked


def _policy(asked: str) -> str:
    if asked not in set(Policy):
        raise Wrong(f"policy: must be one of {', '.join(Policy)}")
    return asked


def _weight(asked: float) -> float:
    if not 0 < asked <= 1000:
        raise Wrong("weight: more than 0, at most 1000")
    return asked


def _mps(asked: float) -> float:
    if not 0.001 <= asked <= 1_000_000:
        raise Wrong("mps: 0.001 to 1000000 segments per second")
    return asked


def _daily_cap(asked: int | None) -> int | None:
    if asked is not None and not 1 <= asked <= MOST_DAILY:
        raise Wrong(f"daily-cap: 1 to {MOST_DAILY}")
    return asked


def _sender_values(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a sender that are asked for, each checked."""
    columns: dict[str, Callable[[Any], Any]] = {"mps": _mps, "daily_cap": _daily_cap, "weight": _weight}
    return {name: check(asked[name]) for name, check in columns.items() if name in asked}


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Tables laid over one another, key by key."""
    both = {
        key: _merged(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
    }
    return {**old, **both}


def _countries(asked: str) -> str:
    if asked == "all":
        return asked
    listed = [part.strip() for part in asked.split(",") if part.strip()]
    for country in listed:
        if not _is_country(country):
            raise Wrong(f"countries: {country} is not an ISO 3166 country code")
    if not listed:
        raise Wrong("countries: must be all, or country codes separated by commas")
    return ",".join(sorted({country.upper() for country in listed}))


def _is_country(code: str) -> bool:
    """Two letters of ASCII that are a country, in either case; some others only become such in upper case."""
    return len(code) == 2 and code.isascii() and code.isalpha() and known_region(code)


def _is_text(value: str) -> bool:
    """Whether every database keeps it: neither NUL nor half a surrogate pair (a byte that is no UTF-8)."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)


def check_texts(**given: str) -> None:
    """Raise Wrong for what no database takes as text, naming it."""
    for name, value in given.items():
        if not _is_text(value):
            raise Wrong(f"{name.replace('_', '-')}: must be text in UTF-8, without NUL")


def _not_kept(value: object, key: str = "", depth: int = 0) -> str | None:
    """Why the settings of a connection cannot be kept as JSON, naming the one at fault; None if they can."""
    if depth > MOST_DEPTH:
        return "settings: too many tables within one another"
    if not isinstance(value, Mapping | list | tuple):
        return None if _is_plain(value) else f"{ascii(key)[1:-1]}: must be text in UTF-8, a number, true or false"
    below = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, inner in below:
        named = f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}" if key else name
        objection = _not_kept(name, named) or _not_kept(inner, named, depth + 1)
        if objection:
            return objection
    return None


def _is_plain(value: object) -> bool:
    """Whether it is a text or number that JSON can tell and every database keeps."""
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and isfinite(value)


def _sender_number(number: str) -> tuple[str, str, str]:
    """A sender as it is kept, its kind, and its region where it has one."""
    digits = number.removeprefix("+")
    if number.startswith("+"):
        try:
            phone = parse(number, "US")
        except Refusal:
            raise Wrong("number: not a valid phone number; write it as +, country code and number") from None
        kind = "toll_free" if phone.line_type == "toll_free" else "long_code"
        return phone.e164, kind, phone.region
    if digits.isascii() and digits.isdigit():
        if 3 <= len(digits) <= 8:
            return digits, "short_code", ""
        raise Wrong("number: a phone number begins with +; a short code has 3 to 8 digits")
    if 1 <= len(number) <= 11 and number.isascii() and number.replace(" ", "").isalnum():
        return number, "alphanumeric", ""
    raise Wrong("number: must be +E.164, a short code of 3 to 8 digits, or up to 11 letters and digits")
