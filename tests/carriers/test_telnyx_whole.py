"""Telnyx, whole: submit, receipt and reply over real sockets; what it did not sign changes nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dispatcher.core.exchange import Response
from dispatcher.wiring.parts import utc_now
from tests.carriers.stand import Stand
from tests.carriers.whole import SENDER, whole

PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
CREDENTIALS: Final = {"api_key": "env:TEST_TELNYX_API_KEY", "public_key": "env:TEST_TELNYX_PUBLIC_KEY"}


def signed(body: bytes) -> dict[str, str]:
    stamp = str(int(utc_now().timestamp()))
    signature = b64encode(PRIVATE.sign(stamp.encode() + b"|" + body)).decode()
    return {"Content-Type": "application/json", "Telnyx-Timestamp": stamp, "Telnyx-Signature-Ed25519": signature}


def event(kind: str, **payload: Any) -> bytes:
    return json.dumps({"data": {"event_type": kind, "id": "e1", "payload": payload}}).encode()


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TELNYX_API_KEY", "KEY1")
    monkeypatch.setenv("TEST_TELNYX_PUBLIC_KEY", PUBLIC)
    with Stand(Response(200, body=b'{"data": {"id": "m1"}}')) as stand:
        settings = {"base_url": f"{stand.url}/v2", "credentials": CREDENTIALS}
        with whole(database_url, stand, "telnyx", settings) as engine:
            key, phone, seen = engine.invite("Join \N{PILE OF POO}")
            asked = json.loads(seen.body)
            assert (asked["from"], asked["to"], asked["text"]) == (SENDER, phone, "Join \N{PILE OF POO}")
            engine.sent(key)
            told = event("message.finalized", id="m1", to=[{"phone_number": phone, "status": "delivered"}])
            forged = signed(told + b" ")
            assert engine.hook(asked["webhook_url"], told, forged) == 403
            assert engine.standing(key) == ("sent", 0)
            assert engine.hook(asked["webhook_url"], told, signed(told)) == 204
            assert engine.standing(key) == ("sent", 1)
            reply = {"from": {"phone_number": phone}, "to": [{"phone_number": SENDER}], "text": "STOP", "id": "mo1"}
            told = event("message.received", autoresponse_type="STOP", **reply)
            assert engine.hook(f"{engine.public_url}/hooks/carrier", told, signed(told)) == 204
            assert engine.customer.invite(phone).json["code"] == 127
            assert engine.query("select answer_id from replies") == [(None,)], "Telnyx has answered"
