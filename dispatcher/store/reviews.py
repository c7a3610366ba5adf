"""Replies as operators look at them: all, those that wait for a person, and what that person makes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatcher.core.exchange import Wish
from dispatcher.core.person import person_of
from dispatcher.core.spellings import spellings
from dispatcher.engine.replies import OurSender, Writer
from dispatcher.store.database import Database
from dispatcher.store.instants import instant, maybe, micros
from dispatcher.store.optouts import MEET
from dispatcher.store.statement import Row, Statement
from dispatcher.store.wishes import NONE, lift, scope_of, stop

LISTED_TEXT: Final = """select r.id, coalesce(p.address, ''), r.sender, r.text, r.verdict, r.review, r.received_at,
        r.settled_at, r.answer_id is not null
    from replies r left join people p on p.person = r.person
    where r.id > :after {which} order by r.id limit :most"""
ALL: Final = Statement(LISTED_TEXT.replace("{which}", ""))
WAITING: Final = Statement(LISTED_TEXT.replace("{which}", "and r.review <> ''"))
COUNT: Final = Statement("select count(*) from replies where review <> ''")
WHOSE: Final = Statement(
    """select r.person, coalesce(p.address, '') from replies r left join people p on p.person = r.person
    where r.id = :id"""
)
ONE: Final = Statement("select sender_id, text, verdict, received_at from replies where id = :id and review <> ''")
SETTLE: Final = Statement("update replies set verdict = :verdict, review = '', settled_at = :now where id = :id")


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply: who wrote to which of our numbers, what was made of it, and why somebody should look, if so."""

    id: int
    phone: str
    sender: str
    text: str
    verdict: str
    review: str
    received_at: datetime
    settled_at: datetime | None
    answered: bool


class Reviews:
    """The replies that are kept."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def listed(self, after: int, most: int, *, every: bool) -> Sequence[Kept]:
        """A page of up to `most` behind the one of that id: `every` reply, or those that wait for a person."""
        with self._database.read() as tx:
            rows = tx.run(ALL if every else WAITING, after=after, most=most)
        return [_kept(row) for row in rows]

    def count(self) -> int:
        """How many wait for a person."""
        with self._database.read() as tx:
            return int(tx.run(COUNT)[0][0])

    def settle(self, reply_id: int, wish: Wish | None, now: datetime, pepper: bytes) -> int | None:
        """Do what a person made of one that waits, which answers nobody: the messages that discarded.

        None where no such reply waits. What is not a STOP ends what the reply was taken for at first. `pepper` is that
        of the hashes of the phone's other spellings.
        """
        with self._database.write() as tx:
            whose = [_writers(row[0], row[1], pepper) for row in tx.run(WHOSE, id=reply_id)]
            if not whose:
                return None
            writers = whose[0]
            tx.run(
                MEET, sorted({w.person: w.address or None for w in writers}.items())
            )  # whoever else heeds them waits
            found = tx.run(ONE, id=reply_id)
            if not found:
                return None
            sender_id, text, verdict, received_at = found[0]
            sender = OurSender(sender_id, "") if sender_id else None
            apps = scope_of(tx, [writer.person for writer in writers], sender, instant(received_at))
            discarded = 0
            if wish is Wish.STOP:
                _, discarded = stop(tx, writers, sender_id, apps, text, now, now)
            elif wish is Wish.START or verdict == Wish.STOP:
                for writer in writers:
                    lift(tx, writer.person, sender_id, apps, now)
            tx.run(SETTLE, id=reply_id, verdict=wish or NONE, now=micros(now))
            return discarded


def _writers(person: str, address: str, pepper: bytes) -> list[Writer]:
    """Who wrote, and after them every other spelling of their phone."""
    others = [Writer(person_of(pepper, each), each) for each in spellings(address) if each != address]
    return [Writer(person, address), *others]


def _kept(row: Row) -> Kept:
    return Kept(
        row[0], row[1], row[2], row[3], row[4], row[5], instant(row[6]), settled_at=maybe(row[7]), answered=bool(row[8])
    )
