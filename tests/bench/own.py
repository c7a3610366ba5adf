"""Processes of this run: started here, ended here by their own numbers, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dispatcher.processes import die_with_parent
from tests.bench.machine import tree

ROOT = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 20.0


class Failed(Exception):
    """A measurement that cannot be trusted, in one sentence."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, in a session of its own, for the length of the block; what it says goes to `log`."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            words,
            env={**os.environ, **environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  (there are no threads here)
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family = tree(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def listening(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float = 30.0) -> None:
    """Wait until the process takes connections. Raises Failed with its last words."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise Failed(f"{process.args!r} does not listen: {tail(log)}")


def tail(log: Path) -> str:
    """The last words of a process."""
    return log.read_text(errors="replace")[-800:].strip() if log.exists() else ""


def output(words: Sequence[str], environment: Mapping[str, str] | None = None, seconds: float = 120.0) -> str:
    """What a command prints. Raises Failed with its last words."""
    done = subprocess.run(
        words,
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        raise Failed(f"{' '.join(words)[:200]}: {(done.stderr or done.stdout)[-600:].strip()}")
    return done.stdout
