"""SMPP 3.4 as bytes and back: the PDUs that submit, deliver and keep a bind (SMPP Protocol Specification v3.4, 1999).

Total: bytes that cannot be read are Garbled, and nothing else is ever raised. Our own, since no kept library can be
used for it: smpplib's codec takes truncated PDUs for whole ones and raises four kinds of exception, and smpp34 writes
submit_sm and deliver_sm alone. The tests compare us with the latter.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

HEADER: Final = struct.Struct(">IIII")
TAG: Final = struct.Struct(">HH")
LONGEST: Final = 1 << 17  # octets of a PDU; the longest message_payload takes half of it
LAST_SEQUENCE: Final = 0x7FFFFFFF  # 3.2: then 1 again
VERSION: Final = 0x34
SHORT: Final = 254  # octets of a short_message
RESP: Final = 0x80000000  # what makes a command's answer of it


class Command(IntEnum):
    """command_id (5.1.2.1)."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT = 0x04
    DELIVER = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    ENQUIRE_LINK = 0x15
    DATA = 0x103
    NACK = 0x80000000
    SUBMIT_RESP = 0x80000004
    UNBIND_RESP = 0x80000006


class Status(IntEnum):
    """command_status (5.1.3), as far as a bind answers or heeds it; what all mean for a submit, carriers.smpp tells."""

    OK = 0x00
    INVALID_COMMAND = 0x03
    QUEUE_FULL = 0x14
    THROTTLED = 0x58
    TRY_AGAIN = 0x64  # ESME_RX_T_APPN: tell us once more
    UNREADABLE = 0x65  # ESME_RX_P_APPN: telling it once more is no use
    UNKNOWN_ERROR = 0xFF


RESTS: Final = frozenset({Status.THROTTLED, Status.QUEUE_FULL})  # the other side asks for less


class Tag(IntEnum):
    """Optional parameters (5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class Garbled(ValueError):
    """These bytes are no PDU, or not the one that its command says; or a value does not fit where it is to stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what a connection binds. `binds` is how many at once over all processes; of a `pair` each counts as one."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    pair: bool = False
    binds: int = 1
    window: int = 10
    enquire_seconds: int = 30
    tls: bool = False
    ca_file: str = ""


class Pdu(NamedTuple):
    """A PDU; `command` may be one that we do not know."""

    command: int
    sequence: int
    body: bytes = b""
    status: int = 0

    def __bytes__(self) -> bytes:
        return HEADER.pack(HEADER.size + len(self.body), self.command, self.status, self.sequence) + self.body


def take_pdu(buffer: bytearray) -> Pdu | None:
    """Take the first PDU off the buffer, None while it is not whole. Garbled as soon as its length cannot be one."""
    if len(buffer) < TAG.size:
        return None
    length = int.from_bytes(buffer[: TAG.size], "big")
    if not HEADER.size <= length <= LONGEST:
        raise Garbled(f"no PDU is {length} octets long")
    if len(buffer) < length:
        return None
    _, command, status, sequence = HEADER.unpack_from(buffer)
    body = bytes(buffer[HEADER.size : length])
    del buffer[:length]
    return Pdu(command, sequence, body, status)


def pdus(octets: bytes) -> Iterator[Pdu]:
    """Every PDU of these, one after the other. Garbled where they do not end with one."""
    buffer = bytearray(octets)
    while buffer:
        pdu = take_pdu(buffer)
        if pdu is None:
            raise Garbled("ends amid a PDU")
        yield pdu


class Address(NamedTuple):
    """Type of number and numbering plan (5.2.5, 5.2.6), and the number: 20 octets at most."""

    ton: int
    npi: int
    number: str


@dataclass(frozen=True, slots=True)
class Short:
    """What matters of a submit_sm, deliver_sm or data_sm; the fields left out are written as 0 and skipped."""

    source: Address
    destination: Address
    octets: bytes = b""
    esm_class: int = 0
    registered: int = 0
    data_coding: int = 0
    tags: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The user data, wherever it stands (5.3.2.32)."""
        return self.octets or self.tags.get(Tag.MESSAGE_PAYLOAD, b"")


def bind_body(terms: Terms) -> bytes:
    """The body of a bind of any kind (4.1). Garbled if a name is too long."""
    names = ((terms.system_id, 16), (terms.password, 9), (terms.system_type, 13))
    return b"".join(cstring(*name) for name in names) + bytes((VERSION, 0, 0, 0))


def short_body(short: Short) -> bytes:
    """The body of a submit_sm or deliver_sm (4.4.1, 4.6.1)."""
    if len(short.octets) > SHORT:
        raise Garbled(f"a short_message has {SHORT} octets at most")
    return b"".join(
        (
            cstring("", 6),
            *(bytes((each.ton, each.npi)) + cstring(each.number, 21) for each in (short.source, short.destination)),
            bytes((short.esm_class, 0, 0)),
            bytes(2),  # schedule_delivery_time, validity_period
            bytes((short.registered, 0, short.data_coding, 0, len(short.octets))),
            short.octets,
            *(TAG.pack(tag, len(value)) + value for tag, value in short.tags.items()),
        )
    )


def cstring(value: str, most: int) -> bytes:
    """A C-octet string of `most` octets, its NUL included (3.1). Garbled if it does not fit."""
    octets = value.encode("latin-1", "replace")
    if len(octets) >= most or 0 in octets:
        raise Garbled(f"must be {most - 1} characters at most, without NUL")
    return octets + b"\0"


def read_short(pdu: Pdu) -> Short:
    """The body of a submit_sm, deliver_sm or data_sm. Raises Garbled."""
    cursor = _Cursor(pdu.body)
    cursor.cstring()  # service_type
    source, destination = cursor.address(), cursor.address()
    if pdu.command == Command.DATA:  # 4.7.1
        esm_class, registered, coding = cursor.octets(3)
        return Short(source, destination, b"", esm_class, registered, coding, cursor.tags())
    esm_class = cursor.octets(3)[0]
    cursor.cstring()
    cursor.cstring()
    registered, _, coding, _, size = cursor.octets(5)
    return Short(source, destination, cursor.octets(size), esm_class, registered, coding, cursor.tags())


def read_id(pdu: Pdu) -> str:
    """The message_id of an answer; "" where there is none. Some write it without its NUL."""
    return pdu.body.partition(b"\0")[0].decode("latin-1")


class _Cursor:
    """Reads a body from its beginning to its end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def octets(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._body):
            raise Garbled("cut short")
        return self._body[self._at - count : self._at]

    def cstring(self) -> str:
        begin, end = self._at, self._body.find(0, self._at)
        if end < 0:
            raise Garbled("a string has no end")
        self._at = end + 1
        return self._body[begin:end].decode("latin-1")

    def address(self) -> Address:
        ton, npi = self.octets(2)
        return Address(ton, npi, self.cstring())

    def tags(self) -> dict[int, bytes]:
        """The rest of the body; of a tag that stands there twice the first counts."""
        found: dict[int, bytes] = {}
        while self._at < len(self._body):
            tag, size = TAG.unpack(self.octets(TAG.size))
            found.setdefault(tag, self.octets(size))
        return found
