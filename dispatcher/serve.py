"""The parent of `serve` and of the demo: starts its children, restarts what dies, stops all on one signal.

`become` turns this process into that parent: a fresh interpreter that has loaded nothing else, under the same number.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from dispatcher.logs import configure
from dispatcher.processes import PARENT

log = logging.getLogger("dispatcher.serve")  # which runs as __main__
FAMILY: Final = "_DISPATCHER_FAMILY"
ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_SECONDS: Final = 0.05
GRACE_SECONDS: Final = 45.0  # an exchange that is in flight may take 30
BACKOFF: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
PATIENCE_SECONDS: Final = 10.0  # for what one child awaits of another
LOOK_SECONDS: Final = 0.2
STEADY_SECONDS: Final = 30.0  # a child that lived this long starts again without a wait


@dataclass(slots=True)
class Child:
    """A process of the family: what it is called and the words after `python -m dispatcher`.

    It starts when something listens at `after`, a host and a port, or when it has waited PATIENCE_SECONDS in vain.
    """

    name: str
    words: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    after: tuple[str, int] | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0


class Family:
    """Children that are started in order and stopped in reverse."""

    def __init__(self, children: Sequence[Child]) -> None:
        """Nothing runs before `run`."""
        self._children = list(children)
        self._signals = 0
        self._began = time.monotonic()

    def run(self) -> int:
        """Keep the children running until INT, TERM or HUP; a second signal ends them without grace."""
        for number in ENDS:
            signal.signal(number, self._signalled)
        try:
            while not self._signals:
                for child in self._children:
                    self._tend(child)
                time.sleep(TICK_SECONDS)
        finally:
            self._end()
            for number in ENDS:  # one that comes now would find Python's own handlers, and end us as if killed
                signal.signal(number, signal.SIG_IGN)
        return 0

    def _signalled(self, number: int, frame: object) -> None:
        self._signals += 1  # and nothing that takes a lock: a second signal may come while this runs

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at and not self._signals and self._awaited(child, now):
                child.process = _spawn(child)
                child.started_at = now
        elif (status := child.process.poll()) is not None:
            child.failures = 0 if now - child.started_at > STEADY_SECONDS else child.failures + 1
            wait = BACKOFF[min(child.failures, len(BACKOFF) - 1)]
            log.error(
                "a process ended and is started again",
                extra={"action": "restart", "child": child.name, "status": status, "in_seconds": wait},
            )
            child.process, child.start_at = None, now + wait

    def _awaited(self, child: Child, now: float) -> bool:
        if child.after is None or now >= self._began + PATIENCE_SECONDS:
            return True
        try:
            socket.create_connection(child.after, LOOK_SECONDS).close()
        except OSError:
            return False
        return True

    def _end(self) -> None:
        for child in reversed(self._children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + GRACE_SECONDS
            while process.poll() is None:
                if self._signals > 1 or time.monotonic() > deadline:
                    log.warning("a process was ended by force", extra={"action": "kill", "child": child.name})
                    process.kill()
                    process.wait()
                    break
                time.sleep(0.02)


def become(children: Sequence[Child], log_level: str) -> NoReturn:
    """Turn this process into the parent of `children`."""
    told = [[child.name, list(child.words), child.environment, child.after] for child in children]
    environment = {**os.environ, FAMILY: json.dumps([log_level, told])}
    os.execve(sys.executable, [sys.executable, "-m", "dispatcher.serve"], environment)  # noqa: S606  (it needs none)


def main() -> int:
    """The parent, as `become` wrote it down."""
    log_level, told = json.loads(os.environ.pop(FAMILY))
    configure(log_level)
    return Family(
        [Child(name, words, environment, tuple(after) if after else None) for name, words, environment, after in told]
    ).run()


def _spawn(child: Child) -> subprocess.Popen[bytes]:
    """A child in a session of its own, so that Ctrl-C reaches the parent alone, which then stops it in order."""
    return subprocess.Popen(
        [sys.executable, "-m", "dispatcher", *child.words],
        env={**os.environ, **child.environment, "PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    sys.exit(main())
