"""Taking work: lanes, claim, mark, settle, rescue. Every write about a row is fenced by its generation and its state.

The guards are read from the table of core.lifecycle: an event changes only rows in a state that knows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.decision import PACE, Discard, Send, Wait
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.invitation import Channel, Claimed, Kind, Policy
from dispatcher.core.lifecycle import FINAL, Event, State, advance, sources
from dispatcher.core.pacing import Room, gap_of
from dispatcher.core.senders import PATIENCE, LaneKey, Pool, Sender
from dispatcher.engine.ports import Lane, Marked, Rescued, Settled
from dispatcher.store.database import Database
from dispatcher.store.finals import close_books
from dispatcher.store.instants import AHEAD, MICROSECOND, instant, micros
from dispatcher.store.learning import learn
from dispatcher.store.optouts import STOPPED, reaches
from dispatcher.store.receipts import match_refs
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.sticky import REMEMBERED, remember
from dispatcher.store.words import kept


def states(*names: State) -> str:
    """A list of states as SQL writes it."""
    return ", ".join(f"'{name}'" for name in names)


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
# A stopped connection `c` until a submit is risked again.
LEFT_ALONE: Final = f"(c.stopped_at is not null and c.retry_at > {{clock}} and c.retry_at <= {{clock}} + {AHEAD})"
USABLE: Final = f"""senders s join connections c on c.id = s.connection_id
    where s.paused_at is null and (s.rest_until is null or s.rest_until <= {{clock}})
    and c.paused_at is null and not {LEFT_ALONE}"""
# The senders `s` that an app may use: its own, else the shared ones.
OF_APP: Final = """(exists (select 1 from sender_apps d where d.sender_id = s.id and d.app_id = {app})
    or (not exists (select 1 from sender_apps d where d.sender_id = s.id)
        and not exists (select 1 from sender_apps d where d.app_id = {app})))"""
POOL: Final = Statement(
    f"""select s.mps, s.free_at, s.daily_cap, s.day, s.used, s.holder, s.id, s.number, s.connection_id, s.region,
        s.weight, s.load, c.stopped_at is not null, case when c.stopped_at is null then c.in_flight else 1 end,
        {{clock}}
    from {USABLE}"""
)
NOBODY: Final = 0  # who holds a sender that no process holds
LET_GO: Final = Statement(f"update senders set holder = {NOBODY} where holder = :worker_id")
DEDICATED: Final = Statement("select sender_id, app_id from sender_apps")
CLOCK: Final = Statement("select {clock}")
CLAIM_TEXT: Final = """with due as (
        select id from messages
        where app_id = :app_id and region = :region and awaited = :awaited and flow = :flow
        and state = 'queued' and due_at <= :now {only}
        order by due_at, id limit :most {lock_skip})
    update messages set state = 'claimed', generation = generation + 1, awaited = 0, lease_until = {clock} + :lease
    from due where messages.id = due.id
    returning messages.id, generation, app_id, kind, channel, person, region, text, segments, tries, planned_at,
        expires_at, due_at, (select p.address from people p where p.person = cast(messages.person as text)),
        {opted_out},
        (select k.sender_id from sticky_senders k
            where k.person = cast(messages.person as text) and k.app_id = messages.app_id
            and k.used_at > :now - :remembered),
        case when tries = 0 then 0 else (select count(distinct x.sender_id) from attempts x
            where x.message_id = messages.id and x.fate = 'other_sender') end"""
OPTED_OUT: Final = f"""exists (select 1 from optouts o where o.person = cast(messages.person as text)
        and {reaches("o", "messages")})"""
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
LOCK_ROOM: Final = Statement(
    """select s.mps, s.free_at, s.daily_cap, s.day, s.used, s.holder, s.id, s.load
    from senders s join {rows} on r.id = s.id order by s.id {lock}""",
    "id bigint",
)
TAKE_ROOM: Final = Statement(
    """update senders set free_at = r.free_at, day = r.day, used = r.used, load = r.load, holder = :holder
    from {rows} where senders.id = r.id""",
    "id bigint, free_at bigint, day integer, used bigint, load float8",
)
ATTEMPT: Final = Statement(
    """insert into attempts (message_id, generation, sender_id, connection_id, worker_id, rule, started_at, fate, ref,
        reason)
    select message_id, generation, sender_id, connection_id, worker_id, rule, started_at, '', '', '' from {rows}""",
    "message_id bigint, generation integer, sender_id bigint, connection_id bigint, worker_id bigint, rule text, "
    "started_at bigint",
)
PUT_BACK: Final = Statement(
    f"""update messages set state = 'queued', due_at = r.due_at, hold = r.hold, awaited = r.awaited, lease_until = null
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
LEAVE_LINES: Final = Statement(
    """update messages set awaited = 0 where id in (
        select id from messages where state = 'queued' and awaited > 0 and planned_at < :now - :patience
        order by planned_at limit :most {lock_skip})
    returning id"""
)
TURN_DOWN: Final = Statement(
    f"""update messages set state = r.state, code = r.code, reason = r.reason, completed_at = :now, lease_until = null
    from {{rows}}
    where messages.id = r.id and messages.generation = r.generation and messages.state in ({states(State.CLAIMED)})
    returning messages.id""",
    "id bigint, generation integer, state text, code integer, reason text",
)
END_ATTEMPT: Final = Statement(
    """update attempts set ended_at = :now, fate = r.fate, ref = r.ref, reason = r.reason
    from {rows} where attempts.message_id = r.id and attempts.generation = r.generation""",
    "id bigint, generation integer, fate text, ref text, reason text",
)
STEP: Final = {
    event: Statement(
        f"""update messages set state = case messages.state
                {" ".join(f"when '{s}' then '{advance(s, event)}'" for s in sources(event))} end,
            code = r.code, reason = r.reason, due_at = r.due_at, hold = r.hold, tries = messages.tries + r.tried,
            sent_at = coalesce(messages.sent_at, r.sent_at),
            completed_at = coalesce(r.completed_at, messages.completed_at),
            lease_until = null
        from {{rows}}
        where messages.id = r.id and messages.generation = r.generation
        and messages.state in ({states(*sources(event))})
        returning messages.id, messages.state""",
        "id bigint, generation integer, code integer, reason text, due_at bigint, hold text, tried integer, "
        "sent_at bigint, completed_at bigint",
    )
    for event in (Event.SUBMIT, Event.RETRY, Event.REFUSE, Event.LOSE, Event.DELIVER, Event.CLOSE)
}
REST: Final = Statement(
    """update senders set rest_until = {clock} + :rest, rest_reason = :reason
    where id = :id and (rest_until is null or rest_until < {clock} + :rest)"""
)
STOP: Final = Statement(
    """update connections set stopped_at = coalesce(stopped_at, :now), stop_reason = :reason, retry_at = {clock} + :rest
    where id = :id"""
)
RESUME: Final = Statement(
    """update connections set stopped_at = null, stop_reason = '', retry_at = null
    where id in (select id from {rows}) and stopped_at is not null""",
    "id bigint",
)
HEARD: Final = Statement(
    "select count(*) from {rows} join messages m on m.id = r.id where m.state in ('submitted', 'delivered')",
    "id bigint",
)
NOTE_SILENCE: Final = Statement("update connections set silent_at = :at, silence = :why where id = :id")
RESCUE_TEXT: Final = f"""with lost as (
        select id from messages where state in ('claimed', 'submitting') and lease_until {{over}}
        order by lease_until limit :most {{lock_skip}})
    update messages set
        state = case state when 'claimed' then '{advance(State.CLAIMED, Event.DEFER)}'
            else '{advance(State.SUBMITTING, Event.LOSE)}' end,
        due_at = case state when 'claimed' then due_at else :doubt_until end,
        hold = case state when 'claimed' then hold else 'in doubt' end,
        lease_until = null
    from lost where messages.id = lost.id
    and messages.state in ('claimed', 'submitting') and messages.lease_until {{over}}
    returning messages.id, messages.state"""
# Two, for each reads its end of the index.
RESCUE: Final = Statement(RESCUE_TEXT.replace("{over}", "< {clock}"))
RESCUE_AHEAD: Final = Statement(RESCUE_TEXT.replace("{over}", f"> {{clock}} + {AHEAD}"))
# The last column is how often a doubt arose that nobody resolved, asked only where it matters.
OVERDUE: Final = Statement(
    f"""select m.id, m.generation, m.state, a.policy, m.clicked_at is not null,
        case when m.state = '{State.IN_DOUBT}' and a.policy = '{Policy.AT_LEAST_ONCE}' then (
            select count(*) from attempts t where t.message_id = m.id and t.fate in ('', '{Fate.UNKNOWN}'))
        else 0 end
    from messages m join apps a on a.id = m.app_id
    where m.state in ('submitted', 'in_doubt') and m.due_at <= :now order by m.due_at limit :most"""
)
# So many submits of one message may end in doubt: a carrier that takes each, answers nothing and reports nothing would
# else have one person texted all day.
MOST_IN_DOUBT: Final = 3


class MessageQueue:
    """The queue of all that goes out."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def lanes(self) -> list[Lane]:
        """Every line of queued rows."""
        with self._database.read() as tx:
            return [Lane(LaneKey(*row[:4]), instant(row[4])) for row in tx.run(LANES)]

    def pool(self, horizon: timedelta, worker_id: int | None, without: Collection[int] = ()) -> Pool:
        """The senders that may be used now, with the room that this process sees, under the database's clock.

        Without a worker, as whoever holds each of them sees it. Those of the connections in `without` are left out.
        """
        with self._database.read() as tx:
            found = [row for row in tx.run(POOL) if row[8] not in without]
            dedicated: dict[int, set[int]] = defaultdict(set)
            for sender_id, app_id in tx.run(DEDICATED):
                dedicated[sender_id].add(app_id)
            now = found[0][14] if found else tx.run(CLOCK)[0][0]
        ahead = horizon // MICROSECOND
        senders = {}
        for row in found:
            room = _room(row).read_at(now, ahead)
            senders[row[6]] = Sender(
                id=row[6],
                number=row[7],
                connection_id=row[8],
                room=room if worker_id is None or row[5] in (worker_id, NOBODY) else room.seen_by_another(now, ahead),
                region=row[9],
                weight=row[10],
                load=row[11],
                apps=frozenset(dedicated.get(row[6], ())),
            )
        return Pool(
            now=now,
            horizon=ahead,
            senders=senders,
            capacity={row[8]: row[13] for row in found},
            stopped=frozenset(row[8] for row in found if row[12]),
            owners=frozenset(app_id for owned in dedicated.values() for app_id in owned),
        )

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

    def let_go(self, worker_id: int) -> None:
        """Leave the senders that this process holds to others; nothing that it marked may begin any more."""
        with self._database.write() as tx:
            tx.run(LET_GO, worker_id=worker_id)

    def settle(self, results: Sequence[Settled], now: datetime) -> int:
        """Write outcomes; how many came too late to change their row."""
        with self._database.write() as tx:
            tx.run(END_ATTEMPT, [
                (s.message_id, s.generation, s.outcome.fate, kept(s.outcome.ref), kept(s.outcome.reason))
                for s in results
            ], now=micros(now))  # fmt: skip
            changed = step(tx, results, now)
            match_refs(tx, [s.message_id for s in results if s.outcome.ref], now)
        return len(results) - changed

    def rest_sender(self, sender_id: int, rest: timedelta, reason: str) -> None:
        """Leave a sender out of the pool for a while."""
        with self._database.write() as tx:
            tx.run(REST, id=sender_id, rest=rest // MICROSECOND, reason=kept(reason))

    def stop_connection(self, connection_id: int, reason: str, rest: timedelta, now: datetime) -> None:
        """Leave a connection out for `rest`, then risk one submit; its queue is kept."""
        with self._database.write() as tx:
            tx.run(STOP, id=connection_id, reason=kept(reason), rest=rest // MICROSECOND, now=micros(now))

    def resume_connections(self, connection_ids: Sequence[int]) -> None:
        """A submit went through again: the stop is over."""
        with self._database.write() as tx:
            tx.run(RESUME, [(i,) for i in connection_ids])

    def heard_of(self, message_ids: Sequence[int]) -> bool:
        """Whether any of these was taken, as its carrier told since."""
        with self._database.read() as tx:
            return bool(tx.run(HEARD, [(i,) for i in message_ids])[0][0])

    def note_silence(self, connection_id: int, why: str, now: datetime) -> None:
        """Write down for operators why a process leaves a connection alone; "" once it is heard again."""
        with self._database.write() as tx:
            tx.run(NOTE_SILENCE, id=connection_id, at=micros(now) if why else None, why=kept(why))

    def rescue(self, now: datetime, doubt: timedelta, most: int) -> Rescued:
        """One page of sweeping: leases that ran out, receipts that never came, doubts that nobody resolved."""
        self._database.end_stuck()
        with self._database.write() as tx:
            given = {"doubt_until": micros(now + doubt), "most": most}
            back = [*tx.run(RESCUE, **given), *tx.run(RESCUE_AHEAD, **given)]
            tx.run(LEAVE_LINES, now=micros(now), patience=PATIENCE, most=most)
            overdue = tx.run(OVERDUE, now=micros(now), most=most)
            step(tx, [_closing(row, now) for row in overdue], now)
        requeued = sum(1 for _, state in back if state == State.QUEUED)
        return Rescued(requeued, len(back) - requeued, len(overdue))


def _room(row: Row) -> Room:
    """What stands in the first five columns."""
    return Room(gap_of(row[0]), free_at=row[1], daily_cap=row[2], day=row[3], used=row[4])


def _claim(tx: Tx, statement: Statement, lane: LaneKey, most: int, now: datetime, lease: timedelta) -> list[Claimed]:
    rows = tx.run(
        statement,
        **lane._asdict(),
        most=most,
        now=micros(now),
        lease=lease // MICROSECOND,
        remembered=REMEMBERED // MICROSECOND,
    )
    return [_claimed(row, lane) for row in rows]


def _in_order(found: Sequence[Claimed]) -> list[Claimed]:
    return sorted(found, key=lambda row: (row.due_at, row.id))


def _claimed(row: Row, lane: LaneKey) -> Claimed:
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
        sticky_sender=row[15],
        refused_by=row[16],
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
    locked = tx.run(LOCK_ROOM, [(i,) for i in sorted({s.choice.sender.id for s in winners})])
    clock, ahead = tx.run(CLOCK)[0][0], horizon // MICROSECOND
    rooms, loads = {}, {}
    for row in locked:
        mine = row[5] in (worker_id, NOBODY)
        room = _room(row).read_at(clock, ahead)
        rooms[row[6]] = room if mine else room.seen_by_another(clock, ahead)
        loads[row[6]] = row[7]
    marked, late, used = [], [], set()
    for send in winners:
        sender, segments = send.choice.sender, send.row.segments
        room = rooms[sender.id]
        slot = room.slot(clock, segments)
        if slot > clock + ahead:  # another process took this room meanwhile
            until = now + (slot - clock - ahead) * MICROSECOND
            due, awaited = (send.row.due_at, sender.id) if send.choice.awaited else (until, 0)
            late.append((send.row.id, send.row.generation, micros(due), PACE, awaited))
            continue
        used.add(sender.id)
        rooms[sender.id] = room.charged(segments, clock)
        loads[sender.id] = max(loads[sender.id], send.choice.load) + segments / sender.weight
        rest = room.rest(segments)
        marked.append((send, Marked(
            send.row, sender.number, sender.id, sender.connection_id,
            delay=(slot - clock) * MICROSECOND, rest=None if rest is None else rest * MICROSECOND,
        )))  # fmt: skip
    if late:
        tx.run(PUT_BACK, late)
    tx.run(TAKE_ROOM, [
        (i, room.free_at, room.day, room.used, loads[i]) for i, room in sorted(rooms.items()) if i in used
    ], holder=worker_id)  # fmt: skip
    remember(tx, [m for _, m in marked], now)
    tx.run(ATTEMPT, [
        (m.row.id, m.row.generation, m.sender_id, m.connection_id, worker_id, send.choice.rule, micros(now))
        for send, m in marked
    ])  # fmt: skip
    return [m for _, m in marked]


def step(tx: Tx, results: Sequence[Settled], now: datetime) -> int:
    """Move rows by their events and close the books of those that are final; how many rows moved."""
    by_event: dict[Event, list[Settled]] = defaultdict(list)
    for result in results:
        by_event[result.event].append(result)
    moved: list[tuple[int, State]] = []
    for event, batch in by_event.items():
        rows = [_step_row(s, now) for s in sorted(batch, key=lambda s: s.message_id)]
        moved += [(row[0], State(row[1])) for row in tx.run(STEP[event], rows)]
    ended = [message_id for message_id, state in moved if state in FINAL]
    close_books(tx, ended, now)
    refused = {s.message_id: s.code for s in by_event[Event.REFUSE]}
    learn(tx, {message_id: refused[message_id] for message_id in ended if message_id in refused}, now)
    return len(moved)


def _step_row(s: Settled, now: datetime) -> Row:
    final = s.event in (Event.REFUSE, Event.DELIVER, Event.CLOSE)
    hold = {Event.LOSE: "in doubt", Event.RETRY: "retry"}.get(s.event, "")
    return (
        s.message_id, s.generation, int(s.code), kept(s.outcome.reason) if s.code >= Code.DENIED or hold else "",
        micros(s.due_at), hold, int(s.tried), micros(now) if s.sent else None, micros(now) if final else None,
    )  # fmt: skip


def _closing(row: Row, now: datetime) -> Settled:
    """What becomes of a row that nobody will ever tell about (semantics.md, Life and Taking work)."""
    message_id, generation, state, policy, clicked, doubts = row
    if clicked:  # it surely arrived
        arrived = Outcome(Fate.TAKEN)
        return Settled(message_id, generation, Event.DELIVER, arrived, Code.DELIVERED, now, sent=True)
    if state == State.IN_DOUBT and policy == Policy.AT_LEAST_ONCE and doubts < MOST_IN_DOUBT:
        again = Outcome(Fate.LATER, reason="outcome unknown, sent again as the app wants")
        return Settled(message_id, generation, Event.RETRY, again, Code.ACCEPTED, now, sent=True, tried=True)
    reason = "outcome unknown" if state == State.IN_DOUBT else "no receipt"
    return Settled(
        message_id, generation, Event.CLOSE, Outcome(Fate.UNKNOWN, reason=reason), Code.SEND_FAILED, now, sent=True
    )
