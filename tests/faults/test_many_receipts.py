"""Thousands of receipts, doubled and shuffled over ten connections, some before we know what they are about."""

from __future__ import annotations

import json
import random
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.decision import Send
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.lifecycle import Event, State
from dispatcher.core.senders import LaneKey
from dispatcher.engine.ports import Marked, Settled
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.pool import SenderPool
from dispatcher.store.queue import MessageQueue
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import candidate, provision
from tests.faults.deduplicating import ENVIRONMENT
from tests.faults.ledger import live, owing
from tests.faults.scene import FULL
from tests.faults.tally import tally
from tests.processes import ROOT, TOKEN_VALUE, Receiver, Stage, eventually, staged
from tests.recorder import TOKEN

COUNT: Final = 10_000 if FULL else 1_000
STRANGERS: Final = COUNT // 20
LINES: Final = 10
PLAIN: Final = 2  # connections whose carrier tells one thing in each request; the others tell BATCH
BATCH: Final = 50
THREADS: Final = 8
PAGE: Final = 100
MOST_TRIES: Final = 20
LEASE: Final = timedelta(minutes=30)
CALLBACK: Final = "/?id={messageId}&status={status}"
ENDS: Final = (("delivered",), ("failed",), ("failed", "delivered"))  # a delivery outranks a failure, in any order
STATES: Final = Statement("select id, state, code from messages")
OWED: Final = Statement("select message_id, kind, status from callbacks")
KEPT: Final = Statement("select count(*) from receipts")
STATUSES: Final = {
    "accepted": {"groupId": 1, "id": 7, "name": "PENDING_ENROUTE"},
    "delivered": {"groupId": 3, "id": 5, "name": "DELIVERED_TO_HANDSET"},
    "failed": {"groupId": 2, "id": 9, "name": "UNDELIVERABLE_NOT_DELIVERED"},
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the carrier of a connection says, by our id or by its own alone."""

    line: int
    status: str
    ref: str
    key: str = ""


@pytest.fixture
def stage(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in (ENVIRONMENT | {TOKEN: TOKEN_VALUE}).items():
        monkeypatch.setenv(name, value)
    with staged(database_url, tmp_path, WEB__WORKERS=2) as stage:
        yield stage
        assert stage.complaints() == []


def connected(database: Database, receiver: Receiver) -> None:
    """Ten connections with a sender each, of two kinds of carriers."""
    plain = tomllib.loads((ROOT / "tests" / "recorder.toml").read_text())
    credentials = {"api_key": "env:TEST_API_KEY", "hook_token": "env:TEST_HOOK_TOKEN"}
    infobip = {"base_url": "http://127.0.0.1:9", "credentials": credentials}
    rows = provision(database, senders=0, callback_url=receiver.url + CALLBACK)
    for n in range(LINES):
        carrier, settings = ("generic", plain) if n < PLAIN else ("infobip", infobip)
        rows.add_connection(f"line{n}", carrier, settings, {})
        sender: dict[str, Any] = {"number": f"+1201555000{n}", "kind": "long_code", "region": "US", "mps": 1_000_000}
        rows.add_sender(sender, f"line{n}", [])


def submitting(database: Database) -> list[Marked]:
    """So many invitations, marked: their carriers have been called, and what they answered is not written yet."""
    now, queue = utc_now(), MessageQueue(database)
    times = {"created_at": now, "planned_at": now, "expires_at": now + timedelta(days=2)}
    until = now + timedelta(days=7)
    marked: list[Marked] = []
    for first in range(0, COUNT, PAGE):
        phones = (f"+1301{222 + n // 8000}{2000 + n % 8000}" for n in range(first, first + PAGE))
        Admissions(database).admit([candidate(phone, **times, duplicate_until=until) for phone in phones], now)
        pool = SenderPool(database).usable(timedelta(seconds=1), 1)
        sends = []
        for row in queue.claim({LaneKey(1, "US"): PAGE}, now, LEASE):
            choice = pool.choose(1, "US", row.address or "")
            assert choice is not None
            pool.charge(choice, 1)
            sends.append(Send(row, choice))
        marked += queue.mark(sends, [], [], now=now, lease=LEASE, horizon=timedelta(seconds=1), worker_id=1)
    assert len(marked) == COUNT
    assert len({row.connection_id for row in marked}) == LINES
    return marked


def settle(database: Database, rows: Sequence[Marked]) -> None:
    """Write that they were taken, with the carriers' ids."""
    now = utc_now()
    for first in range(0, len(rows), PAGE):
        outcomes = [
            Settled(
                row.row.id,
                row.row.generation,
                Event.SUBMIT,
                Outcome(Fate.TAKEN, ref=ref_of(row)),
                Code.ACCEPTED,
                now + timedelta(hours=72),
                sent=True,
            )
            for row in rows[first : first + PAGE]
        ]
        MessageQueue(database).settle(outcomes, now)


def ref_of(row: Marked) -> str:
    return f"ref-{row.row.id}"


def told_of(rows: Sequence[Marked]) -> tuple[list[Told], dict[str, tuple[State, int]]]:
    """Every receipt, twice and in no order, with strangers' between; and what each message is in the end."""
    told: list[Told] = []
    ends = {}
    for n, row in enumerate(rows):
        statuses = ENDS[n % len(ENDS)]
        key = str(row.row.id)
        named = random.choice((key, ""))
        told += [Told(row.connection_id - 2, status, ref_of(row), named) for status in ("accepted", *statuses)]
        ends[key] = (State.DELIVERED, 1) if "delivered" in statuses else (State.FAILED, 124)
    for n in range(STRANGERS):
        key = random.choice(("", str(random.getrandbits(62)), "nobody"))
        told.append(Told(random.randrange(LINES), random.choice(list(STATUSES)), f"stranger-{n}", key))
    told *= 2
    random.shuffle(told)
    return told, ends


def hooks(told: Sequence[Told]) -> list[tuple[str, dict[str, str], bytes]]:
    """The requests that tell all this, in about that order."""
    made = []
    for each in told:
        if each.line < PLAIN:
            word = {"accepted": "sent"}.get(each.status, each.status)
            body = json.dumps({"message": {"id": each.ref, "status": word, "error": ""}})
            query = f"?id={each.key}" if each.key else ""
            made.append((f"/hooks/line{each.line}{query}", {"X-Webhook-Token": TOKEN_VALUE}, body.encode()))
    for line in range(PLAIN, LINES):
        of_line = iter([each for each in told if each.line == line])
        while batch := list(islice(of_line, BATCH)):
            results = [
                {"messageId": t.ref, "status": STATUSES[t.status]} | ({"callbackData": t.key} if t.key else {})
                for t in batch
            ]
            body = json.dumps({"results": results})
            made.append((f"/hooks/line{line}?token={ENVIRONMENT['TEST_HOOK_TOKEN']}", {}, body.encode()))
    random.shuffle(made)
    return made


def post(port: int, requests: Sequence[tuple[str, dict[str, str], bytes]]) -> Counter[int]:
    """What these are answered in the end, one after the other on one connection; 503 asks to come again."""
    answers: Counter[int] = Counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(path: str, headers: dict[str, str], body: bytes) -> int:
        connection.request("POST", path, body, headers | {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status

    for request in requests:
        tries = iter(range(MOST_TRIES))
        while (status := ask(*request)) == 503 and next(tries, None) is not None:
            pass
        answers[status] += 1
    connection.close()
    return answers


def query(database: Database, statement: Statement) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.run(statement)]


@pytest.mark.timeout(900 if FULL else 120)
def test_every_state_is_right_in_the_end_and_called_back_once(
    stage: Stage, database: Database, receiver: Receiver
) -> None:
    connected(database, receiver)
    rows = submitting(database)
    told, ends = told_of(rows)
    random.shuffle(rows)
    settle(database, rows[: COUNT // 2])
    stage.start("web")
    late = threading.Thread(target=settle, args=(database, rows[COUNT // 2 :]))
    requests = hooks(told)
    with ThreadPoolExecutor(THREADS) as pool:
        posts = [pool.submit(post, stage.port, requests[n::THREADS]) for n in range(THREADS)]
        eventually("some came too early", lambda: query(database, KEPT)[0][0] > 2 * STRANGERS)
        late.start()
        answers = sum((each.result() for each in posts), Counter())
    late.join()
    tally.fault()
    assert answers == {204: len(requests)}
    stage.start("work", ready=False)
    eventually("nothing is on its way", lambda: live(database) == 0, 60)
    eventually("every callback is made", lambda: owing(database) == 0, 300)
    tally.count(COUNT, 0, 0, 0)
    assert {str(i): (state, code) for i, state, code in query(database, STATES)} == ends
    final = {str(i): status for i, _, status in query(database, OWED)}
    assert {kind for _, kind, _ in query(database, OWED)} == {"final"}
    assert final.keys() == ends.keys()
    assert {(status, ends[key][1]) for key, status in final.items()} <= {(1, 1), (124, 124), (124, 1)}
    called = Counter(call.path for call in receiver.calls)
    assert called == {f"/?id={key}&status={status}": 1 for key, status in final.items()}
    assert query(database, KEPT) == [(2 * STRANGERS,)], "all others were matched"
