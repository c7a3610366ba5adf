"""Callbacks over a real store: what is called and how it is signed, when again, and who is spared whose trouble."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fault, Response
from dispatcher.core.retry import endpoint_rest
from dispatcher.engine import callbacks
from dispatcher.engine.callbacks import Answer, Callbacks
from dispatcher.engine.endpoints import MOST_PER_LANE
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.instants import MICROSECOND, instant, micros
from dispatcher.store.outbox import CallbackOutbox
from dispatcher.store.statement import Statement
from tests.engine.transports import Begun, MemoryTransport
from tests.factories import NOON, candidate, provision

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
URL = "https://customer.example/cb?id={messageId}"
TICKS = 1000.0  # the monotonic clock of these tests stands still

ROWS = "select state, tries, due_at, reason from callbacks order by subject_id"
TRIES = "select at, http, reason from callback_tries order by subject_id, generation"
ENDPOINTS = "select app_id, failures, stopped_at is not null, rest_until > {clock} from endpoints order by app_id"
OK, GONE, BUSY, DEAD = Response(204), Response(410), Response(503), Response(fault=Fault.TIMEOUT, detail="no answer")


@dataclass
class House:
    """The caller of customers, whose clock, jitter and transport are the test's."""

    database: Database
    transport: MemoryTransport = field(default_factory=lambda: MemoryTransport(slots=128))
    now: datetime = NOON
    jitter: float = 1.0
    alive: bool = True
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.callbacks = Callbacks(
            outbox=CallbackOutbox(self.database),
            transport=self.transport,
            put=self.answers.append,
            clock=lambda: self.now,
            jitter=lambda: self.jitter,
            alive=lambda: self.alive,
            monotonic=lambda: TICKS,
            timeout=10 * SECOND,
        )

    def owe(self, count: int = 1, *, app_id: int = 1, first: int = 0, **given: Any) -> list[int]:
        """Invitations that a rule turned down, so that their callbacks are due."""
        values = {"code": Code.NOT_MOBILE, "reason": "fixed line", "app_id": app_id} | given
        made = [candidate(f"+1301222{number:04d}", **values) for number in range(first, first + count)]
        Admissions(self.database).admit(made, self.now)
        return [c.id for c in made]

    def turns(self, most: int = 50) -> None:
        """Turn until it is no longer worth it at once."""
        for _ in range(most):
            if self.callbacks.turn() != timedelta(0):
                return

    def settle(self, respond: Callable[[Begun], Response | None] | Response) -> None:
        """Let the transport answer, and write what that means."""
        self.transport.answer(lambda begun: respond if isinstance(respond, Response) else respond(begun))
        answers, self.answers[:] = list(self.answers), []
        self.callbacks.settle(answers)

    def round(self, respond: Response) -> None:
        """One try of all that is due, with the endpoint's rest over."""
        self.run("update endpoints set rest_until = null")
        self.callbacks.turn()
        self.settle(respond)

    def run(self, statement: str, **given: Any) -> list[tuple[Any, ...]]:
        with self.database.write() as tx:
            return [tuple(row) for row in tx.run(Statement(statement), **given)]

    def called(self) -> list[str]:
        return [begun.request.url for begun in self.transport.begun]


@pytest.fixture
def house(database: Database) -> House:
    provision(database, callback_url=URL)
    return House(database)


# --- What is called ---------------------------------------------------------------------------------------------------

# A template, and what is called for message 77 to +13012220000 with reference "a b/ü", refused as 125 at NOON.
TEMPLATES = [
    ("https://x.example/{messageId}/{status}", "https://x.example/77/125"),
    ("https://x.example/?p={phone}", "https://x.example/?p=%2B13012220000"),
    ("https://x.example/?r={referenceId}&d={completionDate}", "https://x.example/?r=a%20b%2F%C3%BC&d=1795348800000"),
    ("https://x.example/?m=<messageId>&p=%phone%", "https://x.example/?m=77&p=%2B13012220000"),
    ("https://x.example/?{unknown}=%20{status}{status}", "https://x.example/?%7Bunknown%7D=%20125125"),
    ("HTTPS://X.Example:8443", "https://x.example:8443/"),
]


def test_what_a_url_may_name(database: Database) -> None:
    provision(database, callback_url="https://x.example/")
    house = House(database)
    house.owe(id=77, reference="a b/ü")
    for template, url in TEMPLATES:
        house.run("update apps set callback_url = :url", url=template)
        house.run("update callbacks set state = 'queued'")
        house.callbacks.turn()
        assert house.called()[-1] == url, template
        house.settle(OK)


def test_what_is_empty_stays_an_empty_value(database: Database) -> None:
    provision(database, callback_url="https://x.example/?r={referenceId}&p={phone}")
    house = House(database)
    house.owe()
    house.run("update people set address = null")
    house.callbacks.turn()
    assert house.called() == ["https://x.example/?r=&p="]


def test_a_message_may_have_a_url_of_its_own(house: House) -> None:
    first, second = house.owe(2)
    house.run("update messages set callback_url = 'https://own.example/{status}' where id = :id", id=second)
    house.round(OK)
    house.round(OK)
    assert house.called() == [f"https://customer.example/cb?id={first}", "https://own.example/125"]


def test_the_request_is_signed_over_all_that_counts(house: House) -> None:
    house.owe()
    house.now += timedelta(seconds=61, microseconds=999_999)
    house.callbacks.turn()
    [begun] = house.transport.begun
    assert (begun.request.method, begun.request.body) == ("GET", b"")
    stamp, _, told = begun.request.headers["Dispatcher-Signature"].removeprefix("t=").partition(",v1=")
    assert int(stamp) == micros(NOON) // 1_000_000 + 61
    signed = f"{stamp}.GET.{begun.request.url}.".encode()
    assert told == hmac.new(b"s", signed, hashlib.sha256).hexdigest()


def test_a_delivery_keeps_its_name_over_all_tries(house: House) -> None:
    message_id = house.owe()[0]
    for _ in range(3):
        house.round(BUSY)
        house.now += HOUR
    names = [begun.request.headers["Dispatcher-Delivery"] for begun in house.transport.begun]
    assert names == [f"{message_id}-final"] * 3
    signatures = {begun.request.headers["Dispatcher-Signature"] for begun in house.transport.begun}
    assert len(signatures) == 3, "each is signed for its own time"


def test_a_correction_is_another_delivery(house: House) -> None:
    message_id = house.owe()[0]
    columns = "app_id, message_id, state, status, completed_at, created_at, due_at"
    house.run(f"""insert into callbacks (subject_id, kind, {columns})
        select subject_id, 'correction', {columns} from callbacks""")
    house.round(OK)
    house.round(OK)
    names = sorted(begun.request.headers["Dispatcher-Delivery"] for begun in house.transport.begun)
    assert names == [f"{message_id}-correction", f"{message_id}-final"]


def test_each_app_has_a_lane_and_nothing_begins_that_could_outlive_its_lease(database: Database) -> None:
    provision(database, callback_url=URL, apps=2)
    house = House(database)
    house.owe()
    house.owe(app_id=2)
    house.callbacks.turn()
    assert [begun.lane for begun in house.transport.begun] == ["1", "2"]
    assert {begun.until for begun in house.transport.begun} == {TICKS + 60 - 10 - 5}


# --- When again -------------------------------------------------------------------------------------------------------

DOUBLING = [min(5.0 * 2**n, 900.0) for n in range(200)]


def schedule(waits: list[float]) -> list[timedelta]:
    """When tries are made after the first, over 24 hours: the last one at its end."""
    day = 24 * 3600.0
    at = [0.0, *accumulate(waits)]
    return [timedelta(seconds=t) for t in at if t < day] + [timedelta(seconds=day)]


@pytest.mark.parametrize("jitter", [1.0, 0.5])
def test_the_first_tries(house: House, jitter: float) -> None:
    house.jitter = jitter
    house.owe()
    waits = []
    for _ in range(12):
        house.round(BUSY)
        [(state, _, due, reason)] = house.run(ROWS)
        assert (state, reason) == ("queued", "HTTP 503")
        waits.append((instant(due) - house.now).total_seconds())
        house.now = instant(due)
    assert waits == [wait * jitter for wait in DOUBLING[:12]]
    assert [(at - micros(NOON)) // 1_000_000 for at, _, _ in house.run(TRIES)] == [
        int(sum(waits[:n])) for n in range(12)
    ]


def test_a_dead_endpoint_is_tried_over_24_hours_and_then_no_more(house: House) -> None:
    house.owe()
    while house.run(ROWS)[0][0] == "queued":
        house.round(DEAD)
        house.now = max(house.now, instant(house.run(ROWS)[0][2]))
    assert [(state, reason) for state, _, _, reason in house.run(ROWS)] == [("failed", "no answer")]
    tries = house.run(TRIES)
    assert [instant(at) - NOON for at, _, _ in tries] == schedule(DOUBLING)
    assert {(http, reason) for _, http, reason in tries} == {(0, "no answer")}
    house.now += HOUR
    house.round(OK)
    assert len(house.transport.begun) == len(tries)


# What the endpoint says to the first try: the state it leaves, when it is due again, what is recorded, what it says of
# the endpoint (failures in a row, stopped).
SAYINGS: list[tuple[Response, str, float | None, tuple[int, str], list[tuple[int, int]]]] = [
    (Response(200), "delivered", None, (200, ""), []),
    (Response(204), "delivered", None, (204, ""), []),
    (Response(299), "delivered", None, (299, ""), []),
    (Response(200, fault=Fault.OVERSIZED, detail="too long"), "delivered", None, (200, ""), []),
    (Response(302), "failed", None, (302, "HTTP 302"), []),
    (Response(400), "failed", None, (400, "HTTP 400"), []),
    (Response(401), "failed", None, (401, "HTTP 401"), []),
    (Response(404), "failed", None, (404, "HTTP 404"), []),
    (Response(410), "failed", None, (410, "HTTP 410"), [(1, 1)]),
    (Response(429), "queued", 5.0, (429, "HTTP 429"), [(1, 0)]),
    (Response(429, {"retry-after": "120"}), "queued", 120.0, (429, "HTTP 429"), [(1, 0)]),
    (Response(429, {"retry-after": "3"}), "queued", 5.0, (429, "HTTP 429"), [(1, 0)]),
    (Response(500), "queued", 5.0, (500, "HTTP 500"), [(1, 0)]),
    (Response(503, {"retry-after": "86400"}), "queued", 3600.0, (503, "HTTP 503"), [(1, 0)]),
    (Response(fault=Fault.TIMEOUT, detail="no answer"), "queued", 5.0, (0, "no answer"), [(1, 0)]),
    (Response(fault=Fault.CUT, detail="reset"), "queued", 5.0, (0, "reset"), [(1, 0)]),
    (Response(fault=Fault.UNREACHABLE, detail="refused"), "queued", 5.0, (0, "refused"), [(1, 0)]),
    (Response(fault=Fault.FORBIDDEN, detail="10.0.0.1"), "queued", 5.0, (0, "10.0.0.1"), [(1, 0)]),
]  # fmt: skip


def test_what_follows_from_each_answer(database: Database) -> None:
    provision(database, callback_url=URL)
    house = House(database)
    for number, (response, state, again, recorded, endpoint) in enumerate(SAYINGS):
        for table in ("callbacks", "callback_tries", "endpoints"):
            house.run(f"delete from {table}")
        house.owe(first=number)
        house.callbacks.turn()
        house.settle(response)
        [(found, tries, due, _)] = house.run(ROWS)
        assert (found, tries) == (state, 1), response
        assert again is None or instant(due) == NOON + timedelta(seconds=again), response
        assert house.run(TRIES) == [(micros(NOON), *recorded)], response
        assert [(failures, stopped) for _, failures, stopped, _ in house.run(ENDPOINTS)] == endpoint, response


def test_what_was_never_begun_costs_nothing(house: House) -> None:
    house.owe()
    for _ in range(3):
        house.callbacks.turn()
        house.settle(Response(fault=Fault.UNSENT))
    assert house.run(ROWS) == [("queued", 0, micros(NOON), "not begun")]
    assert (house.run(TRIES), house.run(ENDPOINTS)) == ([], [])


def test_a_hostile_retry_after(house: House) -> None:
    house.owe()
    house.callbacks.turn()
    house.settle(Response(503, {"retry-after": "9" * 5000}))
    assert house.run(ROWS)[0][:2] == ("queued", 1)


# --- One endpoint and the others --------------------------------------------------------------------------------------


def test_an_endpoint_that_is_gone_is_left_alone_and_nobody_else(database: Database) -> None:
    provision(database, callback_url=URL, apps=2)
    house = House(database)
    house.owe()
    house.callbacks.turn()
    house.settle(GONE)
    house.owe(3, first=10)
    house.owe(2, app_id=2)
    for _ in range(3):
        house.round(OK)
    assert [begun.lane for begun in house.transport.begun] == ["1", "2", "2"]
    assert [row[0] for row in house.run(ROWS)] == ["failed"] + ["queued"] * 3 + ["delivered"] * 2


def test_an_endpoint_that_fails_three_times_in_a_row_rests_longer_and_longer_until_a_success(house: House) -> None:
    house.owe(20)
    for failures, rests in [(1, 0), (2, 0), (3, 1), (4, 2), (5, 3)]:
        house.round(DEAD)
        assert house.run("select failures, rests from endpoints") == [(failures, rests)]
        [left] = house.run("select rest_until - {clock} from endpoints")
        assert rests == 0 or timedelta(0) < left[0] * MICROSECOND <= endpoint_rest(rests - 1, 1.0)
    assert house.callbacks.turn() is None
    house.round(OK)
    assert house.run(ENDPOINTS) == [(1, 0, 0, None)]


def test_calls_that_fail_together_are_no_reason_to_rest_for_longer(house: House) -> None:
    """Sixteen calls under way when an endpoint dies tell of one moment, whoever fails last."""
    house.owe(40)
    while len(house.transport.open) < MOST_PER_LANE:
        house.settle(OK)
        house.turns()
    for begun in list(house.transport.open):
        house.settle(lambda one, this=begun: DEAD if one is this else None)  # type: ignore[misc]
    assert house.run("select failures, rests from endpoints") == [(MOST_PER_LANE, 1)]


def test_the_last_word_of_a_batch_counts(house: House) -> None:
    house.owe(MOST_PER_LANE)
    due = CallbackOutbox(house.database).claim({1: MOST_PER_LANE}, house.now, 60 * SECOND)
    batches: list[tuple[list[Response], list[int]]] = [
        ([DEAD, DEAD, OK], []),
        ([DEAD] * 6, [6]),
        ([DEAD, OK, DEAD, BUSY], [2]),
        ([OK], [0]),
    ]
    for responses, failures in batches:
        house.callbacks.settle([Answer(due.pop(), response) for response in responses])
        assert [row[1] for row in house.run(ENDPOINTS)] == failures


def test_an_ailing_endpoint_is_called_once_at_a_time_by_whatever_process(house: House) -> None:
    house.owe(30)
    house.run("insert into endpoints (app_id, failures, rests, reason) values (1, 5, 1, '')")
    other = House(house.database)
    for one in (house, other, house, other):
        one.turns()
    assert (len(house.transport.open), len(other.transport.open)) == (1, 0)
    house.settle(Response(fault=Fault.UNSENT))
    house.run("update endpoints set rest_until = null")  # as its lease would end it
    other.turns()
    assert (len(house.transport.open), len(other.transport.open)) == (0, 1)
    other.settle(OK)
    while house.callbacks.turn() == timedelta(0):
        house.settle(OK)
    assert [row[0] for row in house.run(ROWS)] == ["delivered"] * 30, "one success, and all are called again"


def test_an_endpoint_shows_that_it_answers_before_it_gets_many_calls(house: House) -> None:
    house.owe(60)
    open_at_once = []
    for _ in range(6):
        house.turns()
        open_at_once.append(len(house.transport.open))
        house.settle(OK)
    assert open_at_once == [1, 2, 4, 8, 16, 16]


def test_an_endpoint_that_fails_gets_fewer_calls(house: House) -> None:
    house.owe(80)
    while len(house.transport.open) < MOST_PER_LANE:
        house.settle(OK)
        house.turns()
    failing, *others = house.transport.open
    house.settle(lambda begun: BUSY if begun is failing else None)
    house.turns()
    assert len(house.transport.open) == MOST_PER_LANE - 1, "half of what it had are under way, and more"
    house.settle(lambda begun: OK if begun in others[:6] else None)
    house.turns()
    assert len(house.transport.open) == MOST_PER_LANE // 2 + 6, "one more after each success"


def test_the_endpoints_of_a_hoster_that_hangs_leave_the_slots_to_others(database: Database) -> None:
    """Eight apps with 200 callbacks each, whose endpoints were well until they all hang, beside a ninth."""
    provision(database, callback_url=URL, apps=9)
    house = House(database)
    dead = [str(app_id) for app_id in range(1, 9)]
    for app_id in range(1, 9):
        house.owe(200, app_id=app_id)
    for _ in range(5):
        house.turns()
        house.settle(OK)
    house.turns()
    house.owe(20, app_id=9)
    for _ in range(50):
        house.turns()
        house.settle(lambda begun: OK if begun.lane == "9" else None)
    delivered = "select count(*) from callbacks where app_id = 9 and state = 'delivered'"
    assert house.run(delivered) == [(20,)], "while the calls to the others hang"
    assert {begun.lane for begun in house.transport.open} == {*dead}
    house.settle(DEAD)
    for _ in range(5):
        house.turns()
        assert house.transport.open == [], "they rest"
        house.run("update endpoints set rest_until = null")
        house.turns()
        assert sorted(begun.lane for begun in house.transport.open) == dead, "one call at a time"
        house.settle(DEAD)


def test_probes_together_take_an_eighth_of_the_slots(database: Database) -> None:
    provision(database, callback_url=URL, apps=6)
    house = House(database, MemoryTransport(slots=16))
    for app_id in range(1, 6):
        house.owe(2, app_id=app_id)
        house.run("insert into endpoints (app_id, failures, rests, reason) values (:app, 5, 1, '')", app=app_id)
    house.owe(9, app_id=6)
    probed = set()
    for _ in range(9):
        house.turns()
        probes = [begun.lane for begun in house.transport.open if begun.lane != "6"]
        assert len(probes) <= 2
        probed |= {*probes}
        house.settle(lambda begun: OK if begun.lane == "6" else DEAD)
    assert probed == {"1", "2", "3", "4", "5"}


def test_endpoints_that_hang_leave_slots_to_others_and_once_they_failed_to_new_ones(database: Database) -> None:
    """A hundred of them with 64 slots, beside one that answers and one of which nothing is known."""
    provision(database, callback_url=URL, apps=102)
    house = House(database, MemoryTransport(slots=64))
    house.owe(20, app_id=101)
    house.turns()
    house.settle(OK)
    for app_id in range(1, 101):
        house.owe(5, app_id=app_id)
    for hanging in (48, 48, 36, 32):
        house.turns()
        lanes = [begun.lane for begun in house.transport.open]
        assert (len(lanes) - lanes.count("101"), lanes.count("101") > 1) == (hanging, True)
        house.settle(lambda begun: OK if begun.lane == "101" else DEAD)
    house.turns()
    house.owe(app_id=102)
    house.turns()
    assert house.transport.open[-1].lane == "102"


def test_one_dead_endpoint_among_a_hundred_keeps_nobody_waiting(database: Database) -> None:
    provision(database, callback_url=URL, apps=100)
    house = House(database, MemoryTransport(slots=384))
    house.owe(500, app_id=50)
    for app_id in (*range(1, 50), *range(51, 101)):
        house.owe(app_id=app_id)
    house.callbacks.turn()
    house.settle(lambda begun: None if begun.lane == "50" else OK)
    assert {begun.lane for begun in house.transport.begun} == {str(app_id) for app_id in range(1, 101)}
    assert {begun.lane for begun in house.transport.open} == {"50"}


def test_nor_those_that_come_while_it_hangs(database: Database) -> None:
    provision(database, callback_url=URL, apps=3)
    house = House(database)
    house.owe(500)
    house.turns()
    assert len(house.transport.open) <= MOST_PER_LANE
    house.owe(app_id=2)
    house.owe(app_id=3)
    house.turns()
    assert {"2", "3"} <= {begun.lane for begun in house.transport.begun}


def test_turns_go_round_where_slots_are_fewer_than_endpoints(database: Database) -> None:
    provision(database, callback_url=URL, apps=3)
    house = House(database, MemoryTransport(slots=1))
    for app_id in (1, 2, 3):
        house.owe(9, app_id=app_id)
    for _ in range(6):
        house.callbacks.turn()
        house.settle(OK)
    assert sorted(begun.lane for begun in house.transport.begun) == ["1", "1", "2", "2", "3", "3"]


def test_a_url_that_is_none_fails_alone(database: Database) -> None:
    provision(database, callback_url=URL, apps=2)
    house = House(database)
    house.run("update apps set callback_url = 'nonsense' where id = 1")
    house.owe()
    house.owe(app_id=2)
    house.callbacks.turn()
    house.settle(OK)
    assert [row[0] for row in house.run(ROWS)] == ["failed", "delivered"]
    assert house.run(ROWS)[0][3].startswith("callback URL: ")


# --- What is given up -------------------------------------------------------------------------------------------------

LEFT = "select count(*) from callbacks where state = 'queued'"
ENDED = "select tries, reason, ended_at from callbacks where state = 'failed' order by tries, ended_at"


def test_what_a_dead_endpoint_is_owed_has_an_end_also_where_it_was_never_tried(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Sixty callbacks, of which one is tried each half hour."""
    house.owe(60)
    while house.now < NOON + 24 * HOUR:
        house.round(DEAD)
        assert house.callbacks.give_up() is None
        house.now += HOUR / 2
    assert house.run(LEFT) == [(60,)]
    house.round(DEAD)
    assert house.callbacks.give_up() is None
    assert house.run(ENDED) == [(0, "no success within 24 hours", micros(house.now))] * 11
    [record] = caplog.records
    assert (vars(record)["action"], vars(record)["app"], vars(record)["count"]) == ("give up", 1, 11)
    while house.run(LEFT) != [(0,)]:
        assert house.now < NOON + 73 * HOUR
        house.now += HOUR / 2
        house.round(DEAD)
        house.callbacks.give_up()
    assert {reason for _, reason, _ in house.run(ENDED)} <= {"no success within 24 hours", "no answer"}


def test_a_stopped_endpoint_is_waited_for_as_long(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "PAGE", 2)
    house.owe(6)
    house.round(GONE)
    house.now += 24 * HOUR - SECOND
    assert house.callbacks.give_up() is None
    assert house.run(LEFT) == [(5,)]
    house.now += SECOND
    assert [house.callbacks.give_up() for _ in range(3)] == [timedelta(0), timedelta(0), None]
    assert house.run(LEFT) == [(0,)]


def test_nothing_is_given_up_for_a_time_in_which_nobody_called(house: House) -> None:
    """All processes were down for three days, and the endpoint that had failed before fails again."""
    house.owe(9)
    for _ in range(4):
        house.round(DEAD)
    house.now += 72 * HOUR
    house.callbacks.give_up()
    house.round(DEAD)
    house.callbacks.give_up()
    assert house.run(LEFT) == [(9,)]
    house.round(OK)
    house.turns()
    house.settle(OK)
    assert house.run("select count(*) from callbacks where state = 'delivered'") != [(0,)]


def test_a_success_begins_another_day(house: House) -> None:
    house.owe(99)
    for half_hour in range(60):
        house.round(OK if half_hour == 40 else DEAD)
        house.now += HOUR / 2
        house.callbacks.give_up()
    assert house.run("select state, count(*) from callbacks group by state order by state") == [
        ("delivered", 1),
        ("queued", 98),
    ]


def test_what_was_given_up_may_be_owed_anew(house: House) -> None:
    house.owe(2)
    house.round(GONE)
    house.now += 24 * HOUR
    house.callbacks.give_up()
    house.run("update callbacks set state = 'queued', due_at = :now, ended_at = null", now=micros(house.now))
    house.callbacks.give_up()
    assert house.run(LEFT) == [(2,)]
    house.now += 24 * HOUR
    house.callbacks.give_up()
    assert house.run(LEFT) == [(0,)]


# --- Slots and leases -------------------------------------------------------------------------------------------------


def test_nothing_is_due(house: House) -> None:
    assert house.callbacks.turn() is None
    house.owe()
    house.now -= SECOND
    assert house.callbacks.turn() is None
    assert house.transport.begun == []


def test_a_turn_that_took_something_may_find_more(house: House) -> None:
    house.owe(2)
    assert house.callbacks.turn() == timedelta(0)
    assert len(house.transport.begun) == 1
    assert house.callbacks.turn() is None, "that one is unanswered"
    house.settle(OK)
    assert house.callbacks.turn() == timedelta(0)
    assert len(house.transport.begun) == 2
    assert house.callbacks.turn() is None


@pytest.mark.parametrize("why", ["no slot", "our heartbeat failed"])
def test_nothing_is_claimed_that_could_not_be_called(house: House, why: str) -> None:
    house.owe()
    if why == "no slot":
        house.transport.slots = 0
    else:
        house.alive = False
    assert house.callbacks.turn() is None
    assert [row[0] for row in house.run(ROWS)] == ["queued"]


def test_no_two_tries_of_one_callback_at_a_time(house: House) -> None:
    house.owe()
    house.turns()
    assert len(house.transport.begun) == 1
    house.run("update callbacks set lease_until = 1")  # the worker that made the first was stopped for long
    CallbackOutbox(house.database).rescue()
    other = House(house.database)
    other.turns()
    assert len(other.transport.begun) == 1
    other.settle(OK)
    house.settle(GONE)
    assert [row[0] for row in house.run(ROWS)] == ["delivered"]
    assert [http for _, http, _ in house.run(TRIES)] == [410, 204], "and both are recorded"


def test_the_schedule_of_these_tests_is_a_day() -> None:
    at = schedule(DOUBLING)
    assert (at[0], at[1], at[-1]) == (timedelta(0), 5 * SECOND, 24 * HOUR)
    assert all(timedelta(0) < later - earlier <= timedelta(minutes=15) for earlier, later in pairwise(at))
