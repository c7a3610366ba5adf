"""Callbacks: the customer's URL is called once for a final outcome, again on a schedule until it answers."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.core.placeholders import expand_url, wire_url
from dispatcher.core.retry import Again, Done, StopEndpoint, callback_next, endpoint_rest
from dispatcher.core.senders import shares
from dispatcher.engine.ports import Called, Clock, Due, Outbox
from dispatcher.engine.transport import Transport

NAMES: Final = frozenset({"messageId", "referenceId", "phone", "status", "completionDate"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LEASE: Final = timedelta(seconds=60)
MOST_PER_TURN: Final = 512
MOST_PER_LANE: Final = 16  # unanswered calls of one endpoint: one at first, one more after each success, see `_trusted`
SPARED: Final = 8  # one slot in so many is kept for endpoints that hold none, and ailing ones together get no more


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint said to one try."""

    due: Due
    response: Response


class Callbacks:
    """Makes the calls that are owed."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        transport: Transport,
        put: Callable[[Answer], None],
        clock: Clock,
        jitter: Callable[[], float],
        alive: Callable[[], bool],
        monotonic: Callable[[], float],
        timeout: timedelta,
    ) -> None:
        """`put` gathers answers for `settle`; `timeout` is the transport's, which a lease must outlast."""
        self._outbox = outbox
        self._transport = transport
        self._put = put
        self._clock = clock
        self._jitter = jitter
        self._alive = alive
        self._monotonic = monotonic
        self._turns = 0
        self._open: Counter[int] = Counter()  # calls that are not answered yet, by app
        self._probing = 0  # of these, how many are probes of ailing endpoints
        self._trusted: Counter[int] = Counter()  # how many more than one may be open, by app; a failure takes half
        self._lock = Lock()
        self._patience = (LEASE - timeout - timedelta(seconds=5)).total_seconds()

    def turn(self) -> timedelta | None:
        """Begin the calls that are due, as many as there are slots; zero when there may be more."""
        room = min(self._transport.room(), MOST_PER_TURN)
        if not self._alive() or room <= 0:
            return None
        now = self._clock()
        lanes = list(self._outbox.lanes(now).items())
        start = self._turns % max(1, len(lanes))
        self._turns += 1
        wants, probes = self._shares([*lanes[start:], *lanes[:start]], room)
        if not wants:
            return None
        until = self._monotonic() + self._patience
        taken = self._outbox.claim(wants, now, LEASE, probes)
        for due in taken:
            self._call(due, until)
        return timedelta(0) if taken else None

    def _shares(self, lanes: Sequence[tuple[int, int]], room: int) -> tuple[Mapping[int, int], Collection[int]]:
        """How many calls of each app may begin, and the apps of which that is a probe."""
        with self._lock:
            held = self._open.copy()
        spared = (room + held.total()) // SPARED
        wants: dict[int, int] = {}
        probes: set[int] = set()
        for app_id, rests in lanes:
            most = 1 + self._trusted[app_id]
            if not rests and held[app_id] < most:
                wants[app_id] = most - held[app_id]
            elif rests and not held[app_id] and self._probing + len(probes) < max(1, spared):
                wants[app_id] = 1
                probes.add(app_id)
        first = shares(room, {app_id: 1 for app_id in wants if not held[app_id] and app_id not in probes})
        left = {app_id: wanted - first.get(app_id, 0) for app_id, wanted in wants.items()}
        more = shares(max(0, room - len(first) - spared), left)
        return Counter(first) + Counter(more), probes

    def _call(self, due: Due, until: float) -> None:
        try:
            url = wire_url(expand_url(due.url, values_of(due)))
        except ValueError as error:  # refused when it is configured, so it was written past the command line
            self._put(Answer(due, Response(400, detail=f"callback URL: {error}")))
            return
        seconds = int(self._clock().timestamp())
        headers = {
            "Dispatcher-Delivery": f"{due.subject_id}-{due.kind}",
            "Dispatcher-Signature": signature(due.secret, seconds, "GET", url, b""),
            "Accept": "*/*",
        }
        with self._lock:
            self._open[due.app_id] += 1
            self._probing += due.rests > 0

        def answered(response: Response) -> None:
            with self._lock:
                self._open[due.app_id] -= 1
                self._probing -= due.rests > 0
                if _ails(response):
                    self._trusted[due.app_id] //= 2
                elif response.fault is not Fault.UNSENT:
                    self._trusted[due.app_id] = min(self._trusted[due.app_id] + 1, MOST_PER_LANE - 1)
            self._put(Answer(due, response))

        self._transport.start(Request("GET", url, headers), answered, lane=str(due.app_id), until=until)

    def settle(self, answers: Sequence[Answer]) -> None:
        """Write how the tries ended, in one transaction. Raises StoreUnavailable."""
        now = self._clock()
        self._outbox.settle([self._called(answer, now) for answer in answers])

    def _called(self, answer: Answer, now: datetime) -> Called:
        due, response = answer.due, answer.response
        if response.fault is Fault.UNSENT:
            return Called(due, now, 0, "not begun", delivered=False, again_at=now, tried=False)
        step = callback_next(
            tries=due.tries + 1,
            first_at=due.first_try_at,
            now=now,
            status=response.status,
            retry_after=response.retry_after,
            jitter=self._jitter(),
        )
        reason = "" if isinstance(step, Done) else response.detail or f"HTTP {response.status}"
        return Called(
            due=due,
            at=now,
            http=response.status,
            reason=reason if response.fault is not Fault.OVERSIZED else "",
            delivered=isinstance(step, Done),
            again_at=step.at if isinstance(step, Again) else None,
            endpoint_rest=endpoint_rest(due.rests, self._jitter()) if _ails(response) else None,
            endpoint_stop=step.reason if isinstance(step, StopEndpoint) else "",
        )


def _ails(response: Response) -> bool:
    """Whether an answer says that the endpoint, rather than this callback, is in trouble."""
    return response.fault is not Fault.UNSENT and (response.status in {0, 429} or response.status >= 500)


def values_of(due: Due) -> dict[str, str]:
    """What a callback URL may name (contract.md, section 1)."""
    return {
        "messageId": str(due.message_id),
        "referenceId": due.reference,
        "phone": due.phone,
        "status": str(due.status),
        "completionDate": str((due.completed_at - EPOCH) // timedelta(milliseconds=1)),
    }


def signature(secret: str, seconds: int, method: str, url: str, body: bytes) -> str:
    """The Dispatcher-Signature header: HMAC-SHA256 over "t.METHOD.url.body" with the app's callback secret."""
    signed = f"{seconds}.{method}.{url}.".encode() + body
    return f"t={seconds},v1={hmac.new(secret.encode(), signed, 'sha256').hexdigest()}"
