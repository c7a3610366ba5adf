"""Health on both databases: it falls, no deeper than the lowest, drifts back, and is there for all processes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.health import CONNECTION_HEALS, ILL, LOWEST, SENDER_HEALS, Harm
from dispatcher.store.database import Database
from dispatcher.store.health import CONNECTION, SENDER, ailing
from dispatcher.store.pool import SenderPool
from dispatcher.store.statement import Statement
from tests.factories import provision

HORIZON = timedelta(seconds=1)


def weights(database: Database) -> dict[int, float]:
    return {i: sender.weight for i, sender in SenderPool(database).usable(HORIZON, None).senders.items()}


def run(database: Database, text: str) -> None:
    with database.write() as tx:
        tx.run(Statement(text))


def test_harm_adds_up_as_far_as_the_lowest_share(database: Database) -> None:
    provision(database, senders=2)
    pool = SenderPool(database)
    for left in (1 / 2, 1 / 8, 1 / 32, 1 / 64, 1 / 64):
        pool.harm({1: Harm(2.0 if left < 1 / 2 else 1.0, "timeout")}, {})
        assert weights(database) == {1: pytest.approx(left, rel=0.02), 2: pytest.approx(left, rel=0.02)}
    assert {sender.ill for sender in pool.usable(HORIZON, None).senders.values()} == {True}
    with database.read() as tx:
        [ailment] = ailing(tx, CONNECTION).values()
    assert (round(ailment.share, 3), ailment.reason) == (0.016, "timeout")


def test_a_sender_has_its_own_share_beside_its_connections(database: Database) -> None:
    provision(database, senders=2)
    run(database, "update senders set weight = 4 where id = 2")
    run(database, "update connections set weight = 0.5")
    SenderPool(database).harm({1: Harm(1.0, "slow")}, {2: Harm(2.5, "filtered"), 1: Harm(0.1, "x" * 1000)})
    assert weights(database) == {1: pytest.approx(0.25 * 2**-0.1, rel=0.02), 2: pytest.approx(2**-2.5, rel=0.02)}
    pool = SenderPool(database).usable(HORIZON, None)
    assert {i: sender.ill for i, sender in pool.senders.items()} == {1: False, 2: ILL > 2**-2.5}


@pytest.mark.parametrize(("ahead", "share"), [(20, 0.5), (40, 0.25), (0, 1.0), (-99, 1.0), (7200, 1.0)])
def test_it_drifts_back_and_a_clock_set_back_takes_nothing(database: Database, ahead: int, share: float) -> None:
    provision(database)
    SenderPool(database).harm({1: Harm(LOWEST, "timeout")}, {})
    run(database, f"update connection_health set well_at = {{clock}} + {ahead}000000")
    assert weights(database) == {1: pytest.approx(share, rel=0.02)}
    with database.read() as tx:
        assert bool(ailing(tx, CONNECTION)) is (share < 1)
        assert ailing(tx, SENDER) == {}
    SenderPool(database).harm({1: Harm(1.0, "timeout")}, {})
    assert weights(database) == {1: pytest.approx(share / 2, rel=0.02)}


def test_a_sender_forgets_more_slowly_than_a_connection() -> None:
    assert SENDER_HEALS > 10 * CONNECTION_HEALS
