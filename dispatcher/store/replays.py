"""Callbacks after their end: which failed, every try of one, and making them once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatcher.store.database import Database
from dispatcher.store.instants import instant, maybe, micros
from dispatcher.store.statement import Row, Statement

COLUMNS: Final = """c.subject_id, c.kind, c.message_id, c.app_id, c.state, c.status, c.tries, c.due_at, c.ended_at,
    c.reason"""
OF_MESSAGE: Final = Statement(
    f"""select {COLUMNS} from callbacks c where c.subject_id = :message_id
    union all
    select {COLUMNS} from clicks k join callbacks c on c.subject_id = k.id where k.message_id = :message_id
    order by 1, 2"""
)
TRIES: Final = Statement(
    "select at, http, reason from callback_tries where subject_id = :subject_id and kind = :kind order by generation"
)
FAILED: Final = Statement(
    f"""select {COLUMNS} from callbacks c
    where c.app_id = :app_id and c.state = 'failed' and c.ended_at >= :since and c.ended_at < :until
    and (c.ended_at > :after or (c.ended_at = :after and (
        c.subject_id > :subject_id or (c.subject_id = :subject_id and c.kind > :kind))))
    order by c.ended_at, c.subject_id, c.kind limit :most"""
)
AGAIN: Final = """update callbacks set state = 'queued', due_at = :now, first_try_at = null, ended_at = null, tries = 0,
    reason = ''"""
REPLAY: Final = Statement(
    f"""{AGAIN} where subject_id = :subject_id and kind = :kind and state in ('delivered', 'failed')
    returning subject_id"""
)
REPLAY_FAILED: Final = Statement(
    f"""{AGAIN} where state = 'failed' and (subject_id, kind) in (
        select c.subject_id, c.kind from callbacks c
        where c.app_id = :app_id and c.state = 'failed' and c.ended_at >= :since and c.ended_at < :until
        order by c.ended_at limit :most)
    returning subject_id"""
)
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a callback; `http` is 0 where no answer came."""

    at: datetime
    http: int
    reason: str


@dataclass(frozen=True, slots=True)
class Owed:
    """A callback and how it stands. `delivery` is the id that its receiver knows it by, the same on every try."""

    delivery: str
    message_id: int
    app_id: int
    state: str
    status: int
    tries: int
    due_at: datetime
    ended_at: datetime | None
    reason: str


class Replays:
    """Callbacks, for an operator."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def of(self, message_id: int) -> list[tuple[Owed, list[Try]]]:
        """Every callback of an invitation, with its tries."""
        with self._database.read() as tx:
            return [
                (_owed(row), [Try(instant(at), http, why) for at, http, why in tx.run(
                    TRIES, subject_id=row[0], kind=row[1]
                )])
                for row in tx.run(OF_MESSAGE, message_id=message_id)
            ]  # fmt: skip

    def failed(self, app_id: int, since: datetime, until: datetime) -> Iterator[Owed]:
        """An app's callbacks that were given up between these instants, in the order in which that was."""
        after, subject_id, kind = micros(since), -1, ""
        while True:
            with self._database.read() as tx:
                page = tx.run(
                    FAILED, app_id=app_id, since=micros(since), until=micros(until), after=after,
                    subject_id=subject_id, kind=kind, most=PAGE,
                )  # fmt: skip
            yield from map(_owed, page)
            if len(page) < PAGE:
                return
            after, subject_id, kind = page[-1][8], page[-1][0], page[-1][1]

    def replay(self, message_id: int, now: datetime) -> int:
        """Owe each callback of an invitation once more that has come to its end; how many."""
        with self._database.write() as tx:
            return sum(
                len(tx.run(REPLAY, subject_id=row[0], kind=row[1], now=micros(now)))
                for row in tx.run(OF_MESSAGE, message_id=message_id)
            )

    def replay_failed(self, app_id: int, since: datetime, until: datetime, now: datetime) -> int:
        """Owe those of an app once more that were given up between these instants, page by page; how many."""
        given = {"app_id": app_id, "since": micros(since), "until": micros(until), "now": micros(now), "most": PAGE}
        total = 0
        while True:
            with self._database.write() as tx:
                page = len(tx.run(REPLAY_FAILED, **given))
            total += page
            if page < PAGE:
                return total


def _owed(row: Row) -> Owed:
    subject_id, kind, message_id, app_id, state, status, tries, due, ended, reason = row
    return Owed(f"{subject_id}-{kind}", message_id, app_id, state, status, tries, instant(due), maybe(ended), reason)
