"""Which sender an invitation goes out from, and how places are shared among lanes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from dispatcher.core.pacing import DAY, SECOND, Room
from dispatcher.core.senders import MOST_BEHIND, PATIENCE, Choice, LaneKey, Pool, Sender, in_turn, shares, shares_by_app

NOW = 20_000 * DAY + SECOND
TEN = SECOND // 10
NEW_JERSEY, MANHATTAN, BERLIN = "+12012223333", "+12122223333", "+4930222333"


def sender(
    number: int,
    written: str = "",
    *,
    connection: int = 1,
    apps: Iterable[int] = (),
    region: str = "US",
    weight: float = 1.0,
    load: float = 0.0,
    **room: Any,
) -> Sender:
    values = {"gap": TEN, "day": NOW // DAY} | room
    return Sender(number, written or f"+1{number}", connection, Room(**values), region, weight, load, frozenset(apps))


def pool(*senders: Sender, capacity: dict[int, int] | None = None) -> Pool:
    return Pool(NOW, SECOND, {s.id: s for s in senders}, {1: 9, 2: 9} if capacity is None else capacity)


def chosen(
    given: Pool, number: str = NEW_JERSEY, region: str = "US", known: int | None = None, segments: int = 1
) -> tuple[int, int, str] | None:
    """Whom app 7 gets for this number, in which slot; below zero where it must wait for it."""
    choice = given.choose(7, region, number, known, segments)
    if choice is None:
        return None
    ahead = choice.slot - NOW
    return choice.sender.id, ahead if choice.fits else -ahead, choice.rule


GROUPS = [
    # the pool, the app, the country, the rule, who
    (pool(), 7, "US", "least used", []),
    (pool(sender(1), sender(2)), 7, "US", "country", [1, 2]),
    (pool(sender(1), sender(2, apps=[7])), 7, "US", "dedicated, country", [2]),
    (pool(sender(1), sender(2, apps=[7])), 8, "US", "country", [1]),
    (pool(sender(1, apps=[7, 8]), sender(2, apps=[8])), 8, "US", "dedicated, country", [1, 2]),
    (pool(sender(1, apps=[7])), 8, "US", "least used", []),
    (pool(sender(1), sender(2, region="DE")), 7, "DE", "country", [2]),
    (pool(sender(1), sender(2, region="DE")), 7, "FR", "least used", [1, 2]),
    (pool(sender(1), sender(2, region=""), sender(3, region="DE")), 7, "FR", "any country", [2]),
    (pool(sender(1), sender(2, region="")), 7, "US", "country", [1]),
    (pool(sender(1), sender(2, region="")), 7, "", "any country", [2]),
    (pool(sender(1, region="DE", apps=[7]), sender(2)), 7, "US", "dedicated, least used", [1]),  # its own go first
]
CHOICES = [
    # the pool, whom app 7 gets in New Jersey, in how many microseconds, by which rule
    (pool(), None),
    (pool(sender(1)), (1, 0, "country")),
    (pool(sender(1, free_at=NOW + 5), sender(2)), (2, 0, "country")),  # of those alike the first to be free
    (pool(sender(1, free_at=NOW + 5), sender(2, free_at=NOW + 6)), (1, 5, "country")),
    (pool(sender(1, load=5), sender(2, load=4)), (2, 0, "country")),
    (pool(sender(1, load=5), sender(2, load=4, free_at=NOW + 5)), (2, 5, "country")),
    (pool(sender(1, load=5), sender(2, load=4, free_at=NOW + SECOND + 1)), (1, 0, "country")),
    (pool(sender(2), sender(1)), (1, 0, "country")),  # and then the first that was made
    (pool(sender(1, free_at=NOW + SECOND)), (1, SECOND, "country")),
    (pool(sender(1, free_at=NOW + SECOND + 1)), (1, -SECOND - 1, "country")),  # beyond the horizon
    (pool(sender(1, free_at=NOW + 9 * SECOND), sender(2, free_at=NOW + 5 * SECOND)), (2, -5 * SECOND, "country")),
    (pool(sender(1), sender(2, connection=2, load=3), capacity={1: 0, 2: 1}), (2, 0, "country")),
    (pool(sender(1), capacity={1: 0}), (1, 0, "country")),  # no place at its transport, so it does not fit; see below
    (pool(sender(1), sender(2, apps=[7], free_at=NOW + 9)), (2, 9, "dedicated, country")),
    (pool(sender(1), sender(2, apps=[7], free_at=NOW + DAY)), (2, -DAY, "dedicated, country")),
    (pool(sender(1, daily_cap=3, used=3), sender(2, load=99)), (2, 0, "country")),
    (pool(sender(1, "+12015550000", load=9), sender(2, "+12125550000")), (1, 0, "area code")),
    (pool(sender(1, "+15515550000", load=9), sender(2, "+12125550000")), (1, 0, "area code")),  # an overlay of 201
    (pool(sender(1, "+15515550000", load=9, apps=[7]), sender(2, "+12125550000", apps=[7])),
     (1, 0, "dedicated, area code")),
    (pool(sender(1, "+12015550000", free_at=NOW + DAY), sender(2, "+12125550000")), (2, 0, "country")),  # no room there
    (pool(sender(1, "+12015550000", connection=3), sender(2, "+12125550000")), (2, 0, "country")),
    (pool(sender(1, "+12045550000", region="CA"), sender(2, "+4930555", region="DE")), (1, 0, "least used")),
    (pool(sender(1, "+12015550000", load=9, region="CA"), sender(2, "+4930555", region="DE")), (1, 0, "area code")),
]  # fmt: skip
KNOWN = [
    # the pool, whom somebody in New Jersey gets who knows sender 3
    (pool(sender(1), sender(3, load=99)), (3, 0, "sticky")),
    (pool(sender(1), sender(3, region="DE")), (3, 0, "sticky")),  # before country and area code
    (pool(sender(1, "+12015550000"), sender(3, "+12125550000")), (3, 0, "sticky")),
    (pool(sender(1)), (1, 0, "country")),  # it is gone
    (pool(sender(1), sender(3, apps=[8])), (1, 0, "country")),  # or another's
    (pool(sender(1, apps=[7]), sender(3)), (1, 0, "dedicated, country")),  # or no longer among the app's own
    (pool(sender(1, apps=[7]), sender(3, apps=[7, 8])), (3, 0, "dedicated, sticky")),
    (pool(sender(1), sender(3, free_at=NOW + SECOND)), (3, SECOND, "sticky")),
    (pool(sender(1), sender(3, free_at=NOW + SECOND + 1)), (3, -SECOND - 1, "sticky")),  # waited for
    (pool(sender(1), sender(3, free_at=NOW + PATIENCE)), (3, -PATIENCE, "sticky")),
    (pool(sender(1), sender(3, free_at=NOW + PATIENCE + 1)), (1, 0, "country")),  # for an hour
    (pool(sender(1), sender(3, daily_cap=1, used=1)), (1, 0, "country")),  # its day's room is used up
    (pool(sender(1), sender(3, connection=3), capacity={1: 9, 3: 0}), (3, 0, "sticky")),  # no place: waited for
    (pool(sender(1), sender(3, connection=3)), (1, 0, "country")),  # a connection that this process cannot use
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
    (pool(sender(1), sender(2, region="DE"), capacity={1: 99}), 11),
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


US_1, DE_1, FR_1, US_2 = (LaneKey(app, region) for app, region in ((1, "US"), (1, "DE"), (1, "FR"), (2, "US")))
SHARES_BY_APP = [
    # free, wants, what each gets
    (10, {US_1: 99, US_2: 99}, {US_1: 5, US_2: 5}),
    (10, {US_1: 99, DE_1: 99, FR_1: 99, US_2: 99}, {US_1: 1, DE_1: 2, FR_1: 2, US_2: 5}),
    (10, {US_1: 1, DE_1: 99, US_2: 2}, {US_1: 1, DE_1: 7, US_2: 2}),
    (1, {US_2: 9, US_1: 9}, {US_2: 1}),
]


@pytest.mark.parametrize(("given", "app", "region", "rule", "ids"), GROUPS)
def test_group(given: Pool, app: int, region: str, rule: str, ids: list[int]) -> None:
    group = given.group(LaneKey(app, region))
    assert (group.rule, group.ids) == (rule, ids)
    assert given.group(LaneKey(app, region)) is group


@pytest.mark.parametrize(("given", "found"), CHOICES)
def test_choose(given: Pool, found: tuple[int, int, str] | None) -> None:
    assert chosen(given) == found
    assert chosen(given) == found, "nothing was charged"


@pytest.mark.parametrize(("given", "found"), KNOWN)
def test_whoever_knows_a_sender_gets_it_again(given: Pool, found: tuple[int, int, str]) -> None:
    assert chosen(given, known=3) == found


@pytest.mark.parametrize("known", [None, 1])
def test_without_a_place_it_does_not_fit(known: int | None) -> None:
    choice = pool(sender(1), capacity={1: 0}).choose(7, "US", NEW_JERSEY, known)
    assert choice is not None
    assert not choice.fits


def test_no_area_code_outside_of_north_america() -> None:
    given = pool(sender(1, "+4930555000", region="DE", load=1), sender(2, "+4989555000", region="DE"))
    assert chosen(given, BERLIN, "DE") == (2, 0, "country")


def test_an_area_that_lies_in_two_complexes_is_looked_for_in_both() -> None:
    brooklyn = pool(sender(1, "+12015550000"), sender(2, "+17185550000", load=9))
    assert chosen(brooklyn, "+19172223333") == (2, 0, "area code")
    manhattan = pool(sender(1, "+12015550000"), sender(2, "+12125550000", load=9))
    assert chosen(manhattan, "+19172223333") == (2, 0, "area code")


@pytest.mark.parametrize(("segments", "found"), [(2, (1, 0, "country")), (3, (2, 0, "country"))])
def test_a_long_text_goes_where_the_days_room_suffices(segments: int, found: tuple[int, int, str]) -> None:
    given = pool(sender(1, daily_cap=10, used=8), sender(2, load=9))
    assert chosen(given, segments=segments) == found
    assert chosen(given) == (1, 0, "country"), "and leaves that room to others"


@pytest.mark.parametrize(("given", "free"), FREE)
def test_next_free(given: Pool, free: int | None) -> None:
    assert given.next_free(given.group(LaneKey(7, "US"))) == free


@pytest.mark.parametrize(("given", "count"), COUNTS)
def test_slots(given: Pool, count: int) -> None:
    assert given.slots(given.group(LaneKey(7, "US"))) == count


@pytest.mark.parametrize(("free", "wants", "given"), SHARES)
def test_shares(free: int, wants: dict[int, int], given: dict[int, int]) -> None:
    assert shares(free, wants) == given


@pytest.mark.parametrize(("free", "wants", "given"), SHARES_BY_APP)
def test_shares_by_app(free: int, wants: dict[LaneKey, int], given: dict[LaneKey, int]) -> None:
    assert shares_by_app(free, wants) == given


def test_an_owner_whose_senders_are_all_out_has_none() -> None:
    given = Pool(NOW, SECOND, {1: sender(1)}, {1: 9}, owners=frozenset({7}))
    assert given.group(LaneKey(7, "US")).ids == []
    assert given.group(LaneKey(8, "US")).ids == [1]
    assert given.choose(7, "US", NEW_JERSEY, 1) is None, "not even one that is known"


def test_rows_in_turn() -> None:
    rows = ["a1", "a2", "a3", "b1", "c1", "c2"]
    assert in_turn(rows, lambda row: "_abc".index(row[0]), [3, 1, 2, 4]) == ["c1", "a1", "b1", "c2", "a2", "a3"]


def test_a_charge_uses_up_room_and_place() -> None:
    one = sender(1, apps=[7], weight=2.0, load=5.0)
    given = pool(one, capacity={1: 2})
    choice = given.choose(7, "US", NEW_JERSEY)
    assert choice == Choice(one, NOW, "dedicated, country", 5.0)
    given.charge(choice, 3)
    left = Room(TEN, NOW + 3 * TEN, None, NOW // DAY, 3)
    assert given.senders[1] == replace(one, room=left, load=6.5)
    assert given.capacity == {1: 1}
    assert chosen(given) == (1, 3 * TEN, "dedicated, country")


def turns(given: Pool, count: int, segments: int = 1) -> list[int]:
    """Who is chosen, one after the other."""
    found = []
    for _ in range(count):
        choice = given.choose(7, "US", NEW_JERSEY)
        assert choice is not None
        if choice.fits:
            found.append(choice.sender.id)
            given.charge(choice, segments)
    return found


def fast(number: int, **given: Any) -> Sender:
    return sender(number, gap=1, **given)


def wide(*senders: Sender) -> Pool:
    return pool(*senders, capacity={1: 1 << 30})


def test_senders_of_one_weight_take_turns() -> None:
    assert turns(pool(sender(1), sender(2), sender(3)), 6) == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("segments", [1, 3])
def test_weights_are_shares(segments: int) -> None:
    given = wide(fast(1), fast(2, weight=2.0), fast(3, weight=3.0))
    assert Counter(turns(given, 600, segments)) == {1: 100, 2: 200, 3: 300}


def test_a_newcomer_is_not_given_all_until_it_has_caught_up() -> None:
    given = wide(fast(1, load=1e6), fast(2, load=1e6), fast(3))
    found = turns(given, 400)
    assert found[:20] == [3] * 20
    assert MOST_BEHIND == 20
    assert Counter(found[20:380]) == {1: 120, 2: 120, 3: 120}


def test_whoever_is_far_ahead_since_it_did_badly_is_waited_for_no_longer_than_for_a_newcomer() -> None:
    assert turns(wide(fast(1, load=640.0), fast(2)), 22) == [2] * 20 + [1, 2], "it is well now"
    at_worst = wide(fast(1, load=640.0, weight=1 / 64), fast(2))
    assert turns(at_worst, 642) == [2] * 640 + [1, 2]
    assert turns(wide(fast(1, weight=1 / 64), fast(2, load=1e6)), 4) == [1, 2, 2, 2], "nor does it get more than it can"


def test_choosing_by_area_and_by_country_share_one_account() -> None:
    given = wide(fast(1, written="+12015550000"), fast(2, written="+12125550000"))
    assert turns(given, 9) == [1] * 9, "the only one of that area"
    texas = given.choose(7, "US", "+12142223333")
    assert texas is not None
    assert (texas.sender.id, texas.rule) == (2, "country")


def test_who_has_waited_long_enough_gets_it_only_if_it_can_now() -> None:
    for free_at, found in ((NOW, 3), (NOW + 2 * SECOND, 1)):
        choice = pool(sender(1), sender(3, free_at=free_at)).choose(7, "US", NEW_JERSEY, 3, patient=False)
        assert choice is not None
        assert (choice.sender.id, choice.fits) == (found, True)


def test_a_line_for_one_sender() -> None:
    given = pool(sender(1), sender(2), sender(3, apps=[7]))
    assert [given.group(LaneKey(8, "US", n)).ids for n in (1, 2, 3, 4)] == [[1], [2], [], []]
    assert [given.group(LaneKey(7, "US", n)).ids for n in (1, 3)] == [[], [3]]
    assert given.slots(given.group(LaneKey(8, "DE", 2))) == 9, "whatever the country"


def test_the_line_for_one_they_know_is_no_longer_than_an_hour() -> None:
    """Whoever comes then gets another sender at once; who is in line stays."""
    slow = sender(3, gap=PATIENCE // 4, free_at=NOW + 2 * SECOND)
    given = pool(sender(1), slow)
    for _ in range(4):
        choice = given.choose(7, "US", NEW_JERSEY, 3)
        assert choice is not None
        assert (choice.sender.id, choice.fits, choice.awaited) == (3, False, True)
        given.join(choice, 1)
    assert chosen(given, known=3) == (1, 0, "country")
    in_line = given.choose(7, "US", NEW_JERSEY, 3, in_line=True)
    assert in_line is not None
    assert (in_line.sender.id, in_line.awaited) == (3, True)


def test_nobody_waits_for_one_that_has_room_today_but_not_for_so_many_segments() -> None:
    """Its line would be looked at again and again, for its next row seems to fit."""
    nearly = sender(3, daily_cap=10, used=9)
    assert chosen(pool(sender(1), nearly), known=3, segments=2) == (1, 0, "country")
    assert chosen(pool(sender(1), nearly), known=3) == (3, 0, "sticky")


def test_answers_are_in_lines_of_the_sender_that_was_written_to_whoever_may_use_it() -> None:
    given = pool(sender(1), sender(2, apps=[8]))
    assert [given.group(LaneKey(7, "US", awaited)).ids for awaited in (-1, -2, -3)] == [[1], [2], []]
    assert [LaneKey(7, "US", awaited).answers for awaited in (-1, 0, 1)] == [True, False, False]


def ill(number: int, written: str = "", **given: Any) -> Sender:
    return replace(sender(number, written, **given), ill=True)


NEAR, FAR = "+12015550000", "+12125550000"
INSTEAD = [
    # the pool, whom the person knows, which connection did not take it, who writes to them and by which rule
    (pool(sender(1), sender(2, connection=2)), 1, 0, (1, "sticky")),
    (pool(sender(1), sender(2, connection=2)), 1, 1, (2, "failover")),
    (pool(sender(1), sender(2, connection=2)), None, 2, (1, "failover")),
    (pool(sender(1), sender(2)), 1, 1, (1, "sticky")),  # there is no other connection
    (pool(sender(1), ill(2, connection=2)), 1, 1, (1, "sticky")),  # nor one that is well
    (pool(sender(1), sender(2, connection=2, free_at=NOW + 2 * SECOND)), 1, 1, (1, "sticky")),  # nor one with room
    (pool(sender(1, apps=[7]), sender(2, connection=2, apps=[7])), 1, 1, (2, "dedicated, failover")),
    (pool(ill(1), sender(2)), 1, 0, (2, "failover")),
    (pool(ill(1), ill(2)), 1, 0, (1, "sticky")),  # all do badly
    (pool(sender(1), sender(2, connection=2, region="DE")), 1, 1, (1, "sticky")),  # of another country
    (pool(sender(1, NEAR, load=9), sender(2, FAR)), None, 0, (1, "area code")),
    (pool(ill(1, NEAR, load=9), sender(2, FAR)), None, 0, (2, "country")),
    (pool(ill(1, NEAR), sender(2, FAR, load=9)), None, 0, (1, "country")),  # it has a share all the same
    (pool(sender(2)), 1, 0, (2, "country")),  # whom they know is not in the pool
]


@pytest.mark.parametrize(("given", "known", "untaken_by", "expected"), INSTEAD)
def test_who_takes_over(given: Pool, known: int | None, untaken_by: int, expected: tuple[int, str]) -> None:
    choice = given.choose(7, "US", NEW_JERSEY, known, untaken_by=untaken_by)
    assert choice
    assert (choice.sender.id, choice.rule) == expected


def test_one_that_throttles_all_is_used_only_where_there_is_no_other() -> None:
    full = sender(2, connection=2, free_at=NOW + 2 * SECOND)
    for others, throttled, known, expected in (
        ([sender(2, connection=2)], {1}, None, (2, "country")),
        ([sender(2, connection=2)], {1}, 1, (2, "country")),
        ([ill(2, connection=2)], {1}, 1, (2, "country")),
        ([full], {1}, 1, (2, "country")),  # for which it waits
        ([], {1}, 1, (1, "sticky")),
        ([sender(2, connection=2, region="DE")], {1}, 1, (1, "sticky")),
        ([sender(2, connection=2)], {1, 2}, 1, (1, "sticky")),
    ):
        given = replace(pool(sender(1), *others), throttled=frozenset(throttled))
        choice = given.choose(7, "US", NEW_JERSEY, known)
        assert choice
        assert (choice.sender.id, choice.rule) == expected
        assert choice.fits == (others != [full])


def test_who_else_may_carry_it() -> None:
    two = sender(1), sender(2, connection=2)
    assert pool(*two).elsewhere(7, "US", 1)
    assert pool(two[0], sender(2, connection=2, free_at=NOW + 2 * SECOND)).elsewhere(7, "US", 1), "though not now"
    assert not pool(sender(1), sender(2)).elsewhere(7, "US", 1)
    assert not replace(pool(*two), throttled=frozenset({1, 2})).elsewhere(7, "US", 1)


def test_failing_over_uses_up_room_and_weight() -> None:
    given = pool(sender(1), sender(2, connection=2, weight=0.5))
    for load in (0, 2, 4):
        choice = given.choose(7, "US", NEW_JERSEY, 1, untaken_by=1)
        assert choice
        assert (choice.sender.id, choice.load) == (2, load)
        given.charge(choice, 1)
