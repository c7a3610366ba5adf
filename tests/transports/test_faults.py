"""Errors of connections, in words."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from dispatcher.transports.faults import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "timed out"),
        (TimeoutError("timed out"), "timed out"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "host name not resolved: Name or service"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS failed: "),
        (OSError(errno.EMFILE, "Too many open files"), os.strerror(errno.EMFILE)),
        (ValueError("no PDU"), "ValueError: no PDU"),
    ],
)
def test_words(error: Exception, words: str) -> None:
    told = in_words(error)
    assert told.startswith(words)
    assert "Errno" not in told
