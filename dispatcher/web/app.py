"""The Flask application, put together from the doors it is given."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Flask, Response

from dispatcher.web.kit import MOST_BYTES, WebKit
from dispatcher.web.problems import register


def application(doors: Iterable[Blueprint], kit: WebKit) -> Flask:
    """One application over these doors."""
    app = Flask("dispatcher", static_folder=None)
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
