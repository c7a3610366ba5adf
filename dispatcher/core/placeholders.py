"""Placeholders of customers' URLs and bodies, and the form in which a URL goes on the wire.

A name is written `{name}`, `<name>` or `%name%`, in the case that the APIs give it. Only known names are replaced, all
in one pass, so a value that looks like a placeholder is never expanded; unknown ones stay as they are. Beside real
percent-escapes the longer reading wins: `%20status%20` holds no placeholder, `%phone%20` is the phone and then "20".
That is unambiguous as long as no name consists of two hex digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

MAX_URL: Final = 2048  # characters of a template
SPELLINGS: Final = "{<%"  # the three ways to write a placeholder, by the sign it opens with
_CLOSING: Final = MappingProxyType({"{": "}", "<": ">", "%": "%"})


def percent(value: str) -> str:
    """A value as it may stand anywhere in a path or query: all but letters, digits and -._~ is percent-encoded."""
    return quote(value, safe="", errors="replace")


def expand(
    template: str, values: Mapping[str, str], escape: Callable[[str], str] = percent, spellings: str = SPELLINGS
) -> str:
    """The template with each known name replaced by its escaped value.

    `escape` fits a value to where it stands (a URL, a JSON string, XML text); `spellings` are those that count.
    """
    return _pattern(tuple(values), spellings).sub(lambda found: escape(values[found[found.lastindex or 0]]), template)


def expand_url(template: str, values: Mapping[str, str]) -> str:
    """A URL template with its values in; wire_url() makes of it what may be requested."""
    return expand(template, values)


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...], spellings: str) -> re.Pattern[str]:
    known = "|".join(map(re.escape, names)) or "(?!)"
    return re.compile("|".join(f"{re.escape(sign)}({known}){re.escape(_CLOSING[sign])}" for sign in spellings))


# --- URLs ----------------------------------------------------------------------------------------------------------

_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)(#.*)?", re.IGNORECASE | re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# RFC 3986: what may not stand in path and query; a percent sign only with its two digits.
_UNSAFE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]+")
_USER: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:%]*")
_HOST: Final = re.compile(r"(?=.{1,253}$)(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-)[a-z0-9_-]{1,63}(?<!-)\.?")
_ADDRESS: Final = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]{0,5}))?")
# IDNA 2008 writes these differently than the IDNA 2003 of the standard library: guessing would call a stranger.
_DEVIANT: Final = re.compile("[ßς\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}]")


def wire_url(url: str) -> str:
    """The URL as it is requested and signed: ASCII, host in IDNA, unsafe characters percent-encoded, no fragment.

    What is percent-encoded already stays so; applied to its own answer it changes nothing.

    Raises:
        ValueError: it is not http(s), or its host or port cannot be.
    """
    match = _URL.fullmatch(url)
    if not match:
        raise ValueError("has to begin with http:// or https://")
    rest = _UNSAFE.sub(lambda unsafe: percent(unsafe[0]), match[3])
    return f"{match[1].lower()}://{_authority(match[2])}{rest if rest.startswith('/') else '/' + rest}"


def template_error(template: str, names: Collection[str]) -> str | None:
    """Why a URL template cannot be used, as the end of a sentence that begins with the field's name; None if it can.

    Placeholders stand in path and query alone: in scheme, host or port they would let a value choose whom we call.
    """
    if len(template) > MAX_URL:
        return f"longer than {MAX_URL} characters"
    if _CONTROL.search(template) or template != template.strip():
        return "has a control character in it, or a space at its end"
    match = _URL.fullmatch(template)
    placeholder = _pattern(tuple(names), SPELLINGS)
    if match and (placeholder.search(match[2]) or placeholder.search(match[4] or "")):
        return "placeholders may stand in the path and the query only"
    try:
        wire_url(template)
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=4096)
def _authority(text: str) -> str:
    user, _, address = text.rpartition("@")
    match = _ADDRESS.fullmatch(address)
    if not match or not _USER.fullmatch(user):
        raise ValueError("has to name a host after its //, as in https://example.com/path")
    literal, name, port = match.groups()
    if port and not 0 < int(port) < 1 << 16:
        raise ValueError("has a port that is not a number from 1 to 65535")
    host = _name(name) if literal is None else _literal(literal)
    return f"{user}{'@' if user else ''}{host}{':' if port else ''}{port or ''}"


def _literal(host: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError:
        address = None
    if address is None or address.scope_id:
        raise ValueError("has an IPv6 address that cannot be")
    return f"[{address}]"


def _name(host: str) -> str:
    try:
        name = host.lower() if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name) or _DEVIANT.search(host):
        raise ValueError("has no host that can be; write one with unusual letters in its xn-- form")
    return name
