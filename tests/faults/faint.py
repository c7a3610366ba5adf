"""A work process whose heartbeat counts as lost after a second and a half rather than fifteen: no setting says so."""

from __future__ import annotations

import os
import signal

from dispatcher.logs import configure
from dispatcher.processes import PARENT, die_with_parent
from dispatcher.settings import load
from dispatcher.wiring import parts, work

parts.BEAT_SECONDS = 0.2  # type: ignore[misc]
work.LEASE_SECONDS = 3  # type: ignore[attr-defined]


def main() -> None:
    """Work until SIGTERM."""
    die_with_parent(int(os.environ.pop(PARENT)))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    settings = load(None, os.environ)
    configure(settings.log_level)
    with work.working(settings):
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
