"""How else a phone is written."""

from __future__ import annotations

import pytest

from dispatcher.core.spellings import spellings

ARGENTINA = ["+5491123456789", "+541123456789"]  # who texts has a mobile


@pytest.mark.parametrize(
    ("e164", "expected"),
    [
        ("+541123456789", ARGENTINA),
        ("+5491123456789", ARGENTINA),
        ("+551177654321", ["+551177654321", "+5511977654321"]),
        ("+5511977654321", ["+5511977654321"]),
        ("+551187654321", ["+551187654321", "+5511987654321"]),
        ("+551157654321", ["+551157654321"]),
        ("+525512345678", ["+525512345678"]),
        ("+13012223333", ["+13012223333"]),
        ("", [""]),
    ],
)
def test_the_likeliest_stands_first(e164: str, expected: list[str]) -> None:
    assert spellings(e164) == expected
