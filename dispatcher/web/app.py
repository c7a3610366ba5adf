"""The Flask application, put together from the doors it is given."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Flask, Request, Response
from werkzeug.routing import MapAdapter

from dispatcher.web.kit import MOST_BYTES, WebKit
from dispatcher.web.problems import register


class Doors(Flask):
    """Flask, without a look at the Host header: no door differs by host, and each request would pay for it."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The routes for this request's path."""
        if request is None:
            return super().create_url_adapter(request)
        path = request.environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        return MapAdapter(self.url_map, "", "/", None, "http", path, request.method, None)


def application(doors: Iterable[Blueprint], kit: WebKit) -> Flask:
    """One application over these doors."""
    app = Doors("dispatcher", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False  # else a doubled slash is answered by a redirect in HTML
    register(app, kit)
    for blueprint in doors:
        app.register_blueprint(blueprint)

    @app.get("/health")
    def health() -> Response:
        return kit.json({"status": "ok"})

    return app
