"""Callbacks: the customer's URL is called once for a final outcome, again on a schedule until it answers."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.core.placeholders import expand_url, wire_url
from dispatcher.core.retry import CALLBACK_LIFE, Again, Done, StopEndpoint, callback_next, endpoint_rest
from dispatcher.engine.endpoints import Endpoints, Health, ails
from dispatcher.engine.ports import Called, Clock, Due, Outbox
from dispatcher.engine.transport import Transport

log = logging.getLogger(__name__)
NAMES: Final = frozenset({"messageId", "referenceId", "phone", "status", "completionDate"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LEASE: Final = timedelta(seconds=60)
PAGE: Final = 500  # callbacks that are given up in one transaction


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
        self._endpoints = Endpoints()
        self._patience = (LEASE - timeout - timedelta(seconds=5)).total_seconds()

    def turn(self) -> timedelta | None:
        """Begin the calls that are due, as many as there are slots; zero when there may be more."""
        room = self._transport.room()
        if not self._alive() or room <= 0:
            return None
        now = self._clock()
        lanes = self._outbox.lanes(now)
        wants = self._endpoints.shares(lanes, room)
        if not wants:
            return None
        until = self._monotonic() + self._patience
        healths = {app_id: self._endpoints.health(app_id, lanes[app_id]) for app_id in wants}
        probes = {app_id for app_id, health in healths.items() if health is Health.RESTING}
        taken = self._outbox.claim(wants, now, LEASE, probes)
        for due in taken:
            self._call(due, healths[due.app_id], until)
        return timedelta(0) if taken else None

    def _call(self, due: Due, health: Health, until: float) -> None:
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
        self._endpoints.begin(due.app_id, health)

        def answered(response: Response) -> None:
            self._endpoints.end(due.app_id, health, response)
            self._put(Answer(due, response))

        self._transport.start(Request("GET", url, headers), answered, lane=str(due.app_id), until=until)

    def settle(self, answers: Sequence[Answer]) -> None:
        """Write how the tries ended, in one transaction. Raises StoreUnavailable."""
        now = self._clock()
        self._outbox.settle([self._called(answer, now) for answer in answers])

    def give_up(self) -> timedelta | None:
        """End a page of what is owed to endpoints that are dead for good; zero when there is more.

        A resting endpoint is called once in minutes, whatever it is owed, and a stopped one never, so what waits there
        might wait for ever.
        """
        ended = self._outbox.give_up(self._clock(), CALLBACK_LIFE, PAGE)
        for app_id, count in ended.items():
            log.warning("callbacks were given up", extra={"action": "give up", "app": app_id, "count": count})
        return timedelta(0) if sum(ended.values()) >= PAGE else None

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
            endpoint_rest=endpoint_rest(due.rests, self._jitter()) if ails(response) else None,
            endpoint_stop=step.reason if isinstance(step, StopEndpoint) else "",
        )


def values_of(due: Due) -> dict[str, str]:
    """What a callback URL may name, by the names of the Social Invite API."""
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
