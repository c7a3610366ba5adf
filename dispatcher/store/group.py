"""Many waiting requests, one commit: whoever holds the baton commits for all that queued behind it.

There is no writer thread: the first to come leads, commits what has gathered, and hands the baton to the first that
came meanwhile. A group that fails is tried again one by one, so that a poisonous item fails alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dispatcher.store.database import DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Cell(Generic[Item, Result]):
    """One waiting item: its thread sleeps on `woken` until it has a result, or the baton."""

    __slots__ = ("done", "error", "item", "result", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.done = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Group(Generic[Item, Result]):
    """Commits items together. `commit` gets a list and returns a result for each, in order, or raises for all."""

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], *, most: int = 256) -> None:
        """`most` bounds one commit, so that nobody waits for an endless one."""
        self._commit = commit
        self._most = most
        self._queue: deque[_Cell[Item, Result]] = deque()
        self._lock = threading.Lock()
        self._led = False

    def put(self, item: Item) -> Result:
        """Wait until `item` is committed and return its result, or raise what its commit raised."""
        cell: _Cell[Item, Result] = _Cell(item)
        with self._lock:
            self._queue.append(cell)
            leads = not self._led
            self._led = True
        if not leads:
            cell.woken.acquire()
            leads = not cell.done
        if leads:
            self._lead()
        if cell.error is not None:
            raise cell.error
        return cell.result  # type: ignore[return-value]  # set by whoever led, unless error is

    def _lead(self) -> None:
        with self._lock:
            cells = [self._queue.popleft() for _ in range(min(len(self._queue), self._most))]
        self._settle(cells)
        with self._lock:
            heir = self._queue[0] if self._queue else None
            self._led = heir is not None
        if heir is not None:
            heir.woken.release()
        for cell in cells:
            cell.done = True
            cell.woken.release()

    def _settle(self, cells: Sequence[_Cell[Item, Result]]) -> None:
        try:
            for cell, result in zip(cells, self._commit([cell.item for cell in cells]), strict=True):
                cell.result = result
        except DatabaseUnavailable as error:
            self._fail(cells, error)
        except BaseException as error:
            if len(cells) == 1:
                self._fail(cells, error)
            else:
                for cell in cells:
                    self._settle([cell])

    def _fail(self, cells: Sequence[_Cell[Item, Result]], error: BaseException) -> None:
        for cell in cells:
            cell.error = error
