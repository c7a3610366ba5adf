"""The other half of two ports, for tests of duties: a transport that keeps what it began, a carrier of few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from dispatcher.core.exchange import Hook, Outcome, Receipt, Reply, Request, Response, Submission
from dispatcher.engine.transport import Paced


@dataclass(frozen=True, eq=False)
class Begun:
    """An exchange as it was handed to the transport."""

    request: Request
    then: Callable[[Response], None]
    lane: str
    at: float
    until: float
    paced: Paced | None = None

    @property
    def mt(self) -> dict[str, Any]:
        """The submission that Plain made it of."""
        return dict(json.loads(self.request.body))


class MemoryTransport:
    """Begins everything and answers nothing, until the test does."""

    def __init__(self, slots: int = 256) -> None:
        self.slots = slots
        self.begun: list[Begun] = []
        self.open: list[Begun] = []

    def start(
        self,
        request: Request,
        then: Callable[[Response], None],
        *,
        lane: str,
        at: float = 0.0,
        until: float = float("inf"),
        paced: Paced | None = None,
    ) -> None:
        self.begun.append(Begun(request, then, lane, at, until, paced))
        self.open.append(self.begun[-1])

    def room(self) -> int:
        return max(0, self.slots - len(self.open))

    def answer(self, respond: Callable[[Begun], Response | None]) -> int:
        """Answer whatever is open and gets a response; how many that were."""
        answered = 0
        for exchange in list(self.open):
            response = respond(exchange)
            if response is not None:
                self.open.remove(exchange)
                exchange.then(response)
                answered += 1
        return answered


@dataclass(frozen=True)
class Plain:
    """A carrier whose answers name an outcome of a table; text that it cannot say makes build() raise."""

    outcomes: Mapping[str, Outcome]
    unspeakable: str = "\0"

    def build(self, mt: Submission, now: datetime) -> Request:
        if self.unspeakable in mt.text:
            raise ValueError("a text that does not fit")
        return Request("POST", "carrier:/", {}, json.dumps(asdict(mt)).encode())

    def read(self, response: Response) -> Outcome:
        return self.outcomes[response.text]

    def verify(self, hook: Hook, now: datetime) -> bool:
        return True

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        return []


def says(outcome: str) -> Response:
    """The answer that Plain reads as this outcome."""
    return Response(200, body=outcome.encode())
