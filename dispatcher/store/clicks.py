"""Clicks: what one teaches of its number, and what follows for its message, in one transaction.

Two reports are one where the message and the browser's words are the same: whoever tells it twice, or follows the link
twice, changes nothing. Whatever a message's first click starts is guarded by the message itself, `clicked_at`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Receipt
from dispatcher.core.lifecycle import Event, State, proven_by_click
from dispatcher.core.screening import Source
from dispatcher.engine.ports import Clicked, ClickReport, Clock
from dispatcher.store.database import Database
from dispatcher.store.finals import close_books
from dispatcher.store.group import Group
from dispatcher.store.instants import micros
from dispatcher.store.receipts import APPLY, told_row
from dispatcher.store.statement import Row, Statement, Tx

NEWEST: Final = Statement(
    """select r.n, (select max(m.id) from messages m
        where m.account_id = r.account_id and m.reference = r.reference and m.reference <> '')
    from {rows}""",
    "n integer, account_id bigint, reference text",
)
# Locked, so that two processes with the same report do not both take it for the first.
FIND: Final = Statement(
    """select r.n, s.id, s.app_id, s.person, s.state, s.sent_at is not null
    from {rows} join messages s on s.id = r.message_id and s.account_id = r.account_id
    where s.kind = 'invitation' order by s.id {lock}""",
    "n integer, account_id bigint, message_id bigint",
)
SAID_BEFORE: Final = Statement(
    """select r.id from {rows} where exists (
        select 1 from clicks c where c.message_id = r.message_id and c.user_agent = r.user_agent)""",
    "id bigint, message_id bigint, user_agent text",
)
KEEP: Final = Statement(
    """insert into clicks (id, message_id, app_id, clicked_at, user_agent, os, human)
    select id, message_id, app_id, :now, user_agent, os, human from {rows}""",
    "id bigint, message_id bigint, app_id bigint, user_agent text, os text, human integer",
)
LEARN: Final = Statement(
    f"""update people set os = r.os, os_at = :now, os_from = '{Source.CLICK}' from {{rows}}
    where people.person = r.person and (people.os_at is null or people.os_at <= :now)""",
    "person text, os text",
)
# Only what may have left can be clicked: a link that was known otherwise must not use up the first click.
CLICK: Final = Statement(
    """update messages set clicked_at = :now from {rows}
    where messages.id = r.id and messages.clicked_at is null and messages.sent_at is not null
    returning messages.id""",
    "id bigint",
)
OWE: Final = Statement(
    f"""insert into callbacks (subject_id, kind, app_id, message_id, state, status, completed_at, created_at, due_at,
        generation, tries, reason)
    select m.id, 'click', m.app_id, m.id, 'queued', {int(Code.CLICKED)}, :now, :now, :now, 0, 0, ''
    from {{rows}} join messages m on m.id = r.id join apps a on a.id = m.app_id
    where a.callback_clicks = 1 and (a.callback_url <> '' or m.callback_url <> '')
    on conflict (subject_id, kind) do nothing returning subject_id""",
    "id bigint",
)


class GroupedClicks:
    """Clicks on this database. Many that are told at once share one commit, as they come with a campaign."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Work on this database."""
        self._clock = clock
        self._group: Group[ClickReport, Clicked | None] = Group(
            database.write, lambda tx, clicks: record(tx, clicks, self._clock())
        )

    def report(self, click: ClickReport) -> Clicked | None:
        """Write one, on disk on return; None where the account has no such invitation."""
        return self._group.put(click)


def record(tx: Tx, clicks: Sequence[ClickReport], now: datetime) -> list[Clicked | None]:
    """Write these, in the order told; for each the invitation, or None where the account has no such one.

    A click proves that a text arrived. A doubt whether it was ever taken ends with it, so that it is not sent again,
    and so does a failure that its carrier or we told; what a carrier surely took goes on waiting for its receipt.
    """
    at = micros(now)
    found = {row[0]: row[1:] for row in tx.run(FIND, _named(tx, clicks))}
    human = [(found[n], click) for n, click in enumerate(clicks) if n in found and click.human]
    proven = sorted({m[0] for m, _ in human if proven_by_click(State(m[3]), sent=bool(m[4]))})
    if proven:
        whichever = 0, Receipt(Event.DELIVER)  # try of it that was
        rows = [told_row(Event.DELIVER, i, whichever, now) for i in proven]
        close_books(tx, [row[0] for row in tx.run(APPLY[Event.DELIVER], rows, now=at)], now)
    news = _news(tx, [(found[n], click) for n, click in enumerate(clicks) if n in found])
    tx.run(
        KEEP,
        [(c.id, message[0], message[1], c.user_agent, c.os or "", int(c.human)) for message, c in news],
        now=at,
    )
    learned = {message[2]: c.os for message, c in news if c.os}
    tx.run(LEARN, sorted(learned.items()), now=at)
    first = tx.run(CLICK, [(i,) for i in sorted({message[0] for message, _ in human})], now=at)
    owed = {row[0] for row in tx.run(OWE, sorted(first), now=at)} | set(proven)
    return [Clicked(found[n][0], found[n][0] in owed) if n in found else None for n in range(len(clicks))]


def _named(tx: Tx, clicks: Sequence[ClickReport]) -> list[Row]:
    """The message that each names, by its place in `clicks`."""
    by_reference = [(n, c.account_id, c.reference) for n, c in enumerate(clicks) if c.message_id is None]
    newest = {row[0]: row[1] for row in tx.run(NEWEST, by_reference)} if by_reference else {}
    named = [(n, c.account_id, newest.get(n) if c.message_id is None else c.message_id) for n, c in enumerate(clicks)]
    return [row for row in named if row[2] is not None]


def _news(tx: Tx, told: Sequence[tuple[Row, ClickReport]]) -> list[tuple[Row, ClickReport]]:
    """Those that were not told before, neither in this group nor in an earlier one."""
    firsts: dict[tuple[int, str], tuple[Row, ClickReport]] = {}
    for message, click in told:
        firsts.setdefault((message[0], click.user_agent), (message, click))
    asked = [(click.id, *said) for said, (_, click) in firsts.items()]
    before = {row[0] for row in tx.run(SAID_BEFORE, asked)}
    return [(message, click) for message, click in firsts.values() if click.id not in before]
