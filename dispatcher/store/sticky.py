"""The sender that a person knows from an app: written with each mark, read with each claim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from dispatcher.engine.ports import Marked
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, instant, micros
from dispatcher.store.statement import Statement, Tx

REMEMBERED: Final = timedelta(days=90)  # as long as a STOP reaches back to who texted
REFRESHED: Final = timedelta(days=1)  # a pair that was used since then is not written again

REMEMBER: Final = Statement(
    """insert into sticky_senders (app_id, person, sender_id, used_at)
    select app_id, person, sender_id, :now from {rows} where true order by app_id, person
    on conflict (app_id, person) do update set sender_id = excluded.sender_id, used_at = excluded.used_at
    where sticky_senders.sender_id <> excluded.sender_id or sticky_senders.used_at < excluded.used_at - :refreshed""",
    "app_id bigint, person text, sender_id bigint",
)
# Whoever wrote to a person before: a STOP to that number means these apps too.
KEEP_EARLIER: Final = Statement(
    """insert into earlier_senders (person, sender_id, app_id, used_at)
    select k.person, k.sender_id, k.app_id, k.used_at
    from {rows} join sticky_senders k on k.app_id = r.app_id and k.person = r.person
    where k.sender_id <> r.sender_id order by k.person, k.sender_id, k.app_id
    on conflict (person, sender_id, app_id) do update set used_at = excluded.used_at""",
    "app_id bigint, person text, sender_id bigint",
)
OF: Final = Statement(
    "select sender_id from sticky_senders where person = :person and app_id = :app_id and used_at > :now - :remembered"
)
LISTED: Final = Statement(
    """select k.person, k.sender_id, k.used_at, coalesce((select p.address from people p where p.person = k.person), '')
    from sticky_senders k where k.app_id = :app_id and k.person > :after order by k.person limit :most"""
)
KEEP_TEXT: Final = """insert into earlier_senders (person, sender_id, app_id, used_at)
    select person, sender_id, app_id, used_at from sticky_senders where {which}
    on conflict (person, sender_id, app_id) do update set used_at = excluded.used_at"""
RESET_TEXT: Final = "delete from sticky_senders where {which} returning person"
WHICH: Final = {
    "app": "app_id = :app_id",
    "person": "person = :person and app_id = :app_id",
    "sender": "app_id = :app_id and sender_id = :sender_id",
}
KEEP: Final = {name: Statement(KEEP_TEXT.replace("{which}", which)) for name, which in WHICH.items()}
RESET: Final = {name: Statement(RESET_TEXT.replace("{which}", which)) for name, which in WHICH.items()}


def remember(tx: Tx, marked: Sequence[Marked], now: datetime) -> None:
    """Keep who wrote to whom last; an answer comes from whom the person wrote to, and tells nothing new."""
    asked = [m for m in marked if m.row.awaited >= 0]
    pairs = {(m.row.app_id, m.row.person): m.sender_id for m in asked}
    if pairs:
        if moved := [
            (m.row.app_id, m.row.person, m.sender_id) for m in asked if m.row.sticky_sender not in {None, m.sender_id}
        ]:
            tx.run(KEEP_EARLIER, moved)
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
        which = "person" if person is not None else "sender" if sender_id is not None else "app"
        given = {"app_id": app_id, "person": person, "sender_id": sender_id}
        with self._database.write() as tx:
            tx.run(KEEP[which], **given)
            return len(tx.run(RESET[which], **given))
