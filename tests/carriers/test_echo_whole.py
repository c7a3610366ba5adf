"""A carrier, or a proxy before it, that repeats our request in its answer: no credential or number is kept of it."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from typing import Any

import pytest

from dispatcher.core.exchange import Response
from tests.carriers.stand import Respond, Seen, Stand
from tests.carriers.whole import whole
from tests.processes import eventually

PASSWORD, TOKEN = "SeCrEt/Pw", "t0ken&more"
ACCOUNT = "AC" + "0" * 32
LOGIN = b64encode(f"{ACCOUNT}:{PASSWORD}".encode()).decode()
CREDENTIALS = {"password": "env:TEST_ECHO_PASSWORD", "hook_token": "env:TEST_ECHO_TOKEN"}


def echo(seen: Seen) -> Response:
    return Response(404, body=f"Not Found: {seen.target}".encode())


def echo_login(seen: Seen) -> Response:
    said = {"code": 20404, "message": f"{seen.headers['authorization']} may not text {seen.body.decode()}"}
    return Response(404, body=json.dumps(said).encode())


@pytest.mark.parametrize(
    ("carrier", "answer", "given"),
    [
        ("kannel", echo, {"username": "u", "credentials": CREDENTIALS}),
        (
            "twilio",
            echo_login,
            {"account_sid": ACCOUNT, "credentials": {"auth_token": "env:TEST_ECHO_PASSWORD"}},
        ),
    ],
)
def test_what_is_repeated_is_not_kept(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    carrier: str,
    answer: Respond,
    given: dict[str, Any],
) -> None:
    monkeypatch.setenv("TEST_ECHO_PASSWORD", PASSWORD)
    monkeypatch.setenv("TEST_ECHO_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    with Stand(answer) as stand:
        address = {"kannel": {"url": f"{stand.url}/cgi"}, "twilio": {"base_url": stand.url}}[carrier]
        with whole(database_url, stand, carrier, given | address) as engine:
            keys = [engine.customer.invite(f"+1301222{n}").json["messageId"] for n in range(3333, 3337)]
            stopped = "select 1 from connections where stopped_at is not null"
            eventually("it is stopped", lambda: engine.query(stopped))
            kept = repr([engine.query(f"select * from {table}") for table in ("attempts", "connections", "alarms")])
            told = repr([engine.customer.status(key) for key in keys])
    logged = repr([vars(record) for record in caplog.records if record.name.startswith("dispatcher")])
    assert "•••" in kept
    assert "•••" in logged
    for secret in (PASSWORD, "SeCrEt", "t0ken", "1301222333", LOGIN[-14:-4]):
        assert secret not in kept + told + logged
