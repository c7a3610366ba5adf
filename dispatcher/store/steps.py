"""The step of a row from state to state by an event, and the books of what it ends.

The guards are read from the table of core.lifecycle: an event changes only rows in a state that knows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.decision import AGAIN
from dispatcher.core.lifecycle import FINAL, Event, State, advance, sources
from dispatcher.engine.ports import Settled
from dispatcher.store.finals import close_books
from dispatcher.store.instants import micros
from dispatcher.store.learning import learn
from dispatcher.store.statement import Row, Statement, Tx
from dispatcher.store.words import kept


def states(*names: State) -> str:
    """A list of states as SQL writes it."""
    return ", ".join(f"'{name}'" for name in names)


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
    hold = {Event.LOSE: "in doubt", Event.RETRY: AGAIN}.get(s.event, "")
    return (
        s.message_id, s.generation, int(s.code), kept(s.outcome.reason) if s.code >= Code.DENIED or hold else "",
        micros(s.due_at), hold, int(s.tried), micros(now) if s.sent else None, micros(now) if final else None,
    )  # fmt: skip
