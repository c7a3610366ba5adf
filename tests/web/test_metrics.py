"""GET /metrics: the figures of all processes, for whoever has the token, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import TestResponse

from dispatcher.core.given import SettingsError
from dispatcher.core.health import Harm
from dispatcher.store.pool import SenderPool
from dispatcher.store.queue import MessageQueue
from dispatcher.store.statement import Statement
from dispatcher.store.workers import Workers
from dispatcher.wiring.parts import utc_now
from dispatcher.wiring.web import web_application
from tests.web.api import Api, settled

TOKEN = "a token of a test"
Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
def watched(api: Api, tmp_path: Path) -> Iterator[Api]:
    """The same database, served by a process that has a token."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    app = web_application(settled(api.url, WEB__METRICS_TOKEN=f"file:{tmp_path}/token"))
    yield replace(api, app=app)
    app.extensions["house"].close()


def samples(answer: TestResponse) -> dict[Sample, float]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name.removeprefix("dispatcher_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.get_data(as_text=True))
        for sample in family.samples
    }


def of(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


def test_the_figures_of_all_processes(watched: Api) -> None:
    before = samples(watched.ask("/metrics", Authorization=f"Bearer {TOKEN}"))
    for _ in range(3):
        watched.invite({"phone": "3012999", "osType": "IOS", "message": "Join me", "appId": "com.example.1"})
    Workers(watched.database).enrol("work", utc_now())
    now = utc_now()
    made = watched.rows.add_sender(
        {"number": "+12015557777", "kind": "long_code", "region": "US", "mps": 1.0, "weight": 1.0}, "carrier", []
    )
    pool = SenderPool(watched.database)
    pool.stop_connection(1, 'HTTP 401: "who are you"\n', timedelta(0), now)
    pool.harm({}, {made: Harm(1.0, "6 of the last 20 were not delivered")})
    with watched.database.write() as tx:
        tx.run(
            Statement(
                """insert into messages (id, account_id, app_id, person, region, state, code, admitted_code, text,
                    segments, created_at, planned_at, due_at, expires_at)
                select id, 1, 1, 'p', 'US', state, 0, 0, '', 1, 1, 1, :due, 1 from {rows}""",
                "id bigint, state text",
            ),
            [(7_000_001, "queued"), (7_000_002, "submitted"), (7_000_003, "in_doubt"), (7_000_004, "claimed")],
            due=1_000_000,
        )
    found = samples(watched.ask("/metrics", Authorization=f"Bearer {TOKEN}"))
    for state in ("queued", "in_flight", "in_doubt"):
        key = of("messages", state=state)
        assert found[key] == before[key] + 1
    assert found[of("oldest_due_seconds")] > 1_000_000
    assert found[of("workers")] == before[of("workers")] + 1
    assert found[of("alarms", kind="connection_stopped", subject="carrier")] == 1
    assert found[of("sender_health", sender="+12015557777", connection="carrier")] == pytest.approx(0.5, abs=0.01)
    assert found[of("connection_health", connection="carrier")] == 0
    assert len(MessageQueue(watched.database).lanes()) > 0
    pool.resume_connections([1])
    with watched.database.write() as tx:
        tx.run(Statement("delete from messages where id between 7000001 and 7000004"))
    after = samples(watched.ask("/metrics", Authorization=f"Bearer {TOKEN}"))
    assert of("alarms", kind="connection_stopped", subject="carrier") not in after
    assert after[of("connection_health", connection="carrier")] == 1


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer \xff", TOKEN],
)
def test_without_the_token_nothing_is_told(watched: Api, header: str) -> None:
    answer = watched.ask("/metrics", Authorization=header, **{"X-Forwarded-For": "127.0.0.1"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, 100)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_where_no_token_is_set_there_is_no_such_path(api: Api) -> None:
    answer = api.ask("/metrics", Authorization="Bearer ")
    assert (answer.status_code, answer.get_json()) == (404, {"code": 404, "message": "no such path"})


def test_a_token_that_cannot_be_read_stops_the_start(api: Api, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"metrics_token: .*/nowhere cannot be read"):
        web_application(settled(api.url, WEB__METRICS_TOKEN=f"file:{tmp_path}/nowhere"))
