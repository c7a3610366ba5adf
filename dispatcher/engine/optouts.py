"""Opt-outs by an operator's hand: somebody wrote or rang instead of texting STOP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from dispatcher.core.codes import Refusal
from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.person import person_of
from dispatcher.core.phone import Phone, known_region, parse
from dispatcher.engine.checks import Wrong
from dispatcher.engine.ports import CALLBACKS, Clock, Ring

OPERATOR: Final = "operator"


class Book(Protocol):
    """Where opt-outs are kept."""

    def add(self, optouts: Sequence[OptOut], now: datetime) -> int:
        """Keep these, and discard what waits in their scopes; how many messages that were."""
        ...

    def remove(self, person: str, scope: Scope, scope_id: int) -> bool:
        """End one; whether there was one."""
        ...


class OptOuts:
    """The operator's side of the opt-out list."""

    def __init__(self, *, book: Book, pepper: bytes, clock: Clock, ring: Ring) -> None:
        """Write to this book."""
        self._book = book
        self._pepper = pepper
        self._clock = clock
        self._ring = ring

    def add(self, phone: str, country: str, scope: Scope, scope_id: int, said: str = "") -> tuple[str, int]:
        """Keep a person out of a scope: the number as it was read, and how many messages that discarded."""
        found = read_phone(phone, country)
        person = person_of(self._pepper, found.e164)
        discarded = self._book.add([OptOut(person, scope, scope_id, OPERATOR, said, found.e164)], self._clock())
        if discarded:
            self._ring(CALLBACKS)
        return found.e164, discarded

    def remove(self, phone: str, country: str, scope: Scope, scope_id: int) -> str:
        """Let a person be texted again in a scope. Raises Wrong where there is no such opt-out."""
        found = read_phone(phone, country)
        if not self._book.remove(person_of(self._pepper, found.e164), scope, scope_id):
            raise Wrong("phone: no opt-out of that number in this scope")
        return found.e164


def read_phone(phone: str, country: str) -> Phone:
    """A number as an operator types it. Raises Wrong."""
    if not known_region(country):
        raise Wrong("country: not an ISO 3166 country code such as US or DE")
    try:
        return parse(phone, country)
    except Refusal as refusal:
        raise Wrong(refusal.message) from None
