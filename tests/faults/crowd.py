"""Customers who post until they are answered with 200: the same invitation again, under the same reference."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final, Self

from tests.processes import TICK, Answer, Customer, eventually

POSTERS: Final = 8


class Crowd:
    """Posts `count` invitations at these ports, in turn, each poster with a pause; what was refused and how.

    Where it `goes_on`, more than those until all are waited for: what happens meanwhile takes as long as it takes.
    """

    def __init__(
        self, customer: Customer, count: int, ports: Sequence[int], pause: float = TICK, *, goes_on: bool = False
    ) -> None:
        self.accepted: dict[str, str] = {}
        self.refused: list[Answer] = []
        self.unanswered = 0
        self._customer = customer
        self._count = count
        self._begun = itertools.count()
        self._last = threading.Event()
        if not goes_on:
            self._last.set()
        self._ports = ports
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(n,)) for n in range(POSTERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Until so many are accepted."""
        eventually(f"{count} are accepted", lambda: len(self.accepted) >= count, seconds)

    def wait_for_all(self, seconds: float = 60.0) -> None:
        """Until each poster had its last one accepted."""
        self._last.set()
        eventually("all are accepted", lambda: not any(thread.is_alive() for thread in self._threads), seconds)
        assert len(self.accepted) >= self._count

    def _post(self, turn: int) -> None:
        while not self._stop.is_set() and ((n := next(self._begun)) < self._count or not self._last.is_set()):
            while f"r{n}" not in self.accepted and not self._stop.is_set():
                turn += 1
                self._ask(n, self._ports[turn % len(self._ports)])
                self._stop.wait(self._pause)

    def _ask(self, n: int, port: int) -> None:
        phone = f"301{222 + n // 10000}{n % 10000:04d}"
        try:
            answer = self._customer.invite(phone, referenceId=f"r{n}", port=port)
        except (OSError, HTTPException):
            self.unanswered += 1  # whoever was to answer was killed
            return
        if answer.status == 200:
            self.accepted[f"r{n}"] = answer.json["messageId"]
        else:
            self.refused.append(answer)
