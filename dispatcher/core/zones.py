"""Every time zone a number may be in, and zone data that is not the host's.

A text at night cannot be taken back, so a doubt adds zones: a text leaves only when all of them are open. Three
sources lie over one another: this file's own table of areas, libphonenumber's zones per prefix, and `zone.tab` of the
tz database for the country. Names and offsets come from the tzdata package alone: a host's data is often years old.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from phonenumbers.tzdata import TIMEZONE_DATA

from dispatcher.core.area_codes import areas_of

# --- The tz database, as the tzdata package has it -----------------------------------------------------------------

_PACKAGE: Final = files("tzdata").joinpath("zoneinfo")


def _read(source: str) -> tuple[str, frozenset[str], Mapping[str, str]]:
    """Version, zones and links of tzdata.zi: `# version V`, `Z name ...`, `L target link` (zic(8), abbreviated)."""
    lines = source.splitlines()
    words = [line.split(" ") for line in lines if line.startswith(("Z ", "L "))]
    zones = frozenset(word[1] for word in words if word[0] == "Z")
    links = {word[2]: word[1] for word in words if word[0] == "L"}
    return lines[0].removeprefix("# version "), zones, MappingProxyType(links)


def _by_country(source: str) -> Mapping[str, tuple[str, ...]]:
    """The rows of zone.tab: country, coordinates, zone, comment, parted by tabs."""
    rows = [line.split("\t") for line in source.splitlines() if not line.startswith("#")]
    return MappingProxyType({country: tuple(row[2] for row in rows if row[0] == country) for country, *_ in rows})


_VERSION, _ZONES, _LINKS = _read(_PACKAGE.joinpath("tzdata.zi").read_text("ascii"))
_COUNTRIES: Final = _by_country(_PACKAGE.joinpath("zone.tab").read_text("ascii"))
_IN_USE: Final = frozenset(name for names in _COUNTRIES.values() for name in names) | _ZONES


def tz_version() -> str:
    """The release of the tz database in use, such as 2026f."""
    return _VERSION


def use_packaged_zones() -> None:
    """Make every ZoneInfo of this process read the tzdata package, not the host's files.

    Process-wide: for start-up and for a test suite, before the first ZoneInfo is made. zone() needs it not.
    """
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache()


def canonical(name: str) -> str:
    """The current name of a zone: Asia/Kolkata for Asia/Calcutta. Names that zone.tab uses stay as they are.

    Raises:
        ValueError: there is no such zone.
    """
    if name in _IN_USE:
        return name
    if name not in _LINKS:
        raise ValueError(f"{name[:40]!r} is no time zone; write it as in America/New_York")
    return _LINKS[name]


@cache  # some 600 names at most: an error is not kept
def zone(name: str) -> ZoneInfo:
    """The rules of a zone, from the tzdata package whatever the host has.

    Raises:
        ValueError: there is no such zone.
    """
    canonical(name)
    with _PACKAGE.joinpath(*name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


# --- Offsets over time ---------------------------------------------------------------------------------------------

_SECOND: Final = timedelta(seconds=1)
_WEEK: Final = timedelta(weeks=1)
_COMPARED_WEEKS: Final = 105  # two years from the beginning of the release's own


def change(rules: tzinfo, since: datetime, until: datetime) -> datetime | None:
    """The first instant after `since` and up to `until` at which a zone's offset is another; None if both ends agree.

    Both are UTC, and so near that the offset does not go and come back between them: no zone does so within a month.
    """
    before = since.astimezone(rules).utcoffset()
    if until.astimezone(rules).utcoffset() == before:
        return None
    start = since.replace(microsecond=0)  # offsets change on whole seconds
    low, high = 0, (until - start) // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if (start + middle * _SECOND).astimezone(rules).utcoffset() == before:
            low = middle
        else:
            high = middle
    return start + high * _SECOND


def _changes(rules: tzinfo, since: datetime) -> Iterator[tuple[datetime, timedelta | None]]:
    for week in range(_COMPARED_WEEKS):
        begin = since + week * _WEEK
        if at := change(rules, begin, begin + _WEEK):
            yield at, at.astimezone(rules).utcoffset()


@cache
def _clock(name: str) -> tuple[tuple[datetime, timedelta | None], ...]:
    """What a zone's clocks show for two years: equal for two zones which nobody could tell apart by their clocks.

    From the first day of the release's own year, so that nothing here asks what day it is.
    """
    start = datetime(int(_VERSION[:4]), 1, 1, tzinfo=UTC)
    rules = zone(name)
    return (start, start.astimezone(rules).utcoffset()), *_changes(rules, start)


# --- From a number to zones ----------------------------------------------------------------------------------------

# How many digits of a number name an area, and how many of them are the country's; elsewhere mobile numbers, which
# are what gets texts, belong to no area: there a number may be anywhere in its country.
_AREA_DIGITS: Final = MappingProxyType({"US": (4, 1), "CA": (4, 1), "MX": (5, 2), "BR": (4, 2)})

# Areas for which libphonenumber knows too few zones or a wrong one (github.com/google/libphonenumber/issues/991), as
# compared with zone.tab 2026f, phonenumbers 9.0.43 and its names of places. Where only a town of an area keeps its
# neighbour's time, both stand here.
_AREAS: Final = MappingProxyType(
    {
        f"{country}{area}": tuple(f"America/{zone}" for zone in zones.split())
        for country, table in {
            "1": {
                "219 270 334 364 423 448 574 606 812 850 906 930": "Chicago New_York",
                "308 605 620 701 785": "Chicago Denver",
                "208 458 541 775 986": "Boise Los_Angeles",
                "928": "Denver Phoenix",  # the Navajo Nation has summer time
                "907": "Anchorage Adak",
                "310": "Los_Angeles",
                "689": "New_York",
                "236 250 257 672 778": "Vancouver Creston Edmonton",
                "306 474 639": "Regina Edmonton Winnipeg",  # Lloydminster; Creighton
                "807": "Toronto Winnipeg Atikokan",
                "367 418 581": "Toronto Halifax Blanc-Sablon",  # Magdalen Islands; Lower North Shore
                "709 879": "St_Johns Goose_Bay",
                "867": "Whitehorse Edmonton Inuvik Cambridge_Bay Resolute Rankin_Inlet Iqaluit Atikokan",
            },
            "52": {
                "614 621 625 627 628 629 635 639 648 649 652 659": "Chihuahua",  # since 2022 no longer Mazatlan's time
                "636 656 657": "Chihuahua Ciudad_Juarez",
                "626": "Chihuahua Ojinaga",
                "862 868 873 891 892 897": "Monterrey Matamoros",  # on the border, with its summer time
                "663": "Tijuana",
                "997": "Merida Cancun",
            },
            "55": {
                "63": "Araguaina",
                "65 66": "Cuiaba",
                "67": "Campo_Grande",
                "68": "Rio_Branco",
                "69": "Porto_Velho",
                "71 73 74 75 77": "Bahia",
                "79 82": "Maceio",
                "81": "Recife Noronha",
                "83 84 85 86 88 89 98 99": "Fortaleza",
                "87": "Recife",
                "91 94 96": "Belem",
                "92": "Manaus",
                "93": "Santarem",
                "95": "Boa_Vista",
                "97": "Manaus Eirunepe",
                "11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38": "Sao_Paulo",
                "41 42 43 44 45 46 47 48 49 51 53 54 55 61 62 64": "Sao_Paulo",
            },
        }.items()
        for areas, zones in table.items()
        for area in areas.split()
    }
)
# Countries of libphonenumber that zone.tab has no row for, and what their clocks follow.
_LIKE: Final = MappingProxyType({"XK": "RS", "AC": "SH", "TA": "SH"})
# One time by law; zone.tab lists besides it a custom (Xinjiang) and a territory that the country's numbers have left.
_ONE_LAW: Final = MappingProxyType({"CN": "Asia/Shanghai", "UA": "Europe/Kyiv"})


def zones_of(e164: str, region: str) -> tuple[str, ...]:
    """The zones a number of this region may be in: current names in alphabetical order, one for each different clock.

    Empty when nothing is known (satellite numbers, an unknown region): then a message waits, it is never "send anyway".
    """
    length, _ = _AREA_DIGITS.get(region, (0, 0))
    return _zones_of(e164[1 : 1 + length], region)


@lru_cache(maxsize=4096)
def _zones_of(area: str, region: str) -> tuple[str, ...]:
    told = _at_home(_told(area, region) or _of_older_codes(area, region), region)
    return tuple(sorted(_one_per_clock(told or _country(region))))


def _told(area: str, region: str) -> frozenset[str]:
    return frozenset(_AREAS.get(area) or _library(area, region))


def _of_older_codes(area: str, region: str) -> frozenset[str]:
    """The zones of the areas that a young North American code lies over."""
    older = areas_of(f"+{area}0000000")
    return frozenset().union(*(_told(f"1{name}", region) for name in older))


def _country(region: str) -> tuple[str, ...]:
    """All zones of a country, those first that libphonenumber uses as its names are better known."""
    if region in _ONE_LAW:
        return (_ONE_LAW[region],)
    names = _COUNTRIES.get(_LIKE.get(region, region), ())
    return tuple(sorted(names, key=lambda name: name not in _KNOWN))


def _library(area: str, region: str) -> frozenset[str]:
    """The library's zones of an area and of all prefixes within it, for a portable number keeps no finer place."""
    _, country = _AREA_DIGITS.get(region, (0, 0))
    shorter = (area[:length] for length in range(len(area), country, -1))
    nearest = next((TIMEZONE_DATA[prefix] for prefix in shorter if prefix in TIMEZONE_DATA), ())
    within = (names for prefix, names in TIMEZONE_DATA.items() if area and prefix.startswith(area))
    return frozenset(nearest).union(*within)


_KNOWN: Final = frozenset(canonical(name) for names in TIMEZONE_DATA.values() for name in names)


def _at_home(names: Iterable[str], region: str) -> tuple[str, ...]:
    """The zones of the country among these; for a foreign one the country's own that keeps the same clock, if any."""
    country = _country(region)
    clocks = {_clock(name) for name in names if name not in country and (name in _IN_USE or name in _LINKS)}
    return tuple(name for name in country if name in names or (clocks and _clock(name) in clocks))


def _one_per_clock(names: Iterable[str]) -> Iterable[str]:
    """The first zone of each group that shows the same time for the years compared."""
    first: dict[object, str] = {}
    for name in names:
        first.setdefault(_clock(name), name)
    return first.values()
