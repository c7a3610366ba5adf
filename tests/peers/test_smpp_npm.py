"""Against the SMSC of the npm package smpp, which we did not write: texts, receipts by text and parameters, a reply."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any, Final, Self

import pytest

from dispatcher.core.exchange import Response, Submission
from dispatcher.store.statement import Statement
from tests.carriers.noise import short
from tests.carriers.stand import Stand
from tests.carriers.texts import SUBMISSIONS
from tests.carriers.whole import SENDER, Whole, whole
from tests.processes import eventually

FOLDER: Final = Path(__file__).parent / "npm"
NODE: Final = shutil.which("node")
ABSENT: Final = (
    "node is not installed" if NODE is None
    else "" if (FOLDER / "node_modules" / "smpp").is_dir()
    else "its packages are not installed: npm ci --prefix tests/peers/npm"
)  # fmt: skip
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=ABSENT)

MOST_SEGMENTS: Final = 10  # that the app allows
STOPPED = Statement("select stop_reason from connections where stopped_at is not null")


class Npm:
    """The SMSC as a process; what it said so far, line by line. A context manager."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._popen = subprocess.Popen(
            [str(NODE), "smsc.js"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        self.port = int(eventually("it listens", lambda: next(iter(self.said("port")), None))["port"])
        return self

    def __exit__(self, *ended: object) -> None:
        with self._popen:
            assert self._popen.stdin
            self._popen.stdin.close()
            assert self._popen.wait(10) == 0
        self._reader.join(10)
        assert self.said("error") == []

    def said(self, what: str) -> list[dict[str, Any]]:
        """The lines that tell this."""
        return [line for line in self.lines if what in line]

    def to(self, phone: str) -> list[dict[str, Any]]:
        """The submits to this number, in their order."""
        return [line for line in self.said("text") if line["to"] == phone.removeprefix("+")]

    def _read(self) -> None:
        assert self._popen.stdout
        for line in self._popen.stdout:
            self.lines.append(json.loads(line))


@pytest.fixture(scope="module")
def npm() -> Iterator[Npm]:
    with Npm() as found:
        yield found


def settings(npm: Npm, **more: Any) -> dict[str, Any]:
    credentials = {"password": "env:TEST_SMPP_PASSWORD"}
    given = {"host": "127.0.0.1", "port": npm.port, "system_id": "us", "id_form": "decimal", "credentials": credentials}
    return given | more


@pytest.fixture
def engine(database_url: str, npm: Npm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    monkeypatch.setenv("TEST_SMPP_PASSWORD", "secret")
    npm.lines.clear()
    with Stand(Response(500)) as stand, whole(database_url, stand, "smpp", settings(npm)) as found:
        yield found


def invite(engine: Whole, npm: Npm, phone: str, text: str = "Join me") -> str:
    answer = engine.customer.invite(phone, message=text)
    assert answer.status == 200, answer
    eventually("the submit", lambda: npm.to(phone))
    return str(answer.json["messageId"])


@pytest.mark.parametrize(
    ("ends", "standing"),
    [
        ("00", ("sent", 1)),
        ("01", ("discarded", 123)),
        ("02", ("sent", 124)),
        ("03", ("sent", 1)),
        ("04", ("sent", 0)),
        ("05", ("sent", 1)),
    ],
)
def test_what_becomes_of_a_text(engine: Whole, npm: Npm, ends: str, standing: tuple[str, int]) -> None:
    key = invite(engine, npm, f"+130122233{ends}")
    eventually(f"it is {standing}", lambda: engine.standing(key) == standing)
    if ends in ("00", "02", "03", "05"):
        eventually("its receipt is acknowledged", lambda: [line["status"] for line in npm.said("acked")] == [0])


def test_a_reply_ends_it_for_that_person(engine: Whole, npm: Npm) -> None:
    key = invite(engine, npm, "+13012223309")
    eventually("it is delivered", lambda: engine.standing(key) == ("sent", 1))
    eventually("the reply is acknowledged", lambda: {"acked": "reply", "status": 0} in npm.lines)
    eventually("it is confirmed", lambda: len(npm.to("+13012223309")) == 2)
    assert {line["from"] for line in npm.to("+13012223309")} == {SENDER.removeprefix("+")}
    assert engine.query("select count(*) from optouts") == [(1,)]


@pytest.mark.parametrize("long", ["udh", "payload"])
def test_texts_arrive_letter_by_letter(sqlite_url: str, npm: Npm, monkeypatch: pytest.MonkeyPatch, long: str) -> None:
    """As its own decoder reads them. What a database makes of it is no question here."""
    monkeypatch.setenv("TEST_SMPP_PASSWORD", "secret")
    texts = {f"+1301222340{n}": each for n, each in enumerate(_different_texts())}
    npm.lines.clear()
    with (
        Stand(Response(500)) as stand,
        whole(sqlite_url, stand, "smpp", settings(npm, long=long)) as engine,
    ):
        for phone, mt in texts.items():
            assert engine.customer.invite(phone, message=mt.text).status == 200
        for phone, mt in texts.items():
            parts = 1 if long == "payload" else mt.segments
            eventually("all parts", lambda: len(npm.to(phone)) == parts)  # noqa: B023
            arrived = npm.to(phone)
            assert "".join(each["text"] for each in arrived) == mt.text, short(mt.text)
            assert [each["registered"] for each in arrived] == [0] * (parts - 1) + [1]
            if parts > 1:
                ends = [each["udh"][-2:] for each in arrived]
                assert ends == [f"{n:02x}" for n in range(1, parts + 1)]
    eventually("it unbound", lambda: npm.said("unbound"))


def _different_texts() -> list[Submission]:
    found = {mt.text: mt for mt in SUBMISSIONS if mt.segments <= MOST_SEGMENTS}
    return [*found.values()]


def test_a_wrong_password_stops_the_connection(engine: Whole, npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SMPP_PASSWORD", "wrong")
    engine.api.rows.change_connection("carrier", {"settings": settings(npm, system_type="x")})
    eventually("it binds anew", lambda: len(npm.said("bind")) >= 2)
    for n in range(3):  # one alone might be about its number
        engine.customer.invite(f"+1301222339{n}")
    eventually("it is stopped", lambda: engine.api.query(STOPPED) == [("bind refused: 0x0E invalid password",)])
