"""Carrier hooks of described carriers: what is not genuine changes nothing, what is genuine is kept before the 2xx."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import pytest
from werkzeug.test import TestResponse

from dispatcher.core.codes import Code
from dispatcher.core.decision import Send
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.lifecycle import Event
from dispatcher.core.senders import LaneKey
from dispatcher.engine.ports import Marked, Settled
from dispatcher.store.hooks import HookBook
from dispatcher.store.pool import SenderPool
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.web.api import (
    DATABASES,
    FORM,
    INVITE,
    JSON,
    Api,
    Post,
    accepted,
    invitation,
    new_database,
    refused,
    served,
    short,
)

TOKEN: Final = "token of a hook"
CREDENTIALS: Final = {"token": "env:TEST_HOOK_TOKEN"}
WORDS: Final = {
    "key": "query:id",
    "ref": "json:message.id",
    "status": "json:message.status",
    "reason": "json:message.error",
    "delivered": ["delivered"],
    "failed": ["failed", "undelivered"],
    "accepted": ["sent"],
    "codes": {"landline": 125, "gone": 123},
}
FORM_WORDS: Final = WORDS | {"key": "form:key", "ref": "form:ref", "status": "form:status", "reason": "form:why"}
QUERY_WORDS: Final = WORDS | {"ref": "query:ref", "status": "query:status", "reason": "query:why"}


def described(words: Mapping[str, Any], verify: Mapping[str, str] | str) -> dict[str, Any]:
    request = {"url": "http://127.0.0.1:9/submit", "content_type": JSON, "body": '{"to": "{to}"}'}
    receipts = {**words, "verify": verify}
    return {"credentials": CREDENTIALS, "request": request, "answer": {"id": "json:id"}, "receipts": receipts}


BY_HEADER: Final = {"by": "header", "name": "X-Token", "credential": "token"}
BY_QUERY: Final = {"by": "query", "name": "token", "credential": "token"}
BY_HMAC: Final = {"by": "hmac", "name": "X-Signature", "credential": "token"}
GENUINE: Final = {"X-Token": TOKEN}


@pytest.fixture(scope="module", params=DATABASES)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Connection 1, `carrier`, proves itself by a header; all that is submitted here goes through it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        new_database(str(request.param), request, tmp_path_factory.mktemp("hooks")) as url,
    ):
        patch.setenv("TEST_HOOK_TOKEN", TOKEN)
        hear = {"callback_url": "http://127.0.0.1:9/", "carrier": "generic", "settings": described(WORDS, BY_HEADER)}
        with served(url, **hear) as api:
            for name, words, verify in (
                ("form", FORM_WORDS, BY_HEADER),
                ("query", QUERY_WORDS, BY_QUERY),
                ("signed", WORDS, BY_HMAC),
                ("open", WORDS, "none"),
            ):
                api.rows.add_connection(name, "generic", described(words, verify), {})
            silent = described(WORDS, BY_HEADER)
            del silent["receipts"]
            api.rows.add_connection("silent", "generic", silent, {})
            api.rows.add_connection("simulated", "simulated", {}, {})
            for connection_id in range(1, 6):  # they were heard just now: what is forged meanwhile raises no alarm
                HookBook(api.database).genuine(connection_id, utc_now())
            yield api


def told(status: str = "delivered", **message: object) -> bytes:
    return json.dumps({"message": {"status": status, **message}}).encode()


def hook(
    api: Api, body: bytes, key: str = "", *, at: str = "carrier", headers: Mapping[str, str | None] = GENUINE
) -> TestResponse:
    path = f"/hooks/{at}" + (f"?id={key}" if key else "")
    return api.send(Post(body, JSON, {"Authorization": None, **headers}, path))


def took(answer: TestResponse) -> None:
    status = 204 if answer.request.method == "POST" else 200
    assert (answer.status_code, answer.data) == (status, b""), answer.data


def submitting(api: Api) -> Marked:
    """An invitation of which the carrier is just being told."""
    number = int(accepted(api.invite(invitation()))["messageId"])
    queue, now = MessageQueue(api.database), utc_now()
    rows = queue.claim({LaneKey(1, "US"): 1000}, now + timedelta(hours=1), timedelta(minutes=1))
    pool = SenderPool(api.database).usable(timedelta(seconds=1), None)
    choice = pool.choose(1, "US", "+12012223333")
    assert choice is not None
    sends = [Send(row, choice) for row in rows if row.id == number]
    limits = {"lease": timedelta(minutes=1), "horizon": timedelta(minutes=1)}
    [marked] = queue.mark(sends, [], [], now=now, worker_id=1, **limits)
    return marked


def settle(api: Api, marked: Marked, ref: str = "", fate: Fate = Fate.TAKEN) -> str:
    """What the carrier answered is written; the message id."""
    row, taken = marked.row, fate is Fate.TAKEN
    event = Event.SUBMIT if taken else Event.LOSE
    due = utc_now() + timedelta(hours=1)
    result = Settled(row.id, row.generation, event, Outcome(fate, ref=ref), Code.ACCEPTED, due, sent=taken)
    MessageQueue(api.database).settle([result], utc_now())
    return str(row.id)


def submitted(api: Api, ref: str = "") -> str:
    return settle(api, submitting(api), ref)


def status(api: Api, key: str) -> tuple[str, int, str]:
    body = api.ask(f"{INVITE}/{key}").get_json()
    return body["status"], body["code"], body["message"]


CALLBACKS: Final = Statement("select status from callbacks where message_id = :id order by kind")
BOXED: Final = Statement("select key, ref, event from receipts order by id")
STATES: Final = Statement("select id, state, code, reason from messages order by id")


def called(api: Api, key: str) -> list[int]:
    return [row[0] for row in api.query(CALLBACKS, id=int(key))]


PENDING: Final = ("pending", 0, Code.ACCEPTED.sentence)
SENT: Final = ("sent", 0, Code.ACCEPTED.sentence)
DELIVERED: Final = ("sent", 1, Code.DELIVERED.sentence)

# --- What is genuine -----------------------------------------------------------------------------------------------

TOLD: Final = [
    (told("delivered"), DELIVERED),
    (told("failed"), ("sent", 124, "failed")),
    (told("undelivered", error="expired"), ("sent", 124, "expired")),
    (told("failed", error="landline"), ("sent", 125, "landline")),
    (told("failed", error="gone"), ("sent", 123, "gone")),
    (told("failed", error=7), ("sent", 124, "7")),
    (told("failed", error="\N{PILE OF POO} נכשל"), ("sent", 124, "\N{PILE OF POO} נכשל")),
    (told("failed", error="e" * 5000), ("sent", 124, "e" * 255)),
    (told("sent"), SENT),
]


@pytest.mark.parametrize(("body", "standing"), TOLD)
def test_a_receipt_by_our_id(api: Api, body: bytes, standing: tuple[str, int, str]) -> None:
    key = submitted(api)
    assert status(api, key) == SENT
    took(hook(api, body, key))
    assert status(api, key) == standing
    assert called(api, key) == ([standing[1]] if standing[1] else [])


@pytest.mark.parametrize(("body", "standing"), TOLD)
def test_a_receipt_by_the_carriers_id(api: Api, body: bytes, standing: tuple[str, int, str]) -> None:
    ref = f"ref {body.hex()[:240]}"
    key = submitted(api, ref)
    said = json.loads(body)
    took(hook(api, json.dumps({"message": said["message"] | {"id": ref}}).encode()))
    assert status(api, key) == standing


def test_receipts_in_forms_and_queries(api: Api) -> None:
    """Of other connections, so they find no message: they are read all the same, and kept."""
    before = len(api.query(BOXED))
    took(api.send(Post(b"key=k%2B1&ref=r+1&status=delivered", FORM, GENUINE, "/hooks/form")))
    took(api.ask(f"/hooks/query?id=k2&ref=r%202&status=failed&token={TOKEN}"))
    took(api.send(Post(b"", None, {}, f"/hooks/query?id=k3&ref=r3&status=sent&token={TOKEN}")))
    assert [tuple(row) for row in api.query(BOXED)[before:]] == [
        ("k+1", "r 1", "deliver"), ("k2", "r 2", "refuse"), ("k3", "r3", "submit")
    ]  # fmt: skip


def test_a_head_changes_nothing(api: Api) -> None:
    before = len(api.query(BOXED))
    for token in (TOKEN, "forged"):
        answer = api.ask(f"/hooks/query?id=k4&ref=r4&status=failed&token={token}", "HEAD")
        assert (answer.status_code, answer.data) == (200, b"")
    assert len(api.query(BOXED)) == before
    assert api.ask(f"/hooks/none?id=k4&ref=r4&status=failed&token={TOKEN}", "HEAD").status_code == 404


REPEATS: Final = [
    (["delivered", "delivered"], DELIVERED, [1]),
    (["delivered", "failed"], DELIVERED, [1]),
    (["delivered", "sent"], DELIVERED, [1]),
    (["sent", "sent", "delivered"], DELIVERED, [1]),
    (["failed", "failed"], ("sent", 124, "failed"), [124]),
    (["failed", "sent"], ("sent", 124, "failed"), [124]),
    (["failed", "delivered"], DELIVERED, [124]),  # a late receipt corrects; the app asked for no corrections
    (["failed", "delivered", "failed"], DELIVERED, [124]),
]


@pytest.mark.parametrize(("words", "standing", "callbacks"), REPEATS, ids=short)
def test_repeats_and_any_order(
    api: Api, words: list[str], standing: tuple[str, int, str], callbacks: list[int]
) -> None:
    key = submitted(api)
    for word in words:
        took(hook(api, told(word), key))
    assert (status(api, key), called(api, key)) == (standing, callbacks)


@pytest.mark.parametrize(("word", "standing"), [("delivered", DELIVERED), ("failed", ("sent", 124, "failed"))])
def test_a_receipt_that_comes_before_the_answer_to_its_submit(
    api: Api, word: str, standing: tuple[str, int, str]
) -> None:
    marked = submitting(api)
    ref = f"early {marked.row.id}"
    before = api.query(BOXED)
    took(hook(api, told(word, id=ref)))
    assert status(api, str(marked.row.id)) == PENDING, "nobody knows yet whose it is"
    assert len(api.query(BOXED)) == len(before) + 1
    key = settle(api, marked, ref)
    assert (status(api, key), called(api, key)) == (standing, [standing[1]])
    assert api.query(BOXED) == before


def test_a_receipt_by_our_id_that_comes_before_the_answer_to_its_submit(api: Api) -> None:
    marked = submitting(api)
    took(hook(api, told("delivered"), str(marked.row.id)))
    assert status(api, str(marked.row.id)) == DELIVERED
    assert (status(api, settle(api, marked, "late")), called(api, str(marked.row.id))) == (DELIVERED, [1])


@pytest.mark.parametrize("word", ["delivered", "failed", "sent"])
def test_a_receipt_ends_the_doubt(api: Api, word: str) -> None:
    key = settle(api, submitting(api), fate=Fate.UNKNOWN)
    assert status(api, key)[0] == "pending"
    took(hook(api, told(word), key))
    assert status(api, key)[0] == "sent"


UNKNOWN: Final = [
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 64,
    "9" * 255,
    "9" * 5000,
    "k" * 65,
    "k" * 5000,
    "١٢٣",
    "\N{SUPERSCRIPT TWO}",
    "\N{PILE OF POO}",
    "'; drop table messages; --",
    "NaN",
]


@pytest.mark.parametrize("name", UNKNOWN, ids=short)
def test_a_receipt_for_an_id_that_nothing_has_is_kept(api: Api, name: str) -> None:
    messages = api.query(STATES)
    before = len(api.query(BOXED))
    took(hook(api, told("delivered"), name))
    took(hook(api, told("failed", id=name)))
    assert len(api.query(BOXED)) == before + 2
    ReceiptBook(api.database).match(utc_now(), 100)
    assert api.query(STATES) == messages


@pytest.mark.parametrize("place", ["id", "error", "status"])
def test_what_no_database_can_keep_is_no_error_of_ours(
    database_url: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NUL and halves of surrogate pairs, as JSON may tell them: taken without them, or refused."""
    monkeypatch.setenv("TEST_HOOK_TOKEN", TOKEN)
    with served(database_url, carrier="generic", settings=described(WORDS, BY_HEADER)) as api:
        for name in ("a\0b", "\0", "\ud800", "a\udfffb", "\N{PILE OF POO}\ud83d"):
            key = submitted(api)
            said = {"status": "failed"} | {place: name}
            answers = [hook(api, told(**said), key), hook(api, told(**{"id": "nobody's"} | said))]
            assert {answer.status_code for answer in answers} <= {204, 400}, ascii(name)
            assert status(api, key)[0] == "sent"


def test_another_connection_cannot_speak_of_this_ones_messages(api: Api) -> None:
    key = submitted(api, "theirs")
    took(hook(api, told("delivered", id="theirs"), key, at="open", headers={}))
    assert status(api, key) == SENT


def test_a_receipt_of_something_that_was_never_submitted_changes_nothing(api: Api) -> None:
    key = accepted(api.invite(invitation()))["messageId"]
    took(hook(api, told("delivered"), key))
    assert status(api, key) == PENDING


@pytest.mark.parametrize(
    "word", ["Delivered", "DELIVERED", "delivered ", "d", "unknown", "0", "{'a': 1}", "\N{SNOWMAN}"]
)
def test_a_status_word_that_the_description_does_not_name_is_heard_and_means_nothing(api: Api, word: str) -> None:
    key = submitted(api)
    messages = api.query(STATES)
    with api.nothing_stored():
        took(hook(api, told(word), key))
    assert api.query(STATES) == messages


def test_a_signed_hook(api: Api) -> None:
    body = told("delivered", id="signed")
    digest = hmac.new(TOKEN.encode(), body, sha256).hexdigest()
    for signature in (digest, f"sha256={digest}"):
        took(hook(api, body, at="signed", headers={"X-Signature": signature}))
    with api.nothing_stored():
        for wrong in (digest[:-1], digest[::-1], "", "sha256=", hmac.new(b"", body, sha256).hexdigest(), "\xff" * 64):
            refused(hook(api, body, at="signed", headers={"X-Signature": wrong}), 403, 403)
        refused(hook(api, body + b" ", at="signed", headers={"X-Signature": digest}), 403, 403)


# --- What is not ---------------------------------------------------------------------------------------------------

FORGED: Final[list[tuple[str, dict[str, str]]]] = [
    ("carrier", {}),
    ("carrier", {"X-Token": ""}),
    ("carrier", {"X-Token": "wrong"}),
    ("carrier", {"X-Token": TOKEN.upper()}),
    ("carrier", {"X-Token": f"{TOKEN}x"}),
    ("carrier", {"X-Token": TOKEN[:-1]}),
    ("carrier", {"X-Token": "t\xf6ken"}),
    ("carrier", {"X-Token": "x" * 100_000}),
    ("carrier", {"Authorization": f"Basic {TOKEN}"}),
    ("carrier", {"Cookie": f"X-Token={TOKEN}"}),
    ("query", GENUINE),
    ("signed", GENUINE),
    ("silent", GENUINE),
    ("simulated", GENUINE),
]


@pytest.mark.parametrize(("connection", "headers"), FORGED)
def test_a_forged_hook_changes_nothing(api: Api, connection: str, headers: dict[str, str]) -> None:
    key = submitted(api)
    messages = api.query(STATES)
    with api.nothing_stored():
        for body in (told("delivered"), told("delivered", id="x"), b"", b"nonsense", b"\xff"):
            refused(hook(api, body, key, at=connection, headers=headers), 403, 403)
            refused(hook(api, body, f"{key}&X-Token={TOKEN}", at=connection, headers=headers), 403, 403)
    assert api.query(STATES) == messages


@pytest.mark.parametrize(
    "name", ["nobody", "Carrier", "CARRIER", "carrier ", "1", "\N{SNOWMAN}", "\udcff", "\0", "..", "a" * 5000, "%", "'"]
)
def test_a_connection_that_nobody_knows(api: Api, name: str) -> None:
    with api.nothing_stored():
        refused(hook(api, told(), "1", at=name), 404, 404, "connection")


@pytest.mark.parametrize("path", ["/hooks", "/hooks/", "/hooks/carrier/", "/hooks/carrier/1", "/hooks//carrier"])
def test_a_path_that_does_not_exist(api: Api, path: str) -> None:
    with api.nothing_stored():
        refused(api.send(Post(told(), JSON, GENUINE, path)), 404, 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "\N{SNOWMAN}"])
def test_a_method_that_is_not_answered(api: Api, method: str) -> None:
    with api.nothing_stored():
        answer = api.send(Post(told(), JSON, GENUINE, "/hooks/carrier?id=1", method))
        refused(answer, 405, 405)
        assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


MALFORMED: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"status=delivered",
    "JSON that ends early": told()[:-1],
    "no UTF-8": b'{"message": {"status": "\xff"}}',
    "a list": b"[1]",
    "null": b"null",
    "a string": b'"message"',
    "another shape": b'{"message": "delivered"}',
    "a list inside": b'{"message": ["delivered"]}',
    "no status": b'{"message": {"id": "r"}}',
    "an empty status": told(""),
    "a null status": b'{"message": {"id": "r", "status": null}}',
    "deep": b'{"message":' * 5_000,
    "deep lists": b"[" * 60_000,
    "a number of 5000 digits": b'{"message": {"id": "r", "status": ' + b"1" * 5000 + b"}}",
    "XML": b"<message><status>delivered</status></message>",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_genuine_hook_that_cannot_be_read(api: Api, body: bytes) -> None:
    key = submitted(api)
    messages = api.query(STATES)
    with api.nothing_stored():
        refused(hook(api, body, key), 400, 400, "receipt")
    assert api.query(STATES) == messages


def test_a_receipt_without_any_id(api: Api) -> None:
    with api.nothing_stored():
        for body in (told(), told(id=None), told(id="")):
            refused(hook(api, body), 400, 400, "receipt")


def test_a_hook_that_is_too_long(api: Api) -> None:
    with api.nothing_stored():
        for length in ((1 << 20) + 1, 3_000_000):
            refused(hook(api, b" " * length, "1"), 413, 413)
            refused(hook(api, b" " * length, "1", headers={}), 413, 413)


@pytest.mark.parametrize("host", ["[", "a b", "\xff", "a" * 70, ".."])
def test_a_hook_for_a_host_that_cannot_be(api: Api, host: str) -> None:
    with api.nothing_stored():
        answer = hook(api, told(), "1", headers={"Host": host})
        assert answer.status_code in (400, 403)
        refused(answer, answer.status_code, answer.status_code)
