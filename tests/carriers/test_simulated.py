"""The words of the simulated carrier."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from dispatcher.carriers.simulated import Simulated
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.lifecycle import Event

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CARRIER: Final = Simulated()


@pytest.mark.parametrize("text", ["Join me", 'a", "to": "x', "\N{PILE OF POO}", "הצטרפו\n\0", "\\"])
def test_build(text: str) -> None:
    request = CARRIER.build(Submission("7", "+12015550160", "+13012223333", text, 1), NOON)
    assert (request.method, request.url) == ("POST", "simulated:/messages")
    assert json.loads(request.body) == {"key": "7", "from": "+12015550160", "to": "+13012223333", "text": text}


READ: Final[list[tuple[Response, Outcome]]] = [
    (Response(202, body=b'{"id": "sim-1"}'), Outcome(Fate.TAKEN, ref="sim-1")),
    *(
        (
            Response(400, body=json.dumps({"code": code, "reason": "refused"}).encode()),
            Outcome(Fate.NEVER, reason="refused", code=Code(code)),
        )
        for code in (123, 124, 125, 127)
    ),
    (
        Response(429, {"retry-after": "1"}),
        Outcome(Fate.LATER, reason="throttled", retry_after=timedelta(seconds=1), limit=True),
    ),
    (Response(fault=Fault.UNSENT), Outcome(Fate.LATER, reason="unsent", limit=True)),
    (Response(fault=Fault.TIMEOUT, detail="no answer"), Outcome(Fate.UNKNOWN, reason="no answer")),
    (Response(fault=Fault.CUT), Outcome(Fate.UNKNOWN, reason="cut")),
]  # fmt: skip


@pytest.mark.parametrize(("response", "outcome"), READ)
def test_read(response: Response, outcome: Outcome) -> None:
    assert CARRIER.read(response) == outcome


@pytest.mark.parametrize(
    ("url", "genuine"),
    [
        ("simulated:/receipts", True),
        ("simulated:/receipts?x=1", False),
        ("http://localhost/hooks/simulated", False),
        ("http://simulated:/receipts", False),
        ("", False),
    ],
)
def test_nobody_outside_may_speak_for_it(url: str, genuine: bool) -> None:
    assert CARRIER.verify(Hook("POST", url), NOON) is genuine


EVENTS: Final = [
    ({"status": "delivered"}, Receipt(Event.DELIVER, "7", "sim-1")),
    ({"status": "failed", "reason": "reported as failed"}, Receipt(Event.REFUSE, "7", "sim-1", "reported as failed")),
    ({"status": "failed"}, Receipt(Event.REFUSE, "7", "sim-1")),
]


@pytest.mark.parametrize(("told", "receipt"), EVENTS)
def test_events(told: dict[str, str], receipt: Receipt) -> None:
    body = json.dumps({"key": "7", "id": "sim-1"} | told).encode()
    assert CARRIER.events(Hook("POST", "simulated:/receipts", body=body)) == [receipt]


@pytest.mark.parametrize("status", ["", "Delivered", "sent", None])
def test_a_status_that_it_never_tells(status: str | None) -> None:
    with pytest.raises(Refusal) as raised:
        CARRIER.events(Hook("POST", "", body=json.dumps({"key": "7", "id": "1", "status": status}).encode()))
    assert raised.value.http == 400


def test_what_people_answer() -> None:
    told = {"from": "+13015550130", "to": "+12015550160", "text": "Stop please", "id": "sim-1-reply"}
    [reply] = CARRIER.events(Hook("POST", "simulated:/receipts", body=json.dumps(told).encode()))
    assert reply == Reply(their_number="+13015550130", our_number="+12015550160", text="Stop please", ref="sim-1-reply")
