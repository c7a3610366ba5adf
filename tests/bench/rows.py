"""What is measured: each row runs floor and product under the same load, one right after the other."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

from tests.bench import floors, growth
from tests.bench.databases import Place
from tests.bench.machine import cpu_seconds, fine_cpu_seconds, pss_mib
from tests.bench.own import Failed, free_port
from tests.bench.product import (
    APP,
    TEXT,
    Customer,
    Running,
    provision,
    seed,
    serving,
    states,
    working,
)
from tests.bench.tools import Arrivals, Book, Load, Tools, basic, invitation, poll
from tests.bench.without_c import phone_of

RUN, BASE, QUEUED, SLEEPING, GROWN = "run", "base", "queued", "sleeping", "grown"  # names of databases
IN_FLIGHT = 256  # as shipped
SLOW_MS = 50
POLLED = 2000
GROUPS = 3
Posted = dict[int, tuple[int, int]]  # by message id, when it was sent and when it was answered


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    rounds: int = 3
    load_seconds: float = 4.0
    poll_seconds: float = 2.0
    queued: int = 20_000
    sleeping: int = 200_000
    posts: int = 150
    young: int = 10_000
    old: tuple[int, ...] = (1_000_000,)
    idle_seconds: float = 10.0
    most_seconds: int = 840  # then it gives up, whatever hangs


USUAL = Size()
FULL = Size(old=(1_000_000, 5_000_000), most_seconds=3600)
QUICK = Size(
    rounds=1,
    load_seconds=2.0,
    poll_seconds=1.0,
    queued=3_000,
    sleeping=10_000,
    posts=50,
    idle_seconds=4.0,
    old=(50_000,),
)


@dataclass(slots=True)
class Rows:
    """Runs the rows and keeps every sample, by name; the report takes the best of each."""

    tools: Tools
    folder: Path
    size: Size
    customers: dict[str, Customer] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    carrier_port: int = field(default_factory=free_port)

    def _keep(self, place: Place, **found: float) -> None:
        for name, value in found.items():
            self.samples[f"{place.name} {name}"].append(round(value, 4))

    def prepare(self, place: Place) -> None:
        """Make the databases that every row starts from."""
        customer = self.customers[place.name] = provision(place.make(BASE), self.carrier_port, self.folder)
        begun = time.monotonic()
        seed(place.make(QUEUED, BASE), customer, self.tools.serials(self.size.queued), timedelta(0))
        self._keep(place, seeded_per_s=self.size.queued / (time.monotonic() - begun))
        if place.pid is None:
            seed(place.make(SLEEPING, BASE), customer, self.tools.serials(self.size.sleeping), timedelta(days=3))

    # --- Intake and status polls -----------------------------------------------------------------------------------

    def intake(self, place: Place) -> None:
        """POST of a form through Flask to a durable verdict, dispatch not running; then polls of their status."""
        with floors.intake_server(place, self.folder) as floor:
            load, us, server_us = self._loaded(place, floor, [invitation(basic(*floors.CREDENTIALS), APP)])
        self._keep(place, floor_intake=load.per_s, floor_p50=load.p50_ms, floor_p99=load.p99_ms)
        self._keep(place, floor_us=us, floor_server_us=server_us)
        customer = self.customers[place.name]
        authorization = basic(customer.key, customer.secret)
        with serving("web", place.make(RUN, BASE), self.folder) as web:
            load, us, server_us = self._loaded(place, web, [invitation(authorization, APP)])
            self._keep(place, intake=load.per_s, p50=load.p50_ms, p99=load.p99_ms, us=us, server_us=server_us)
            ids = [int(row[0]) for row in place.ask(RUN, f"select id from messages limit {POLLED}")]
            polled = self.tools.load(web.port, self.size.poll_seconds, [poll(authorization, one) for one in ids])
            self._keep(place, polls=polled.per_s)
        kept = states(place, RUN)
        if kept != {"queued": self._answered}:
            raise Failed(f"{self._answered} invitations were answered 200, but the store holds {kept}")
        place.drop(RUN)

    _answered: int = 0

    def _loaded(self, place: Place, server: Running, requests: Sequence[bytes]) -> tuple[Load, float, float]:
        """The load that a server takes once it is warm, and the processor microseconds of each answer."""
        warm = self.tools.load(server.port, 1.0, requests)
        before, server_before = cpu_seconds(server.pid), cpu_seconds(place.pid) if place.pid else 0.0
        load = self.tools.load(server.port, self.size.load_seconds, requests)
        spent = cpu_seconds(server.pid) - before
        server_spent = cpu_seconds(place.pid) - server_before if place.pid else 0.0
        self._answered = warm.answered + load.answered
        return load, spent / load.answered * 1e6, server_spent / load.answered * 1e6

    # --- Dispatch --------------------------------------------------------------------------------------------------

    def dispatch(self, place: Place) -> None:
        """A queue drained to a carrier that answers at once, and to one that takes 50 ms; no receipts, no callbacks."""
        with self.tools.carrier(self.carrier_port, 0):
            rate, us = floors.dispatch(place, self.folder, self.carrier_port, self.size.queued)
        self._keep(place, floor_dispatch=rate, floor_dispatch_us=us)
        rate, us = self._drained(place, 0)
        self._keep(place, dispatch=rate, dispatch_us=us)
        rate, us = self._drained(place, SLOW_MS)
        self._keep(place, slow=rate, slow_us=us)

    def _drained(self, place: Place, delay_ms: int) -> tuple[float, float]:
        count, url = self.size.queued, place.make(RUN, QUEUED)
        with self.tools.carrier(self.carrier_port, delay_ms) as book, working(url, self.folder) as work:
            book.wait(1, 30)
            before = cpu_seconds(work.pid)
            rate = book.wait(count, 60).per_second()
            self._settled(place, count)
            spent = cpu_seconds(work.pid) - before
        keys = book.arrivals().keys
        if len(keys) != count or len(set(keys)) != count:
            raise Failed(f"{count} were queued; {len(keys)} requests reached the carrier, for {len(set(keys))} of them")
        place.drop(RUN)
        return rate, spent / count * 1e6

    def _settled(self, place: Place, count: int) -> None:
        end = time.monotonic() + 20
        while (kept := states(place, RUN)) != {"submitted": count}:
            if time.monotonic() > end:
                raise Failed(f"{count} reached the carrier, but the store holds {kept}")
            time.sleep(0.2)

    # --- History ---------------------------------------------------------------------------------------------------

    def growth(self, place: Place) -> None:
        """The hot calls on a young database and on old ones."""
        for count in (self.size.young, *self.size.old):
            found = growth.measured(place.make(GROWN, BASE), self.customers[place.name], count)
            self._keep(place, **{f"{name}_at_{count}": value for name, value in found.items()})
            place.drop(GROWN)

    # --- An idle system --------------------------------------------------------------------------------------------

    def idle(self, place: Place) -> None:
        """`serve` with next to nothing to do: from accept to the carrier, memory, processor time."""
        url = place.make(RUN, BASE)
        with self.tools.carrier(self.carrier_port, 0) as book, serving("serve", url, self.folder) as house:
            self._post(place, house, book, 20)
            for group in range(GROUPS):
                self._late(place, *self._post(place, house, book, self.size.posts))
                if group == 0:
                    self._keep(place, pss=pss_mib(house.pid))
            self._keep(place, idle_cpu=self._idle(house))
        if place.pid is None:
            url = place.make(RUN, SLEEPING)
            with self.tools.carrier(self.carrier_port, 0) as book, serving("serve", url, self.folder) as house:
                self._post(place, house, book, 20 + self.size.posts)
                self._keep(place, pss_queued=pss_mib(house.pid), idle_cpu_queued=self._idle(house))
        place.drop(RUN)

    def _idle(self, house: Running) -> float:
        time.sleep(2.0)
        before, begun = fine_cpu_seconds(house.pid), time.monotonic()
        time.sleep(self.size.idle_seconds)
        return (fine_cpu_seconds(house.pid) - before) / (time.monotonic() - begun)

    def _post(self, place: Place, house: Running, book: Book, count: int) -> tuple[Posted, Arrivals]:
        """Post one at a time, on an idle system; and what of it reached the carrier."""
        customer, before = self.customers[place.name], book.count()
        told: Posted = {}
        headers = {
            "Authorization": basic(customer.key, customer.secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=10)
        for serial in self.tools.serials(count):
            form = {"message": TEXT, "phone": phone_of(serial), "osType": "ANDROID", "appId": APP}
            body = urlencode(form | {"referenceId": f"{serial:012}"})
            sent = time.monotonic_ns()
            connection.request("POST", "/ws/invitation", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            answered = time.monotonic_ns()
            if answer.status != 200:
                raise Failed(f"HTTP {answer.status}: {said[:200]!r}")
            told[int(json.loads(said)["messageId"])] = sent, answered
            time.sleep(random.uniform(0.02, 0.06))
        connection.close()
        return told, book.wait(before + count, 30)

    def _late(self, place: Place, told: Posted, arrivals: Arrivals) -> None:
        at = dict(zip(arrivals.keys, arrivals.at, strict=True))
        waits = sorted((at[one] - answered) / 1e6 for one, (_, answered) in told.items())
        whole = sorted((at[one] - sent) / 1e6 for one, (sent, _) in told.items())
        self._keep(place, submit_p50=waits[len(waits) // 2], submit_p99=waits[len(waits) * 99 // 100])
        self._keep(place, whole_p50=whole[len(whole) // 2], whole_p99=whole[len(whole) * 99 // 100])
