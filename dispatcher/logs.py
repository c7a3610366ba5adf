"""Logs: one JSON object per line on standard error, or plain lines where a person is watching."""

from __future__ import annotations

import logging
import sys
from typing import Final

from pythonjsonlogger.json import JsonFormatter

OURS: Final = "dispatcher"


def configure(level: str) -> None:
    """Send what every module logs through one formatter. No number, text or secret is ever logged.

    The level is that of our own modules. Libraries say no less than warnings: at lower levels some tell whole requests,
    with the numbers and the credentials in them.
    """
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    else:
        handler.setFormatter(
            JsonFormatter(
                "{levelname}{name}{message}",
                style="{",
                rename_fields={"levelname": "level", "name": "logger"},
                timestamp="time",
            )
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    own = logging.getLogger(OURS)
    own.setLevel(level.upper())
    root.setLevel(max(logging.WARNING, own.level))
