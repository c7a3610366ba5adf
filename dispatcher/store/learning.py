"""What a carrier's refusal teaches of a number: a landline stays one, and who opted out there opted out here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import OptOut, Scope
from dispatcher.core.phone import LineType
from dispatcher.store.instants import micros
from dispatcher.store.optouts import opt_out
from dispatcher.store.statement import Statement, Tx

LANDLINE: Final = Statement(
    f"""update people set line_type = '{LineType.FIXED}', line_type_at = :now
    from {{rows}} join messages m on m.id = r.id where people.person = m.person""",
    "id bigint",
)
WHOSE: Final = Statement("select m.person, m.app_id from {rows} join messages m on m.id = r.id", "id bigint")
CARRIER: Final = "carrier"


def learn(tx: Tx, refused: Mapping[int, Code], now: datetime) -> None:
    """Keep what these messages' refusals say, by message id, in the transaction that ends them."""
    if fixed := sorted(i for i, code in refused.items() if code is Code.NOT_MOBILE):
        tx.run(LANDLINE, [(i,) for i in fixed], now=micros(now))
    if stopped := sorted(i for i, code in refused.items() if code is Code.OPTED_OUT):
        whose = tx.run(WHOSE, [(i,) for i in stopped])
        opt_out(tx, [OptOut(person, Scope.APP, app_id, CARRIER) for person, app_id in whose], now)
