"""A bell between the processes of one machine: a folder with a named pipe for each listener.

A byte in a pipe wakes its reader within a millisecond (limits.md 8 has the comparison); a full pipe needs no further
byte, a pipe without a reader is stale and is removed by whoever rings next.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

HEARD = ".bell"
REFRESH_SECONDS = 1.0  # how long a listener that just came may go unheard; it polls anyway


class FifoBell:
    """The bell of one SQLite file."""

    def __init__(self, folder: Path) -> None:
        """Nothing is created until somebody listens."""
        self._folder = folder
        self._pipes: dict[Path, int] = {}
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def ring(self, topic: str) -> None:
        """Write one byte, the topic's first letter, to every listener."""
        with self._lock:
            if time.monotonic() - self._looked_at > REFRESH_SECONDS:
                self._look()
            for path, pipe in list(self._pipes.items()):
                try:
                    os.write(pipe, topic[:1].encode())
                except BlockingIOError:
                    pass  # it has plenty to read
                except OSError:
                    self._drop(path)

    def close(self) -> None:
        """Let go of every listener's pipe."""
        with self._lock:
            for path in list(self._pipes):
                self._drop(path)

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            present = {path for path in self._folder.iterdir() if path.suffix == HEARD}
        except OSError:
            present = set()
        for path in set(self._pipes) - present:
            self._drop(path)
        for path in present - set(self._pipes):
            try:
                self._pipes[path] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:  # nobody reads it: its process was killed
                with contextlib.suppress(OSError):
                    path.unlink()

    def _drop(self, path: Path) -> None:
        os.close(self._pipes.pop(path))

    @contextmanager
    def listen(self, heard: Callable[[str], None]) -> Iterator[None]:
        """Call `heard` for each ring, from a thread of its own, while the block lasts."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{uuid4().hex}{HEARD}"
        unheard = path.with_suffix(".new")  # ringers take a pipe that nobody has opened for stale, so it is named late
        os.mkfifo(unheard, 0o600)
        # Opened for both, so that the pipe never reports its end when the last writer leaves.
        pipe = os.open(unheard, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        unheard.rename(path)
        stop_read, stop_write = os.pipe()
        thread = threading.Thread(target=_listen, args=(pipe, stop_read, heard), name="bell", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
            os.write(stop_write, b"x")
            thread.join()
            for end in (pipe, stop_read, stop_write):
                os.close(end)


def _listen(pipe: int, stop: int, heard: Callable[[str], None]) -> None:
    while True:
        ready, _, _ = select.select([pipe, stop], [], [])
        if stop in ready:
            return
        for letter in sorted(set(os.read(pipe, 65536).decode("ascii", "replace"))):
            heard(letter)
