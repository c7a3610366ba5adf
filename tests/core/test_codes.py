"""The codes as the Social Invite API 2.0 prints them, and how a refusal gets its HTTP status."""

from __future__ import annotations

import pytest

from dispatcher.core.codes import Code, Refusal

SEED = [
    (0, "Invitation request accepted", 200),
    (1, "Invitation delivered", 200),
    (2, "Invitation clicked", 200),
    (100, "Permission denied", 401),
    (101, "Invalid parameter(s) in your API call", 400),
    (102, "Missing parameter(s) in your API call", 400),
    (103, "Resource not found", 404),
    (123, "Invalid phone", 400),
    (124, "Send failed", 200),
    (125, "Not a mobile phone", 200),
    (126, "Mobile device not compatible", 200),
    (127, "User opted-out", 200),
    (128, "Duplicate invitation", 200),
]
REFUSALS = [
    (Refusal(Code.MISSING, "missing: phone"), 102, 400, None),
    (Refusal(Code.DENIED, "no such key"), 100, 401, None),
    (Refusal(Code.DENIED, "country not allowed", http=403), 100, 403, None),
    (Refusal(409, "used before"), 409, 409, None),
    (Refusal(429, "slower", retry_after=7), 429, 429, 7),
]


@pytest.mark.parametrize(("number", "sentence", "http"), SEED)
def test_each_code(number: int, sentence: str, http: int) -> None:
    code = Code(number)
    assert (int(code), code.sentence, code.http) == (number, sentence, http)


def test_there_are_no_others() -> None:
    assert [int(code) for code in Code] == [number for number, _, _ in SEED]


@pytest.mark.parametrize(("refusal", "code", "http", "retry_after"), REFUSALS)
def test_refusals(refusal: Refusal, code: int, http: int, retry_after: int | None) -> None:
    assert (refusal.code, refusal.http, refusal.retry_after) == (code, http, retry_after)
    assert type(refusal.code) is int
    assert str(refusal) == refusal.message
