"""What carriers write, read or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.reading import clean, dig, id_at, instant_of, json_of, text_at


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"nul"])
def test_no_json(body: bytes) -> None:
    assert json_of(body) is None


@pytest.mark.parametrize(
    ("steps", "found"),
    [(("a", 0, "b"), "x"), (("n",), "7"), (("f",), "0.5"), (("t",), ""), (("a", 1), ""), (("a", "b"), ""),
     (("z",), ""), (("a",), ""), (("n", "x"), ""), (("u",), "ab"), (("long",), "yyyy")],
)  # fmt: skip
def test_text_at(steps: tuple[str | int, ...], found: str) -> None:
    value = json_of(b'{"a": [{"b": "x"}], "n": 7, "f": 0.5, "t": true, "u": "a\\u0000\\ud800b", "long": "yyyyyy"}')
    assert text_at(value, *steps, most=4) == found


def test_dig() -> None:
    assert dig({"a": [1, {"b": None}]}, "a", 1) == {"b": None}
    assert dig({"a": 1}) == {"a": 1}
    assert dig(None, "a") is None


def test_clean() -> None:
    assert clean("a\x00\udfffb") == "ab"


@pytest.mark.parametrize(
    ("value", "found"),
    [("m1", "m1"), (7, "7"), ("0", "0"), (" m 1", " m 1"), ("m\0\ud800" + "1" * 9, "m1111"), (0, ""), (-1, ""),
     (True, ""), (False, ""), (1.5, ""), ({}, ""), ([], ""), (["m"], ""), ("", ""), (" ", ""), ("\0", ""), (None, "")],
)  # fmt: skip
def test_id_at(value: object, found: str) -> None:
    assert id_at({"a": [value]}, "a", 0, most=5) == found


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22T12:00:00.250+0000", NOON + timedelta(seconds=0.25)),
        ("2026-11-22T07:00:00-05:00", NOON),
        ("1795348800", NOON),
        ("1795348800250", NOON + timedelta(seconds=0.25)),
        ("2026-11-22T12:00:00", None),  # anywhere
        ("2026-11-22", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("9" * 30, None),
        ("9" * 5000, None),
        ("-1", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("noon", None),
        ("", None),
    ],
)
def test_instant_of(said: str, instant: datetime | None) -> None:
    found = instant_of(said)
    assert found == instant
    assert found is None or found.tzinfo is UTC
