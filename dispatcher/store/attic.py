"""What has served its time: keys, places, clicks, replies and pairs that are old, receipts of nobody's, processes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from dispatcher.store.alarms import end_alarms
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, micros
from dispatcher.store.statement import Statement
from dispatcher.store.sticky import REMEMBERED

GONE: Final = timedelta(days=7)  # how long a process that ended stays listed, and a receipt that nothing matched
# Reports of clicks are kept for those who ask what happened, and to know a repeat. A repeat after this is kept as news
# again; the first click stays with its message (`clicked_at`), so that nothing follows from it twice.
CLICKED: Final = timedelta(days=90)
WAITED: Final = timedelta(days=1)  # lookups whose invitations are long due
REPLIED: Final = timedelta(days=90)  # what somebody should look at is kept until they did; an opt-out for ever

KEYS: Final = Statement(
    """with gone as (
        select account_id, key from idempotency_keys where until_at <= :now order by until_at limit :most {lock_skip})
    delete from idempotency_keys where (key, account_id) in (select key, account_id from gone)
    and until_at <= :now returning key"""
)
SLOTS: Final = Statement(
    """with gone as (
        select app_id, person from duplicate_slots where until_at <= :now order by until_at limit :most {lock_skip})
    delete from duplicate_slots where (person, app_id) in (select person, app_id from gone)
    and until_at <= :now returning person"""
)
RECEIPTS: Final = Statement(
    """delete from receipts where id in (
        select id from receipts where received_at <= :now - :gone order by received_at limit :most {lock_skip})
    returning id"""
)
CLICKS: Final = Statement(
    """delete from clicks where id in (
        select id from clicks where clicked_at <= :now - :clicked order by clicked_at limit :most {lock_skip})
    returning id"""
)
PAIRS: Final = Statement(
    """with gone as (
        select app_id, person from sticky_senders where used_at <= :now - :remembered
        order by used_at limit :most {lock_skip})
    delete from sticky_senders where (person, app_id) in (select person, app_id from gone)
    and used_at <= :now - :remembered returning person"""
)
# Where no work process looks anything up any more, nobody else would.
LOOKUPS: Final = Statement(
    """delete from lookups where person in (
        select person from lookups where planned_at <= :now - :waited order by planned_at limit :most {lock_skip})
    returning person"""
)
EARLIER: Final = Statement(
    """with gone as (
        select person, sender_id, app_id from earlier_senders where used_at <= :now - :remembered
        order by used_at limit :most {lock_skip})
    delete from earlier_senders where (person, sender_id, app_id) in (select person, sender_id, app_id from gone)
    and used_at <= :now - :remembered returning person"""
)
REPLIES: Final = Statement(
    """delete from replies where id in (
        select id from replies where received_at <= :now - :replied and review = ''
        order by received_at limit :most {lock_skip})
    returning id"""
)
UNUSABLE: Final = Statement("delete from unusable where worker_id not in (select id from workers) returning worker_id")
WORKERS: Final = Statement("delete from workers where lease_until < {clock} - :gone and lease_until > 0 returning id")
ENDED: Final = Statement("delete from workers where lease_until = 0 and started_at < {clock} - :gone returning id")


class StoreAttic:
    """The attic of this database."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def prune(self, now: datetime, most: int) -> int:
        """Remove a page of each kind; the most that were removed of any kind."""
        removed = []
        given = {
            "now": micros(now),
            "most": most,
            "gone": GONE // MICROSECOND,
            "clicked": CLICKED // MICROSECOND,
            "remembered": REMEMBERED // MICROSECOND,
            "waited": WAITED // MICROSECOND,
            "replied": REPLIED // MICROSECOND,
        }
        for statement in (KEYS, SLOTS, RECEIPTS, CLICKS, PAIRS, EARLIER, REPLIES, LOOKUPS):
            with self._database.write() as tx:
                removed.append(len(tx.run(statement, **given)))
        with self._database.write() as tx:
            end_alarms(tx, now)
            for statement in (WORKERS, ENDED, UNUSABLE):
                tx.run(statement, gone=GONE // MICROSECOND)
        return max(removed)
