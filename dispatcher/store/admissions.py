"""Admission: many candidates, one transaction, a verdict for each. What is answered 200 is on disk.

The order of the statements is the order of judgement: the customer's own key first, then what is known of the person,
then the one place per app and person. Rows are sorted before they are written, so that two processes that commit
overlapping groups take their locks in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Admitted, Candidate, Channel, Kind
from dispatcher.core.lifecycle import State
from dispatcher.core.screening import AT_INTAKE, LOOKUP, NO_LOOKUPS, Known, LinePolicy, screen
from dispatcher.store.database import Database
from dispatcher.store.instants import instant, maybe, micros
from dispatcher.store.optouts import reaches
from dispatcher.store.statement import Row, Statement, Tx

KEY_LIFE: Final = timedelta(hours=24)

TAKE_KEYS: Final = Statement(
    """insert into idempotency_keys (account_id, key, message_id, digest, until_at)
    select account_id, key, message_id, digest, :until from {rows} where true order by account_id, key
    on conflict (account_id, key) do update
    set message_id = excluded.message_id, digest = excluded.digest, until_at = excluded.until_at
    where idempotency_keys.until_at <= :now
    returning account_id, key""",
    "account_id bigint, key text, message_id bigint, digest text",
)
FIRST_USE: Final = Statement(
    """select k.account_id, k.key, k.digest, m.id, m.admitted_code, m.reason, m.planned_at, m.duplicate_of, m.reopens_at
    from {rows} join idempotency_keys k on k.account_id = r.account_id and k.key = r.key
    join messages m on m.id = k.message_id
    where k.until_at > :now""",
    "account_id bigint, key text",
)
KNOWN: Final = Statement(
    f"""select r.id, exists (select 1 from optouts o where o.person = r.person and {reaches("o", "r")}),
        p.line_type, p.line_type_at, p.os, p.os_at, p.line_type_from, p.address is null
    from {{rows}} join people p on p.person = r.person""",
    "id bigint, person text, account_id bigint, app_id bigint",
)
TAKE_SLOTS: Final = Statement(
    """insert into duplicate_slots (app_id, person, message_id, until_at)
    select app_id, person, message_id, until_at from {rows} where true order by app_id, person
    on conflict (app_id, person) do update set message_id = excluded.message_id, until_at = excluded.until_at
    where duplicate_slots.until_at <= :now
    returning message_id""",
    "app_id bigint, person text, message_id bigint, until_at bigint",
)
GIVE_SLOTS: Final = Statement(
    """insert into duplicate_slots (app_id, person, message_id, until_at)
    select app_id, person, message_id, until_at from {rows}""",
    "app_id bigint, person text, message_id bigint, until_at bigint",
)
HELD_SLOTS: Final = Statement(
    """select s.app_id, s.person, s.message_id, s.until_at
    from {rows} join duplicate_slots s on s.app_id = r.app_id and s.person = r.person""",
    "app_id bigint, person text",
)
MEET: Final = Statement(
    """insert into people (person, address, line_type, os) select person, address, '', '' from {rows}
    where true order by person on conflict (person) do nothing returning person""",
    "person text, address text",
)
MEET_AGAIN: Final = Statement(
    "update people set address = r.address from {rows} where people.person = r.person and people.address is null",
    "person text, address text",
)
QUEUE: Final = Statement(
    """insert into messages (id, account_id, app_id, kind, channel, person, region, time_zone, state, code, reason,
        admitted_code, duplicate_of, reopens_at, text, segments, os, reference, inviter, inviter_name, campaign,
        callback_url, external_id, created_at, planned_at, due_at, hold, flow, expires_at, generation, tries,
        completed_at)
    select id, account_id, app_id, kind, channel, person, region, '', state, code, reason,
        code, duplicate_of, reopens_at, text, segments, os, reference, inviter, inviter_name, campaign,
        '', '', created_at, planned_at, due_at, hold, flow, expires_at, 0, 0, completed_at
    from {rows}""",
    "id bigint, account_id bigint, app_id bigint, kind text, channel text, person text, region text, state text, "
    "code integer, reason text, duplicate_of bigint, reopens_at bigint, text text, segments integer, os text, "
    "reference text, inviter text, inviter_name text, campaign text, created_at bigint, planned_at bigint, "
    "due_at bigint, expires_at bigint, completed_at bigint, hold text, flow integer",
)
OWE: Final = Statement(
    """insert into callbacks (subject_id, kind, app_id, message_id, state, status, completed_at, created_at, due_at,
        generation, tries, reason)
    select r.id, 'final', r.app_id, r.id, 'queued', r.code, r.completed_at, r.completed_at, r.completed_at, 0, 0, ''
    from {rows} join apps a on a.id = r.app_id where a.callback_url <> ''""",
    "id bigint, app_id bigint, code integer, completed_at bigint",
)
# Asked once, however many wait for it. Who is being asked or was just answered is not waited for: see
# store.line_types, which looks at each a second time.
LOOK_UP: Final = Statement(
    """insert into lookups (person, planned_at, due_at) select person, planned_at, :now from {rows}
    where true order by person on conflict (person) do nothing""",
    "person text, planned_at bigint",
)


@dataclass(slots=True)
class _Case:
    """A candidate on its way through one transaction. `until` is when it stops waiting for a lookup of its number."""

    candidate: Candidate
    code: Code
    reason: str
    duplicate_of: int | None = None
    reopens_at: datetime | None = None
    known: Known = Known()  # noqa: RUF009 (frozen)
    until: datetime | None = None

    def admitted(self) -> Admitted:
        c, looked_up = self.candidate, self.until is not None
        return Admitted(
            c.id, self.code, self.reason, c.planned_at, self.duplicate_of, self.reopens_at, looked_up=looked_up
        )


class Admissions:
    """Admits candidates; see `admit`."""

    def __init__(self, database: Database, policy: LinePolicy = NO_LOOKUPS) -> None:
        """Work on this database."""
        self._database = database
        self._policy = policy

    def admit(self, candidates: Sequence[Candidate], now: datetime) -> list[Admitted]:
        """A verdict for each candidate, in order; when this returns, all of them are on disk.

        Of several candidates in one call with the same key, or for the same person and app, the first one wins, as it
        would have if they had come one after the other.
        """
        with self._database.write() as tx:
            return admit(tx, candidates, now, self._policy)

    def earlier(self, account_id: int, key: str, digest: str, now: datetime) -> Admitted | None:
        """What this key was first answered within its time; a conflict if its content had another digest."""
        with self._database.read() as tx:
            found = tx.run(FIRST_USE, [(account_id, key)], now=micros(now))
        return _replay(digest, found[0][2:]) if found else None


def admit(tx: Tx, candidates: Sequence[Candidate], now: datetime, policy: LinePolicy = NO_LOOKUPS) -> list[Admitted]:
    """The same, in a transaction that is open."""
    answers: dict[int, Admitted] = {}
    fresh = _take_keys(tx, candidates, now, answers)
    cases = [_Case(c, c.code, c.reason) for c in fresh]
    new = _meet(tx, fresh)
    rest = _give_slots(tx, [case for case in cases if case.code is Code.ACCEPTED], new)
    if rest:
        _screen(tx, rest, now, policy)
        _take_slots(tx, rest, now)
    if policy.grace is not None:
        _look_up(tx, cases, now, policy, policy.grace)
    if cases:
        _store(tx, cases, now)
    answers |= {case.candidate.id: case.admitted() for case in cases}
    _answer_repeats(candidates, answers)
    return [answers[c.id] for c in candidates]


def _take_keys(tx: Tx, candidates: Sequence[Candidate], now: datetime, answers: dict[int, Admitted]) -> list[Candidate]:
    """The candidates whose key is new (or that have none). Repeats of keys used before are answered here."""
    firsts: dict[tuple[int, str], Candidate] = {}
    for c in candidates:
        if c.key:
            firsts.setdefault((c.account_id, c.key), c)
    if not firsts:
        return list(candidates)
    won = {
        (account, key)
        for account, key in tx.run(
            TAKE_KEYS,
            [(account, key, c.id, c.digest) for (account, key), c in sorted(firsts.items())],
            now=micros(now),
            until=micros(now + KEY_LIFE),
        )
    }
    lost = sorted(set(firsts) - won)
    used = {(row[0], row[1]): row[2:] for row in tx.run(FIRST_USE, lost, now=micros(now))} if lost else {}
    for c in candidates:
        if c.key and (earlier := used.get((c.account_id, c.key))):
            answers[c.id] = _replay(c.digest, earlier)
    return [c for c in candidates if not c.key or (firsts[c.account_id, c.key] is c and (c.account_id, c.key) in won)]


def _replay(digest: str, first_use: Row) -> Admitted:
    first_digest, message_id, code, reason, planned_at, duplicate_of, reopens_at = first_use
    return Admitted(
        id=message_id,
        code=Code(code),
        reason=reason if code else "",
        planned_at=instant(planned_at),
        duplicate_of=duplicate_of,
        reopens_at=maybe(reopens_at),
        replayed=True,
        conflict=first_digest != digest,
    )


def _meet(tx: Tx, candidates: Sequence[Candidate]) -> set[str]:
    """Keep the address of everybody; who was not known before. Nothing else is known of those, and no place is taken.

    Whoever meets the same person at the same time waits here until it is known who was first.
    """
    addresses = {c.person: c.address for c in candidates}
    return {row[0] for row in tx.run(MEET, sorted(addresses.items()))} if addresses else set()


def _give_slots(tx: Tx, asking: Sequence[_Case], new: set[str]) -> list[_Case]:
    """Most people are new: give them their places without a question. Who is not, or asks twice, is returned."""
    given: dict[tuple[int, str], Candidate] = {}
    rest = []
    for case in asking:
        c = case.candidate
        if c.person in new and given.setdefault((c.app_id, c.person), c) is c:
            continue
        rest.append(case)
    if given:
        tx.run(GIVE_SLOTS, [(app, who, c.id, micros(c.duplicate_until)) for (app, who), c in sorted(given.items())])
    return rest


def _screen(tx: Tx, cases: list[_Case], now: datetime, policy: LinePolicy) -> None:
    """Ask what is known of each person, and let the rules object."""
    asked = [case for case in cases if case.code is Code.ACCEPTED]
    if not asked:
        return
    batch = [(c.candidate.id, c.candidate.person, c.candidate.account_id, c.candidate.app_id) for c in asked]
    known = {row[0]: row[1:] for row in tx.run(KNOWN, batch)}
    if erased := {c.candidate.person: c.candidate.address for c in asked if known[c.candidate.id][-1]}:
        tx.run(MEET_AGAIN, sorted(erased.items()))
    for case in asked:
        case.known = _known(known[case.candidate.id])
        facts = case.known.facts(case.candidate.os, now, policy)
        if objection := screen(AT_INTAKE, facts):
            case.code, case.reason = objection.code, objection.reason


def _known(row: Row) -> Known:
    opted_out, line_type, line_type_at, os, os_at, line_type_from, _ = row
    return Known(line_type, maybe(line_type_at), os, maybe(os_at), bool(opted_out), line_type_from)


def _look_up(tx: Tx, cases: Sequence[_Case], now: datetime, policy: LinePolicy, grace: timedelta) -> None:
    """Let those wait of whose line nothing fresh is known; an invitation alone is a first text."""
    wanted: dict[str, int] = {}
    for case in cases:
        c = case.candidate
        if case.code is not Code.ACCEPTED or c.kind is not Kind.INVITATION or c.channel is not Channel.SMS:
            continue
        if case.known.wants_lookup(c.line_type, now, policy):
            case.until, planned = now + grace, micros(c.planned_at)
            wanted[c.person] = min(wanted.get(c.person, planned), planned)
    if wanted:
        tx.run(LOOK_UP, sorted(wanted.items()), now=micros(now))


def _take_slots(tx: Tx, cases: list[_Case], now: datetime) -> None:
    """Give each person's place to the first that asks; the others are duplicates of whoever holds it."""
    firsts: dict[tuple[int, str], Candidate] = {}
    asking = [case for case in cases if case.code is Code.ACCEPTED]
    for case in asking:
        firsts.setdefault((case.candidate.app_id, case.candidate.person), case.candidate)
    if not firsts:
        return
    batch = [(app, person, c.id, micros(c.duplicate_until)) for (app, person), c in sorted(firsts.items())]
    won = {row[0] for row in tx.run(TAKE_SLOTS, batch, now=micros(now))}
    losers = [case for case in asking if case.candidate.id not in won]
    if not losers:
        return
    places = sorted({(case.candidate.app_id, case.candidate.person) for case in losers})
    held = {(row[0], row[1]): (row[2], row[3]) for row in tx.run(HELD_SLOTS, places)}
    for case in losers:
        holder, until = held[case.candidate.app_id, case.candidate.person]
        case.code, case.reason = Code.DUPLICATE, Code.DUPLICATE.sentence
        case.duplicate_of, case.reopens_at = holder, instant(until)


def _store(tx: Tx, cases: Sequence[_Case], now: datetime) -> None:
    tx.run(QUEUE, [_row(case, now) for case in cases])
    at = micros(now)
    discarded = [(c.candidate.id, c.candidate.app_id, int(c.code), at) for c in cases if c.code is not Code.ACCEPTED]
    if discarded:
        tx.run(OWE, discarded)


def _row(case: _Case, now: datetime) -> tuple[object, ...]:
    c, accepted = case.candidate, case.code is Code.ACCEPTED
    due, hold = c.planned_at, "quiet hours" if accepted and c.planned_at > c.created_at else ""
    if case.until is not None and case.until > due:
        due, hold = case.until, LOOKUP
    return (
        c.id, c.account_id, c.app_id, c.kind, c.channel, c.person, c.region,
        State.QUEUED if accepted else State.DISCARDED, int(case.code), case.reason, case.duplicate_of,
        None if case.reopens_at is None else micros(case.reopens_at), c.text, c.segments, c.os, c.reference, c.inviter,
        c.inviter_name, c.campaign, micros(c.created_at), micros(c.planned_at), micros(due), micros(c.expires_at),
        None if accepted else micros(now), hold, c.flow,
    )  # fmt: skip


def _answer_repeats(candidates: Sequence[Candidate], answers: dict[int, Admitted]) -> None:
    """Candidates of this very group that share a key with an earlier one of it get that one's answer."""
    firsts: dict[tuple[int, str], Candidate] = {}
    for c in candidates:
        if not c.key:
            continue
        first = firsts.setdefault((c.account_id, c.key), c)
        if c.id not in answers:
            answers[c.id] = replace(answers[first.id], replayed=True, conflict=first.digest != c.digest)
