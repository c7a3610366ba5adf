"""How fast a sender may go. Times are microseconds; NIGHT is a midnight, DAWN is far from one."""

from __future__ import annotations

import pytest

from dispatcher.core.pacing import DAY, HANDOVER, HESITATION, SECOND, SHORTEST_HELD, Room, gap_of

TODAY = 20_000
NIGHT = TODAY * DAY
DAWN = NIGHT + 6 * 3600 * SECOND
TEN = SECOND // 10  # the gap at ten segments per second

SLOTS = [
    # a room, now, its next slot
    (Room(TEN), DAWN, DAWN),
    (Room(TEN, free_at=DAWN - 1), DAWN, DAWN),
    (Room(TEN, free_at=DAWN + 5), DAWN, DAWN + 5),
    (Room(TEN, daily_cap=3, day=TODAY, used=2), DAWN, DAWN),
    (Room(TEN, daily_cap=3, day=TODAY, used=3), DAWN, NIGHT + DAY),
    (Room(TEN, daily_cap=3, day=TODAY, used=5), DAWN, NIGHT + DAY),  # the last message was a long one
    (Room(TEN, daily_cap=3, day=TODAY - 1, used=3), DAWN, DAWN),  # another day's use
    (Room(TEN, free_at=NIGHT + DAY + 7, daily_cap=3, day=TODAY, used=3), DAWN, NIGHT + DAY + 7),
    (Room(TEN, daily_cap=3, day=TODAY - 1, used=3), NIGHT - 1, NIGHT),
    (Room(TEN, daily_cap=3, day=TODAY - 1, used=3), NIGHT, NIGHT),
    (Room(TEN, daily_cap=3, day=TODAY - 1, used=3), NIGHT - TEN, NIGHT),
    # Tomorrow's cap is used up although it is still today: by slots that lie ahead.
    (Room(TEN, free_at=NIGHT + 3 * TEN, daily_cap=3, day=TODAY, used=3), NIGHT - TEN, NIGHT + DAY),
]
CHARGES = [
    # a room, segments, now, the room that is left
    (Room(TEN), 1, DAWN, Room(TEN, DAWN + TEN, None, TODAY, 1)),
    (Room(TEN), 3, DAWN, Room(TEN, DAWN + 3 * TEN, None, TODAY, 3)),
    (Room(TEN, DAWN + 5, None, TODAY, 7), 2, DAWN, Room(TEN, DAWN + 5 + 2 * TEN, None, TODAY, 9)),
    (Room(TEN, 0, None, TODAY - 1, 7), 2, DAWN, Room(TEN, DAWN + 2 * TEN, None, TODAY, 2)),
    (Room(TEN, 0, 3, TODAY, 1), 2, DAWN, Room(TEN, DAWN + 2 * TEN, 3, TODAY, 3)),
    (Room(TEN, 0, 3, TODAY, 2), 2, DAWN, Room(TEN, NIGHT + DAY + 2 * TEN, 3, TODAY + 1, 2)),  # no longer fits today
    (Room(TEN, 0, 3, TODAY, 1), 4, DAWN, Room(TEN, NIGHT + DAY + 4 * TEN, 3, TODAY + 1, 4)),  # fits into no day
    (Room(TEN, 0, 3, TODAY, 0), 4, DAWN, Room(TEN, DAWN + 4 * TEN, 3, TODAY, 4)),
    (Room(TEN, 0, 3, TODAY, 4), 1, DAWN, Room(TEN, NIGHT + DAY + TEN, 3, TODAY + 1, 1)),
]
COUNTS = [
    # a room, now, the horizon, how many may begin
    (Room(TEN), DAWN, 0, 1),
    (Room(TEN), DAWN, SECOND, 11),
    (Room(TEN), DAWN, SECOND - 1, 10),
    (Room(TEN, free_at=DAWN + SECOND), DAWN, SECOND, 1),
    (Room(TEN, free_at=DAWN + SECOND + 1), DAWN, SECOND, 0),
    (Room(TEN, daily_cap=5, day=TODAY, used=2), DAWN, SECOND, 3),
    (Room(TEN, daily_cap=5, day=TODAY - 1, used=5), DAWN, SECOND, 5),
    (Room(TEN, daily_cap=5, day=TODAY, used=5), DAWN, SECOND, 0),
    (Room(TEN, daily_cap=5, day=TODAY - 1, used=5), NIGHT - TEN, SECOND, 5),  # tonight's last second
]
GAPS = [
    (1, SECOND),
    (10, TEN),
    (3, 333_334),
    (0.001, 1000 * SECOND),
    (0.1, 10 * SECOND),
    (999_999, 2),
    (1_000_000, 1),
    (5_000_000, 1),
    (1e12, 1),
]


@pytest.mark.parametrize(("room", "now", "slot"), SLOTS)
def test_slot(room: Room, now: int, slot: int) -> None:
    assert room.slot(now) == slot


@pytest.mark.parametrize(("room", "segments", "now", "left"), CHARGES)
def test_charged(room: Room, segments: int, now: int, left: Room) -> None:
    assert room.charged(segments, now) == left


COUNTED = [
    # a room, the day on which a text was counted, the room left once it goes again
    (Room(TEN, 0, 3, TODAY, 3), TODAY, Room(TEN, DAWN + 2 * TEN, 3, TODAY, 3)),
    (Room(TEN, 0, 3, TODAY, 1), TODAY - 1, Room(TEN, DAWN + 2 * TEN, 3, TODAY, 3)),
    (Room(TEN, 0, 3, TODAY, 3), TODAY - 1, Room(TEN, NIGHT + DAY + 2 * TEN, 3, TODAY + 1, 2)),
]


@pytest.mark.parametrize(("room", "counted_on", "left"), COUNTED)
def test_what_was_counted_before_counts_once_a_day(room: Room, counted_on: int, left: Room) -> None:
    assert room.charged(2, DAWN, counted_on) == left


@pytest.mark.parametrize(("room", "now", "horizon", "count"), COUNTS)
def test_slots(room: Room, now: int, horizon: int, count: int) -> None:
    assert room.slots(now, horizon) == count


def test_read_at() -> None:
    """After a clock was set back a sender waits until what was given out is over, and no longer."""
    longest = Room(TEN, free_at=DAWN + SECOND + 256 * TEN)
    assert longest.read_at(DAWN, SECOND) == longest
    behind = longest.read_at(DAWN - 1, SECOND)
    assert behind.free_at == DAWN - 1 + SECOND
    assert behind.slots(DAWN - 1, SECOND) == 1


SEEN = [
    # a room, and the slot that a process sees which does not hold it
    (Room(TEN), DAWN),
    (Room(TEN, free_at=DAWN - HANDOVER), DAWN),
    (Room(TEN, free_at=DAWN - HANDOVER + 1), DAWN + 1 + SECOND),  # not within the second that is its horizon
    (Room(TEN, free_at=DAWN + 7), DAWN + 7 + HANDOVER + SECOND),
    (Room(SHORTEST_HELD, free_at=DAWN + 7), DAWN + 7 + HANDOVER + SECOND),
    (Room(SHORTEST_HELD - 1, free_at=DAWN + 7), DAWN + 7),  # fast ones are shared
]
RESTS = [(TEN, 1, TEN - HESITATION), (TEN, 3, 3 * TEN - HESITATION), (SHORTEST_HELD - 1, 1, None)]


@pytest.mark.parametrize(("room", "slot"), SEEN)
def test_seen_by_another(room: Room, slot: int) -> None:
    assert room.seen_by_another(DAWN, SECOND).slot(DAWN) == slot


@pytest.mark.parametrize(("gap", "segments", "rest"), RESTS)
def test_rest(gap: int, segments: int, rest: int | None) -> None:
    assert Room(gap).rest(segments) == rest


@pytest.mark.parametrize(("mps", "gap"), GAPS)
def test_gap(mps: float, gap: int) -> None:
    assert gap_of(mps) == gap
