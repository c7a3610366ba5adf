"""The simulated carrier's other end, inside this process: no contract, no text, every fate.

Numbers of the form +1 NPA 555 01xx choose what happens. 555-0100 to 555-0199 are kept for fiction in every North
American area code, so no person can be meant. Any other number is taken, and delivered a moment later.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from types import MappingProxyType, TracebackType
from typing import Any, Final

from dispatcher.core.exchange import Fault, Hook, Request, Response
from dispatcher.engine.transport import Paced

MOMENT: Final = 0.15  # seconds until an ordinary receipt
LATE: Final = 5.0
SLOTS: Final = 1024


BEHAVIOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "01": "refused: not a valid number (123)",
        "02": "refused: cannot be delivered (124)",
        "03": "refused: a landline (125)",
        "04": "refused: the recipient opted out with the carrier (127)",
        "05": "throttled twice, then taken",
        "10": "no answer: in doubt",
        "11": "taken, but the connection breaks before the answer: in doubt, then resolved by its receipt",
        "20": "delivered after 5 seconds",
        "21": "its receipt comes twice",
        "22": "its receipts come in the wrong order: delivered, then failed",
        "23": "its receipt comes before the answer to the submit",
        "24": "no receipt, ever",
        "25": "reported as failed (124)",
        "26": "reported as failed, then corrected to delivered",
        "30": "answers every text: Stop please",
        "31": "answers every text: HELP",
        "32": "answers the first text: STOP, and the next after 5 seconds: START",
    }
)
REFUSALS: Final = MappingProxyType({"01": 123, "02": 124, "03": 125, "04": 127})


def behaviour(number: str) -> str:
    """The two digits that choose, or an empty string: taken, and delivered a moment later."""
    chosen = number[-2:] if len(number) == 12 and number.startswith("+1") and number[5:10] == "55501" else ""
    return chosen if chosen in BEHAVIOURS else ""


class SimulatedTransport:
    """Acts out what a number asks for; receipts that are still to come are lost with the process."""

    def __init__(self, tell: Callable[[str, Hook], None]) -> None:
        """`tell` takes a connection's name and its hook."""
        self._tell = tell
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._refs = count(1)
        self._tries: Counter[str] = Counter()
        self._texts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._act, name="simulated", daemon=True)

    def __enter__(self) -> SimulatedTransport:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def room(self) -> int:
        """There is always some."""
        return SLOTS

    def start(
        self,
        request: Request,
        then: Callable[[Response], None],
        *,
        lane: str,
        at: float = 0.0,
        until: float = float("inf"),
        paced: Paced | None = None,
    ) -> None:
        """Answer as the number asks. Nobody minds the pace to the instant here."""
        mt = json.loads(request.body)
        if self._stopping or max(at, time.monotonic()) > until:
            then(Response(fault=Fault.UNSENT))
            return
        self._at(at, lambda: self._submit(mt, then, lane))

    def _submit(self, mt: dict[str, Any], then: Callable[[Response], None], lane: str) -> None:
        chosen = behaviour(mt["to"])
        if chosen in REFUSALS:
            answer = {"code": REFUSALS[chosen], "reason": BEHAVIOURS[chosen].partition(" (")[0]}
            then(Response(400, body=json.dumps(answer).encode()))
            return
        if chosen == "05":
            self._tries[mt["key"]] += 1
            if self._tries[mt["key"]] <= 2:
                then(Response(429, {"retry-after": "1"}))
                return
        ref = f"sim-{mt['key']}-{next(self._refs)}"
        told = {"key": mt["key"], "id": ref}
        now = time.monotonic()
        for delay, status in _receipts(chosen):
            self._at(now + delay, lambda s=status: self._receipt(lane, told | {"status": s}))  # type: ignore[misc]
        self._texts[mt["to"]] += 1
        if said := _reply(chosen, self._texts[mt["to"]]):
            reply = {"from": mt["to"], "to": mt["from"], "text": said[1], "id": f"{ref}-reply"}
            self._at(now + said[0], lambda: self._tell(lane, _hook(reply)))
        if chosen in ("10", "11"):
            then(Response(fault=Fault.TIMEOUT if chosen == "10" else Fault.CUT, detail=BEHAVIOURS[chosen]))
        elif chosen == "23":
            self._at(now + MOMENT, lambda: then(_taken(ref)))
        else:
            then(_taken(ref))

    def _receipt(self, lane: str, told: dict[str, Any]) -> None:
        if told["status"] == "failed":
            told = told | {"reason": "reported as failed"}
        self._tell(lane, _hook(told))

    def _at(self, when: float, act: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (when, next(self._order), act))
            self._changed.notify()

    def _act(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._stopping:
                    return
                act = heapq.heappop(self._due)[2]
            act()


def _taken(ref: str) -> Response:
    return Response(202, body=json.dumps({"id": ref}).encode())


def _hook(told: Mapping[str, str]) -> Hook:
    return Hook("POST", "simulated:/receipts", body=json.dumps(told).encode())


def _reply(chosen: str, texts: int) -> tuple[float, str] | None:
    """After how many seconds what is answered to a text, the first or a later one of that number."""
    match chosen, texts:
        case "30", _:
            return MOMENT * 2, "Stop please"
        case "31", _:
            return MOMENT * 2, "HELP"
        case "32", 1:
            return MOMENT * 2, "STOP"
        case "32", 2:
            return LATE, "START"
    return None


def _receipts(chosen: str) -> list[tuple[float, str]]:
    """After how many seconds which receipt comes."""
    match chosen:
        case "10" | "24":
            return []
        case "20":
            return [(LATE, "delivered")]
        case "21":
            return [(MOMENT, "delivered"), (MOMENT * 2, "delivered")]
        case "22":
            return [(MOMENT, "delivered"), (MOMENT * 2, "failed")]
        case "23":
            return [(0.0, "delivered")]
        case "25":
            return [(MOMENT, "failed")]
        case "26":
            return [(MOMENT, "failed"), (MOMENT * 10, "delivered")]
    return [(MOMENT, "delivered")]
