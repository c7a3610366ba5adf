"""Shares of any places among any lanes: no more than there is, no more than is wanted, and nobody starves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.senders import shares
from tests.properties.drawn import drawn

lanes = st.dictionaries(st.integers(1, 99), st.integers(1, 500), max_size=30)
idle_lanes = st.dictionaries(st.integers(1, 99), st.integers(0, 500), max_size=30)
places = st.integers(0, 300)


@drawn(300)
@given(places, idle_lanes)
def test_never_more_than_free_nor_than_wanted(free: int, wants: dict[int, int]) -> None:
    got = shares(free, wants)
    assert sum(got.values()) <= free
    assert all(0 < count <= wants[lane] for lane, count in got.items())


@drawn(300)
@given(places, lanes)
def test_no_place_stays_empty_that_somebody_wants(free: int, wants: dict[int, int]) -> None:
    assert sum(shares(free, wants).values()) == min(free, sum(wants.values()))


@drawn(300)
@given(places, lanes)
def test_nobody_starves_while_another_gets_more(free: int, wants: dict[int, int]) -> None:
    got = shares(free, wants)
    for lane, wanted in wants.items():
        mine = got.get(lane, 0)
        assert mine == wanted or mine >= max(got.values(), default=0) - 1
    assert free < len(wants) or set(got) == set(wants)


@drawn(300)
@given(st.integers(1, 30), lanes)
def test_fewer_places_than_lanes_go_round(free: int, wants: dict[int, int]) -> None:
    if free >= len(wants):
        return
    served: Counter[int] = Counter()
    order = list(wants.items())
    for turn in range(len(order)):
        served.update(shares(free, dict([*order[turn:], *order[:turn]])))
    assert dict(served) == dict.fromkeys(wants, free)
