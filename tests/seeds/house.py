"""The Social Invite API as a customer meets it: web and work processes, the simulated carrier, a callback endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.wiring.parts import open_database
from tests.processes import Answer, Customer, Receiver, Stage, eventually
from tests.web.api import phone, settled

APP: Final = "com.mediocre.sprinklefree"
OTHER: Final = "com.example.other"
US_ONLY: Final = "com.example.us"
DAYTIME: Final = "com.example.daytime"
DEDICATED: Final = "com.example.dedicated"
POOL: Final = ("+12015550160", "+12015550161", "+12015550162")
ITS_OWN: Final = "+12015550163"
IPHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 6_0_2 like Mac OS X) AppleWebKit/536.26 (KHTML, like Gecko) Version/6.0"
    " Mobile/10A551 Safari/8536.25"
)
CALLBACK: Final = "/cb?id={messageId}&ref={referenceId}&phone={phone}&status={status}&at={completionDate}"


@dataclass(frozen=True, slots=True)
class House:
    """What runs, and its customer: "myApiKey" in the document's prose, "myApikey" in its commands."""

    stage: Stage
    receiver: Receiver
    database: Database
    customer: Customer

    def invite(self, **given: str) -> Answer:
        """The API's first example, to somebody new unless a phone is given."""
        form = {"phone": phone(), "osType": "ANDROID", "message": "Join me", "appId": APP} | given
        return self.customer.call("POST", "/ws/invitation", form)

    def accepted(self, **given: str) -> str:
        """The messageId of an invitation that is accepted and queued."""
        answer = self.invite(**given)
        assert (answer.status, answer.json["status"], answer.json["code"]) == (200, "pending", 0), answer
        return str(answer.json["messageId"])

    def click(self, message_id: str, user_agent: str = IPHONE) -> Answer:
        return self.customer.call("POST", "/ws/click", {"messageId": message_id, "userAgent": user_agent})

    def called_back(self, message_id: str, count: int = 1) -> Sequence[dict[str, str]]:
        """What the callbacks of an invitation said, once there are so many."""

        def told() -> list[dict[str, str]] | None:
            queries = [parse_qsl(urlsplit(call.path).query, keep_blank_values=True) for call in self.receiver.calls]
            found = [said for said in map(dict, queries) if said["id"] == message_id]
            return found if len(found) >= count else None

        return eventually(f"{count} callbacks of {message_id}", told)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = open_database(settled(url))
    try:
        yield database
    finally:
        database.close()


def furnish(rows: Rows, callback_url: str) -> None:
    """The account of the document's examples with its apps, and the senders that they share but for one."""
    secret = sha256(b"mySecret").hexdigest()
    account = rows.add_account("Example", "a@example.com", "myApiKey", secret)
    rows.add_key(account, "myApikey", secret)
    app: dict[str, Any] = {"callback_secret": "s", "hours": {"always": True}}
    rows.add_app(account, app | {"app_id": APP, "callback_url": callback_url, "callback_clicks": 1})
    rows.add_app(account, app | {"app_id": OTHER})
    rows.add_app(account, app | {"app_id": US_ONLY, "countries": "US"})
    rows.add_app(account, app | {"app_id": DAYTIME, "hours": None})
    rows.add_app(account, app | {"app_id": DEDICATED})
    rows.add_connection("carrier", "simulated", {}, {})
    for number in (*POOL, ITS_OWN):
        sender = {"number": number, "kind": "long_code", "region": "US", "mps": 100.0, "weight": 1.0}
        rows.add_sender(sender, "carrier", [DEDICATED] if number == ITS_OWN else [])
