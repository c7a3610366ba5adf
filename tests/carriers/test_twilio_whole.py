"""Twilio, whole: submit, receipt and reply through sockets; what is forged changes nothing."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Final
from urllib.parse import parse_qsl, urlencode

import pytest

from dispatcher.core.exchange import Response
from tests.carriers.stand import Stand
from tests.carriers.whole import FORM, SENDER, Whole, whole

ACCOUNT: Final = "AC" + "0a" * 16
SID: Final = "SM" + "0c" * 16
TOKEN: Final = "token of a test"


def post(engine: Whole, url: str, said: dict[str, str], token: str = TOKEN) -> int:
    """A hook as Twilio signs it."""
    words = url + "".join(name + said[name] for name in sorted(said))
    signature = b64encode(hmac.new(token.encode(), words.encode(), "sha1").digest()).decode()
    return engine.hook(url, urlencode(said).encode(), {"Content-Type": FORM, "X-Twilio-Signature": signature})


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    created = Response(201, body=f'{{"sid": "{SID}", "status": "queued"}}'.encode())
    with Stand(created) as stand:
        settings = {"account_sid": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": "env:TEST_TOKEN"}}
        with whole(database_url, stand, "twilio", settings) as engine:
            key, phone, seen = engine.invite("Join \N{PILE OF POO} & win")
            asked = dict(parse_qsl(seen.body.decode()))
            assert seen.target == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
            assert (asked["From"], asked["To"], asked["Body"]) == (SENDER, phone, "Join \N{PILE OF POO} & win")
            engine.sent(key)

            told = {"MessageSid": SID, "MessageStatus": "delivered", "SmsStatus": "delivered", "To": phone}
            url = asked["StatusCallback"]
            assert post(engine, url, told, "another") == 403
            assert post(engine, url, {}) == 400
            assert engine.standing(key) == ("sent", 0)
            assert post(engine, url, told) == 204
            assert engine.standing(key) == ("sent", 1)
            assert post(engine, url, told | {"MessageStatus": "sent"}) == 204, "late"
            assert engine.standing(key) == ("sent", 1)

            reply = {"MessageSid": SID, "SmsStatus": "received", "From": phone, "To": SENDER, "Body": "Thanks"}
            assert post(engine, f"{engine.public_url}/hooks/carrier", reply, "another") == 403
            assert post(engine, f"{engine.public_url}/hooks/carrier", reply) == 204


def test_a_number_that_twilio_refuses(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with Stand(Response(400, body=b'{"code": 21610, "message": "unsubscribed", "status": 400}')) as stand:
        settings = {"account_sid": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": "env:TEST_TOKEN"}}
        with whole(database_url, stand, "twilio", settings) as engine:
            key, _, _ = engine.invite()
            final = engine.customer.final(key)
            assert (final["code"], final["message"]) == (127, "21610 unsubscribed")
