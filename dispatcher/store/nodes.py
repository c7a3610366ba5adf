"""Ids that are unique over all processes and hosts: 41 bits of milliseconds, 10 of node, 12 of sequence.

The node number is leased in the database, with the instant up to which ids were or may be minted under it; whoever
takes the number over begins after that instant, so that not even a clock that jumps back mints an id twice.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

from dispatcher.store.database import Database, DatabaseUnavailable
from dispatcher.store.instants import MICROSECOND
from dispatcher.store.statement import Statement

BORN: Final = 1_700_000_000_000  # milliseconds since 1970: ids count from here
NODES: Final = 1024
LEASE: Final = timedelta(seconds=60)

TAKE: Final = Statement(
    """update node_leases set owner = :owner, lease_until = {clock} + :lease,
        minted_to = case when minted_to > :now then minted_to else :now end + :span
    where node = (select node from node_leases where lease_until < {clock} order by node limit 1 {lock_skip})
    and lease_until < {clock}
    returning node, minted_to"""
)
ADD: Final = Statement(
    """insert into node_leases (node, owner, lease_until, minted_to)
    select node, :owner, {clock} + :lease, :now + :span
    from (select coalesce(max(node) + 1, 0) as node from node_leases)
        as next
    where node < :nodes
    on conflict (node) do nothing
    returning node, minted_to"""
)
RENEW: Final = Statement(
    """update node_leases set lease_until = {clock} + :lease, minted_to = :minted_to
    where node = :node and owner = :owner and lease_until >= {clock} returning node"""
)
RELEASE: Final = Statement(
    "update node_leases set lease_until = 0, minted_to = :minted_to where node = :node and owner = :owner"
)


class NodeIds:
    """Mints ids for this process; without a `heartbeat` every few seconds minting stops before the lease does."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Lease a node number. `clock` gives seconds since 1970."""
        self._database = database
        self._clock = clock
        self._owner = f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid4().hex[:16]}"
        self._lock = threading.Lock()
        self._last = 0
        self._take()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _take(self) -> None:
        span, lease = LEASE // timedelta(milliseconds=1), LEASE // MICROSECOND
        begun = time.monotonic()
        for _ in range(20):  # two processes may reach for the same number
            with self._database.write() as tx:
                given = {"owner": self._owner, "lease": lease, "now": max(self._now(), self._last >> 12), "span": span}
                found = tx.run(TAKE, **given) or tx.run(ADD, **given, nodes=NODES)
            if found:
                break
        else:
            raise DatabaseUnavailable("all node numbers are leased; stop processes that are not needed")
        with self._lock:
            self._node, self._limit = int(found[0][0]), int(found[0][1])
            self._last = max(self._last, (self._limit - span) << 12)
            self._trusted_until = begun + LEASE.total_seconds()

    def __call__(self) -> int:
        """The next id: larger than every earlier one of this process. Raises DatabaseUnavailable without a lease."""
        with self._lock:
            mark = max(self._now() << 12, self._last + 1)
            if mark >> 12 >= self._limit or time.monotonic() >= self._trusted_until:
                raise DatabaseUnavailable("the lease of the node number ran out")
            self._last = mark
            node = self._node
        return ((mark >> 12) - BORN) << 22 | (node << 12) | (mark & 4095)

    def heartbeat(self) -> None:
        """Renew the lease, or take another number if it was lost. Raises DatabaseUnavailable."""
        begun = time.monotonic()
        limit = max(self._now(), self._last >> 12) + LEASE // timedelta(milliseconds=1)
        with self._database.write() as tx:
            kept = tx.run(RENEW, lease=LEASE // MICROSECOND, minted_to=limit, node=self._node, owner=self._owner)
        if not kept:
            self._take()
            return
        with self._lock:
            self._limit = limit
            self._trusted_until = begun + LEASE.total_seconds()

    def release(self) -> None:
        """Give the number back, with the instant up to which ids were minted."""
        with self._lock:
            self._trusted_until = 0.0
            minted_to = (self._last >> 12) + 1
        with suppress(DatabaseUnavailable), self._database.write() as tx:  # else the lease ends by itself
            tx.run(RELEASE, minted_to=minted_to, node=self._node, owner=self._owner)
