"""Lookups as they run: an invitation comes in by HTTP, a provider is asked over a socket, and what follows is seen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from dispatcher.core.exchange import Response
from dispatcher.wiring.parts import open_database, utc_now
from tests.carriers.stand import Seen, Stand
from tests.factories import SECRET, provision
from tests.processes import Customer, Process, Receiver, Stage, eventually, staged
from tests.web.api import settled

MARYLAND: Final = ZoneInfo("America/New_York")
LONG: Final = 300  # seconds: a grace that no test waits for
SHORT: Final = 3.0


def told(word: str) -> Response:
    return Response(200, body=json.dumps({"valid": True, "line_type_intelligence": {"type": word}}).encode())


@contextmanager
def installation(database_url: str, folder: Path, provider: str, grace: float = LONG, **app: Any) -> Iterator[Stage]:
    """The API, and no worker yet; the provider of lookups is at that address."""
    (folder / "password").write_text("s3cret\n")
    (folder / "username").write_text("AC1\n")
    settings = {
        "LOOKUPS__PROVIDER": "twilio",
        "LOOKUPS__GRACE_SECONDS": grace,
        "LOOKUPS__SETTINGS__URL": provider,
        "LOOKUPS__SETTINGS__CREDENTIALS__USERNAME": f"file:{folder}/username",
        "LOOKUPS__SETTINGS__CREDENTIALS__PASSWORD": f"file:{folder}/password",
        "LOOKUPS__TIMEOUT_SECONDS": 5,
        "WEB__WORKERS": 1,
        "LOG_LEVEL": "debug",  # at which libraries would tell of each request
    }
    with staged(database_url, folder, **settings) as stage:
        database = open_database(settled(database_url))
        try:
            provision(database, **app)
        finally:
            database.close()
        stage.start("web")
        yield stage
        assert stage.complaints() == []
        said = "".join(process.log.read_text() for process in stage.started)
        assert not [word for word in ("s3cret", "+1301", "%2B1301", "1301222") if word in said]


def customer(stage: Stage) -> Customer:
    return Customer("key", SECRET, stage.port)


def invite(stage: Stage, phone: str) -> str:
    answer = customer(stage).invite(phone)
    assert (answer.status, answer.json["status"]) == (200, "pending"), answer
    return str(answer.json["messageId"])


def work(stage: Stage) -> Process:
    """A work process that has begun to work: a short grace must not end before."""
    process = stage.start("work", ready=False)
    eventually("it works", lambda: '"working"' in process.log.read_text())
    return process


def is_held(stage: Stage, message_id: str) -> bool:
    return bool(customer(stage).status(message_id)["holdReason"] == "lookup")


def outcome(stage: Stage, message_id: str) -> tuple[str, int]:
    found = customer(stage).final(message_id)
    return found["status"], found["code"]


def by_number(seen: Seen) -> Response:
    """Numbers that end in 1 are landlines."""
    return told("landline" if "1?Fields=" in seen.target else "mobile")


def test_a_mobile_phone_is_texted_at_once_and_a_landline_never(database_url: str, tmp_path: Path) -> None:
    with (
        Stand(by_number) as provider,
        Receiver() as receiver,
        installation(
            database_url, tmp_path, provider.url, callback_url=receiver.url + "/?id={messageId}&status={status}"
        ) as stage,
    ):
        before = [invite(stage, "301222000" + last) for last in "01"]
        assert all(is_held(stage, one) for one in before)
        stage.start("work", ready=False)
        meanwhile = [invite(stage, "301222001" + last) for last in "01"]
        for mobile, landline in (before, meanwhile):
            assert outcome(stage, mobile) == ("sent", 1)
            assert outcome(stage, landline) == ("discarded", 125)
        again = customer(stage).invite("3012220001", message="another")
        assert (again.json["status"], again.json["code"]) == ("discarded", 125), "it is known by now"
        calls = {f"/?id={one}&status={code}" for one, code in zip(before + meanwhile, (1, 125) * 2, strict=True)}
        eventually("its callbacks", lambda: calls <= {call.path for call in receiver.calls})
        assert len(provider.seen) == 4
        assert {seen.headers["authorization"] for seen in provider.seen} == {"Basic QUMxOnMzY3JldA=="}


def test_two_workers_ask_once(database_url: str, tmp_path: Path) -> None:
    with Stand(told("mobile")) as provider, installation(database_url, tmp_path, provider.url) as stage:
        made = [invite(stage, f"30122230{n:02d}") for n in range(30)]
        for _ in range(2):
            stage.start("work", ready=False)
        made += [invite(stage, f"30122231{n:02d}") for n in range(30)]
        assert {outcome(stage, one) for one in made} == {("sent", 1)}
        assert len({seen.target for seen in provider.seen}) == len(provider.seen) == 60


FAILING: Final = {
    "unauthorized": Response(401, body=b'{"code": 20003}'),
    "throttled": Response(429, {"Retry-After": "3600"}),
    "broken": Response(500),
    "garbage": Response(200, body=b"<html>"),
    "oversized": Response(200, body=b" " * 100_000),
    "redirecting": Response(301, {"Location": "http://127.0.0.1:9/"}),
    "unapproved": Response(200, body=b'{"line_type_intelligence": {"type": null, "error_code": 60601}}'),
}


@pytest.mark.parametrize("answer", FAILING.values(), ids=FAILING)
def test_who_cannot_be_looked_up_passes(sqlite_url: str, tmp_path: Path, answer: Response) -> None:
    with Stand(answer) as provider, installation(sqlite_url, tmp_path, provider.url, SHORT) as stage:
        work(stage)
        made = [invite(stage, f"30122240{n:02d}") for n in range(3)]
        assert {outcome(stage, one) for one in made} == {("sent", 1)}
        assert provider.seen


def test_a_worker_that_is_killed_amid_a_lookup(database_url: str, tmp_path: Path) -> None:
    """What waits is let go by its grace, also where nobody works on lookups any more."""
    asked, held = threading.Event(), threading.Event()

    def answer(_: Seen) -> Response:
        asked.set()
        held.wait(30)
        return told("landline")

    with Stand(answer) as provider, installation(database_url, tmp_path, provider.url, SHORT) as stage:
        first = work(stage)
        made = invite(stage, "3012225000")
        assert asked.wait(30)
        first.kill()
        try:
            stage.start("work", ready=False)
            assert outcome(stage, made) == ("sent", 1)
            assert len(provider.seen) == 1, "its lease has not ended"
        finally:
            held.set()


def far_from_now() -> dict[str, Any]:
    """Open hours of Maryland in which it is night for the next hours."""
    local = (utc_now() + timedelta(hours=12)).astimezone(MARYLAND)
    return {"every": [f"{local.hour:02d}:00-{local.hour:02d}:30"]}


def test_hours_rule_whatever_is_learned(database_url: str, tmp_path: Path) -> None:
    """An invitation that waits for the morning is looked up meanwhile."""
    with (
        Stand(by_number) as provider,
        installation(database_url, tmp_path, provider.url, hours=far_from_now()) as stage,
    ):
        stage.start("work", ready=False)
        mobile, landline = invite(stage, "3012226000"), invite(stage, "3012226001")
        assert outcome(stage, landline) == ("discarded", 125)
        eventually("both were asked", lambda: len(provider.seen) == 2)
        found = customer(stage).status(mobile)
        assert (found["status"], found["holdReason"]) == ("pending", "quiet hours")


@pytest.mark.parametrize("command", ["work", "serve"])
def test_a_setting_that_cannot_work_stops_the_start(sqlite_url: str, tmp_path: Path, command: str) -> None:
    """And is not repeated, for it may be a secret in the wrong place."""
    wrong = {"LOOKUPS__PROVIDER": "twilio", "LOOKUPS__SETTINGS__CREDENTIALS__USERNAME": "s3cret"}
    with staged(sqlite_url, tmp_path, **wrong) as stage:
        ended = stage.start(command, ready=False)
        assert ended.popen.wait(30) == 1
        where = "setting lookups.settings.credentials.username"
        said = f"dispatcher: {where}: must be env:VARIABLE or file:/path, not the secret itself\n"
        assert ended.log.read_text() == said
