"""POST /ws/click through the whole application: what is asked, what is refused, and what it changes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from dispatcher.store.statement import Statement
from tests.web.api import JSON, Api, Post, accepted, basic, invitation, refused

CLICK = "/ws/click"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
SENT = Statement("update messages set state = 'submitted', sent_at = 1 where id = :id returning id")
AGENTS = Statement("select user_agent from clicks where message_id = :id")


def report(api: Api, given: dict[str, str], key: str = "key") -> TestResponse:
    return api.send(Post.form(given, path=CLICK, headers={"Authorization": basic(key)}))


def made(api: Api, **given: str) -> str:
    return str(accepted(api.invite(invitation(**given)))["messageId"])


def sent(api: Api) -> str:
    message_id = made(api)
    with api.database.write() as tx:
        tx.run(SENT, id=int(message_id))
    return message_id


def status(api: Api, message_id: str) -> dict[str, Any]:
    return dict(api.ask(f"/ws/invitation/{message_id}").get_json())


@pytest.mark.parametrize("kind", ["form", "json"])
def test_a_click_is_seen_in_the_status(api: Api, kind: str) -> None:
    message_id = sent(api)
    given = {"messageId": message_id, "userAgent": IPHONE}
    before = status(api, message_id)
    assert (before["code"], "clickedDate" in before) == (0, False)
    posts = {"form": Post.form(given, path=CLICK), "json": Post(json.dumps(given).encode(), JSON, path=CLICK)}
    answer = api.send(posts[kind])
    assert (answer.status_code, answer.get_json()) == (200, {"messageId": message_id, "code": 2, "os": "IOS"})
    after = status(api, message_id)
    assert (after["status"], after["code"], after["message"]) == ("sent", 2, "Invitation clicked")
    assert isinstance(after["clickedDate"], int)
    with api.nothing_stored():
        assert api.send(posts[kind]).data == answer.data
    assert status(api, message_id) == after


def test_a_preview_is_no_click(api: Api) -> None:
    message_id = sent(api)
    body = report(api, {"messageId": message_id, "userAgent": "WhatsApp/2.23.20.0 A"}).get_json()
    assert (body["messageId"], body["code"], body["os"]) == (message_id, 0, None)
    assert status(api, message_id)["code"] == 0


def test_a_number_that_was_seen_on_something_else_is_not_invited(api: Api) -> None:
    given = invitation()
    report(api, {"messageId": accepted(api.invite(given))["messageId"], "userAgent": IPHONE})
    again = api.invite(given | {"appId": "com.example.2"}).get_json()
    assert (again["status"], again["code"]) == ("discarded", 126)


def test_what_is_missing_or_wrong(api: Api) -> None:
    with api.nothing_stored():
        refused(report(api, {"userAgent": IPHONE}), 400, 102, "messageId", "referenceId")
        refused(report(api, {"messageId": "", "referenceId": "", "userAgent": IPHONE}), 400, 102, "messageId")
        refused(report(api, {"messageId": "1" * 256}), 400, 101, "messageId")
        refused(report(api, {"referenceId": "r\0"}), 400, 101, "referenceId")
        refused(api.send(Post(b'{"messageId": 1}', JSON, path=CLICK)), 400, 101, "messageId")
        refused(api.send(Post(b'{"messageId": "1", "userAgent": []}', JSON, path=CLICK)), 400, 101, "userAgent")
        refused(report(api, {"messageId": "1"}, key="nobody"), 401, 100)
        refused(api.ask(CLICK), 405, 405)


def test_what_is_not_ones_own_does_not_exist(api: Api) -> None:
    message_id = made(api, referenceId="mine alone")
    with api.nothing_stored():
        unknown = [{"messageId": "234234"}, {"messageId": "x"}, {"messageId": "9" * 30}, {"referenceId": "no such"}]
        foreign = [{"messageId": message_id}, {"referenceId": "mine alone"}]
        answers = [report(api, given) for given in unknown] + [report(api, given, "other") for given in foreign]
        refused(answers[0], 404, 103)
        assert {answer.data for answer in answers} == {answers[0].data}
        refused(report(api, {"messageId": "234234", "referenceId": "mine alone"}), 404, 103)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""),
        ("x" * 60_000, "x" * 1024),
        ("a\0b\r\nc\x1b", "abc"),
        ("\U0001f600 é", "\U0001f600 é"),
        ("'; drop table clicks --", "'; drop table clicks --"),
    ],
    ids=["none", "long", "control characters", "emoji", "SQL"],
)
def test_no_user_agent_is_too_odd(api: Api, said: str, kept: str) -> None:
    message_id = made(api)
    body = report(api, {"messageId": message_id, "userAgent": said}).get_json()
    assert body == {"messageId": message_id, "code": 2, "os": None}
    assert api.query(AGENTS, id=int(message_id)) == [(kept,)]


def test_half_a_character_in_json_is_left_out(api: Api) -> None:
    message_id = made(api)
    body = json.dumps({"messageId": message_id, "userAgent": "a\ud800b"}).encode()
    assert api.send(Post(body, JSON, path=CLICK)).status_code == 200
    assert api.query(AGENTS, id=int(message_id)) == [("ab",)]


def test_bytes_that_are_no_text_are_refused(api: Api) -> None:
    body = urlencode({"messageId": made(api)}).encode() + b"&userAgent=%ff%fe"
    with api.nothing_stored():
        refused(api.send(Post(body, path=CLICK)), 400, 101, "UTF-8")
