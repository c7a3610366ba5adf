"""Replies: what people answered, and what a person makes of the doubtful ones."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, listing, masked, one_sentence, settings
from dispatcher.core.exchange import Wish

if TYPE_CHECKING:
    from dispatcher.store.reviews import Kept

cli = typer.Typer(help="What people answered, and the doubtful ones that wait for you.", no_args_is_help=True)


class As(StrEnum):
    """What a reply may be settled as."""

    STOP = "stop"
    START = "start"
    NOTHING = "nothing"


@cli.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="All of the last 90 days, not only those that wait.")] = False,
    as_json: AsJson = False,
) -> None:
    """The replies that a person should look at; numbers stand whole in --json alone."""
    from dispatcher.wiring.desk import replies

    with one_sentence(), replies(settings()) as desk:
        listing(_shown(desk.listed(every=every)), as_json=as_json, line=_line)


@cli.command()
def settle(
    reply: Annotated[int, typer.Argument(help="Its number in the list.")],
    wish: Annotated[As, typer.Option("--as", help="What the person asks for.")],
    as_json: AsJson = False,
) -> None:
    """Say what a reply asks for: stop opts out, start and nothing end what it was taken for. Nobody is answered."""
    from dispatcher.wiring.desk import replies

    with one_sentence(), replies(settings()) as desk:
        discarded = desk.settle(reply, None if wish is As.NOTHING else Wish(wish))
    if discarded is None:
        raise Failed(f"reply: none of number {reply} waits; see `reply list`")
    answer({"reply": reply, "as": wish.value, "discarded": discarded}, as_json=as_json)


def _shown(found: Iterator[Kept]) -> Iterator[dict[str, Any]]:
    for reply in found:
        yield {
            "reply": reply.id,
            "phone": reply.phone or None,  # erased, or no number that can be read
            "sender": reply.sender,
            "text": reply.text,
            "verdict": reply.verdict,
            "review": reply.review or None,
            "answered": reply.answered,
            "receivedAt": instant(reply.received_at),
            "settledAt": instant(reply.settled_at),
        }


def _line(row: dict[str, Any]) -> str:
    phone = masked(row["phone"]) if row["phone"] else "(unknown)"
    why = f" ({row['review']})" if row["review"] else ""
    said = " ".join(row["text"].split())[:160]
    return f"{row['reply']}  {row['receivedAt']}  {phone} to {row['sender']}  {row['verdict']}{why}  {said}".rstrip()
