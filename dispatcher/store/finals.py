"""Closing the books of a message that is final: its callback is owed, and its place is freed if nothing was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dispatcher.store.instants import micros
from dispatcher.store.statement import Statement, Tx

OWE: Final = Statement(
    """insert into callbacks (subject_id, kind, app_id, message_id, state, status, completed_at, created_at, due_at,
        generation, tries, reason)
    select m.id, 'final', m.app_id, m.id, 'queued', m.code, m.completed_at, :now, :now, 0, 0, ''
    from {rows} join messages m on m.id = r.id join apps a on a.id = m.app_id
    where m.kind = 'invitation' and (a.callback_url <> '' or m.callback_url <> '')
    on conflict (subject_id, kind) do nothing""",
    "id bigint",
)
OWE_CORRECTION: Final = Statement(
    """insert into callbacks (subject_id, kind, app_id, message_id, state, status, completed_at, created_at, due_at,
        generation, tries, reason)
    select m.id, 'correction', m.app_id, m.id, 'queued', m.code, m.completed_at, :now, :now, 0, 0, ''
    from {rows} join messages m on m.id = r.id join apps a on a.id = m.app_id
    join callbacks c on c.subject_id = m.id and c.kind = 'final' and c.status <> m.code
    where a.callback_corrections = 1
    on conflict (subject_id, kind) do nothing""",
    "id bigint",
)
FREE: Final = Statement(
    """delete from duplicate_slots where (person, app_id, message_id) in (
        select m.person, m.app_id, m.id from {rows} join messages m on m.id = r.id where m.sent_at is null)""",
    "id bigint",
)


def close_books(tx: Tx, message_ids: Sequence[int], now: datetime) -> None:
    """Write what follows from these messages having become final, in the transaction that made them so."""
    if not message_ids:
        return
    rows = [(i,) for i in sorted(message_ids)]
    tx.run(OWE_CORRECTION, rows, now=micros(now))
    tx.run(OWE, rows, now=micros(now))
    tx.run(FREE, rows)
