"""Ids: unique over threads, leases and takeovers, and increasing, whatever the clock does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from dispatcher.store.database import Database, DatabaseUnavailable
from dispatcher.store.nodes import BORN, LEASE, NODES, NodeIds
from dispatcher.store.statement import Statement

EXPIRE = Statement("update node_leases set lease_until = 1 where node = :node")
TAKE_ALL = Statement(
    """insert into node_leases (node, owner, lease_until, minted_to)
    select node, 'other', {clock} + 60000000, 0 from {rows}""",
    "node integer",
)
LEASES = Statement("select node, lease_until > {clock}, minted_to from node_leases order by node")
HOUR = 3600.0
SPAN = LEASE.total_seconds()


class Watch:
    """A clock of a test, in seconds since 1970."""

    def __init__(self) -> None:
        self.now = 1_795_348_800.0

    def __call__(self) -> float:
        return self.now


def run(
    database: Database, statement: Statement, rows: list[tuple[Any, ...]] | None = None, /, **given: Any
) -> list[Any]:
    with database.write() as tx:
        return [tuple(row) for row in tx.run(statement, rows, **given)]


def parts(minted: int) -> tuple[int, int, int]:
    """Milliseconds since 1970, node, sequence."""
    return (minted >> 22) + BORN, (minted >> 12) & 1023, minted & 4095


def millis(watch: Watch) -> int:
    return int(watch.now * 1000)


def test_an_id_tells_when_where_and_the_how_manieth(database: Database) -> None:
    watch = Watch()
    ids, other = NodeIds(database, watch), NodeIds(database, watch)
    watch.now += 1
    assert [parts(ids()) for _ in range(3)] == [(millis(watch), 0, n) for n in range(3)]
    assert parts(other()) == (millis(watch), 1, 0)
    assert ids() < 1 << 63


def test_unique_and_increasing_over_threads_and_two_leases(database: Database) -> None:
    watch = Watch()
    leases = [NodeIds(database, watch), NodeIds(database, watch)]
    threads, each = 8, 3000
    together = threading.Barrier(threads)

    def mint(number: int) -> list[int]:
        ids = leases[number % 2]
        together.wait(10)
        minted = []
        for _ in range(each):
            watch.now += 0.0001 * (number % 3 - 1)  # forth and back
            minted.append(ids())
        return minted

    with ThreadPoolExecutor(threads) as pool:
        minted = list(pool.map(mint, range(threads)))
    assert all(earlier < later for some in minted for earlier, later in pairwise(some))
    assert len({one for some in minted for one in some}) == threads * each


def test_more_than_a_millisecond_holds(database: Database) -> None:
    watch = Watch()
    ids = NodeIds(database, watch)
    watch.now += 1
    minted = [ids() for _ in range(4096 * 2 + 1)]
    assert [parts(minted[n])[0] - millis(watch) for n in (0, 4095, 4096, 8191, 8192)] == [0, 0, 1, 1, 2]
    assert minted == sorted(set(minted))


def test_a_clock_that_jumps_back(database: Database) -> None:
    watch = Watch()
    ids = NodeIds(database, watch)
    minted = [ids() for _ in range(10)]
    watch.now -= HOUR
    minted += [ids() for _ in range(10)]
    ids.heartbeat()
    minted += [ids() for _ in range(10)]
    assert minted == sorted(set(minted))
    assert parts(minted[-1])[0] == millis(watch) + HOUR * 1000


def test_no_id_beyond_what_the_lease_wrote_down(database: Database) -> None:
    watch = Watch()
    ids = NodeIds(database, watch)
    watch.now += SPAN - 0.001
    ids()
    watch.now += 0.001
    with pytest.raises(DatabaseUnavailable, match="ran out"):
        ids()
    ids.heartbeat()
    assert parts(ids())[0] == millis(watch)


def test_after_its_release_nothing_is_minted(database: Database) -> None:
    ids = NodeIds(database, Watch())
    ids()
    ids.release()
    with pytest.raises(DatabaseUnavailable, match="ran out"):
        ids()
    assert [row[1] for row in run(database, LEASES)] == [0]


@pytest.mark.parametrize("ending", ["released", "killed"])
def test_who_takes_a_number_over_begins_after_the_formers_ids(database: Database, ending: str) -> None:
    watch = Watch()
    former = NodeIds(database, watch)
    watch.now += SPAN - 0.001  # the last moment of its lease
    minted = [former() for _ in range(100)]
    if ending == "released":
        former.release()
    else:
        run(database, EXPIRE, node=0)
    watch.now -= HOUR  # another host, with another clock
    heir = NodeIds(database, watch)
    ids = [heir() for _ in range(5000)]
    assert parts(ids[0])[1] == parts(minted[0])[1] == 0
    assert ids[0] > minted[-1]
    assert ids == sorted(set(ids))
    heir.heartbeat()
    assert heir() > ids[-1]


def test_a_lease_that_was_lost_is_taken_anew(database: Database) -> None:
    watch = Watch()
    ids = NodeIds(database, watch)
    first = ids()
    run(database, EXPIRE, node=0)
    ids.heartbeat()
    assert ids() > first
    assert [row[:2] for row in run(database, LEASES)] == [(0, 1)]


def test_even_under_another_number_its_ids_increase(database: Database) -> None:
    watch = Watch()
    ids = NodeIds(database, watch)
    first = ids()
    run(database, EXPIRE, node=0)
    watch.now -= HOUR
    stranger = NodeIds(database, watch)
    ids.heartbeat()
    later = ids()
    assert parts(later)[1] != parts(stranger())[1]
    assert later > first


def test_heartbeats_keep_a_lease_and_others_take_others(database: Database) -> None:
    watch = Watch()
    ids = NodeIds(database, watch)
    for _ in range(5):
        watch.now += SPAN / 2
        ids.heartbeat()
        ids()
    NodeIds(database, watch)
    assert run(database, LEASES) == [(0, 1, millis(watch) + SPAN * 1000), (1, 1, millis(watch) + SPAN * 1000)]


def test_twenty_at_once_get_twenty_numbers(database: Database) -> None:
    with ThreadPoolExecutor(20) as pool:
        leases = list(pool.map(lambda _: NodeIds(database, Watch()), range(20)))
    assert {parts(ids())[1] for ids in leases} == set(range(20))


def test_there_are_1024_numbers(database: Database) -> None:
    run(database, TAKE_ALL, [(node,) for node in range(NODES - 1)])
    last = NodeIds(database, Watch())
    assert parts(last())[1] == NODES - 1 == 1023
    with pytest.raises(DatabaseUnavailable, match="all node numbers are leased"):
        NodeIds(database, Watch())
    run(database, EXPIRE, node=512)
    assert parts(NodeIds(database, Watch())())[1] == 512
