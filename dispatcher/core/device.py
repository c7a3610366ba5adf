"""What a browser's User-Agent tells of whoever followed a link: the phone's system, or that nobody did.

The families of systems and the robots are ua-parser's (https://github.com/ua-parser/uap-core), which knows the traps:
Windows Phone names Android and iPhone, KaiOS names Android, in-app browsers add words of their own. Nothing is learned
from a doubtful one. HarmonyOS counts as Android as long as it says so itself, since it runs the same apps then; later
ones, Tizen, Windows Phone and desktops are neither, and may not even be the phone that has the number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import ua_parser

from dispatcher.core.screening import KnownOs

MOST: Final = 1024  # characters; longer ones are rare, and end in the words of some app
SYSTEMS: Final = MappingProxyType(
    {
        "iOS": KnownOs.IOS,
        "Android": KnownOs.ANDROID,
        "KaiOS": KnownOs.FEATURE_PHONE,
        "Nokia Series 30": KnownOs.FEATURE_PHONE,
        "Nokia Series 40": KnownOs.FEATURE_PHONE,
        "BREW": KnownOs.FEATURE_PHONE,
    }
)
ROBOT: Final = "Spider"  # ua-parser's word for what fetches by itself: crawlers and link previews
# Fetchers that ua-parser takes for a browser or does not know: previews, driven browsers, and programs by their names.
FETCHER: Final = re.compile(
    r"uripreview|link-?preview|headlesschrome"
    r"|^(?:curl|wget|python-|aiohttp|go-http-client|apache-httpclient|java|axios|node|libwww-perl|ruby|viber)\b",
    re.IGNORECASE,
)
# Java phones, whose system has no name of its own.
FEATURE_PHONE: Final = re.compile(r"\b(?:MIDP|CLDC|Series ?[34]0|S40|BREW|MAUI)\b", re.IGNORECASE)
# An iPad that asks for the desktop's pages, as an app's browser shows it: a Mac never says Mobile.
TABLET: Final = re.compile(r"Macintosh;.* Mobile/")
NETWORKING: Final = "CFNetwork/"  # an app's own request: phones and Macs say the same


@dataclass(frozen=True, slots=True)
class Device:
    """Who followed a link. `os` is None where the phone's system cannot be told; `human` is false for a program."""

    os: KnownOs | None = None
    human: bool = True


def cleaned(user_agent: str) -> str:
    """The printable characters among the first 1024: whatever a browser sent can be judged and kept."""
    return "".join(c for c in user_agent[:MOST] if c.isprintable())


def device_of(user_agent: str) -> Device:
    """Judge a User-Agent. An empty or unknown one is a person of whom nothing is known."""
    seen = ua_parser.parse(user_agent)
    if FETCHER.search(user_agent) or (seen.device and seen.device.family == ROBOT):
        return Device(human=False)
    if NETWORKING in user_agent:
        return Device()
    if TABLET.search(user_agent):
        return Device(KnownOs.IOS)
    known = SYSTEMS.get(seen.os.family) if seen.os else None
    if known is None and FEATURE_PHONE.search(user_agent):
        return Device(KnownOs.FEATURE_PHONE)
    return Device(known)
