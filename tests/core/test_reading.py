"""What carriers write, read or nothing."""

from __future__ import annotations

import pytest

from dispatcher.core.reading import clean, dig, id_at, json_of, text_at


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
