"""Rescue: by any process, take back what another one lost, and close what nobody will ever tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from dispatcher.core.retry import ask_after
from dispatcher.engine.ports import CALLBACKS, DUE, Clock, Outbox, Receipts, Ring, Sweeper

log = logging.getLogger(__name__)
PAGE: Final = 500


class Rescue:
    """The sweep."""

    def __init__(
        self,
        *,
        sweeper: Sweeper,
        outbox: Outbox,
        receipts: Receipts,
        clock: Clock,
        ring: Ring,
        doubt: timedelta,
        answerable: Callable[[], Collection[int]] = lambda: (),
    ) -> None:
        """`doubt` is how long an outcome stays open before the app's policy closes it.

        `answerable` names the connections that can be asked about it meanwhile.
        """
        self._sweeper = sweeper
        self._outbox = outbox
        self._receipts = receipts
        self._clock = clock
        self._ring = ring
        self._doubt = doubt
        self._answerable = answerable

    def turn(self) -> timedelta | None:
        """One page; zero when there may be more."""
        now = self._clock()
        ask_at = now + ask_after(0, self._doubt)
        found = self._sweeper.rescue(now, self._doubt, PAGE, self._answerable(), ask_at)
        callbacks = self._outbox.rescue()
        matched = self._receipts.match(now, PAGE)
        if found.requeued or found.in_doubt or callbacks:
            log.warning(
                "work was taken back",
                extra={
                    "action": "rescue",
                    "requeued": found.requeued,
                    "in_doubt": found.in_doubt,
                    "callbacks": callbacks,
                },
            )
        if found.requeued or found.closed:
            self._ring(DUE)
        if found.closed or callbacks or matched:
            self._ring(CALLBACKS)
        full = max(found.requeued + found.in_doubt, found.closed, matched) >= PAGE
        return timedelta(0) if full else None
