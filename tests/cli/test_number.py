"""Import of what is known of numbers: what is read, what is refused and why, and what counts afterwards."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.person import person_of
from dispatcher.core.phone import LineType
from dispatcher.core.screening import LinePolicy, Source
from dispatcher.engine.imports import Fact, Imports
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.learning import Knowledge
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.revision import pepper
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.cli.commands import Ran, Run, refused
from tests.factories import NOON, PEPPER, candidate

HEADER = "number,line_type,os,country\n"
AS_OF = "2026-11-01T00:00:00Z"
_numbers = count(2221000)


def phone() -> str:
    return f"+1410{next(_numbers)}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known.csv"


def load(run: Run, file: Path, text: str | bytes, *words: str) -> Ran:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return run("number", "import", str(file), *words)


def known(run: Run, number: str) -> tuple[Any, ...]:
    told = run("lookup", number, "--known").json
    return told["knownLineType"], told["knownOs"], told["knownLineTypeAt"] or told["knownOsAt"]


def test_what_is_imported_is_known(run: Run, file: Path) -> None:
    one, two, three, four = phone(), phone(), phone(), phone()
    text = HEADER + f"{one},landline,,\n({two[2:5]}) {two[5:]},Mobile,feature phone,us\n"
    text += f"{three},,IOS,\n\n030 901820,toll free,,DE\n{four},fixed,,\n"
    assert load(run, file, text, "--as-of", AS_OF).json == {
        "lines": 5, "refused": 0, "kept": 5, "asOf": AS_OF, "dryRun": False,
    }  # fmt: skip
    assert known(run, one) == ("fixed", None, AS_OF)
    assert known(run, two) == ("mobile", "FEATURE_PHONE", AS_OF)
    assert known(run, three) == (None, "IOS", AS_OF)
    assert known(run, "+4930901820") == ("toll_free", None, AS_OF)
    told = run("lookup", one, "--known").json
    assert (told["knownLineTypeFrom"], told["knownOsFrom"]) == ("import", None)


def test_what_is_imported_counts_at_the_next_invitation(run: Run, file: Path, database: Database) -> None:
    """Whoever was never met is met without an address, which is kept when they are invited."""
    number = phone()
    assert load(run, file, f"phone,line_type\n{number},landline\n").json["kept"] == 1
    person = person_of(pepper(database), number)
    with database.read() as tx:
        assert tx.run(Statement("select address from people where person = :p"), p=person) == [(None,)]
    policy = LinePolicy(grace=timedelta(seconds=30))
    [told] = Admissions(database, policy).admit([candidate(number, person=person)], utc_now())
    assert (told.code, told.looked_up) == (Code.NOT_MOBILE, False)
    with database.read() as tx:
        assert tx.run(Statement("select address from people where person = :p"), p=person) == [(number,)]


def test_again_changes_nothing_and_fresher_knowledge_wins(run: Run, file: Path) -> None:
    number = phone()
    text = HEADER + f"{number},fixed,IOS,\n"
    for _ in range(2):
        assert load(run, file, text, "--as-of", AS_OF).json["kept"] == 1
    assert known(run, number) == ("fixed", "IOS", AS_OF)
    older, newer = "2026-10-01T00:00:00Z", "2026-11-02T00:00:00Z"
    assert load(run, file, HEADER + f"{number},mobile,ANDROID,\n", "--as-of", older).json["kept"] == 0
    assert known(run, number) == ("fixed", "IOS", AS_OF)
    assert load(run, file, HEADER + f"{number},mobile,,\n", "--as-of", newer).json["kept"] == 1
    assert known(run, number) == ("mobile", "IOS", newer)


def test_later_lines_win(run: Run, file: Path) -> None:
    number = phone()
    text = HEADER + f"{number},fixed,IOS,\n{number},,ANDROID,\n{number},mobile,,\n"
    assert load(run, file, text, "--as-of", AS_OF).json["kept"] == 1
    assert known(run, number) == ("mobile", "ANDROID", AS_OF)


def test_a_dry_run_keeps_nothing(run: Run, file: Path) -> None:
    number, other = phone(), phone()
    told = load(run, file, HEADER + f"{number},fixed,,\n", "--dry-run").json
    assert (told["lines"], told["refused"], told["kept"], told["dryRun"]) == (1, 0, 0, True)
    assert known(run, number) == (None, None, None)
    load(run, file, HEADER + f"{number},fixed,IOS,\n", "--as-of", AS_OF)
    older, text = "2026-10-01T00:00:00Z", HEADER + f"{number},mobile,,\n{other},mobile,,\n"
    for at, kept in ((AS_OF, 2), (older, 1)):
        assert load(run, file, text, "--as-of", at, "--dry-run").json["wouldKeep"] == kept
    assert known(run, number) == ("fixed", "IOS", AS_OF)


FORMS = {
    "semicolons": b"number;line_type\n{};landline\n",
    "tabs": b"number\tline_type\n{}\tlandline\n",
    "quotes": b'"number","line_type"\n"{}","landline"\n',
    "Windows": b"number,line_type\r\n{},landline\r\n",
    "a mark of UTF-8": b"\xef\xbb\xbfnumber,line_type\n{},landline\n",
    "no last line end": b"number,line_type\n{},landline",
    "capitals and spaces": b" Number , LINE_TYPE \n {} , Landline \n",
    "another order": b"line_type,number\nlandline,{}\n",
    "another word": b"phone,line_type\n{},landline\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_of_files(run: Run, file: Path, form: bytes) -> None:
    number = phone()
    assert load(run, file, form.replace(b"{}", number.encode())).json["kept"] == 1
    assert known(run, number)[0] == "fixed"


LINES = [
    ("911,fixed,,", "phone: not a valid number in US"),
    (",fixed,,", "phone: "),
    ("1.41022E+10,fixed,,", "phone: letters are not read as digits"),
    ("+14102229999,phone,,", "line_type: must be one of mobile, fixed, voip"),
    ("+14102229999,none,,", "line_type: must be"),
    ("+14102229999,unknown,,", "line_type: must be"),
    ("+14102229999,,KaiOS,", "os: must be one of ios, android, feature_phone"),
    ("+14102229999,,,", "says neither a line_type nor an os"),
    ("+14102229999,fixed,,XX", "country: not an ISO 3166 country code"),
    ("+14102229999,fixed,,\N{LATIN SMALL LETTER SHARP S}", "country: not an ISO 3166 country code"),
    ("+14102229999,fixed", "2 cells, not 4"),
    ("+14102229999,fixed,,,", "5 cells, not 4"),
    ('"+14102229999,fixed,,', "no CSV"),
    ('"+1410"2229999,fixed,,', "no CSV"),
    ("+1410222\x009999,fixed,,", "phone: "),
    ("+14102229999,\N{SNOWMAN},,", "line_type: must be"),
    ("x" * 200_000, "1 cells, not 4"),
]


def test_each_bad_line_is_told_and_the_good_ones_are_kept(run: Run, file: Path) -> None:
    number = phone()
    text = HEADER + "".join(f"{line}\n" for line, _ in LINES[:-1]) + f"{number},fixed,,\n" + LINES[-1][0] + "\n"
    ran = load(run, file, text)
    assert ran.status == 1
    told = ran.err.splitlines()
    for n, (said, (_, why)) in enumerate(zip(told, LINES[:-1], strict=False), 2):
        assert said.startswith(f"line {n}: "), said
        assert why in said
    assert f'"refused": {len(told)}, "kept": 1' in ran.out
    assert len(told) >= len(LINES)
    assert "+1410" not in ran.err, "a number is nobody's business"
    assert known(run, number)[0] == "fixed"


def test_bytes_that_are_no_text(run: Run, file: Path) -> None:
    ran = load(run, file, b"number,line_type\n\xff\xfe4102229999,fixed\n+14102229999,\xff\n")
    assert (ran.status, ran.err.count("\n")) == (1, 2)


NAMES = ["", "number", "line_type", "number,phone,os", "number,linetype", "number,os,os", '"number,os']


@pytest.mark.parametrize("header", NAMES)
def test_a_header_that_cannot_be_read(run: Run, file: Path, header: str) -> None:
    refused(load(run, file, header + "\n+14102229999,fixed\n"))


def test_what_cannot_be_done(run: Run, file: Path, tmp_path: Path) -> None:
    refused(run("number", "import", str(tmp_path / "nowhere.csv")), "No such file")
    refused(run("number", "import", str(tmp_path)), "directory")
    refused(load(run, file, HEADER, "--as-of", "yesterday"), "as-of")
    refused(load(run, file, HEADER, "--as-of", "2099-01-01T00:00Z"), "future")
    assert load(run, file, HEADER).json["lines"] == 0
    assert "line 2: country" in load(run, file, HEADER + "4102229999,fixed,,\n", "--country", "XX").err


def test_a_large_file_takes_little_memory() -> None:
    """Of a line nothing is left once its chunk is written."""

    class Counting:
        def __init__(self) -> None:
            self.kept = 0

        def learn(self, facts: Sequence[Fact], at: datetime) -> int:
            self.kept += len(facts)
            return len(facts)

        def would_learn(self, facts: Sequence[Fact], at: datetime) -> int:
            return len(facts)

    def lines(count: int) -> Iterator[str]:
        yield HEADER
        for n in range(count):
            yield f"+1410{2000000 + n},fixed,,\n"

    def peak(count: int) -> int:
        tracemalloc.start()
        knowledge = Counting()
        duty = Imports(knowledge=knowledge, pepper=PEPPER)
        duty.load(lines(count), country="US", at=NOON, refuse=lambda line, why: None, dry_run=False)
        assert knowledge.kept == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1500)  # what is loaded once
    assert peak(9000) < 1.5 * peak(3000)


def test_who_told_is_kept_beside(database: Database) -> None:
    person = person_of(PEPPER, phone())
    knowledge = Knowledge(database)
    assert knowledge.learn([Fact(person, LineType.FIXED, None)], NOON) == 1
    found = StoreLookups(database).known(person)
    assert (found.line_type, found.line_type_at, found.line_type_from) == ("fixed", NOON, Source.IMPORT)
    assert (found.os, found.os_at, found.os_from) == ("", None, "")
