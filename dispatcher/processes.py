"""Processes that belong together: children that end with their parent, a port that is surely free."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
WEB_PARENT = "_DISPATCHER_WEB_PARENT"  # tells a worker of `web` whose it is
PARENT = "_DISPATCHER_PARENT"  # tells a child of `serve` whose it is


def die_with_parent(parent: int | None = None, signum: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to send this process `signum` when its parent ends, however that ends (Linux; elsewhere nothing).

    `parent` is who the parent should be, where that is known: one that has ended already counts then.
    """
    if sys.platform != "linux":
        return
    expected = os.getppid() if parent is None else parent
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != expected:
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
