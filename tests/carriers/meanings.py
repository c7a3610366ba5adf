"""What a carrier's words come to, for tables of what its documentation says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome, Receipt, Reply
from dispatcher.core.lifecycle import Event

TAKEN: Final = Outcome(Fate.TAKEN)
INVALID: Final = Outcome(Fate.NEVER, code=Code.INVALID_PHONE)
LANDLINE: Final = Outcome(Fate.NEVER, code=Code.NOT_MOBILE)
OPTED_OUT: Final = Outcome(Fate.NEVER, code=Code.OPTED_OUT)
NEVER: Final = Outcome(Fate.NEVER)
UNEXPLAINED: Final = Outcome(Fate.NEVER, unexplained=True)
SENDER: Final = Outcome(Fate.OTHER_SENDER)
OURS: Final = Outcome(Fate.STOP_CARRIER)  # account, money, settings
LIMIT: Final = Outcome(Fate.LATER, limit=True)
LATER: Final = Outcome(Fate.LATER)
UNKNOWN: Final = Outcome(Fate.UNKNOWN)

SUBMIT, DELIVER, REFUSE = Event.SUBMIT, Event.DELIVER, Event.REFUSE


def unexplained(reason: str, ref: str = "") -> Outcome:
    """A refusal that says nothing which is known."""
    return replace(UNEXPLAINED, ref=ref, reason=reason)


def meant(outcome: Outcome) -> Outcome:
    """Without ids and words."""
    return replace(outcome, ref="", reason="", retry_after=None)


def heard(events: Sequence[Receipt | Reply]) -> tuple[Event, Code, bool]:
    """What the one receipt tells: event, code, and whether it is about the sender."""
    [receipt] = events
    assert isinstance(receipt, Receipt)
    return receipt.event, receipt.code, receipt.filtered
