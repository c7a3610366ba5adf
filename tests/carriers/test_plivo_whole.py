"""Plivo, whole: submit, receipt and reply through sockets; what is forged changes nothing."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from typing import Final
from urllib.parse import urlencode

import pytest

from dispatcher.core.exchange import Response
from tests.carriers.stand import Stand
from tests.carriers.whole import FORM, SENDER, Whole, whole
from tests.processes import eventually

ACCOUNT: Final = "MA" + "0A" * 9
UUID: Final = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
TOKEN: Final = "token of a test"


def post(engine: Whole, url: str, said: dict[str, str], token: str = TOKEN) -> int:
    """A hook with the V3 signature."""
    address, mark, query = url.partition("?")
    fields = "".join(name + said[name] for name in sorted(said))
    words = f"{address}?{query}{'.' if mark and fields else ''}{fields}.n0nce"
    signature = b64encode(hmac.new(token.encode(), words.encode(), "sha256").digest()).decode()
    headers = {"Content-Type": FORM, "X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": "n0nce"}
    return engine.hook(url, urlencode(said).encode(), headers)


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with Stand(Response(202, body=json.dumps({"message_uuid": [UUID]}).encode())) as stand:
        settings = {"auth_id": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": "env:TEST_TOKEN"}}
        with whole(database_url, stand, "plivo", settings) as engine:
            key, phone, seen = engine.invite("Join \N{PILE OF POO} & win")
            asked = json.loads(seen.body)
            assert seen.target == f"/v1/Account/{ACCOUNT}/Message/"
            assert (asked["src"], asked["dst"], asked["text"]) == (SENDER, phone, "Join \N{PILE OF POO} & win")
            engine.sent(key)

            told = {"MessageUUID": UUID, "Status": "delivered", "To": phone.removeprefix("+"), "ErrorCode": ""}
            assert post(engine, asked["url"], told, "another") == 403
            assert post(engine, asked["url"], {}) == 400
            assert engine.standing(key) == ("sent", 0)
            assert post(engine, asked["url"], told) == 204
            assert engine.standing(key) == ("sent", 1)

            url = f"{engine.public_url}/hooks/carrier"
            reply = {"MessageUUID": "mo", "From": phone.removeprefix("+"), "To": SENDER[1:], "Text": "STOP"}
            assert post(engine, url, reply, "another") == 403
            assert engine.query("select count(*) from replies") == [(0,)]
            assert post(engine, url, reply) == 204
            eventually("the confirmation", lambda: stand.seen)
            asked = json.loads(stand.take().body)
            assert (asked["src"], asked["dst"]) == (SENDER, phone)
            assert engine.customer.invite(phone, message="Join me").json["code"] == 127


def test_a_receipt_by_the_uuid_that_says_opted_out(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with Stand(Response(202, body=json.dumps({"message_uuid": [UUID]}).encode())) as stand:
        settings = {"auth_id": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": "env:TEST_TOKEN"}}
        with whole(database_url, stand, "plivo", settings) as engine:
            key, _, _ = engine.invite()
            engine.sent(key)
            told = {"MessageUUID": UUID, "Status": "undelivered", "ErrorCode": "200"}
            assert post(engine, f"{engine.public_url}/hooks/carrier", told) == 204
            assert engine.standing(key) == ("sent", 127)
