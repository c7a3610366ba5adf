"""Wakes a thread that waits for a connection."""

from __future__ import annotations

import os
import select
from threading import Lock
from typing import Final

from dispatcher.transports.smpp.wire import Wire

LONGEST_SLEEP: Final = 60.0


class Bell:
    """One thread sleeps, any other rings."""

    def __init__(self) -> None:
        self._ear, self._clapper = os.pipe()
        self._lock = Lock()
        self._rung = False

    def ring(self) -> None:
        """End the sleep, or the next one before it begins."""
        with self._lock:
            if not self._rung and self._clapper >= 0:
                self._rung = True
                os.write(self._clapper, b"!")

    def hush(self) -> None:
        """Forget who rang so far; to be called before the look at what they may have rung for."""
        with self._lock:
            if self._rung:
                self._rung = False
                os.read(self._ear, 1)

    def sleep(self, seconds: float, wire: Wire | None = None) -> None:
        """Until somebody rings, the wire has something to read or takes something to write, or the time is over."""
        poller = select.poll()
        poller.register(self._ear, select.POLLIN)
        if wire:
            poller.register(wire, select.POLLIN | (select.POLLOUT if wire.unsent else 0))
        poller.poll(min(max(0.0, seconds), LONGEST_SLEEP) * 1000)

    def close(self) -> None:
        """Nobody sleeps any more."""
        with self._lock:
            os.close(self._ear)
            os.close(self._clapper)
            self._clapper = -1
