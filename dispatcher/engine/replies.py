"""Replies: who wrote, to which of our senders, and what it asks for; the store does the rest in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import Reply, Wish
from dispatcher.core.keywords import Heard, heard
from dispatcher.core.person import person_of
from dispatcher.core.phone import Phone, parse
from dispatcher.core.spellings import spellings
from dispatcher.engine.ports import CALLBACKS, DUE, Clock, Ring

MOST_NUMBER: Final = 32  # characters of a number that are kept
AT_ONCE: Final = 500  # replies to a transaction: where each is a STOP that takes half a second; others get their turn
OLDEST: Final = timedelta(days=7)  # longer than any carrier goes on telling what somebody wrote


@dataclass(frozen=True, slots=True)
class Writer:
    """Who may have written: one reading of a number."""

    person: str
    address: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class OurSender:
    """A sender of ours, as a reply needs it."""

    id: int
    region: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A reply as it was read. Of the `writers`, whom its sender texted is meant, else whom we know, else the first.

    `sender` is None where our number is none of ours; `answered` tells that the carrier answers it. `said_at` is when
    it was written, None where nobody can tell.
    """

    connection_id: int
    ref: str
    number: str
    sender: OurSender | None
    writers: Sequence[Writer]
    text: str
    heard: Heard | None
    answered: bool = False
    said_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of replies: messages discarded, answers queued."""

    discarded: int = 0
    answers: int = 0


class ReplyBook(Protocol):
    """Where replies are written."""

    def sender(self, connection_id: int, numbers: Sequence[str]) -> OurSender | None:
        """The sender that is kept as one of these, the first that is; rather one of this connection."""
        ...

    def take(self, letters: Sequence[Letter], now: datetime) -> Made:
        """Keep each once, and do what it asks for; on return all of it is on disk. Raises StoreUnavailable."""
        ...


class Replies:
    """Takes replies."""

    def __init__(self, *, book: ReplyBook, pepper: bytes, clock: Clock, ring: Ring) -> None:
        """Write to this book."""
        self._book = book
        self._pepper = pepper
        self._clock = clock
        self._ring = ring

    def take(self, connection_id: int, replies: Sequence[Reply]) -> None:
        """Take what people wrote by way of one connection, many in several transactions: a repeat takes the rest."""
        numbers = {reply.our_number for reply in replies}
        senders = {number: self._book.sender(connection_id, ours(number)) for number in numbers}
        now = self._clock()
        letters = [self._letter(connection_id, reply, senders[reply.our_number], now) for reply in replies]
        for start in range(0, len(letters), AT_ONCE):
            made = self._book.take(letters[start : start + AT_ONCE], now)
            if made.discarded:
                self._ring(CALLBACKS)
            if made.answers:
                self._ring(DUE)

    def _letter(self, connection_id: int, reply: Reply, sender: OurSender | None, now: datetime) -> Letter:
        writers = [
            Writer(person_of(self._pepper, phone.e164), phone.e164, phone.region)
            for phone in theirs(reply.their_number, sender.region if sender else "")
        ]
        # Nobody's number is kept as one: another machine's short code, or a name.
        unread = Writer(person_of(self._pepper, "".join(filter(str.isprintable, reply.their_number))[:MOST_NUMBER]), "")
        return Letter(
            connection_id=connection_id,
            ref=reply.ref,
            number=reply.our_number[:MOST_NUMBER],
            sender=sender,
            writers=writers or [unread],
            text=reply.text,
            heard=Heard(Wish(reply.answered)) if reply.answered else heard(reply.text),
            answered=reply.answered is not None or not writers,
            # What is to come, or is from long ago, says more of the carrier's clock than of the reply.
            said_at=reply.said_at if reply.said_at and now - OLDEST <= reply.said_at <= now else None,
        )


def ours(number: str) -> list[str]:
    """How a number of ours may be kept that a carrier writes so: with a plus or without, national or not."""
    digits = number.strip().removeprefix("+")
    return list(dict.fromkeys([number.strip(), f"+{digits}", digits, *(phone.e164 for phone in theirs(number, ""))]))


def theirs(number: str, region: str) -> list[Phone]:
    """Every reading of a person's number, the likeliest first: an international one, else one of our sender's country.

    Some carriers write no plus, and some write the numbers of their country as people there do, or did; each is
    followed by the other spellings of that phone.
    """
    digits = number.strip()
    readings = [digits] if digits.startswith(("+", "00")) else [f"+{digits}", digits]
    read = _read([each for reading in readings for each in spellings(reading)], region or "US")
    return list(dict.fromkeys(phone for first in read for phone in _read(spellings(first.e164), "US")))


def _read(readings: Sequence[str], region: str) -> Iterator[Phone]:
    for reading in readings:
        try:
            yield parse(reading, region)
        except Refusal:
            continue
