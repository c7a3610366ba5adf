"""What a door makes of what came in: clean strings, or every fault in one sentence."""

from __future__ import annotations

import pytest

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.fields import MANY, Field, Given, gather, read

FIELDS = (
    Field("phone", "whom", required=True),
    Field("osType", "for what", required=True, choices=("IOS", "ANDROID")),
    Field("note", "anything", most=5),
)
NO_TEXT = "note: holds a NUL character or half a surrogate pair, which is not text"
GOOD = {"phone": "3012223333", "osType": "IOS"}

READ: list[tuple[Given, dict[str, str]]] = [
    (GOOD, GOOD | {"note": ""}),
    (GOOD | {"note": "hello"}, GOOD | {"note": "hello"}),
    (GOOD | {"note": ""}, GOOD | {"note": ""}),
    (GOOD | {"note": None}, GOOD | {"note": ""}),  # JSON's null
    (GOOD | {"note": "grüße"}, GOOD | {"note": "grüße"}),
    (GOOD | {"note": "😀" * 5}, GOOD | {"note": "😀" * 5}),  # counted in characters
    (GOOD | {"other": "ignored", "more": 7}, GOOD | {"note": ""}),
]
REFUSED: list[tuple[Given, Code, str]] = [
    ({}, Code.MISSING, "missing: phone, osType"),
    ({"phone": "", "osType": None}, Code.MISSING, "missing: phone, osType"),
    ({"osType": "IOS"}, Code.MISSING, "missing: phone"),
    ({"osType": "PALM", "note": "too long"}, Code.MISSING, "missing: phone"),  # 102 comes before 101
    (GOOD | {"osType": "ios"}, Code.INVALID, "osType: must be one of IOS, ANDROID"),
    (GOOD | {"note": "sixsix"}, Code.INVALID, "note: 6 characters; at most 5"),
    (GOOD | {"note": 5}, Code.INVALID, "note: must be a string"),
    (GOOD | {"note": False}, Code.INVALID, "note: must be a string"),
    (GOOD | {"note": ["a"]}, Code.INVALID, "note: must be a string"),
    (GOOD | {"note": MANY}, Code.INVALID, "note: given more than once"),
    (GOOD | {"phone": MANY}, Code.INVALID, "phone: given more than once"),
    (GOOD | {"note": "a\0b"}, Code.INVALID, NO_TEXT),
    (GOOD | {"note": "ü\0"}, Code.INVALID, NO_TEXT),
    (GOOD | {"note": "\ud83d"}, Code.INVALID, NO_TEXT),
    (GOOD | {"note": "\udfff"}, Code.INVALID, NO_TEXT),
    (
        {"phone": MANY, "osType": "PALM", "note": 1},
        Code.INVALID,
        "phone: given more than once; osType: must be one of IOS, ANDROID; note: must be a string",
    ),
]
GATHERED: list[tuple[list[tuple[str, str]], dict[str, object]]] = [
    ([], {}),
    ([("a", "1"), ("b", "")], {"a": "1", "b": ""}),
    ([("a", "1"), ("a", "1")], {"a": MANY}),
    ([("a", "1"), ("b", "2"), ("a", ""), ("a", "3")], {"a": MANY, "b": "2"}),
]


@pytest.mark.parametrize(("given", "values"), READ)
def test_read(given: Given, values: dict[str, str]) -> None:
    assert read(FIELDS, given) == values


@pytest.mark.parametrize(("given", "code", "message"), REFUSED)
def test_refused(given: Given, code: Code, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(FIELDS, given)
    assert (refused.value.code, refused.value.message, refused.value.http) == (code, message, 400)


@pytest.mark.parametrize(("pairs", "found"), GATHERED)
def test_gather(pairs: list[tuple[str, str]], found: dict[str, object]) -> None:
    assert gather(pairs) == found
