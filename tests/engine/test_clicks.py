"""The duty of clicks over a real store: the bell rings only where somebody is called back."""

from __future__ import annotations

from itertools import count

import pytest

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.device import Device
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.invitation import Account
from dispatcher.core.screening import KnownOs
from dispatcher.engine.clicks import Click, Clicks, Seen
from dispatcher.engine.ports import CALLBACKS
from dispatcher.store.clicks import GroupedClicks
from dispatcher.store.database import Database
from tests.engine.test_dispatch import House
from tests.engine.transports import says
from tests.factories import NOON, provision

PIXEL = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
)
ACCOUNT = Account(1)


@pytest.mark.parametrize("asked", [0, 1])
def test_a_click_rings_once_for_whoever_asked(database: Database, asked: int) -> None:
    provision(database, callback_url="https://customer.example/", callback_clicks=asked)
    house = House(database, outcomes={"yes": Outcome(Fate.TAKEN, ref="r")})
    [made] = house.admit()
    house.dispatch.turn()
    house.settle(lambda exchange: says("yes"))
    house.rung.clear()
    ids = count(1)
    clicks = Clicks(book=GroupedClicks(database, lambda: NOON), ids=lambda: next(ids), ring=house.rung.append)
    for _ in range(2):
        assert clicks.report(ACCOUNT, Click(made.id, "", PIXEL)) == Seen(made.id, Device(KnownOs.ANDROID))
    assert house.rung == [CALLBACKS] * asked
    assert house.run("select kind, status from callbacks") == [("click", Code.CLICKED)] * asked
    with pytest.raises(Refusal) as refused:
        clicks.report(ACCOUNT, Click(-1, "", PIXEL))
    assert (refused.value.code, refused.value.http) == (103, 404)
    assert house.rung == [CALLBACKS] * asked
