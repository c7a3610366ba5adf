"""Twilio, whole: submit, receipt and reply through sockets; what is forged changes nothing."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

import pytest

from dispatcher.core.exchange import Response
from dispatcher.engine import dispatch, standing
from tests.carriers.stand import Seen, Stand
from tests.carriers.whole import FORM, SENDER, Whole, whole
from tests.processes import eventually

ACCOUNT: Final = "AC" + "0a" * 16
SID: Final = "SM" + "0c" * 16
MO: Final = "SM" + "0d" * 16
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

            url = f"{engine.public_url}/hooks/carrier"
            reply = {"MessageSid": MO, "SmsStatus": "received", "From": phone, "To": SENDER, "Body": "Please stop"}
            assert post(engine, url, reply, "another") == 403
            assert engine.query("select count(*) from replies") == [(0,)]
            assert post(engine, url, reply) == 204
            eventually("the confirmation", lambda: stand.seen)
            asked = dict(parse_qsl(stand.take().body.decode()))
            assert (asked["From"], asked["To"]) == (SENDER, phone)
            assert post(engine, url, reply) == 204, "again"
            assert engine.query("select verdict from replies") == [("stop",)]
            assert engine.customer.invite(phone, message="Join me").json["code"] == 127


def test_a_stop_that_twilio_answers_itself(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with Stand(Response(201, body=f'{{"sid": "{SID}", "status": "queued"}}'.encode())) as stand:
        settings = {"account_sid": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": "env:TEST_TOKEN"}}
        with whole(database_url, stand, "twilio", settings) as engine:
            key, phone, _ = engine.invite()
            engine.sent(key)
            reply = {"MessageSid": MO, "SmsStatus": "received", "From": phone, "To": SENDER, "Body": "Fertig"}
            assert post(engine, f"{engine.public_url}/hooks/carrier", reply | {"OptOutType": "STOP"}) == 204
            assert engine.query("select verdict, answer_id from replies") == [("stop", None)]


def test_a_number_that_twilio_refuses(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)

    def answer(seen: Seen) -> Response:
        to = dict(parse_qsl(seen.body.decode()))["To"]
        return Response(400, body=json.dumps({"code": 21614, "message": f"{to} is not a mobile number"}).encode())

    with Stand(answer) as stand:
        settings = {"account_sid": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": "env:TEST_TOKEN"}}
        with whole(database_url, stand, "twilio", settings) as engine:
            key, phone, _ = engine.invite()
            final = engine.customer.final(key)
            why = f"21614 +1301•••{phone[-4:]} is not a mobile number"
            assert (final["code"], final["message"]) == (125, why)


def test_a_token_that_is_revoked_and_renewed_in_its_file(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fails, the queue waits, the reason is there to read, and all leaves once the file holds the new one."""
    for module in (dispatch, standing):
        monkeypatch.setattr(module, "CONNECTION_REST", timedelta(seconds=0.5))
    file = tmp_path / "token"
    file.write_text("the old one")
    valid = f"Basic {b64encode(f'{ACCOUNT}:the new one'.encode()).decode()}"

    def answer(seen: Seen) -> Response:
        if seen.headers["authorization"] != valid:
            return Response(401, body=b'{"code": 20003, "message": "Authenticate", "status": 401}')
        return Response(201, body=json.dumps({"sid": f"SM{len(stand.seen):032x}", "status": "queued"}).encode())

    with Stand(answer) as stand:
        settings = {"account_sid": ACCOUNT, "base_url": stand.url, "credentials": {"auth_token": f"file:{file}"}}
        with whole(sqlite_url, stand, "twilio", settings) as engine:
            keys = [str(engine.customer.invite(f"+1301444{n}").json["messageId"]) for n in range(2000, 2003)]
            stopped = "select stop_reason from connections where stopped_at is not null"
            assert eventually("the stop", lambda: engine.query(stopped))[0][0] == "20003 Authenticate"
            keys += [str(engine.customer.invite(f"+1301555{n}").json["messageId"]) for n in range(2000, 2004)]
            assert {engine.standing(key) for key in keys} == {("pending", 0)}

            file.write_text("the new one")
            for key in keys:
                engine.sent(key)
            eventually("the stop is over", lambda: not engine.query(stopped))
