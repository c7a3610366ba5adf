"""The sender that a person knows from an app: written with each mark, read with each claim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from dispatcher.engine.ports import Marked
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, instant, micros
from dispatcher.store.statement import Statement, Tx

REMEMBERED: Final = timedelta(days=90)  # as long as a STOP reaches back to who texted (semantics.md)
REFRESHED: Final = timedelta(days=1)  # a pair that was used since then is not written again

REMEMBER: Final = Statement(
    """insert into sticky_senders (app_id, person, sender_id, used_at)
    select app_id, person, sender_id, :now from {rows} where true order by app_id, person
    on conflict (app_id, person) do update set sender_id = excluded.sender_id, used_at = excluded.used_at
    where sticky_senders.sender_id <> excluded.sender_id or sticky_senders.used_at < excluded.used_at - :refreshed""",
    "app_id bigint, person text, sender_id bigint",
)
OF: Final = Statement(
    "select sender_id from sticky_senders where person = :person and app_id = :app_id and used_at > :now - :remembered"
)
LISTED: Final = Statement(
    """select k.person, k.sender_id, k.used_at, coalesce((select p.address from people p where p.person = k.person), '')
    from sticky_senders k where k.app_id = :app_id and k.person > :after order by k.person limit :most"""
)
RESET: Final = Statement("delete from sticky_senders where app_id = :app_id returning person")
RESET_PERSON: Final = Statement(
    "delete from sticky_senders where person = :person and app_id = :app_id returning person"
)
RESET_SENDER: Final = Statement(
    "delete from sticky_senders where app_id = :app_id and sender_id = :sender_id returning person"
)


def remember(tx: Tx, marked: Sequence[Marked], now: datetime) -> None:
    """Keep who wrote to whom last."""
    pairs = {(m.row.app_id, m.row.person): m.sender_id for m in marked}
    if pairs:
        rows = [(app_id, person, sender_id) for (app_id, person), sender_id in pairs.items()]
        tx.run(REMEMBER, rows, now=micros(now), refreshed=REFRESHED // MICROSECOND)


class StickySenders:
    """The pairs of person and sender, for whoever asks and for operators who undo them."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def of(self, app_id: int, person: str, now: datetime) -> int | None:
        """The sender that this person knows from this app; None where there is none, or it was too long ago."""
        with self._database.read() as tx:
            found = tx.run(OF, app_id=app_id, person=person, now=micros(now), remembered=REMEMBERED // MICROSECOND)
        return found[0][0] if found else None

    def listed(self, app_id: int, after: str, most: int) -> list[tuple[str, int, datetime, str]]:
        """A page of an app's pairs by person: the person, the sender, when it was used, the address if it is kept."""
        with self._database.read() as tx:
            found = tx.run(LISTED, app_id=app_id, after=after, most=most)
        return [(person, sender_id, instant(used_at), address) for person, sender_id, used_at, address in found]

    def reset(self, app_id: int, person: str | None = None, sender_id: int | None = None) -> int:
        """Forget an app's pairs: one person's, one sender's, or all; how many there were."""
        with self._database.write() as tx:
            if person is not None:
                return len(tx.run(RESET_PERSON, app_id=app_id, person=person))
            if sender_id is not None:
                return len(tx.run(RESET_SENDER, app_id=app_id, sender_id=sender_id))
            return len(tx.run(RESET, app_id=app_id))
