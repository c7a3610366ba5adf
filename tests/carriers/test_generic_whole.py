"""A described carrier, whole: an invitation goes out, its receipt comes in, a forged one changes nothing."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.exchange import Response
from tests.carriers.stand import Stand
from tests.carriers.whole import SENDER, whole

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "generic.toml"


def test_submit_and_receipt(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_SMS_TOKEN", "secret")
    settings = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    with Stand(Response(202, body=b'{"message": {"id": "m1"}}')) as stand:
        settings["request"]["url"] = f"{stand.url}/v1/messages"
        with whole(database_url, stand, "generic", settings) as engine:
            key, phone, seen = engine.invite("Join \N{PILE OF POO}")
            asked = json.loads(seen.body)
            assert seen.headers["authorization"] == "Bearer secret"
            assert (asked["from"], asked["to"], asked["text"]) == (SENDER, phone, "Join \N{PILE OF POO}")
            engine.sent(key)
            told = json.dumps({"message": {"status": "delivered"}}).encode()
            assert engine.hook(asked["status_url"], told, {"X-Webhook-Token": "another"}) == 403
            assert engine.standing(key) == ("sent", 0)
            assert engine.hook(asked["status_url"], told, {"X-Webhook-Token": "secret"}) == 204
            assert engine.standing(key) == ("sent", 1)
