"""Replies: each kept once, and what it asks for done in the same transaction.

All that a person writes is taken in the order in which it came, under a lock on every spelling of their phone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from dispatcher.core.answers import REPEATED
from dispatcher.core.exchange import Wish
from dispatcher.core.keywords import Heard
from dispatcher.core.reading import clean
from dispatcher.engine.ports import Clock, Ids
from dispatcher.engine.replies import Letter, Made, OurSender, Writer
from dispatcher.store.database import Database
from dispatcher.store.group import Group
from dispatcher.store.instants import maybe_micros, micros
from dispatcher.store.optouts import MEET
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.sticky import REFRESHED, REMEMBERED
from dispatcher.store.wishes import NONE, Judged, judge, same_phone
from dispatcher.store.words import kept

MOST_TEXT: Final = 2000  # characters of a reply that are kept
OUTDOES: Final = MappingProxyType(
    {Wish.STOP: (Wish.STOP, Wish.START), Wish.START: (Wish.START,), Wish.HELP: (Wish.HELP,)}
)

SENDER: Final = Statement(
    """select s.id, s.region from {rows} join senders s on s.number = r.number
    order by case when s.connection_id = :connection_id then 0 else 1 end, r.n, s.id limit 1""",
    "n integer, number text",
)
KNOWN: Final = Statement(
    """select r.n, case when exists (
            select 1 from apps a join sticky_senders k on k.app_id = a.id and k.person = r.person
            where k.sender_id = r.sender_id and k.used_at > :since
        ) or exists (
            select 1 from earlier_senders e
            where e.person = r.person and e.sender_id = r.sender_id and e.used_at > :since
        ) then 0 else 1 end, r.m
    from {rows} join people p on p.person = r.person""",
    "n integer, m integer, person text, sender_id bigint",
)
KEEP_TEXT: Final = """insert into replies (connection_id, ref, sender, sender_id, person, text, verdict, review,
        said_at, received_at)
    select connection_id, ref, sender, sender_id, person, text, verdict, '', said_at, :now from {rows}"""
COLUMNS: Final = (
    "connection_id bigint, ref text, sender text, sender_id bigint, person text, text text, verdict text, "
    "said_at bigint"
)
KEEP: Final = Statement(
    f"""{KEEP_TEXT} where true on conflict (connection_id, ref) where ref <> '' do nothing
    returning connection_id, ref, id""",
    COLUMNS,
)
KEEP_NAMELESS: Final = Statement(f"{KEEP_TEXT} returning id", COLUMNS)
LAST: Final = Statement(
    """select connection_id, sender, text from replies where person = :person and received_at > :since
    order by received_at desc, id desc limit 1"""
)
JUDGE: Final = Statement(
    """update replies set verdict = r.verdict, review = r.review, answer_id = r.answer_id
    from {rows} where replies.id = r.id""",
    "id bigint, verdict text, review text, answer_id bigint",
)


class ReplyBook:
    """Where replies are written."""

    def __init__(self, database: Database, ids: Ids) -> None:
        """Work on this database; `ids` mints those of answers."""
        self._database = database
        self._ids = ids

    def sender(self, connection_id: int, numbers: Sequence[str]) -> OurSender | None:
        """The sender that is kept as one of these, the first that is; rather one of this connection."""
        with self._database.read() as tx:
            found = tx.run(SENDER, [(n, kept(number)) for n, number in enumerate(numbers)], connection_id=connection_id)
        return OurSender(*found[0]) if found else None

    def take(self, letters: Sequence[Letter], now: datetime) -> Made:
        """Keep each once, and do what it asks for; on return all of it is on disk."""
        with self._database.write() as tx:
            return take(tx, letters, now, self._ids)


class GroupedReplies(ReplyBook):
    """The book as many waiting hooks share it: one commit for all that came meanwhile."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        """Work on this database."""
        super().__init__(database, ids)
        self._clock = clock
        self._group: Group[Sequence[Letter], Made] = Group(database.write, self._take)

    def _take(self, tx: Tx, groups: Sequence[Sequence[Letter]]) -> list[Made]:
        made = take(tx, [letter for group in groups for letter in group], self._clock(), self._ids)
        return [made, *[Made()] * (len(groups) - 1)]

    def take(self, letters: Sequence[Letter], now: datetime) -> Made:
        """The same; what was made of all in the commit that this call led, else nothing."""
        return self._group.put(letters)


def take(tx: Tx, letters: Sequence[Letter], now: datetime, ids: Ids) -> Made:
    """The same, in a transaction that is open."""
    written = _in_order(_written(tx, letters, now), now)
    # Every spelling that a wish may stop at once, for who waits for some of them holding others may wait for ever.
    meant = (each for letter, writer in written for each in (same_phone(letter, writer) if letter.heard else [writer]))
    tx.run(MEET, sorted({each.person: each.address or None for each in meant}.items()))
    named = _keep_named(tx, written, now)
    new = dict[int, tuple[Letter, Writer, Heard]]()
    for letter, writer in written:
        found = named.pop(_name(letter), None) if letter.ref else _keep_nameless(tx, letter, writer, now)
        if found is not None and letter.heard is not None:
            new[found] = letter, writer, letter.heard
    return _judge(tx, new, now, ids)


def _judge(tx: Tx, new: Mapping[int, tuple[Letter, Writer, Heard]], now: datetime, ids: Ids) -> Made:
    """Do what these ask for, each by its number, in this order."""
    outdone, silent, discarded, answers = _outdone(new), list[Row](), 0, 0
    for i, (letter, writer, heard) in new.items():
        made = Judged(heard.wish) if i in outdone else judge(tx, letter, heard, writer, now, ids)
        row = (i, made.verdict, made.review, made.answer_id)
        discarded += made.discarded
        if made.answer_id is None:
            silent.append(row)
        else:
            tx.run(JUDGE, [row])  # at once: what follows asks how often the person was answered
            answers += 1
    if silent:
        tx.run(JUDGE, silent)
    return Made(discarded, answers)


def _outdone(new: Mapping[int, tuple[Letter, Writer, Heard]]) -> set[int]:
    """Those that need not be done: of one person's many to one sender, all but the last STOP, START and HELP.

    Nor is a START before the last STOP. A STOP before the last START is, for it discards what is queued.
    """
    last, outdone = dict[tuple[str, int], dict[Wish, int]](), set[int]()
    for i, (letter, writer, heard) in new.items():
        if heard.sure:
            before = last.setdefault((writer.person, letter.sender.id if letter.sender else 0), {})
            outdone |= {before[wish] for wish in OUTDOES[heard.wish] if wish in before}
            before[heard.wish] = i
    return outdone


def _written(tx: Tx, letters: Sequence[Letter], now: datetime) -> list[tuple[Letter, Writer]]:
    """Each with its writer: whom its sender texted, else whom we know, else the first reading of the number."""
    asked = [
        (n, m, writer.person, letter.sender.id if letter.sender else 0)
        for n, letter in enumerate(letters)
        if len(letter.writers) > 1
        for m, writer in enumerate(letter.writers)
    ]
    meant: dict[int, int] = {}
    for n, _, m in sorted(tx.run(KNOWN, asked, since=micros(now - REMEMBERED - REFRESHED))) if asked else ():
        meant.setdefault(n, m)
    return [(letter, letter.writers[meant.get(n, 0)]) for n, letter in enumerate(letters)]


def _in_order(written: Sequence[tuple[Letter, Writer]], now: datetime) -> list[tuple[Letter, Writer]]:
    """Each person's in the order in which they were said; as they came, where that is not known of all of them."""
    unknown = {writer.person for letter, writer in written if letter.said_at is None}
    return sorted(written, key=lambda each: now if each[1].person in unknown else each[0].said_at or now)


def _name(letter: Letter) -> tuple[int, str]:
    return letter.connection_id, kept(letter.ref)


def _row(letter: Letter, writer: Writer) -> tuple[object, ...]:
    sender_id = letter.sender.id if letter.sender else 0
    text = clean(letter.text[:MOST_TEXT])
    verdict = "" if letter.heard else NONE
    said_at = maybe_micros(letter.said_at)
    return letter.connection_id, kept(letter.ref), kept(letter.number), sender_id, writer.person, text, verdict, said_at


def _keep_named(tx: Tx, written: Sequence[tuple[Letter, Writer]], now: datetime) -> dict[tuple[int, str], int]:
    """The number under which each was kept that has an id of its carrier's and is new."""
    rows = [_row(letter, writer) for letter, writer in written if letter.ref]
    return {(row[0], row[1]): row[2] for row in tx.run(KEEP, rows, now=micros(now))} if rows else {}


def _keep_nameless(tx: Tx, letter: Letter, writer: Writer, now: datetime) -> int | None:
    """The same for one without an id: a repeat says the same, to the same, as what they wrote last a moment ago."""
    row = _row(letter, writer)
    last = tx.run(LAST, person=writer.person, since=micros(now - REPEATED))
    if last and last[0] == (row[0], row[2], row[5]):
        return None
    return int(tx.run(KEEP_NAMELESS, [row], now=micros(now))[0][0])
