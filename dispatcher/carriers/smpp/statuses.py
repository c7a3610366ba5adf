"""What each command_status means for a submit and for a bind (5.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.outcomes import UNEXPLAINED

LATER: Final = Outcome(Fate.LATER)
THROTTLED: Final = Outcome(Fate.LATER, limit=True)
NO_SUCH_NUMBER: Final = Outcome(Fate.NEVER, code=Code.INVALID_PHONE)
NEVER: Final = Outcome(Fate.NEVER)
THIS_SENDER: Final = Outcome(Fate.OTHER_SENDER)
OURS: Final = Outcome(Fate.STOP_CARRIER)
UNKNOWN: Final = Outcome(Fate.UNKNOWN)

STATUSES: Final[Mapping[int, tuple[Outcome, str]]] = MappingProxyType(
    {
        0x01: (NEVER, "invalid message length"),
        0x02: (NEVER, "invalid command length"),
        0x03: (NEVER, "invalid command"),
        0x04: (OURS, "not allowed by this bind"),
        0x06: (NEVER, "invalid priority"),
        0x07: (NEVER, "invalid registered_delivery"),
        0x08: (LATER, "system error"),
        0x0A: (THIS_SENDER, "invalid source address"),
        0x0B: (NO_SUCH_NUMBER, "invalid destination address"),
        0x0D: (OURS, "bind failed"),
        0x0E: (OURS, "invalid password"),
        0x0F: (OURS, "invalid system_id"),
        0x14: (THROTTLED, "queue full"),
        0x15: (OURS, "invalid service_type"),
        0x43: (NEVER, "invalid esm_class"),
        0x45: (NEVER, "submit failed"),
        0x48: (THIS_SENDER, "invalid source type of number"),
        0x49: (THIS_SENDER, "invalid source numbering plan"),
        0x50: (NO_SUCH_NUMBER, "invalid destination type of number"),
        0x51: (NO_SUCH_NUMBER, "invalid destination numbering plan"),
        0x53: (OURS, "invalid system_type"),
        0x58: (THROTTLED, "throttled"),
        0x64: (LATER, "temporary error of the application"),
        0x65: (NEVER, "permanent error of the application"),
        0x66: (NEVER, "rejected by the application"),
        0xFE: (NEVER, "delivery failure"),
        0xFF: (UNKNOWN, "unknown error"),
    }
)
# Of a bind: names, password or address are not known there. Any other, such as 0x05 (already bound), may pass.
OF_A_BIND: Final = frozenset({0x04, 0x0D, 0x0E, 0x0F, 0x53})


def refused(status: int, own: Mapping[int, Outcome]) -> Outcome:
    """What a submit came to that was answered so; `own` is what the connection's settings say of it."""
    known, words = STATUSES.get(status, (UNEXPLAINED, ""))
    return replace(own.get(status, known), reason=told(status, words))


def refused_bind(status: int) -> Outcome:
    """What a submit came to that found no bind for this reason: surely unsent."""
    _, words = STATUSES.get(status, (LATER, "already bound" if status == 0x05 else ""))
    fate = Fate.STOP_CARRIER if status in OF_A_BIND else Fate.LATER
    return Outcome(fate, reason=f"bind refused: {told(status, words)}")


def told(status: int, words: str) -> str:
    """A status as an operator reads it."""
    return f"0x{status:02X} {words}".rstrip()
