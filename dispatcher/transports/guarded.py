"""The guard of customers' URLs: they may lead to public addresses and to the operator's networks, nowhere else.

The last word is spoken over each address right before it is connected to, so neither a name that moves (rebinding)
nor an odd spelling gets by; forbidden_url() only says early, and in words, what would be refused later.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from dispatcher.transports.http import HttpTransport

Network = IPv4Network | IPv6Network

RESOLVE_SECONDS: Final = 3.0  # whoever sets a URL waits meanwhile

# Kept by hand, since what ipaddress calls global differs between versions of Python and holds too much.
# https://www.iana.org/assignments/iana-ipv4-special-registry
_NOT_PUBLIC_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # "this host"
            "10.0.0.0/8",
            "100.64.0.0/10",  # behind a carrier's NAT
            "127.0.0.0/8",
            "168.63.129.16/32",  # public by its number, but Azure's door to the machine it runs on
            "169.254.0.0/16",  # link-local, the metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation, as 198.51.100 and 203.0.113
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
# https://www.iana.org/assignments/ipv6-unicast-address-assignments: outside of 2000::/3 nothing is public unicast,
# so loopback, link-local, unique local, multicast, NAT64, mapped and compatible IPv4 need no line here.
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",  # documentation, as 3fff::/20
            "2002::/16",  # 6to4: any IPv4 address inside
            "3fff::/20",
        ),
    )
)
_NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NUMERAL: Final = re.compile(r"(?:\d+|0x[0-9a-f]*)")  # as the last part of a host it makes the whole an IPv4 address
_NO_PART_OF_A_URL: Final = re.compile(r"[^!-~]|\\")


def allowed(address: str, networks: Sequence[Network] = ()) -> bool:
    """Whether this address may be called: public unicast, or in one of the operator's `networks`."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if any(ip in network for network in networks):
        return True
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    return ip in _PUBLIC_V6 and not any(ip in network for network in _NOT_PUBLIC_V6)


def forbidden_url(
    url: str, networks: Sequence[Network] = (), *, resolve: Callable[[str], Sequence[str]] | None = None
) -> str | None:
    """Why this URL may not be configured, as a sentence; None if it may. A name that does not resolve yet may."""
    if _NO_PART_OF_A_URL.search(url):
        return "the URL holds a space, a backslash or a character that has to be percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"the URL cannot be read: {error}"
    if parts.scheme not in {"http", "https"}:
        return "the URL has to begin with http:// or https://"
    if "@" in parts.netloc:
        return "the URL may not hold a user name or password"
    if not parts.hostname:
        return "the URL names no host"
    if port == 0:
        return "port 0 cannot be called"
    return _forbidden_host(parts.hostname, "[" in parts.netloc, networks, resolve or _resolved)


def guarded_transport(
    networks: Sequence[Network],
    *,
    connect_timeout: float,
    timeout: float,
    user_agent: str,
    slots: int = 256,
    lane_slots: int = 256,
    most_bytes: int = 65_536,
    ca_file: str | None = None,
) -> HttpTransport:
    """A transport for customers' URLs. Its own, since a connection opened without the guard could be used again."""
    permitted = tuple(networks)
    verdict = lru_cache(maxsize=4096)(lambda address: allowed(address, permitted))
    return HttpTransport(
        connect_timeout=connect_timeout,
        timeout=timeout,
        user_agent=user_agent,
        slots=slots,
        lane_slots=lane_slots,
        most_bytes=most_bytes,
        ca_file=ca_file,
        socket_guard=lambda peer: verdict(peer[0]),
    )


def _forbidden_host(
    host: str, bracketed: bool, networks: Sequence[Network], resolve: Callable[[str], Sequence[str]]
) -> str | None:
    name = host.removesuffix(".")
    if bracketed or _is_dotted_quad(name):
        return None if allowed(name, networks) and "%" not in name else f"{name} is not a public address"
    if not _NAME.fullmatch(name):
        return f"{name} is not the name of a host"
    if _NUMERAL.fullmatch(name.rpartition(".")[2]):
        return f"{name} is not the usual spelling of an address"
    addresses = ("127.0.0.1", "::1") if _is_local(name) else resolve(name)
    if addresses and not any(allowed(address, networks) for address in addresses):
        return f"{name} leads to {addresses[0]}, which is not a public address"
    return None


def _is_dotted_quad(name: str) -> bool:
    try:
        return str(IPv4Address(name)) == name
    except ValueError:
        return False


def _is_local(name: str) -> bool:
    """Names that never reach a name server (RFC 6761, 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def _resolved(name: str) -> list[str]:
    """The addresses of a name. None if it has none, or if the name servers, which may take long, tell none in time."""
    found: list[str] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):  # the latter for a part that is too long
            found.extend(str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))

    thread = Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(RESOLVE_SECONDS)
    return list(found)
