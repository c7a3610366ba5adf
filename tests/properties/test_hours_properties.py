"""Hours against a slow and simple reading of them, minute by minute, near and far from clock changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.hours import HORIZON, OpenHours, Span, from_mapping
from dispatcher.core.zones import change, zone
from tests.properties.drawn import drawn

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ZONES = [
    "America/New_York",
    "America/Santiago",  # changes at midnight
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Europe/Dublin",  # winter is the exception
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Chatham",  # +13:45
    "Pacific/Kiritimati",
    "Asia/Kathmandu",
    "Pacific/Honolulu",
]


def changes(name: str) -> list[datetime]:
    weeks = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(weeks=week) for week in range(160)]
    return [at for begin in weeks if (at := change(zone(name), begin, begin + timedelta(weeks=1)))]


CHANGES = [at for name in ZONES for at in changes(name)]
minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: time(*divmod(minute, 60)))
spans = (
    st.tuples(minutes, minutes)
    .filter(lambda edges: edges[0] != edges[1] or edges[0] == time())
    .map(lambda edges: Span(*edges))
)
weeks = st.dictionaries(st.integers(0, 6), st.lists(spans, max_size=3).map(tuple), max_size=7)
instants = st.builds(
    lambda at, seconds: at + timedelta(seconds=seconds),
    st.sampled_from(CHANGES) | st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-100_000, 100_000),
)
zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True)


@st.composite
def hours_near(draw: st.DrawFn, now: datetime) -> OpenHours:
    closed = draw(st.frozensets(st.integers(-2, 10).map(lambda days: now.date() + timedelta(days=days)), max_size=4))
    return OpenHours(draw(weeks), closed)


def is_open(hours: OpenHours, local: datetime) -> bool:
    """The rule as a person would say it: some span of today or of yesterday covers this minute."""
    clock = local.hour * 60 + local.minute
    return local.date() not in hours.closed and any(
        start <= clock + shift < end
        for day, shift in ((local.date(), 0), (local.date() - DAY, 24 * 60))
        if day not in hours.closed
        for start, end in ranges(hours, day)
    )


def ranges(hours: OpenHours, day: date) -> Iterator[tuple[int, int]]:
    for span in hours.week[day.weekday()]:
        start, end = (edge.hour * 60 + edge.minute for edge in (span.start, span.end))
        yield start, end if end > start else end + 24 * 60


def all_open(hours: OpenHours, at: datetime, names: list[str]) -> bool:
    return all(is_open(hours, at.astimezone(zone(name))) for name in names)


def grid(since: datetime, until: datetime) -> Iterator[datetime]:
    """Each minute from `since` on; windows open and close on whole ones."""
    yield since
    at = since.replace(second=0, microsecond=0) + MINUTE
    while at < until:
        yield at
        at += MINUTE


@drawn(150)
@given(st.data(), instants)
def test_open_at_is_the_plain_rule(data: st.DataObject, now: datetime) -> None:
    hours = data.draw(hours_near(now))
    assert hours.open_at(now) is is_open(hours, now)


@drawn(40)
@given(st.data(), instants, zones)
def test_next_open_is_open_everywhere_and_nothing_before_it_is(
    data: st.DataObject, now: datetime, names: list[str]
) -> None:
    hours = data.draw(hours_near(now))
    opens = hours.next_open(now, names)
    assert opens is None or now <= opens <= now + HORIZON
    assert opens is None or all_open(hours, opens, names)
    assert not any(all_open(hours, at, names) for at in grid(now, opens or now + HORIZON) if at != opens)


@drawn(40)
@given(st.data(), instants, zones)
def test_closes_at_is_the_first_closed_instant(data: st.DataObject, now: datetime, names: list[str]) -> None:
    hours = data.draw(hours_near(now))
    closes = hours.closes_at(now, names)
    assert closes is None or now <= closes <= now + HORIZON
    assert closes is None or not all_open(hours, closes, names)
    assert all(all_open(hours, at, names) for at in grid(now, closes or now + HORIZON) if at != closes)


@drawn(100)
@given(st.dictionaries(st.integers(0, 6), spans.map(lambda span: (span,)), min_size=1), st.frozensets(st.dates()))
def test_there_and_back(week: dict[int, tuple[Span, ...]], closed: frozenset[date]) -> None:
    hours = OpenHours(week, closed)
    assert from_mapping(hours.to_mapping()) == hours
