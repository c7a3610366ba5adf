"""Whether the hot work gets slower as history grows: the same calls on a young database and on an old one.

Of all invitations one tenth is queued and due, one tenth asleep, the rest history with attempts, places and callbacks;
half of them are one app's, the other half belongs to a thousand apps.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from dispatcher.core.codes import Code
from dispatcher.core.senders import LaneKey
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.instants import micros
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.postgres import Postgres
from dispatcher.store.provisioning import Rows
from dispatcher.store.queries import MessageQueries
from dispatcher.store.queue import MessageQueue
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from tests.bench.own import Failed
from tests.bench.product import Customer
from tests.factories import candidate

APPS: Final = 1000
PAGE: Final = 100_000
FIRST: Final = 1 << 52  # the ids of history
CALLS: Final = 25
ROUNDS: Final = 3  # of calls that leave everything as it was: the best counts, as for all figures
AT_ONCE: Final = 100
LEASE: Final = timedelta(minutes=5)

NUMBERS: Final = "with recursive n (i) as (select cast(:first as bigint) union all select i + 1 from n where i < :last)"
PERSON: Final = "'p' || cast(1000000000000000000 + i as text)"
DIGIT: Final = "(i - i / 10 * 10)"  # of the remainder operator PostgreSQL's driver makes a parameter
OF_APP: Final = "case when i / 10 - i / 20 * 2 = 0 then :app else :others + i - i / :apps * :apps end"
PHONE: Final = "'+1' || cast(2012220000 + i as text)"
FILL: Final = (
    Statement(
        f"""insert into people (person, address, line_type, os)
        {NUMBERS} select {PERSON}, {PHONE}, '', '' from n"""
    ),
    Statement(
        f"""insert into messages (id, account_id, app_id, person, region, state, code, text, created_at,
            planned_at, due_at, expires_at, generation, admitted_code, segments, sender_id, sent_at, completed_at)
        {NUMBERS} select :base + i, :account, {OF_APP}, {PERSON}, 'US',
            case when {DIGIT} < 2 then 'queued' else 'delivered' end, case when {DIGIT} < 2 then 0 else 1 end,
            'Join me', :now - 86400000000, :now - 86400000000,
            :now - 1000000 + case when {DIGIT} = 1 then 86400000000 else 0 end, :now + 86400000000,
            case when {DIGIT} < 2 then 0 else 1 end, 0, 1, 1, case when {DIGIT} < 2 then null else :now end,
            case when {DIGIT} < 2 then null else :now end
        from n"""
    ),
    Statement(
        f"""insert into attempts (message_id, generation, sender_id, connection_id, worker_id, rule,
            started_at, ended_at, fate, ref, reason)
        {NUMBERS} select :base + i, 1, 1, 1, 1, 'country', :now, :now, 'taken', 'r' || cast(i as text), '' from n
        where {DIGIT} >= 2"""
    ),
    Statement(
        f"""insert into duplicate_slots (app_id, person, message_id, until_at)
        {NUMBERS} select {OF_APP}, {PERSON}, :base + i, :now + 604800000000 from n"""
    ),
    Statement(
        f"""insert into callbacks (subject_id, kind, app_id, message_id, state, status, completed_at,
            created_at, due_at, reason)
        {NUMBERS} select :base + i, 'final', {OF_APP}, :base + i,
            case when {DIGIT} = 2 then 'queued' else 'delivered' end, 1, :now, :now, :now - 1000000, ''
        from n where {DIGIT} >= 2"""
    ),
)


def measured(url: str, customer: Customer, count: int) -> dict[str, float]:
    """Milliseconds of each hot call on a provisioned database that is filled with so many invitations."""
    database: Database = Sqlite(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite") else Postgres(url)
    try:
        grow(database, customer, count)
        if isinstance(database, Postgres):  # what takes months to gather was vacuumed all the while
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("vacuum (analyze)")
        return pace(database, customer, count)
    finally:
        database.close()


def grow(database: Database, customer: Customer, count: int) -> None:
    """Fill a provisioned database with so many invitations, past the product's doors."""
    rows = Rows(database, _now)
    values = {"callback_url": "http://127.0.0.1:9/", "callback_secret": "s", "hours": {"always": True}}
    others = min([rows.add_app(customer.account, values | {"app_id": f"app.{n}"}) for n in range(APPS)])
    for first in range(0, count, PAGE):
        for statement in FILL:
            with database.write() as tx:
                tx.run(
                    statement, first=first, last=min(first + PAGE, count) - 1, app=customer.app, others=others,
                    apps=APPS, account=customer.account, now=micros(_now()), base=FIRST,
                )  # fmt: skip


def pace(database: Database, customer: Customer, count: int) -> dict[str, float]:
    """Milliseconds of each hot call, the median of some."""
    queue, outbox = MessageQueue(database), CallbackOutbox(database)
    admissions, queries = Admissions(database), MessageQueries(database, _now)
    chance = random.Random(7)
    lane = LaneKey(customer.app, "US")

    def duplicates() -> None:
        found = {20 * chance.randrange(count // 20) + 5 for _ in range(16)}  # the one app's
        now = _now()
        made = [
            candidate(
                f"+1{2012220000 + n}", person=f"p{1000000000000000000 + n}", id=next(ids), account_id=customer.account,
                app_id=customer.app, created_at=now, planned_at=now, expires_at=now + timedelta(days=1),
                duplicate_until=now + timedelta(days=7),
            )
            for n in found
        ]  # fmt: skip
        if {one.code for one in admissions.admit(made, now)} != {Code.DUPLICATE}:
            raise Failed("a duplicate was admitted")

    ids = iter(range(FIRST << 1, (FIRST << 1) + CALLS * 100))

    def claim() -> None:
        if len(queue.claim({lane: AT_ONCE}, _now(), LEASE)) == 0:
            raise Failed("nothing to claim")

    def callbacks() -> None:
        outbox.lanes(_now())
        outbox.claim({customer.app: AT_ONCE}, _now(), LEASE)

    def status() -> None:
        if queries.standing(customer.account, FIRST + chance.randrange(count)) is None:
            raise Failed("an invitation is not found")

    calls: dict[str, Callable[[], object]] = {
        "lanes": queue.lanes,
        "claim": claim,
        "duplicates": duplicates,
        "status": status,
        "callbacks": callbacks,
    }
    claims = min(CALLS, count // 20 // AT_ONCE)  # as often as there is something to claim
    return {
        name: _milliseconds(call, claims)
        if call in (claim, callbacks)
        else min(_milliseconds(call, CALLS) for _ in range(ROUNDS))
        for name, call in calls.items()
    }


def _milliseconds(call: Callable[[], object], times: int) -> float:
    call()
    spent = []
    for _ in range(times - 1):
        begun = time.perf_counter()
        call()
        spent.append((time.perf_counter() - begun) * 1000)
    return median(spent)


def _now() -> datetime:
    return datetime.now(UTC)
