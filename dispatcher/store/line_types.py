"""Lookups of line types: who is to be asked about, the day's budget, and what an answer does to what waits for it.

An answer is learned and applied in one transaction. An invitation that was admitted meanwhile may have seen neither the
answer nor been seen by it, so each number that was answered is looked at once more, a little later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.invitation import Kind
from dispatcher.core.lifecycle import Event, State, sources
from dispatcher.core.phone import LineType
from dispatcher.core.screening import LINE_TYPE, LOOKUP, Facts, Known, LinePolicy, Source
from dispatcher.engine.lookups import Budget, Claim, LookedUp, Wanted
from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import raise_alarms
from dispatcher.store.database import Database
from dispatcher.store.finals import close_books
from dispatcher.store.instants import AHEAD, EPOCH, MICROSECOND, instant, maybe, micros
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.steps import states
from dispatcher.store.words import kept

AGAIN: Final = timedelta(seconds=5)  # longer than any admission takes

DUE: Final = f"due_at <= :now and (lease_until <= {{clock}} or lease_until > {{clock}} + {AHEAD})"
READY: Final = Statement(f"select person from lookups where {DUE} order by planned_at limit 1")
CLAIM: Final = Statement(
    f"""with due as (select person from lookups where {DUE} order by planned_at limit :most {{lock_skip}})
    update lookups set lease_until = {{clock}} + :lease, generation = generation + 1
    from due where lookups.person = due.person
    returning lookups.person, generation, tries, planned_at"""
)
# Of whoever was known, no more than the number is asked here; the last column is whether anybody waits for the answer.
DETAILS: Final = Statement(
    """select r.person, p.address, p.line_type, p.line_type_at, p.line_type_from, exists (
        select 1 from messages m where m.person = r.person and m.state in ('queued', 'claimed'))
    from {rows} join people p on p.person = r.person""",
    "person text",
)
OPEN_DAY: Final = Statement("insert into lookup_days (day) values (:day) on conflict (day) do nothing")
SPENT: Final = Statement("select s.asked from lookup_days s where s.day = :day {lock}")
SPEND: Final = Statement("update lookup_days set asked = asked + :more where day = :day")
FAILED: Final = Statement("update lookup_days set failed_at = :now, failure = :failure where day = :day")
TODAY: Final = Statement("select asked, failed_at, failure from lookup_days where day = :day")
WAITING: Final = Statement("select count(*) from (select person from lookups order by planned_at limit :most) as w")
LEARN: Final = Statement(
    f"""update people set line_type = r.line_type, line_type_at = :now, line_type_from = '{Source.LOOKUP}'
    from {{rows}} where people.person = r.person and (people.line_type_at is null or people.line_type_at <= :now)""",
    "person text, line_type text",
)
LOOK_AGAIN: Final = Statement(
    """update lookups set due_at = :again, planned_at = :again, lease_until = 0
    from {rows} where lookups.person = r.person""",
    "person text",
)
LATER: Final = Statement(
    """update lookups set due_at = r.due_at, lease_until = 0, tries = lookups.tries + r.tried from {rows}
    where lookups.person = r.person and lookups.generation = r.generation""",
    "person text, generation integer, due_at bigint, tried integer",
)
DROP: Final = Statement(
    """delete from lookups where (person, generation) in (select person, generation from {rows})""",
    "person text, generation integer",
)
FORGET: Final = Statement(
    """delete from lookups where person in (
        select person from lookups where planned_at <= :before order by planned_at limit :most {lock_skip})
    returning person"""
)
DISCARD: Final = Statement(
    f"""update messages set state = '{State.DISCARDED}', code = r.code, reason = r.reason, hold = '',
        completed_at = :now, lease_until = null
    from {{rows}} where messages.person = r.person and messages.state in ({states(*sources(Event.DISCARD))})
    and messages.kind = '{Kind.INVITATION}'
    returning messages.id""",
    "person text, code integer, reason text",
)
# Named twice, since SQLite takes a partial index for its own words alone.
RELEASE: Final = Statement(
    f"""update messages set due_at = planned_at, hold = case when planned_at > :now then 'quiet hours' else '' end
    from {{rows}} where messages.person = r.person
    and messages.state in ({states(State.QUEUED, State.CLAIMED)}) and messages.state = '{State.QUEUED}'
    and messages.hold = '{LOOKUP}'
    returning messages.id""",
    "person text",
)


@dataclass(frozen=True, slots=True)
class Today:
    """What was asked today, how the last lookup failed that did, and how many wait to be asked (up to a limit)."""

    asked: int
    failed_at: datetime | None
    failure: str
    waiting: int


class LineTypeBook:
    """Lookups on this database."""

    def __init__(self, database: Database, policy: LinePolicy) -> None:
        """Work on this database; the policy says what an answer is worth."""
        self._database = database
        self._policy = policy

    def claim(self, most: int, now: datetime, lease: timedelta, budget: Budget) -> Claim:
        """Take up to `most` numbers that are due, and as many lookups from the day's budget; see engine.lookups."""
        with self._database.read() as tx:
            if not tx.run(READY, now=micros(now)):
                return Claim()
        with self._database.write() as tx:
            rows = tx.run(CLAIM, now=micros(now), lease=lease // MICROSECOND, most=most)
            told = {row[0]: row[1:] for row in tx.run(DETAILS, [(row[0],) for row in rows])}
            idle, known, asks = self._sorted(rows, told, now)
            left = _spend(tx, len(asks), now, budget) if asks else 0
        over = asks[left:]
        if left == len(rows):
            return Claim(asks, taken=left)
        gone = [(row[0], row[1]) for row in rows if row[0] in idle or row[0] in known]
        soon = [w for w in over if w.planned_at < budget.renewed_at]
        with self._database.write() as tx:
            discarded, released = self._apply(tx, known, [w.person for w in soon], now)
            tx.run(LATER, [(w.person, w.generation, micros(budget.renewed_at), 0) for w in over if w not in soon])
            tx.run(DROP, gone + [(w.person, w.generation) for w in soon])
            if over:
                why = f"the day's {budget.cap} are used up; who is not looked up passes"
                raise_alarms(tx, AlarmKind.LOOKUPS_USED_UP, {_day(now): why}, now)
        return Claim(asks[:left], taken=len(rows), over=len(over), discarded=discarded, released=released)

    def _sorted(
        self, rows: Sequence[Row], told: dict[str, Row], now: datetime
    ) -> tuple[set[str], dict[str, LineType], list[Wanted]]:
        """Those for whose answer nobody waits, those whose line is known by now, and those to be asked about."""
        idle, known, asks = set(), {}, []
        for person, generation, tries, planned_at in sorted(rows, key=lambda row: row[3]):
            address, line_type, line_type_at, source, waits = told.get(person, (None, "", None, "", False))
            known_of = Known(line_type, maybe(line_type_at), line_type_from=source)
            if not waits or not address:
                idle.add(person)
            elif fresh := known_of.fresh_line_type(now, self._policy):
                known[person] = LineType(fresh)
            else:
                asks.append(Wanted(person, address, generation, tries, instant(planned_at)))
        return idle, known, asks

    def settle(self, results: Sequence[LookedUp], now: datetime) -> tuple[int, int]:
        """Write what lookups came to; how many messages that discarded, and how many it let go."""
        told = {r.wanted.person: r.line_type for r in results if r.line_type is not None}
        rest = [r for r in results if r.line_type is None]
        again = [r for r in rest if r.again_at is not None]
        over = [r.wanted for r in rest if r.again_at is None]
        with self._database.write() as tx:
            discarded, released = self._apply(tx, told, [w.person for w in over], now)
            if told:
                tx.run(LEARN, sorted(told.items()), now=micros(now))
                tx.run(LOOK_AGAIN, [(person,) for person in sorted(told)], again=micros(now + AGAIN))
            tx.run(LATER, [
                (r.wanted.person, r.wanted.generation, micros(r.again_at or now), int(r.tried)) for r in again
            ])  # fmt: skip
            tx.run(DROP, [(w.person, w.generation) for w in over])
            if rest:
                _open_day(tx, now)
                tx.run(FAILED, day=_day(now), now=micros(now), failure=kept(rest[-1].reason))
        return discarded, released

    def forget(self, before: datetime, most: int) -> int:
        """Leave out lookups for what was planned to leave before that; how many. What waited for them has gone."""
        with self._database.write() as tx:
            return len(tx.run(FORGET, before=micros(before), most=most))

    def today(self, now: datetime, most: int) -> Today:
        """What an operator asks; of those that wait, up to `most` are counted."""
        with self._database.read() as tx:
            found = tx.run(TODAY, day=_day(now))
            waiting = tx.run(WAITING, most=most)[0][0]
        asked, failed_at, failure = found[0] if found else (0, None, "")
        return Today(asked, maybe(failed_at), failure, waiting)

    def _apply(self, tx: Tx, told: dict[str, LineType], unasked: list[str], now: datetime) -> tuple[int, int]:
        """Discard what waits for these people where their line takes no texts, let go what waited for the answer.

        Before their lookups are touched: admission takes the places of people first too, and none waits for the other.
        """
        refused, passed = [], unasked
        for person, line_type in sorted(told.items()):
            facts = Facts(now=now, line_type=line_type, textable=self._policy.textable)
            if objection := LINE_TYPE.objection(facts):
                refused.append((person, int(objection.code), objection.reason))
            else:
                passed.append(person)
        discarded = [row[0] for row in tx.run(DISCARD, refused, now=micros(now))] if refused else []
        close_books(tx, discarded, now)
        return len(discarded), _release(tx, passed, now)


def _release(tx: Tx, people: Sequence[str], now: datetime) -> int:
    return len(tx.run(RELEASE, [(person,) for person in sorted(people)], now=micros(now))) if people else 0


def _spend(tx: Tx, wanted: int, now: datetime, budget: Budget) -> int:
    """Take so many from what is left of the day, which is locked till the commit; how many there were."""
    _open_day(tx, now)
    left = max(0, min(wanted, budget.cap - int(tx.run(SPENT, day=_day(now))[0][0])))
    tx.run(SPEND, day=_day(now), more=left)
    return left


def _open_day(tx: Tx, now: datetime) -> None:
    tx.run(OPEN_DAY, day=_day(now))


def _day(now: datetime) -> int:
    return (now - EPOCH).days
