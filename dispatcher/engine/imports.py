"""Import of what is known of numbers: lines of a CSV file, each read or refused by itself, however many there are."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from dispatcher.core.person import person_of
from dispatcher.core.phone import LineType
from dispatcher.core.screening import UNTOLD, KnownOs
from dispatcher.engine.checks import Wrong
from dispatcher.engine.optouts import read_phone

T = TypeVar("T")
NUMBER: Final = ("number", "phone")  # one of them
LINE_TYPE, OS, COUNTRY = "line_type", "os", "country"
COLUMNS: Final = (*NUMBER, LINE_TYPE, OS, COUNTRY)
DELIMITERS: Final = ",;\t"
LINE_TYPES: Final = MappingProxyType(
    {str(one): one for one in LineType if one not in UNTOLD | {LineType.NONE}} | {"landline": LineType.FIXED}
)
DEVICES: Final = MappingProxyType({one.lower(): one for one in KnownOs})
CHUNK: Final = 1000  # people written in one transaction


@dataclass(frozen=True, slots=True)
class Fact:
    """What a line says of a person: a line type, a device, or both."""

    person: str
    line_type: LineType | None
    os: KnownOs | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file: its lines, those that were refused, and people of whom something was (or would be) kept."""

    lines: int
    refused: int
    kept: int


class Knowledge(Protocol):
    """Where what is known of people is kept."""

    def learn(self, facts: Sequence[Fact], at: datetime) -> int:
        """Keep these as known since `at`, one for each person, where nothing fresher is; of how many it was kept."""
        ...

    def would_learn(self, facts: Sequence[Fact], at: datetime) -> int:
        """Of how many people `learn` would keep something."""
        ...


class Imports:
    """Reads files into what is known."""

    def __init__(self, *, knowledge: Knowledge, pepper: bytes) -> None:
        """Write to this knowledge."""
        self._knowledge = knowledge
        self._pepper = pepper

    def load(
        self, lines: Iterable[str], *, country: str, at: datetime, refuse: Callable[[int, str], None], dry_run: bool
    ) -> Imported:
        """Read a file, its header first; `refuse` is told the number of each line that cannot be read, and why.

        National numbers are of `country` where a line names none. Raises Wrong where the header cannot be read; then
        nothing is kept. What was read is kept in chunks, so that a file may be read again after an interruption.
        """
        refused = read = kept = 0
        facts = self._facts(lines, country)
        while chunk := list(islice(facts, CHUNK)):
            people: dict[str, Fact] = {}
            for line, found in chunk:
                if isinstance(found, str):
                    refused += 1
                    refuse(line, found)
                else:
                    people[found.person] = _joined(people.get(found.person, found), found)
            read += len(chunk)
            if people:
                learn = self._knowledge.would_learn if dry_run else self._knowledge.learn
                kept += learn([people[person] for person in sorted(people)], at)
        return Imported(read, refused, kept)

    def _facts(self, lines: Iterable[str], country: str) -> Iterator[tuple[int, Fact | str]]:
        """By the number of its line, what each says or why it cannot be read. A cell never goes on in the next line."""
        numbered = enumerate(lines, 1)
        header = next((line for _, line in numbered), "")
        delimiter = next((mark for mark in DELIMITERS if mark in header), ",")
        columns = _columns(_cells(header, delimiter))
        for number, line in numbered:
            if not line.strip():
                continue
            try:
                cells = _cells(line, delimiter)
                if len(cells) != len(columns):
                    raise Wrong(f"{len(cells)} cells, not {len(columns)} as in the header")
                yield number, self._fact(dict(zip(columns, cells, strict=True)), country)
            except Wrong as objection:
                yield number, str(objection)

    def _fact(self, row: Mapping[str, str], country: str) -> Fact:
        phone = read_phone(row["number"], row.get(COUNTRY) or country)
        line_type, os = _word(row, LINE_TYPE, LINE_TYPES), _word(row, OS, DEVICES)
        if line_type is None and os is None:
            raise Wrong("says neither a line_type nor an os")
        return Fact(person_of(self._pepper, phone.e164), line_type, os)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise Wrong(f"no CSV: {error}") from None


def _columns(cells: Sequence[str]) -> list[str]:
    """The columns by the header's names; `phone` is another word for `number`."""
    names = [cell.lower() for cell in cells]
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            raise Wrong(f"header: {name!a} is unknown or stands twice; columns are {', '.join(COLUMNS)}")
    if sum(name in NUMBER for name in names) != 1 or not {LINE_TYPE, OS} & set(names):
        raise Wrong("header: needs number (or phone), and line_type or os or both")
    return ["number" if name in NUMBER else name for name in names]


def _word(row: Mapping[str, str], column: str, words: Mapping[str, T]) -> T | None:
    said = row.get(column, "").lower().replace(" ", "_").replace("-", "_")
    if said and said not in words:
        raise Wrong(f"{column}: must be one of {', '.join(words)}")
    return words.get(said)


def _joined(before: Fact, fact: Fact) -> Fact:
    """What a later line says wins; what it leaves open stands."""
    return Fact(fact.person, fact.line_type or before.line_type, fact.os or before.os)
