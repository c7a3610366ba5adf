"""Who is who: credentials and apps, read once a moment and kept for a short while.

What is found is kept for `keep` (a revoked key or a changed app is seen by every process within that time); what is
not found is asked for again each time, so that a new account or app works at once.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from dispatcher.core.hours import DEFAULT, OpenHours, from_mapping
from dispatcher.core.invitation import Account, App, Policy
from dispatcher.store.database import Database
from dispatcher.store.statement import Row, Statement

MOST: Final = 10_000  # entries kept of each kind
CREDENTIAL: Final = Statement(
    """select a.id, k.secret_hash, a.paused_at is not null from api_keys k join accounts a on a.id = k.account_id
    where k.api_key = :api_key and k.revoked_at is null"""
)
COLUMNS: Final = """id, account_id, app_id, hours, country, country_from_sender, countries, policy, duplicate_seconds,
    most_segments, weight, paused_at is not null, callback_url <> ''"""
APP: Final = Statement(f"select {COLUMNS} from apps where account_id = :account_id and app_id = :app_id")
APPS: Final = Statement(f"select {COLUMNS} from apps where id in (select r.id from {{rows}})", "id bigint")


class CachedDirectory:
    """Who is who, on this database."""

    def __init__(self, database: Database, *, keep: float = 2.0) -> None:
        """Keep what was found for `keep` seconds."""
        self._database = database
        self._keep = keep
        self._credentials: dict[str, tuple[float, Account, str]] = {}
        self._by_name: dict[tuple[int, str], tuple[float, App]] = {}
        self._by_id: dict[int, tuple[float, App]] = {}

    def account(self, api_key: str, secret_hash: str) -> Account | None:
        """The account of this key, if the secret's SHA-256 (hex) is right; compared in constant time."""
        now = time.monotonic()
        found = self._credentials.get(api_key)
        if found is None or found[0] < now:
            with self._database.read() as tx:
                rows = tx.run(CREDENTIAL, api_key=api_key)
            if not rows:
                self._credentials.pop(api_key, None)
                return None
            found = (now + self._keep, Account(rows[0][0], paused=bool(rows[0][2])), rows[0][1])
            _keep(self._credentials, api_key, found)
        return found[1] if hmac.compare_digest(found[2], secret_hash) else None

    def app(self, account_id: int, app_id: str) -> App | None:
        """The account's app of that id."""
        now = time.monotonic()
        found = self._by_name.get((account_id, app_id))
        if found is None or found[0] < now:
            with self._database.read() as tx:
                rows = tx.run(APP, account_id=account_id, app_id=app_id)
            if not rows:
                self._by_name.pop((account_id, app_id), None)
                return None
            found = (now + self._keep, _app(rows[0]))
            _keep(self._by_name, (account_id, app_id), found)
        return found[1]

    def apps(self, ids: Sequence[int]) -> Mapping[int, App]:
        """These apps, by key."""
        now = time.monotonic()
        found = {i: kept[1] for i in set(ids) if (kept := self._by_id.get(i)) and kept[0] >= now}
        if stale := [(i,) for i in set(ids) - found.keys()]:
            with self._database.read() as tx:
                for row in tx.run(APPS, stale):
                    found[row[0]] = _app(row)
                    _keep(self._by_id, row[0], (now + self._keep, found[row[0]]))
        return found


def _keep(kept: dict[Any, Any], name: Any, value: Any) -> None:
    if len(kept) >= MOST:
        kept.clear()
    kept[name] = value


def _app(row: Row) -> App:
    return App(
        id=row[0],
        account_id=row[1],
        app_id=row[2],
        hours=hours_of(row[3]),
        country=row[4],
        country_from_sender=bool(row[5]),
        countries=None if row[6] == "all" else frozenset(row[6].split(",")),
        policy=Policy(row[7]),
        duplicate_window=timedelta(seconds=row[8]),
        most_segments=row[9],
        weight=row[10],
        paused=bool(row[11]),
        calls_back=bool(row[12]),
    )


def hours_of(kept: Any) -> OpenHours:
    """An app's open hours from the column, which is null for the default."""
    data = json.loads(kept) if isinstance(kept, str) else kept
    return DEFAULT if data is None else from_mapping(data)
