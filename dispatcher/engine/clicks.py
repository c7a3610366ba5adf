"""Click-through: a customer tells that an invitation's link was followed, and with which browser."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.device import Device, device_of
from dispatcher.core.invitation import Account
from dispatcher.engine.ports import CALLBACKS, ClickBook, ClickReport, Ids, Ring


@dataclass(frozen=True, slots=True)
class Click:
    """A report as a door hands it in. `message_id` is None where only the customer's own reference is given."""

    message_id: int | None
    reference: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The invitation that was clicked, and what its browser told."""

    message_id: int
    device: Device


class Clicks:
    """Takes reports of clicks."""

    def __init__(self, *, book: ClickBook, ids: Ids, ring: Ring) -> None:
        """Write to this book."""
        self._book = book
        self._ids = ids
        self._ring = ring

    def report(self, account: Account, click: Click) -> Seen:
        """Keep a click; it is on disk on return. The same report again changes nothing. Refusal 103 if not found."""
        device = device_of(click.user_agent)
        clicked = self._book.report(
            ClickReport(
                self._ids(), account.id, click.message_id, click.reference, click.user_agent, device.os, device.human
            )
        )
        if clicked is None:
            raise Refusal(Code.NOT_FOUND, Code.NOT_FOUND.sentence)
        if clicked.calls_back:
            self._ring(CALLBACKS)
        return Seen(clicked.message_id, device)
