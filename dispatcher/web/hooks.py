"""Carrier hooks: /hooks/{connection}. Verified first, durable before the 2xx."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Request, Response, request

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import Hook
from dispatcher.engine.hooks import Hooks, Lookup
from dispatcher.web.kit import WebKit

MOST_BYTES: Final = 1 << 20  # a carrier may tell of many messages at once, and several send chunks


def door(taking: Hooks, lookup: Lookup, public_url: str, kit: WebKit) -> Blueprint:
    """GET and POST /hooks/{connection}, which carriers know as `public_url`/hooks/{connection}."""
    hooks = Blueprint("hooks", __name__)

    @hooks.route("/hooks/<connection>", methods=["GET", "POST"])
    def hook(connection: str) -> Response:
        known = lookup(connection)
        if known is None:
            raise Refusal(404, "no such connection")
        if request.method == "HEAD":  # routed with GET, by which carriers tell; who asks for the head tells nothing
            return kit.nothing(200)
        taking.take(
            known,
            Hook(
                method=request.method,
                url=_called(public_url, request),
                query=request.args.to_dict(),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=kit.body(request, most=MOST_BYTES, chunked=True),
            ),
        )
        return kit.nothing(204 if request.method == "POST" else 200)  # Kannel asks again after a 204

    return hooks


def _called(public_url: str, request: Request) -> str:
    """The address that the carrier called, which it may have signed: as it knows it, whatever a proxy made of it."""
    query = request.environ.get("QUERY_STRING", "")
    return f"{public_url}{request.path}{'?' if query else ''}{query}"
