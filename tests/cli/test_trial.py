"""`connection test`: one real text by a connection, and what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Receipt
from dispatcher.core.lifecycle import Event
from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Run, refused
from tests.processes import TOKEN_VALUE, Recorder
from tests.recorder import TOKEN

SENDER = "+12015550177"
MESSAGES = Statement("select count(*) from messages union all select count(*) from attempts")


@pytest.fixture(scope="module")
def sender(rows: Rows) -> None:
    rows.add_sender({"number": SENDER, "kind": "long_code", "region": "US"}, "simulated", [])


@pytest.mark.usefixtures("sender")
def test_a_text_that_is_taken(run: Run, database: Database) -> None:
    run("connection", "pause", "simulated")
    told = run("connection", "test", "simulated", "--to", "(201) 222-3333").json
    ref = told.pop("ref")
    assert told == {
        "connection": "simulated",
        "from": SENDER,
        "to": "+12012223333",
        "text": "This is a test.",
        "segments": 1,
        "fate": "taken",
        "reason": None,
        "receipts": [{"event": "delivered", "code": None, "reason": None}],
        "result": "delivered",
    }
    key = int(ref.split("-")[1])
    assert 1 << 40 < key < 1 << 63, "an id like those of messages"
    with database.read() as tx:
        assert tx.run(MESSAGES) == [(0,), (0,)], "no row is written"
    assert run("receipt", "list").json == [], "nothing of it is left"
    run("connection", "resume", "simulated")


@pytest.mark.usefixtures("sender")
@pytest.mark.parametrize(
    ("to", "receipts", "result"),
    [
        ("+12015550111", ["receipt: delivered"], "delivered"),
        ("+12015550124", [], "taken, but no receipt within 0.3 s"),
        ("+12015550125", ["receipt: failed"], "not delivered (124): reported as failed"),
    ],
)
def test_a_text_is_followed_to_its_receipt(run: Run, to: str, receipts: list[str], result: str) -> None:
    wait = "0.3" if not receipts else "30"
    ran = run("connection", "test", "simulated", "--to", to, "--wait", wait, as_json=False)
    assert (ran.status, ran.err) == (int(result != "delivered"), "")
    assert ran.out.splitlines()[-1 - len(receipts) :] == [*receipts, f"result: {result}"]


@pytest.mark.usefixtures("sender")
def test_a_receipt_that_matches_nothing_is_shown_until_it_is_pruned(run: Run, database: Database) -> None:
    ran = run("connection", "test", "simulated", "--to", "+12015550124", "--wait", "0", as_json=False)
    assert ran.status == 0
    assert ran.out.splitlines()[-1] == "result: taken; no receipt was waited for"
    ReceiptBook(database).take(1, [Receipt(Event.REFUSE, "7", "r-7", "absent", Code.NOT_MOBILE)], utc_now())
    shown = run("receipt", "list").json[-1]
    at = shown.pop("receivedAt")
    assert at.endswith("Z")
    assert shown == {
        "connection": "simulated",
        "key": "7",
        "ref": "r-7",
        "event": "failed",
        "code": 125,
        "reason": "absent",
    }
    line = run("receipt", "list", as_json=False).out.splitlines()[-1]
    assert line == f"simulated  key 7  ref r-7  failed (125)  {at}  absent"


@pytest.mark.usefixtures("sender")
@pytest.mark.parametrize(
    ("to", "fate", "reason", "result"),
    [
        ("+12015550101", "never", "refused: not a valid number", "not taken: refused: not a valid number"),
        ("+12015550105", "later", "throttled", "not taken: throttled"),
        (
            "+12015550110",
            "unknown",
            "no answer: in doubt",
            "nobody can tell whether it was taken, but no receipt within 0.1 s",
        ),
    ],
)
def test_a_text_that_is_not_taken_is_status_1(run: Run, to: str, fate: str, reason: str, result: str) -> None:
    ran = run("connection", "test", "simulated", "--to", to, "--wait", "0.1", as_json=False)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.splitlines() == [
        "connection: simulated", f"from: {SENDER}", f"to: {to}", "text: This is a test.", "segments: 1",
        f"fate: {fate}", "ref: -", f"reason: {reason}", f"result: {result}",
    ]  # fmt: skip


@pytest.mark.usefixtures("sender")
def test_who_opted_out_of_anything_is_not_texted(run: Run) -> None:
    run("optout", "add", "+12012223501", "--app", "com.example.1")
    refused(run("connection", "test", "simulated", "--to", "+12012223501"), "to: +12012223501 has opted out")
    run("optout", "remove", "+12012223501", "--app", "com.example.1")
    assert run("connection", "test", "simulated", "--to", "+12012223501").json["fate"] == "taken"


def test_a_carrier_of_its_own(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, TOKEN_VALUE)
    described = ("--carrier", "generic", "--file", "tests/recorder.toml", "--set")
    with Recorder(tmp_path) as carrier:
        run("connection", "add", "recorder", *described, f"request.url={carrier.url}")
        call = ("connection", "test", "recorder", "--to", "+12012223333")
        refused(run(*call), "from: recorder has no sender; name one")
        told = run(*call, "--from", "54321", "--text", "Grüße", "--wait", "0").json
        [submit] = carrier.submits()
        assert (submit.sender, submit.to, submit.text) == ("54321", "+12012223333", "Grüße")
        assert (told["fate"], told["ref"]) == ("taken", submit.ref)
        monkeypatch.setenv(TOKEN, "another")
        ran = run(*call, "--from", "54321")
        assert (ran.status, '"fate": "stop_carrier"' in ran.out, "HTTP 401" in ran.out) == (1, True, True)
        monkeypatch.delenv(TOKEN)
        refused(run(*call, "--from", "54321"), f"recorder: credentials.token: the environment has no {TOKEN}")
    monkeypatch.setenv(TOKEN, TOKEN_VALUE)
    ran = run(*call, "--from", "54321")
    assert (ran.status, '"fate": "later"' in ran.out) == (1, True), "nobody is there: surely not sent"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("nobody", "--to", "+12012223333"), "connection: nobody is not known"),
        (("simulated", "--to", "911"), "phone"),
        (("simulated", "--to", "+12012223333", "--from", "+1999"), "number"),
        (("simulated", "--to", "+12012223333", "--text", "\udcff"), "text"),
    ],
)
def test_what_cannot_be_tried(run: Run, words: tuple[str, ...], named: str) -> None:
    refused(run("connection", "test", *words), named)
