"""Provisioning: accounts, apps, connections and senders, checked before they are kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from dispatcher.engine.app_settings import AppSettings, Forbidden, app_columns
from dispatcher.engine.checks import Wrong, check_texts, not_kept, share
from dispatcher.engine.ports import CALLBACKS, DUE, Clock, Ring
from dispatcher.engine.register import Register
from dispatcher.engine.sender_settings import sender_columns, sender_number, sender_region


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and its secret; the secret is known only here and now."""

    api_key: str
    secret: str


class Provisioning:
    """Makes what customers and operators need before a first invitation."""

    def __init__(
        self,
        *,
        register: Register,
        clock: Clock,
        forbidden: Forbidden,
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
        secret = _secret()
        values = app_columns(asdict(asked), self._forbidden) | {"app_id": asked.app_id, "callback_secret": secret}
        values["network_id"] = asked.network_id or asked.app_id
        return self._register.add_app(self._register.find_account(account), values), secret

    def change_app(self, name: str, account: str, asked: Mapping[str, Any]) -> None:
        """Other settings for an app, named as in AppSettings; what is not named stays."""
        values = app_columns(asked, self._forbidden)
        if values.get("network_id") == "":
            values["network_id"] = name
        self._register.change_app(name, account, values)
        if "callback_url" in values:  # another endpoint, of which nothing is known yet
            self._mend_endpoint(name, account)
        self._ring(DUE)

    def renew_secret(self, name: str, account: str) -> str:
        """Another secret for an app's callbacks, which signs from the next one on; the old one signs no more."""
        secret = _secret()
        self._register.change_app(name, account, {"callback_secret": secret})
        return secret

    def pause_app(self, name: str, account: str, *, paused: bool) -> None:
        """Leave what is queued for an app alone, or go on with it, which also ends a stop of its callback endpoint."""
        self._register.change_app(name, account, self._paused(paused))
        if not paused:
            self._mend_endpoint(name, account)
        self._ring(DUE)

    def _mend_endpoint(self, name: str, account: str) -> None:
        self._register.forget_endpoint(name, account)
        self._ring(CALLBACKS)

    def _paused(self, paused: bool) -> dict[str, Any]:
        return {"paused_at": self._clock() if paused else None}

    def connection(self, name: str, carrier: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """A new connection to a carrier."""
        if not (0 < len(name) <= 64) or not name.isascii() or not all(c.isalnum() or c in "-_" for c in name):
            raise Wrong("name: 1 to 64 letters, digits, - or _")
        if objection := not_kept(settings) or self._check_carrier(carrier, settings):
            raise Wrong(objection)
        return self._register.add_connection(name, carrier, settings, _weighed(values))

    def sender(
        self,
        number: str,
        connection: str,
        *,
        mps: float,
        daily_cap: int | None,
        apps: Sequence[str],
        weight: float,
        country: str = "",
    ) -> tuple[int, str]:
        """A new sender; its number as it will be used. `country` is for those whose number does not tell it."""
        check_texts(connection=connection)
        for app in apps:
            check_texts(app=app)
        values = sender_columns({"mps": mps, "daily_cap": daily_cap, "weight": weight})
        written, kind, own = sender_number(number)
        values |= {"number": written, "kind": kind, "region": sender_region(written, own, country)}
        return self._register.add_sender(values, connection, apps), written

    def change_connection(self, name: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Other settings for a connection, laid over those that it has, and other values."""
        check_texts(name=name)
        carrier, old = self._register.contract(name)
        merged = _merged(old, settings)
        if settings and (objection := not_kept(merged) or self._check_carrier(carrier, merged)):
            raise Wrong(objection)
        values = _weighed(values)
        self._register.change_connection(name, {**values, "settings": merged} if settings else values)
        self._ring(DUE)

    def pause_connection(self, name: str, *, paused: bool) -> None:
        """Submit nothing more by a connection, or go on, which also ends a stop and what is held against it."""
        check_texts(name=name)
        self._register.change_connection(name, self._paused(paused))
        if not paused:
            self._register.resume_connection(name)
        self._ring(DUE)

    def change_sender(
        self, number: str, connection: str, asked: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> str:
        """Another mps, daily_cap, weight or country for a sender, other apps unless `apps` is None; its number."""
        check_texts(connection=connection)
        for app in apps or ():
            check_texts(app=app)
        values = sender_columns(asked)
        if "country" in asked:
            written, _, own = sender_number(number)
            values["region"] = sender_region(written, own, asked["country"])
        return self._change_sender(number, connection, values, apps)

    def pause_sender(self, number: str, connection: str, *, paused: bool) -> str:
        """Submit nothing more from a sender, or go on; its number as it is used."""
        check_texts(connection=connection)
        return self._change_sender(number, connection, self._paused(paused))

    def end_rest(self, number: str, connection: str) -> str:
        """Use a sender again that its carrier had objected to; its number as it is used."""
        check_texts(connection=connection)
        return self._change_sender(number, connection, {"rest_until": None, "rest_reason": ""})

    def remove_connection(self, name: str) -> None:
        """An end to a connection that was never used. Raises Wrong for any other."""
        check_texts(name=name)
        self._register.remove_connection(name)

    def remove_sender(self, number: str, connection: str) -> str:
        """An end to a sender that was never used; its number as it was. Raises Wrong for any other."""
        check_texts(connection=connection)
        written, _, _ = sender_number(number)
        self._register.remove_sender(written, connection)
        return written

    def _change_sender(
        self, number: str, connection: str, values: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> str:
        written, _, _ = sender_number(number)
        self._register.change_sender(written, connection, values, apps)
        self._ring(DUE)
        return written


def _weighed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a connection, its weight checked. Raises Wrong."""
    if "weight" in values:
        share(values["weight"])
    return values


def _credential() -> Credential:
    return Credential(secrets.token_hex(8), _secret())


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _hashed(made: Credential) -> str:
    return sha256(made.secret.encode()).hexdigest()


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Tables laid over one another, key by key."""
    both = {
        key: _merged(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
    }
    return {**old, **both}
