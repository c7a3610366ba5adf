"""What operators are told of an operating system's error, in words rather than in Python's."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from types import MappingProxyType
from typing import Final

WORDS: Final = MappingProxyType(
    {
        errno.ECONNREFUSED: "connection refused",
        errno.ECONNRESET: "connection reset",
        errno.EPIPE: "connection broken",
        errno.EHOSTUNREACH: "host unreachable",
        errno.ENETUNREACH: "network unreachable",
    }
)


def in_words(error: Exception) -> str:
    """What went wrong with a connection; what is no error of one is told by its kind too."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, socket.gaierror):
        return f"host name not resolved: {error.strerror}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or "no reason given"  # absent where Python itself raised it
        return f"TLS failed: {reason.replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno is not None:
        return WORDS.get(error.errno) or os.strerror(error.errno)
    return f"{type(error).__name__}: {error}"
