"""What an HTTP status or a fault alone tells of a submit; Retry-After; and what a repr must not show."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import (
    Fate,
    Fault,
    Hook,
    Outcome,
    Request,
    Response,
    Submission,
    judged,
    judged_answer,
    proves,
)

MINUTE = timedelta(minutes=1)
ASKED = {"retry-after": "60"}

SUBMITS = [
    # Nothing of the request left: surely not sent. Only our own lack of time or slots costs no try.
    (Response(fault=Fault.UNSENT), Outcome(Fate.LATER, reason="unsent", limit=True)),
    (Response(fault=Fault.UNREACHABLE, detail="refused"), Outcome(Fate.LATER, reason="refused")),
    (Response(fault=Fault.FORBIDDEN), Outcome(Fate.LATER, reason="forbidden")),
    # It may have left: nobody can tell.
    (Response(fault=Fault.TIMEOUT), Outcome(Fate.UNKNOWN, reason="timeout")),
    (Response(fault=Fault.CUT, detail="reset"), Outcome(Fate.UNKNOWN, reason="reset")),
    (Response(202, fault=Fault.OVERSIZED), Outcome(Fate.UNKNOWN, reason="oversized")),
    (Response(0), Outcome(Fate.UNKNOWN, reason="HTTP 0")),
    (Response(199), Outcome(Fate.UNKNOWN, reason="HTTP 199")),
    # The body has the last word.
    (Response(200), None),
    (Response(202), None),
    (Response(299), None),
    (Response(400), None),
    (Response(409), None),
    (Response(422), None),
    # An address that moved, and credentials, are ours to mend.
    (Response(301), Outcome(Fate.STOP_CARRIER, reason="HTTP 301, a redirect")),
    (Response(307), Outcome(Fate.STOP_CARRIER, reason="HTTP 307, a redirect")),
    (Response(308, ASKED), Outcome(Fate.STOP_CARRIER, reason="HTTP 308, a redirect")),
    (Response(401), Outcome(Fate.STOP_CARRIER, reason="HTTP 401")),
    (Response(403), Outcome(Fate.STOP_CARRIER, reason="HTTP 403")),
    *((Response(s), Outcome(Fate.STOP_CARRIER, reason=f"HTTP {s}")) for s in (402, 404, 405, 407, 410, 415, 421)),
    (Response(408), Outcome(Fate.UNKNOWN, reason="HTTP 408")),
    (Response(425, ASKED), Outcome(Fate.LATER, reason="HTTP 425", retry_after=MINUTE)),
    # Said also after a POST was obeyed: nobody can tell.
    (Response(300), Outcome(Fate.UNKNOWN, reason="HTTP 300")),
    (Response(302), Outcome(Fate.UNKNOWN, reason="HTTP 302")),
    (Response(303, ASKED), Outcome(Fate.UNKNOWN, reason="HTTP 303")),
    (Response(304), Outcome(Fate.UNKNOWN, reason="HTTP 304")),
    (Response(399), Outcome(Fate.UNKNOWN, reason="HTTP 399")),
    # Their limits.
    (Response(429), Outcome(Fate.LATER, reason="throttled", limit=True)),
    (Response(429, ASKED), Outcome(Fate.LATER, reason="throttled", retry_after=MINUTE, limit=True)),
    (Response(503, ASKED), Outcome(Fate.LATER, reason="HTTP 503", retry_after=MINUTE, limit=True)),
    # An unexplained error of theirs.
    (Response(500), Outcome(Fate.UNKNOWN, reason="HTTP 500")),
    (Response(500, ASKED), Outcome(Fate.UNKNOWN, reason="HTTP 500")),
    (Response(502), Outcome(Fate.UNKNOWN, reason="HTTP 502")),
    (Response(503), Outcome(Fate.UNKNOWN, reason="HTTP 503")),
    (Response(503, {"retry-after": "soon"}), Outcome(Fate.UNKNOWN, reason="HTTP 503")),
    (Response(599), Outcome(Fate.UNKNOWN, reason="HTTP 599")),
]
RETRY_AFTER = [
    (None, None),
    ("", None),
    ("0", timedelta(0)),
    ("7", timedelta(seconds=7)),
    (" 7 ", timedelta(seconds=7)),
    ("86400", timedelta(days=1)),
    ("86401", timedelta(days=1)),
    ("999999999999999999999", timedelta(days=1)),
    ("-1", None),
    ("+1", None),
    ("1.5", None),
    ("٣", None),  # a digit, but not one of theirs
    ("²", None),
    ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ("9" * 5000, timedelta(days=1)),
]
TEXTS = [(b"", ""), ("grüß".encode(), "grüß"), (b"a\xffb", "a\N{REPLACEMENT CHARACTER}b")]


@pytest.mark.parametrize(("response", "outcome"), SUBMITS)
def test_submit(response: Response, outcome: Outcome | None) -> None:
    assert judged(response) == outcome


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_judged_whatever_the_status(fault: Fault) -> None:
    surely_unsent = fault in {Fault.UNSENT, Fault.UNREACHABLE, Fault.FORBIDDEN}
    outcome = judged(Response(202, fault=fault))
    assert outcome is not None
    assert outcome.fate is (Fate.LATER if surely_unsent else Fate.UNKNOWN)


@pytest.mark.parametrize(("value", "span"), RETRY_AFTER)
def test_retry_after(value: str | None, span: timedelta | None) -> None:
    assert Response(429, {} if value is None else {"retry-after": value}).retry_after == span


@pytest.mark.parametrize(("body", "text"), TEXTS)
def test_text(body: bytes, text: str) -> None:
    assert Response(200, body=body).text == text


@pytest.mark.parametrize(
    "shown",
    [
        Request("POST", "https://carrier.example/", {"authorization": "Basic c2VjcmV0"}, b"to=+13012223333"),
        Hook("POST", "https://us.example/", {}, {"x-signature": "c2VjcmV0"}, b"from=+13012223333"),
    ],
)
def test_a_repr_shows_neither_secrets_nor_numbers(shown: Request | Hook) -> None:
    assert "c2VjcmV0" not in repr(shown)
    assert "3012223333" not in repr(shown)


@pytest.mark.parametrize(
    ("query", "key"),
    [({}, ""), ({"id": "7", "k": "8"}, "7"), ({"id": "9" * 5000}, "9" * 64), ({"id": "\0007\ud800"}, "7")],
)
def test_key_of_a_hook(query: dict[str, str], key: str) -> None:
    assert Hook("POST", "https://h.example/hooks/x", query).key == key


@pytest.mark.parametrize("given", ["", "toke", "token ", "Token", "tök", "\udcff", "\0"])
def test_a_token_is_proven_by_itself_alone(given: str) -> None:
    assert proves("token", b"token")
    assert proves(given, b"token") is False
    assert proves(given, b"token", b"") is False


def test_a_token_is_proven_by_either_of_two() -> None:
    assert proves("new", b"new", b"old")
    assert proves("old", b"new", b"old")
    assert not proves("new")


def test_form_of_a_hook() -> None:
    hook = Hook("POST", "https://h.example/hooks/x", body=b"b=1&a=&b=%C3%A9+%26&c")
    assert hook.form() == [("b", "1"), ("a", ""), ("b", "é &"), ("c", "")]


@pytest.mark.parametrize("body", [b"a=%FF", b"\xff=1", b"&".join(b"a=1" for _ in range(201))])
def test_no_form(body: bytes) -> None:
    with pytest.raises(Refusal) as raised:
        Hook("POST", "https://h.example/hooks/x", body=body).form()
    assert raised.value.code == 400


def test_a_key_of_one_text_by_one_sender() -> None:
    senders = ["+15005550006", "15005550006", "My App", "MyApp", "My_App", "Mÿ App"]
    keys = {Submission(key, sender, "+13012223333", "x", 1).sent_by for key in ("7", "77") for sender in senders}
    assert len(keys) == 12
    assert all(re.fullmatch("7{1,2}-[0-9a-f]{8}", key) for key in keys)


@pytest.mark.parametrize(("status", "fate"), [(404, Fate.STOP_CARRIER), (408, Fate.UNKNOWN), (425, Fate.LATER)])
def test_what_was_said_is_the_reason(status: int, fate: Fate) -> None:
    assert judged(Response(status), "no such account") == Outcome(fate, reason="no such account")


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_found_may_be_what_was_asked_about(status: int) -> None:
    assert judged_answer(Response(status)) is None
    assert judged_answer(Response(status, fault=Fault.OVERSIZED)) == Outcome(Fate.UNKNOWN, reason="oversized")


def test_a_question_that_is_led_elsewhere_is_one_to_mend() -> None:
    for status in (300, 302, 303, 308):
        assert judged_answer(Response(status)) == Outcome(Fate.STOP_CARRIER, reason=f"HTTP {status}, a redirect")
    for response in (Response(200), Response(302, fault=Fault.CUT), Response(401), Response(500)):
        assert judged_answer(response) == judged(response)
