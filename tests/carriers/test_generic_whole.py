"""A described carrier, whole: submit, receipt and reply through sockets; what is forged changes nothing."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Final

import pytest

from dispatcher.core.exchange import Response
from tests.carriers.stand import Stand
from tests.carriers.whole import SENDER, whole
from tests.processes import eventually

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "generic.toml"


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
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

            url = f"{engine.public_url}/hooks/carrier"
            told = json.dumps({"from": phone, "to": SENDER, "text": "STOP", "id": "mo1"}).encode()
            assert engine.hook(url, told, {"X-Webhook-Token": "another"}) == 403
            assert engine.query("select count(*) from replies") == [(0,)]
            assert engine.hook(url, told, {"X-Webhook-Token": "secret"}) == 204
            eventually("the confirmation", lambda: stand.seen)
            asked = json.loads(stand.take().body)
            assert (asked["from"], asked["to"]) == (SENDER, phone)
            assert engine.hook(url, told, {"X-Webhook-Token": "secret"}) == 204
            assert engine.query("select ref, verdict from replies") == [("mo1", "stop")], "a repeat is the same reply"
            assert engine.customer.invite(phone).json["code"] == 127
