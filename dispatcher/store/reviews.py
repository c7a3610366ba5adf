"""Replies as operators look at them: all, those that wait for a person, and what that person makes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatcher.core.exchange import Wish
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
WHOSE: Final = Statement("select person from replies where id = :id")
ONE: Final = Statement(
    """select r.person, coalesce(p.address, ''), r.sender_id, r.text, r.verdict, r.received_at
    from replies r left join people p on p.person = r.person where r.id = :id and r.review <> ''"""
)
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

    def settle(self, reply_id: int, wish: Wish | None, now: datetime) -> int | None:
        """Do what a person made of one that waits, which answers nobody: the messages that discarded.

        None where no such reply waits. What is not a STOP ends what the reply was taken for at first.
        """
        with self._database.write() as tx:
            if whose := tx.run(WHOSE, id=reply_id):
                tx.run(MEET, [(whose[0][0], None)])  # whoever else heeds this person now waits
            found = tx.run(ONE, id=reply_id)
            if not found:
                return None
            person, address, sender_id, text, verdict, received_at = found[0]
            apps = scope_of(tx, [person], OurSender(sender_id, "") if sender_id else None, instant(received_at))
            discarded = 0
            if wish is Wish.STOP:
                _, discarded = stop(tx, [Writer(person, address)], sender_id, apps, text, now, now)
            elif wish is Wish.START or verdict == Wish.STOP:
                lift(tx, person, sender_id, apps, now)
            tx.run(SETTLE, id=reply_id, verdict=wish or NONE, now=micros(now))
            return discarded


def _kept(row: Row) -> Kept:
    return Kept(
        row[0], row[1], row[2], row[3], row[4], row[5], instant(row[6]), settled_at=maybe(row[7]), answered=bool(row[8])
    )
