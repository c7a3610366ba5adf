"""What to do with claimed rows now: send, wait or discard, each with why in words a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import App, Claimed
from dispatcher.core.screening import AT_DISPATCH, KEEPS_HOURS, Facts, screen
from dispatcher.core.senders import PATIENCE, Choice, Pool
from dispatcher.core.zones import zones_of

MICROSECOND: Final = timedelta(microseconds=1)
UNKNOWN_HOURS: Final = timedelta(hours=1)  # how long a row waits before an unanswerable question is asked again
PACE: Final = "sender's pace"
AGAIN: Final = "retry"  # by this word a claim knows that a connection surely did not take it
LONGEST_WAIT: Final = timedelta(minutes=5)  # for a sender's room, which an operator may widen meanwhile
NO_PLACE: Final = timedelta(milliseconds=100)  # for rows whose sender has room, but whose connection has none
STUCK: Final = timedelta(seconds=5)  # for rows that were claimed just when their app was paused or lost its senders


@dataclass(frozen=True, slots=True)
class Send:
    """Hand it to this sender's carrier, in this slot."""

    row: Claimed
    choice: Choice


@dataclass(frozen=True, slots=True)
class Wait:
    """Back to the queue until `until`; `why` is the reason that the customer sees.

    With a sender `awaited` it joins the line for that one, in the place that its `until` gives it.
    """

    row: Claimed
    until: datetime
    why: str
    awaited: int = 0


@dataclass(frozen=True, slots=True)
class Discard:
    """It will not be sent."""

    row: Claimed
    code: Code
    why: str
    expired: bool = False


Decision = Send | Wait | Discard


def decide(row: Claimed, app: App | None, pool: Pool, now: datetime) -> Decision:
    """What to do with one claimed row. A Send uses up the room of the sender it names."""
    if kept := kept_back(row, app, now):
        return kept
    return _pinned(row, pool, now) if row.awaited < 0 else _by_whom(row, pool, now)


def kept_back(row: Claimed, app: App | None, now: datetime) -> Wait | Discard | None:
    """Why it may not leave now, whoever would send it; None if it may."""
    if app is None:
        return Discard(row, Code.SEND_FAILED, "the app no longer exists")
    facts = Facts(now=now, expires_at=row.expires_at, address_known=bool(row.address), opted_out=row.opted_out)
    if objection := screen(AT_DISPATCH[row.kind], facts):
        return Discard(row, objection.code, objection.reason, objection.expired)
    if app.paused:
        return Wait(row, now + STUCK, "app paused")
    if row.kind in KEEPS_HOURS and not app.hours.is_always:
        opens = app.hours.next_open(now, zones_of(row.address or "", row.region))
        if opens is None:
            return Wait(row, now + UNKNOWN_HOURS, "no common open hour")
        if opens > now:
            return Wait(row, opens, "quiet hours")
    return None


def _pinned(row: Claimed, pool: Pool, now: datetime) -> Send | Wait:
    """An answer leaves by the very sender that was written to, or waits for it until it is worth nothing any more."""
    choice = pool.pinned(-row.awaited, row.segments)
    if choice is None:
        return Wait(row, now + STUCK, "no sender", row.awaited)
    if choice.fits:
        pool.charge(choice, row.segments)
        return Send(row, choice)
    return Wait(row, now + _ahead(choice, pool), PACE, row.awaited)


def _by_whom(row: Claimed, pool: Pool, now: datetime) -> Send | Wait:
    patient = now - row.planned_at <= PATIENCE * MICROSECOND
    in_line = row.awaited != 0 and row.awaited == row.sticky_sender
    choice = pool.choose(
        row.app_id,
        row.region,
        row.address or "",
        row.sticky_sender,
        row.segments,
        patient=patient,
        in_line=in_line,
        untaken_by=row.untaken_by,
    )
    if choice is None:
        return Wait(row, now + STUCK, "no sender")
    if choice.fits:
        pool.charge(choice, row.segments)
        return Send(row, choice)
    if choice.awaited:
        if not in_line:
            pool.join(choice, row.segments)
        return Wait(row, row.due_at, paced(row), choice.sender.id)
    return Wait(row, now + _ahead(choice, pool), paced(row))


def paced(row: Claimed) -> str:
    """Why a row waits for a sender's room."""
    return AGAIN if row.untaken_by else PACE


def _ahead(choice: Choice, pool: Pool) -> timedelta:
    ahead = timedelta(microseconds=choice.slot - pool.horizon - pool.now)
    return min(max(ahead, NO_PLACE), LONGEST_WAIT)


def decide_all(rows: Sequence[Claimed], apps: Mapping[int, App], pool: Pool, now: datetime) -> list[Decision]:
    """A decision for each row, in the order given; no sender is ever given more than its room."""
    return [decide(row, apps.get(row.app_id), pool, now) for row in rows]
