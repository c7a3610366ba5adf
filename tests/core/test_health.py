"""How a share falls with what goes wrong, and comes back with time."""

from __future__ import annotations

import pytest

from dispatcher.core.health import ENOUGH, LOWEST, RECENT, Ailment, Deliveries, Harm, halvings, share

HEALS = 20


@pytest.mark.parametrize(
    ("ahead", "left"),
    [(-1, 1.0), (0, 1.0), (20, 0.5), (40, 0.25), (10, 0.7071), (120, 1 / 64), (121, 1.0)],  # the last: a clock set back
)
def test_it_is_halved_for_each_span_ahead(ahead: int, left: float) -> None:
    assert share(1000 + ahead, 1000, HEALS) == pytest.approx(left, abs=1e-4)


@pytest.mark.parametrize(
    ("count", "bad", "left"),
    [(1, 0, 1.0), (1, 1, 0.8), (20, 20, 1 / 6), (100, 100, 1 / 26), (1000, 10, 0.99), (10**6, 10**6, 1 / 64)],
)
def test_it_falls_to_the_share_of_what_went_well(count: int, bad: float, left: float) -> None:
    assert 2 ** -halvings(count, bad) == pytest.approx(left, abs=1e-4)


def test_it_is_told_in_words() -> None:
    assert str(Ailment(0.3125, "12 of the last 50 were not delivered")) == "0.31: 12 of the last 50 were not delivered"
    assert str(Ailment(1 / 64, "was stopped")) == "0.016: was stopped"


def heard(of: Deliveries, sender: int, good: int, bad: int, *, filtered: bool = False) -> list[Harm]:
    found = [of.heed(sender, delivered=True) for _ in range(good)]
    found += [of.heed(sender, delivered=False, filtered=filtered) for _ in range(bad)]
    return [each for each in found if each]


def test_a_sender_whose_texts_do_not_arrive_falls() -> None:
    of = Deliveries()
    heard(of, 2, 50, 0)
    assert heard(of, 1, 0, ENOUGH - 1) == []
    [fell] = heard(of, 1, 0, 1)
    assert fell == Harm(halvings(ENOUGH, ENOUGH), "20 of the last 20 were not delivered")
    assert heard(of, 1, 0, ENOUGH - 1) == [], "it takes others to let it fall again"
    assert len(heard(of, 1, 0, 1)) == 1


def test_dead_numbers_are_not_the_senders_fault() -> None:
    of = Deliveries()
    assert heard(of, 1, 19, 2) == [], "as many as usual"
    of = Deliveries()
    told = [of.heed(sender, delivered=n % 2 == 0) for n in range(100) for sender in (1, 2, 3)]
    assert told == [None] * 300, "every second one is dead, whoever writes to them"


def test_only_the_last_ones_count() -> None:
    of = Deliveries()
    heard(of, 2, 30, 0)
    assert heard(of, 1, 0, ENOUGH - 1) == []
    assert heard(of, 1, RECENT, 0) == []
    assert heard(of, 1, 0, 5) == [], "five of the last fifty"
    assert heard(of, 1, 0, 1)[0].reason == "6 of the last 50 were not delivered"


def test_a_filtered_text_says_more() -> None:
    of = Deliveries()
    [fell] = heard(of, 1, 38, 3, filtered=True)
    assert fell.reason == "3 of the last 41 were not delivered, 3 of them filtered"
    assert fell.halvings == halvings(41, 6)
    worst = heard(of, 1, 0, ENOUGH, filtered=True)[0]
    assert worst.halvings == halvings(ENOUGH, ENOUGH) < LOWEST
