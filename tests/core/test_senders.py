"""Which sender an invitation goes out from, and how places are shared among lanes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from dispatcher.core.pacing import DAY, SECOND, Room
from dispatcher.core.senders import Choice, Pool, Sender, in_turn, shares

NOW = 20_000 * DAY + SECOND
TEN = SECOND // 10


def sender(number: int, *, connection: int = 1, apps: Iterable[int] = (), weight: float = 1.0, **room: Any) -> Sender:
    values = {"gap": TEN, "day": NOW // DAY} | room
    return Sender(number, f"+1{number}", connection, Room(**values), weight, frozenset(apps))


def pool(*senders: Sender, capacity: dict[int, int] | None = None) -> Pool:
    return Pool(NOW, SECOND, {s.id: s for s in senders}, {1: 9, 2: 9} if capacity is None else capacity)


ELIGIBLE = [
    # the pool, the app, the rule, who
    (pool(), 7, "shared", []),
    (pool(sender(1), sender(2)), 7, "shared", [1, 2]),
    (pool(sender(1), sender(2, apps=[7])), 7, "dedicated", [2]),
    (pool(sender(1), sender(2, apps=[7])), 8, "shared", [1]),
    (pool(sender(1, apps=[7, 8]), sender(2, apps=[8])), 8, "dedicated", [1, 2]),
    (pool(sender(1, apps=[7])), 8, "shared", []),
]
CHOICES = [
    # the pool, whom app 7 gets, in which slot
    (pool(), None, None),
    (pool(sender(1)), 1, NOW),
    (pool(sender(1, free_at=NOW + 5), sender(2)), 2, NOW),  # the first to be free
    (pool(sender(1, free_at=NOW + 5), sender(2, free_at=NOW + 6)), 1, NOW + 5),
    (pool(sender(1, used=5), sender(2, used=4)), 2, NOW),  # among those the least used
    (pool(sender(1, used=5, weight=2.0), sender(2, used=4)), 1, NOW),  # against its weight
    (pool(sender(2), sender(1)), 1, NOW),  # and then the first that was made
    (pool(sender(1, free_at=NOW + SECOND)), 1, NOW + SECOND),
    (pool(sender(1, free_at=NOW + SECOND + 1)), None, None),  # beyond the horizon
    (pool(sender(1), sender(2, connection=2, used=3), capacity={1: 0, 2: 1}), 2, NOW),  # no slot at its transport
    (pool(sender(1), capacity={1: 0}), None, None),
    (pool(sender(1), capacity={}), None, None),  # a connection that nobody knows
    (pool(sender(1), sender(2, apps=[7], free_at=NOW + 9)), 2, NOW + 9),  # its own, though another were free sooner
    (pool(sender(1), sender(2, apps=[7], free_at=NOW + DAY)), None, None),
    (pool(sender(1, daily_cap=3, used=3), sender(2, used=99)), 2, NOW),
]
FREE = [
    (pool(), None),
    (pool(sender(1, apps=[8])), None),
    (pool(sender(1, free_at=NOW + 7), sender(2, free_at=NOW + 5)), NOW + 5),
    (pool(sender(1), capacity={1: 0}), NOW),  # its own time, whatever its transport has
]
COUNTS = [
    (pool(), 0),
    (pool(sender(1)), 9),  # eleven slots, but nine places
    (pool(sender(1), capacity={1: 99}), 11),
    (pool(sender(1), sender(2, connection=2), capacity={1: 3, 2: 99}), 14),
    (pool(sender(1, free_at=NOW + DAY)), 0),
    (pool(sender(1), capacity={}), 0),
]
SHARES = [
    # free, wants, what each gets
    (0, {1: 5}, {}),
    (5, {}, {}),
    (10, {1: 3, 2: 4}, {1: 3, 2: 4}),
    (10, {1: 100, 2: 1}, {1: 9, 2: 1}),
    (10, {1: 100, 2: 100, 3: 2}, {1: 4, 2: 4, 3: 2}),
    (5, {1: 100, 2: 100}, {1: 2, 2: 3}),
    (2, {1: 9, 2: 9, 3: 9}, {1: 1, 2: 1}),
    (2, {3: 9, 1: 9, 2: 9}, {3: 1, 1: 1}),  # the order that the caller gives
    (2, {1: 0, 2: 9, 3: 0}, {2: 2}),
    (9, {1: 0, 2: 9}, {2: 9}),
]


@pytest.mark.parametrize(("given", "app", "rule", "ids"), ELIGIBLE)
def test_eligible(given: Pool, app: int, rule: str, ids: list[int]) -> None:
    assert given.eligible(app) == (rule, ids)
    assert given.eligible(app) == (rule, ids), "asked twice"


@pytest.mark.parametrize(("given", "chosen", "slot"), CHOICES)
def test_choose(given: Pool, chosen: int | None, slot: int | None) -> None:
    choice = given.choose(7)
    assert (choice and choice.sender.id, choice and choice.slot) == (chosen, slot)


@pytest.mark.parametrize(("given", "free"), FREE)
def test_next_free(given: Pool, free: int | None) -> None:
    assert given.next_free(7) == free


@pytest.mark.parametrize(("given", "count"), COUNTS)
def test_slots(given: Pool, count: int) -> None:
    assert given.slots(7) == count


@pytest.mark.parametrize(("free", "wants", "given"), SHARES)
def test_shares(free: int, wants: dict[int, int], given: dict[int, int]) -> None:
    assert shares(free, wants) == given


def test_an_owner_whose_senders_are_all_out_has_none() -> None:
    given = Pool(NOW, SECOND, {1: sender(1)}, {1: 9}, owners=frozenset({7}))
    assert given.eligible(7) == ("dedicated", [])
    assert given.eligible(8) == ("shared", [1])


def test_rows_in_turn() -> None:
    rows = ["a1", "a2", "a3", "b1", "c1", "c2"]
    assert in_turn(rows, lambda row: "_abc".index(row[0]), [3, 1, 2, 4]) == ["c1", "a1", "b1", "c2", "a2", "a3"]


def test_a_charge_uses_up_room_and_place() -> None:
    given = pool(sender(1, apps=[7]), capacity={1: 2})
    choice = given.choose(7)
    assert choice == Choice(sender(1, apps=[7]), NOW, "dedicated")
    given.charge(choice, 3)
    assert given.senders[1] == sender(1, apps=[7], free_at=NOW + 3 * TEN, used=3)
    assert given.capacity == {1: 1}
    again = given.choose(7)
    assert again is not None
    assert again.slot == NOW + 3 * TEN


def test_senders_of_one_pace_take_turns() -> None:
    given = pool(sender(1), sender(2), sender(3))
    chosen = []
    for _ in range(6):
        choice = given.choose(7)
        assert choice is not None
        chosen.append(choice.sender.id)
        given.charge(choice, 1)
    assert chosen == [1, 2, 3, 1, 2, 3]
