"""What is learned of numbers, by a carrier's refusal or by an operator's import.

That a number is a landline, or nobody's, counts for a while; who opted out with the carrier opted out here. A carrier
tells of an opt-out late: it is known of the moment at which the submit began that it refused, so that a START that came
meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.phone import LineType
from dispatcher.core.screening import Source
from dispatcher.engine.imports import Fact
from dispatcher.store.database import Database
from dispatcher.store.instants import instant, micros
from dispatcher.store.optouts import MEET, opt_out
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.wishes import STARTS, is_start

LINE: Final = Statement(
    f"""update people set line_type = r.line_type, line_type_at = :now, line_type_from = '{Source.CARRIER}'
    from {{rows}} where people.person = r.person""",
    "person text, line_type text",
)
WHOSE: Final = Statement(
    """select m.id, m.person, m.app_id, coalesce(m.sender_id, 0),
        coalesce((select max(a.started_at) from attempts a where a.message_id = m.id), :now)
    from {rows} join messages m on m.id = r.id order by 5, 1""",
    "id bigint",
)
SINCE: Final = Statement(
    f"""select r.n, p.verdict, p.text from {{rows}} join replies p
        on p.person = r.person and p.received_at >= r.begun and coalesce(p.said_at, p.received_at) > r.begun
        and p.sender_id = r.sender_id and p.verdict in ({STARTS})""",
    "n integer, person text, sender_id bigint, begun bigint",
)
LINES: Final = MappingProxyType({Code.NOT_MOBILE: LineType.FIXED, Code.INVALID_PHONE: LineType.NONE})

NEW_LINE: Final = "excluded.line_type <> '' and (people.line_type_at is null or people.line_type_at <= :at)"
NEW_OS: Final = "excluded.os <> '' and (people.os_at is null or people.os_at <= :at)"
# Whoever is met by an import has no address here: it is kept when they are invited.
IMPORT: Final = Statement(
    f"""insert into people (person, line_type, line_type_at, line_type_from, os, os_at, os_from)
    select person, line_type, case when line_type <> '' then cast(:at as bigint) end,
        case when line_type <> '' then '{Source.IMPORT}' else '' end,
        os, case when os <> '' then cast(:at as bigint) end, case when os <> '' then '{Source.IMPORT}' else '' end
    from {{rows}} where true order by person
    on conflict (person) do update set
        line_type = case when {NEW_LINE} then excluded.line_type else people.line_type end,
        line_type_at = case when {NEW_LINE} then excluded.line_type_at else people.line_type_at end,
        line_type_from = case when {NEW_LINE} then excluded.line_type_from else people.line_type_from end,
        os = case when {NEW_OS} then excluded.os else people.os end,
        os_at = case when {NEW_OS} then excluded.os_at else people.os_at end,
        os_from = case when {NEW_OS} then excluded.os_from else people.os_from end
    where ({NEW_LINE}) or ({NEW_OS})
    returning person""",
    "person text, line_type text, os text",
)

WOULD: Final = Statement(
    f"""select count(*) from {{rows}} left join people on people.person = r.person
    where people.person is null or ({NEW_LINE}) or ({NEW_OS})""".replace("excluded.", "r."),
    "person text, line_type text, os text",
)


def learn(tx: Tx, refused: Mapping[int, Code], now: datetime) -> None:
    """Keep what these messages' refusals say, by message id, in the transaction that ends them."""
    telling = [(i,) for i, code in refused.items() if code in LINES or code is Code.OPTED_OUT]
    if not telling:
        return
    told = tx.run(WHOSE, telling, now=micros(now))
    tx.run(MEET, sorted({(person, None) for _, person, *_ in told}))  # whoever heeds a START of theirs now is done
    if lines := {person: LINES[refused[i]] for i, person, *_ in told if refused[i] in LINES}:
        tx.run(LINE, sorted(lines.items()), now=micros(now))
    if whose := [rest for i, *rest in told if refused[i] is Code.OPTED_OUT]:
        asked = [(n, person, by, begun) for n, (person, _, by, begun) in enumerate(whose)]
        back = {n for n, verdict, text in tx.run(SINCE, asked) if is_start(verdict, text)}
        out = [
            OptOut(person, Scope.APP, app_id, Source.CARRIER, created_at=instant(begun), sender_id=by)
            for n, (person, app_id, by, begun) in enumerate(whose)
            if n not in back
        ]
        opt_out(tx, out, now)


class Knowledge:
    """What is known of people on this database."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def learn(self, facts: Sequence[Fact], at: datetime) -> int:
        """Keep these as known since `at`, one for each person, where nothing fresher is; of how many it was kept."""
        with self._database.write() as tx:
            return len(tx.run(IMPORT, _told(facts), at=micros(at)))

    def would_learn(self, facts: Sequence[Fact], at: datetime) -> int:
        """Of how many people `learn` would keep something."""
        with self._database.read() as tx:
            return int(tx.run(WOULD, _told(facts), at=micros(at))[0][0])


def _told(facts: Sequence[Fact]) -> list[tuple[str, str, str]]:
    return [(f.person, f.line_type or "", f.os or "") for f in facts]
