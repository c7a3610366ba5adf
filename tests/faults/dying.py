"""Work processes that kill themselves: `python -m tests.faults.dying` forks one for each line that names a point.

The points are those at which Dispatch calls `between`; nothing in the product reads them from an environment. It says
"ready", then how each of them ended.
"""

from __future__ import annotations

import os
import signal
import sys

from dispatcher.logs import configure
from dispatcher.processes import PARENT, die_with_parent
from dispatcher.settings import Settings, load
from dispatcher.wiring.work import working


def die_at(wanted: str, settings: Settings) -> None:
    """Work until the point is reached."""

    def between(point: str) -> None:
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    with working(settings, between):
        signal.pause()


def main() -> None:
    """Let one after the other die."""
    die_with_parent(int(os.environ.pop(PARENT)))
    settings = load(None, os.environ)
    configure(settings.log_level)
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        child = os.fork()
        if not child:
            die_with_parent()
            die_at(line.strip(), settings)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
