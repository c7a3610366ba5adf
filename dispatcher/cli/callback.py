"""Callbacks: what was tried, what was given up, and making them once more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, instant_of, listing, one_sentence, settings

if TYPE_CHECKING:
    from dispatcher.store.replays import Owed

cli = typer.Typer(help="Calls to customers: what was tried, what was given up.", no_args_is_help=True)

Since = Annotated[str, typer.Option(help="Given up since then, such as 2026-11-22T09:00Z (default: 30 days ago).")]
Until = Annotated[str, typer.Option(help="Given up before then (default: now).")]
Owner = Annotated[str, typer.Option("--account", help="Its account, where several have an app of that id.")]


@cli.command()
def show(
    message_id: Annotated[int, typer.Argument(help="The invitation.")],
    as_json: AsJson = False,
) -> None:
    """Every callback of an invitation, and each try with what the endpoint said."""
    from dispatcher.wiring.desk import callbacks

    with one_sentence(), callbacks(settings()) as desk:
        found = desk.of(message_id)
    if not found:
        raise Failed(f"message: {message_id} owes no callback")
    shown = [
        {**_shown(owed), "tried": [{"at": instant(t.at), "http": t.http, "reason": t.reason} for t in tries]}
        for owed, tries in found
    ]
    listing(shown, as_json=as_json, line=_with_tries)


@cli.command("list")
def list_(
    app: Annotated[str, typer.Argument(help="The app's id.")],
    account: Owner = "",
    since: Since = "",
    until: Until = "",
    as_json: AsJson = False,
) -> None:
    """The callbacks of an app that were given up."""
    from dispatcher.wiring.desk import callbacks

    with one_sentence(), callbacks(settings()) as desk:
        begin, end = _span(since, until)
        listing(map(_shown, desk.failed(app, account, begin, end)), as_json=as_json, line=_line)


@cli.command()
def replay(
    message_id: Annotated[int | None, typer.Argument(help="The invitation; or name an app.")] = None,
    app: Annotated[str, typer.Option(help="All that were given up for this app.")] = "",
    account: Owner = "",
    since: Since = "",
    until: Until = "",
    as_json: AsJson = False,
) -> None:
    """Make callbacks once more that have come to their end: those of an invitation, or all that failed for an app.

    They carry the same delivery id and the same values as before, so that who got one before can tell.
    """
    from dispatcher.wiring.desk import callbacks

    if (message_id is None) == (not app):
        raise Failed("message: name either an invitation or --app")
    if message_id is not None and (since or until):
        raise Failed("since: goes with --app")
    with one_sentence(), callbacks(settings()) as desk:
        if message_id is not None:
            count = desk.replay(message_id)
        else:
            begin, end = _span(since, until)
            count = desk.replay_failed(app, account, begin, end)
        stopped = desk.stopped(message_id, app, account) if count else ""
    note = f"The endpoint is stopped: nothing goes out until `app resume {stopped}`." if stopped else ""
    answer({"replayed": count}, as_json=as_json, note=note)


def _span(since: str, until: str) -> tuple[datetime | None, datetime | None]:
    return (instant_of("since", since) if since else None, instant_of("until", until) if until else None)


def _shown(owed: Owed) -> dict[str, Any]:
    return {
        "delivery": owed.delivery,
        "messageId": str(owed.message_id),
        "state": owed.state,
        "status": owed.status,
        "tries": owed.tries,
        "dueAt": instant(owed.due_at) if owed.ended_at is None else None,
        "endedAt": instant(owed.ended_at),
        "reason": owed.reason or None,
    }


def _line(row: dict[str, Any]) -> str:
    when = f"ended {row['endedAt']}" if row["endedAt"] else f"due {row['dueAt']}"
    tries = "1 try" if row["tries"] == 1 else f"{row['tries']} tries"
    if len(row.get("tried", ())) > row["tries"]:
        tries += f" since it was replayed, {len(row['tried'])} in all"
    told = f"{row['delivery']}  status {row['status']}  {row['state']}  {when}  {tries}"
    return f"{told}  {row['reason']}" if row["reason"] else told


def _with_tries(row: dict[str, Any]) -> str:
    return "\n".join([_line(row), *map(_try, row["tried"])])


def _try(row: dict[str, Any]) -> str:
    said = f"HTTP {row['http']}" if row["http"] else "no answer"
    reason = row["reason"].removeprefix(said).removeprefix(", ")
    return f"  {row['at']}  {said}  {reason}".rstrip()
