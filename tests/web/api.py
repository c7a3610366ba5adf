"""The real application over a real database, and the questions that the tests of the doors ask of the two."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from dispatcher.settings import Settings, load
from dispatcher.store.database import Database
from dispatcher.store.provisioning import Rows
from dispatcher.store.statement import Row, Statement
from dispatcher.store.tables import metadata
from dispatcher.wiring.parts import open_database
from dispatcher.wiring.web import web_application
from tests.factories import SECRET, provision

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
INVITE: Final = "/ws/invitation"
DATABASES: Final = ("sqlite", "postgres")
OWN_BOOKS: Final = {"node_leases", "workers", "installation"}  # what a process writes of itself
COUNTS: Final = Statement(
    " union all ".join(f"select '{name}', count(*) from {name}" for name in sorted(set(metadata.tables) - OWN_BOOKS))
)
_lines: Final = count(2_000_000)


def short(value: object) -> str:
    """The id of a test with such a value."""
    text = ascii(value)
    return text if len(text) <= 32 else f"{text[:24]}... {len(text)}"


def phone() -> str:
    """A number of Maryland that no other test of this process invites."""
    return f"301{next(_lines)}"


def invitation(**given: str) -> dict[str, str]:
    """The form of an ordinary invitation to somebody new."""
    return {"phone": phone(), "osType": "ANDROID", "message": "Join me", "appId": "com.example.1"} | given


def basic(key: str = "key", secret: str = SECRET) -> str:
    """The value of an Authorization header."""
    return f"Basic {b64encode(f'{key}:{secret}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Post:
    """A request as a table writes it: what is not said is ordinary.

    A header that is None is left out; a lone surrogate in the path stands for a raw byte (surrogateescape).
    """

    body: bytes
    content_type: str | None = FORM
    headers: Mapping[str, str | None] = field(default_factory=dict)
    path: str = INVITE
    method: str = "POST"

    @staticmethod
    def form(given: Mapping[str, str], **more: Any) -> Post:
        """A form."""
        return Post(urlencode(given).encode(), **more)


@dataclass(frozen=True, slots=True)
class Api:
    """One application and its database, which is opened a second time to look behind the curtain."""

    app: Flask
    database: Database
    rows: Rows
    url: str

    def send(self, post: Post) -> TestResponse:
        """What the application answers."""
        headers = {"Authorization": basic(), **post.headers}
        path, _, query = post.path.encode("utf-8", "surrogateescape").decode("latin-1").partition("?")
        return self.app.test_client().open(
            "/",
            method=post.method,
            data=post.body,
            content_type=post.content_type,
            headers={name: value for name, value in headers.items() if value is not None},
            environ_overrides={"PATH_INFO": path, "QUERY_STRING": query},
        )

    def invite(self, given: Mapping[str, str], **headers: str | None) -> TestResponse:
        """POST /ws/invitation with a form; a header named with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(Post.form(given, headers=named))

    def ask(self, path: str, method: str = "GET", **headers: str | None) -> TestResponse:
        """A request without a body."""
        return self.send(Post(b"", None, headers, path, method))

    def stored(self) -> dict[str, int]:
        """How many rows stand in each table."""
        return {row[0]: row[1] for row in self.query(COUNTS)}

    def query(self, statement: Statement, **given: object) -> list[Row]:
        """What the database says."""
        with self.database.read() as tx:
            return tx.run(statement, **given)

    @contextmanager
    def nothing_stored(self) -> Iterator[None]:
        """Nothing comes or goes in any table while the block lasts."""
        before = self.stored()
        yield
        assert self.stored() == before


@contextmanager
def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of a migrated, empty database that lives as long as the block."""
    if kind == "sqlite":
        path = folder / "dispatcher.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = str(request.getfixturevalue("postgres_server"))
    name = f"t_{uuid4().hex}"
    head, mark, tail = server.partition("?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template dispatcher_template strategy file_copy")
        yield f"{head.rpartition('/')[0]}/{name}{mark}{tail}"
        connection.execute(f"drop database {name} with (force)")


def settled(database_url: str, **given: object) -> Settings:
    """The defaults with this database and what else is named as the environment would, less its prefix."""
    given = {"DATABASE_URL": database_url, "POSTGRES__CONNECTIONS": 4} | given
    return load(None, {f"DISPATCHER_{name}": str(value) for name, value in given.items()})


@contextmanager
def served(database_url: str, **provisioned: Any) -> Iterator[Api]:
    """The application that every web process makes, over a database with account 1 (key `key`)."""
    settings = settled(database_url)
    database = open_database(settings)
    try:
        rows = provision(database, **provisioned)
        app = web_application(settings)
        try:
            yield Api(app, database, rows, database_url)
        finally:
            app.extensions["house"].close()
    finally:
        database.close()


@contextmanager
def beside(api: Api) -> Iterator[Api]:
    """A second application over the same database, as another process would have it: it remembers nothing yet."""
    app = web_application(settled(api.url))
    try:
        yield replace(api, app=app)
    finally:
        app.extensions["house"].close()


def refused(answer: TestResponse, status: int, code: int, *words: str) -> None:
    """It is turned back: this HTTP status and code, JSON of exactly `code` and `message`, which names `words`."""
    said = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (status, JSON), said
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    if status == 405:
        assert answer.headers["Allow"]
    if answer.request.method == "HEAD":
        assert said == ""
        return
    body = answer.get_json()
    assert body.keys() == {"code", "message"}
    assert body["code"] == code, body
    for word in words:
        assert word in body["message"]
    for leak in ("Traceback", 'File "', "sqlite3", "psycopg", os.getcwd()):
        assert leak not in body["message"]


def accepted(answer: TestResponse) -> dict[str, Any]:
    """It is accepted and queued; the answer."""
    body = answer.get_json()
    assert (answer.status_code, body["code"], body["status"]) == (200, 0, "pending"), body
    return dict(body)
