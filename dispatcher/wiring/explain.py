"""What explains: the rules over this database, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from dispatcher.core.invitation import InviteRequest
from dispatcher.core.person import person_of
from dispatcher.core.screening import Known
from dispatcher.core.senders import Pool
from dispatcher.engine.dispatch import Pace
from dispatcher.engine.explain import Explain, Explanation
from dispatcher.settings import Settings
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.pool import SenderPool
from dispatcher.store.provisioning import Rows
from dispatcher.store.revision import pepper
from dispatcher.wiring.parts import policy_of, ready_database, utc_now


@dataclass(frozen=True, slots=True)
class ExplainDesk:
    """Explanations, and the names of the apps that they are about."""

    explain: Explain
    lookups: StoreLookups
    directory: CachedDirectory
    rows: Rows

    def ask(self, account: str, request: InviteRequest, at: datetime | None) -> Explanation:
        """What would become of this request, now unless an instant is named. Raises Wrong for no such app."""
        number = self.rows.find_app(request.app_id, account)
        app = self.directory.apps([number])[number]
        return self.explain.explain(self.lookups.account(app.account_id), app, request, at or utc_now())


@contextmanager
def knowing(settings: Settings) -> Iterator[Callable[[str], Known]]:
    """What is known of a number (E.164)."""
    with ready_database(settings) as database:
        lookups, secret = StoreLookups(database), pepper(database)
        yield lambda e164: lookups.known(person_of(secret, e164))


def _pools(pool: SenderPool, rows: Rows) -> Iterator[Pool]:
    """The senders as dispatch sees them, then all.

    The first are without those of carriers that a worker leaves alone, or that one text tries after a stop.
    """
    every = pool.usable(Pace().horizon, None)
    if without := rows.left_alone() | every.stopped:
        yield pool.usable(Pace().horizon, None, without)
    yield every


@contextmanager
def explaining(settings: Settings) -> Iterator[ExplainDesk]:
    """Explanations, for the command line."""
    with ready_database(settings) as database:
        lookups, pool = StoreLookups(database), SenderPool(database)
        explain = Explain(
            lookups=lookups,
            pools=lambda: _pools(pool, Rows(database, utc_now)),
            pepper=pepper(database),
            policy=policy_of(settings.lookups),
        )
        yield ExplainDesk(explain, lookups, CachedDirectory(database), Rows(database, utc_now))
