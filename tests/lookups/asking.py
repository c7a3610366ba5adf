"""A question carried over a real socket, as a work process carries it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Final

from dispatcher.core.exchange import Request, Response
from dispatcher.transports.lookups import RequestsAsker

PATIENCE: Final = 10.0
AGENT: Final = "Dispatcher/test"


@contextmanager
def asker(timeout: float = PATIENCE, slots: int = 1) -> Iterator[RequestsAsker]:
    made = RequestsAsker(slots=slots, timeout=timeout, user_agent=AGENT)
    try:
        yield made
    finally:
        made.close()


def asked(request: Request, timeout: float = PATIENCE) -> Response:
    """What is answered."""
    answers: SimpleQueue[Response] = SimpleQueue()
    with asker(timeout) as one:
        one.start(request, answers.put)
        return answers.get(timeout=4 * PATIENCE)
