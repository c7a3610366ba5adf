"""The words of the Social Invite API: mappings in, requests or refusals out; standings in, bodies out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.fields import MANY
from dispatcher.core.invitation import InviteRequest, Os, Standing
from dispatcher.core.lifecycle import FINAL, State
from dispatcher.dialects.social_invite.wire import invite_from, milliseconds, status_body

LEAST: Final[dict[str, object]] = {
    "phone": "3012223333",
    "osType": "ANDROID",
    "message": "Join me",
    "appId": "com.example.1",
}
ASKED: Final = InviteRequest("3012223333", "Join me", "com.example.1", Os.ANDROID)


def refusal(words: Mapping[str, object]) -> tuple[int, str]:
    with pytest.raises(Refusal) as raised:
        invite_from(words, "")
    assert raised.value.http == 400
    return raised.value.code, raised.value.message


@pytest.mark.parametrize("os", Os)
def test_the_least_of_an_invitation(os: Os) -> None:
    asked = invite_from(LEAST | {"osType": os.value}, "")
    assert asked == InviteRequest("3012223333", "Join me", "com.example.1", os)


READ: Final[list[tuple[dict[str, object], dict[str, Any]]]] = [
    ({"isoCountryCode": "DE"}, {"region": "DE"}),
    ({"isoCountryCode": "de"}, {"region": "DE"}),
    ({"isoCountryCode": ""}, {"region": ""}),
    ({"isoCountryCode": None}, {"region": ""}),
    ({"senderPhone": " +1 (2) "}, {"sender_phone": " +1 (2) "}),
    ({"referenceId": "8s3k3g"}, {"reference": "8s3k3g"}),
    ({"referenceId": " "}, {"reference": " "}),
    ({"inviterId": "7"}, {"inviter": "7"}),
    ({"inviterName": "Ada"}, {"inviter_name": "Ada"}),
    ({"campaign": "x" * 255}, {"campaign": "x" * 255}),
    ({"message": " \N{PILE OF POO}\n"}, {"text": " \N{PILE OF POO}\n"}),
    ({"phone": " ３ "}, {"phone": " ３ "}),
    ({"userAgent": "Mozilla", "messageId": "1"}, {}),
    ({"unheard": MANY, "of": 3}, {}),
]


@pytest.mark.parametrize(("words", "asked"), READ)
def test_what_may_be_added(words: dict[str, object], asked: dict[str, Any]) -> None:
    expected = {
        "phone": ASKED.phone, "text": ASKED.text, "app_id": ASKED.app_id, "os": ASKED.os, "idempotency_key": "k"
    } | asked  # fmt: skip
    assert invite_from(LEAST | words, "k") == InviteRequest(**expected)


MISSING: Final[list[tuple[Mapping[str, object], list[str]]]] = [
    ({}, ["phone", "osType", "message", "appId"]),
    ({"phone": "1", "osType": "x"}, ["message", "appId"]),
    (LEAST | {"phone": ""}, ["phone"]),
    (LEAST | {"phone": None}, ["phone"]),
    (LEAST | {"message": "", "osType": "WINDOWS"}, ["message"]),
    ({"userAgent": "x", "messageId": "1"}, ["phone", "osType", "message", "appId", "/ws/click"]),
    ({"userAgent": "x", "referenceId": "1"}, ["phone", "osType", "message", "appId", "/ws/click"]),
    ({"messageId": "1"}, ["phone", "osType", "message", "appId", "/ws/click"]),
]


@pytest.mark.parametrize(("words", "names"), MISSING)
def test_what_is_missing(words: Mapping[str, object], names: list[str]) -> None:
    code, message = refusal(words)
    assert code == Code.MISSING
    assert [name for name in ("phone", "osType", "message", "appId", "/ws/click") if name in message] == names


WRONG: Final[list[tuple[dict[str, object], list[str]]]] = [
    ({"osType": "WINDOWS"}, ["osType", "IOS, ANDROID, IOS_ANDROID"]),
    ({"osType": ["IOS"]}, ["osType", "string"]),
    ({"phone": 3012223333}, ["phone", "string"]),
    ({"phone": MANY}, ["phone", "more than once"]),
    ({"phone": "1\0"}, ["phone", "NUL"]),
    ({"message": "\ud800"}, ["message", "surrogate"]),
    ({"message": "x" * 10_001}, ["message", "10001", "10000"]),
    ({"appId": "x" * 256}, ["appId", "256", "255"]),
    ({"isoCountryCode": "USA"}, ["isoCountryCode", "2"]),
    ({"referenceId": {}, "campaign": 1.5, "inviterId": True}, ["referenceId", "campaign", "inviterId"]),
]


@pytest.mark.parametrize(("words", "named"), WRONG)
def test_what_is_wrong(words: dict[str, object], named: list[str]) -> None:
    code, message = refusal(LEAST | words)
    assert code == Code.INVALID
    assert [word for word in named if word not in message] == []


# --- Where an invitation stands ------------------------------------------------------------------------------------

NOON: Final = datetime(2026, 11, 22, 12, 0, 0, 1000, tzinfo=UTC)
LATER: Final = NOON + timedelta(seconds=2)
AT_NOON, AT_LATER = 1795348800001, 1795348802001


def standing(state: State, **given: Any) -> Standing:
    values: dict[str, Any] = {
        "id": 234234, "state": state, "code": 0, "reason": "", "reference": "", "segments": 2, "sender": "",
        "created_at": NOON, "planned_at": NOON, "due_at": LATER, "hold": "", "sent_at": None, "completed_at": None,
    }  # fmt: skip
    return Standing(**(values | given))


SENT: Final = {"sent_at": NOON, "sender": "+12015550160"}
STANDINGS: Final[list[tuple[Standing, dict[str, object]]]] = [
    (standing(State.QUEUED), {"status": "pending", "processedDate": None, "plannedDate": AT_LATER, "holdReason": None}),
    (
        standing(State.QUEUED, hold="quiet hours"),
        {"status": "pending", "plannedDate": AT_LATER, "holdReason": "quiet hours"},
    ),
    (standing(State.QUEUED, hold="lookup"), {"plannedDate": AT_NOON, "holdReason": "lookup"}),
    (standing(State.CLAIMED), {"status": "pending", "plannedDate": AT_NOON, "processedDate": None}),
    (standing(State.SUBMITTING), {"status": "pending", "plannedDate": AT_NOON, "processedDate": None}),
    (
        standing(State.IN_DOUBT, hold="in doubt", sender="+12015550160"),
        {"status": "pending", "holdReason": "in doubt", "processedDate": None, "completionDate": None},
    ),
    (
        standing(State.SUBMITTED, **SENT),
        {"status": "sent", "code": 0, "processedDate": AT_NOON, "completionDate": None, "sender": "+12015550160"},
    ),
    (
        standing(State.DELIVERED, code=1, completed_at=LATER, **SENT),
        {
            "status": "sent", "code": 1, "message": "Invitation delivered", "processedDate": AT_NOON,
            "completionDate": AT_LATER,
        },
    ),
    (
        standing(State.DELIVERED, code=1, completed_at=LATER, clicked_at=LATER, **SENT),
        {"status": "sent", "code": 2, "message": "Invitation clicked", "clickedDate": AT_LATER},
    ),
    (
        standing(State.FAILED, code=124, reason="undelivered", completed_at=LATER, clicked_at=LATER, **SENT),
        {"status": "sent", "code": 124, "message": "undelivered", "clickedDate": AT_LATER},
    ),
    (
        standing(State.FAILED, code=124, reason="undelivered", completed_at=LATER, **SENT),
        {"status": "sent", "code": 124, "message": "undelivered", "processedDate": AT_NOON, "completionDate": AT_LATER},
    ),
    (
        standing(State.FAILED, code=124, reason="outcome unknown", completed_at=LATER, **SENT),
        {"status": "sent", "code": 124, "message": "outcome unknown"},
    ),
    (
        standing(State.FAILED, code=123, reason="unallocated", completed_at=LATER),
        {"status": "discarded", "code": 123, "message": "unallocated", "processedDate": AT_LATER},
    ),
    (
        standing(State.DISCARDED, code=128, completed_at=NOON),
        {"status": "discarded", "code": 128, "message": "Duplicate invitation", "processedDate": AT_NOON},
    ),
    (standing(State.CANCELLED, code=124, reason="cancelled", completed_at=NOON), {"status": "discarded", "code": 124}),
    (standing(State.EXPIRED, code=124, reason="expired", completed_at=NOON), {"status": "discarded", "code": 124}),
    (standing(State.QUEUED, reference="8s3k3g"), {"referenceId": "8s3k3g"}),
]  # fmt: skip


@pytest.mark.parametrize(("where", "said"), STANDINGS)
def test_where_it_stands(where: Standing, said: dict[str, object]) -> None:
    body = status_body(where)
    assert {name: body[name] for name in said} == said
    assert body["messageId"] == "234234"
    assert body["segments"] == 2
    assert ("referenceId" in body) == bool(where.reference)
    assert ("clickedDate" in body) == (where.clicked_at is not None)
    assert ("plannedDate" in body, "holdReason" in body) == ((body["status"] == "pending"),) * 2
    assert (body["completionDate"] is not None) == (where.state in FINAL)


@pytest.mark.parametrize("state", State)
def test_the_public_word_is_one_of_three(state: State) -> None:
    assert status_body(standing(state))["status"] in ("pending", "sent", "discarded")


@given(st.integers(1_600_000_000_000, 4_102_444_800_000), st.sampled_from([0, 1, 500, 999]))
@example(1795348800001, 0)
@example(1795348800001, 999)
def test_milliseconds_are_exact(told: int, micros: int) -> None:
    """Whole milliseconds of the instant, cut and never off by one: the callback tells the same."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=told, microseconds=micros)
    assert milliseconds(instant) == told


def test_no_instant_is_null() -> None:
    assert milliseconds(None) is None
