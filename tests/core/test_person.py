"""The key of a person: the same for the same address, telling nothing without the pepper."""

from __future__ import annotations

import re

import pytest

from dispatcher.core.person import content_digest, person_of

PEPPER = bytes(range(32))
KEY = re.compile(r"[A-Za-z0-9_-]{22}")

SAME = [("+13012223333", "+13012223333"), ("Ann@Example.com", "ann@example.COM"), ("STRASSE@x.de", "straße@x.de")]
OTHER = [("+13012223333", "+13012223334"), ("ann@example.com", "anne@example.com"), ("", "0")]

DIFFERENT = [
    (("ab", "c"), ("a", "bc")),
    (("a", "b"), ("b", "a")),
    (("a",), ("a", "")),
    (("a", "b"), ("a\x1fb",)),
    (("", ""), ("\x1f",)),
    (("a\x1f", "b"), ("a", "\x1fb")),
    (("1:a",), ("1", "a")),
]


def test_it_never_changes() -> None:
    """All that is kept about people is kept under it. As `b2sum` and others make it (RFC 7693, 16 bytes, keyed)."""
    assert person_of(PEPPER, "+13012223333") == "t691_GD_ZrsxptvxpxsiKg"


@pytest.mark.parametrize("address", ["", "+13012223333", "a" * 320, "grüße@例え.jp"])
def test_it_is_22_characters(address: str) -> None:
    assert KEY.fullmatch(person_of(PEPPER, address))
    assert KEY.fullmatch(content_digest(address, address))


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_person(one: str, other: str) -> None:
    assert person_of(PEPPER, one) == person_of(PEPPER, other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_people(one: str, other: str) -> None:
    assert person_of(PEPPER, one) != person_of(PEPPER, other)


def test_another_installation_knows_them_by_another_key() -> None:
    assert person_of(PEPPER, "+13012223333") != person_of(bytes(32), "+13012223333")


def test_the_same_content_has_the_same_digest() -> None:
    assert content_digest("a", "b", "") == content_digest("a", "b", "")


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_content_has_another_digest(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert content_digest(*one) != content_digest(*other)
