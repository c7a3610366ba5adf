"""The first minute of a customer, through real sockets and processes, on both databases."""

from __future__ import annotations

import hmac
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest

from dispatcher.store.database import Database
from dispatcher.wiring.parts import utc_now
from tests.factories import SECRET, provision
from tests.processes import (
    Answer,
    Customer,
    Receiver,
    Recorder,
    Stage,
    children_of,
    end_now,
    eventually,
    family_of,
    free_port,
    runs,
    staged,
)

PHONE = "3012223333"
CALLBACK = "/cb?id={messageId}&ref={referenceId}&phone={phone}&status={status}&at={completionDate}"
OFTEN = {"WORK__RESCUE_SECONDS": 0.5, "WEB__WORKERS": 1}


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, **OFTEN) as stage:
        yield stage
        assert stage.complaints() == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path) as recorder:
        yield recorder


def provisioned(stage: Stage, callback_url: str) -> tuple[Customer, str]:
    """A customer made by the commands of the README, on the simulated carrier, and the secret of its callbacks."""
    made = stage.command("account", "create", "--company", "Example", "--email", "a@example.com")
    owned = ["--account", made["apiKey"], "--app-id", "com.example.1", "--hours", "always"]
    app = stage.command("app", "create", *owned, "--callback-url", callback_url)
    stage.command("connection", "add", "simulated", "--carrier", "simulated")
    stage.command("sender", "add", "+12015550160", "--connection", "simulated", "--mps", "100")
    return Customer(made["apiKey"], made["secret"], stage.port), app["callbackSecret"]


def signed(secret: str, header: str, url: str) -> bool:
    """v1 is the HMAC-SHA256 of "t.METHOD.url.body"."""
    said = dict(part.split("=", 1) for part in header.split(","))
    assert abs(utc_now().timestamp() - int(said["t"])) < 60
    expected = hmac.new(secret.encode(), f"{said['t']}.GET.{url}.".encode(), "sha256").hexdigest()
    return hmac.compare_digest(said["v1"], expected)


def test_an_invitation_is_posted_delivered_and_called_back(stage: Stage, receiver: Receiver) -> None:
    customer, secret = provisioned(stage, receiver.url + CALLBACK)
    serve = stage.start("serve")

    answer = customer.invite(PHONE, referenceId="order 1&2")
    assert (answer.status, answer.json["status"], answer.json["code"]) == (200, "pending", 0)
    message_id = answer.json["messageId"]

    status = customer.final(message_id)
    assert (status["status"], status["code"], status["sender"]) == ("sent", 1, "+12015550160")
    assert status["referenceId"] == "order 1&2"
    assert abs(status["processedDate"] / 1000 - utc_now().timestamp()) < 60

    # A second one, refused by the carrier: when its callback is here, a doubled first one would be too.
    refused = customer.invite("3015550102").json["messageId"]
    assert (customer.final(refused)["status"], customer.final(refused)["code"]) == ("discarded", 124)
    eventually("both callbacks", lambda: len(receiver.calls) >= 2)
    first, second = receiver.calls
    assert f"phone=%2B1{PHONE}&" in first.path
    assert parse_qs(urlsplit(first.path).query, keep_blank_values=True) == {
        "id": [message_id],
        "ref": ["order 1&2"],
        "phone": [f"+1{PHONE}"],
        "status": ["1"],
        "at": [str(status["completionDate"])],
    }
    assert f"id={refused}&ref=&phone=%2B13015550102&status=124&" in second.path
    assert first.method == "GET"
    assert signed(secret, first.headers["dispatcher-signature"], receiver.url + first.path)
    assert not signed("another secret", first.headers["dispatcher-signature"], receiver.url + first.path)
    assert first.headers["dispatcher-delivery"] != second.headers["dispatcher-delivery"]

    family = family_of(serve.pid)
    assert len(family) == 4  # the parent, web and its one worker, work
    assert serve.stop(signal.SIGINT) == 0
    assert gone(family)
    assert len(receiver.calls) == 2


# The simulated carrier chooses by the last two digits: see dispatcher/transports/simulated.py.
ENDS = [
    ("01", "discarded", 123),
    ("02", "discarded", 124),
    ("03", "discarded", 125),
    ("04", "discarded", 127),
    ("21", "sent", 1),
    ("22", "sent", 1),
    ("23", "sent", 1),
    ("25", "sent", 124),
]


def test_every_end_has_its_word_its_code_and_one_callback(stage: Stage, receiver: Receiver, database: Database) -> None:
    provision(database, callback_url=receiver.url + CALLBACK)
    customer = Customer("key", SECRET, stage.port)
    stage.start("web")
    stage.start("work", ready=False)

    ids = {ends: customer.invite(f"30155501{ends}").json["messageId"] for ends, _, _ in ENDS}
    found = {ends: customer.final(message_id) for ends, message_id in ids.items()}
    assert [(ends, s["status"], s["code"]) for ends, s in found.items()] == ENDS
    eventually("every callback", lambda: len(receiver.calls) >= len(ENDS))
    called = [parse_qs(urlsplit(call.path).query) for call in receiver.calls]
    assert sorted((c["id"][0], c["status"][0]) for c in called) == sorted((ids[e], str(code)) for e, _, code in ENDS)


def at_once(count: int, post: Callable[[int], Answer]) -> list[Answer]:
    """All of them begin together."""
    ready = Barrier(count)

    def one(n: int) -> Answer:
        ready.wait()
        return post(n)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_equal_posts_at_once_over_two_processes_are_one_invitation(
    stage: Stage, recorder: Recorder, database: Database
) -> None:
    provision(database, carrier="generic", settings=recorder.settings(), apps=2)
    customer = Customer("key", SECRET, stage.port)
    other = free_port()
    stage.start("web")
    second = stage.start("web", "--port", str(other))
    ports = (stage.port, other)

    equal = at_once(50, lambda n: customer.invite(PHONE, referenceId="r1", port=ports[n % 2]))
    assert {answer.status for answer in equal} == {200}
    assert len({answer.body for answer in equal}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in equal) == 1
    message_id = equal[0].json["messageId"]

    again = at_once(50, lambda n: customer.invite("3012224444", message=f"Join me {n}", port=ports[n % 2]))
    words = sorted((answer.json["status"], answer.json["code"]) for answer in again)
    assert words == [("discarded", 128)] * 49 + [("pending", 0)]
    holder = next(answer.json["messageId"] for answer in again if answer.json["code"] == 0)
    assert {answer.json["duplicateOf"] for answer in again if answer.json["code"]} == {holder}
    assert len({answer.json["messageId"] for answer in again}) == 50

    # The same reference after a restart is the same invitation; with other content it is a conflict.
    assert second.stop() == 0
    stage.start("web", "--port", str(other))
    stage.start("work", ready=False)
    replay = customer.invite(PHONE, referenceId="r1", port=other)
    assert replay.body == equal[0].body
    assert replay.headers["idempotent-replayed"] == "true"
    conflict = customer.invite(PHONE, referenceId="r1", message="Another text")
    assert (conflict.status, conflict.json["code"]) == (409, 409)

    for sent in (message_id, holder):
        assert customer.final(sent)["code"] == 1
    assert sorted(submit.key for submit in recorder.submits()) == sorted([message_id, holder])


def test_the_id_of_another_account_looks_like_one_that_never_existed(stage: Stage, database: Database) -> None:
    rows = provision(database)
    rows.add_account("Other", "b@example.com", "other", sha256(b"another secret").hexdigest())
    stage.start("web")
    customer, other = Customer("key", SECRET, stage.port), Customer("other", "another secret", stage.port)
    message_id = customer.invite(PHONE).json["messageId"]
    assert customer.status(message_id)["messageId"] == message_id

    strange = [other.call("GET", f"/ws/invitation/{i}") for i in (message_id, str(int(message_id) + 1), "0", "x" * 30)]
    assert {(answer.status, answer.body) for answer in strange} == {(404, strange[0].body)}
    headers = [{k: v for k, v in answer.headers.items() if k != "date"} for answer in strange]
    assert headers[1:] == headers[:-1]
    assert strange[0].json["code"] == 103


def gone(pids: list[int]) -> bool:
    return not any(map(runs, pids))


def test_serve_starts_again_what_was_killed_and_ends_on_sigterm(stage: Stage, database: Database) -> None:
    provision(database)
    serve = stage.start("serve")
    customer = Customer("key", SECRET, stage.port)
    customer.final(customer.invite("3012220000").json["messageId"])
    for child in children_of(serve.pid):
        grandchildren = children_of(child)
        end_now([child])
        eventually("what it had started ends with it", partial(gone, [child, *grandchildren]))
    eventually("both are there again", lambda: len(family_of(serve.pid)) == 4)
    stage.wait_for_web(serve, stage.port)
    customer.final(customer.invite("3012220001").json["messageId"])
    family = family_of(serve.pid)
    assert serve.stop(signal.SIGTERM) == 0
    assert gone(family)
    assert serve.log.read_text().count('"message": "ended"') == 2, "of web and of work"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_web_process_that_ends_while_it_starts_leaves_nothing_behind(
    sqlite_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    """A worker inherits the handlers of the process that forks it; on one database, for it has not opened it yet."""
    with staged(sqlite_url, tmp_path) as stage:
        web = stage.start("web", ready=False)
        family = [web.pid, *eventually("its workers", lambda: children_of(web.pid))]
        web.stop(number)
        eventually("nothing is left", partial(gone, family), 5)


@pytest.mark.parametrize("words", ["work", "serve"])
def test_two_signals_that_come_together_end_it_in_order(sqlite_url: str, tmp_path: Path, words: str) -> None:
    """Both wait while it is stopped: whichever thread takes them then, the process ends. No matter of the database.

    A worker of the WSGI server that is told both ways at once may hang in its own handler; web kills it after a while.
    """
    with staged(sqlite_url, tmp_path, **OFTEN) as stage:
        process = stage.start(words, ready=words != "work")
        eventually("it works", lambda: words != "work" or enrolled(sqlite_url))
        family = family_of(process.pid)
        for pid in family:
            for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
                with suppress(ProcessLookupError):  # its parent ended it by then
                    os.kill(pid, number)
        process.popen.wait(8)  # less than the time after which a web process kills its workers
        eventually("nothing is left", partial(gone, family))
        assert stage.complaints() == []


def enrolled(url: str) -> bool:
    """Whether a work process has begun."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return bool(connection.execute("select 1 from workers where kind = 'work'").fetchall())
