"""Settings of a connection, read key by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from dispatcher.core.given import Given, SettingsError

Read = Callable[[Given], object]

READ: Final[list[tuple[dict[str, Any], Read, object]]] = [
    ({"a": "x"}, lambda g: g.text("a"), "x"),
    ({"a": 15}, lambda g: g.text("a"), "15"),
    ({}, lambda g: g.text("a", "z"), "z"),
    ({"a": "AC1"}, lambda g: g.text("a", like="AC[0-9]+"), "AC1"),
    ({"a": "udh"}, lambda g: g.choice("a", ("udh", "payload"), "payload"), "udh"),
    ({}, lambda g: g.choice("a", ("udh", "payload"), "payload"), "payload"),
    ({"a": "7"}, lambda g: g.number("a", 1, least=1, most=9), 7),
    ({"a": 7}, lambda g: g.number("a", 1, least=1, most=9), 7),
    ({}, lambda g: g.number("a", 1, least=1, most=9), 1),
    ({"a": "yes"}, lambda g: g.flag("a", default=False), True),
    ({"a": "FALSE"}, lambda g: g.flag("a", default=True), False),
    ({"a": True}, lambda g: g.flag("a", default=False), True),
    ({}, lambda g: g.flag("a", default=True), True),
    ({"a": "https://h.example/x/"}, lambda g: g.url("a"), "https://h.example/x"),
    ({"a": "http://[::1]:80"}, lambda g: g.url("a"), "http://[::1]:80"),
    ({}, lambda g: g.url("a", "https://h.example"), "https://h.example"),
    ({}, lambda g: g.secret("token"), "s3"),
    ({}, lambda g: g.secret("other", optional=True), ""),
    ({}, lambda g: g.secret("pem", lines=True), "a\nb"),
    ({}, lambda g: g.secrets("token"), ("s3",)),
    ({}, lambda g: g.secrets("key"), ("k2", "k1")),
    ({}, lambda g: g.secrets("other", optional=True), ()),
    ({"a": {"b": 1}}, lambda g: g.described(), {"a": {"b": 1}}),
]


@pytest.mark.parametrize(("settings", "read", "found"), READ)
def test_read(settings: dict[str, Any], read: Read, found: object) -> None:
    assert read(Given(settings, {"token": "s3", "pem": "a\nb", "key": "k2", "key_before": "k1"})) == found


WRONG: Final[list[tuple[dict[str, Any], Read, str]]] = [
    ({}, lambda g: g.text("a"), "a: is missing"),
    ({"a": ""}, lambda g: g.text("a"), "a: must be a text of 1 to 255 characters"),
    ({"a": "x" * 5}, lambda g: g.text("a", most=4), "a: must be a text of 1 to 4 characters"),
    ({"a": ["x"]}, lambda g: g.text("a"), "a: must be a text of 1 to 255 characters"),
    ({"a": True}, lambda g: g.text("a"), "a: must be a text of 1 to 255 characters"),
    ({"a": "x\ud800"}, lambda g: g.text("a"), "a: must be a text of 1 to 255 characters"),
    ({"a": "x\r\nHost: y"}, lambda g: g.text("a"), "a: must be a text of 1 to 255 characters"),
    ({"a": "x"}, lambda g: g.text("a", like="AC[0-9]+"), "a: must be AC[0-9]+"),
    ({"a": "x"}, lambda g: g.text("a", like="AC[0-9]+", what="AC and digits"), "a: must be AC and digits"),
    ({"a": "x"}, lambda g: g.choice("a", ("udh", "payload"), "udh"), "a: must be one of udh, payload"),
    ({"a": "0"}, lambda g: g.number("a", 1, least=1, most=9), "a: must be a whole number, 1 to 9"),
    ({"a": "10"}, lambda g: g.number("a", 1, least=1, most=9), "a: must be a whole number, 1 to 9"),
    ({"a": "٣"}, lambda g: g.number("a", 1, least=1, most=9), "a: must be a whole number, 1 to 9"),
    ({"a": "9" * 200}, lambda g: g.number("a", 1, least=1, most=9), "a: must be a whole number, 1 to 9"),
    ({"a": "maybe"}, lambda g: g.flag("a", default=True), "a: must be true or false"),
    ({"a": 1}, lambda g: g.flag("a", default=True), "a: must be true or false"),
    *(
        ({"a": url}, lambda g: g.url("a"), "a: must be an http:// or https:// address, without a user or a query")
        for url in (
            "ftp://h.example", "h.example", "https://", "https://h.example/?q", "https://h.example/#f", "http://h:0",
            "https://u:p@h.example", "https://h example", "https://h.example\\x", "http://[::1", "http://h:x",
        )
    ),
    ({}, lambda g: g.secret("other"),
     "credentials.other: is missing; say where it stands, env:VARIABLE or file:/path"),
    ({}, lambda g: g.secrets("lone", optional=True),
     "credentials.lone: is missing; say where it stands, env:VARIABLE or file:/path"),
    ({}, lambda g: g.secret("empty"), "credentials.empty: must be text in UTF-8, and not empty"),
    ({}, lambda g: g.secret("pem"), "credentials.pem: must hold no control character, nor the end of a line"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "read", "sentence"), WRONG)
def test_wrong(settings: dict[str, Any], read: Read, sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(Given(settings, {"token": "s3", "empty": " ", "pem": "a\nb", "lone_before": "l1"}))
    assert str(raised.value) == sentence


def test_unknown_keys() -> None:
    given = Given({"credentials": {}, "base_url": "https://h.example", "from": "x"}, {"token": "s3"})
    given.url("base_url")
    with pytest.raises(SettingsError, match=r"from: unknown; allowed are base_url$"):
        given.check_known()
    given.text("from")
    with pytest.raises(SettingsError, match=r"credentials.token: unknown; allowed are base_url, from$"):
        given.check_known()
    given.secret("token")
    given.check_known()


def test_described_is_known() -> None:
    given = Given({"request": {}, "credentials": {}}, {"token": "s3"})
    given.described()
    given.check_known()


def test_a_table() -> None:
    given = Given({"errors": {"1": 123}, "statuses": "x"}, {})
    assert given.table("errors") == {"1": 123}
    assert given.table("other") == {}
    with pytest.raises(SettingsError, match=r"^statuses: must be a table$"):
        given.table("statuses")
