"""Through a real Kannel to its own fake SMSC and back: texts, receipts, replies; and its own words for a submit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import pytest

from dispatcher.carriers.kannel import Kannel, from_settings
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Hook, Outcome, Receipt, Reply, Response, Submission
from dispatcher.core.given import Given
from dispatcher.core.lifecycle import Event
from dispatcher.store.database import Database
from tests.carriers.noise import NOON, short
from tests.carriers.stand import Seen, Stand, carried
from tests.carriers.texts import SUBMISSIONS
from tests.factories import SECRET, provision
from tests.peers.kannel import ABSENT, PASSWORD, USER, Gateway
from tests.processes import Customer, eventually, staged

pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"Debian's {ABSENT} is not installed")

TOKEN: Final = "t%ken & é"
TAKEN: Final = Outcome(Fate.TAKEN)
FULL: Final = Outcome(Fate.LATER, reason="Temporal failure, try again later.", limit=True)
REPLIES: Final = f"from=%p&to=%P&text=%b&id=%I&charset=%C&coding=%c&time=%T&token={quote(TOKEN, safe='')}"
PERSON, SENDER = "+13012223333", "+12015550000"
MT: Final = Submission("77", SENDER, PERSON, "Join me", 1, "http://127.0.0.1:9/hooks/carrier?id=77")


def carrier_at(gateway: Gateway, smsc: str) -> Kannel:
    settings = {"url": gateway.url, "username": USER, "smsc": smsc}
    return from_settings(Given(settings, {"password": PASSWORD, "hook_token": TOKEN}))


def get_url(public_url: str) -> str:
    """The get-url of its sms-service, as docs/carriers.md has it; a percent that is meant is written twice."""
    head, _, token = REPLIES.partition("&token=")
    return f"{public_url}/hooks/carrier?{head}&token={token.replace('%', '%%')}"


# --- Words ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hooks() -> Iterator[Stand]:
    """Where this Kannel calls."""
    with Stand(Response(200)) as stand:
        yield stand


@pytest.fixture(scope="module")
def upstream() -> Iterator[Stand]:
    """A smsbox that Kannel's own client submits to."""
    with Stand(Response(202, {"Content-Type": "text/html"}, b"0: Accepted for delivery")) as stand:
        yield stand


@pytest.fixture(scope="module")
def gateway(hooks: Stand, upstream: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("kannel")
    with Gateway(folder, get_url(hooks.url), f"{upstream.url}/cgi-bin/sendsms", recode=False) as gateway:
        yield gateway


def fields(target: str, charset: str = "utf-8") -> dict[str, str]:
    return dict(parse_qsl(target.partition("?")[2], keep_blank_values=True, encoding=charset))


@pytest.mark.parametrize("mt", SUBMISSIONS, ids=short)
def test_its_own_client_says_the_same(gateway: Gateway, hooks: Stand, upstream: Stand, mt: Submission) -> None:
    """Kannel sends on what we sent, in its own words, which are then compared with ours."""
    upstream.seen.clear()
    carrier = carrier_at(gateway, "upstream")
    request = carrier.build(replace(mt, receipt_url=f"{hooks.url}/upstream?id=1"), NOON)
    assert carrier.read(carried(request)) == TAKEN
    ours = fields(request.url)
    parts = eventually("its submits", lambda: whole(upstream.seen, mt.text))
    for part in parts:
        for name in ("to", "from", "coding"):
            assert fields(part.target)[name] == ours[name]
        assert fields(part.target)["username"] == USER
        assert fields(part.target)["password"] == PASSWORD


def whole(seen: list[Seen], text: str) -> list[Seen] | None:
    """The submits, once they make this text together."""
    said = []
    for each in seen:
        charset = fields(each.target)["charset"]
        said.append(fields(each.target, charset)["text"])
    return list(seen) if "".join(said) == text else None


CALLS: Final = [
    ("77", "text", "Join me & 100% of é €^"),
    ("78", "ucs-2", "\N{LEFT DOUBLE QUOTATION MARK}Join\N{RIGHT DOUBLE QUOTATION MARK} me \N{PARTY POPPER}"),
]


@pytest.mark.parametrize(("key", "kind", "text"), CALLS)
def test_a_text_and_its_receipts(gateway: Gateway, hooks: Stand, key: str, kind: str, text: str) -> None:
    """Our token and our id come back through its escapes, with "accepted" and "delivered"."""
    before = len(gateway.arrived())
    carrier, url = carrier_at(gateway, "fake"), f"{hooks.url}/hooks/carrier?id={key}"
    assert carrier.read(carried(carrier.build(Submission(key, SENDER, PERSON, text, 1, url), NOON))).fate is Fate.TAKEN
    [arrived] = eventually("the text", lambda: gateway.arrived()[before:])
    assert arrived.startswith(f"{SENDER} {PERSON} {kind} ")
    assert arrived.endswith(text) == (kind == "text")
    told = eventually("both receipts", lambda: two(events_of(carrier, hooks, f"?id={key}&")))
    assert set(told) == {Receipt(Event.SUBMIT, key, "", "ACK/"), Receipt(Event.DELIVER, key)}


WRITTEN: Final = [
    ("text", "Please STOP & é", "Please STOP & é"),
    ("ucs2", "%00h%00%E9%20%1C%D8%3C%DF%89", "hé\N{LEFT DOUBLE QUOTATION MARK}\N{PARTY POPPER}"),
]


@pytest.mark.parametrize(("kind", "written", "text"), WRITTEN, ids=["text", "ucs2"])
def test_a_reply(gateway: Gateway, hooks: Stand, kind: str, written: str, text: str) -> None:
    """Also where Kannel leaves its charset as it came (mo-recode = false)."""
    hooks.seen.clear()
    gateway.reply(PERSON, SENDER, written, kind)
    [reply] = eventually("the reply", lambda: events_of(carrier_at(gateway, "fake"), hooks, "?from="))
    assert isinstance(reply, Reply)
    assert (reply.their_number, reply.our_number, reply.text) == (PERSON, SENDER, text)
    assert len(reply.ref) == 36


def events_of(carrier: Kannel, hooks: Stand, mark: str) -> list[Receipt | Reply]:
    """What the hooks tell whose address holds this mark."""
    events: list[Receipt | Reply] = []
    for seen in hooks.seen:
        if mark in seen.target:
            hook = Hook(seen.method, f"http://127.0.0.1{seen.target}", fields(seen.target))
            assert carrier.verify(hook, NOON)
            events += carrier.events(hook)
    return events


def two(events: list[Receipt | Reply]) -> list[Receipt | Reply] | None:
    return events if len(events) >= 2 else None


REFUSED: Final = [
    ({"password": "wrong"}, MT, Fate.STOP_CARRIER, Code.SEND_FAILED),
    ({}, replace(MT, to="abc"), Fate.NEVER, Code.INVALID_PHONE),
    ({}, replace(MT, to=""), Fate.NEVER, Code.INVALID_PHONE),
    ({}, replace(MT, sender=""), Fate.OTHER_SENDER, Code.SEND_FAILED),
]


@pytest.mark.parametrize(("changed", "mt", "fate", "code"), REFUSED, ids=short)
def test_refusals(gateway: Gateway, changed: dict[str, Any], mt: Submission, fate: Fate, code: Code) -> None:
    carrier = replace(carrier_at(gateway, "fake"), **changed)
    outcome = carrier.read(carried(carrier.build(mt, NOON)))
    assert (outcome.fate, outcome.code) == (fate, code)


def test_no_smsc_for_it(gateway: Gateway) -> None:
    """One number (or route) that it does not serve; its 403 is no word on our password."""
    carrier = carrier_at(gateway, "nosuch")
    outcome = carrier.read(carried(carrier.build(MT, NOON)))
    assert outcome == Outcome(Fate.NEVER, reason="Not routable. Do not try again.")


def test_a_full_queue(tmp_path: Path) -> None:
    """Nothing was taken, and it says so by a 503 without Retry-After."""
    with Gateway(tmp_path / "kannel", queue=1) as gateway:
        carrier = carrier_at(gateway, "mo")  # where nobody takes them
        outcomes = [carrier.read(carried(carrier.build(MT, NOON))) for _ in range(3)]
    assert outcomes == [TAKEN, FULL, FULL]


# --- The whole engine ----------------------------------------------------------------------------------------------


def test_the_engine_through_kannel_and_back(database_url: str, database: Database, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    credentials = {"password": f"file:{tmp_path}/password", "hook_token": f"file:{tmp_path}/token"}
    with (
        staged(database_url, tmp_path, WEB__WORKERS=1) as stage,
        Gateway(tmp_path / "kannel", get_url(f"http://127.0.0.1:{stage.port}")) as gateway,
    ):
        settings = {"url": gateway.url, "username": USER, "smsc": "fake", "credentials": credentials}
        provision(database, carrier="kannel", settings=settings)
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)
        invited = customer.invite(PERSON, message="Join me & 100% of é €^").json["messageId"]
        assert customer.final(invited)["code"] == 1
        assert gateway.arrived() == [f"{SENDER} {PERSON} text Join me & 100% of é €^"]

        gateway.reply(PERSON, SENDER, "STOP")
        [confirmation] = eventually("the confirmation", lambda: gateway.arrived()[1:])
        assert confirmation.startswith(f"{SENDER} {PERSON} text You have been unsubscribed")
        again = customer.invite(PERSON, message="Join me").json
        assert (again["status"], again["code"]) == ("discarded", 127)

        gateway.reply(PERSON, SENDER, "%00S%00T%00A%00R%00T", "ucs2")
        [_, welcome] = eventually(
            "both confirmations", lambda: gateway.arrived()[1:] if len(gateway.arrived()) > 2 else None
        )
        assert welcome.startswith(f"{SENDER} {PERSON} text You are subscribed")
        assert len(gateway.arrived()) == 3
        assert stage.complaints() == []
