"""Many waiting requests, one commit: whoever holds the baton commits for all that queued behind it.

There is no writer thread: the first to come leads, commits what has gathered, and hands the baton to the first that
came meanwhile. What has gathered is taken only once the transaction is open: whoever comes while the leader waits for
another process to finish is in the group too. A group that fails is tried again one by one, so that a poisonous item
fails alone. Whoever leads may wait for a process that stands still; those that wait behind are refused then, since each
of them has a thread that others need.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import zip_longest
from typing import Final, Generic, TypeVar

from dispatcher.store.database import DatabaseUnavailable
from dispatcher.store.statement import Tx

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")
PATIENCE_SECONDS: Final = 5.0


class _Cell(Generic[Item, Result]):
    """One waiting item: its thread sleeps on `woken` until it has a result, or the baton."""

    __slots__ = ("error", "following", "item", "leads", "result", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.leads = False
        self.following: _Cell[Item, Result] | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Group(Generic[Item, Result]):
    """Commits items together."""

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[Tx]],
        commit: Callable[[Tx, Sequence[Item]], Sequence[Result]],
        *,
        after: Callable[[Sequence[Result]], None] = lambda results: None,
        most: int = 256,
        breath: float = 0.0,
    ) -> None:
        """`commit` writes a list of items and gives a result for each, in order, or raises for all.

        `begin` opens the transaction, `after` is told what was committed; `most` bounds one commit, so that nobody
        waits for an endless one. Whoever takes over from another waits `breath` seconds for company: under load larger
        groups cost less than they are late; a lone item is never held up.
        """
        self._begin = begin
        self._commit = commit
        self._after = after
        self._most = most
        self._breath = breath
        self._queue: deque[_Cell[Item, Result]] = deque()
        self._lock = threading.Lock()
        self._led = False
        self._led_since = 0.0

    def put(self, item: Item) -> Result:
        """Wait until `item` is committed and return its result, or raise what its commit raised.

        Raises DatabaseUnavailable, and the item is not committed, when one commit takes longer than PATIENCE_SECONDS
        and this item would have to wait for the next.
        """
        cell: _Cell[Item, Result] = _Cell(item)
        with self._lock:
            self._queue.append(cell)
            if first := not self._led:
                self._let_lead(cell)
        if not first:
            self._await(cell)
            if cell.leads and self._breath:
                time.sleep(self._breath)
        if cell.leads:
            self._lead()
        if cell.following is not None:
            cell.following.woken.release()
        if cell.error is not None:
            raise cell.error
        return cell.result  # type: ignore[return-value]  # set by whoever led, unless error is

    def _let_lead(self, cell: _Cell[Item, Result]) -> None:
        cell.leads = self._led = True
        self._led_since = time.monotonic()

    def _patience(self) -> float:
        return max(0.0, self._led_since + PATIENCE_SECONDS - time.monotonic())

    def _await(self, cell: _Cell[Item, Result]) -> None:
        """Until it has a result, or the baton. Raises DatabaseUnavailable when whoever leads takes too long."""
        while not cell.woken.acquire(timeout=self._patience()):
            with self._lock:
                waits = not cell.leads and cell in self._queue
                if waits and not self._patience():
                    self._queue.remove(cell)
                    raise DatabaseUnavailable("another commit takes too long")
            if not waits:  # it is being committed, and what comes of that is to be told
                cell.woken.acquire()
                return

    def _lead(self) -> None:
        cells: list[_Cell[Item, Result]] = []
        try:
            with self._begin() as tx:
                cells = self._gathered()
                results = self._commit(tx, [cell.item for cell in cells])
            self._keep(cells, results)
        except BaseException as error:
            cells = cells or self._gathered()
            if isinstance(error, DatabaseUnavailable) or not isinstance(error, Exception) or len(cells) == 1:
                _fail(cells, error)
            else:
                for cell in cells:
                    self._alone(cell)
        finally:
            self._hand_on(cells)

    def _gathered(self) -> list[_Cell[Item, Result]]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._most))]

    def _keep(self, cells: Sequence[_Cell[Item, Result]], results: Sequence[Result]) -> None:
        for cell, result in zip(cells, results, strict=True):
            cell.result = result
        try:
            self._after(results)
        except Exception:  # what is committed is committed
            log.exception("what follows a commit failed", extra={"action": "group"})

    def _alone(self, cell: _Cell[Item, Result]) -> None:
        try:
            with self._begin() as tx:
                results = self._commit(tx, [cell.item])
            self._keep([cell], results)
        except BaseException as error:
            _fail([cell], error)

    def _hand_on(self, cells: Sequence[_Cell[Item, Result]]) -> None:
        with self._lock:
            heir = self._queue[0] if self._queue else None
            self._led = False
            if heir is not None:
                self._let_lead(heir)
        if heir is not None:
            heir.woken.release()
        # Each wakes the next one: woken all at once, they would only wait for the interpreter's lock, and their timed
        # waits for it cost more than their work.
        for cell, following in zip_longest(cells, cells[1:]):
            cell.following = following


def _fail(cells: Sequence[_Cell[Item, Result]], error: BaseException) -> None:
    for cell in cells:
        cell.error = error
