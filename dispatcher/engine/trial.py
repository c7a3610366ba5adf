"""A trial of a connection: one real text at an operator's hand, and what the carrier made of it.

It goes the way of every submit, from the carrier's words through the transport, but not through the queue: no row is
written and no sender's room is taken, so it proves a connection that is paused or stopped too. Its id is minted like
any other, so the carrier sees what it will see; a receipt for it matches nothing and is pruned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from queue import Empty, SimpleQueue

from dispatcher.core.exchange import Fault, Outcome, Response, Submission
from dispatcher.core.invitation import OptOut
from dispatcher.core.person import person_of
from dispatcher.core.segments import count
from dispatcher.engine.checks import Wrong, check_texts
from dispatcher.engine.dispatch import Line
from dispatcher.engine.optouts import read_phone
from dispatcher.engine.ports import Clock, Ids
from dispatcher.engine.sender_settings import sender_number


class Trial:
    """Texts once by one connection."""

    def __init__(
        self,
        *,
        line: Line,
        senders: Sequence[str],
        opt_outs: Callable[[str], Sequence[OptOut]],
        pepper: bytes,
        ids: Ids,
        clock: Clock,
        patience: timedelta,
    ) -> None:
        """`senders` are the connection's own; `patience` outlasts what the transport needs for an answer."""
        self._line = line
        self._senders = senders
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
            raise Wrong(f"{self._line.name}: the request could not be built: {error}") from error
        answers: SimpleQueue[Response] = SimpleQueue()
        self._line.transport.start(request, answers.put, lane=self._line.name)
        try:
            response = answers.get(timeout=self._patience.total_seconds())
        except Empty:
            response = Response(fault=Fault.TIMEOUT)
        return self._line.carrier.read(response)
