"""Whatever goes wrong and however often: a share is never none, falls with what fails, and comes back by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.health import CONNECTION_HEALS, LOWEST, RECENT, Deliveries, halvings, share
from dispatcher.core.pacing import SECOND
from tests.properties.drawn import drawn

NOW = 1_795_348_800 * SECOND
LONGEST = int(LOWEST * CONNECTION_HEALS)
counts = st.integers(1, 10**6)


@drawn(200)
@given(st.integers(-(10**18), 10**18))
def test_a_share_is_more_than_nothing_and_no_more_than_all(ahead: int) -> None:
    assert 2**-LOWEST <= share(NOW + ahead, NOW, CONNECTION_HEALS) <= 1


@drawn(200)
@given(st.integers(0, LONGEST), st.integers(0, LONGEST))
def test_it_comes_back_with_time_alone(ahead: int, later: int) -> None:
    now, then = (share(NOW + ahead, NOW + after, CONNECTION_HEALS) for after in (0, later))
    assert now <= then
    assert share(NOW + ahead, NOW + LONGEST, CONNECTION_HEALS) == 1


@drawn(200)
@given(counts, st.floats(0, 1), st.floats(0, 1))
def test_it_falls_the_more_the_more_fails(count: int, part: float, more: float) -> None:
    less, much = sorted((count * part, count * more))
    assert 0 <= halvings(count, less) <= halvings(count, much) <= LOWEST


@drawn(100)
@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=400))
def test_only_who_reaches_fewer_than_others_falls(receipts: list[tuple[int, bool, bool]]) -> None:
    of = Deliveries()
    kept: dict[int, list[int]] = {}
    for sender, delivered, filtered in receipts:
        kept[sender] = [*kept.get(sender, []), 0 if delivered else 2 if filtered else 1][-RECENT:]
        fell = of.heed(sender, delivered=delivered, filtered=filtered)
        others = [each for i, recent in kept.items() if i != sender for each in recent]
        if fell:
            rate = sum(kept[sender]) / len(kept[sender])
            assert not delivered
            assert rate > 0.1
            assert len(others) < 20 or rate > 2 * sum(others) / len(others)
            assert 0 < fell.halvings <= LOWEST
            kept[sender] = []
