"""The outcomes that the tables of carriers name: what a code of theirs came to, before what they said is added."""

from __future__ import annotations

from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome

NEVER: Final = Outcome(Fate.NEVER)
UNEXPLAINED: Final = Outcome(Fate.NEVER, unexplained=True)  # no table knows why
INVALID_PHONE: Final = Outcome(Fate.NEVER, code=Code.INVALID_PHONE)
NOT_MOBILE: Final = Outcome(Fate.NEVER, code=Code.NOT_MOBILE)
OPTED_OUT: Final = Outcome(Fate.NEVER, code=Code.OPTED_OUT)
LATER: Final = Outcome(Fate.LATER)
LIMITED: Final = Outcome(Fate.LATER, limit=True)
OTHER_SENDER: Final = Outcome(Fate.OTHER_SENDER)
STOP_CARRIER: Final = Outcome(Fate.STOP_CARRIER)
UNKNOWN: Final = Outcome(Fate.UNKNOWN)
