"""The name under which a customer's own key is kept, and the code that customers read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.core.invitation import Standing, store_key
from dispatcher.core.lifecycle import State

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "reference", "kept"), [("", "", ""), ("a", "", "k:a"), ("", "a", "r:a"), ("a", "b", "k:a")]
)
def test_the_header_wins_and_the_two_are_never_mixed_up(header: str, reference: str, kept: str) -> None:
    assert store_key(header, reference) == kept


@pytest.mark.parametrize(
    ("state", "code", "clicked", "told"),
    [
        (State.SUBMITTED, 0, False, 0),
        (State.SUBMITTED, 0, True, 2),
        (State.DELIVERED, 1, False, 1),
        (State.DELIVERED, 1, True, 2),
        (State.FAILED, 124, True, 124),
        (State.QUEUED, 0, True, 0),
    ],
)
def test_a_click_is_the_last_word_on_what_did_not_fail(state: State, code: int, clicked: bool, told: int) -> None:
    standing = Standing(
        id=1, state=state, code=code, reason="", reference="", segments=1, sender="", created_at=NOON, planned_at=NOON,
        due_at=NOON, hold="", sent_at=None, completed_at=None, clicked_at=NOON if clicked else None,
    )  # fmt: skip
    assert standing.told_code == told
