"""The words of the simulated carrier, which transports.simulated acts out inside this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Hook, Outcome, Receipt, Reply, Request, Response, Submission, judged
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event

EVENTS: Final = MappingProxyType({"delivered": Event.DELIVER, "failed": Event.REFUSE})


def from_settings(given: Given) -> Simulated:
    """It has no settings."""
    return Simulated()


@dataclass(frozen=True, slots=True)
class Simulated:
    """The words of the simulated carrier."""

    def build(self, mt: Submission, now: datetime) -> Request:
        """A request that transports.simulated understands."""
        body = json.dumps({"key": mt.key, "from": mt.sender, "to": mt.to, "text": mt.text}).encode()
        return Request("POST", "simulated:/messages", {}, body)

    def read(self, response: Response) -> Outcome:
        """202 with an id, or 400 with one of the API's codes."""
        if outcome := judged(response):
            return outcome
        answer = json.loads(response.body)
        if response.status == 202:
            return Outcome(Fate.TAKEN, ref=answer["id"])
        return Outcome(Fate.NEVER, reason=answer["reason"], code=Code(answer["code"]))

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Nobody outside this process may speak for it."""
        return hook.url == "simulated:/receipts"

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """One receipt or reply per hook."""
        told = json.loads(hook.body)
        if "text" in told:
            return [Reply(their_number=told["from"], our_number=told["to"], text=told["text"], ref=told["id"])]
        if told.get("status") not in EVENTS:
            raise Refusal(400, "status: unknown")
        return [Receipt(EVENTS[told["status"]], key=told["key"], ref=told["id"], reason=told.get("reason", ""))]
