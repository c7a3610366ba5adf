"""`connection test`: one real text by a connection, and what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Statement
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
    }
    key = int(ref.split("-")[1])
    assert 1 << 40 < key < 1 << 63, "an id like those of messages"
    with database.read() as tx:
        assert tx.run(MESSAGES) == [(0,), (0,)], "no row is written"
    run("connection", "resume", "simulated")


@pytest.mark.usefixtures("sender")
@pytest.mark.parametrize(
    ("to", "fate", "reason"),
    [
        ("+12015550101", "never", "refused: not a valid number"),
        ("+12015550105", "later", "throttled"),
        ("+12015550110", "unknown", "no answer: in doubt"),
    ],
)
def test_a_text_that_is_not_taken_is_status_1(run: Run, to: str, fate: str, reason: str) -> None:
    ran = run("connection", "test", "simulated", "--to", to, as_json=False)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.splitlines() == [
        "connection: simulated", f"from: {SENDER}", f"to: {to}", "text: This is a test.", "segments: 1",
        f"fate: {fate}", "ref: -", f"reason: {reason}",
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
        told = run(*call, "--from", "54321", "--text", "Grüße").json
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
