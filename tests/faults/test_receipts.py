"""Receipts early, late, doubled, shuffled, corrected, by the part and for ids that nobody knows."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from dispatcher.core.lifecycle import State
from dispatcher.store.database import Database
from tests.factories import SECRET, provision
from tests.faults.ledger import Watch, balance, live, owing
from tests.faults.tally import tally
from tests.processes import TOKEN_VALUE, Customer, Receiver, Recorder, Stage, eventually, staged
from tests.recorder import BEHAVIOURS

EACH: Final = 30 if os.environ.get("FAULTS") == "full" else 4
CALLBACK: Final = "/?id={messageId}&status={status}"
LONG: Final = "Join me, " * 40  # three segments: some carriers tell of each part
# What the carrier tells of numbers that end so, and the code in the end.
TOLD: Final = (
    ("1", "early", 1),  # before it answers the submit
    ("2", "late", 1),
    ("3", "twice", 1),
    ("4", "shuffled", 1),  # what is delivered stays delivered, whatever is told of it afterwards
    ("5", "corrected", 1),  # a delivery outranks a failure
    ("6", "undelivered", 124),
    ("7", "taken", 1),
)


def told_of_nobody(stage: Stage, recorder: Recorder, count: int) -> list[int]:
    """What receipts for ids that were never ours are answered, by either id."""
    answers = []
    for n in range(count):
        ref, status = f"stranger-{n}", random.choice(("delivered", "failed", "sent", "a word of their own"))
        body = json.dumps({"message": {"id": ref, "status": status, "error": ""}})
        key = random.choice(("", f"?id={random.getrandbits(62)}", "?id=nobody", "?id=" + "9" * 300))
        connection = HTTPConnection("127.0.0.1", stage.port, timeout=20)
        connection.request("POST", f"/hooks/carrier{key}", body, {"X-Webhook-Token": TOKEN_VALUE})
        answers.append(connection.getresponse().status)
        connection.close()
    return answers


def test_receipts_in_any_order_and_number(
    database: Database, database_url: str, tmp_path: Path, recorder: Recorder, receiver: Receiver
) -> None:
    """Held back until all are submitted, they come at once, with strangers between, while the API is killed once."""
    provision(database, carrier="generic", settings=recorder.settings(), callback_url=receiver.url + CALLBACK)
    recorder.tell(rules=[{"ends": ends, "behaviour": name} for ends, name, _ in TOLD], flowing=False)
    numbers = [
        (ends, f"30122{n:02d}2{long:d}{ends}", LONG if long else "Join me")
        for ends, _, _ in TOLD
        for n in range(20, 20 + EACH)
        for long in (False, True)
    ]
    random.shuffle(numbers)
    with staged(database_url, tmp_path, WEB__WORKERS=1, CARRIERS__TIMEOUT_SECONDS=20) as stage:
        web = stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)
        ids = {}
        for ends, number, text in numbers:
            ids[customer.invite(number, message=text).json["messageId"]] = ends
        with Watch(customer, dict(zip(ids, ids, strict=True))) as watch:
            recorder.wait_for(len(ids))
            assert told_of_nobody(stage, recorder, EACH) == [204] * EACH
            web.kill()
            recorder.tell(flowing=True)
            tally.fault()
            stage.start("web")
            assert told_of_nobody(stage, recorder, EACH) == [204] * EACH
            expected = 2 * EACH * sum(len(BEHAVIOURS[name].receipts) for _, name, _ in TOLD)
            eventually("every receipt", lambda: len(recorder.receipts()) == expected, 60)
            eventually("nothing is on its way", lambda: live(database) == 0)
            codes = {key: code for ends, _, code in TOLD for key, of in ids.items() if of == ends}
            eventually("corrected", lambda: all(customer.status(key)["code"] == codes[key] for key in ids))
            eventually("every callback is made", lambda: owing(database) == 0)
        assert watch.regressed() == {}
        found = balance(database, recorder, ids)
        assert {key: code for key, (_, code, _) in found.items()} == codes
        assert {state for state, *_ in found.values()} == {State.DELIVERED, State.FAILED}
        called = Counter(call.headers["dispatcher-delivery"] for call in receiver.calls)
        assert called == Counter(f"{key}-final" for key in ids)
        assert stage.complaints() == []
