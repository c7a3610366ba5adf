"""A work process that stops itself amid a transaction: `python -m tests.faults.halting WORDS TIMES`.

It stops once, by SIGSTOP, when a statement that holds these words has run so many times and before its transaction goes
on, so that whatever this one has locked stays locked. SIGCONT lets it go on.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count

from dispatcher.logs import configure
from dispatcher.processes import PARENT, die_with_parent
from dispatcher.settings import load
from dispatcher.store.postgres import PostgresTx
from dispatcher.store.sqlite import SqliteTx
from dispatcher.store.statement import Row, Statement
from dispatcher.wiring.work import working

Run = Callable[..., list[Row]]


def stopping(run: Run, words: str, times: int) -> Run:
    """The same, but for the stop."""
    runs = count(1)

    def run_and_stop(tx: object, statement: Statement, *rows: object, **given: object) -> list[Row]:
        found = run(tx, statement, *rows, **given)
        if words in statement.postgres and next(runs) == times:
            os.kill(os.getpid(), signal.SIGSTOP)
        return found

    return run_and_stop


def main() -> None:
    """Work until SIGTERM."""
    die_with_parent(int(os.environ.pop(PARENT)))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    settings = load(None, os.environ)
    configure(settings.log_level)
    words, times = sys.argv[1], int(sys.argv[2])
    PostgresTx.run = stopping(PostgresTx.run, words, times)  # type: ignore[method-assign]
    SqliteTx.run = stopping(SqliteTx.run, words, times)  # type: ignore[method-assign]
    with working(settings):
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
