"""One statement in the words of both databases.

A statement is written once. `:name` is a parameter; `{rows}` stands for a batch of rows handed in with one execution;
`{clock}` for the database's own clock in microseconds; `{lock}` and `{lock_skip}` for the row locks that PostgreSQL
needs and SQLite, with its one writer, does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

Row = tuple[Any, ...]
PARAMETER: Final = re.compile(r"(?<![:\w]):(\w+)")

SQLITE_CLOCK: Final = "cast((julianday('now') - 2440587.5) * 86400000000 as integer)"
POSTGRES_CLOCK: Final = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"


class Statement:
    """A prepared text for each database. `columns` ("id bigint, person text") names what `{rows}` holds, in order."""

    __slots__ = ("columns", "postgres", "sqlite")

    def __init__(self, text: str, columns: str = "") -> None:
        """Render both texts once, when the module is imported."""
        pairs = [part.split() for part in columns.split(",") if part.strip()]
        self.columns = tuple(name for name, _ in pairs)
        picked = ", ".join(f"json_extract(value, '$[{i}]') as {name}" for i, (name, _) in enumerate(pairs))
        arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in pairs)
        self.sqlite = _fill(text, f"(select {picked} from json_each(:rows)) as r", SQLITE_CLOCK, "", "")
        self.postgres = PARAMETER.sub(
            r"%(\1)s",
            _fill(
                text,
                f"unnest({arrays}) as r({', '.join(self.columns)})",
                POSTGRES_CLOCK,
                "for update",
                "for update skip locked",
            ),
        )

    def sqlite_parameters(self, rows: Sequence[Row] | None, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters as SQLite takes them: the batch as one JSON text."""
        return given if rows is None else {"rows": json.dumps(rows), **given}

    def postgres_parameters(self, rows: Sequence[Row] | None, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters as PostgreSQL takes them: the batch as one array per column."""
        if rows is None:
            return given
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in self.columns]
        return dict(zip(self.columns, columns, strict=True)) | dict(given)


def _fill(text: str, rows: str, clock: str, lock: str, lock_skip: str) -> str:
    for mark, value in (("{rows}", rows), ("{clock}", clock), ("{lock}", lock), ("{lock_skip}", lock_skip)):
        text = text.replace(mark, value)
    return text


class Tx(Protocol):
    """A transaction that is open: statements run in it, and commit or vanish together."""

    def run(self, statement: Statement, rows: Sequence[Row] | None = None, /, **given: Any) -> list[Row]:
        """Execute for the batch `rows` (none: a plain execution) and return what it returns."""
        ...
