"""The sweep: leases that ran out, waits for a sender that are too long, ends that nobody will ever tell."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.invitation import Kind, Policy
from dispatcher.core.lifecycle import Event, State, advance
from dispatcher.core.senders import PATIENCE
from dispatcher.engine.ports import Rescued, Settled
from dispatcher.store.database import Database
from dispatcher.store.instants import AHEAD, micros
from dispatcher.store.statement import Row, Statement
from dispatcher.store.steps import step

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
    returning messages.id, messages.state, messages.generation"""
# Two, for each reads its end of the index.
RESCUE: Final = Statement(RESCUE_TEXT.replace("{over}", "< {clock}"))
RESCUE_AHEAD: Final = Statement(RESCUE_TEXT.replace("{over}", f"> {{clock}} + {AHEAD}"))
ASK_LOST: Final = Statement(
    """update attempts set ask_at = :ask_at from {rows}
    where attempts.message_id = r.id and attempts.generation = r.generation
    and attempts.connection_id = r.connection_id""",
    "id bigint, generation integer, connection_id bigint",
)
# The last column is how often a doubt arose that nobody resolved, asked only where it matters.
OVERDUE: Final = Statement(
    f"""select m.id, m.generation, m.state, case when m.kind = '{Kind.INVITATION}' then a.policy else '' end,
        m.clicked_at is not null,
        case when m.state = '{State.IN_DOUBT}' and a.policy = '{Policy.AT_LEAST_ONCE}' then (
            select count(*) from attempts t where t.message_id = m.id and t.fate in ('', '{Fate.UNKNOWN}'))
        else 0 end
    from messages m join apps a on a.id = m.app_id
    where m.state in ('submitted', 'in_doubt') and m.due_at <= :now order by m.due_at limit :most"""
)
# Named twice, since SQLite takes a partial index for its own words alone; `:until` leaves out what waits for a receipt.
IN_DOUBT: Final = Statement(
    """select count(*) from messages
    where state in ('submitted', 'in_doubt') and state = 'in_doubt' and due_at <= :until"""
)
LEAVE_LINES: Final = Statement(
    """update messages set awaited = 0 where id in (
        select id from messages where state = 'queued' and awaited > 0 and planned_at < :now - :patience
        order by planned_at limit :most {lock_skip})
    returning id"""
)
# So many submits of one message may end in doubt: a carrier that takes each, answers nothing and reports nothing would
# else have one person texted all day.
MOST_IN_DOUBT: Final = 3


class Sweeper:
    """Sweeps what other processes, carriers and senders left undone."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def rescue(
        self,
        now: datetime,
        doubt: timedelta,
        most: int,
        answerable: Collection[int] = (),
        ask_at: datetime | None = None,
    ) -> Rescued:
        """One page of sweeping: leases that ran out, receipts that never came, doubts that nobody resolved.

        What is in doubt then of the connections that are `answerable` is asked about at `ask_at`.
        """
        self._database.end_stuck()
        with self._database.write() as tx:
            given = {"doubt_until": micros(now + doubt), "most": most}
            back = [*tx.run(RESCUE, **given), *tx.run(RESCUE_AHEAD, **given)]
            lost = [(row[0], row[2]) for row in back if row[1] == State.IN_DOUBT]
            if lost and ask_at and answerable:
                tx.run(ASK_LOST, [(*row, i) for row in lost for i in answerable], ask_at=micros(ask_at))
            tx.run(LEAVE_LINES, now=micros(now), patience=PATIENCE, most=most)
            overdue = tx.run(OVERDUE, now=micros(now), most=most)
            step(tx, [_closing(row, now) for row in overdue], now)
        return Rescued(len(back) - len(lost), len(lost), len(overdue))

    def in_doubt(self, until: datetime) -> int:
        """How many invitations are in doubt that are closed by then."""
        with self._database.read() as tx:
            return int(tx.run(IN_DOUBT, until=micros(until))[0][0])


def _closing(row: Row, now: datetime) -> Settled:
    """What becomes of a row that nobody will ever tell about."""
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
