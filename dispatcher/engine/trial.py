"""A trial of a connection: one real text at an operator's hand, what the carrier made of it, and what became of it.

It goes the way of every submit, from the carrier's words through the transport, but not through the queue: no row is
written and no sender's room is taken, so it proves a connection that is paused or stopped too. Its id is minted like
any other, so the carrier sees what it will see. Its receipts come to whoever takes the connection's, match no message,
and are kept as such; there the trial finds them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from dispatcher.core.exchange import Fate, Fault, Outcome, Receipt, Response, Submission
from dispatcher.core.invitation import OptOut
from dispatcher.core.lifecycle import Event
from dispatcher.core.person import person_of
from dispatcher.core.segments import count
from dispatcher.engine.checks import Wrong, check_texts
from dispatcher.engine.dispatch import Line
from dispatcher.engine.optouts import read_phone
from dispatcher.engine.ports import Clock, Ids
from dispatcher.engine.sender_settings import sender_number

LOOK: Final = 0.25  # seconds between two looks for receipts
SKEW: Final = timedelta(minutes=1)  # by which the clock of whoever takes receipts may be behind ours


class Unmatched(Protocol):
    """The receipts that match no message."""

    def take(self, connection_id: int, key: str, ref: str, since: datetime) -> Sequence[Receipt]:
        """Remove those for our key or the carrier's id that came after `since`."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a trial ended, as a sentence, and whether the connection may be trusted for it."""

    good: bool
    why: str


class Trial:
    """Texts once by one connection."""

    def __init__(
        self,
        *,
        line: Line,
        senders: Sequence[str],
        tells: bool,
        receipts: Unmatched,
        opt_outs: Callable[[str], Sequence[OptOut]],
        pepper: bytes,
        ids: Ids,
        clock: Clock,
        patience: timedelta,
    ) -> None:
        """`senders` are the connection's own; `patience` outlasts what the transport needs for an answer.

        `tells` is whether the connection reports on what it took.
        """
        self._line = line
        self._senders = senders
        self._tells = tells
        self._receipts = receipts
        self._opt_outs = opt_outs
        self._pepper = pepper
        self._ids = ids
        self._clock = clock
        self._patience = patience

    def prepare(self, to: str, sender: str, text: str) -> Submission:
        """What would be sent; without `sender` from the connection's first.

        Raises:
            Wrong: it cannot be, or the person opted out of anything: a STOP said to one app is none to try us by.
        """
        check_texts(text=text)
        phone = read_phone(to, "US")
        if self._opt_outs(person_of(self._pepper, phone.e164)):
            raise Wrong(f"to: {phone.e164} has opted out; end that first if it is a phone of your own")
        if not sender and not self._senders:
            raise Wrong(f"from: {self._line.name} has no sender; name one")
        key = str(self._ids())
        return Submission(
            key=key,
            sender=sender_number(sender)[0] if sender else self._senders[0],
            to=phone.e164,
            text=text,
            segments=count(text).segments,
            receipt_url=f"{self._line.receipt_url}?id={key}" if self._line.receipt_url else "",
        )

    def submit(self, mt: Submission) -> Outcome:
        """Send it, and wait for the answer. Raises Wrong where the connection's template does not fit."""
        try:
            request = self._line.carrier.build(mt, self._clock())
        except Exception as error:
            why = self._line.discretion.reason(str(error), mt.to)
            raise Wrong(f"{self._line.name}: the request could not be built: {why}") from None
        answers: SimpleQueue[Response] = SimpleQueue()
        self._line.transport.start(request, answers.put, lane=self._line.name)
        try:
            response = answers.get(timeout=self._patience.total_seconds())
        except Empty:
            response = Response(fault=Fault.TIMEOUT)
        return self._line.discretion.outcome(self._line.carrier.read(response), mt.to)

    def ends_with(self, outcome: Outcome) -> bool:
        """Whether nothing is to be waited for after this outcome of its submit."""
        final = outcome.final or self._line.acceptance_is_final or not self._tells
        return final if outcome.fate is Fate.TAKEN else outcome.fate is not Fate.UNKNOWN

    def follow(self, mt: Submission, outcome: Outcome, wait: float) -> Iterator[Receipt]:
        """The receipts for it that come within `wait` seconds, as they come, up to the one that is final."""
        since, end = self._clock() - SKEW - self._patience, time.monotonic() + wait
        while wait and not self.ends_with(outcome):
            for receipt in self._receipts.take(self._line.id, mt.key, outcome.ref, since):
                yield receipt
                if receipt.event is not Event.SUBMIT:
                    return
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(LOOK, left))

    def judge(self, outcome: Outcome, receipts: Sequence[Receipt], wait: float) -> Verdict:
        """What all that came says of the connection."""
        last = receipts[-1] if receipts else None
        if last and last.event is Event.DELIVER:
            return Verdict(good=True, why="delivered")
        if last and last.event is Event.REFUSE:
            return Verdict(good=False, why=f"not delivered ({int(last.code)}): {last.reason or 'without a reason'}")
        if outcome.fate not in (Fate.TAKEN, Fate.UNKNOWN):
            return Verdict(good=False, why=f"not taken: {outcome.reason or outcome.fate}")
        if outcome.fate is Fate.TAKEN and self.ends_with(outcome):
            return Verdict(good=True, why="taken; this connection tells no more")
        taken = "nobody can tell whether it was taken" if outcome.fate is Fate.UNKNOWN else "taken"
        if not wait:
            return Verdict(good=outcome.fate is Fate.TAKEN, why=f"{taken}; no receipt was waited for")
        if last:
            return Verdict(good=False, why=f"accepted, but no final receipt within {wait:g} s")
        url = self._line.receipt_url
        reach = f": is {url} reachable from the carrier?" if url else ""
        return Verdict(good=False, why=f"{taken}, but no receipt within {wait:g} s{reach}")
