"""The ports towards carriers and customers: who speaks their words, and who carries them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from dispatcher.core.exchange import Hook, Outcome, Receipt, Reply, Request, Response, Submission


class Carrier(Protocol):
    """One connection's words, pure: no socket, no clock, no state."""

    def build(self, mt: Submission, now: datetime) -> Request:
        """The exchange that submits this MT."""
        ...

    def read(self, response: Response) -> Outcome:
        """What became of the submit; never raises, whatever the answer holds."""
        ...

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether this hook really comes from the carrier."""
        ...

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """What the hook tells. Raises Refusal (400) when it cannot be read."""
        ...


@runtime_checkable
class Answerable(Carrier, Protocol):
    """A carrier that can be asked what became of a submit that is in doubt."""

    @property
    def asking_submits(self) -> bool:
        """Whether asking is to submit once more under the same key, of which the carrier takes one only."""
        ...

    def ask(self, mt: Submission, now: datetime) -> Request:
        """The exchange that asks for it."""
        ...

    def told(self, response: Response) -> Outcome | None:
        """What became of the submit: TAKEN, NEVER, or LATER where it surely never came; None while nobody can tell."""
        ...


@runtime_checkable
class Batching(Carrier, Protocol):
    """A carrier that takes several MTs in one exchange."""

    @property
    def most_in_batch(self) -> int:
        """How many."""
        ...

    def alike(self, mt: Submission) -> Hashable:
        """What has to be the same in all of them."""
        ...

    def build_all(self, mts: Sequence[Submission], now: datetime) -> Request:
        """The exchange that submits these, which are alike; two at least."""
        ...

    def read_all(self, mts: Sequence[Submission], response: Response) -> Sequence[Outcome]:
        """What became of each, in their order; never raises.

        Where all were refused for the sake of one that cannot be told, each is LATER and costs a try: a row that was
        tried before goes alone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Paced:
    """Keeps exchanges with the same `key` apart, by when they really begin.

    The next one begins no sooner than `rest` seconds after this one; this one begins by the monotonic instant `latest`
    or not at all.
    """

    key: int
    rest: float
    latest: float


class Transport(Protocol):
    """Carries requests out and answers back, hundreds in flight, never waiting for a batch."""

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
        """Begin the exchange at the monotonic instant `at`; answer Fault.UNSENT if it could not begin before `until`.

        Returns at once. `then` is called exactly once, from the transport's own thread, and must not block. `lane`
        names whose exchange it is (a connection, an endpoint): each lane has a cap of its own in flight.
        """
        ...

    def room(self) -> int:
        """How many more exchanges may be started now without waiting for a slot."""
        ...
