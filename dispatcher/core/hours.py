"""Open hours: when a text may leave, in the recipient's local time, and the next instant at which it may.

The local wall clock of an instant decides, so nothing is ever computed from local times alone: an instant is taken to
a zone's wall clock, moved within one offset, and where the offset changes on the way, the search starts again there.
So the skipped hour of spring opens late, the repeated hour of autumn opens twice, and days may have any length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from dispatcher.core.zones import change, zone

MIDNIGHT: Final = time()
HORIZON: Final = timedelta(days=8)  # a week, and the day of an answer that lies just behind it
_DAY: Final = timedelta(days=1)
WEEK: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS: Final = MappingProxyType({"every": WEEK, "weekdays": WEEK[:5], "weekend": WEEK[5:]})
_SEEN: Final = HORIZON + 2 * _DAY  # of wall clock time: offsets differ by up to a day
_MOST_SPANS: Final = 4  # a day


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` (open) until `end` (closed again): wall clock times without zone, in whole minutes.

    An `end` before `start` is the next day's, and midnight as an end is the end of the day: midnight to midnight is the
    whole day. Other equal times could mean nothing or everything, and are refused.
    """

    start: time
    end: time

    def __post_init__(self) -> None:
        if any(edge.tzinfo or edge.second or edge.microsecond for edge in (self.start, self.end)):
            raise ValueError("a span has wall clock times without a zone, in whole minutes")
        if self.start == self.end != MIDNIGHT:
            raise ValueError("a span of two equal times is a whole day at midnight only")

    @property
    def overnight(self) -> bool:
        """Whether it ends on the day after its start (at midnight sharp, too)."""
        return self.end <= self.start

    def __str__(self) -> str:
        end = "24:00" if self.end == MIDNIGHT else f"{self.end:%H:%M}"
        return f"{self.start:%H:%M}-{end}"


@dataclass(frozen=True, slots=True)
class OpenHours:
    """The spans of each weekday (0 = Monday) and dates on which it is closed all day.

    A span belongs to the day it starts on: on a closed date none starts, and one from the day before ends at midnight.
    Instants handed in are aware, and lie so that eight days more are still a date.
    """

    week: Mapping[int, tuple[Span, ...]] = field(compare=False)
    closed: frozenset[date] = frozenset()
    is_always: bool = field(init=False, compare=False, repr=False)
    _days: tuple[tuple[Span, ...], ...] = field(init=False, repr=False)
    _overnight: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if any(day not in range(7) for day in self.week):
            raise ValueError("week: the days are 0 (Monday) to 6 (Sunday)")
        days = tuple(tuple(sorted(self.week.get(day, ()))) for day in range(7))
        object.__setattr__(self, "week", MappingProxyType(dict(enumerate(days))))
        object.__setattr__(self, "_days", days)
        object.__setattr__(self, "_overnight", any(span.overnight for day in days for span in day))
        object.__setattr__(
            self, "is_always", not self.closed and self._closing(datetime.combine(date(2001, 1, 1), MIDNIGHT)) is None
        )

    @classmethod
    def always(cls) -> OpenHours:
        """Open at every instant, wherever the recipient may be."""
        return ALWAYS

    def open_at(self, local: datetime) -> bool:
        """Whether it is open at this wall clock time; the zone of `local`, if it has one, is not looked at."""
        day, clock = local.date(), local.time()
        if day in self.closed:
            return False
        if any(span.start <= clock and (clock < span.end or span.overnight) for span in self._days[day.weekday()]):
            return True
        if not self._overnight:
            return False
        day -= _DAY
        late = self._days[day.weekday()]
        return day not in self.closed and any(span.overnight and clock < span.end for span in late)

    def next_open(self, now: datetime, zones: Sequence[str]) -> datetime | None:
        """The first instant from `now` on at which it is open in every zone, in UTC.

        None if there is none within eight days, and where no zone is known unless it is always open.

        Raises:
            ValueError: `now` has no zone, or a zone does not exist.
        """
        at = _utc(now)
        if self.is_always:
            return at
        if not zones:
            return None
        rules, limit = [zone(name) for name in zones], at + HORIZON
        if all(self.open_at(at.astimezone(rule)) for rule in rules):  # most often so, and quickly told
            return at
        agreed = turn = 0
        while agreed < len(rules):
            found = _walk(rules[turn % len(rules)], at, limit, self._opening)
            if found is None:
                return None
            agreed = agreed + 1 if found == at else 1
            at = found
            turn += 1
        return at

    def closes_at(self, now: datetime, zones: Sequence[str]) -> datetime | None:
        """The first instant from `now` on at which it is closed in some zone, in UTC: `now` itself when it is closed.

        None if it stays open for eight days. Where no zone is known it is closed, unless it is always open.

        Raises:
            ValueError: `now` has no zone, or a zone does not exist.
        """
        at = _utc(now)
        if self.is_always:
            return None
        if not zones:
            return at
        ends = (_walk(zone(name), at, at + HORIZON, self._closing) for name in zones)
        return min((end for end in ends if end), default=None)

    def _opening(self, wall: datetime) -> datetime | None:
        """The first open wall clock time from `wall` on, as if clocks never changed."""
        return next((max(start, wall) for start, end in self._spans_from(wall) if end > wall), None)

    def _closing(self, wall: datetime) -> datetime | None:
        """The first closed wall clock time from `wall` on, as if clocks never changed; None where spans never part."""
        seen = datetime.combine(wall.date(), MIDNIGHT) + _SEEN
        for start, end in self._spans_from(wall):
            if start > wall:
                break
            wall = max(wall, end)
        return wall if wall < seen else None

    def _spans_from(self, wall: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Each span by start, from the day before as far as one may reach over midnight."""
        today = wall.date()
        for number in range(-1 if self._overnight else 0, _SEEN.days):
            day = today + number * _DAY
            if day in self.closed:
                continue
            for span in self._days[day.weekday()]:
                yield datetime.combine(day, span.start), self._end(day, span)

    def _end(self, day: date, span: Span) -> datetime:
        if not span.overnight:
            return datetime.combine(day, span.end)
        day += _DAY
        return datetime.combine(day, MIDNIGHT if day in self.closed else span.end)

    def to_mapping(self) -> dict[str, object]:
        """What from_mapping() reads back, fit for TOML and JSON."""
        if self.is_always:
            return {"always": True}
        texts = [[str(span) for span in spans] for spans in self._days]
        same = all(day == texts[0] for day in texts)
        told: dict[str, object] = {"every": texts[0]} if same else dict(zip(WEEK, texts, strict=True))
        return told | ({"closed": sorted(day.isoformat() for day in self.closed)} if self.closed else {})


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("now: an instant needs its zone")
    return now.astimezone(UTC)


def _walk(rules: tzinfo, at: datetime, limit: datetime, step: Callable[[datetime], datetime | None]) -> datetime | None:
    """The first instant from `at` to `limit` whose wall clock time in one zone is where `step` leads."""
    while True:
        wall = at.astimezone(rules).replace(tzinfo=None)
        target = step(wall)
        if target is None:
            return None
        found = at + (target - wall)
        changed = change(rules, at, found)
        if changed is None:
            return found if found <= limit else None
        at = changed


ALWAYS: Final = OpenHours(dict.fromkeys(range(7), (Span(MIDNIGHT, MIDNIGHT),)))
DEFAULT: Final = OpenHours(dict.fromkeys(range(7), (Span(time(9), time(20)),)))  # of an app that has set none


# --- The shape of an hours file ------------------------------------------------------------------------------------

_SPAN: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")
_ALLOWED: Final = ("always", *_GROUPS, *WEEK, "closed")


def from_mapping(data: Mapping[str, object]) -> OpenHours:
    """Open hours as a file tells them, in local times; the most exact word for a day counts, an unnamed day is closed.

        every = ["09:00-20:00"]                     # or weekdays, weekend, monday ... sunday
        saturday = ["10:00-13:00", "15:00-18:00"]   # an end before its start is the next day's: "20:00-02:00"
        sunday = []
        closed = [2026-12-25]                       # TOML dates, or texts such as "2026-12-25"

    or `always = true` alone.

    Raises:
        ValueError: names the key and what is allowed.
    """
    if unknown := [key for key in data if key not in _ALLOWED]:
        raise ValueError(f"{unknown[0]}: no such key; allowed are {', '.join(_ALLOWED)}")
    if "always" in data:
        if data["always"] is not True or len(data) > 1:
            raise ValueError("always: stands alone, as always = true")
        return ALWAYS
    week: dict[int, tuple[Span, ...]] = {}
    for key in (*_GROUPS, *WEEK):  # the more exact a word, the later
        if key in data:
            spans = _spans(key, data[key])
            week |= {WEEK.index(day): spans for day in _GROUPS.get(key, (key,))}
    if not any(week.values()):
        raise ValueError(f"hours: open at no time; name spans under one of {', '.join((*_GROUPS, *WEEK))}")
    return OpenHours(week, _dates(data.get("closed", [])))


def _spans(key: str, told: object) -> tuple[Span, ...]:
    if not isinstance(told, list) or not all(isinstance(span, str) for span in told) or len(told) > _MOST_SPANS:
        raise ValueError(f'{key}: a list of at most {_MOST_SPANS} spans, such as ["09:00-12:00", "14:00-20:00"]')
    spans = sorted(_span(key, text) for text in told)
    for earlier, later in pairwise(spans):
        if earlier.overnight or later.start < earlier.end:
            raise ValueError(f"{key}: {earlier} and {later} overlap")
    return tuple(spans)


def _span(key: str, text: str) -> Span:
    if not _SPAN.fullmatch(text):
        raise ValueError(f'{key}: {text[:20]!r} is no span; write two times of 24 hours, such as "09:00-20:00"')
    start, _, end = text.partition("-")
    if start == end:
        raise ValueError(f'{key}: {text} begins where it ends; a whole day is "00:00-24:00"')
    return Span(time.fromisoformat(start), time.fromisoformat("00:00" if end == "24:00" else end))


def _dates(told: object) -> frozenset[date]:
    if not isinstance(told, list):
        raise ValueError("closed: a list of dates, such as [2026-12-25]")
    return frozenset(map(_date, told))


def _date(told: object) -> date:
    if isinstance(told, date) and not isinstance(told, datetime):
        return told
    try:
        return date.fromisoformat(told if isinstance(told, str) else "")
    except ValueError:
        raise ValueError(f"closed: {str(told)[:20]!r} is no date; write it as 2026-12-25") from None
