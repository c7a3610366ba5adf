"""When a window opens and closes, where clocks jump, and what an hours file may say."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest

from dispatcher.core.hours import ALWAYS, DEFAULT, HORIZON, MIDNIGHT, OpenHours, Span, from_mapping

BERLIN, NEW_YORK, LOS_ANGELES = "Europe/Berlin", "America/New_York", "America/Los_Angeles"


def daily(*spans: str) -> OpenHours:
    return from_mapping({"every": list(spans)})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- one clock -----------------------------------------------------------------------------------------------------

NIGHTS = from_mapping({"friday": ["22:00-02:00"], "saturday": ["10:00-12:00", "22:00-02:00"]})
AT = [
    (DEFAULT, "2026-11-22T08:59:59.999999", False),
    (DEFAULT, "2026-11-22T09:00", True),
    (DEFAULT, "2026-11-22T19:59:59.999999", True),
    (DEFAULT, "2026-11-22T20:00", False),
    (NIGHTS, "2026-11-20T21:59", False),  # a Friday
    (NIGHTS, "2026-11-20T22:00", True),
    (NIGHTS, "2026-11-21T00:00", True),
    (NIGHTS, "2026-11-21T01:59", True),
    (NIGHTS, "2026-11-21T02:00", False),
    (NIGHTS, "2026-11-21T11:00", True),
    (NIGHTS, "2026-11-22T01:00", True),
    (NIGHTS, "2026-11-23T01:00", False),
    (ALWAYS, "2026-11-22T00:00", True),
    (ALWAYS, "2026-11-22T23:59:59.999999", True),
    (daily("18:00-24:00"), "2026-11-22T23:59:59.999999", True),
    (daily("18:00-24:00"), "2026-11-22T00:00", False),
]


@pytest.mark.parametrize(("hours", "local", "expected"), AT)
def test_open_at(hours: OpenHours, local: str, expected: bool) -> None:
    assert hours.open_at(datetime.fromisoformat(local)) is expected


CLOSED_SATURDAY = from_mapping({"every": ["10:00-12:00", "22:00-02:00"], "closed": ["2026-11-21"]})
CLOSED = [
    ("2026-11-20T23:59", True),
    ("2026-11-21T00:00", False),  # Friday's span ends at midnight
    ("2026-11-21T11:00", False),
    ("2026-11-21T23:00", False),
    ("2026-11-22T01:00", False),  # Saturday's did not begin
    ("2026-11-22T10:00", True),
    ("2026-11-23T01:00", True),
]


@pytest.mark.parametrize(("local", "expected"), CLOSED)
def test_a_closed_date_is_closed_from_midnight_to_midnight_and_begins_nothing(local: str, expected: bool) -> None:
    assert CLOSED_SATURDAY.open_at(datetime.fromisoformat(local)) is expected


# --- the next opening ----------------------------------------------------------------------------------------------

FRIDAYS = from_mapping({"friday": ["09:00-10:00"]})
NEXT = [
    # hours, zone, now, opens, closes
    (DEFAULT, NEW_YORK, "2026-11-22T13:59:59.5", "2026-11-22T14:00", "2026-11-22T13:59:59.5"),
    (DEFAULT, NEW_YORK, "2026-11-22T14:00", "2026-11-22T14:00", "2026-11-23T01:00"),
    (DEFAULT, NEW_YORK, "2026-11-23T00:59:59.9", "2026-11-23T00:59:59.9", "2026-11-23T01:00"),
    (DEFAULT, NEW_YORK, "2026-11-23T01:00", "2026-11-23T14:00", "2026-11-23T01:00"),
    (DEFAULT, "Asia/Kathmandu", "2026-11-22T02:00", "2026-11-22T03:15", "2026-11-22T02:00"),  # +5:45
    (DEFAULT, "Pacific/Chatham", "2026-11-22T08:00", "2026-11-22T19:15", "2026-11-22T08:00"),  # +13:45
    (DEFAULT, "Pacific/Kiritimati", "2026-11-22T18:00", "2026-11-22T19:00", "2026-11-22T18:00"),  # +14
    (NIGHTS, BERLIN, "2026-11-20T00:00", "2026-11-20T21:00", "2026-11-20T00:00"),
    (NIGHTS, BERLIN, "2026-11-20T23:30", "2026-11-20T23:30", "2026-11-21T01:00"),
    (NIGHTS, BERLIN, "2026-11-22T01:00", "2026-11-27T21:00", "2026-11-22T01:00"),
    (CLOSED_SATURDAY, "UTC", "2026-11-20T23:00", "2026-11-20T23:00", "2026-11-21T00:00"),
    (CLOSED_SATURDAY, "UTC", "2026-11-21T00:00", "2026-11-22T10:00", "2026-11-21T00:00"),
    # the night before and after a clock change: an hour early or late is what yesterday's offset would give
    (DEFAULT, NEW_YORK, "2026-03-08T04:00", "2026-03-08T13:00", "2026-03-08T04:00"),
    (DEFAULT, NEW_YORK, "2026-11-01T03:00", "2026-11-01T14:00", "2026-11-01T03:00"),
    (DEFAULT, "Europe/Dublin", "2026-10-24T23:00", "2026-10-25T09:00", "2026-10-24T23:00"),  # winter is the exception
    (DEFAULT, "Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-03T22:00", "2026-10-03T12:00"),  # half an hour
    # a start in the skipped hour: the first instant after it
    (daily("02:30-04:00"), NEW_YORK, "2026-03-08T06:00", "2026-03-08T07:00", "2026-03-08T06:00"),
    (daily("02:30-04:00"), NEW_YORK, "2026-03-08T07:00", "2026-03-08T07:00", "2026-03-08T08:00"),
    (daily("02:10-02:20"), NEW_YORK, "2026-03-08T06:00", "2026-03-09T06:10", "2026-03-08T06:00"),  # no such day
    (daily("02:10-03:00"), "Australia/Lord_Howe", "2026-10-03T15:00", "2026-10-03T15:30", "2026-10-03T15:00"),
    # an hour that comes twice: it opens twice, and an end within it comes twice too
    (daily("01:30-01:45"), NEW_YORK, "2026-11-01T05:00", "2026-11-01T05:30", "2026-11-01T05:00"),
    (daily("01:30-01:45"), NEW_YORK, "2026-11-01T05:45", "2026-11-01T06:30", "2026-11-01T05:45"),
    (daily("00:00-01:30"), NEW_YORK, "2026-11-01T05:15", "2026-11-01T05:15", "2026-11-01T05:30"),
    (daily("00:00-01:30"), NEW_YORK, "2026-11-01T05:45", "2026-11-01T06:00", "2026-11-01T05:45"),
    (daily("01:30-03:00"), NEW_YORK, "2026-11-01T05:30", "2026-11-01T05:30", "2026-11-01T06:00"),  # back to 01:00
    # midnight does not exist, or exists twice
    (daily("00:00-08:00"), "America/Santiago", "2026-09-06T03:00", "2026-09-06T04:00", "2026-09-06T03:00"),
    (daily("00:00-08:00"), "Asia/Beirut", "2026-03-28T20:00", "2026-03-28T22:00", "2026-03-28T20:00"),
    (daily("00:00-08:00"), "Africa/Cairo", "2026-04-23T20:00", "2026-04-23T22:00", "2026-04-23T20:00"),
    (daily("23:00-24:00"), "America/Santiago", "2026-04-05T02:30", "2026-04-05T02:30", "2026-04-05T04:00"),
    (daily("22:00-23:30"), "America/Santiago", "2026-04-05T02:45", "2026-04-05T03:00", "2026-04-05T02:45"),
    # a Friday that Samoa never had
    (FRIDAYS, "Pacific/Apia", "2011-12-30T09:00", "2012-01-05T19:00", "2011-12-30T09:00"),
]  # fmt: skip


@pytest.mark.parametrize(("hours", "zone", "now", "opens", "closes"), NEXT)
def test_next_open_and_closes_at(hours: OpenHours, zone: str, now: str, opens: str, closes: str) -> None:
    assert hours.next_open(utc(now), [zone]) == utc(opens)
    assert hours.closes_at(utc(now), [zone]) == utc(closes)


def test_it_is_open_only_where_all_zones_are() -> None:
    coasts = (LOS_ANGELES, NEW_YORK)
    now = utc("2026-11-22T14:00")  # nine in New York
    assert DEFAULT.next_open(now, coasts) == utc("2026-11-22T17:00")
    assert DEFAULT.closes_at(utc("2026-11-22T18:00"), coasts) == utc("2026-11-23T01:00")  # eight in New York
    assert DEFAULT.closes_at(now, coasts) == now
    assert DEFAULT.next_open(utc("2026-11-23T01:00"), coasts) == utc("2026-11-23T17:00")


def test_day_line() -> None:
    """It is never the same day of the week in all of Kiribati; both ends are open at once all the same."""
    zones = ("Pacific/Kiritimati", "Pacific/Honolulu")  # 24 hours apart
    assert DEFAULT.next_open(utc("2026-11-22T00:00"), zones) == utc("2026-11-22T00:00")
    assert from_mapping({"monday": ["09:00-20:00"]}).next_open(utc("2026-11-22T00:00"), zones) is None


def test_no_common_hour() -> None:
    assert DEFAULT.next_open(utc("2026-11-22T00:00"), ("Asia/Tokyo", "Europe/London", NEW_YORK)) is None


def test_eight_days_are_looked_at() -> None:
    sunday = from_mapping({"sunday": ["09:00-10:00"], "closed": [date(2026, 11, 29)]})
    now = utc("2026-11-22T10:00")
    assert sunday.next_open(now, ["UTC"]) is None
    assert sunday.next_open(utc("2026-11-28T09:00"), ["UTC"]) == utc("2026-12-06T09:00")  # eight days to the second
    assert sunday.next_open(utc("2026-11-28T08:59"), ["UTC"]) is None
    assert timedelta(days=8) == HORIZON


def test_unknown_zones_wait_unless_it_is_always_open() -> None:
    now = utc("2026-11-22T12:00")
    assert DEFAULT.next_open(now, ()) is None
    assert DEFAULT.closes_at(now, ()) == now
    assert ALWAYS.next_open(now, ()) == now
    assert ALWAYS.closes_at(now, ()) is None


@pytest.mark.parametrize("hours", [ALWAYS, DEFAULT])
def test_answers_are_utc_and_questions_have_a_zone(hours: OpenHours) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=3)))
    opens = hours.next_open(now, [BERLIN])
    assert opens == now
    assert opens.tzinfo is UTC
    for ask in (hours.next_open, hours.closes_at):
        with pytest.raises(ValueError, match="an instant needs its zone"):
            ask(datetime(2026, 11, 22, 12), [BERLIN])  # noqa: DTZ001
    with pytest.raises(ValueError, match="is no time zone"):
        DEFAULT.next_open(now, ["Mars/Olympus"])


def test_never_open() -> None:
    never = OpenHours({})
    now = utc("2026-11-22T12:00")
    assert never.next_open(now, [BERLIN]) is None
    assert never.closes_at(now, [BERLIN]) == now
    assert not never.open_at(now)
    assert not never.is_always


def test_hours_that_never_close_but_for_a_date() -> None:
    hours = from_mapping({"every": ["00:00-24:00"], "closed": ["2026-11-25", "2026-12-24"]})
    assert not hours.is_always
    assert hours.closes_at(utc("2026-11-22T12:00"), ["UTC"]) == utc("2026-11-25T00:00")
    assert hours.next_open(utc("2026-11-25T12:00"), ["UTC"]) == utc("2026-11-26T00:00")
    assert hours.closes_at(utc("2026-11-26T12:00"), ["UTC"]) is None
    assert hours.closes_at(utc("2026-11-26T12:00"), ["UTC", BERLIN]) is None
    assert hours.closes_at(utc("2026-12-20T12:00"), [BERLIN, "UTC"]) == utc("2026-12-23T23:00")


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spans",
    [["00:00-24:00"], ["00:00-12:00", "12:00-24:00"], ["06:00-05:00", "05:00-06:00"], ["12:00-24:00", "00:00-12:00"]],
)
def test_always_is_what_covers_every_minute(spans: list[str]) -> None:
    assert daily(*sorted(spans)).is_always


@pytest.mark.parametrize("spans", [["00:00-23:59"], ["00:01-24:00"], ["00:00-12:00", "12:01-24:00"]])
def test_a_minute_less_is_not_always(spans: list[str]) -> None:
    assert not daily(*spans).is_always


def test_always() -> None:
    assert OpenHours.always() is ALWAYS
    assert ALWAYS.is_always
    assert not DEFAULT.is_always


def test_hours_are_values() -> None:
    one = OpenHours({6: (Span(time(14), time(16)), Span(time(9), time(12)))})
    other = OpenHours({0: (), 6: (Span(time(9), time(12)), Span(time(14), time(16)))})
    assert one == other
    assert hash(one) == hash(other)
    assert one != OpenHours(one.week, frozenset({date(2026, 12, 25)}))
    assert one.week[6] == (Span(time(9), time(12)), Span(time(14), time(16)))
    with pytest.raises(TypeError):
        one.week[0] = ()  # type: ignore[index]


@pytest.mark.parametrize(
    ("start", "end", "because"),
    [
        (time(9, tzinfo=UTC), time(10), "without a zone"),
        (time(9, 0, 1), time(10), "whole minutes"),
        (time(9), time(10, 0, 0, 1), "whole minutes"),
        (time(9), time(9), "equal times"),
    ],
)
def test_no_span(start: time, end: time, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        Span(start, end)


def test_span_in_words() -> None:
    assert str(Span(time(9), time(20, 30))) == "09:00-20:30"
    assert str(Span(MIDNIGHT, MIDNIGHT)) == "00:00-24:00"
    assert str(Span(time(22), time(2))) == "22:00-02:00"


@pytest.mark.parametrize("day", [-1, 7])
def test_no_weekday(day: int) -> None:
    with pytest.raises(ValueError, match="0 \\(Monday\\) to 6"):
        OpenHours({day: (Span(time(9), time(10)),)})


# --- the file ------------------------------------------------------------------------------------------------------

FILE = """
every = ["09:00-20:00"]
weekdays = ["08:00-21:00"]
weekend = ["10:00-13:00", "15:00-18:00"]
sunday = []
monday = ["20:00-02:00"]
closed = [2026-12-25, "2026-12-26"]
"""


def test_the_most_exact_word_counts() -> None:
    hours = from_mapping(tomllib.loads(FILE))
    told = {day: [str(span) for span in spans] for day, spans in hours.week.items()}
    weekday = ["08:00-21:00"]
    weekend = ["10:00-13:00", "15:00-18:00"]
    assert told == {0: ["20:00-02:00"], 1: weekday, 2: weekday, 3: weekday, 4: weekday, 5: weekend, 6: []}
    assert hours.closed == {date(2026, 12, 25), date(2026, 12, 26)}


def test_an_unnamed_day_is_closed() -> None:
    assert from_mapping({"weekend": ["10:00-12:00"]}).week[4] == ()


@pytest.mark.parametrize("hours", [ALWAYS, DEFAULT, NIGHTS, CLOSED_SATURDAY, from_mapping(tomllib.loads(FILE))])
def test_there_and_back(hours: OpenHours) -> None:
    kept = json.loads(json.dumps(hours.to_mapping()))
    assert from_mapping(kept) == hours


def test_to_mapping() -> None:
    assert ALWAYS.to_mapping() == {"always": True}
    assert DEFAULT.to_mapping() == {"every": ["09:00-20:00"]}
    assert CLOSED_SATURDAY.to_mapping()["closed"] == ["2026-11-21"]
    assert NIGHTS.to_mapping()["friday"] == ["22:00-02:00"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "hours: open at no time; name spans under one of every, weekdays, weekend, monday"),
    ({"every": []}, "hours: open at no time"),
    ({"closed": ["2026-12-25"]}, "hours: open at no time"),
    ({"evry": ["09:00-20:00"]}, "evry: no such key; allowed are always, every, weekdays, weekend, monday"),
    ({"Monday": ["09:00-20:00"]}, "Monday: no such key"),
    ({"always": False}, "always: stands alone, as always = true"),
    ({"always": True, "closed": []}, "always: stands alone"),
    ({"every": "09:00-20:00"}, "every: a list of at most 4 spans"),
    ({"every": [9]}, "every: a list of at most 4 spans"),
    ({"every": [f"{hour:02}:00-{hour:02}:30" for hour in range(5)]}, "every: a list of at most 4 spans"),
    ({"monday": ["9:00-20:00"]}, "monday: '9:00-20:00' is no span; write two times of 24 hours"),
    ({"monday": ["09:00-24:01"]}, "monday: '09:00-24:01' is no span"),
    ({"monday": ["24:00-09:00"]}, "monday: '24:00-09:00' is no span"),
    ({"monday": ["09:60-10:00"]}, "monday: '09:60-10:00' is no span"),
    ({"monday": ["09:00 - 20:00"]}, "is no span"),
    ({"monday": ["٠٩:٠٠-٢٠:٠٠"]}, "is no span"),
    ({"monday": ["09:00-20:00\n"]}, "is no span"),
    ({"monday": ["x" * 999]}, "monday: 'xxxxxxxxxxxxxxxxxxxx' is no span"),
    ({"monday": ["09:00-09:00"]}, 'monday: 09:00-09:00 begins where it ends; a whole day is "00:00-24:00"'),
    ({"monday": ["00:00-00:00"]}, "monday: 00:00-00:00 begins where it ends"),
    ({"monday": ["11:00-14:00", "09:00-12:00"]}, "monday: 09:00-12:00 and 11:00-14:00 overlap"),
    ({"monday": ["20:00-02:00", "22:00-23:00"]}, "monday: 20:00-02:00 and 22:00-23:00 overlap"),
    ({"monday": ["00:00-24:00", "22:00-23:00"]}, "monday: 00:00-24:00 and 22:00-23:00 overlap"),
    ({"monday": ["09:00-10:00"], "closed": "2026-12-25"}, "closed: a list of dates"),
    ({"monday": ["09:00-10:00"], "closed": ["Christmas"]}, "closed: 'Christmas' is no date; write it as 2026-12-25"),
    ({"monday": ["09:00-10:00"], "closed": ["2026-02-29"]}, "closed: '2026-02-29' is no date"),
    ({"monday": ["09:00-10:00"], "closed": [20261225]}, "closed: '20261225' is no date"),
    ({"monday": ["09:00-10:00"], "closed": [utc("2026-12-25T00:00")]}, "closed: '2026-12-25 00:00:00+' is no date"),
]


@pytest.mark.parametrize(("data", "sentence"), WRONG)
def test_a_wrong_file_is_told_by_its_key(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-zA-Z]+: ") as refused:
        from_mapping(data)
    assert sentence in str(refused.value)
