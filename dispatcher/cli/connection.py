"""Connections: contracts with carriers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatcher.cli.common import (
    TOLD,
    AsJson,
    Failed,
    answer,
    health,
    instant,
    listing,
    one_sentence,
    provisioned,
    settings,
)
from dispatcher.store.tables import Connection

if TYPE_CHECKING:
    from dispatcher.core.exchange import Receipt

cli = typer.Typer(help="Contracts with carriers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The connection.")]


@cli.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called here; its hooks are at /hooks/NAME.")],
    carrier: Annotated[str, typer.Option(help="Whose words it speaks; see docs/carriers.md.")],
    file: Annotated[Path | None, typer.Option(help="Its settings, as TOML; see config/connections/.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, key=value; dots step into tables.")
    ] = None,
    in_flight: Annotated[int, typer.Option(min=1, max=4096, help="Submits in flight at once.")] = 256,
    weight: Annotated[float, typer.Option(help="Its senders' share beside those of other connections.")] = 1.0,
    receipt_hours: Annotated[float, typer.Option(min=0.01, max=720, help="How long receipts may take.")] = 72.0,
    acceptance_is_final: Annotated[bool, typer.Option(help="It never reports: taken means delivered.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a connection."""
    described = _described(file, set_ or [])
    values = {
        "in_flight": in_flight,
        "weight": weight,
        "receipt_seconds": int(receipt_hours * 3600),
        "acceptance_is_final": int(acceptance_is_final),
    }
    with provisioned() as (provisioning, _):
        number = provisioning.connection(name, carrier, described, values)
    answer({"connection": number, "name": name, "carrier": carrier}, as_json=as_json)


@cli.command("set")
def set_(
    name: Name,
    file: Annotated[Path | None, typer.Option(help="Settings to lay over its own, as TOML.")] = None,
    pairs: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, key=value; dots step into tables.")
    ] = None,
    in_flight: Annotated[int | None, typer.Option(min=1, max=4096, help="Submits in flight at once.")] = None,
    weight: Annotated[float | None, typer.Option(help="Its senders' share beside those of other connections.")] = None,
    receipt_hours: Annotated[float | None, typer.Option(min=0.01, max=720, help="How long receipts may take.")] = None,
    acceptance_is_final: Annotated[bool | None, typer.Option(help="It never reports: taken means delivered.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change a connection; what is not named stays. Running processes heed it within two seconds."""
    values = {
        "in_flight": in_flight,
        "weight": weight,
        "receipt_seconds": None if receipt_hours is None else int(receipt_hours * 3600),
        "acceptance_is_final": None if acceptance_is_final is None else int(acceptance_is_final),
    }
    with provisioned() as (provisioning, _):
        given = {column: value for column, value in values.items() if value is not None}
        provisioning.change_connection(name, _described(file, pairs or []), given)
    answer({"name": name}, as_json=as_json)


@cli.command()
def pause(name: Name, as_json: AsJson = False) -> None:
    """Submit nothing more by a connection; what is in flight is finished, and receipts are taken."""
    with provisioned() as (provisioning, _):
        provisioning.pause_connection(name, paused=True)
    answer({"name": name, "paused": True}, as_json=as_json)


@cli.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """Submit by a connection again, also after a stop."""
    with provisioned() as (provisioning, _):
        provisioning.pause_connection(name, paused=False)
    answer({"name": name, "paused": False}, as_json=as_json)


@cli.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a connection that has no senders and was never used; any other can be paused."""
    with provisioned() as (provisioning, _):
        provisioning.remove_connection(name)
    answer({"name": name, "removed": True}, as_json=as_json)


@cli.command("test")
def try_(
    name: Name,
    to: Annotated[str, typer.Option(help="Whom to text: a phone of your own.")],
    sender: Annotated[str, typer.Option("--from", help="The sender (default: the connection's first).")] = "",
    text: Annotated[str, typer.Option(help="The message.")] = "This is a test.",
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for its receipt; 0 for none.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Send one real text by a connection, also a paused one, and follow it to its receipt.

    Status 1 unless it was delivered; or taken, where no receipt is waited for or the connection tells no more.
    """
    from dispatcher.wiring.trial import trying

    with one_sentence(), trying(settings(), name) as trial:
        mt = trial.prepare(to, sender, text)
        told: dict[str, Any] = {
            "connection": name, "from": mt.sender, "to": mt.to, "text": mt.text, "segments": mt.segments,
        }  # fmt: skip
        if not as_json:
            answer(told, as_json=False)
        outcome = trial.submit(mt)
        told |= (came := {"fate": outcome.fate, "ref": outcome.ref or None, "reason": outcome.reason or None})
        if not as_json:
            answer(came, as_json=False)
        receipts = []
        for receipt in trial.follow(mt, outcome, wait):
            receipts.append(receipt)
            if not as_json:
                answer({"receipt": TOLD[receipt.event]}, as_json=False)
        verdict = trial.judge(outcome, receipts, wait)
    ends = {"result": verdict.why}
    answer(told | {"receipts": [_receipt(each) for each in receipts]} | ends if as_json else ends, as_json=as_json)
    if not verdict.good:
        raise typer.Exit(1)


def _receipt(receipt: Receipt) -> dict[str, Any]:
    failed = TOLD[receipt.event] == "failed"
    code = int(receipt.code) if failed else None
    return {"event": TOLD[receipt.event], "code": code, "reason": receipt.reason or None}


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every connection, whether it works, and which of its credentials this environment lacks."""
    from dispatcher.wiring.desk import missing_credentials

    with provisioned() as (_, rows):
        found, (unwell, _) = rows.listed(Connection), rows.unwell()
        unusable, alone = rows.unusable(), rows.left_alone()
    shown = [
        {
            "name": row["name"],
            "carrier": row["carrier"],
            "inFlight": row["in_flight"],
            "weight": row["weight"],
            **health(unwell.get(row["id"])),
            "paused": row["paused_at"] is not None,
            "stopped": row["stop_reason"] or None,
            "stoppedAt": instant(row["stopped_at"]),
            "nextTryAt": None if row["unbound_at"] else instant(row["retry_at"]),  # binds are tried by themselves
            "silence": row["silence"] if row["id"] in alone else None,
            "silentAt": instant(row["silent_at"]) if row["id"] in alone else None,
            "unbound": row["unbound"] or None,
            "unboundAt": instant(row["unbound_at"]),
            "unusable": unusable.get(row["id"]),
            "missing": missing_credentials(row["settings"]),
        }
        for row in found
    ]
    listing(shown, as_json=as_json, line=_line)


def _line(row: dict[str, Any]) -> str:
    state = "paused" if row["paused"] else "ok"
    if row["stoppedAt"]:
        again = f"next try {row['nextTryAt']}" if row["nextTryAt"] else "binds are tried again by themselves"
        state = f"stopped since {row['stoppedAt']}, {again}: {row['stopped']}"
    elif row["unusable"]:
        state = row["unusable"]
    elif row["unboundAt"]:
        state = f"not bound since {row['unboundAt']}: {row['unbound']}"
    elif row["silentAt"]:
        state = f"left alone by a worker, tried last at {row['silentAt']}: {row['silence']}"
    elif row["ails"] and not row["paused"]:
        state = f"health {row['health']:g}: {row['ails']}"
    weight = [] if row["weight"] == 1 else [f"weight {row['weight']:g}"]
    missing = [f"not readable here: {why}" for why in row["missing"]]  # those who serve and work may have it
    return "  ".join([row["name"], row["carrier"], *weight, *([] if missing and state == "ok" else [state]), *missing])


def _described(file: Path | None, pairs: list[str]) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if file is not None:
        try:
            described = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise Failed(f"file: {file}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number too long, lists too deep
            raise Failed(f"file: {file}: {error}") from None
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise Failed(f"set: {pair} must be key=value")
        *tables, last = key.split(".")
        inner = described
        for table in tables:
            inner = inner.setdefault(table, {})
            if not isinstance(inner, dict):
                raise Failed(f"set: {key}: {table} is not a table")
        inner[last] = value
    return described
