"""Infobip's words: left what it says, right what is made of it."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.carriers.infobip import BATCH, from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.engine.transport import Answerable, Batching
from dispatcher.wiring.carriers import carrier_of
from tests.carriers import noise
from tests.carriers.meanings import unexplained
from tests.carriers.noise import NOON, PAGE, short

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "infobip.toml"
TOKEN: Final = "t&ken é"
CREDENTIALS: Final = {"api_key": "KEY1", "hook_token": TOKEN}
CARRIER: Final = from_settings(Given({"base_url": "https://x1.api.infobip.com"}, CREDENTIALS))
URL: Final = "https://us.example/hooks/infobip?id=77"
MT: Final = Submission("77", "+15005550006", "+13012223333", "Join me", 1, URL)
OTHER: Final = Submission("78", "ACME", "+13012223334", "Join us", 1, "https://us.example/hooks/infobip?id=78")

# --- The submit ----------------------------------------------------------------------------------------------------


def test_build() -> None:
    request = CARRIER.build(MT, NOON)
    assert (request.method, request.url) == ("POST", "https://x1.api.infobip.com/sms/3/messages")
    assert request.headers["Authorization"] == "App KEY1"
    assert json.loads(request.body) == {
        "messages": [
            {
                "sender": "15005550006",
                "destinations": [{"to": "13012223333", "messageId": MT.sent_by}],
                "content": {"text": "Join me"},
                "webhooks": {
                    "delivery": {"url": f"{URL}&token=t%26ken%20%C3%A9"},
                    "contentType": "application/json",
                    "callbackData": "77",
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("sender", "said"), [("+15005550006", "15005550006"), ("72345", "72345"), ("A & Ö", "A & Ö"), ("4+ALL", "4+ALL")]
)
def test_senders(sender: str, said: str) -> None:
    """By another sender it is another message, for the id of one that was refused may count as used."""
    mt = Submission("77", sender, "+1301", "x", 1, URL)
    [message] = json.loads(CARRIER.build(mt, NOON).body)["messages"]
    assert (message["sender"], message["destinations"][0]["messageId"]) == (said, mt.sent_by)


def test_several_in_one_request() -> None:
    assert isinstance(CARRIER, Batching)
    assert CARRIER.alike(MT) == CARRIER.alike(OTHER)
    together = json.loads(CARRIER.build_all([MT, OTHER], NOON).body)["messages"]
    assert together == [json.loads(CARRIER.build(mt, NOON).body)["messages"][0] for mt in (MT, OTHER)]


def test_asking_is_to_submit_again() -> None:
    assert isinstance(CARRIER, Answerable)
    assert CARRIER.asking_submits
    assert CARRIER.ask(MT, NOON + timedelta(minutes=5)) == CARRIER.build(MT, NOON)


def test_secrets_are_not_shown() -> None:
    assert repr(CARRIER) == "Infobip(base_url='https://x1.api.infobip.com')"


# --- The answer ----------------------------------------------------------------------------------------------------


def entry(group: object, status: object, name: str = "N", ref: object = MT.sent_by) -> dict[str, object]:
    return {
        "messageId": ref,
        "status": {"groupId": group, "groupName": "G", "id": status, "name": name},
        "destination": "1",
    }


def answer(*entries: object) -> bytes:
    return json.dumps({"bulkId": "b1", "messages": list(entries)}).encode()


def complaint(code: str, *properties: str) -> bytes:
    violations = [{"property": name, "violation": "must not be so"} for name in properties]
    return json.dumps(
        {"errorCode": code, "description": "Bad.", "action": "Mend.", "violations": violations, "resources": []}
    ).encode()


REF: Final = MT.sent_by
TAKEN: Final = Outcome(Fate.TAKEN, ref=REF)
UNCLEAR: Final = Outcome(Fate.UNKNOWN, reason="HTTP 200 without an id or a status that is known")
OLDER: Final = b'{"requestError": {"serviceException": {"messageId": "BAD_REQUEST", "text": "[x : may not be null]"}}}'
TO, SENDER = "messages[0].destinations[0].to", "messages[0].sender"
READ: Final = [
    (200, answer(entry(1, 26, "PENDING_ACCEPTED")), TAKEN),
    (200, answer(entry(1, 7)), TAKEN),
    (200, answer(entry(3, 5)), TAKEN),
    (200, answer(entry(0, 0)), TAKEN),
    (200, answer(entry("1", "26")), TAKEN),
    (200, answer(entry(1, 26, ref=None)), UNCLEAR),
    (200, answer(entry(1, 26, ref="")), UNCLEAR),
    (200, answer(entry(9, 26)), UNCLEAR),
    (200, answer(entry(None, 26)), UNCLEAR),
    (200, answer(entry(True, 26)), UNCLEAR),
    (200, answer(), UNCLEAR),
    (200, b"", UNCLEAR),
    (200, b'{"messages": {"0": {}}}', UNCLEAR),
    (200, PAGE, UNCLEAR),
    # HTTP 200, and yet refused
    (200, answer(entry(5, 8, "PREFIX")), Outcome(Fate.NEVER, REF, "8 PREFIX", Code.INVALID_PHONE)),
    (200, answer(entry(5, 51)), Outcome(Fate.NEVER, REF, "51 N", Code.INVALID_PHONE)),
    (200, answer(entry(5, 52)), Outcome(Fate.NEVER, REF, "52 N", Code.INVALID_PHONE)),
    (200, answer(entry(5, 10)), Outcome(Fate.NEVER, REF, "10 N", Code.OPTED_OUT)),
    (200, answer(entry(5, 14)), Outcome(Fate.NEVER, REF, "14 N", Code.OPTED_OUT)),
    (200, answer(entry(5, 6)), Outcome(Fate.NEVER, REF, "6 N")),
    (200, answer(entry(5, 20)), Outcome(Fate.NEVER, REF, "20 N")),
    (200, answer(entry(5, 999)), unexplained("999 N", REF)),
    (200, answer(entry(2, 4)), Outcome(Fate.NEVER, REF, "4 N")),
    (200, answer(entry(4, 15)), Outcome(Fate.NEVER, REF, "15 N")),
    (200, answer(entry(5, 11)), Outcome(Fate.OTHER_SENDER, REF, "11 N")),
    (200, answer(entry(5, 13)), Outcome(Fate.OTHER_SENDER, REF, "13 N")),
    (200, answer(entry(5, 12)), Outcome(Fate.STOP_CARRIER, REF, "12 N")),
    (200, answer(entry(5, 17)), Outcome(Fate.STOP_CARRIER, REF, "17 N")),
    (200, answer(entry(5, 19)), Outcome(Fate.STOP_CARRIER, REF, "19 N")),
    (200, answer(entry(5, 21)), Outcome(Fate.LATER, REF, "21 N")),
    (200, answer(entry(5, 100)), Outcome(Fate.LATER, REF, "100 N")),
    (200, answer(entry(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID")), TAKEN),
    # Refused as a whole
    (400, complaint("E400", TO), Outcome(Fate.NEVER, "", f"E400 {TO} must not be so", Code.INVALID_PHONE)),
    (400, complaint("E400", SENDER), Outcome(Fate.OTHER_SENDER, "", f"E400 {SENDER} must not be so")),
    (400, complaint("E400", "messages[0].x"), unexplained("E400 messages[0].x must not be so")),
    (400, complaint("E400"), unexplained("E400 Bad.")),
    (422, complaint("E422" * 100), unexplained(("E422" * 100)[:255])),
    (400, OLDER, unexplained("BAD_REQUEST [x : may not be null]")),
    (400, PAGE, unexplained("HTTP 400")),
    (409, complaint("E409"), unexplained("E409 Bad.")),
    (415, complaint("E415"), Outcome(Fate.STOP_CARRIER, "", "E415 Bad.")),
    (401, complaint("E401"), Outcome(Fate.STOP_CARRIER, "", "E401 Bad.")),
    (403, complaint("E403"), Outcome(Fate.STOP_CARRIER, "", "E403 Bad.")),
    (404, PAGE, Outcome(Fate.STOP_CARRIER, "", "HTTP 404")),
    (402, b"", Outcome(Fate.STOP_CARRIER, "", "HTTP 402")),
    (408, b"", Outcome(Fate.UNKNOWN, "", "HTTP 408")),
    (429, complaint("E429"), Outcome(Fate.LATER, "", "throttled", retry_after=timedelta(seconds=7), limit=True)),
    (503, b"", Outcome(Fate.LATER, "", "HTTP 503", retry_after=timedelta(seconds=7), limit=True)),
    (500, complaint("E500"), Outcome(Fate.UNKNOWN, "", "HTTP 500")),
    (302, answer(entry(1, 26)), Outcome(Fate.UNKNOWN, "", "HTTP 302")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "content", "outcome"), READ, ids=short)
def test_read(status: int, content: bytes, outcome: Outcome) -> None:
    assert CARRIER.read(Response(status, {"retry-after": "7"} if outcome.limit else {}, content)) == outcome


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_judged_whatever_was_read_of_the_body(fault: Fault) -> None:
    sure = fault in (Fault.UNSENT, Fault.UNREACHABLE, Fault.FORBIDDEN)
    for status, content in ((0, b""), (200, answer(entry(1, 26))), (400, complaint("E400", TO))):
        response = Response(status, {}, content, fault)
        assert CARRIER.read(response).fate is (Fate.LATER if sure else Fate.UNKNOWN)
        assert {outcome.fate for outcome in CARRIER.read_all([MT, OTHER], response)} == {CARRIER.read(response).fate}


TOLD: Final = [
    (Response(200, body=answer(entry(1, 26))), TAKEN),
    (Response(200, body=answer(entry(5, 23))), TAKEN),
    (Response(200, body=answer(entry(5, 52))), Outcome(Fate.NEVER, REF, "52 N", Code.INVALID_PHONE)),
    (Response(200, body=answer(entry(5, 14))), None),  # they may have asked for it when the first had come
    (Response(200, body=answer(entry(5, 20))), None),  # the first may be one of those that were too many
    (Response(200, body=answer(entry(5, 11))), None),
    (Response(200, body=answer(entry(5, 21))), None),
    (Response(200, body=b"{}"), None),
    (Response(401), None),
    (Response(429), None),
    (Response(503, {"retry-after": "1"}), None),
    (Response(fault=Fault.UNREACHABLE), None),
    (Response(fault=Fault.TIMEOUT), None),
]  # fmt: skip


@pytest.mark.parametrize(("response", "outcome"), TOLD, ids=short)
def test_told(response: Response, outcome: Outcome | None) -> None:
    assert CARRIER.told(response) == outcome


NO_PREFIX: Final = Outcome(Fate.NEVER, REF, "8 N", Code.INVALID_PHONE)
OTHERS: Final = Outcome(Fate.TAKEN, ref=OTHER.sent_by)
BATCHES: Final = [
    (200, answer(entry(1, 26), entry(1, 26, ref=OTHER.sent_by)), [TAKEN, OTHERS]),
    (200, answer(entry(1, 26, ref=OTHER.sent_by), entry(5, 8)), [NO_PREFIX, OTHERS]),
    (200, answer(entry(1, 26, ref=OTHER.sent_by)), [UNCLEAR, OTHERS]),
    (200, b"{}", [UNCLEAR, UNCLEAR]),
    (200, answer("x", None, 7), [UNCLEAR, UNCLEAR]),
    (400, complaint("E400", SENDER), [Outcome(Fate.LATER, reason=f"E400 {SENDER} must not be so")] * 2),
    (400, complaint("E400", TO), [Outcome(Fate.LATER, reason=f"E400 {TO} must not be so")] * 2),
    (401, b"", [Outcome(Fate.STOP_CARRIER, reason="HTTP 401")] * 2),
    (429, b"", [Outcome(Fate.LATER, reason="throttled", limit=True)] * 2),
    (500, b"", [Outcome(Fate.UNKNOWN, reason="HTTP 500")] * 2),
]  # fmt: skip


@pytest.mark.parametrize(("status", "content", "outcomes"), BATCHES, ids=short)
def test_each_of_several_has_an_outcome(status: int, content: bytes, outcomes: list[Outcome]) -> None:
    assert CARRIER.read_all([MT, OTHER], Response(status, {}, content)) == outcomes


def test_the_answer_to_the_largest_batch_is_read_whole() -> None:
    described = entry(5, 14, "REJECTED_DESTINATION_BLOCKLISTED" + 300 * "x", "9" * 40)
    assert len(answer(*[described] * BATCH)) < 65_536


# --- Hooks ---------------------------------------------------------------------------------------------------------


def hook(*results: object, token: str = TOKEN, **query: str) -> Hook:
    body = json.dumps({"results": list(results)}).encode()
    return Hook("POST", URL, {"id": "77", "token": token} | query, {}, body)


def receipt(group: object, status: object, error: object = 0, **more: object) -> dict[str, object]:
    return {
        "bulkId": "b1", "messageId": REF, "to": "13012223333", "callbackData": "77", "messageCount": 1,
        "status": {"groupId": group, "groupName": "G", "id": status, "name": "S"},
        "error": {"groupId": 0, "groupName": "OK", "id": error, "name": "E", "permanent": False}, **more,
    }  # fmt: skip


SUBMIT, DELIVER, REFUSE = Event.SUBMIT, Event.DELIVER, Event.REFUSE
RECEIPTS: Final = [
    (receipt(1, 26), Receipt(SUBMIT, "77", REF, "26 S")),
    (receipt(1, 999), Receipt(SUBMIT, "77", REF, "999 S")),
    (receipt(3, 2), Receipt(SUBMIT, "77", REF, "2 S")),
    (receipt(3, 5), Receipt(DELIVER, "77", REF, "5 S")),
    (receipt(3, 5, 27), Receipt(DELIVER, "77", REF, "5 S")),
    (receipt(2, 4), Receipt(REFUSE, "77", REF, "4 S")),
    (receipt(2, 9, 27), Receipt(REFUSE, "77", REF, "27 E")),
    (receipt(2, 9, 1), Receipt(REFUSE, "77", REF, "1 E", Code.INVALID_PHONE)),
    (receipt(2, 9, 351), Receipt(REFUSE, "77", REF, "351 E")),
    (receipt(2, 9, 573), Receipt(REFUSE, "77", REF, "573 E", Code.OPTED_OUT)),
    (receipt(2, 9, 629), Receipt(REFUSE, "77", REF, "629 E", Code.NOT_MOBILE)),
    (receipt(2, 9, 11), Receipt(REFUSE, "77", REF, "11 E")),  # no SMS on that subscription: no proof of a landline
    (receipt(2, 9, 368), Receipt(REFUSE, "77", REF, "368 E", filtered=True)),
    (receipt(4, 15), Receipt(REFUSE, "77", REF, "15 S")),
    (receipt(4, 29), Receipt(SUBMIT, "77", REF, "29 S")),
    (receipt(4, 87), Receipt(REFUSE, "77", REF, "87 S", filtered=True)),
    (receipt(5, 52), Receipt(REFUSE, "77", REF, "52 S", Code.INVALID_PHONE)),
    (receipt(5, 14), Receipt(REFUSE, "77", REF, "14 S", Code.OPTED_OUT)),
    (receipt(5, 11), Receipt(REFUSE, "77", REF, "11 S", filtered=True)),
    (receipt(5, 12), Receipt(REFUSE, "77", REF, "12 S")),
    (receipt(3, 5, callbackData=None), Receipt(DELIVER, "", REF, "5 S")),
    (receipt(3, 5, messageId=None), Receipt(DELIVER, "77", "", "5 S")),
    (receipt(3, 5, error=None), Receipt(DELIVER, "77", REF, "5 S")),
    (receipt(5, 6, None), Receipt(REFUSE, "77", REF, "6 S")),
    (receipt(5, 6, "x"), Receipt(REFUSE, "77", REF, "x E")),
]  # fmt: skip


@pytest.mark.parametrize(("result", "expected"), RECEIPTS, ids=short)
def test_receipts(result: object, expected: Receipt) -> None:
    assert CARRIER.verify(hook(result), NOON)
    assert CARRIER.events(hook(result)) == [expected]


def mo(**more: object) -> dict[str, object]:
    return {
        "messageId": "817790313235066447", "from": "13012223333", "to": "15005550006", "text": "Stop it",
        "cleanText": "it", "keyword": "STOP", "receivedAt": "2026-11-22T12:00:00.000+0000", "smsCount": 1, **more,
    }  # fmt: skip


def reply(text: str = "Stop it") -> Reply:
    return Reply(
        their_number="13012223333", our_number="15005550006", text=text, ref="817790313235066447", said_at=NOON
    )


SEVERAL: Final = [
    ([mo()], [reply()]),
    ([mo(text="\N{PILE OF POO}\n& +")], [reply("\N{PILE OF POO}\n& +")]),
    ([mo(text=None)], [reply("")]),
    ([mo(text="x" * 5000)], [reply("x" * 4096)]),
    ([receipt(3, 5), mo(), receipt(2, 4, callbackData="78")],
     [Receipt(DELIVER, "77", REF, "5 S"), reply(), Receipt(REFUSE, "78", REF, "4 S")]),
    ([receipt(3, 999)], []),
    ([receipt(5, 5)], [Receipt(REFUSE, "77", REF, "5 S")]),
    ([receipt(9, 5)], []),
    ([receipt(None, 5)], []),
    ([mo(**{"from": None})], []),
    ([{"from": "13012223333", "text": "STOP"}], [Reply(their_number="13012223333", our_number="", text="STOP")]),
    ([{}, 7, None, [], mo(), {"status": {}}, {"status": {"groupId": 3, "id": 5}}], [reply()]),
]  # fmt: skip


@pytest.mark.parametrize(("results", "events"), SEVERAL, ids=short)
def test_several_in_one_hook(results: list[object], events: list[Receipt | Reply]) -> None:
    assert CARRIER.events(hook(*results)) == events


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", PAGE, b'{"results": []}', b'{"results": {}}', b'{"results": [{}, 7]}', b"\xff"]
)
def test_hooks_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        CARRIER.events(Hook("POST", URL, {"id": "77"}, {}, body))
    assert refusal.value.http == 400


@pytest.mark.parametrize("token", ["", "t&ken", "t&ken e", TOKEN + " ", TOKEN.upper(), "\udcff", "\0", "x" * 100_000])
def test_forged_hooks(token: str) -> None:
    assert CARRIER.verify(hook(), NOON)
    assert CARRIER.verify(hook(token=token), NOON) is False


def test_a_hook_without_a_token() -> None:
    assert CARRIER.verify(Hook("POST", URL, {"id": "77"}, {}, b"{}"), NOON) is False


# --- Noise ---------------------------------------------------------------------------------------------------------

NAMES: Final = [
    "messages",
    "results",
    "messageId",
    "status",
    "groupId",
    "id",
    "error",
    "callbackData",
    "from",
    "to",
    "text",
]
MO: Final = json.dumps({"results": [mo()]}).encode()


@given(noise.responses(NAMES, [answer(entry(1, 26)), complaint("E400", TO)]))
def test_noise_is_never_taken(response: Response) -> None:
    noise.read_calmly(CARRIER, response)
    assert CARRIER.told(response) is None
    assert all(outcome.fate is not Fate.TAKEN for outcome in CARRIER.read_all([MT, OTHER], response))


@given(noise.broken(answer(entry(1, 26))) | noise.broken(complaint("E400", TO)), st.integers(0, 600))
def test_broken_answers(content: bytes, status: int) -> None:
    response = Response(status, {}, content)
    assert CARRIER.read(response).fate is not Fate.TAKEN or 200 <= status < 300
    CARRIER.told(response)
    assert len(CARRIER.read_all([MT, OTHER], response)) == 2


@given(noise.hooks(NAMES, [hook(receipt(3, 5)).body, MO]))
def test_noise_delivers_nothing(hook: Hook) -> None:
    noise.heard_calmly(CARRIER, hook, [])


@given(noise.broken(hook(receipt(2, 4, 1)).body) | noise.broken(MO))
def test_broken_hooks(content: bytes) -> None:
    noise.heard_calmly(CARRIER, Hook("POST", "", {"id": "77"}, {}, content), [])


# --- Settings ------------------------------------------------------------------------------------------------------


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOBIP_API_KEY", "KEY1")
    monkeypatch.setenv("INFOBIP_HOOK_TOKEN", TOKEN)
    carrier = carrier_of("infobip", tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert carrier.build(MT, NOON).url == "https://xxxxx.api.infobip.com/sms/3/messages"
    assert carrier.build(MT, NOON).body == CARRIER.build(MT, NOON).body
    assert carrier.verify(hook(), NOON)


ADDRESS: Final = {"base_url": "https://x1.api.infobip.com"}


@pytest.mark.parametrize(
    ("settings", "credentials", "said"),
    [
        ({}, CREDENTIALS, "base_url: is missing"),
        ({"base_url": "x1.api.infobip.com"}, CREDENTIALS, "base_url: must be"),
        (ADDRESS, {"api_key": "k"}, "credentials.hook_token: is missing"),
        (ADDRESS, {"hook_token": "k"}, "credentials.api_key: is missing"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], credentials: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        from_settings(Given(settings, credentials))
