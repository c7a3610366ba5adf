"""The health of connections and senders: in tables of its own, for the senders' rows are locked by every mark."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dispatcher.core.health import CONNECTION_HEALS, LOWEST, SENDER_HEALS, Ailment, Harm, share
from dispatcher.store.statement import Statement, Tx
from dispatcher.store.words import kept

# Whoever is well gets that many halvings from now; whoever is not gets as many more, up to the lowest share.
HARM_TEXT: Final = """insert into {table} ({subject}, well_at, reason)
    select id, {clock} + step, reason from {rows} where true order by id
    on conflict ({subject}) do update set reason = excluded.reason, well_at = case
        when {table}.well_at <= {clock} or {table}.well_at > {clock} + {longest} then excluded.well_at
        when {table}.well_at + excluded.well_at > 2 * {clock} + {longest} then {clock} + {longest}
        else {table}.well_at + excluded.well_at - {clock} end"""


CONNECTION, SENDER = "connection", "sender"
HEALS: Final = MappingProxyType({CONNECTION: CONNECTION_HEALS, SENDER: SENDER_HEALS})
HARM: Final = {
    kind: Statement(
        HARM_TEXT.replace("{table}", f"{kind}_health")
        .replace("{subject}", f"{kind}_id")
        .replace("{longest}", str(int(LOWEST * heals))),
        "id bigint, step bigint, reason text",
    )
    for kind, heals in HEALS.items()
}
AILING: Final = {
    kind: Statement(f"select {kind}_id, well_at, reason, {{clock}} from {kind}_health where well_at > {{clock}}")
    for kind in HEALS
}
HEAL: Final = {kind: Statement(f"delete from {kind}_health where {kind}_id = :id") for kind in HEALS}


def harm(tx: Tx, kind: str, harms: Mapping[int, Harm]) -> None:
    """Let the shares of these fall."""
    rows = [(i, int(each.halvings * HEALS[kind]), kept(each.reason)) for i, each in sorted(harms.items())]
    if rows:
        tx.run(HARM[kind], rows)


def ailing(tx: Tx, kind: str) -> dict[int, Ailment]:
    """Whose share is not whole now, and why."""
    found = {row[0]: Ailment(share(row[1], row[3], HEALS[kind]), row[2]) for row in tx.run(AILING[kind])}
    return {i: each for i, each in found.items() if each.share < 1}


def heal(tx: Tx, kind: str, subject_id: int) -> None:
    """Its whole share for one of these, at once."""
    tx.run(HEAL[kind], id=subject_id)
