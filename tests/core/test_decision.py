"""What to do with a claimed row now. NOON is 07:00 in New York, two hours before the default hours open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.decision import LONGEST_WAIT, Decision, Discard, Send, Wait, decide, decide_all
from dispatcher.core.hours import ALWAYS, DEFAULT, OpenHours, Span
from dispatcher.core.invitation import App, Channel, Claimed, Kind
from dispatcher.core.pacing import DAY, SECOND, Room
from dispatcher.core.senders import Choice, Pool, Sender

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLOCK = int(NOON.timestamp()) * SECOND + 12_345  # the database's clock, not quite ours
HOUR = timedelta(hours=1)
OPENS = NOON + 2 * HOUR
SOON = NOON + timedelta(seconds=5)

ROW = Claimed(
    id=5,
    generation=1,
    app_id=1,
    kind=Kind.INVITATION,
    channel=Channel.SMS,
    person="p",
    address="+12012223333",  # New Jersey
    region="US",
    text="Join me",
    segments=1,
    tries=0,
    planned_at=NOON,
    due_at=NOON - timedelta(seconds=1),
    expires_at=NOON + 24 * HOUR,
)
APP = App(1, 1, "com.example.1")
KEEPS_HOURS = replace(APP, hours=DEFAULT)
SENDER = Sender(3, "+12125550000", 1, Room(SECOND), "US")
OTHER = replace(SENDER, id=4)
SUNDAYS = {6: (Span(time(9), time(20)),)}
CLOSED = frozenset(NOON.date() + timedelta(days=n) for n in range(30))
NEVER_OPEN = replace(APP, hours=OpenHours(SUNDAYS, CLOSED))


def pool(*senders: Sender, capacity: int = 9) -> Pool:
    return Pool(CLOCK, SECOND, {s.id: s for s in senders}, {1: capacity})


def busy(micros: int) -> Sender:
    return replace(SENDER, room=Room(SECOND, free_at=CLOCK + micros))


def answers(kind: Kind) -> Claimed:
    return replace(ROW, kind=kind)


SENT = Send(ROW, Choice(SENDER, CLOCK, "country"))
ERASED = replace(ROW, address=None)
STOPPED = replace(ROW, opted_out=True)
LATE = replace(ROW, expires_at=NOON)

DECISIONS: list[tuple[str, Claimed, App | None, Pool, Decision]] = [
    ("it may go", ROW, APP, pool(SENDER), SENT),
    ("no app", ROW, None, pool(SENDER), Discard(ROW, Code.SEND_FAILED, "the app no longer exists")),
    ("erased", ERASED, APP, pool(SENDER), Discard(ERASED, Code.SEND_FAILED, "the recipient's data was erased")),
    ("erased and empty", replace(ROW, address=""), APP, pool(SENDER),
     Discard(replace(ROW, address=""), Code.SEND_FAILED, "the recipient's data was erased")),
    ("opted out", STOPPED, APP, pool(SENDER), Discard(STOPPED, Code.OPTED_OUT, "User opted-out")),
    ("expired", LATE, APP, pool(SENDER),
     Discard(LATE, Code.SEND_FAILED, "expired before it could be sent", expired=True)),
    ("a pause", ROW, replace(APP, paused=True), pool(SENDER), Wait(ROW, SOON, "app paused")),
    ("a pause does not keep what is late", LATE, replace(APP, paused=True), pool(SENDER),
     Discard(LATE, Code.SEND_FAILED, "expired before it could be sent", expired=True)),
    ("quiet hours", ROW, KEEPS_HOURS, pool(SENDER), Wait(ROW, OPENS, "quiet hours")),
    ("quiet hours without a sender", ROW, KEEPS_HOURS, pool(), Wait(ROW, OPENS, "quiet hours")),
    ("never open", ROW, NEVER_OPEN, pool(SENDER), Wait(ROW, NOON + HOUR, "no common open hour")),
    ("an answer keeps no hours", answers(Kind.HELP), KEEPS_HOURS, pool(SENDER),
     Send(answers(Kind.HELP), Choice(SENDER, CLOCK, "country"))),
    ("a slot ahead", ROW, APP, pool(busy(SECOND)), Send(ROW, Choice(busy(SECOND), CLOCK + SECOND, "country"))),
    ("the pace", ROW, APP, pool(busy(3 * SECOND)), Wait(ROW, NOON + timedelta(seconds=2), "sender's pace")),
    ("no place at the carrier", ROW, APP, pool(SENDER, capacity=0),
     Wait(ROW, NOON + timedelta(milliseconds=100), "sender's pace")),
    ("the one that is known", replace(ROW, sticky_sender=4), APP, pool(SENDER, OTHER),
     Send(replace(ROW, sticky_sender=4), Choice(OTHER, CLOCK, "sticky", awaited=True))),
    ("no sender", ROW, APP, pool(), Wait(ROW, SOON, "no sender")),
    ("no sender of its own", ROW, APP, pool(replace(SENDER, apps=frozenset({2}))), Wait(ROW, SOON, "no sender")),
]  # fmt: skip


@pytest.mark.parametrize(("row", "app", "given", "decision"), [d[1:] for d in DECISIONS], ids=[d[0] for d in DECISIONS])
def test_decide(row: Claimed, app: App | None, given: Pool, decision: Decision) -> None:
    assert decide(row, app, given, NOON) == decision


def test_open_hours_let_it_go() -> None:
    assert decide(ROW, KEEPS_HOURS, pool(SENDER), OPENS) == SENT


@pytest.mark.parametrize(("kind", "opted_out"), [(k, o) for k in Kind for o in (False, True)])
def test_what_an_opt_out_allows(kind: Kind, opted_out: bool) -> None:
    decision = decide(replace(ROW, kind=kind, opted_out=opted_out), APP, pool(SENDER), NOON)
    allowed = not opted_out or kind in {Kind.CONFIRMATION, Kind.HELP}
    assert isinstance(decision, Send if allowed else Discard)


def test_a_batch_uses_up_the_pace_of_its_sender() -> None:
    rows = [replace(ROW, id=n, segments=2) for n in range(4)]
    given = pool(replace(SENDER, room=Room(SECOND // 4)))
    decided = decide_all(rows, {1: APP}, given, NOON)
    # At 0 and 0.5 s, and 1 s is the horizon; the fourth may be decided again half a second from now.
    assert [d.choice.slot - CLOCK for d in decided if isinstance(d, Send)] == [0, SECOND // 2, SECOND]
    assert decided[3] == Wait(rows[3], NOON + timedelta(milliseconds=500), "sender's pace")
    assert given.capacity == {1: 6}


def test_those_who_wait_for_a_sender_they_know_join_the_line_for_it_in_their_old_place() -> None:
    row = replace(ROW, sticky_sender=3)
    assert decide(row, APP, pool(busy(3 * SECOND), OTHER), NOON) == Wait(row, row.due_at, "sender's pace", 3)


def test_who_waits_for_room_after_a_throttled_try_is_known_to_have_had_it() -> None:
    row = replace(ROW, untaken_by=1)
    assert decide(row, APP, pool(busy(3 * SECOND)), NOON) == Wait(row, NOON + timedelta(seconds=2), "retry")


def test_who_is_in_line_already_does_not_make_it_longer() -> None:
    given = pool(busy(3 * SECOND), OTHER)
    row = replace(ROW, sticky_sender=3, awaited=3)
    assert decide(row, APP, given, NOON) == Wait(row, row.due_at, "sender's pace", 3)
    assert given.lasts == {}


def test_a_long_text_that_fits_no_rest_of_the_day_holds_back_nobody() -> None:
    """The first could go tomorrow, the others in the next slot, or in line for that very sender."""
    room = Room(SECOND // 2, free_at=CLOCK + 2 * SECOND, daily_cap=10, day=CLOCK // DAY, used=7)
    rows = [replace(ROW, id=n, segments=size) for n, size in enumerate([4, 1, 2])]
    rows.append(replace(ROW, id=3, sticky_sender=3))
    decided = decide_all(rows, {1: APP}, pool(replace(SENDER, room=room)), NOON)
    waits = [(d.until, d.awaited) for d in decided if isinstance(d, Wait)]
    assert waits[0] == (NOON + LONGEST_WAIT, 0), "it is looked at again before, for the cap may be changed"
    assert waits[1:] == [(NOON + timedelta(seconds=1), 0)] * 2 + [(ROW.due_at, 3)]


def test_nobody_waits_for_a_sender_longer_than_an_hour_in_all() -> None:
    given = pool(busy(3 * SECOND), OTHER)
    waits, goes = [
        decide(replace(ROW, sticky_sender=3, planned_at=NOON - since), APP, given, NOON) for since in (HOUR, HOUR * 1.1)
    ]
    assert isinstance(waits, Wait)
    assert isinstance(goes, Send)
    assert goes.choice.sender == OTHER


@pytest.mark.parametrize("row", [STOPPED, LATE, ERASED], ids=["opted out", "expired", "erased"])
def test_what_is_not_sent_uses_up_nothing(row: Claimed) -> None:
    given = pool(SENDER)
    decide_all([row] * 5, {1: APP}, given, NOON)
    assert (given.senders, given.capacity) == ({3: SENDER}, {1: 9})


def test_each_row_is_decided_by_its_own_app() -> None:
    rows = [replace(ROW, app_id=1), replace(ROW, app_id=2), replace(ROW, app_id=3)]
    apps = {1: replace(APP, hours=ALWAYS), 2: replace(APP, id=2, paused=True)}
    decided = decide_all(rows, apps, pool(SENDER), NOON)
    assert [type(d) for d in decided] == [Send, Wait, Discard]


ANSWERED = replace(answers(Kind.CONFIRMATION), awaited=-3)


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        (pool(SENDER, replace(OTHER, load=-9.0)), Send(ANSWERED, Choice(SENDER, CLOCK, "answer"))),
        (pool(OTHER), Wait(ANSWERED, SOON, "no sender", -3)),
        (pool(busy(3 * SECOND), OTHER), Wait(ANSWERED, NOON + timedelta(seconds=2), "sender's pace", -3)),
        (pool(busy(DAY), OTHER), Wait(ANSWERED, NOON + LONGEST_WAIT, "sender's pace", -3)),
        (pool(SENDER, capacity=0), Wait(ANSWERED, NOON + timedelta(milliseconds=100), "sender's pace", -3)),
    ],
    ids=["it can", "it is out", "it is busy", "it is busy for long", "its connection is full"],
)
def test_an_answer_leaves_by_the_sender_that_was_written_to_or_waits(given: Pool, decision: Decision) -> None:
    assert decide(ANSWERED, APP, given, NOON) == decision


def test_an_answer_uses_up_the_room_of_its_sender() -> None:
    given = pool(SENDER, OTHER)
    decided = decide_all([ANSWERED, replace(ANSWERED, id=6), replace(ANSWERED, id=7)], {1: APP}, given, NOON)
    assert [isinstance(each, Send) for each in decided] == [True, True, False]
