"""A web process that lacks a credential: a carrier's word waits with the carrier, and operators are told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.engine.ports import AlarmKind
from dispatcher.store.alarms import alarms
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.pool import SenderPool
from dispatcher.wiring import parts
from dispatcher.wiring.parts import utc_now
from tests.factories import NOON
from tests.processes import eventually
from tests.web.api import JSON, Api, Post, refused, served

RECEIPT: Final = Post(b'{"status": "delivered"}', JSON, {"X-Token": "t0ken"}, "/hooks/carrier?id=1")


def described(place: str) -> Mapping[str, Any]:
    verify = {"by": "header", "name": "X-Token", "credential": "token"}
    receipts = {"key": "query:id", "status": "json:status", "delivered": ["delivered"], "verify": verify}
    return {
        "request": {"url": "http://127.0.0.1:9/"},
        "receipts": receipts,
        "credentials": {"token": place},
    }


def told(api: Api) -> list[tuple[AlarmKind, str, int, bool]]:
    return [(a.kind, a.subject, a.count, a.is_open) for a in alarms(api.database, utc_now())]


def test_its_hooks_are_to_come_again_and_an_alarm_says_so_until_it_has_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "REFRESH_SECONDS", 0.0)
    place = tmp_path / "token"
    with served(database_url, carrier="generic", settings=described(f"file:{place}")) as api:
        answer = api.send(RECEIPT)
        refused(answer, 503, 503, "cannot be used now")
        assert int(answer.headers["Retry-After"]) > 0
        refused(api.ask("/hooks/nobody"), 404, 404)
        assert api.rows.unusable()[1].startswith("a web process on ")
        assert api.rows.unusable()[1].endswith(f" cannot use it: credentials.token: {place} cannot be read")
        for _ in range(3):
            assert api.send(RECEIPT).status_code == 503
        assert told(api) == [(AlarmKind.CONNECTION_UNUSABLE, "carrier", 1, True)], "it is told once"
        sender = SenderPool(api.database).usable(NOON - NOON, None).senders[1]
        assert StoreLookups(api.database).ailments(sender) == [], "it sends all the same"
        place.write_text("t0ken\n")
        assert eventually("hooks are taken", lambda: api.send(RECEIPT).status_code == 204)
        assert api.rows.unusable() == {}
        assert [is_open for *_, is_open in told(api)] == [False]


def test_what_a_web_process_needs_for_nothing_is_no_fault_of_it(database_url: str) -> None:
    terms = {"host": "127.0.0.1", "port": 9, "system_id": "us", "credentials": {"password": "env:TEST_NOBODY_HAS_IT"}}
    with served(database_url, carrier="smpp", settings=terms) as api:
        refused(api.send(RECEIPT), 503, 503)
        assert told(api) == []


def test_what_it_told_goes_when_it_ends(database_url: str) -> None:
    with served(database_url, carrier="generic", settings=described("env:TEST_NOBODY_HAS_IT")) as api:
        assert [is_open for *_, is_open in told(api)] == [True]
        api.app.extensions["house"].close()
        assert [is_open for *_, is_open in told(api)] == [False]
