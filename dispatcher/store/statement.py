"""One statement in the words of both databases.

A statement is written once. `:name` is a parameter; `{rows}` stands for a batch of rows handed in with one execution;
`{clock}` for the database's own clock in microseconds; `{lock}` (of the table called s) and `{lock_skip}` for the row
locks that PostgreSQL needs and SQLite, with its one writer, does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol

Row = tuple[Any, ...]
PARAMETER: Final = re.compile(r"(?<![:\w]):(\w+)")
PLACE: Final = re.compile(rf"{PARAMETER.pattern}|{{rows}}")

SQLITE_CLOCK: Final = "cast((julianday('now') - 2440587.5) * 86400000000 as integer)"
POSTGRES_CLOCK: Final = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"


class Statement:
    """A prepared text for each database. `columns` ("id bigint, person text") names what `{rows}` holds, in order."""

    __slots__ = ("_names", "_renderings", "_sqlite", "columns", "postgres", "returns")

    def __init__(self, text: str, columns: str = "") -> None:
        """Render both texts once, when the module is imported."""
        pairs = [part.split() for part in columns.split(",") if part.strip()]
        self.columns = tuple(name for name, _ in pairs)
        self.returns = "returning" in text or not text.lstrip().startswith(("insert", "update", "delete"))
        cells = ", ".join(f"(value->>{n})::{kind} as {name}" for n, (name, kind) in enumerate(pairs))
        self._sqlite = _fill(text, "{rows}", SQLITE_CLOCK, "", "")
        self._names = tuple(found[1] or "" for found in PLACE.finditer(self._sqlite))  # "" is where the batch stands
        self._renderings: dict[int, str] = {}
        self.postgres = PARAMETER.sub(
            r"%(\1)s",
            _fill(
                text,
                f"(select {cells} from jsonb_array_elements(%(rows)s::jsonb)) as r",
                POSTGRES_CLOCK,
                "for update of s",
                "for update skip locked",
            ),
        )

    def sqlite(self, rows: Sequence[Row] | None, given: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        """The text for so many rows, and its parameters in the order in which they stand there.

        Bound values are several times as fast to read as a JSON text of them. They have no numbers: SQLite looks each
        number up in a list of all of them, which takes the square of their count.
        """
        count = -1 if rows is None else len(rows)
        self._check(rows or ())
        text = self._renderings.get(count)
        if text is None:
            text = self._renderings[count] = self._rendered(count)
        parameters: list[Any] = []
        for name in self._names:
            if name:
                parameters.append(given[name])
            else:
                parameters.extend(chain.from_iterable(rows or ()))
        return text, parameters

    def _rendered(self, count: int) -> str:
        text = PARAMETER.sub("?", self._sqlite)
        return text if count < 0 else text.replace("{rows}", self._values(count))

    def _values(self, count: int) -> str:
        if not count:
            return f"(select {', '.join(f'null as {name}' for name in self.columns)} where false) as r"
        names = ", ".join(f"column{n + 1} as {name}" for n, name in enumerate(self.columns))
        line = f"({', '.join('?' * len(self.columns))})"
        return f"(select {names} from (values {', '.join([line] * count)})) as r"

    def postgres_parameters(self, rows: Sequence[Row] | None, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters as PostgreSQL takes them: the batch as one JSON text, whatever its length one prepared plan.

        An array for each column takes the driver six times as long to write.
        """
        self._check(rows or ())
        return given if rows is None else {"rows": json.dumps(rows), **given}

    def _check(self, rows: Sequence[Row]) -> None:
        if any(len(row) != len(self.columns) for row in rows):
            raise ValueError(f"every row must hold {', '.join(self.columns)}")


def _fill(text: str, rows: str, clock: str, lock: str, lock_skip: str) -> str:
    for mark, value in (("{rows}", rows), ("{clock}", clock), ("{lock}", lock), ("{lock_skip}", lock_skip)):
        text = text.replace(mark, value)
    return text


class Tx(Protocol):
    """A transaction that is open: statements run in it, and commit or vanish together."""

    def run(self, statement: Statement, rows: Sequence[Row] | None = None, /, **given: Any) -> list[Row]:
        """Execute for the batch `rows` (none: a plain execution) and return what it returns."""
        ...
