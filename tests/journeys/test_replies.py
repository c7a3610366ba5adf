"""People answer: through real hooks and a carrier's own process, and as the simulated carrier's people do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest

from dispatcher.store.database import Database
from tests.factories import SECRET, provision
from tests.processes import Customer, Receiver, Recorder, Stage, eventually, staged

ANN: Final = "+12012223000"
OURS: Final = "+12015550000"
CALLBACK: Final = "/cb?id={messageId}&status={status}"


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    with staged(database_url, tmp_path, WEB__WORKERS=1) as stage:
        yield stage
        assert stage.complaints() == []


def test_a_person_leaves_and_comes_back(stage: Stage, database: Database, tmp_path: Path) -> None:
    """Stop please: what is queued is discarded and called back, one confirmation leaves, and nobody is invited."""
    with Recorder(tmp_path) as recorder, Receiver() as receiver:
        url = receiver.url + CALLBACK
        provision(database, carrier="generic", settings=recorder.settings(), callback_url=url, duplicate_seconds=0)
        customer = Customer("key", SECRET, stage.port)
        stage.start("web")
        work = stage.start("work", ready=False)
        invited = customer.invite(ANN).json["messageId"]
        assert customer.final(invited)["code"] == 1
        assert work.stop() == 0  # so that the next one is queued when she answers
        queued = customer.invite(ANN).json["messageId"]

        def say(text: str, ref: str) -> None:
            assert recorder.reply(stage.port, ANN.removeprefix("+"), OURS.removeprefix("+"), text, ref) == 204

        for _ in range(3):
            say("Stop please", "mo-1")
        stopped = customer.final(queued)
        assert (stopped["status"], stopped["code"]) == ("discarded", 127)
        stage.start("work", ready=False)
        confirmed = eventually("it is confirmed", lambda: recorder.submits()[1:])
        assert [(mt.to, mt.sender) for mt in confirmed] == [(ANN, OURS)]
        refused = customer.invite(ANN).json
        assert (refused["status"], refused["code"]) == ("discarded", 127)
        called = {queued: ["127"], refused["messageId"]: ["127"], invited: ["1"]}

        def told() -> bool:
            queries = [parse_qs(urlsplit(call.path).query) for call in receiver.calls]
            return {query["id"][0]: query["status"] for query in queries} == called

        eventually("every invitation is called back, and no confirmation", told)
        [kept] = stage.commanded("optout", "list")
        assert (kept["phone"], kept["scope"], kept["source"], kept["said"]) == (ANN, "app", "reply", "Stop please")
        say("I can't stop laughing", "mo-2")
        say("START", "mo-3")
        again = customer.invite(ANN).json
        assert (again["status"], customer.final(again["messageId"])["code"]) == ("pending", 1)
        eventually("that is confirmed too", lambda: len(recorder.submits()) == 4)
        assert [row["verdict"] for row in stage.commanded("reply", "list", "--all")] == ["stop", "none", "start"]
        assert recorder.count() == 4


def test_the_simulated_carriers_people_answer(stage: Stage, database: Database) -> None:
    """One says Stop please to every text, another HELP: each is answered once, for machines answer machines.

    A third says STOP, and START to its confirmation.
    """
    provision(database, duplicate_seconds=0)
    customer = Customer("key", SECRET, stage.port)
    stage.start("serve")
    for digits in ("30", "31", "32"):
        assert customer.final(customer.invite(f"30155501{digits}").json["messageId"])["code"] == 1
    eventually("she is opted out", lambda: customer.invite("3015550130").json["code"] == 127)

    def verdicts() -> list[str]:
        return sorted(row["verdict"] for row in stage.commanded("reply", "list", "--all"))

    eventually("they answer the answers too", lambda: verdicts() == ["help", "help", "start", "stop", "stop", "stop"])
    answered = [row["answered"] for row in stage.commanded("reply", "list", "--all")]
    assert sorted(answered) == [False, False, True, True, True, True]
    assert customer.invite("3015550132").json["code"] == 0
    assert customer.invite("3015550131").json["code"] == 0
