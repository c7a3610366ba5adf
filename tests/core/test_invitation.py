"""The name under which a customer's own key is kept."""

from __future__ import annotations

import pytest

from dispatcher.core.invitation import store_key


@pytest.mark.parametrize(
    ("header", "reference", "kept"), [("", "", ""), ("a", "", "k:a"), ("", "a", "r:a"), ("a", "b", "k:a")]
)
def test_the_header_wins_and_the_two_are_never_mixed_up(header: str, reference: str, kept: str) -> None:
    assert store_key(header, reference) == kept
