"""A sender's pace over any history: never faster than its rate, and no more a day than its cap allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.core.pacing import DAY, SECOND, Room, gap_of
from tests.properties.drawn import drawn

START = 20_000 * DAY
Sent = tuple[int, int]  # a slot and its segments
Ask = tuple[int, int]  # microseconds since the ask before, and segments

gaps = st.integers(1, 2 * SECOND) | st.floats(0.001, 1_000_000).map(gap_of)
segments = st.integers(1, 10)
pauses = st.just(0) | st.integers(0, 3 * SECOND) | st.integers(0, DAY // 3)
asks = st.lists(st.tuples(pauses, segments), max_size=60)
horizons = st.just(SECOND) | st.integers(0, 5 * SECOND)


def sent(room: Room, begin: int, asked: Sequence[Ask], horizon: int) -> list[Sent]:
    """What goes out when each is asked for in turn; what finds no slot within the horizon does not go."""
    now, out = begin, []
    for pause, size in asked:
        now += pause
        slot = room.slot(now, size)
        if slot <= now + horizon:
            out.append((slot, size))
            room = room.charged(size, now)
    return out


@drawn(300)
@given(gaps, st.integers(START, START + DAY), asks, horizons)
def test_no_window_holds_more_than_its_rate_and_one_message(
    gap: int, begin: int, asked: list[Ask], horizon: int
) -> None:
    out = sent(Room(gap), begin, asked, horizon)
    for first, (opened, _) in enumerate(out):
        held = 0
        for slot, size in out[first:]:
            assert slot >= opened
            assert held * gap <= slot - opened  # what went before this one in the window fits into its length
            held += size


@drawn(300)
@given(
    gaps,
    st.integers(1, 30),
    st.integers(START, START + DAY) | st.integers(START - 2 * SECOND, START),
    asks,
    horizons,
)
@example(1, 3, START - SECOND // 2, [(0, 1)] * 20, SECOND)
def test_no_day_holds_more_than_its_cap_unless_one_message_alone_does(
    gap: int, cap: int, begin: int, asked: list[Ask], horizon: int
) -> None:
    days: dict[int, list[int]] = defaultdict(list)
    for slot, size in sent(Room(gap, daily_cap=cap, day=begin // DAY, used=0), begin, asked, horizon):
        days[slot // DAY].append(size)
    for sizes in days.values():
        assert sum(sizes) <= cap or len(sizes) == 1


@drawn(300)
@given(st.integers(1, 60 * SECOND), st.lists(segments, max_size=20), st.integers(0, SECOND), st.randoms())
def test_the_order_of_charging_does_not_matter_for_the_total(
    gap: int, sizes: list[int], ahead: int, mix: Random
) -> None:
    now = START + 6 * 3600 * SECOND  # all of it fits into this day
    mixed = list(sizes)
    mix.shuffle(mixed)
    one = other = Room(gap, free_at=now + ahead)
    for size, another in zip(sizes, mixed, strict=True):
        one, other = one.charged(size, now), other.charged(another, now)
    assert one == other
    assert one.free_at == now + ahead + gap * sum(sizes)


@drawn(300)
@given(gaps, st.none() | st.integers(1, 30), st.integers(START - 2 * SECOND, START + DAY), horizons)
def test_as_many_may_begin_as_are_counted(gap: int, cap: int | None, now: int, horizon: int) -> None:
    room = Room(max(gap, SECOND // 50), daily_cap=cap)
    count = room.slots(now, horizon)
    assert len(sent(room, now, [(0, 1)] * count, horizon)) == count
    assert count >= 1


@drawn(500)
@given(st.floats(0.001, 1_000_000))
def test_the_gap_never_lets_the_rate_be_passed(mps: float) -> None:
    gap = gap_of(mps)
    assert gap >= 1
    assert Fraction(gap) * Fraction(mps) >= SECOND
    assert Fraction(gap - 1) * Fraction(mps) <= SECOND * (1 + Fraction(1, 10**9))  # nor wastes a microsecond
