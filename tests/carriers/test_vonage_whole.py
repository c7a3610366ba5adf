"""Vonage, whole: an invitation goes out, its receipt and a reply come in, what is forged changes nothing."""

from __future__ import annotations

import json
from typing import Final

import jwt
import pytest

from dispatcher.core.exchange import Response
from dispatcher.wiring.parts import utc_now
from tests.carriers.stand import Stand
from tests.carriers.test_vonage import INBOUND, SECRET, claims, problem
from tests.carriers.whole import whole
from tests.processes import eventually

SETTINGS: Final = {
    "api_key": "abcd1234",
    "credentials": {"api_secret": "env:TEST_VONAGE_SECRET", "signature_secret": "env:TEST_VONAGE_SIGNATURE"},
}
JSON: Final = "application/json"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    token = jwt.encode(claims(body, utc_now()), secret)
    return {"Authorization": f"Bearer {token}", "Content-Type": JSON}


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_VONAGE_SECRET", "sEcReT")
    monkeypatch.setenv("TEST_VONAGE_SIGNATURE", SECRET)
    with (
        Stand(Response(202, body=b'{"message_uuid": "m1"}')) as stand,
        whole(database_url, stand, "vonage", SETTINGS | {"base_url": stand.url}) as engine,
    ):
        key, phone, seen = engine.invite("Join \N{PILE OF POO}")
        asked = json.loads(seen.body)
        assert (seen.method, seen.target) == ("POST", "/v1/messages")
        assert (asked["to"], asked["text"], asked["client_ref"]) == (phone[1:], "Join \N{PILE OF POO}", key)
        engine.sent(key)

        url = asked["webhook_url"]
        body = json.dumps({"message_uuid": "m1", "client_ref": key, "status": "delivered"}).encode()
        for forged in ({}, signed(body, SECRET[::-1]), signed(body + b" ")):
            assert engine.hook(url, body, {"Content-Type": JSON} | forged) == 403
        assert engine.standing(key) == ("sent", 0)
        assert engine.hook(url, body, signed(body)) == 204
        assert engine.standing(key) == ("sent", 1)

        reply = json.dumps(INBOUND | {"from": phone[1:]}).encode()
        inbound = f"{engine.public_url}/hooks/carrier"
        assert engine.hook(inbound, reply, {"Content-Type": JSON}) == 403
        assert engine.hook(inbound, reply, signed(reply)) == 204

        stand.answer = Response(422, body=problem("1240"))
        key, _, _ = engine.invite()
        eventually("the refusal is written", lambda: engine.standing(key) == ("discarded", 127))
