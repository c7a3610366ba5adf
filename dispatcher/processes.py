"""Processes that belong together: children that end with their parent, a port that is surely free."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(signum: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to signal this process when its parent ends, however it ends (Linux; elsewhere nothing)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != parent:  # it ended meanwhile
        os.kill(os.getpid(), signum)


def port_taken(host: str, port: int) -> str | None:
    """Why this address cannot be listened on, or None.

    Servers share a port silently (SO_REUSEPORT), so a left-over one would take half of the requests.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        why = "already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        return f"{host}:{port} is {why}" if error.errno == errno.EADDRINUSE else f"{host}:{port}: {why}"
    return None
