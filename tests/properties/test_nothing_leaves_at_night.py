"""Every region of the world, every hour of a year, every minute of the days on which clocks change.

Whatever zone a number may be in, when a text leaves it is between nine and eight there. The wall clocks are read from
the zones themselves, not from what is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from dispatcher.core.hours import DEFAULT
from dispatcher.core.phone import known_region, parse
from dispatcher.core.zones import zone, zones_of

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
TEXTED = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.FIXED_LINE)


def numbers() -> Iterator[tuple[str, str]]:
    """A number of each region and sort, and one of every North American area code."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        assert known_region(region)
        for kind in TEXTED:
            if example := phonenumbers.example_number_for_type(region, kind):
                yield f"+{example.country_code}{example.national_number}", region
    for area in range(200, 1000):
        for exchange in ("222", "345", "555", "986"):
            number = phonenumbers.PhoneNumber(country_code=1, national_number=int(f"{area}{exchange}3333"))
            if home := phonenumbers.region_code_for_number(number):
                yield f"+1{area}{exchange}3333", home


@cache
def places() -> list[tuple[str, ...]]:
    """Every different set of zones that a number may be in."""
    return sorted({zones_of(found.e164, found.region) for raw, region in numbers() for found in (parse(raw, region),)})


def offsets(name: str, at: datetime) -> timedelta | None:
    return at.astimezone(zone(name)).utcoffset()


def instants(zones: tuple[str, ...]) -> Iterator[datetime]:
    changes = set()
    for hour in range(365 * 24):
        at = BEGIN + hour * HOUR
        yield at
        if any(offsets(name, at) != offsets(name, at + HOUR) for name in zones):
            changes.add(at)
    for change in changes:
        yield from (change - DAY / 2 + n * MINUTE for n in range(24 * 60))


def is_day(zones: tuple[str, ...], at: datetime) -> bool:
    return all(9 <= at.astimezone(zone(name)).hour < 20 for name in zones)


PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_leaves_at_night(part: int) -> None:
    mine = places()[part::PARTS]
    assert mine
    for zones in mine:
        for at in instants(zones):
            opens = DEFAULT.next_open(at, zones)
            if not zones:
                assert opens is None, "nobody knows where that is, so it waits"
            elif is_day(zones, at):
                assert opens == at
            else:
                assert opens is None or (opens > at and is_day(zones, opens)), (zones, at)


def test_all_regions_are_looked_at() -> None:
    assert {region for _, region in numbers()} >= set(phonenumbers.SUPPORTED_REGIONS)
    assert len(places()) > 100
