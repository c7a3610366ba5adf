"""What most fault tests begin and end with: apps of a customer, invitations posted, the books checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
from tests.factories import SECRET, provision
from tests.faults.ledger import Audit, audit, live
from tests.processes import Answer, Customer, Process, Receiver, Recorder, Stage, eventually

FULL: Final = os.environ.get("FAULTS") == "full"
IN_FLIGHT: Final = 8
SETTINGS: Final = {
    "WORK__IN_FLIGHT": IN_FLIGHT,
    "WORK__LEASE_SECONDS": 7.6,
    "WORK__IN_DOUBT_MINUTES": 0.05,
    "WORK__RESCUE_SECONDS": 0.5,
    "CARRIERS__TIMEOUT_SECONDS": 1.5,
    "CALLBACKS__TIMEOUT_SECONDS": 1,
    "WEB__WORKERS": 1,
}
CALLBACK: Final = "/?id={messageId}&status={status}"
POSTERS: Final = 8
STATES: Final = Statement("select id, state from messages")


@dataclass
class Scene:
    """An installation in a test, its witnesses, and what its customer was promised."""

    stage: Stage
    database: Database
    recorder: Recorder
    receiver: Receiver
    accepted: dict[str, str] = field(default_factory=dict)

    @property
    def customer(self) -> Customer:
        return Customer("key", SECRET, self.stage.port)

    def provision(self, **given: Any) -> Rows:
        """Account 1 with its apps, and the recording carrier."""
        return provision(
            self.database,
            carrier="generic",
            settings=self.recorder.settings(),
            callback_url=self.receiver.url + CALLBACK,
            **given,
        )

    def post(self, count: int, app: str = "com.example.1") -> list[Answer]:
        """So many invitations more, from several connections at once; those accepted are remembered."""
        first = len(self.accepted)

        def invite(n: int) -> Answer:
            answer = self.customer.invite(f"301{222 + n // 10000}{n % 10000:04d}", referenceId=f"r{n}", appId=app)
            if answer.status == 200:
                self.accepted[f"r{n}"] = answer.json["messageId"]
            return answer

        with ThreadPoolExecutor(POSTERS) as pool:
            return [*pool.map(invite, range(first, first + count))]

    def work(self) -> Process:
        """One more work process."""
        return self.stage.start("work", ready=False)

    def states(self) -> Mapping[str, str]:
        """The state of each message."""
        with self.database.read() as tx:
            return {str(row[0]): row[1] for row in tx.run(STATES)}

    def audit(self, killed: Mapping[int, int] | None = None) -> Audit:
        """The books, once nothing is on its way."""
        eventually("nothing is on its way", lambda: live(self.database) == 0, 60)
        eventually("every receipt is taken", lambda: len(self.recorder.receipts()) == self.recorder.count(), 60)
        return audit(self.database, self.recorder, self.receiver, self.accepted, killed or {})
