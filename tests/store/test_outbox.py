"""The callbacks owed, on both databases: claimed by app, settled once, and what that says of endpoints."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.retry import ENDPOINT_FAILURES
from dispatcher.engine.ports import Called, Due, Trouble
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, provision

LEASE = timedelta(seconds=60)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
URL = "https://customer.example/{messageId}"
ROWS = Statement("select state, tries, reason, ended_at is not null from callbacks order by subject_id")
TRIES = Statement("select generation, http, reason from callback_tries order by subject_id, generation")
ENDPOINTS = Statement("select app_id, failures, stopped_at is not null, reason from endpoints order by app_id")
EXPIRE_LEASES = Statement("update callbacks set lease_until = 1 where state = 'claimed'")
END_RESTS = Statement("update endpoints set rest_until = 1")
OWN_URL = Statement("update messages set callback_url = :url where id = :id")


def owed(database: Database, count: int = 1, first: int = 0, **given: Any) -> list[int]:
    """Invitations that a rule turned down, so that their callbacks are due at NOON."""
    values = {"code": Code.NOT_MOBILE, "reason": "fixed line"} | given
    made = [candidate(f"+1301222{first + n:04d}", **values) for n in range(count)]
    Admissions(database).admit(made, NOON)
    return [c.id for c in made]


def claim(database: Database, wants: dict[int, int] | None = None) -> list[Due]:
    return CallbackOutbox(database).claim(wants or {1: 100}, NOON, LEASE)


def called(due: Due, http: int = 200, **given: Any) -> Called:
    values: dict[str, Any] = {"at": NOON, "reason": "", "delivered": False, "again_at": None}
    return Called(due, http=http, **(values | given))


def run(database: Database, statement: Statement, **given: Any) -> list[tuple[Any, ...]]:
    with database.write() as tx:
        return [tuple(row) for row in tx.run(statement, **given)]


def test_a_claim_carries_all_that_the_url_may_name(database: Database) -> None:
    provision(database, callback_url=URL)
    [message_id] = owed(database, reference="their-7")
    assert claim(database) == [
        Due(
            subject_id=message_id,
            kind="final",
            app_id=1,
            generation=1,
            tries=0,
            url=URL,
            secret="s",
            message_id=message_id,
            reference="their-7",
            phone="+13012220000",
            status=125,
            completed_at=NOON,
            first_try_at=NOON,
        )
    ]


def test_a_message_may_have_a_url_of_its_own_and_an_erased_person_has_no_number(database: Database) -> None:
    provision(database, callback_url=URL)
    owed_ids = owed(database, 2)
    run(database, OWN_URL, url="https://other.example/", id=owed_ids[0])
    run(database, Statement("update people set address = null"))
    assert [(due.url, due.phone) for due in claim(database)] == [("https://other.example/", ""), (URL, "")]


def test_an_app_without_a_url_is_owed_nothing(database: Database) -> None:
    provision(database)
    owed(database)
    assert CallbackOutbox(database).lanes(NOON) == {}
    assert claim(database) == []


def test_lanes_and_claims_go_by_app_and_by_what_is_due(database: Database) -> None:
    provision(database, callback_url=URL, apps=3)
    ones, twos = owed(database, 5), owed(database, 2, app_id=2)
    outbox = CallbackOutbox(database)
    assert outbox.lanes(NOON) == {1: Trouble(), 2: Trouble()}
    assert outbox.lanes(NOON - SECOND) == {}
    assert [due.message_id for due in claim(database, {1: 3, 2: 9, 3: 9})] == [*ones[:3], *twos]
    assert outbox.lanes(NOON) == {1: Trouble()}
    assert [due.message_id for due in claim(database)] == ones[3:]
    assert claim(database) == []


# How a try ended, what becomes of the callback: its state, the tries it cost, its reason, whether it is over.
ENDS: list[tuple[dict[str, Any], tuple[str, int, str, int], list[tuple[Any, ...]]]] = [
    ({"delivered": True}, ("delivered", 1, "", 1), [(1, 200, "")]),
    ({"http": 503, "reason": "busy", "again_at": NOON + SECOND}, ("queued", 1, "busy", 0), [(1, 503, "busy")]),
    ({"http": 404, "reason": "HTTP 404"}, ("failed", 1, "HTTP 404", 1), [(1, 404, "HTTP 404")]),
    ({"http": 0, "reason": "r" * 300, "again_at": NOON}, ("queued", 1, "r" * 255, 0), [(1, 0, "r" * 255)]),
    ({"http": 0, "reason": "not begun", "again_at": NOON, "tried": False}, ("queued", 0, "not begun", 0), []),
]  # fmt: skip


@pytest.mark.parametrize(("ended", "row", "tries"), ENDS, ids=["delivered", "again", "given up", "long", "not begun"])
def test_settles(
    database: Database, ended: dict[str, Any], row: tuple[str, int, str, int], tries: list[tuple[Any, ...]]
) -> None:
    provision(database, callback_url=URL)
    owed(database)
    [due] = claim(database)
    CallbackOutbox(database).settle([called(due, **ended)])
    [found] = run(database, ROWS)
    assert (*found[:3], int(found[3])) == row
    assert run(database, TRIES) == tries


def test_it_is_due_again_when_it_was_said_and_remembers_its_first_try(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database)
    [due] = claim(database)
    outbox = CallbackOutbox(database)
    outbox.settle([called(due, 503, again_at=NOON + 5 * SECOND)])
    assert outbox.lanes(NOON + 4 * SECOND) == {}
    [again] = outbox.claim({1: 1}, NOON + 5 * SECOND, LEASE)
    assert (again.generation, again.tries, again.first_try_at) == (2, 1, NOON)


def test_a_result_of_an_older_generation_changes_nothing_but_is_recorded(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database)
    [stale] = claim(database)
    run(database, EXPIRE_LEASES)
    outbox = CallbackOutbox(database)
    assert (outbox.rescue(), outbox.rescue()) == (1, 0)
    [fresh] = claim(database)
    outbox.settle([called(stale, delivered=True)])
    assert [row[0] for row in run(database, ROWS)] == ["claimed"]
    outbox.settle([called(fresh, 503, again_at=NOON)])
    outbox.settle([called(fresh, delivered=True)])
    assert [row[:2] for row in run(database, ROWS)] == [("queued", 1)]
    assert [row[:2] for row in run(database, TRIES)] == [(1, 200), (2, 503)]


def test_rescue_leaves_live_leases_alone(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database, 3)
    claim(database)
    assert CallbackOutbox(database).rescue() == 0


def failed(due: Due, rest: timedelta = 5 * MINUTE) -> Called:
    return called(due, 503, reason="HTTP 503", again_at=NOON, endpoint_rest=rest)


# Seconds by which a lease or a rest lies ahead once the clock of the database was set back.
SET_BACK = [(3590, False), (3610, True), (400 * 86_400, True)]


@pytest.mark.parametrize(("ahead", "over"), SET_BACK)
def test_a_lease_farther_ahead_than_any_is_set_is_over(database: Database, ahead: int, *, over: bool) -> None:
    provision(database, callback_url=URL)
    owed(database, 3)
    claim(database)
    run(database, Statement(f"update callbacks set lease_until = {{clock}} + {ahead * 1_000_000}"))
    assert CallbackOutbox(database).rescue() == (3 if over else 0)
    assert len(claim(database)) == (3 if over else 0)


def test_failures_in_a_row_are_counted_and_end_with_a_success(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database, 6)
    first, second, third, fourth, fifth, sixth = claim(database)
    outbox = CallbackOutbox(database)
    outbox.settle([failed(first)])
    outbox.settle([failed(second)])
    assert run(database, ENDPOINTS) == [(1, 2, 0, "HTTP 503")]
    assert outbox.lanes(NOON) == {1: Trouble(2)}
    outbox.settle([failed(third), failed(fourth)])
    assert run(database, ENDPOINTS) == [(1, 4, 0, "HTTP 503")]
    outbox.settle([called(fifth, 404, reason="HTTP 404")])
    assert run(database, ENDPOINTS) == [(1, 0, 0, "")], "whoever answers is well, whatever the answer"
    outbox.settle([called(sixth, delivered=True)])
    assert outbox.lanes(NOON) == {1: Trouble()}


def test_a_resting_endpoint_has_no_lane_until_its_rest_is_over(database: Database) -> None:
    provision(database, callback_url=URL, apps=2)
    owed(database, ENDPOINT_FAILURES)
    owed(database, 1, app_id=2)
    outbox = CallbackOutbox(database)
    outbox.settle([failed(due) for due in claim(database)])
    assert outbox.lanes(NOON) == {2: Trouble()}
    run(database, END_RESTS)
    assert outbox.lanes(NOON) == {1: Trouble(3, 1), 2: Trouble()}


@pytest.mark.parametrize(("ahead", "over"), SET_BACK)
def test_a_rest_farther_ahead_than_any_is_set_is_over(database: Database, ahead: int, *, over: bool) -> None:
    provision(database, callback_url=URL)
    owed(database, ENDPOINT_FAILURES)
    outbox = CallbackOutbox(database)
    outbox.settle([failed(due) for due in claim(database)])
    run(database, Statement(f"update endpoints set rest_until = {{clock}} + {ahead * 1_000_000}"))
    assert outbox.lanes(NOON) == ({1: Trouble(3, 1)} if over else {})
    assert len(outbox.claim({1: 1}, NOON, LEASE, probes={1})) == over


def test_only_one_claim_probes_an_ailing_endpoint_until_it_is_settled(database: Database) -> None:
    provision(database, callback_url=URL, apps=2)
    owed(database, ENDPOINT_FAILURES)
    outbox = CallbackOutbox(database)
    outbox.settle([failed(due) for due in claim(database)])

    def probe() -> list[Due]:
        return outbox.claim({1: 1}, NOON, LEASE, probes={1})

    assert probe() == [], "it rests"
    run(database, END_RESTS)
    [due] = probe()
    assert due.rests == 1
    assert outbox.lanes(NOON) == {}
    assert probe() == []
    outbox.settle([failed(due, timedelta(0))])
    assert outbox.lanes(NOON) == {1: Trouble(4, 2)}
    [due] = probe()
    outbox.settle([called(due, delivered=True)])
    assert outbox.lanes(NOON) == {1: Trouble()}
    assert probe() == [], "it is well again, so there is nothing to probe"
    assert len(outbox.claim({1: 9}, NOON, LEASE)) == ENDPOINT_FAILURES - 1


def test_an_endpoint_is_probed_by_what_did_not_fail_there_yet(database: Database) -> None:
    """Else some callbacks that it fails on would keep all others of its app waiting."""
    provision(database, callback_url=URL)
    owed(database, ENDPOINT_FAILURES)
    outbox = CallbackOutbox(database)
    outbox.settle([failed(due) for due in claim(database)])
    run(database, END_RESTS)
    run(database, Statement("update callbacks set due_at = 1"))
    [late] = owed(database, 1, first=5000)
    [probe] = outbox.claim({1: 1}, NOON, LEASE, probes={1})
    assert probe.subject_id == late


def test_the_failures_of_calls_under_way_together_make_one_rest(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database, 3 * ENDPOINT_FAILURES)
    outbox = CallbackOutbox(database)
    dues = claim(database)
    outbox.settle([failed(due, timedelta(0)) for due in dues[:-1]])
    outbox.settle([failed(dues[-1])])
    assert outbox.lanes(NOON) == {1: Trouble(9, 1)}, "the last has not made it longer"
    assert [row[1] for row in run(database, ENDPOINTS)] == [3 * ENDPOINT_FAILURES]


def test_a_stopped_endpoint_keeps_what_it_is_owed_and_gets_nothing(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database, 2)
    [gone] = claim(database, {1: 1})
    outbox = CallbackOutbox(database)
    outbox.settle([called(gone, 410, reason="HTTP 410", endpoint_stop="HTTP 410, the endpoint is gone")])
    assert outbox.lanes(NOON) == {}
    assert run(database, ENDPOINTS) == [(1, 1, 1, "HTTP 410, the endpoint is gone")]
    assert [row[0] for row in run(database, ROWS)] == ["failed", "queued"]


def test_a_stop_holds_whatever_else_was_under_way(database: Database) -> None:
    provision(database, callback_url=URL)
    owed(database, 4)
    before, gone, after, failing = claim(database)
    stop = called(gone, 410, reason="HTTP 410", endpoint_stop="gone")
    CallbackOutbox(database).settle(
        [called(before, delivered=True), stop, called(after, delivered=True), failed(failing)]
    )
    assert run(database, ENDPOINTS) == [(1, 2, 1, "gone")]


def test_one_app_is_given_up_and_no_other(database: Database) -> None:
    provision(database, callback_url=URL, apps=3)
    outbox, day = CallbackOutbox(database), timedelta(hours=24)
    for app_id in (1, 2, 3):
        owed(database, 5, app_id=app_id)
    for at in (NOON, *(NOON + n * 30 * MINUTE for n in range(1, 49))):
        [due] = outbox.claim({1: 1}, at, LEASE)
        outbox.settle([replace(failed(due), at=at, again_at=NOON)])
    [due] = outbox.claim({2: 1}, at, LEASE)
    outbox.settle([replace(failed(due), at=at, again_at=NOON)])
    assert outbox.give_up(at, day + SECOND, 3) == {}
    assert [outbox.give_up(at, day, 3) for _ in range(3)] == [{1: 3}, {1: 2}, {}]
    ended = run(database, Statement("select app_id, count(*) from callbacks where state = 'failed' group by app_id"))
    assert ended == [(1, 5)]


def test_one_settle_may_bring_good_and_bad_news_of_many(database: Database) -> None:
    provision(database, callback_url=URL, apps=3)
    for app_id in (1, 2, 3):
        owed(database, 2, app_id=app_id)
    dues = claim(database, {1: 2, 2: 2, 3: 2})
    ill = {"reason": "HTTP 500", "again_at": NOON, "endpoint_rest": timedelta(0)}
    results = [called(due, 500, **ill) if due.app_id != 2 else called(due, delivered=True) for due in reversed(dues)]
    CallbackOutbox(database).settle([*results[:-1], called(dues[0], delivered=True)])
    assert [row[0] for row in run(database, ROWS)] == [
        "delivered",
        "queued",
        "delivered",
        "delivered",
        "queued",
        "queued",
    ]
    assert [row[:2] for row in run(database, ENDPOINTS)] == [(3, 2)]


def test_nothing_to_settle(database: Database) -> None:
    CallbackOutbox(database).settle([])
