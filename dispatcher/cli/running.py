"""The commands that run something: serve, web, work, migrate."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from dispatcher.cli.common import Failed, settings, state
from dispatcher.logs import configure
from dispatcher.processes import WEB_PARENT, port_taken
from dispatcher.serve import Child, become
from dispatcher.settings import Settings

log = logging.getLogger(__name__)
Host = Annotated[str | None, typer.Option(help="Where to listen (default: the setting web.host).")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="The port (default: the setting web.port).")]
KILL_SECONDS = 10  # requests take milliseconds; whoever takes longer is a client that will not finish


def migrate() -> None:
    """Bring the database to this program's shape; safe to run again and beside running processes."""
    from dispatcher.engine.ports import StoreUnavailable
    from dispatcher.wiring.desk import migrated

    found = settings()
    configure(found.log_level)
    try:
        revision = migrated(found)
    except StoreUnavailable as error:
        raise Failed(str(error)) from None
    typer.echo(f"database is at revision {revision}", err=True)


def web(host: Host = None, port: Port = None) -> None:
    """Serve the API."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    from dispatcher.core.given import SettingsError
    from dispatcher.wiring.web import load_rules, metrics_token

    found = settings()
    configure(found.log_level)
    host, port = host or found.web.host, port or found.web.port
    if objection := port_taken(host, port):
        raise Failed(objection)
    try:
        metrics_token(found)
    except SettingsError as error:
        raise Failed(f"setting web.{str(error).removeprefix('credentials.')}") from None
    _ensure_migrated(found)
    os.environ[WEB_PARENT] = str(os.getpid())
    if state["config"] is not None:
        os.environ["_DISPATCHER_CONFIG"] = str(state["config"].resolve())
    os.register_at_fork(after_in_child=_forget_handlers)
    load_rules()
    log.info("serving at http://%s:%d", host, port, extra={"action": "start"})
    gc.freeze()  # workers are forks of this process, and share its memory as long as nobody writes to it
    server = Granian(
        "dispatcher.wsgi:create_worker",
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=port,
        workers=found.web.workers,
        blocking_threads=found.web.threads,
        workers_kill_timeout=KILL_SECONDS,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        backlog=1024,
        log_enabled=True,
        log_level=LogLevels.error,
    )
    try:
        server.serve()
    finally:  # it leaves by SystemExit where its workers died
        log.info("ended", extra={"action": "stop"})


def _forget_handlers() -> None:
    """A worker that is asked to end before it has handlers of its own must not leave that to its parent's."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _ensure_migrated(found: Settings) -> None:
    """One sentence here, rather than a trace from each worker."""
    from dispatcher.engine.ports import StoreUnavailable
    from dispatcher.wiring.parts import ready_database

    try:
        with ready_database(found):
            pass
    except StoreUnavailable as error:
        raise Failed(str(error)) from None


def work() -> None:
    """Dispatch: claim, submit, settle, call back."""
    from dispatcher.core.given import SettingsError
    from dispatcher.engine.ports import StoreUnavailable
    from dispatcher.wiring.work import working

    found = settings()
    configure(found.log_level)
    # Blocked for every thread that follows, and waited for: a handler could run while its own lock is held.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with working(found):
            log.info("working", extra={"action": "start"})
            signal.sigwait(ends)
            log.info("ending: what is in flight is waited for", extra={"action": "stop"})
        log.info("ended", extra={"action": "stop"})
    except (SettingsError, StoreUnavailable) as error:
        raise Failed(str(error)) from None


def family(found: Settings, host: str | None = None, port: int | None = None) -> list[Child]:
    """The processes of one machine: who sends starts when receipts can come in, for not every carrier calls again."""
    config = [] if state["config"] is None else ["--config", str(state["config"].resolve())]
    where = [*(["--host", host] if host else []), *(["--port", str(port)] if port else [])]
    address = host or found.web.host, port or found.web.port
    return [Child("web", [*config, "web", *where]), Child("work", [*config, "work"], after=address)]


def migrate_first(environment: dict[str, str] | None = None) -> None:
    """Migrate in a process of its own, which keeps this one small."""
    config = [] if state["config"] is None else ["--config", str(state["config"])]
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", *config, "migrate"], env=os.environ | (environment or {}), check=False
    )
    if done.returncode:
        raise typer.Exit(done.returncode)


def _check_lookups(found: Settings) -> None:
    """One sentence here, rather than one from each worker that cannot start."""
    if not found.lookups.provider:
        return
    from dispatcher.core.given import SettingsError
    from dispatcher.wiring.lookups import provider_of

    try:
        provider_of(found.lookups)
    except SettingsError as error:
        raise Failed(str(error)) from None


def serve(host: Host = None, port: Port = None) -> None:
    """Migrate, then serve the API and dispatch, under one parent that restarts what dies."""
    found = settings()
    configure(found.log_level)
    if objection := port_taken(host or found.web.host, port or found.web.port):
        raise Failed(objection)
    _check_lookups(found)
    migrate_first()
    typer.echo(f"starting at http://{host or found.web.host}:{port or found.web.port}; Ctrl-C ends it", err=True)
    become(family(found, host, port), found.log_level)
