"""Where a number may be, and whose zone data tells its time."""

from __future__ import annotations

import re
import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers.tzdata import TIMEZONE_DATA

from dispatcher.core import zones
from dispatcher.core.zones import canonical, change, tz_version, use_packaged_zones, zone, zones_of


def named(text: str) -> tuple[str, ...]:
    return tuple(f"America/{name}" for name in text.split())


NORTH_AMERICA = [
    ("212", "US", "New_York"),
    ("312", "US", "Chicago"),
    ("303", "US", "Denver"),
    ("602", "US", "Phoenix"),
    ("415", "US", "Los_Angeles"),
    ("850", "US", "Chicago New_York"),  # Pensacola, Tallahassee
    ("448", "US", "Chicago New_York"),  # its overlay
    ("219", "US", "Chicago New_York"),
    ("574", "US", "Chicago New_York"),
    ("812", "US", "Chicago New_York"),
    ("930", "US", "Chicago New_York"),
    ("423", "US", "Chicago New_York"),
    ("270", "US", "Chicago New_York"),
    ("364", "US", "Chicago New_York"),
    ("906", "US", "Chicago New_York"),
    ("334", "US", "Chicago New_York"),
    ("308", "US", "Chicago Denver"),
    ("785", "US", "Chicago Denver"),
    ("620", "US", "Chicago Denver"),
    ("605", "US", "Chicago Denver"),
    ("701", "US", "Chicago Denver"),
    ("541", "US", "Boise Los_Angeles"),
    ("458", "US", "Boise Los_Angeles"),
    ("208", "US", "Boise Los_Angeles"),
    ("775", "US", "Boise Los_Angeles"),
    ("928", "US", "Denver Phoenix"),
    ("907", "US", "Adak Anchorage"),
    ("310", "US", "Los_Angeles"),
    ("689", "US", "New_York"),  # Orlando
    ("621", "US", "Chicago"),  # Houston's, which the library does not know yet
    ("729", "US", "Chicago New_York"),  # over 423
    ("483", "US", "Chicago New_York"),  # over 334
    ("416", "CA", "Toronto"),
    ("204", "CA", "Winnipeg"),
    ("403", "CA", "Edmonton"),
    ("604", "CA", "Vancouver"),
    ("902", "CA", "Halifax"),
    ("506", "CA", "Halifax"),
    ("250", "CA", "Creston Edmonton Vancouver"),
    ("236", "CA", "Creston Edmonton Vancouver"),
    ("474", "CA", "Edmonton Regina Winnipeg"),
    ("807", "CA", "Atikokan Toronto Winnipeg"),
    ("581", "CA", "Blanc-Sablon Halifax Toronto"),
    ("709", "CA", "Goose_Bay St_Johns"),
    ("879", "CA", "Goose_Bay St_Johns"),
]


@pytest.mark.parametrize(("area", "region", "expected"), NORTH_AMERICA)
def test_areas_of_north_america(area: str, region: str, expected: str) -> None:
    assert zones_of(f"+1{area}5550123", region) == named(expected)


def test_867_spans_the_north_of_canada() -> None:
    assert set(zones_of("+18675550123", "CA")) >= set(named("Whitehorse Edmonton Cambridge_Bay Iqaluit"))


AREAS = [
    ("+525512345678", "MX", "Mexico_City"),
    ("+523312345678", "MX", "Mexico_City"),
    ("+526641234567", "MX", "Tijuana"),
    ("+526631234567", "MX", "Tijuana"),  # Tijuana's overlay
    ("+526141234567", "MX", "Chihuahua"),  # the library still has it on Mazatlan's time
    ("+526561234567", "MX", "Chihuahua Ciudad_Juarez"),
    ("+526671234567", "MX", "Mazatlan"),
    ("+528681234567", "MX", "Matamoros Monterrey"),
    ("+529981234567", "MX", "Cancun"),
    ("+522011234567", "MX", "Mexico_City"),  # beside New York, which is not in Mexico and keeps no time of Mexico's
    ("+5511961234567", "BR", "Sao_Paulo"),
    ("+5591961234567", "BR", "Belem"),  # the library has it an hour behind
    ("+5592961234567", "BR", "Manaus"),
    ("+5568961234567", "BR", "Rio_Branco"),
    ("+5581961234567", "BR", "Noronha Recife"),
    ("+5597961234567", "BR", "Eirunepe Manaus"),
]


@pytest.mark.parametrize(("e164", "region", "expected"), AREAS)
def test_areas_of_mexico_and_brazil(e164: str, region: str, expected: str) -> None:
    assert zones_of(e164, region) == named(expected)


COUNTRIES = [
    ("+447400123456", "GB", "Europe/London"),
    ("+33612345678", "FR", "Europe/Paris"),
    ("+4915112345678", "DE", "Europe/Berlin"),
    ("+919812345678", "IN", "Asia/Kolkata"),  # the library: Asia/Calcutta
    ("+959212345678", "MM", "Asia/Yangon"),
    ("+9779841234567", "NP", "Asia/Kathmandu"),
    ("+298211234", "FO", "Atlantic/Faroe"),
    ("+5491123456789", "AR", "America/Argentina/Buenos_Aires"),
    ("+18765550123", "JM", "America/Jamaica"),  # the library: all 42 of +1
    ("+16846831234", "AS", "Pacific/Pago_Pago"),
    ("+8613123456789", "CN", "Asia/Shanghai"),
    ("+380501234567", "UA", "Europe/Kyiv"),
    ("+38343201234", "XK", "Europe/Belgrade"),
    ("+24740123", "AC", "Atlantic/St_Helena"),
    ("+2908999", "TA", "Atlantic/St_Helena"),
    ("+6913501234", "FM", "Pacific/Chuuk Pacific/Kosrae"),
    ("+34612345678", "ES", "Atlantic/Canary Europe/Madrid"),
    ("+351912345678", "PT", "Atlantic/Azores Europe/Lisbon"),
    ("+62812345678", "ID", "Asia/Jakarta Asia/Jayapura Asia/Makassar"),
    ("+64211234567", "NZ", "Pacific/Auckland Pacific/Chatham"),
    ("+56221234567", "CL", "America/Coyhaique America/Santiago Pacific/Easter"),
    ("+881612345678", "001", ""),  # satellite
    ("+80012345678", "001", ""),
    ("+12125550123", "", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("e164", "region", "expected"), COUNTRIES)
def test_countries(e164: str, region: str, expected: str) -> None:
    assert zones_of(e164, region) == tuple(expected.split())


def test_an_australian_mobile_number_may_be_anywhere_from_perth_to_lord_howe() -> None:
    expected = ("Adelaide", "Brisbane", "Darwin", "Eucla", "Lord_Howe", "Perth", "Sydney")
    assert zones_of("+61412345678", "AU") == tuple(f"Australia/{name}" for name in expected)


def test_a_russian_number_may_be_anywhere_from_kaliningrad_to_kamchatka() -> None:
    found = zones_of("+79123456789", "RU")
    assert {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Yekaterinburg", "Asia/Kamchatka"} <= set(found)
    assert not {"Asia/Almaty", "Europe/Bucharest"} & set(found)  # the library's guests


@pytest.mark.parametrize(("e164", "region"), [("+18002345678", "US"), ("+15002345678", "US"), ("+1", "US"), ("", "US")])
def test_a_number_of_no_area_may_be_anywhere_in_its_country(e164: str, region: str) -> None:
    mainland = named("Adak Anchorage Chicago Denver Los_Angeles New_York Phoenix")
    assert set(zones_of(e164, region)) == {*mainland, "Pacific/Honolulu"}


def test_each_area_code_in_use_is_known_to_keep_one_or_two_clocks() -> None:
    wide = {236, 250, 257, 306, 367, 418, 474, 581, 639, 672, 778, 807, 867}
    for area in range(200, 1000):
        number = phonenumbers.parse(f"+1{area}5550123")
        region = phonenumbers.region_code_for_number(number)
        ordinary = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
        if region in ("US", "CA") and ordinary and area not in wide:
            assert len(zones_of(f"+1{area}5550123", region)) <= 2, area


def test_each_area_code_of_brazil_is_in_the_table() -> None:
    for area in range(11, 100):
        if phonenumbers.is_valid_number(phonenumbers.parse(f"+55{area}961234567")):
            assert len(zones_of(f"+55{area}961234567", "BR")) <= 2


@pytest.mark.parametrize(
    ("region", "code", "digits"), [("US", "1", 3), ("CA", "1", 3), ("MX", "52", 3), ("BR", "55", 2)]
)
def test_no_clock_of_a_country_with_areas_is_forgotten(region: str, code: str, digits: int) -> None:
    areas = (zones_of(f"+{code}{area}", region) for area in range(10 ** (digits - 1), 10**digits))
    everywhere = set(zones_of("+", region))
    told = {zones._clock(name) for names in areas if set(names) != everywhere for name in names}
    assert told >= {zones._clock(name) for name in zones._country(region)}


def test_each_country_of_the_library_has_zones_under_their_current_names() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        found = zones_of("+", region)
        assert found
        assert all(canonical(name) == name and zone(name).key == name for name in found)
        assert len({zones._clock(name) for name in found}) == len(found)


def test_the_library_s_zones_outside_a_country_fall_to_its_own_of_the_same_clock() -> None:
    assert set(zones._at_home(["Pacific/Ponape"], "FM")) == {"Pacific/Pohnpei", "Pacific/Kosrae"}
    assert set(zones._at_home(["America/Detroit", "Etc/Unknown"], "CA")) == set(named("Toronto Iqaluit"))
    assert zones._at_home(["Asia/Tokyo"], "CA") == ()


def test_legacy_names() -> None:
    assert canonical("Asia/Calcutta") == "Asia/Kolkata"
    assert canonical("America/Buenos_Aires") == "America/Argentina/Buenos_Aires"
    assert canonical("US/Eastern") == "America/New_York"
    assert canonical("Europe/Amsterdam") == "Europe/Amsterdam"  # a link, but the name of a country's zone
    assert {canonical(name) for names in TIMEZONE_DATA.values() for name in names} <= zones._IN_USE


def test_each_zone_of_the_package_can_be_had() -> None:
    listed = files("tzdata").joinpath("zones").read_text("ascii").split()
    assert len(listed) > 500
    for name in listed:
        assert zone(name).key == name
        assert canonical(canonical(name)) == canonical(name)


NO_ZONES = [
    "",
    "Etc/Unknown",
    "Mars/Olympus",
    "../../../etc/passwd",
    "/etc/localtime",
    "America",
    "america/new_york",
    "x" * 999,
]


@pytest.mark.parametrize("name", NO_ZONES)
def test_no_such_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone; write it as in America/New_York") as refused:
        zone(name)
    assert len(str(refused.value)) < 120


def test_the_version_is_the_package_s() -> None:
    assert re.fullmatch(r"20[2-9][0-9][a-z]", tz_version())
    assert f'IANA_VERSION = "{tz_version()}"' in files("tzdata").joinpath("__init__.py").read_text("ascii")


@pytest.fixture
def _stale_host(tmp_path: Path) -> Iterator[None]:
    """A host whose Vancouver is Tokyo."""
    (tmp_path / "America").mkdir()
    with as_file(files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo")) as tokyo:
        shutil.copy(tokyo, tmp_path / "America" / "Vancouver")
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    ZoneInfo.clear_cache()
    zone.cache_clear()
    yield
    zoneinfo.reset_tzpath(to=before)
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("_stale_host")
def test_the_host_s_zone_data_is_never_asked() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert noon.astimezone(ZoneInfo("America/Vancouver")).utcoffset() == timedelta(hours=9)
    assert noon.astimezone(zone("America/Vancouver")).utcoffset() == timedelta(hours=-7)
    use_packaged_zones()
    assert noon.astimezone(ZoneInfo("America/Vancouver")).utcoffset() == timedelta(hours=-7)


CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Europe/Dublin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2026, 4, 4, 14, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # the day that Samoa left out
]


@pytest.mark.parametrize(("name", "at"), CHANGES)
@pytest.mark.parametrize("before", [timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=5, microseconds=7)])
@pytest.mark.parametrize("after", [timedelta(0), timedelta(milliseconds=300), timedelta(days=5)])
def test_change(name: str, at: datetime, before: timedelta, after: timedelta) -> None:
    assert change(zone(name), at - before, at + after) == at


@pytest.mark.parametrize(("name", "at"), CHANGES)
def test_no_change(name: str, at: datetime) -> None:
    assert change(zone(name), at, at + timedelta(days=8)) is None
    assert change(zone(name), at - timedelta(days=8), at - timedelta(microseconds=1)) is None
    assert change(zone(name), at, at) is None
