from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dispatcher.core.flows import BUSY_FLOWS, FEW, MOST_KEPT, SPACING, Flows

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_who_invites_a_few_is_in_the_common_flow_and_who_invites_more_in_one_of_their_own() -> None:
    flows = Flows()
    assert [flows.flow(1, "anna", NOON) for _ in range(FEW)] == [0] * FEW
    busy = {flows.flow(1, "anna", NOON) for _ in range(100)}
    assert len(busy) == 1
    assert busy <= set(range(1, BUSY_FLOWS + 1))
    assert flows.flow(1, "bert", NOON) == 0
    assert flows.flow(2, "anna", NOON) == 0, "another app's"


def test_one_more_is_few_after_each_spacing() -> None:
    flows = Flows()
    for _ in range(2 * FEW):
        flows.flow(1, "anna", NOON)
    later = NOON + timedelta(seconds=3 * SPACING)
    assert [flows.flow(1, "anna", later) > 0 for _ in range(5)] == [False, False, False, True, True]
    assert flows.flow(1, "anna", later + timedelta(days=1)) == 0


def test_who_does_not_say_who_invites_is_in_the_common_flow() -> None:
    flows = Flows()
    assert {flows.flow(1, "", NOON) for _ in range(3 * FEW)} == {0}


def test_the_busy_are_spread() -> None:
    flows = Flows()
    names = [f"inviter {n}" for n in range(100)]
    for _ in range(FEW):
        assert {flows.flow(1, name, NOON) for name in names} == {0}
    assert {flows.flow(1, name, NOON) for name in names} == set(range(1, BUSY_FLOWS + 1))


def test_what_is_remembered_is_bounded() -> None:
    flows = Flows()
    for n in range(MOST_KEPT):
        flows.flow(1, str(n), NOON)
    for _ in range(FEW - 1):
        flows.flow(1, "0", NOON)
    assert flows.flow(1, "0", NOON) > 0
    flows.flow(1, "one too many", NOON)
    assert flows.flow(1, "0", NOON) == 0
