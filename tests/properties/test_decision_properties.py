"""A batch of any rows over any senders: one decision for each, and no slot, place or second given twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.decision import Discard, Send, Wait, decide_all
from dispatcher.core.invitation import App, Channel, Claimed, Kind
from dispatcher.core.pacing import DAY, SECOND, Room
from dispatcher.core.senders import Pool, Sender
from tests.properties.drawn import drawn

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLOCK = 20_000 * DAY + 6 * 3600 * SECOND
APPS = {1: App(1, 1, "one"), 2: App(2, 1, "two"), 3: App(3, 1, "three", paused=True)}

rows = st.builds(
    Claimed,
    id=st.integers(1, 1 << 62),
    generation=st.just(1),
    app_id=st.integers(1, 4),
    kind=st.sampled_from(Kind),
    channel=st.just(Channel.SMS),
    person=st.just("p"),
    address=st.sampled_from(["+12012223333", None]) | st.just("+12012223333"),
    region=st.sampled_from(["US", "CA", "DE"]),
    text=st.just("Join me"),
    segments=st.integers(1, 10),
    tries=st.integers(0, 3),
    planned_at=st.just(NOON),
    due_at=st.just(NOON),
    expires_at=st.sampled_from([NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=1)]),
    opted_out=st.booleans(),
    sticky_sender=st.none() | st.integers(1, 5),
)
rooms = st.builds(
    Room,
    gap=st.integers(1, SECOND),
    free_at=st.integers(0, 3 * SECOND).map(lambda ahead: CLOCK + ahead) | st.just(0),
    daily_cap=st.none() | st.integers(1, 20),
    day=st.sampled_from([CLOCK // DAY, CLOCK // DAY - 1]),
    used=st.integers(0, 20),
)
apps = st.frozensets(st.integers(1, 4), max_size=2)
kind = st.tuples(
    rooms,
    st.integers(1, 3),
    st.sampled_from([201, 551, 415]),
    st.sampled_from(["US", "CA", ""]),
    st.floats(0.1, 9),
    st.floats(0, 1000),
    apps,
)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    kinds = draw(st.lists(kind, max_size=5))
    senders = {
        n: Sender(n, f"+1{area}5550{n:03d}", line, room, region, weight, load, own)
        for n, (room, line, area, region, weight, load, own) in enumerate(kinds, 1)
    }
    return Pool(
        CLOCK, draw(st.integers(0, 2 * SECOND)), senders, draw(st.dictionaries(st.integers(1, 3), st.integers(0, 9)))
    )


@drawn(200)
@given(st.lists(rows, max_size=30), pools())
def test_one_decision_for_each_row_and_no_slot_or_place_given_twice(batch: list[Claimed], pool: Pool) -> None:
    senders, places = dict(pool.senders), dict(pool.capacity)
    decided = decide_all(batch, APPS, pool, NOON)
    assert [d.row for d in decided] == batch
    sends = [d for d in decided if isinstance(d, Send)]
    free_at = {number: sender.room.slot(CLOCK) for number, sender in senders.items()}
    for send in sends:
        chosen = send.choice.sender
        assert free_at[chosen.id] <= send.choice.slot <= CLOCK + pool.horizon
        free_at[chosen.id] = send.choice.slot + chosen.room.gap * send.row.segments
        places[chosen.connection_id] -= 1
    assert all(left >= 0 for left in places.values())
    assert places == pool.capacity


@drawn(200)
@given(st.lists(rows, max_size=30), pools())
def test_only_what_may_go_goes_and_only_from_whom_it_may(batch: list[Claimed], pool: Pool) -> None:
    for decision in decide_all(batch, APPS, pool, NOON):
        match decision:
            case Send(row, choice):
                assert row.app_id in {1, 2}
                assert row.address
                assert row.expires_at > NOON
                assert not row.opted_out or row.kind in {Kind.CONFIRMATION, Kind.HELP}
                assert not choice.sender.apps or row.app_id in choice.sender.apps
            case Wait(row, until, why):
                assert until >= NOON
                assert row.expires_at > NOON
                assert why
            case Discard(row, code, why):
                assert (code, why) != (0, "")
