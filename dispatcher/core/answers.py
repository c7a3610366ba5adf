"""What replies are answered with, and how often.

One text confirms a STOP (47 CFR 64.1200(a)(12)): no marketing, and within five minutes it is presumed to be consented
to. HELP names who sends, and how to stop it (CTIA Short Code Monitoring Handbook). Machines answer machines: what is
bounded here ends that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from dispatcher.core.exchange import Wish
from dispatcher.core.invitation import Kind

KINDS: Final = MappingProxyType({Wish.STOP: Kind.CONFIRMATION, Wish.START: Kind.CONFIRMATION, Wish.HELP: Kind.HELP})
DEFAULTS: Final = MappingProxyType(
    {
        Wish.STOP: "You have been unsubscribed from {app} and will get no more messages. Reply START to resubscribe.",
        Wish.START: "You are subscribed to {app} again. Reply HELP for help, STOP to opt out.",
        Wish.HELP: "{app}: texts by which people invite their friends. Reply STOP to opt out.",
    }
)
APP: Final = "{app}"
MOST_NAMES: Final = 3
VALIDITY: Final = timedelta(hours=4)  # what could not leave by then tells nobody anything new
DAY: Final = timedelta(days=1)
MOST_A_DAY: Final = 10  # answers to one person, whatever they write
HELP_REST: Final = timedelta(minutes=10)  # between answers to HELP, to one person by one sender
REPEATED: Final = timedelta(minutes=5)  # the same words again, from a carrier that gives replies no id, are a repeat


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that a person was given: to which wish, by which sender, and when the reply had come."""

    wish: str
    sender_id: int
    at: datetime


def text_of(wish: Wish, settled: str, apps: Sequence[str]) -> str:
    """The answer: the app's own text, or the one for all; `{app}` in it becomes the names of the apps it is about."""
    names = ", ".join(apps[:MOST_NAMES])
    if len(apps) > MOST_NAMES:
        names += f" and {len(apps) - MOST_NAMES} more"
    return (settled or DEFAULTS[wish]).replace(APP, names)


def may_answer(wish: Wish, sender_id: int, lately: Sequence[Answered], now: datetime, *, news: bool) -> bool:
    """Whether a wish gets an answer, given those of the last day; `news` is whether anything changed by it."""
    today = [answer for answer in lately if answer.at > now - DAY]
    if len(today) >= MOST_A_DAY:
        return False
    same = [answer.at for answer in today if answer.sender_id == sender_id and answer.wish == wish]
    if wish is Wish.HELP:
        return not any(at > now - HELP_REST for at in same)
    return news or (wish is Wish.STOP and not same)
