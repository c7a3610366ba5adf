"""Sinch, whole: an invitation goes out, its receipt and a reply come in, what is forged changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import pytest

from dispatcher.core.exchange import Response
from dispatcher.wiring.parts import utc_now
from tests.carriers.stand import Seen, Stand
from tests.carriers.test_sinch import CREATED, INBOUND, REPORT, SECRET, TOKEN, found, said, signed
from tests.carriers.whole import SENDER, Whole, whole
from tests.processes import eventually

JSON: Final = {"Content-Type": "application/json"}
HASTY: Final = {"WORK__IN_DOUBT_MINUTES": 1, "WORK__RESCUE_SECONDS": 0.2, "CARRIERS__TIMEOUT_SECONDS": 5}


def settings(stand: Stand, proof: str) -> dict[str, object]:
    credentials = {"api_token": "env:TEST_SINCH_TOKEN", proof: "env:TEST_SINCH_PROOF"}
    return {"service_plan_id": "plan1", "base_url": stand.url, "credentials": credentials}


def genuine(body: bytes, secret: str = SECRET) -> Mapping[str, str]:
    return JSON | dict(signed(body, int(utc_now().timestamp()), secret=secret).headers)


def submitted(engine: Whole) -> tuple[str, str]:
    """The message id, and where its receipts are wanted."""
    key, phone, seen = engine.invite("Join \N{PILE OF POO}")
    asked = json.loads(seen.body)
    assert (seen.method, seen.target) == ("POST", "/xms/v1/plan1/batches")
    assert (asked["to"], asked["from"], asked["client_reference"]) == ([phone], SENDER, key)
    engine.sent(key)
    return key, asked["callback_url"]


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SINCH_TOKEN", "tok1")
    monkeypatch.setenv("TEST_SINCH_PROOF", SECRET)
    with (
        Stand(Response(201, body=CREATED)) as stand,
        whole(database_url, stand, "sinch", settings(stand, "hmac_secret")) as engine,
    ):
        key, url = submitted(engine)
        body = json.dumps(REPORT | {"client_reference": key, "status": "Delivered", "code": 0}).encode()
        for forged in (JSON, genuine(body, SECRET[::-1]), genuine(body + b" ")):
            assert engine.hook(url, body, forged) == 403
        assert engine.standing(key) == ("sent", 0)
        assert engine.hook(url, body, genuine(body)) == 204
        assert engine.standing(key) == ("sent", 1)

        reply = json.dumps(INBOUND).encode()
        inbound = f"{engine.public_url}/hooks/carrier"
        assert engine.hook(inbound, reply, JSON) == 403
        assert engine.hook(inbound, reply, genuine(reply)) == 204

        stand.answer = Response(403, body=said("illegal_number_type"))
        key, _, _ = engine.invite()
        eventually("the refusal is written", lambda: engine.standing(key) == ("discarded", 123))


def test_a_token_in_the_address(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SINCH_TOKEN", "tok1")
    monkeypatch.setenv("TEST_SINCH_PROOF", TOKEN)
    with (
        Stand(Response(201, body=CREATED)) as stand,
        whole(database_url, stand, "sinch", settings(stand, "hook_token")) as engine,
    ):
        key, url = submitted(engine)
        body = json.dumps(REPORT | {"client_reference": key, "status": "Delivered", "code": 0}).encode()
        for forged in (url.partition("&")[0], url + "x", f"{url.partition('&')[0]}&token="):
            assert engine.hook(forged, body, JSON) == 403
        assert engine.standing(key) == ("sent", 0)
        assert engine.hook(url, body, JSON) == 204
        assert engine.standing(key) == ("sent", 1)


def test_what_is_in_doubt_is_looked_for_in_the_list(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SINCH_TOKEN", "tok1")
    monkeypatch.setenv("TEST_SINCH_PROOF", SECRET)
    batches: list[object] = []

    def answer(seen: Seen) -> Response:
        if seen.method == "POST":
            batches.append({"id": "01FC", "client_reference": json.loads(seen.body)["client_reference"]})
            return Response(500)
        return Response(200, body=found(*batches))

    with (
        Stand(answer) as stand,
        whole(database_url, stand, "sinch", settings(stand, "hmac_secret"), **HASTY) as engine,
    ):
        key, _, _ = engine.invite()
        engine.sent(key)
        [asked] = stand.seen
        assert (asked.method, asked.target) == ("GET", f"/xms/v1/plan1/batches?page_size=10&client_reference={key}")
        assert [tuple(row) for row in engine.query("select ref from attempts")] == [("01FC",)]
