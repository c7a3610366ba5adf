"""In which order PostgreSQL's rows are locked: people by person, so that of two that lock many none waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from dispatcher.core.codes import Code
from dispatcher.core.keywords import heard
from dispatcher.engine.replies import Letter, OurSender, Writer
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.learning import learn
from dispatcher.store.postgres import Postgres
from dispatcher.store.replies import ReplyBook
from tests.factories import NOON, candidate, ids, provision

SPELLINGS = sorted(("+541123456789", "+5491123456789"), key=lambda number: candidate(number).person)
LAST, FIRST = map(candidate, reversed(SPELLINGS))
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
FREE = "select person from people where person = %s for update skip locked"
SOON = 10.0


def says(text: str) -> Callable[[Database], None]:
    """Whoever texts as LAST says this, whose phone is FIRST's too."""
    writers = [Writer(one.person, "+5491123456789") for one in (LAST, FIRST)]
    letter = Letter(1, "mo-1", "", OurSender(1, ""), writers, text, heard(text))

    def act(database: Database) -> None:
        ReplyBook(database, lambda: next(ids)).take([letter], NOON)

    return act


def refused(*codes: Code) -> Callable[[Database], None]:
    """LAST's message, which is the older one, and FIRST's are refused so."""

    def act(database: Database) -> None:
        with database.write() as tx:
            learn(tx, dict(zip((LAST.id, FIRST.id), codes, strict=True)), NOON)

    return act


ACTS = {
    "stop": says("STOP"),
    "start": says("START"),
    "landlines": refused(Code.NOT_MOBILE, Code.NOT_MOBILE),
    "a landline, and who opted out": refused(Code.NOT_MOBILE, Code.OPTED_OUT),
}


@pytest.mark.parametrize("name", ACTS)
def test_who_waits_for_a_person_holds_nobody_behind_them(postgres_url: str, name: str) -> None:
    with (
        closing(Postgres(postgres_url, connections=2)) as database,
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(postgres_url) as holder,
    ):
        provision(database)
        Admissions(database).admit([LAST, FIRST], NOON)
        holder.execute(FREE, (FIRST.person,))
        done = pool.submit(ACTS[name], database)
        until = time.monotonic() + SOON
        with psycopg.connect(postgres_url, autocommit=True) as other:
            while other.execute(WAITING).fetchone() == (0,) and not done.done() and time.monotonic() < until:
                time.sleep(0.005)
            assert not done.done(), "it locks FIRST as well"
            assert other.execute(FREE, (LAST.person,)).fetchone() == (LAST.person,)
        holder.rollback()
        done.result()
