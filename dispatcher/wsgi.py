"""The application for any WSGI server: `dispatcher.wsgi:create_app()` with gunicorn, `serve web` with granian."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from flask import Flask

from dispatcher.core.given import SettingsError
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.logs import configure
from dispatcher.processes import WEB_PARENT, die_with_parent
from dispatcher.settings import load
from dispatcher.wiring.web import web_application

log = logging.getLogger(__name__)


def create_app() -> Flask:
    """The API as the environment settles it."""
    settings = load(None, os.environ)
    configure(settings.log_level)
    return web_application(settings)


def create_worker() -> Flask:
    """The same, in a worker process of `dispatcher web`: it does not outlive its parent.

    Where the store is away or of another shape, or a setting wrong, the process ends, after one line.
    """
    # Killed rather than asked: while it starts, the server's own handler of its parent would swallow a SIGTERM.
    die_with_parent(int(os.environ[WEB_PARENT]), signal.SIGKILL)
    file = os.environ.pop("_DISPATCHER_CONFIG", None)
    settings = load(Path(file) if file else None, os.environ)
    configure(settings.log_level)
    try:
        return web_application(settings)
    except (StoreUnavailable, SettingsError) as error:
        log.error("a worker cannot start", extra={"action": "start", "error": str(error)})
        sys.exit(1)
