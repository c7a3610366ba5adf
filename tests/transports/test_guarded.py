"""The guard of customers' URLs: tables of addresses and URLs, then real sockets that must see nobody."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from queue import SimpleQueue
from typing import Self

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.core.exchange import Fault, Request, Response
from dispatcher.transports import guarded
from dispatcher.transports.guarded import Network, allowed, forbidden_url, guarded_transport
from dispatcher.transports.http import HttpTransport

PATIENCE = 10.0
LOOPBACK = (IPv4Network("127.0.0.0/8"),)

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "193.0.6.139",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2606:4700::1111",
    "2a00:1450:4001:81b::200e",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # metadata of Alibaba
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure
    "169.254.169.254",  # metadata of most clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",  # metadata of Oracle
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # compatible
    "::8.8.8.8",
    "::ffff:127.0.0.1",  # mapped
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",  # translated
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b:1::1",
    "100::1",
    "2001::1",  # Teredo
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of AWS
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert allowed(address)


@pytest.mark.parametrize("address", [*NOT_PUBLIC, "", "localhost", "127.1", "2130706433", "8.8.8.8/32", "8.8.8.8 "])
def test_not_public(address: str) -> None:
    assert not allowed(address)


def test_the_operators_networks() -> None:
    networks: list[Network] = [IPv4Network("10.1.0.0/16"), IPv6Network("fd00::/8")]
    assert [allowed(address, networks) for address in ("10.1.2.3", "fd00::1", "8.8.8.8")] == [True] * 3
    assert [allowed(address, networks) for address in ("10.2.0.1", "::ffff:10.1.2.3", "fe80::1")] == [False] * 3


@given(st.ip_addresses())
@example(ip_address("192.0.0.9"))
def test_never_more_than_the_standard_library_calls_global(ip: IPv4Address | IPv6Address) -> None:
    assert ip.is_global or not allowed(str(ip))


# --- URLs ---


def to_private(_: str) -> list[str]:
    return ["10.0.0.1", "fd00::1"]


def to_public(_: str) -> list[str]:
    return ["93.184.215.14"]


def to_nothing(_: str) -> list[str]:
    return []


BAD_URLS = [
    "",
    "callback",
    "//host.example/",
    "http:",
    "http:///path",
    "http://",
    "https://:443/",
    "ftp://host.example/",
    "file:///etc/passwd",
    "gopher://host.example/",
    "javascript:alert(1)",
    "http+unix://host.example/",
    "http://user@host.example/",
    "http://user:password@host.example/",
    "http://@host.example/",
    "http://host.example@127.0.0.1/",
    "http://127.0.0.1#@host.example/",
    "http://host.example\\@127.0.0.1/",
    "http://host.example\t/",
    "http://host.example/a b",
    "http://host.example/\r\nX: y",
    " http://host.example/",
    "http://h\u00e9.example/",
    "http://host.example/\u00e9",
    "http://host.example:0/",
    "http://host.example:65536/",
    "http://host.example:port/",
    "http://host.example:-1/",
    "http://{phone}/",
    "http://%6c%6f%63%61%6c%68%6f%73%74/",
    "http://host%2eexample/",
    "http://host,example/",
    "http://.../",
    "http://.example/",
    "http://host..example/",
    "http://host.example../",
    "http://localhost/",
    "http://LOCALHOST:8080/",
    "http://localhost./",
    "http://app.localhost/",
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.1:80/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7F.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.01/",
    "http://0/",
    "http://0x/",
    "http://0.0.0.0/",
    "http://134744072/",  # 8.8.8.8, but who writes it so?
    "http://8.8.2056/",
    "http://1.2.3.4.5/",
    "http://256.1.1.1/",
    "http://a.b.9/",
    "http://%31%32%37.0.0.1/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/",
    "http://[2606:4700::1111%25eth0]/",
    "http://[fd00:ec2::254]/",
    "http://[::1/",
    "http://[localhost]/",
    "http://[127.0.0.1]/",
    "http://[8.8.8.8]/",
    "http://[v1.x]/",
    *(f"http://{address}/" for address in NOT_PUBLIC if ":" not in address),
    *(f"http://[{address}]/" for address in NOT_PUBLIC if ":" in address),
]


@pytest.mark.parametrize("url", dict.fromkeys(BAD_URLS))
def test_urls_that_may_not_be_configured(url: str) -> None:
    assert forbidden_url(url, resolve=to_public)


@pytest.mark.parametrize(
    "url",
    [
        "http://host.example",
        "https://host.example:8443/callback?id=%messageId%&s={status}&p=<phone>#part",
        "HTTPS://HOST.EXAMPLE/",
        "http://host.example./",
        "http://xn--bcher-kva.example/",
        "http://a_b.host.example/",
        "http://3com.example/",
        "http://0x.example/",
        "http://host.example/user@127.0.0.1/",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]:8080/",
    ],
)
@pytest.mark.parametrize("resolve", [to_public, to_nothing])
def test_urls_that_may_be_configured(url: str, resolve: Callable[[str], list[str]]) -> None:
    assert forbidden_url(url, resolve=resolve) is None


def test_names_are_followed() -> None:
    url = "http://host.example/"
    assert forbidden_url(url, resolve=to_private) == "host.example leads to 10.0.0.1, which is not a public address"
    assert forbidden_url(url, resolve=lambda name: to_private(name) + to_public(name)) is None
    assert forbidden_url(url, [ip_network("10.0.0.0/8")], resolve=to_private) is None


def test_the_operator_may_allow_this_machine() -> None:
    for url in ("http://127.0.0.1:8080/", "http://localhost/", "http://app.localhost/"):
        assert forbidden_url(url, LOOPBACK) is None
    assert forbidden_url("http://[::1]/", LOOPBACK)
    assert forbidden_url("http://127.1/", LOOPBACK)


def test_a_name_is_asked_of_the_name_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(name: str, _port: None, **_: object) -> list[tuple[object, ...]]:
        if name == "unknown.example":
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert forbidden_url("http://intranet.example/")
    assert forbidden_url("http://unknown.example/") is None


def test_slow_name_servers_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    enough, gone = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        enough.wait(PATIENCE)
        gone.set()
        return []

    monkeypatch.setattr(guarded, "RESOLVE_SECONDS", 0.02)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert forbidden_url("http://slow.example/") is None
    enough.set()
    assert gone.wait(PATIENCE)


def test_a_name_that_no_resolver_takes() -> None:
    assert forbidden_url(f"http://{'a' * 64}.invalid/") is None


# --- the transport ---


class Listener:
    """Answers every request with 200 and counts who came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._socket.getsockname()[1])
        self.connections = 0
        self.requests = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for conn in self._open:
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self._socket.accept()
                self.connections += 1
                self._open.append(conn)
                self._threads.append(threading.Thread(target=self._serve, args=(conn,), daemon=True))
                self._threads[-1].start()

    def _serve(self, conn: socket.socket) -> None:
        with suppress(OSError), conn:
            while conn.recv(65_536):
                self.requests += 1
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


make = partial(guarded_transport, connect_timeout=5.0, timeout=PATIENCE, user_agent="dispatcher/test")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def ask(transport: HttpTransport, url: str) -> Response:
    answer: SimpleQueue[Response] = SimpleQueue()
    transport.start(Request("GET", url), answer.put, lane=url)
    return answer.get(timeout=PATIENCE)


HOSTS_OF_THIS_MACHINE = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001",
    "%31%32%37.0.0.1", "127.0.0.1.", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "app.localhost",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "user:password@127.0.0.1",
]  # fmt: skip


def test_nothing_reaches_this_machine(listener: Listener) -> None:
    with make([]) as transport:
        got = {host: ask(transport, f"http://{host}:{listener.port}/") for host in HOSTS_OF_THIS_MACHINE}
    assert {host: (response.status, response.fault) for host, response in got.items()} == dict.fromkeys(
        HOSTS_OF_THIS_MACHINE, (0, Fault.FORBIDDEN)
    )
    assert all(response.detail for response in got.values())
    assert listener.connections == 0


def test_nothing_reaches_what_is_not_public() -> None:
    with make([], connect_timeout=0.5) as transport:
        for address in NOT_PUBLIC:
            host = f"[{address.replace('%eth0', '%25lo')}]" if ":" in address else address
            assert ask(transport, f"http://{host}:9/").fault is Fault.FORBIDDEN, address


def test_what_the_operator_allows(listener: Listener) -> None:
    with make(LOOPBACK) as transport:
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            assert ask(transport, f"http://{host}:{listener.port}/").status == 200
        assert ask(transport, f"http://[::ffff:127.0.0.1]:{listener.port}/").fault is Fault.FORBIDDEN
    assert (listener.connections, listener.requests) == (2, 3)


def test_the_detail_names_the_address(listener: Listener) -> None:
    with make([]) as transport:
        response = ask(transport, f"http://0x7f.1:{listener.port}/")
    assert response.detail == "127.0.0.1 is not an address that may be called"


def test_an_allowed_address_that_refuses_is_unreachable() -> None:
    with Listener() as listener:
        port = listener.port
    with make(LOOPBACK) as transport:
        assert ask(transport, f"http://127.0.0.1:{port}/").fault is Fault.UNREACHABLE
        # ::1 is refused by us, 127.0.0.1 by the machine: it was tried.
        assert ask(transport, f"http://localhost:{port}/").fault is Fault.UNREACHABLE


def test_a_kept_connection_is_looked_at_again(listener: Listener) -> None:
    """Even if the verdict changes, nothing more goes out on a connection that was opened before."""
    peers: list[tuple[str, int]] = []
    verdicts = [True, True, True, False]

    def guard(peer: tuple[str, int]) -> bool:
        peers.append(peer)
        return verdicts[len(peers) - 1]

    transport = HttpTransport(connect_timeout=5, timeout=PATIENCE, user_agent="x", socket_guard=guard)
    url = f"http://127.0.0.1:{listener.port}/"
    with transport:
        assert [ask(transport, url).status for _ in range(2)] == [200, 200]  # opened, written; written again
        assert ask(transport, url).fault is Fault.FORBIDDEN
    assert peers == [("127.0.0.1", listener.port)] * 4
    assert (listener.connections, listener.requests) == (1, 2)


def test_a_name_that_moves_after_its_url_was_taken(listener: Listener) -> None:
    """What forbidden_url() saw does not count: the address is looked at when it is connected to."""
    url = f"http://localhost.:{listener.port}/"
    assert forbidden_url(url.replace("localhost.", "host.example"), resolve=to_public) is None
    with make([]) as transport:
        assert ask(transport, url).fault is Fault.FORBIDDEN
    assert listener.connections == 0


def test_children_inherit_no_connection(listener: Listener) -> None:
    before = inheritable()
    with make(LOOPBACK) as transport:
        assert ask(transport, f"http://127.0.0.1:{listener.port}/").status == 200
        assert inheritable() == before


def inheritable() -> set[int]:
    found = set()
    for descriptor in range(256):
        with suppress(OSError):
            if os.get_inheritable(descriptor):
                found.add(descriptor)
    return found
