"""The ledger checker: what customers were promised, what the database says, and what the carrier witnessed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from types import TracebackType
from typing import Final, Self

from dispatcher.core.lifecycle import FINAL, State, Word
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from tests.faults.tally import tally
from tests.processes import Customer, Receiver, Recorder

MESSAGES: Final = Statement("select id, state, code, reason, sent_at, completed_at from messages")
LIVE: Final = Statement("select count(*) from messages where state not in (select state from {rows})", "state text")
MARKED_BY: Final = Statement(
    "select a.message_id, w.pid from attempts a join workers w on w.id = a.worker_id order by a.generation"
)
OWED: Final = Statement("select message_id, kind, status, state from callbacks")
WITH_URL: Final = Statement("select m.id from messages m join apps a on a.id = m.app_id where a.callback_url <> ''")
SURELY_UNTAKEN: Final = {"throttle", "busy", "refuse"}  # answers of the recorder that leave nothing in doubt
UNKNOWN: Final = "outcome unknown"


@dataclass(frozen=True, slots=True)
class Audit:
    """What the books say: states, and the ids of which nobody knows whether the carrier took them."""

    states: Counter[str]
    unknown: frozenset[str]
    owed: Counter[str]


def live(database: Database) -> int:
    """How many messages are not final yet."""
    with database.read() as tx:
        return int(tx.run(LIVE, [(state,) for state in FINAL])[0][0])


def owing(database: Database) -> int:
    """How many callbacks are not over yet."""
    with database.read() as tx:
        return sum(row[3] in ("queued", "claimed") for row in tx.run(OWED))


def audit(
    database: Database,
    recorder: Recorder,
    receiver: Receiver,
    accepted: Mapping[str, str],
    killed: Mapping[int, int],
) -> Audit:
    """Check the books once nothing moves any more.

    `accepted` is the messageId that each reference was answered with; `killed` how many submits each work process that
    was killed or stopped may have had in flight, by its pid. The callback URL is ?id={messageId}&status={status}.
    """
    with database.read() as tx:
        rows = {str(row[0]): row[1:] for row in tx.run(MESSAGES)}
        marked_by = {str(row[0]): row[1] for row in tx.run(MARKED_BY)}  # the last time
        owed = tx.run(OWED)
    arrivals = Counter(submit.key for submit in recorder.submits())
    delivered = {key for key, row in rows.items() if row[0] == State.DELIVERED}
    unknown = frozenset(rows.keys() - delivered)
    tally.count(len(accepted), len({*accepted.values()} - rows.keys()), arrivals.total() - len(arrivals), len(unknown))
    # Accepted = final + live: no reference without its row, no row without its reference, no reference with two.
    assert sorted(rows) == sorted(accepted.values())
    assert len(set(accepted.values())) == len(accepted)

    # Nothing reaches the carrier twice, nothing reaches it that nobody asked for, and what it took is delivered.
    assert not [key for key, times in arrivals.items() if times > 1]
    assert delivered == set(arrivals) == {told.key for told in recorder.receipts()}

    # Whatever else there is was lost between mark and carrier by one that was killed or stopped, within its slots.
    assert {rows[key][:3] for key in unknown} <= {(State.FAILED, 124, UNKNOWN)}
    lost_by = Counter(marked_by[key] for key in unknown)
    assert all(times <= killed.get(pid, 0) for pid, times in lost_by.items()), (lost_by, killed)
    assert all(row[3] and row[4] for row in rows.values())  # when it was sent, and when it was over

    # One callback is owed for each, with the code of its end; a receipt may have corrected a 124 since.
    assert {(str(row[0]), row[1]) for row in owed} == {(key, "final") for key in rows}
    assert not [row for row in owed if row[2] != rows[str(row[0])][1] and (row[2], rows[str(row[0])][1]) != (124, 1)]
    # What counts as called was called, with that code, and a repeat of a process that was killed says the same.
    called = {(call.headers["dispatcher-delivery"], call.path) for call in receiver.calls}
    assert len(called) == len({delivery for delivery, _ in called})
    told = {path for _, path in called}
    assert not [row for row in owed if row[3] == "delivered" and f"/?id={row[0]}&status={row[2]}" not in told]
    return Audit(Counter(row[0] for row in rows.values()), unknown, Counter(row[3] for row in owed))


def balance(
    database: Database, recorder: Recorder, accepted: Iterable[str], *, most: int = 1
) -> dict[str, tuple[State, int, str]]:
    """Check what no fault may break, whatever ends it allows: state, code and reason of each accepted id.

    `most` is how often a carrier may be asked that may have taken it: more than once where the app declared that.
    """
    with database.read() as tx:
        rows = {str(row[0]): row[1:] for row in tx.run(MESSAGES)}
        owed = tx.run(OWED)
        with_url = {str(row[0]) for row in tx.run(WITH_URL)}
    ids = {*accepted}
    may_have_left = Counter(submit.key for submit in recorder.submits() if submit.behaviour not in SURELY_UNTAKEN)
    told = {told.key for told in recorder.receipts() if told.status == "delivered"}
    unknown = {key for key, row in rows.items() if row[2] == UNKNOWN}
    doubled = sum(max(0, times - most) for times in may_have_left.values())
    again = may_have_left.total() - len(may_have_left) - doubled
    tally.count(len(ids), len(ids - rows.keys()), doubled, len(unknown), again)
    assert rows.keys() == ids  # accepted = final + live
    assert not {key: row for key, row in rows.items() if row[0] not in FINAL}
    assert may_have_left.keys() <= ids
    assert not {key: times for key, times in may_have_left.items() if times > most}
    # What the carrier told is what the books say; what never left was not sent, what may have left was.
    assert not {key: rows[key] for key in told & ids if rows[key][0] != State.DELIVERED}
    assert {key for key, row in rows.items() if row[3]} <= may_have_left.keys() | unknown
    assert {(str(row[0]), row[1]) for row in owed} == {(key, "final") for key in with_url}
    assert not [row for row in owed if row[2] != rows[str(row[0])][1] and (row[2], rows[str(row[0])][1]) != (124, 1)]
    return {key: (State(row[0]), int(row[1]), str(row[2])) for key, row in rows.items()}


class Watch:
    """Asks for the status of what was accepted, again and again, and remembers every public word that it saw."""

    def __init__(self, customer: Customer, accepted: Mapping[str, str]) -> None:
        self.seen: dict[str, list[str]] = {}
        self._customer = customer
        self._accepted = accepted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def regressed(self) -> dict[str, list[str]]:
        """The messages whose public word changed other than once, from pending."""
        allowed = ([Word.PENDING], [Word.SENT], [Word.DISCARDED], [Word.PENDING, Word.SENT])
        return {
            key: words for key, words in self.seen.items() if words not in [*allowed, [Word.PENDING, Word.DISCARDED]]
        }

    def _run(self) -> None:
        while not self._stop.is_set():
            for message_id in [*self._accepted.values()][::7]:
                if self._stop.wait(0.005):
                    return
                try:
                    word = str(self._customer.status(message_id)["status"])
                except (OSError, HTTPException):
                    continue  # its process was killed
                words = self.seen.setdefault(message_id, [])
                if not words or words[-1] != word:
                    words.append(word)
