"""Infobip, whole: submit, receipt and reply over real sockets; without the token nothing changes."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from dispatcher.core.exchange import Response
from tests.carriers.stand import Seen, Stand
from tests.carriers.whole import SENDER, whole
from tests.processes import eventually

CREDENTIALS: Final = {"api_key": "env:TEST_INFOBIP_API_KEY", "hook_token": "env:TEST_INFOBIP_HOOK_TOKEN"}
JSON: Final = {"Content-Type": "application/json"}


def results(**result: Any) -> bytes:
    return json.dumps({"results": [result]}).encode()


def taking(seen: Seen) -> Response:
    status = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
    names = [message["destinations"][0]["messageId"] for message in json.loads(seen.body)["messages"]]
    return Response(
        200, body=json.dumps({"messages": [{"messageId": name, "status": status} for name in names]}).encode()
    )


def test_submit_receipt_and_reply(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_INFOBIP_API_KEY", "KEY1")
    monkeypatch.setenv("TEST_INFOBIP_HOOK_TOKEN", "t0ken")
    with (
        Stand(taking) as stand,
        whole(database_url, stand, "infobip", {"base_url": stand.url, "credentials": CREDENTIALS}) as engine,
    ):
        key, phone, seen = engine.invite("Join \N{PILE OF POO}")
        [asked] = json.loads(seen.body)["messages"]
        name = asked["destinations"][0]["messageId"]
        assert (asked["sender"], asked["content"]["text"]) == (SENDER[1:], "Join \N{PILE OF POO}")
        assert asked["destinations"][0]["to"] == phone[1:]
        engine.sent(key)

        url = asked["webhooks"]["delivery"]["url"]
        told = results(messageId=name, callbackData=key, status={"groupId": 3, "id": 5, "name": "DELIVERED_TO_HANDSET"})
        for forged in (url.partition("&token")[0], f"{url}x"):
            assert engine.hook(forged, told, JSON) == 403
        assert engine.standing(key) == ("sent", 0)
        assert engine.hook(url, told, JSON) == 204
        assert engine.standing(key) == ("sent", 1)

        stand.seen.clear()
        reply = results(messageId="mo1", text="STOP", **{"from": phone[1:], "to": SENDER[1:]})
        assert engine.hook(f"{engine.public_url}/hooks/carrier?token=t0ken", reply, JSON) == 204
        [seen] = eventually("the confirmation", lambda: stand.seen)
        [answer] = json.loads(seen.body)["messages"]
        assert (answer["sender"], answer["destinations"][0]["to"]) == (SENDER[1:], phone[1:])
        assert answer["content"]["text"].startswith("You have been unsubscribed")
        assert engine.customer.invite(phone).json["code"] == 127


def test_many_at_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they were put together on their way out, each has its own end, told in one hook."""
    monkeypatch.setenv("TEST_INFOBIP_API_KEY", "KEY1")
    monkeypatch.setenv("TEST_INFOBIP_HOOK_TOKEN", "t0ken")
    with (
        Stand(taking) as stand,
        whole(database_url, stand, "infobip", {"base_url": stand.url, "credentials": CREDENTIALS}) as engine,
    ):
        keys = [engine.customer.invite(f"+1301222{n}").json["messageId"] for n in range(4000, 4010)]
        for key in keys:
            engine.sent(key)
        asked = [message for seen in stand.seen for message in json.loads(seen.body)["messages"]]
        assert sorted(message["webhooks"]["callbackData"] for message in asked) == sorted(keys)
        ends = [(3, 5, 1), (2, 9, 124), (5, 52, 123), (1, 7, 0), (4, 29, 0)]
        reports = [
            {"messageId": message["destinations"][0]["messageId"], "status": {"groupId": group, "id": status}}
            for message, (group, status, _) in zip(asked, ends * 2, strict=True)
        ]
        told = json.dumps({"results": reports}).encode()
        assert engine.hook(f"{engine.public_url}/hooks/carrier?token=t0ken", told, JSON) == 204
        found = [engine.standing(message["webhooks"]["callbackData"]) for message in asked]
        assert found == [("sent", code) for _, _, code in ends * 2]
