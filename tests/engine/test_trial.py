"""A trial of a connection whose carrier says nothing, or whose words do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.discretion import Discretion
from dispatcher.core.exchange import Fate, Outcome, Receipt
from dispatcher.core.lifecycle import Event
from dispatcher.engine.checks import Wrong
from dispatcher.engine.dispatch import Line
from dispatcher.engine.trial import Trial, Verdict
from tests.engine.transports import MemoryTransport, Plain
from tests.factories import NOON, PEPPER


class Kept:
    """The receipts that match no message; each look takes what came meanwhile."""

    def __init__(self, *looks: Sequence[Receipt]) -> None:
        self.looks = list(looks)

    def take(self, connection_id: int, key: str, ref: str, since: datetime) -> Sequence[Receipt]:
        assert (connection_id, key, ref in {"", "r"}, since < NOON) == (1, "7", True, True)
        return self.looks.pop(0) if self.looks else []


def trial(
    carrier: Plain, receipt_url: str = "", *looks: Sequence[Receipt], tells: bool = True, final: bool = False
) -> tuple[Trial, MemoryTransport]:
    transport = MemoryTransport()
    made = Trial(
        line=Line(1, "main", carrier, transport, timedelta(hours=72), receipt_url, final, Discretion.about(["SeCrEt"])),
        senders=["+12015550100", "+12015550101"],
        tells=tells,
        receipts=Kept(*looks),
        opt_outs=lambda person: [],
        pepper=PEPPER,
        ids=lambda: 7,
        clock=lambda: NOON,
        patience=timedelta(0),
    )
    return made, transport


def test_whoever_does_not_answer_is_in_doubt_in_the_carriers_own_words() -> None:
    made, transport = trial(Plain({"": Outcome(Fate.UNKNOWN, reason="timeout")}), "http://here/hooks/main")
    mt = made.prepare("2012223333", "", "Hello")
    assert (mt.key, mt.sender, mt.to, mt.receipt_url) == (
        "7",
        "+12015550100",
        "+12012223333",
        "http://here/hooks/main?id=7",
    )
    assert made.submit(mt).fate is Fate.UNKNOWN
    [begun] = transport.begun
    assert (begun.lane, begun.mt["text"]) == ("main", "Hello")


def test_neither_the_number_nor_a_credential_is_repeated() -> None:
    made, _ = trial(Plain({"": Outcome(Fate.NEVER, reason="?key=SeCrEt&to=%2B12012223333")}))
    assert made.submit(made.prepare("2012223333", "", "Hello")).reason == "?key=•••&to=%2B1201•••3333"


def test_a_template_that_does_not_fit_is_one_sentence() -> None:
    made, transport = trial(Plain({}, unspeakable="#"))
    with pytest.raises(Wrong, match="main: the request could not be built: a text that does not fit"):
        made.submit(made.prepare("+12012223333", "", "#"))
    assert transport.begun == []


# --- What became of it ------------------------------------------------------------------------------------------------

TAKEN, LOST = Outcome(Fate.TAKEN, ref="r"), Outcome(Fate.UNKNOWN)
ACCEPTED, DELIVERED = Receipt(Event.SUBMIT, ref="r"), Receipt(Event.DELIVER, ref="r")
FAILED = Receipt(Event.REFUSE, ref="r", reason="absent", code=Code.NOT_MOBILE)
URL = "http://here/hooks/main"
ENDS: list[tuple[Outcome, list[list[Receipt]], float, bool, str]] = [
    (TAKEN, [[DELIVERED]], 9.0, True, "delivered"),
    (TAKEN, [[ACCEPTED], [], [DELIVERED, FAILED]], 9.0, True, "delivered"),
    (LOST, [[DELIVERED]], 9.0, True, "delivered"),
    (TAKEN, [[FAILED]], 9.0, False, "not delivered (125): absent"),
    (TAKEN, [], 0.01, False, f"taken, but no receipt within 0.01 s: is {URL} reachable from the carrier?"),
    (LOST, [], 0.01, False, f"nobody can tell whether it was taken, but no receipt within 0.01 s: is {URL} reachable"),
    (TAKEN, [[ACCEPTED]], 0.01, False, "accepted, but no final receipt within 0.01 s"),
    (TAKEN, [[DELIVERED]], 0.0, True, "taken; no receipt was waited for"),
    (LOST, [], 0.0, False, "nobody can tell whether it was taken; no receipt was waited for"),
    (Outcome(Fate.NEVER, reason="no such number"), [[DELIVERED]], 9.0, False, "not taken: no such number"),
    (replace(TAKEN, final=True), [[DELIVERED]], 9.0, True, "taken; this connection tells no more"),
]


def followed(made: Trial, outcome: Outcome, wait: float) -> tuple[list[Receipt], Verdict]:
    receipts = list(made.follow(made.prepare("2012223333", "", "Hello"), outcome, wait))
    return receipts, made.judge(outcome, receipts, wait)


@pytest.mark.parametrize(("outcome", "looks", "wait", "good", "why"), ENDS)
def test_it_is_followed_to_its_final_receipt(
    outcome: Outcome, looks: list[list[Receipt]], wait: float, good: bool, why: str
) -> None:
    made, _ = trial(Plain({}), URL, *looks)
    receipts, verdict = followed(made, outcome, wait)
    assert verdict.good is good
    assert verdict.why.startswith(why)
    assert [each.event for each in receipts].count(Event.REFUSE) == int("absent" in why), "nothing after a final one"


@pytest.mark.parametrize(("tells", "final"), [(False, False), (True, True)])
def test_nothing_is_waited_for_where_nothing_comes(tells: bool, final: bool) -> None:
    made, _ = trial(Plain({}), URL, [DELIVERED], tells=tells, final=final)
    assert followed(made, TAKEN, 9.0) == ([], Verdict(good=True, why="taken; this connection tells no more"))


def test_who_has_no_hook_is_not_told_to_open_one() -> None:
    made, _ = trial(Plain({}))
    assert followed(made, TAKEN, 0.01)[1].why == "taken, but no receipt within 0.01 s"
