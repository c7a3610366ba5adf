"""Who may not be texted, and by whom: an opt-out discards what waits in its scope in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.lifecycle import Event, State, sources
from dispatcher.core.screening import AT_DISPATCH, OPT_OUT, Source
from dispatcher.store.database import Database
from dispatcher.store.finals import close_books
from dispatcher.store.instants import instant, micros
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.words import kept

REPLY: Final = "reply"  # the source of what somebody texted
THEIRS: Final = f"'{REPLY}', '{Source.CARRIER}'"  # the sources of what people said themselves; START ends that
STOPPED: Final = [kind for kind, rules in AT_DISPATCH.items() if OPT_OUT in rules]  # the kinds that an opt-out stops


def reaches(optout: str, message: str) -> str:
    """Whether an opt-out reaches a message to the same person, in SQL; each is a table, or its alias."""
    return (
        f"({optout}.scope = '{Scope.GLOBAL}'"
        f" or ({optout}.scope = '{Scope.ACCOUNT}' and {optout}.scope_id = {message}.account_id)"
        f" or ({optout}.scope = '{Scope.APP}' and {optout}.scope_id = {message}.app_id))"
    )


def opted_out(message: str) -> str:
    """Whether an opt-out reaches the person of a message, in SQL; `message` is the table, or its alias."""
    return (
        f"exists (select 1 from optouts o where o.person = cast({message}.person as text) and {reaches('o', message)})"
    )


# Whoever opts out is somebody known: admission asks nothing about people whom it meets for the first time.
MEET: Final = Statement(
    """insert into people (person, address, line_type, os) select person, address, '', '' from {rows}
    where true order by person
    on conflict (person) do update set address = excluded.address
    where people.address is null and excluded.address is not null""",
    "person text, address text",
)
ADD: Final = Statement(
    f"""insert into optouts (person, scope, scope_id, created_at, source, said, sender_id)
    select person, scope, scope_id, created_at, source, said, sender_id from {{rows}}
    where true order by person, scope, scope_id
    on conflict (person, scope, scope_id) do update set created_at = excluded.created_at
    where optouts.source in ({THEIRS}) and optouts.created_at < excluded.created_at""",
    "person text, scope text, scope_id bigint, created_at bigint, source text, said text, sender_id bigint",
)
DISCARD: Final = Statement(
    f"""update messages set state = '{State.DISCARDED}', code = {int(Code.OPTED_OUT)},
        reason = '{Code.OPTED_OUT.sentence}', hold = '', completed_at = :now, lease_until = null
    from {{rows}} where messages.person = r.person
    and messages.state in ({", ".join(f"'{state}'" for state in sources(Event.DISCARD))})
    and messages.kind in ({", ".join(f"'{kind}'" for kind in STOPPED)})
    and {reaches("r", "messages")}
    returning messages.id""",
    "person text, scope text, scope_id bigint",
)
REMOVE: Final = Statement(
    """delete from optouts where person = :person and scope = :scope and scope_id = :scope_id returning person"""
)
LISTED: Final = Statement(
    """select o.person, coalesce(p.address, ''), o.scope, o.scope_id, o.created_at, o.source, o.said
    from optouts o left join people p on p.person = o.person
    where o.person in (select distinct person from optouts where person > :after order by person limit :most)
    order by o.person, o.scope, o.scope_id"""
)
OF_PERSON: Final = Statement(
    """select o.person, coalesce(p.address, ''), o.scope, o.scope_id, o.created_at, o.source, o.said
    from optouts o left join people p on p.person = o.person where o.person = :person order by o.scope, o.scope_id"""
)


class OptOutBook:
    """Opt-outs on this database."""

    def __init__(self, database: Database) -> None:
        """Work on this database."""
        self._database = database

    def add(self, optouts: Sequence[OptOut], now: datetime) -> int:
        """Keep these, and discard what waits for their people in their scopes; how many messages that were."""
        with self._database.write() as tx:
            return opt_out(tx, optouts, now)

    def remove(self, person: str, scope: Scope, scope_id: int) -> bool:
        """Let this person be texted again in this scope; whether there was such an opt-out."""
        with self._database.write() as tx:
            return bool(tx.run(REMOVE, person=person, scope=scope, scope_id=scope_id))

    def of(self, person: str) -> list[OptOut]:
        """Every opt-out of this person."""
        with self._database.read() as tx:
            return [_optout(*row) for row in tx.run(OF_PERSON, person=person)]

    def listed(self, after: str, most: int) -> list[OptOut]:
        """A page of up to `most` people, each with all of theirs: those behind `after`, the last of the page before."""
        with self._database.read() as tx:
            return [_optout(*row) for row in tx.run(LISTED, after=after, most=most)]


def opt_out(tx: Tx, optouts: Sequence[OptOut], now: datetime) -> int:
    """The same as `OptOutBook.add`, within a transaction."""
    tx.run(MEET, sorted({o.person: o.address or None for o in optouts}.items()))
    rows = sorted({(o.person, o.scope, o.scope_id): o for o in optouts}.items())
    tx.run(ADD, [(*scope, micros(o.created_at or now), o.source, kept(o.said), o.sender_id) for scope, o in rows])
    discarded = {row[0] for row in tx.run(DISCARD, [scope for scope, _ in rows], now=micros(now))}
    close_books(tx, sorted(discarded), now)
    return len(discarded)


def _optout(person: str, address: str, scope: str, scope_id: int, at: int, source: str, said: str) -> OptOut:
    return OptOut(person, Scope(scope), scope_id, source, said, address, instant(at))
