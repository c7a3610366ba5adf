"""How connections stand, as doctor tells it: whether each can be used, how well it does, and its binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.core.health import ILL, Ailment
from dispatcher.engine.binds import BEGINNING
from dispatcher.engine.health import COMES_BACK
from dispatcher.store.binds import HeldBind
from dispatcher.wiring.desk import carrier_objection
from dispatcher.wiring.ground import Finding


def standing(
    line: Mapping[str, Any], ailment: Ailment | None, unusable: str | None, *, alone: bool, others: bool
) -> Finding:
    """Whether it can be used, and how well it does.

    `alone` is that a worker hears nothing from it, `others` that an app which uses it can use another one too.
    """
    name = f"connection {line['name']}"
    if objection := carrier_objection(line["carrier"], line["settings"]):
        return Finding(name, ok=False, what=objection, todo="set what is missing, or `connection set`")
    if line["stopped_at"]:
        ends = "a bind that succeeds ends the stop" if line["unbound_at"] else "`connection resume` spares the wait"
        return Finding(name, ok=False, what=f"stopped: {line['stop_reason']}", todo=f"mend it; {ends}")
    if unusable:
        return Finding(name, ok=False, what=unusable, todo="give it there, and start that process again")
    if line["unbound_at"]:
        what = f"not bound since {line['unbound_at']:%Y-%m-%dT%H:%M:%SZ}: {line['unbound']}"
        return Finding(name, ok=False, what=what, todo="ask the carrier, or look at this host's way to it")
    if alone and line["silent_at"]:
        todo = "ask the carrier, or look at this host's way to it; it is tried again by itself"
        what = f"left alone by a worker, tried last at {line['silent_at']:%Y-%m-%dT%H:%M:%SZ}: {line['silence']}"
        return Finding(name, ok=False, what=what, todo=todo)
    if not line["paused_at"] and ailment:
        return _ailing(name, ailment, others=others)
    return Finding(name, ok=True, what="is paused" if line["paused_at"] else "can be used")


def _ailing(name: str, ailment: Ailment, *, others: bool) -> Finding:
    what = f"can be used, health {ailment}"
    if ailment.reason in COMES_BACK:  # the worst is over, and nothing is left to do
        return Finding(name, ok=True, what=f"{what}, and is whole within 2 minutes")
    share = "most of its share goes to others of the app" if others else "there is no other to take its share"
    return Finding(name, ok=ailment.share >= ILL, what=what, todo=f"ask the carrier; {share}; it comes back by itself")


def binding(line: Mapping[str, Any], held: Sequence[HeldBind], alive: int) -> Finding:
    """Whether the binds of a connection that needs them are up: `held` by which of the work processes `alive`."""
    downs = sorted({bind.state for bind in held if bind.state})
    bound = sum(not bind.state for bind in held)
    what = f"{bound} of {line['settings'].get('binds', 1)} bound"
    if down := [bind for bind in held if bind.state]:
        what += f"; {len(down)} held by {', '.join(sorted({bind.holder for bind in down}))}: {', '.join(downs)}"
    if not alive:
        todo = "run `dispatcher work`"
    elif not held:
        todo = f"workers take them within seconds; else see connection {line['name']} and the log of a worker"
    elif downs == [BEGINNING]:
        todo = "look again in some seconds"
    else:
        todo = "mend what it says, or ask the provider; each is tried again by itself within a minute"
    return Finding(f"binds of {line['name']}", ok=bool(held) and not downs, what=what, todo=todo)


def with_others(
    connections: Sequence[Mapping[str, Any]], senders: Sequence[Mapping[str, Any]], pools: Mapping[int, set[int]]
) -> set[int]:
    """The connections whose texts may leave by another one: an app has senders of both, by app in `pools`."""
    works = {row["id"] for row in connections if not row["paused_at"] and not row["stopped_at"]}
    line_of = {row["id"]: row["connection_id"] for row in senders if not row["paused_at"]}
    found: set[int] = set()
    for pool in pools.values():
        lines = {line_of[sender] for sender in pool if sender in line_of} & works
        found |= lines if len(lines) > 1 else set()
    return found


def pools_of(
    apps: Sequence[Mapping[str, Any]], senders: Sequence[Mapping[str, Any]], dedicated: Mapping[int, Sequence[int]]
) -> dict[int, set[int]]:
    """The senders of each app: its own, else the shared ones."""
    shared = {row["id"] for row in senders} - dedicated.keys()
    own = {app["id"]: {sender for sender, owners in dedicated.items() if app["id"] in owners} for app in apps}
    return {app: pool or shared for app, pool in own.items()}
