"""Taking work: lanes, claim, mark, settle. Every write about a row is fenced by its generation and its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.decision import Discard, Send, Wait, paced
from dispatcher.core.exchange import Fate
from dispatcher.core.invitation import Channel, Claimed, Kind
from dispatcher.core.lifecycle import State
from dispatcher.core.senders import LaneKey
from dispatcher.engine.ports import Lane, Marked, Settled
from dispatcher.store.database import Database
from dispatcher.store.finals import close_books
from dispatcher.store.instants import MICROSECOND, instant, micros
from dispatcher.store.optouts import STOPPED, opted_out
from dispatcher.store.receipts import LOCK, Reach, match_refs
from dispatcher.store.rooms import Rooms, give_back
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.steps import states, step
from dispatcher.store.sticky import REMEMBERED, remember
from dispatcher.store.words import kept

# From app to app, country to country and so on along the index of queued rows; comparing all at once reads all of it.
LANES: Final = Statement(
    """with recursive app (app_id) as (
        select min(app_id) from messages where state = 'queued'
        union all
        select (select min(m.app_id) from messages m where m.state = 'queued' and m.app_id > app.app_id)
        from app where app.app_id is not null),
    lane (app_id, region) as (
        select app_id, (select min(m.region) from messages m where m.state = 'queued' and m.app_id = app.app_id)
        from app where app_id is not null
        union all
        select app_id, (select min(m.region) from messages m
            where m.state = 'queued' and m.app_id = lane.app_id and m.region > lane.region)
        from lane where region is not null),
    line (app_id, region, awaited) as (
        select app_id, region, (select min(m.awaited) from messages m
            where m.state = 'queued' and m.app_id = lane.app_id and m.region = lane.region)
        from lane where region is not null
        union all
        select app_id, region, (select min(m.awaited) from messages m
            where m.state = 'queued' and m.app_id = line.app_id and m.region = line.region
            and m.awaited > line.awaited)
        from line where awaited is not null),
    flow (app_id, region, awaited, flow) as (
        select app_id, region, awaited, (select min(m.flow) from messages m
            where m.state = 'queued' and m.app_id = line.app_id and m.region = line.region
            and m.awaited = line.awaited)
        from line where awaited is not null
        union all
        select app_id, region, awaited, (select min(m.flow) from messages m
            where m.state = 'queued' and m.app_id = flow.app_id and m.region = flow.region
            and m.awaited = flow.awaited and m.flow > flow.flow)
        from flow where flow is not null)
    select app_id, region, awaited, flow, (select min(m.due_at) from messages m
        where m.state = 'queued' and m.app_id = flow.app_id and m.region = flow.region
        and m.awaited = flow.awaited and m.flow = flow.flow)
    from flow where flow is not null order by app_id, region, awaited, flow"""
)
CLAIM_TEXT: Final = """with due as (
        select id from messages
        where app_id = :app_id and region = :region and awaited = :awaited and flow = :flow
        and state = 'queued' and due_at <= :now {only}
        order by due_at, id limit :most {lock_skip})
    update messages set state = 'claimed', generation = generation + 1,
        awaited = case when awaited < 0 then awaited else 0 end, lease_until = {clock} + :lease
    from due where messages.id = due.id
    returning messages.id, generation, app_id, kind, channel, person, region, text, segments, tries, planned_at,
        expires_at, due_at, (select p.address from people p where p.person = cast(messages.person as text)),
        {opted_out},
        (select k.sender_id from sticky_senders k
            where k.person = cast(messages.person as text) and k.app_id = messages.app_id
            and k.used_at > :now - :remembered),
        case when tries = 0 then 0 else (select count(distinct x.sender_id) from attempts x
            where x.message_id = messages.id and x.fate = 'other_sender') end,
        case when tries = 0 and hold <> 'retry' then 0 else coalesce((
            select case when x.fate in ('later', 'stop_carrier') then x.connection_id end from attempts x
            where x.message_id = messages.id order by x.generation desc limit 1), 0) end,
        (tries > 0 or hold = 'retry') and exists (
            select 1 from attempts x where x.message_id = messages.id and x.fate = 'stop_carrier')"""
OPTED_OUT: Final = opted_out("messages")
CLAIM: Final = Statement(CLAIM_TEXT.replace("{opted_out}", OPTED_OUT).replace("{only}", ""))
CLAIM_EXPIRED: Final = Statement(
    CLAIM_TEXT.replace("{opted_out}", OPTED_OUT).replace("{only}", "and expires_at <= :now")
)
# Asked again: who opted out since the claim must not be texted after they were told so.
STOPPED_KINDS: Final = ", ".join(f"'{kind}'" for kind in STOPPED)
MARK: Final = Statement(
    f"""update messages set state = 'submitting', sender_id = r.sender_id, hold = '', lease_until = {{clock}} + :lease
    from {{rows}}
    where messages.id = r.id and messages.generation = r.generation and messages.state = 'claimed'
    and messages.lease_until > {{clock}} and (messages.kind not in ({STOPPED_KINDS}) or not {OPTED_OUT})
    returning messages.id""",
    "id bigint, generation integer, sender_id bigint",
)
ATTEMPT: Final = Statement(
    """insert into attempts (message_id, generation, sender_id, connection_id, worker_id, rule, started_at, day,
        fate, ref, reason)
    select message_id, generation, sender_id, connection_id, worker_id, rule, started_at, day, '', '', ''
    from {rows}""",
    "message_id bigint, generation integer, sender_id bigint, connection_id bigint, worker_id bigint, rule text, "
    "started_at bigint, day integer",
)
PUT_BACK: Final = Statement(
    f"""update messages set state = 'queued', due_at = r.due_at, hold = r.hold, lease_until = null,
        awaited = case when messages.awaited < 0 then messages.awaited else r.awaited end
    from {{rows}}
    where messages.id = r.id and messages.generation = r.generation
    and messages.state in ({states(State.CLAIMED, State.SUBMITTING)})""",
    "id bigint, generation integer, due_at bigint, hold text, awaited bigint",
)
LEAVE_LINE: Final = Statement(
    """update messages set awaited = 0 where id in (
        select id from messages where app_id = :app_id and region = :region and awaited = :awaited and flow = :flow
        and state = 'queued' limit :most {lock_skip})
    returning id"""
)
TURN_DOWN: Final = Statement(
    f"""update messages set state = r.state, code = r.code, reason = r.reason, completed_at = :now, lease_until = null
    from {{rows}}
    where messages.id = r.id and messages.generation = r.generation and messages.state in ({states(State.CLAIMED)})
    returning messages.id""",
    "id bigint, generation integer, state text, code integer, reason text",
)
# A carrier that was asked since may have told of one of which its own result tells nothing.
END_ATTEMPT: Final = Statement(
    f"""update attempts set ended_at = :now, fate = r.fate, reason = r.reason,
        ref = case when r.ref = '' then attempts.ref else r.ref end
    from {{rows}} where attempts.message_id = r.id and attempts.generation = r.generation
    and (r.fate <> '{Fate.UNKNOWN}' or attempts.fate in ('', '{Fate.UNKNOWN}'))""",
    "id bigint, generation integer, fate text, ref text, reason text",
)
ASK: Final = Statement(
    """update attempts set ask_at = r.ask_at from {rows}
    where attempts.message_id = r.id and attempts.generation = r.generation""",
    "id bigint, generation integer, ask_at bigint",
)
ASKED: Final = Statement(
    """select a.message_id from {rows} join attempts a on a.message_id = r.id and a.generation = r.generation
    where a.asks > 0""",
    "id bigint, generation integer",
)
UNSENT: Final = frozenset({Fate.LATER, Fate.OTHER_SENDER, Fate.STOP_CARRIER})  # surely, and may be tried again


class MessageQueue:
    """The queue of all that goes out."""

    def __init__(self, database: Database, reach: Reach | None = None) -> None:
        """Work on this database; `reach` hears of receipts that came before the results that name their messages."""
        self._database = database
        self._reach = reach

    def lanes(self) -> list[Lane]:
        """Every line of queued rows."""
        with self._database.read() as tx:
            return [Lane(LaneKey(*row[:4]), instant(row[4])) for row in tx.run(LANES)]

    def claim(self, wants: Mapping[LaneKey, int], now: datetime, lease: timedelta) -> list[Claimed]:
        """Take up to so many due rows of each lane, the longest due first, under a lease and a new generation."""
        with self._database.write() as tx:
            found = [row for lane, most in wants.items() for row in _claim(tx, CLAIM, lane, most, now, lease)]
        return _in_order(found)

    def claim_expired(self, lanes: Sequence[LaneKey], most: int, now: datetime, lease: timedelta) -> list[Claimed]:
        """Take up to `most` due rows of these lanes that are past their validity, the longest due first."""
        found: list[Claimed] = []
        with self._database.write() as tx:
            for lane in lanes:
                found += _claim(tx, CLAIM_EXPIRED, lane, most - len(found), now, lease)
        return _in_order(found)

    def leave_line(self, lanes: Sequence[LaneKey], most: int) -> None:
        """Let up to `most` rows of each of these no longer wait for the sender that is awaited there."""
        with self._database.write() as tx:
            for lane in lanes:
                tx.run(LEAVE_LINE, **lane._asdict(), most=most)

    def mark(
        self,
        sends: Sequence[Send],
        waits: Sequence[Wait],
        discards: Sequence[Discard],
        *,
        now: datetime,
        lease: timedelta,
        horizon: timedelta,
        worker_id: int,
    ) -> list[Marked]:
        """Write the decisions. What comes back is marked `submitting`, has its attempt row and its sender's room."""
        with self._database.write() as tx:
            if waits:
                tx.run(PUT_BACK, [(w.row.id, w.row.generation, micros(w.until), w.why, w.awaited) for w in waits])
            if discards:
                _turn_down(tx, discards, now)
            return _mark(tx, sends, now, lease, horizon, worker_id) if sends else []

    def settle(self, results: Sequence[Settled], now: datetime) -> int:
        """Write outcomes; how many came too late to change their row."""
        told = len(results)
        with self._database.write() as tx:
            results = _still_true(tx, results)
            changed = step(tx, results, now)  # messages before attempts, as receipts do
            end_attempts(tx, results, now, asked=False)
            if doubts := [(s.message_id, s.generation, micros(s.ask_at)) for s in results if s.ask_at]:
                tx.run(ASK, doubts)
            match_refs(tx, [s.message_id for s in results if s.outcome.ref], now, self._reach)
        return told - changed


def _still_true(tx: Tx, results: Sequence[Settled]) -> Sequence[Settled]:
    """Without those that were surely not sent when a process came to them, of which another asked since.

    To ask may be to submit, so their carrier has the last word.
    """
    unsent = sorted((s.message_id, s.generation) for s in results if s.outcome.fate in UNSENT)
    if not unsent:
        return results
    tx.run(LOCK, [(message_id,) for message_id, _ in unsent])  # who asks locks them too: one of the two comes first
    asked = {row[0] for row in tx.run(ASKED, unsent)}
    return [s for s in results if s.message_id not in asked] if asked else results


def end_attempts(tx: Tx, results: Sequence[Settled], now: datetime, *, asked: bool) -> None:
    """Write what submits came to into their attempts, and give back what they did not use of a day's cap."""
    give_back(tx, results, asked=asked)
    rows = [(s.message_id, s.generation, s.outcome.fate, kept(s.outcome.ref), kept(s.outcome.reason)) for s in results]
    tx.run(END_ATTEMPT, sorted(rows), now=micros(now))  # in one order, else two that tell of the same block each other


def _claim(tx: Tx, statement: Statement, lane: LaneKey, most: int, now: datetime, lease: timedelta) -> list[Claimed]:
    rows = tx.run(
        statement,
        **lane._asdict(),
        most=most,
        now=micros(now),
        lease=lease // MICROSECOND,
        remembered=REMEMBERED // MICROSECOND,
    )
    return [_in_lane(row, lane) for row in rows]


def _in_order(found: Sequence[Claimed]) -> list[Claimed]:
    return sorted(found, key=lambda row: (row.due_at, row.id))


def claimed_of(row: Row) -> Claimed:
    """The message in the first fifteen columns of a claim, in their order."""
    return Claimed(
        id=row[0],
        generation=row[1],
        app_id=row[2],
        kind=Kind(row[3]),
        channel=Channel(row[4]),
        person=row[5],
        region=row[6],
        text=row[7],
        segments=row[8],
        tries=row[9],
        planned_at=instant(row[10]),
        expires_at=instant(row[11]),
        due_at=instant(row[12]),
        address=row[13],
        opted_out=bool(row[14]),
    )


def _in_lane(row: Row, lane: LaneKey) -> Claimed:
    return replace(
        claimed_of(row),
        sticky_sender=row[15],
        refused_by=row[16],
        untaken_by=row[17],
        forbidden=bool(row[18]),
        awaited=lane.awaited,
        flow=lane.flow,
    )


def _turn_down(tx: Tx, discards: Sequence[Discard], now: datetime) -> None:
    rows = [
        (d.row.id, d.row.generation, State.EXPIRED if d.expired else State.DISCARDED, int(d.code), d.why)
        for d in discards
    ]
    close_books(tx, [row[0] for row in tx.run(TURN_DOWN, rows, now=micros(now))], now)


def _mark(
    tx: Tx, sends: Sequence[Send], now: datetime, lease: timedelta, horizon: timedelta, worker_id: int
) -> list[Marked]:
    won = {row[0] for row in tx.run(
        MARK, [(s.row.id, s.row.generation, s.choice.sender.id) for s in sends], lease=lease // MICROSECOND
    )}  # fmt: skip
    winners = [s for s in sends if s.row.id in won]
    lost = [(s.row.id, s.row.generation, micros(now), "", 0) for s in sends if s.row.id not in won]
    if lost:  # taken over by another process, which this does not touch, or opted out, which the next claim sees
        tx.run(PUT_BACK, lost)
    if not winners:
        return []
    rooms = Rooms(tx, [s.choice.sender.id for s in winners], worker_id, horizon)
    marked, late = [], []
    for send in winners:
        sender, segments = send.choice.sender, send.row.segments
        delay = rooms.delay(sender.id, segments)
        if delay > horizon:  # another process took this room meanwhile
            due, awaited = (send.row.due_at, sender.id) if send.choice.awaited else (now + delay - horizon, 0)
            late.append((send.row.id, send.row.generation, micros(due), paced(send.row), awaited))
            continue
        rest = rooms.take(sender.id, segments, send.choice)
        row = Marked(send.row, sender.number, sender.id, sender.connection_id, delay, rest)
        marked.append((row, send.choice.rule, rooms.day(sender.id)))
    if late:
        tx.run(PUT_BACK, late)
    rooms.keep()
    remember(tx, [m for m, _, _ in marked], now)
    tx.run(ATTEMPT, [
        (m.row.id, m.row.generation, m.sender_id, m.connection_id, worker_id, rule, micros(now), day)
        for m, rule, day in marked
    ])  # fmt: skip
    return [m for m, _, _ in marked]
