"""Receipts: applied to the message they name, or kept until it is known which one that is.

A receipt may come before our own write of the carrier's id, twice, late, or in any order; the table of core.lifecycle
decides whether it still matters. A delivery counts by whichever attempt it came; a refusal only of the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Receipt
from dispatcher.core.health import Deliveries, Harm
from dispatcher.core.lifecycle import Event, State, advance, sources
from dispatcher.engine.ports import Clock
from dispatcher.store.database import Database
from dispatcher.store.finals import close_books
from dispatcher.store.group import Group
from dispatcher.store.health import SENDER, harm
from dispatcher.store.instants import micros
from dispatcher.store.learning import learn
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.steps import states
from dispatcher.store.words import kept

# Within this time a receipt and the writing of its message's id may have missed each other: neither saw the other's
# transaction, or results waited for a database that was away.
CROSSING: Final = timedelta(hours=1)

FIND_KEY: Final = Statement(
    """select r.n, r.key from {rows} where exists (
        select 1 from attempts a where a.message_id = r.key and a.connection_id = r.connection_id)""",
    "n integer, connection_id bigint, key bigint",
)
FIND_REF: Final = Statement(
    """select r.n, max(a.message_id) from {rows}
    join attempts a on a.connection_id = r.connection_id and a.ref = r.ref and a.ref <> '' group by r.n""",
    "n integer, connection_id bigint, ref text",
)
FIND_ABOUT: Final = Statement(
    """select r.n, max(a.message_id) from {rows}
    join attempts a on a.connection_id = r.connection_id and a.ref = r.ref and a.ref <> ''
    join messages m on m.id = a.message_id join people p on p.person = m.person and p.address = r.about group by r.n""",
    "n integer, connection_id bigint, ref text, about text",
)
# A refusal is about the last attempt or it is late: whoever was tried after that sender may have got it through. While
# the last one's own id is not written yet, an earlier one that has this id by another sender tells that it is that one.
LIVE: Final = """ and exists (
    select 1 from attempts a where a.message_id = messages.id and a.connection_id = r.connection_id
    and (r.ref = '' or a.ref = '' or a.ref = r.ref) and not exists (
        select 1 from attempts x where x.message_id = a.message_id and (x.generation > a.generation
            or (a.ref = '' and x.ref = r.ref and x.ref <> '' and x.sender_id <> a.sender_id))))"""
APPLY: Final = {
    event: Statement(
        f"""update messages set state = case messages.state
                {" ".join(f"when '{s}' then '{advance(s, event)}'" for s in sources(event))} end,
            code = r.code, reason = r.reason, hold = '',
            sent_at = case when r.unsent = 1 then messages.sent_at else coalesce(messages.sent_at, :now) end,
            completed_at = r.completed_at,
            lease_until = null
        from {{rows}}
        where messages.id = r.id and messages.state in ({states(*sources(event))}){only}
        returning messages.id, messages.sender_id""",
        "id bigint, connection_id bigint, ref text, code integer, reason text, unsent integer, completed_at bigint",
    )
    for event, only in ((Event.DELIVER, ""), (Event.REFUSE, LIVE))
}
# Also of a row whose submit was not settled yet: its worker may never come to that, and then nobody must send it again.
TAKEN: Final = Statement(
    f"""update messages set state = '{State.SUBMITTED}', reason = '', hold = '',
        sent_at = coalesce(messages.sent_at, :now),
        due_at = :now + (select c.receipt_seconds from connections c where c.id = r.connection_id)
            * cast(1000000 as bigint),
        lease_until = null
    from {{rows}} where messages.id = r.id and messages.state in ({states(*sources(Event.SUBMIT))})
    returning messages.id""",
    "id bigint, connection_id bigint",
)
# What was in doubt until now had no id to be reported on by.
NAME: Final = Statement(
    """update attempts set ref = r.ref from {rows}
    where attempts.message_id = r.id and attempts.connection_id = r.connection_id and attempts.ref = ''""",
    "id bigint, connection_id bigint, ref text",
)
LOCK: Final = Statement("select s.id from messages s join {rows} on r.id = s.id order by s.id {lock}", "id bigint")
KEEP: Final = Statement(
    """insert into receipts (connection_id, key, ref, event, code, reason, filtered, received_at)
    select connection_id, key, ref, event, code, reason, filtered, :now from {rows}""",
    "connection_id bigint, key text, ref text, event text, code integer, reason text, filtered integer",
)
WAITING_FOR: Final = Statement(
    """select b.id, b.connection_id, b.key, b.ref, b.event, b.code, b.reason, b.filtered
    from {rows} join attempts a on a.message_id = r.id and a.ref <> ''
    join receipts b on b.connection_id = a.connection_id and b.ref = a.ref order by b.id""",
    "id bigint",
)
MATCHABLE: Final = Statement(
    """select b.id, b.connection_id, b.key, b.ref, b.event, b.code, b.reason, b.filtered from receipts b
    where b.received_at > :since and b.ref <> '' and exists (
        select 1 from attempts a where a.connection_id = b.connection_id and a.ref = b.ref and a.ref <> '')
    order by b.received_at, b.id limit :most"""
)
UNKEEP: Final = Statement("delete from receipts where id in (select id from {rows})", "id bigint")
BOXED: Final = Statement("select 1 from receipts limit 1")

Item = tuple[int, Receipt]  # a connection and what it told


class Reach:
    """Whom senders reach, as the receipts tell that this process takes, or applies after they were kept."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._deliveries = Deliveries()
        self._lock = Lock()

    def of(self, told: Iterable[tuple[int, Receipt]]) -> dict[int, Harm]:
        """By how much the shares of senders fall for these receipts; what is about the recipient says nothing."""
        harms: dict[int, Harm] = {}
        with self._lock:
            for sender_id, r in told:
                if r.event is Event.DELIVER or r.code is Code.SEND_FAILED:
                    delivered = r.event is Event.DELIVER
                    if fell := self._deliveries.heed(sender_id, delivered=delivered, filtered=r.filtered):
                        harms[sender_id] = fell
        return harms


class ReceiptBook:
    """Where receipts are written."""

    def __init__(self, database: Database, reach: Reach | None = None) -> None:
        """Work on this database; `reach` hears what receipts tell of senders."""
        self._database = database
        self._reach = reach or Reach()

    def take(self, connection_id: int, receipts: Sequence[Receipt], now: datetime) -> int:
        """Apply each receipt or keep it; how many changed a state. On return all of it is on disk."""
        with self._database.write() as tx:
            return self.apply(tx, [(connection_id, r) for r in receipts], now)

    def apply(self, tx: Tx, items: Sequence[Item], now: datetime) -> int:
        """The same, within a transaction."""
        return _apply(tx, items, now, self._reach, keep=True)

    def match(self, now: datetime, most: int) -> int:
        """Apply receipts of late whose message is known by now; how many were matched.

        Older ones were either matched when their message's id was written (`match_refs`) or never will be.
        """
        with self._database.write() as tx:
            return _apply_kept(tx, tx.run(MATCHABLE, since=micros(now - CROSSING), most=most), now, self._reach)


class GroupedReceipts:
    """The book as many waiting hooks share it: one commit for all that came meanwhile."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Work on this database."""
        self._book = ReceiptBook(database)
        self._clock = clock
        self._group: Group[Sequence[Item], int] = Group(database.write, self._take)

    def _take(self, tx: Tx, groups: Sequence[Sequence[Item]]) -> list[int]:
        changed = self._book.apply(tx, [item for group in groups for item in group], self._clock())
        return [changed, *[0] * (len(groups) - 1)]

    def take(self, connection_id: int, receipts: Sequence[Receipt], now: datetime) -> int:
        """Apply or keep; how many changed a state in the commit that this call led, else 0."""
        return self._group.put([(connection_id, r) for r in receipts])

    def match(self, now: datetime, most: int) -> int:
        """As the book does."""
        return self._book.match(now, most)


def match_refs(tx: Tx, message_ids: Sequence[int], now: datetime, reach: Reach | None = None) -> None:
    """The carrier's ids of these messages were just written: apply the receipts that came before them."""
    if message_ids and tx.run(BOXED):
        _apply_kept(tx, tx.run(WAITING_FOR, [(i,) for i in message_ids]), now, reach)


def receipt_of(key: str, ref: str, event: str, code: int, reason: str, filtered: int) -> Receipt:
    """A receipt as it was kept."""
    return Receipt(Event(event), key=key, ref=ref, reason=reason, code=Code(code), filtered=bool(filtered))


def _apply_kept(tx: Tx, kept: Sequence[Row], now: datetime, reach: Reach | None) -> int:
    if not kept:
        return 0
    _apply(tx, [(row[1], receipt_of(*row[2:])) for row in kept], now, reach, keep=False)
    tx.run(UNKEEP, [(row[0],) for row in kept])
    return len(kept)


def _apply(tx: Tx, items: Sequence[Item], now: datetime, reach: Reach | None, *, keep: bool) -> int:
    """Apply receipts, and tell the senders' `reach`; `keep` those that match nothing."""
    found = _find(tx, items)
    lost = [item for n, item in enumerate(items) if n not in found]
    if lost and keep:
        tx.run(KEEP, [_kept(*item) for item in lost], now=micros(now))
    changed, told = 0, list[tuple[int, Receipt]]()
    if len(ids := {*found.values()}) > 1:  # in one order, else two that tell of the same messages block each other
        tx.run(LOCK, [(i,) for i in sorted(ids)])
    # In the order told, but one event of a message at a time: an UPDATE touches a row once.
    for event, batch in _batches([(found[n], item) for n, item in enumerate(items) if n in found]):
        if event is Event.SUBMIT:
            taken = {row[0] for row in tx.run(TAKEN, [(i, c) for i, (c, _) in batch], now=micros(now))}
            if named := [(i, c, kept(r.ref)) for i, (c, r) in batch if i in taken and r.ref]:
                tx.run(NAME, named)
                match_refs(tx, [row[0] for row in named], now)
            changed += len(taken)
            continue
        rows = [told_row(event, message_id, item, now) for message_id, item in batch]
        senders = {row[0]: row[1] for row in tx.run(APPLY[event], rows, now=micros(now))}
        done = list(senders)
        close_books(tx, done, now)
        if event is Event.REFUSE:
            refused = {message_id: receipt.code for message_id, (_, receipt) in batch}
            learn(tx, {message_id: refused[message_id] for message_id in done}, now)
        told += [(senders[i], receipt) for i, (_, receipt) in batch if senders.get(i)]
        changed += len(done)
    if reach:
        harm(tx, SENDER, reach.of(told))
    return changed


def _find(tx: Tx, items: Sequence[Item]) -> dict[int, int]:
    """The message of each item that can be told, by its place in `items`."""
    keyed = [(n, c, int(r.key)) for n, (c, r) in enumerate(items) if r.key.isascii() and r.key.isdigit()]
    keyed = [row for row in keyed if row[2] < 1 << 63]
    found = {row[0]: row[1] for row in tx.run(FIND_KEY, keyed)} if keyed else {}
    named = [(n, c, r.ref) for n, (c, r) in enumerate(items) if n not in found and r.ref and not r.about]
    found |= {row[0]: row[1] for row in tx.run(FIND_REF, named)} if named else {}
    doubtful = [(n, c, r.ref, r.about) for n, (c, r) in enumerate(items) if r.ref and r.about]
    return found | ({row[0]: row[1] for row in tx.run(FIND_ABOUT, doubtful)} if doubtful else {})


def _kept(connection_id: int, told: Receipt) -> Row:
    """A row of what matches nothing. Numbers are not kept, and a receipt that needs its own proves nothing without."""
    event, reason = (Event.SUBMIT, f"unproven {told.reason}") if told.about else (told.event, told.reason)
    return connection_id, kept(told.key), kept(told.ref), event, int(told.code), kept(reason), int(told.filtered)


def _batches(items: Sequence[tuple[int, Item]]) -> list[tuple[Event, list[tuple[int, Item]]]]:
    """Few batches of one event each, in which the events of each message keep their order; repeats are left out."""
    batches: list[tuple[Event, dict[int, Item]]] = []
    last: dict[int, int] = {}  # the batch that holds the last event of a message
    for message_id, item in items:
        before = last.get(message_id, -1)
        if before >= 0 and _is_no_news(batches[before][1][message_id], item):
            continue
        event = item[1].event
        place = next((n for n in range(before + 1, len(batches)) if batches[n][0] is event), len(batches))
        if place == len(batches):
            batches.append((event, {}))
        batches[place][1][message_id] = item
        last[message_id] = place
    return [(event, sorted(batch.items())) for event, batch in batches]


def _is_no_news(before: Item, item: Item) -> bool:
    """Whether an event of a message after that one changes nothing; of refusals one alone is of the last attempt."""
    (line, told), (other_line, other) = before, item
    same = told.event is other.event and (told.event is not Event.REFUSE or (line, told.ref) == (other_line, other.ref))
    return same or told.event is Event.DELIVER


def told_row(event: Event, message_id: int, item: Item, now: datetime) -> Row:
    """What APPLY takes of a receipt."""
    connection_id, told = item
    code = Code.DELIVERED if event is Event.DELIVER else told.code
    reason = kept(told.reason) if event is Event.REFUSE else ""
    return message_id, connection_id, kept(told.ref), int(code), reason, int(told.unsent), micros(now)
