"""A backup that is made while everything runs, and what an installation that is restored from it knows."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

from dispatcher.settings import load
from dispatcher.store.database import Database
from dispatcher.store.statement import Statement
from dispatcher.wiring.desk import optouts
from tests.deploy.backups import back_up, opened, restored
from tests.factories import SECRET, provision
from tests.processes import ROOT, Customer, Recorder, Stage, eventually, staged

SETTINGS: Final = {
    "WEB__WORKERS": 1,
    "WORK__LEASE_SECONDS": 8,
    "WORK__IN_DOUBT_MINUTES": 0.05,
    "WORK__RESCUE_SECONDS": 0.5,
    "CARRIERS__TIMEOUT_SECONDS": 1,
}
CHECK: Final = Statement("select integrity_check from pragma_integrity_check")
ENOUGH: Final = 10


def test_a_backup_beside_running_processes_has_all_that_was_answered(
    database: Database, database_url: str, tmp_path: Path, postgres_server: str
) -> None:
    """Invitations are posted and dispatched all the while; the restored installation finishes what it finds."""
    provision(database)
    backup = tmp_path / "backup"
    answered: list[tuple[str, str]] = []  # each messageId with its number, when it was answered
    stop = threading.Event()
    with staged(database_url, tmp_path, **SETTINGS) as stage:
        stage.start("web")
        stage.start("work", ready=False)
        customer = Customer("key", SECRET, stage.port)

        def post() -> None:
            n = 0
            while not stop.is_set():
                phone = f"+1201222{3000 + n}"
                answered.append((customer.invite(phone, referenceId=f"r{n}").json["messageId"], phone))
                n += 1

        poster = threading.Thread(target=post)
        poster.start()
        try:
            eventually("some are answered", lambda: len(answered) >= ENOUGH)
            before = answered.copy()
            back_up(database_url, backup)
            eventually("others are answered meanwhile", lambda: len(answered) > len(before))
        finally:
            stop.set()
            poster.join()
        for process in stage.started:
            process.stop()
        assert stage.complaints() == []

    with restored(backup, tmp_path / "restored", postgres_server) as url:
        again = opened(url)
        try:
            with again.read() as tx:
                assert again.name != "sqlite" or tx.run(CHECK) == [("ok",)]
            with staged(url, tmp_path / "restored-logs", **SETTINGS) as stage:
                stage.folder.mkdir()
                dispatcher(stage, "migrate")
                stage.start("web")
                stage.start("work", ready=False)
                customer = Customer("key", SECRET, stage.port)
                for n, (message_id, phone) in enumerate(before):
                    eventually("it is sent", partial(sent, customer, message_id))  # a receipt may have come since
                    assert customer.invite(phone).json["duplicateOf"] == message_id
                    assert customer.invite(phone, referenceId=f"r{n}").json["messageId"] == message_id
                assert stage.complaints() == []
        finally:
            again.close()


def test_an_older_state_is_restored_with_work_paused(
    database: Database, database_url: str, tmp_path: Path, postgres_server: str
) -> None:
    """What left since the backup is queued in it: nothing leaves until work is resumed, and some can be closed."""
    backup = tmp_path / "backup"
    with Recorder(tmp_path) as recorder:
        provision(database, carrier="generic", settings=recorder.settings())
        with staged(database_url, tmp_path, **SETTINGS) as stage:
            stage.start("web")
            customer = Customer("key", SECRET, stage.port)
            work = stage.start("work", ready=False)
            over = invited(customer, "+12012223300")
            assert customer.final(over)["code"] == 1
            assert work.stop() == 0
            known, unknown = (invited(customer, f"+1201222330{n}") for n in (1, 2))
            back_up(database_url, backup)
            stage.start("work", ready=False)
            since = invited(customer, "+12012223303")
            for message_id in (known, unknown, since):
                assert customer.final(message_id)["code"] == 1
            for process in stage.started:
                process.stop()

        with (
            restored(backup, tmp_path / "restored", postgres_server) as url,
            staged(url, tmp_path / "restored-logs", **SETTINGS) as stage,
        ):
            stage.folder.mkdir()
            stage.command("connection", "pause", "carrier")
            stage.start("web")
            stage.start("work", ready=False)
            customer = Customer("key", SECRET, stage.port)
            assert customer.status(over)["code"] == 1
            assert customer.call("GET", f"/ws/invitation/{since}").status == 404
            eventually("work has seen it", lambda: customer.status(unknown)["holdReason"] == "no sender")
            with optouts(load(None, stage.environment)) as desk:  # what the commands do, without a start of each
                desk.optouts.add("+12012223301", "US", *desk.scope("com.example.1", ""))
                assert customer.final(known)["code"] == 127
                desk.optouts.remove("+12012223301", "US", *desk.scope("com.example.1", ""))
            assert recorder.count() == 4
            stage.command("connection", "resume", "carrier")
            assert customer.final(unknown)["code"] == 1
            assert stage.complaints() == []
        assert Counter(submit.key for submit in recorder.submits()) == {over: 1, known: 1, since: 1, unknown: 2}


def invited(customer: Customer, phone: str) -> str:
    return str(customer.invite(phone).json["messageId"])


def sent(customer: Customer, message_id: str) -> bool:
    return bool(customer.status(message_id)["status"] == "sent")


def dispatcher(stage: Stage, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", *words],
        cwd=ROOT,
        env=stage.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
