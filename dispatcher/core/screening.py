"""The ordered rules that may object to an invitation, each with its code and its sentence. The order is the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Kind


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an invitation when it is screened."""

    now: datetime
    expires_at: datetime
    address_known: bool = True
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """A rule's no. `expired` tells that time ran out rather than that a rule forbade it."""

    code: Code
    reason: str
    expired: bool = False


Rule = Callable[[Facts], Objection | None]


def opted_out(facts: Facts) -> Objection | None:
    """The person said STOP, or an operator said so for them (seed 004, feature 5)."""
    return Objection(Code.OPTED_OUT, Code.OPTED_OUT.sentence) if facts.opted_out else None


def erased(facts: Facts) -> Objection | None:
    """The person's address was erased while the invitation waited."""
    return None if facts.address_known else Objection(Code.SEND_FAILED, "the recipient's data was erased")


def expired(facts: Facts) -> Objection | None:
    """It waited longer than it is worth sending."""
    late = facts.now >= facts.expires_at
    return Objection(Code.SEND_FAILED, "expired before it could be sent", expired=True) if late else None


AT_INTAKE: Final[Sequence[Rule]] = (opted_out,)
AT_DISPATCH: Final[Mapping[Kind, Sequence[Rule]]] = MappingProxyType(
    {
        Kind.INVITATION: (erased, opted_out, expired),  # never duplicate again: it would find its own slot
        Kind.CONFIRMATION: (erased, expired),  # the one text that an opt-out allows
        Kind.HELP: (erased, expired),
        Kind.SESSION: (erased, opted_out, expired),
    }
)
KEEPS_HOURS: Final = frozenset({Kind.INVITATION})  # answers to a person's own text go out at once


def screen(rules: Sequence[Rule], facts: Facts) -> Objection | None:
    """The first objection, or None when the invitation may go on."""
    return next((objection for rule in rules if (objection := rule(facts))), None)
