"""A connection to an SMSC, in the clear or by TLS: PDUs into a buffer and out of one, never waiting once it is open."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import certifi

from dispatcher.core.smpp import Pdu, Terms, take_pdu

CHUNK: Final = 65_536
MOST_CHUNKS: Final = 16  # read at once: whoever floods us must not keep us from writing
MOST_UNSENT: Final = 1 << 22  # octets that the other side may leave unread


class Lost(Exception):
    """The connection is of no more use; the message says why."""


class Wire:
    """One connection. `taken` counts the octets that the system took, `put_in_all` those that it was to take."""

    def __init__(self, terms: Terms, timeout: float) -> None:
        """Connect, and shake hands where it is TLS, within `timeout` seconds each. Raises OSError, Lost."""
        self.taken = 0
        self.put_in_all = 0
        self._out = bytearray()
        self._in = bytearray()
        self._ended = False
        sock = socket.create_connection((terms.host, terms.port), timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if terms.tls:
                sock = _trusting(terms.ca_file).wrap_socket(sock, server_hostname=terms.host)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self._socket = sock

    def fileno(self) -> int:
        """What a selector watches."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give it back; what was not sent is dropped."""
        self._socket.close()

    @property
    def unsent(self) -> int:
        """How many octets wait until the system takes them, as it does while the other side reads."""
        return len(self._out)

    @property
    def unread(self) -> bool:
        """Whether something was read that no selector sees any more."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def put(self, pdu: Pdu) -> None:
        """Send it with the next flush. Raises Lost where the other side has read nothing for long."""
        octets = bytes(pdu)
        self._out += octets
        self.put_in_all += len(octets)
        if len(self._out) > MOST_UNSENT:
            raise Lost("the other side reads nothing")

    def flush(self) -> None:
        """Send what the system takes. Raises OSError."""
        try:
            while self._out:
                count = self._socket.send(self._out)
                self.taken += count
                del self._out[:count]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass

    def fetch(self) -> Iterator[Pdu]:
        """The PDUs that have come. Raises Garbled, OSError, and Lost after the last one of a connection that ended."""
        self._read()
        while pdu := take_pdu(self._in):
            yield pdu
        if self._ended:
            raise Lost("the other side closed the connection")

    def _read(self) -> None:
        try:
            for _ in range(MOST_CHUNKS):
                chunk = self._socket.recv(CHUNK)
                self._in += chunk
                if not chunk:
                    self._ended = True
                    return
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Whose authorities are these, or the usual ones. Raises Lost, for the system's own words name no file."""
    trusted = ca_file or os.environ.get("SSL_CERT_FILE") or certifi.where()
    try:
        return ssl.create_default_context(cafile=trusted)
    except OSError as error:
        raise Lost(f"certificates of {trusted} cannot be used: {error}") from None
