"""A trial of a connection whose carrier says nothing, or whose words do not fit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.exchange import Fate, Outcome
from dispatcher.engine.checks import Wrong
from dispatcher.engine.dispatch import Line
from dispatcher.engine.trial import Trial
from tests.engine.transports import MemoryTransport, Plain
from tests.factories import NOON, PEPPER


def trial(carrier: Plain, receipt_url: str = "") -> tuple[Trial, MemoryTransport]:
    transport = MemoryTransport()
    made = Trial(
        line=Line(1, "main", carrier, transport, timedelta(hours=72), receipt_url),
        senders=["+12015550100", "+12015550101"],
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


def test_a_template_that_does_not_fit_is_one_sentence() -> None:
    made, transport = trial(Plain({}, unspeakable="#"))
    with pytest.raises(Wrong, match="main: the request could not be built: a text that does not fit"):
        made.submit(made.prepare("+12012223333", "", "#"))
    assert transport.begun == []
