"""The life of everything that goes out. The table STEPS is the program.

SQL guards, the diagram in the docs and a test over all (state, event) pairs are derived from it; nothing about
transitions lives anywhere else.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Event(StrEnum):
    """What happens to a message."""

    CLAIM = "claim"
    DEFER = "defer"
    MARK = "mark"
    SUBMIT = "submit"
    RETRY = "retry"
    REFUSE = "refuse"
    LOSE = "lose"
    DELIVER = "deliver"
    CLOSE = "close"
    DISCARD = "discard"
    CANCEL = "cancel"
    EXPIRE = "expire"


class Word(StrEnum):
    """The public status: these three words of the Social Invite API and no others."""

    PENDING = "pending"
    SENT = "sent"
    DISCARDED = "discarded"


S, E = State, Event

STEPS: Final = MappingProxyType(
    {
        S.QUEUED: {
            E.CLAIM: S.CLAIMED,
            E.SUBMIT: S.SUBMITTED,  # queued again after a doubt, and now its carrier answers
            E.DELIVER: S.DELIVERED,  # the same, by a receipt
            E.DISCARD: S.DISCARDED,
            E.CANCEL: S.CANCELLED,
            E.EXPIRE: S.EXPIRED,
        },
        S.CLAIMED: {
            E.MARK: S.SUBMITTING,
            E.DEFER: S.QUEUED,
            E.DELIVER: S.DELIVERED,
            E.DISCARD: S.DISCARDED,
            E.CANCEL: S.CANCELLED,
            E.EXPIRE: S.EXPIRED,
        },
        S.SUBMITTING: {
            E.SUBMIT: S.SUBMITTED,
            E.RETRY: S.QUEUED,
            E.REFUSE: S.FAILED,
            E.LOSE: S.IN_DOUBT,
            E.DELIVER: S.DELIVERED,  # a receipt may overtake our own settling
        },
        S.IN_DOUBT: {
            E.SUBMIT: S.SUBMITTED,
            E.RETRY: S.QUEUED,
            E.REFUSE: S.FAILED,
            E.DELIVER: S.DELIVERED,
            E.CLOSE: S.FAILED,
        },
        S.SUBMITTED: {E.DELIVER: S.DELIVERED, E.REFUSE: S.FAILED, E.CLOSE: S.FAILED},  # CLOSE: nobody will ever tell
        S.FAILED: {E.DELIVER: S.DELIVERED},  # a late receipt outranks our guess, and a click outranks both
        S.DELIVERED: {},
        S.DISCARDED: {},
        S.CANCELLED: {},
        S.EXPIRED: {},
    }
)

FINAL: Final = frozenset({S.DELIVERED, S.FAILED, S.DISCARDED, S.CANCELLED, S.EXPIRED})
UNSENT: Final = frozenset({S.QUEUED, S.CLAIMED})  # surely not with a carrier


def advance(state: State, event: Event) -> State | None:
    """The next state, or None when the event comes too late to matter."""
    return STEPS[state].get(event)


def sources(event: Event) -> tuple[State, ...]:
    """The states in which an event still matters: the guard of every UPDATE that writes it."""
    return tuple(state for state, steps in STEPS.items() if event in steps)


def word(state: State, *, sent: bool) -> Word:
    """The public word. `sent` tells whether a carrier took it, or may have (closed or queued again in doubt)."""
    if state in (S.SUBMITTED, S.DELIVERED) or (state in FINAL and sent):
        return Word.SENT
    return Word.DISCARDED if state in FINAL else Word.PENDING


def proven_by_click(state: State, *, sent: bool) -> bool:
    """Whether a click, which proves that the text arrived, is news: its carrier did not say so, or said otherwise.

    `sent` as for `word`: a message that is queued again in doubt may have left, any other queued one cannot have; and
    what was refused for good before it left cannot have been clicked.
    """
    return state in (S.SUBMITTING, S.IN_DOUBT) or (state in (S.FAILED, *UNSENT) and sent)


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {S.QUEUED}", f"    [*] --> {S.DISCARDED}: known at intake"]
    lines += [f"    {state} --> {after}: {event}" for state, steps in STEPS.items() for event, after in steps.items()]
    return "\n".join(lines)
