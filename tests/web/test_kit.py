"""The tools of the doors, each alone: a real request and a real directory, no routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.fields import MANY
from dispatcher.core.invitation import Account
from dispatcher.store.directory import CachedDirectory
from dispatcher.store.sqlite import Sqlite
from dispatcher.store.statement import Statement
from dispatcher.web.kit import MOST_BYTES, MOST_FIELDS, WebKit
from tests.factories import provision
from tests.web.api import FORM, JSON, basic


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Sqlite]:
    """SQLite alone: the directory is tried on both databases elsewhere."""
    opened = Sqlite(Path(sqlite_url.removeprefix("sqlite:///")))
    provision(opened)
    yield opened
    opened.close()


@pytest.fixture
def kit(database: Sqlite) -> WebKit:
    return WebKit(CachedDirectory(database, keep=0.0))


def request(body: bytes = b"", kind: str | None = FORM, **headers: str) -> Request:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(EnvironBuilder("/", method="POST", data=body, content_type=kind, headers=named).get_environ())


def refusal(act: Callable[[], object]) -> tuple[int, int, str]:
    """The HTTP status, the code and the message with which it is refused."""
    with pytest.raises(Refusal) as raised:
        act()
    return raised.value.http, raised.value.code, raised.value.message


# --- Who asks ------------------------------------------------------------------------------------------------------


def test_the_account_of_a_credential(kit: WebKit, database: Sqlite) -> None:
    assert kit.account(request(Authorization=basic())) == Account(1)
    with database.write() as tx:
        tx.run(Statement("update accounts set paused_at = 1"))
    assert kit.account(request(Authorization=basic())) == Account(1, paused=True)


@pytest.mark.parametrize(
    "header", ["", "Basic", "Bearer x", basic("nobody"), basic("key", "x"), "Basic \xff", "Basic ="]
)
def test_no_credential(kit: WebKit, header: str) -> None:
    status, code, message = refusal(lambda: kit.account(request(Authorization=header)))
    assert (status, code) == (401, Code.DENIED)
    assert "apiKey" in message


def test_a_credential_that_was_revoked(kit: WebKit, database: Sqlite) -> None:
    kit.account(request(Authorization=basic()))
    with database.write() as tx:
        tx.run(Statement("update api_keys set revoked_at = 1"))
    assert refusal(lambda: kit.account(request(Authorization=basic())))[:2] == (401, 100)


def test_one_account_may_have_many_credentials(kit: WebKit, database: Sqlite) -> None:
    add = "insert into api_keys select 'k2', account_id, secret_hash, '', created_at, null from api_keys"
    with database.write() as tx:
        tx.run(Statement(add))
    assert kit.account(request(Authorization=basic("k2"))) == kit.account(request(Authorization=basic()))


def test_a_secret_of_any_letters(kit: WebKit) -> None:
    for secret in ("sécret", "\N{PILE OF POO}", "a:b", "x" * 500):
        assert refusal(lambda secret=secret: kit.account(request(Authorization=basic("key", secret))))[1] == 100  # type: ignore[misc]


# --- With which words ----------------------------------------------------------------------------------------------

READ: Final[list[tuple[str, bytes, Mapping[str, object]]]] = [
    (FORM, b"", {}),
    (FORM, b"a=1&b=", {"a": "1", "b": ""}),
    (FORM, b"a", {"a": ""}),
    (FORM, b"a+b=c+d%2Be", {"a b": "c d+e"}),
    (FORM, b"a=%F0%9F%92%A9%D7%A9", {"a": "\N{PILE OF POO}ש"}),
    (FORM, b"a=1;b=2", {"a": "1;b=2"}),
    (FORM, b"a=b=c&&", {"a": "b=c"}),
    (FORM, b"a=1&a=1", {"a": MANY}),
    (FORM, b"a=1&a=", {"a": MANY}),
    (FORM, b"a=%zz%", {"a": "%zz%"}),
    (JSON, b"{}", {}),
    (JSON, b' {"a": "1", "b": null}\n', {"a": "1", "b": None}),
    (JSON, '{"a": "ש"}'.encode(), {"a": "ש"}),
    (JSON, b'{"a": "1", "a": "1"}', {"a": MANY}),
    (JSON, b'{"a": {"b": 1, "b": 2}}', {"a": {"b": MANY}}),
    (JSON, b'{"a": [1, 2.5, true]}', {"a": [1, 2.5, True]}),
]


@pytest.mark.parametrize(("kind", "body", "given"), READ)
def test_parameters(kit: WebKit, kind: str, body: bytes, given: Mapping[str, object]) -> None:
    assert kit.parameters(request(body, kind)) == given
    assert kit.parameters(request(body, f"{kind.upper()} ; charset=utf-8")) == given


REFUSED: Final = [
    (FORM, b"a=" + b"x" * MOST_BYTES, (413, 413), str(MOST_BYTES)),
    (JSON, b" " * (MOST_BYTES + 1), (413, 413), str(MOST_BYTES)),
    ("text/plain", b"", (415, 415), FORM),
    ("", b"", (415, 415), JSON),
    (FORM, b"a=%ff", (400, 101), "UTF-8"),
    (FORM, b"\xff", (400, 101), "UTF-8"),
    (FORM, b"a&" * (MOST_FIELDS + 1), (400, 101), str(MOST_FIELDS)),
    (JSON, b"", (400, 101), "JSON"),
    (JSON, b"[]", (400, 101), "object"),
    (JSON, b"\xff", (400, 101), "UTF-8"),
    (JSON, b"[" * MOST_BYTES, (400, 101), "JSON"),
]


@pytest.mark.parametrize(("kind", "body", "codes", "word"), REFUSED)
def test_parameters_that_cannot_be_read(kit: WebKit, kind: str, body: bytes, codes: tuple[int, int], word: str) -> None:
    status, code, message = refusal(lambda: kit.parameters(request(body, kind)))
    assert (status, code) == codes
    assert word in message


def test_as_many_parameters_as_may_be(kit: WebKit) -> None:
    names = [str(n) for n in range(MOST_FIELDS)]
    assert list(kit.parameters(request("&".join(names).encode()))) == names


@pytest.mark.parametrize("terminated", [True, False], ids=["granian", "other servers"])
@pytest.mark.parametrize(
    ("length", "sent", "codes"),
    [
        (10, b"0123456789", None),
        (10, b"012345678", (400, 400)),
        (10, b"", (400, 400)),
        (MOST_BYTES, b"x" * MOST_BYTES, None),
        (MOST_BYTES + 1, b"", (413, 413)),
    ],
)
def test_a_body_is_whole_or_refused(
    kit: WebKit, length: int, sent: bytes, codes: tuple[int, int] | None, terminated: bool
) -> None:
    """Whether or not the server tells by an error that a client hung up half-way."""
    asked = request(sent)
    asked.environ["CONTENT_LENGTH"] = str(length)
    if terminated:
        asked.environ["wsgi.input_terminated"] = True
    if codes is None:
        assert kit.body(asked) == sent
    else:
        assert refusal(lambda: kit.body(asked))[:2] == codes


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 10 * MOST_BYTES])
def test_a_body_of_unknown_length_is_not_cut(kit: WebKit, length: int) -> None:
    asked = request(b"x" * length)
    del asked.environ["CONTENT_LENGTH"]
    asked.environ["wsgi.input_terminated"] = True
    assert refusal(lambda: kit.body(asked))[:2] in ((413, 413), (411, 411))


# --- The rest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("header", "key"), [("k", "k"), (" k ", "k"), ("a b", "a b"), ("k" * 255, "k" * 255)])
def test_idempotency_keys(kit: WebKit, header: str, key: str) -> None:
    assert kit.idempotency_key(request(Idempotency_Key=header)) == key
    assert kit.idempotency_key(request()) == ""


@pytest.mark.parametrize("header", ["k" * 256, "\xff", "a\tb", "a\x01b", "\x7f"])
def test_idempotency_keys_that_cannot_be(kit: WebKit, header: str) -> None:
    status, code, message = refusal(lambda: kit.idempotency_key(request(Idempotency_Key=header)))
    assert (status, code) == (400, Code.INVALID)
    assert "Idempotency-Key" in message


NUMBERS: Final = [
    ("0", 0),
    ("1", 1),
    ("9223372036854775807", (1 << 63) - 1),
    ("9223372036854775808", -1),
    ("9" * 19, -1),
    ("1" * 20, -1),
    ("", -1),
    ("-1", -1),
    ("+1", -1),
    (" 1", -1),
    ("1.0", -1),
    ("1_0", -1),
    ("1\n", -1),
    ("１", -1),
    ("²", -1),
    ("x", -1),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_numbers_of_a_path(kit: WebKit, text: str, number: int) -> None:
    assert kit.number(text) == number


def test_an_answer_in_json(kit: WebKit) -> None:
    answer = kit.json({"a": "ש\ud800\0</script>", "b": None}, 418, {"X-A": "b"})
    assert (answer.status_code, answer.mimetype, answer.headers["X-A"]) == (418, JSON, "b")
    assert answer.data.isascii()
    assert json.loads(answer.data) == {"a": "ש\ud800\0</script>", "b": None}
