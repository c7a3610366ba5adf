"""Every region of the world, every hour of a year, every minute of the days on which clocks change.

Whatever zone a number may be in, when a text leaves it is between nine and eight there. The wall clocks are read from
the zones themselves, not from what is tested. The gate takes an eighth of the places, FAULTS=short all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from dispatcher.core.codes import Refusal
from dispatcher.core.hours import DEFAULT
from dispatcher.core.phone import Phone, parse
from dispatcher.core.zones import zone, zones_of
from tests.properties.drawn import AT_LENGTH

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
TEXTED = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.FIXED_LINE)


def numbers() -> Iterator[Phone]:
    """A number of each region and sort, and four of every North American area code."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in TEXTED:
            if example := phonenumbers.example_number_for_type(region, kind):
                phone = parse(phonenumbers.format_number(example, PhoneNumberFormat.E164), region)
                yield replace(phone, region=region)  # some share a country code, and are told apart by more digits
    for area in range(200, 1000):
        for exchange in ("222", "345", "555", "986"):
            with suppress(Refusal):  # not every area code is in use
                yield parse(f"+1{area}{exchange}3333", "US")


@cache
def places() -> list[tuple[str, ...]]:
    """Every different set of zones that a number may be in."""
    return sorted({zones_of(phone.e164, phone.region) for phone in numbers()})


def instants(rules: Sequence[tzinfo]) -> Iterator[datetime]:
    """Every hour of the year, then every minute from half a day before a change of clocks to half a day after it."""
    changes = set()
    before = [BEGIN.astimezone(rule).utcoffset() for rule in rules]
    for hour in range(365 * 24):
        at = BEGIN + hour * HOUR
        yield at
        now = [at.astimezone(rule).utcoffset() for rule in rules]
        if now != before:
            changes.add(at)
            before = now
    for change in sorted(changes):
        yield from (change - DAY / 2 + n * MINUTE for n in range(24 * 60))


PARTS = 8


@pytest.mark.parametrize("part", range(PARTS if AT_LENGTH else 1))
def test_nothing_leaves_at_night(part: int) -> None:
    for zones in places()[part::PARTS]:
        rules = [zone(name) for name in zones]
        opens = None
        for at in instants(rules):
            walls = [at.astimezone(rule) for rule in rules]
            if not zones:
                assert DEFAULT.next_open(at, zones) is None, "nobody knows where that is, so it waits"
            elif all(9 <= wall.hour < 20 for wall in walls):
                assert DEFAULT.next_open(at, zones) == at
            else:
                assert not all(DEFAULT.open_at(wall) for wall in walls), (zones, at)
                if opens is None or not at < opens < at + DAY:  # once for each night
                    opens = DEFAULT.next_open(at, zones)
                    assert opens is None or opens > at, (zones, at)
                    assert opens is None or all(9 <= opens.astimezone(rule).hour < 20 for rule in rules), (zones, at)


def test_all_regions_are_looked_at() -> None:
    assert {phone.region for phone in numbers()} >= set(phonenumbers.SUPPORTED_REGIONS)
    assert len(places()) > 100
