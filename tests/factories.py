"""Values for tests: what is not said is ordinary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from dispatcher.core.invitation import Candidate, Channel, Kind, Os
from dispatcher.core.person import content_digest, person_of
from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PEPPER = bytes(32)
SECRET = "a secret of a test"
ids = count(1 << 40)


def candidate(phone: str = "+13012223333", **given: Any) -> Candidate:
    """A candidate for app 1 of account 1."""
    values: dict[str, Any] = {
        "id": next(ids),
        "account_id": 1,
        "app_id": 1,
        "kind": Kind.INVITATION,
        "channel": Channel.SMS,
        "person": person_of(PEPPER, phone),
        "address": phone,
        "region": "US",
        "text": "Join me",
        "segments": 1,
        "os": Os.ANDROID,
        "created_at": NOON,
        "planned_at": NOON,
        "expires_at": NOON + timedelta(hours=24),
        "duplicate_until": NOON + timedelta(days=7),
        "digest": content_digest(phone, given.get("text", "Join me")),
    }
    return Candidate(**(values | given))


def provision(
    database: Database,
    *,
    callback_url: str = "",
    senders: int = 1,
    mps: float = 1_000_000,
    carrier: str = "simulated",
    settings: dict[str, Any] | None = None,
    apps: int = 1,
    **app: Any,
) -> Rows:
    """Account 1 with key `key` and SECRET, apps 1.. named com.example.1.., connection 1 and its senders."""
    rows = Rows(database, lambda: NOON)
    rows.add_account("Example", "a@example.com", "key", sha256(SECRET.encode()).hexdigest())
    for n in range(1, apps + 1):
        values: dict[str, Any] = {
            "app_id": f"com.example.{n}",
            "callback_url": callback_url,
            "callback_secret": "s",
            "hours": {"always": True},
        }
        rows.add_app(1, values | app)
    rows.add_connection("carrier", carrier, settings or {}, {})
    for n in range(senders):
        sender: dict[str, Any] = {
            "number": f"+1201555{n:04d}",
            "kind": "long_code",
            "region": "US",
            "mps": mps,
            "weight": 1.0,
        }
        rows.add_sender(sender, "carrier", [])
    return rows
