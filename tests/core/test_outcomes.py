"""The outcomes that carriers' tables name: one for each that a refusal can come to, and no two alike."""

from __future__ import annotations

from dispatcher.core import outcomes
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome

NAMED = {name: found for name, found in vars(outcomes).items() if isinstance(found, Outcome)}


def test_each_name_says_what_it_comes_to() -> None:
    for name, outcome in NAMED.items():
        assert name in {"LIMITED", "UNEXPLAINED", outcome.fate.name, outcome.code.name}
    assert NAMED["LIMITED"] == Outcome(Fate.LATER, limit=True)
    assert NAMED["UNEXPLAINED"] == Outcome(Fate.NEVER, unexplained=True)


def test_every_refusal_has_one() -> None:
    assert {outcome.fate for outcome in NAMED.values()} == set(Fate) - {Fate.TAKEN}
    codes = {outcome.code for outcome in NAMED.values() if outcome.fate is Fate.NEVER}
    assert codes == {Code.INVALID_PHONE, Code.SEND_FAILED, Code.NOT_MOBILE, Code.OPTED_OUT}
    assert len(set(NAMED.values())) == len(NAMED)
