"""Customers whose endpoints are dead, slow, private or redirect, and people who opt out while others are texted."""

from __future__ import annotations

import os
import random
import socket
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.lifecycle import State
from dispatcher.core.person import person_of
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.revision import pepper
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import SECRET, candidate, provision
from tests.faults.ledger import balance, live
from tests.faults.tally import tally
from tests.processes import Customer, Receiver, Recorder, eventually, free_port, staged

FULL: Final = os.environ.get("FAULTS") == "full"
EACH: Final = 30 if FULL else 5
HANGING: Final = 280 if FULL else 150
QUEUED: Final = 1000
LEAVING: Final = 200 if FULL else 50  # how many of them opt out
PROMPT: Final = 2.0  # seconds within which a healthy endpoint is called
PATH: Final = "/?id={messageId}&status={status}"
HEALTHY, DEAD, SLOW, PRIVATE, REDIRECTING = range(1, 6)
OWED: Final = Statement("select app_id, state, case when tries > 0 then 1 else 0 end from callbacks")
WAITING: Final = Statement("select count(*) from callbacks where state = 'claimed'")
TRIES: Final = Statement(
    """select distinct c.app_id, t.http from callback_tries t
    join callbacks c on c.subject_id = t.subject_id and c.kind = t.kind"""
)
STATE: Final = Statement("select state from messages where id = :id")
ANSWERS: Final = Statement("select id from messages where kind = 'confirmation'")
UNSENT: Final = {State.QUEUED, State.CLAIMED}


def owed(database: Database) -> Counter[tuple[int, str, int]]:
    """How many callbacks there are of each app, in each state, tried or not."""
    with database.read() as tx:
        return Counter((row[0], row[1], row[2]) for row in tx.run(OWED))


def test_one_customers_endpoint_costs_the_others_nothing(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver
) -> None:
    """Dead, slow, private and redirecting endpoints beside a healthy one; the dead one is called when it is back."""
    port = free_port()
    settings = {"WEB__WORKERS": 1, "CALLBACKS__TIMEOUT_SECONDS": 1, "CALLBACKS__ALLOW": "127.0.0.1/32"}
    with (
        Receiver() as redirecting,
        Receiver() as elsewhere,
        socket.create_server(("127.0.0.1", 0), backlog=256) as slow,
        socket.create_server(("127.0.0.2", 0)) as private,
        staged(database_url, tmp_path, **settings) as stage,
    ):
        redirecting.status, redirecting.location = 302, f"{elsewhere.url}/"
        private.setblocking(False)
        rows = provision(database, carrier="generic", settings=recorder.settings(), callback_url=receiver.url + PATH)
        hosts = (f"127.0.0.1:{port}", "{}:{}".format(*slow.getsockname()), "{}:{}".format(*private.getsockname()))
        for n, url in enumerate([*(f"http://{host}" for host in hosts), redirecting.url], DEAD):
            app = {"app_id": f"com.example.{n}", "callback_url": url + PATH, "callback_secret": "s"}
            rows.add_app(1, app | {"hours": {"always": True}})
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)

        def post(app: int, first: int) -> list[str]:
            numbers = [f"30122{app}{n:04d}" for n in range(first, first + EACH)]
            return [customer.invite(number, appId=f"com.example.{app}").json["messageId"] for number in numbers]

        ids = [message_id for app in (SLOW, PRIVATE, DEAD, REDIRECTING, HEALTHY) for message_id in post(app, 2000)]
        eventually("nothing is on its way", lambda: live(database) == 0)
        eventually("the healthy one is called", lambda: len(receiver.calls) == EACH, PROMPT)
        ids += post(HEALTHY, 3000)
        eventually("nothing is on its way", lambda: live(database) == 0)
        eventually("it is called again", lambda: len(receiver.calls) == 2 * EACH, PROMPT)
        eventually("each is tried", lambda: {app for app, _, tried in owed(database) if tried} == {*range(1, 6)})
        eventually("redirects are over", lambda: owed(database)[REDIRECTING, "failed", 1] == EACH)

        tally.fault()
        with Receiver(port) as back:
            eventually("the dead one has all", lambda: owed(database)[DEAD, "delivered", 1] == EACH, 60)
            assert len({call.headers["dispatcher-delivery"] for call in back.calls}) == len(back.calls) == EACH
        assert owed(database)[HEALTHY, "delivered", 1] == 2 * EACH
        assert {state for app, state, _ in owed(database) if app in (SLOW, PRIVATE)} <= {"queued", "claimed"}
        with database.read() as tx:
            https = {(row[0], row[1]) for row in tx.run(TRIES)}
        assert https == {(HEALTHY, 204), (DEAD, 0), (DEAD, 204), (SLOW, 0), (PRIVATE, 0), (REDIRECTING, 302)}
        assert len(redirecting.calls) == EACH
        assert elsewhere.calls == []
        with pytest.raises(BlockingIOError):
            private.accept()
        assert {code for _, code, _ in balance(database, recorder, ids).values()} == {1}
        assert stage.complaints() == []


def test_endpoints_that_hang_by_the_hundred_keep_no_other_waiting(
    database: Database, database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """All of them are waited for, and the callbacks of an app that is known and of one that is new are on time."""
    numbers = count(2000)

    def owe(app_id: int, callbacks: int = 1) -> None:
        now = utc_now()
        values: dict[str, Any] = {"code": Code.NOT_MOBILE, "app_id": app_id, "created_at": now, "planned_at": now}
        Admissions(database).admit([candidate(f"+1301222{next(numbers):04d}", **values) for _ in range(callbacks)], now)

    def waiting() -> int:
        with database.read() as tx:
            return int(tx.run(WAITING)[0][0])

    with (
        socket.create_server(("127.0.0.1", 0), backlog=2 * HANGING) as hanging,
        staged(database_url, tmp_path, CALLBACKS__TIMEOUT_SECONDS=30) as stage,
    ):
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        rows = provision(database, callback_url=url + PATH, apps=HANGING)
        healthy = {"callback_url": receiver.url + PATH, "callback_secret": "s", "hours": {"always": True}}
        known, new = [rows.add_app(1, healthy | {"app_id": f"com.example.healthy{n}"}) for n in range(2)]
        for app_id in range(1, HANGING + 1):
            owe(app_id, 3)
        stage.start("work", ready=False)
        eventually("each hangs", lambda: waiting() == HANGING)
        tally.fault()
        for called, app_id in enumerate((known, known, new), 1):
            owe(app_id)
            eventually("it is called", lambda n=called: len(receiver.calls) == n, PROMPT)  # type: ignore[misc]
        assert waiting() >= HANGING
        assert stage.complaints() == []


@pytest.mark.parametrize("way", ["operator", "reply"])
def test_opt_outs_racing_a_thousand_queued_rows(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder, way: str
) -> None:
    """Once an opt-out has returned, nothing leaves for that person but what was marked before, and one confirmation."""
    provision(database, carrier="generic", settings=recorder.settings(), mps=300)
    now = utc_now()
    phones = [f"+1301222{n:04d}" for n in range(2000, 2000 + QUEUED)]
    secret = pepper(database)
    made = [
        candidate(
            phone,
            person=person_of(secret, phone),
            created_at=now,
            planned_at=now,
            expires_at=now.replace(year=2099),
        )
        for phone in phones
    ]
    Admissions(database).admit(made, now)
    book = OptOutBook(database)
    seen: dict[str, State] = {}
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        stage.start("web")  # takes the receipts, and the replies
        stage.start("work", ready=False)
        stage.start("work", ready=False)
        recorder.wait_for(1)
        tally.fault()
        for one in random.sample(made, LEAVING):
            if way == "reply":
                assert recorder.reply(stage.port, one.address, "+12015550000", "Stop please", f"mo-{one.id}") < 300
            else:
                scope, scope_id = random.choice(((Scope.APP, 1), (Scope.ACCOUNT, 1), (Scope.GLOBAL, 0)))
                book.add([OptOut(one.person, scope, scope_id, "operator", "", one.address)], utc_now())
            with database.read() as tx:
                seen[str(one.id)] = State(tx.run(STATE, id=one.id)[0][0])
        eventually("nothing is on its way", lambda: live(database) == 0, 60)
        eventually("every receipt is taken", lambda: len(recorder.receipts()) == recorder.count())
        with database.read() as tx:
            answers = {str(row[0]) for row in tx.run(ANSWERS)}
        assert len(answers) == (LEAVING if way == "reply" else 0)
        found = balance(database, recorder, [*(str(one.id) for one in made), *answers])
        assert stage.complaints() == []
    left = {submit.key for submit in recorder.submits()}
    assert not UNSENT & {*seen.values()}, "an opt-out left something in line"
    stopped = {key for key, state in seen.items() if state is State.DISCARDED}
    assert not stopped & left
    assert {found[key][:2] for key in stopped} <= {(State.DISCARDED, 127)}
    assert left == {str(one.id) for one in made} - stopped | answers
    assert stopped
