"""Kannel's words: left what it says, right what is made of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.carriers.kannel import from_settings
from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.core.segments import count
from dispatcher.engine.transport import Answerable
from dispatcher.wiring.carriers import carrier_of
from tests.carriers import noise
from tests.carriers.meanings import unexplained
from tests.carriers.noise import NOON, PAGE, short
from tests.carriers.texts import SUBMISSIONS

EXAMPLE: Final = Path(__file__).parents[2] / "config" / "connections" / "kannel.toml"
TOKEN: Final = "t%k&n é"
SAID: Final = "t%25k%26n%20%C3%A9"
CREDENTIALS: Final = {"password": "pass & word", "hook_token": TOKEN}
SETTINGS: Final = {"url": "http://127.0.0.1:13013/cgi-bin/sendsms", "username": "dispatcher"}
CARRIER: Final = from_settings(Given(SETTINGS, CREDENTIALS))
URL: Final = "https://us.example/hooks/kannel?id=77"
MT: Final = Submission("77", "+15005550006", "+13012223333", "Join me", 1, URL)

# --- The submit ----------------------------------------------------------------------------------------------------


def asked(mt: Submission = MT, **settings: str) -> dict[str, str]:
    request = from_settings(Given(SETTINGS | settings, CREDENTIALS)).build(mt, NOON)
    assert (request.method, request.body) == ("GET", b"")
    url, _, query = request.url.partition("?")
    assert url == SETTINGS["url"]
    assert request.url.isascii()
    return dict(parse_qsl(query, strict_parsing=True))


def test_build() -> None:
    assert asked() == {
        "username": "dispatcher",
        "password": "pass & word",
        "to": "+13012223333",
        "text": "Join me",
        "from": "+15005550006",
        "coding": "0",
        "charset": "UTF-8",
        "dlr-url": f"{URL}&token={SAID.replace('%', '%%')}&status=%d&answer=%A",
        "dlr-mask": "31",
    }
    assert asked(smsc="main") == asked() | {"smsc": "main"}


@pytest.mark.parametrize("mt", SUBMISSIONS, ids=short)
def test_texts_and_senders(mt: Submission) -> None:
    found = asked(mt)
    assert (found["text"], found["from"], found["to"]) == (mt.text, mt.sender, mt.to)
    assert found["coding"] == ("0" if count(mt.text).encoding == "GSM-7" else "2")


def test_it_cannot_be_asked() -> None:
    assert not isinstance(CARRIER, Answerable)


def test_secrets_are_not_shown() -> None:
    assert "word" not in repr(CARRIER)
    assert TOKEN not in repr(CARRIER)
    assert "word" not in repr(CARRIER.build(MT, NOON))


# --- The answer ----------------------------------------------------------------------------------------------------

FULL: Final = "Temporal failure, try again later."
READ: Final = [
    (202, "0: Accepted for delivery", Outcome(Fate.TAKEN)),
    (202, "0: Accepted for delivery\n", Outcome(Fate.TAKEN)),
    (202, "3: Queued for later delivery", Outcome(Fate.TAKEN)),
    (202, "Sent.", Outcome(Fate.UNKNOWN, reason="HTTP 202")),
    (202, "", Outcome(Fate.UNKNOWN, reason="HTTP 202")),
    (200, "0: Accepted for delivery", Outcome(Fate.UNKNOWN, reason="HTTP 200")),
    (200, PAGE.decode(), Outcome(Fate.UNKNOWN, reason="HTTP 200")),
    (400, "Missing receiver number, rejected",
     Outcome(Fate.NEVER, "", "Missing receiver number, rejected", Code.INVALID_PHONE)),
    (400, "Empty receiver number not allowed, rejected",
     Outcome(Fate.NEVER, "", "Empty receiver number not allowed, rejected", Code.INVALID_PHONE)),
    (400, "Number(s) has/have been denied by white- and/or black-lists.",
     Outcome(Fate.NEVER, "", "Number(s) has/have been denied by white- and/or black-lists.", Code.INVALID_PHONE)),
    (400, "Sender missing and no global set, rejected",
     Outcome(Fate.OTHER_SENDER, "", "Sender missing and no global set, rejected")),
    (400, "Charset or body misformed, rejected", unexplained("Charset or body misformed, rejected")),
    (400, "", unexplained("HTTP 400")),
    (400, "x" * 300, unexplained("x" * 255)),
    (403, "Authorization failed for sendsms", Outcome(Fate.STOP_CARRIER, "", "Authorization failed for sendsms")),
    (403, "Not routable. Do not try again.", Outcome(Fate.NEVER, "", "Not routable. Do not try again.")),
    (403, "Forbidden", Outcome(Fate.STOP_CARRIER, "", "Forbidden")),
    (401, "", Outcome(Fate.STOP_CARRIER, "", "HTTP 401")),
    (404, "Unknown request.", Outcome(Fate.STOP_CARRIER, "", "Unknown request.")),
    (405, "", Outcome(Fate.STOP_CARRIER, "", "HTTP 405")),
    (503, FULL, Outcome(Fate.LATER, "", FULL, limit=True)),
    (503, "Bad gateway", Outcome(Fate.UNKNOWN, "", "HTTP 503")),
    (429, "", Outcome(Fate.LATER, "", "throttled", limit=True)),
    (500, "", Outcome(Fate.UNKNOWN, "", "HTTP 500")),
    (302, "", Outcome(Fate.UNKNOWN, "", "HTTP 302")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said", "outcome"), READ, ids=short)
def test_read(status: int, said: str, outcome: Outcome) -> None:
    assert CARRIER.read(Response(status, {"content-type": "text/html"}, said.encode())) == outcome


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_judged_whatever_was_read_of_the_body(fault: Fault) -> None:
    sure = fault in (Fault.UNSENT, Fault.UNREACHABLE, Fault.FORBIDDEN)
    for status, said in ((0, b""), (202, b"0: Accepted for delivery"), (400, b"Missing receiver number")):
        assert CARRIER.read(Response(status, {}, said, fault)).fate is (Fate.LATER if sure else Fate.UNKNOWN)


# --- Hooks ---------------------------------------------------------------------------------------------------------


def hook(query: str) -> Hook:
    url = f"https://us.example/hooks/kannel?{query}"
    return Hook("GET", url, {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()})


def reported(status: object, answer: str = "") -> Hook:
    """As Kannel fills in the dlr-url that it was given."""
    return hook(f"id=77&token={SAID}&status={status}&answer={quote(answer, safe='')}")


def rejected(number: str, words: str = "Invalid") -> str:
    return f"NACK/{number}/{words}"


UNDELIVERED: Final = "id:3 sub:001 dlvrd:000 stat:UNDELIV err:000"
SUBMIT, DELIVER, REFUSE = Event.SUBMIT, Event.DELIVER, Event.REFUSE
REPORTS: Final = [
    (8, "ACK/", Receipt(SUBMIT, "77", "", "ACK/")),
    (4, "", Receipt(SUBMIT, "77")),
    (12, "", Receipt(SUBMIT, "77")),
    (1, "", Receipt(DELIVER, "77")),
    (1, "id:3 stat:DELIVRD", Receipt(DELIVER, "77", "", "id:3 stat:DELIVRD")),
    (2, f"{UNDELIVERED} text:Join me\nnow", Receipt(REFUSE, "77", "", UNDELIVERED)),
    (2, f"{UNDELIVERED} Text:", Receipt(REFUSE, "77", "", UNDELIVERED)),
    (2, UNDELIVERED, Receipt(REFUSE, "77", "", UNDELIVERED)),
    (16, "NACK/no SMSC", Receipt(REFUSE, "77", "", "NACK/no SMSC")),
    (16, rejected("0x0000000b"), Receipt(REFUSE, "77", "", rejected("0x0000000b"), Code.INVALID_PHONE)),
    (16, rejected("0x00000050"), Receipt(REFUSE, "77", "", rejected("0x00000050"), Code.INVALID_PHONE)),
    (16, rejected("0x0000000A"), Receipt(REFUSE, "77", "", rejected("0x0000000A"), filtered=True)),
    (16, rejected("0x00000058"), Receipt(REFUSE, "77", "", rejected("0x00000058"))),
    (16, "NACK/" + "x" * 300, Receipt(REFUSE, "77", "", ("NACK/" + "x" * 300)[:255])),
    (8, rejected("0x0000000b"), Receipt(SUBMIT, "77", "", rejected("0x0000000b"))),
    (34, "", Receipt(REFUSE, "77")),  # expired, in later versions
    (66, "", Receipt(SUBMIT, "77")),  # unknown, in later versions
    (9, "", Receipt(DELIVER, "77")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "answer", "expected"), REPORTS, ids=short)
def test_receipts(status: int, answer: str, expected: Receipt) -> None:
    assert CARRIER.verify(reported(status, answer), NOON)
    assert CARRIER.events(reported(status, answer)) == [expected]


@pytest.mark.parametrize("status", [0, 3, 17, 18, 19, 32, 128, 999])
def test_an_unknown_status_tells_nothing(status: int) -> None:
    assert CARRIER.events(reported(status)) == []


@pytest.mark.parametrize(
    "query",
    ["", "id=77", "status=1", "id=77&status=", "id=77&status=-1", "id=77&status=%25d", "id=77&status=1.0",
     "id=77&status=1000", "from=1&to=2", "from=&to=2&text=x", "to=2&text=x", "&".join(f"a{n}=1" for n in range(300))],
    ids=short,
)  # fmt: skip
def test_hooks_that_cannot_be_read(query: str) -> None:
    with pytest.raises(Refusal) as refusal:
        CARRIER.events(hook(query))
    assert refusal.value.http == 400


SENT: Final = "from=%2B13012223333&to=%2B15005550006&id=57a31e9e&coding=0"
REPLIES: Final = [
    ("text=STOP+now+%26+%C3%A9&charset=UTF-8", "STOP now & é"),
    ("text=STOP", "STOP"),
    ("text=&charset=UTF-8", ""),
    ("text=%00h%00%E9%20%1C%D8%3C%DF%89&charset=UTF-16BE", "hé\N{LEFT DOUBLE QUOTATION MARK}\N{PARTY POPPER}"),
    ("text=caf%E9&charset=ISO-8859-1", "café"),
    ("text=caf%E9&charset=UTF-8", "caf\N{REPLACEMENT CHARACTER}"),
    ("text=caf%C3%A9&charset=klingon", "café"),
    ("text=caf%C3%A9&charset=hex", "café"),
    ("text=a%00b&charset=UTF-8", "ab"),
    ("text=%D8&charset=UTF-16BE", "\N{REPLACEMENT CHARACTER}"),
    (f"text={'x' * 5000}", "x" * 4096),
]  # fmt: skip


@pytest.mark.parametrize(("said", "text"), REPLIES, ids=short)
def test_replies(said: str, text: str) -> None:
    [reply] = CARRIER.events(hook(f"{SENT}&{said}&token={SAID}"))
    assert reply == Reply(their_number="+13012223333", our_number="+15005550006", text=text, ref="57a31e9e")


def test_when_a_reply_was_written() -> None:
    [reply] = CARRIER.events(hook(f"{SENT}&text=STOP&time={int(NOON.timestamp())}&token={SAID}"))
    assert isinstance(reply, Reply)
    assert reply.said_at == NOON


def test_a_reply_needs_no_more_than_who_wrote_what() -> None:
    reply = Reply(their_number="+13012223333", our_number="", text="STOP")
    assert CARRIER.events(hook("from=%2B13012223333&text=STOP")) == [reply]


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN + "x", TOKEN.upper(), "t", "\N{SNOWMAN}", "\0", "x" * 100_000], ids=short
)
def test_forged_hooks(token: str) -> None:
    assert CARRIER.verify(hook(f"id=77&status=1&token={SAID}"), NOON)
    assert CARRIER.verify(hook(f"id=77&status=1&token={quote(token)}"), NOON) is False
    assert CARRIER.verify(Hook("GET", URL, {"token": "\udcff"}), NOON) is False
    assert CARRIER.verify(hook("id=77&status=1"), NOON) is False


def test_what_comes_back_is_what_was_asked() -> None:
    """Kannel fills in %d and %A, and makes one percent of two."""
    filled = {"%%": "%", "%d": "1", "%A": "ACK%2F"}
    url = re.sub("%.", lambda escape: filled[escape[0]], asked()["dlr-url"])
    back = hook(urlsplit(url).query)
    assert CARRIER.verify(back, NOON)
    assert CARRIER.events(back) == [Receipt(DELIVER, "77", "", "ACK/")]


# --- Noise ---------------------------------------------------------------------------------------------------------

NAMES: Final = ["status", "answer", "from", "to", "text", "charset"]


@given(noise.responses(NAMES, [b"0: Accepted", b"Missing receiver"]))
def test_noise_is_never_taken(response: Response) -> None:
    noise.read_calmly(CARRIER, response)


@given(noise.hooks(NAMES, [b"x"]))
def test_noise_delivers_nothing(hook: Hook) -> None:
    noise.heard_calmly(CARRIER, hook, [])


@given(st.text(st.sampled_from("%=&;+abcdefstaus0123456789") | st.characters(), max_size=60))
def test_broken_queries(query: str) -> None:
    noise.heard_calmly(
        CARRIER, Hook("GET", f"https://us.example/hooks/kannel?id=77&status=2&{query}", {"id": "77"}), []
    )


# --- Settings ------------------------------------------------------------------------------------------------------


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANNEL_PASSWORD", CREDENTIALS["password"])
    monkeypatch.setenv("KANNEL_HOOK_TOKEN", TOKEN)
    carrier = carrier_of("kannel", tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert carrier.build(MT, NOON) == CARRIER.build(MT, NOON)
    assert carrier.verify(reported(1), NOON)


@pytest.mark.parametrize(
    ("settings", "credentials", "said"),
    [
        ({"username": "u"}, CREDENTIALS, "url: is missing"),
        (SETTINGS | {"url": "http://h/?a=b"}, CREDENTIALS, "url: must be"),
        ({"url": "http://h/"}, CREDENTIALS, "username: is missing"),
        (SETTINGS, {"password": "p"}, "credentials.hook_token: is missing"),
        (SETTINGS, {"hook_token": "p"}, "credentials.password: is missing"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], credentials: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        from_settings(Given(settings, credentials))
