"""Every answer that is not a success: always `{"code", "message"}` in JSON, never HTML, never a trace."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from dispatcher.core.codes import Refusal
from dispatcher.engine.ports import StoreUnavailable
from dispatcher.web.kit import WebKit

log = logging.getLogger(__name__)
RETRY_SECONDS = 2


def register(app: Flask, kit: WebKit) -> None:
    """Answer refusals, HTTP errors, an unavailable store and the unforeseen alike."""

    def refused(error: Refusal) -> Response:
        headers: dict[str, Any] = {}
        if error.http == 401:
            headers["WWW-Authenticate"] = 'Basic realm="dispatcher", charset="UTF-8"'
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        return kit.json({"code": error.code, "message": error.message}, error.http, headers)

    def unavailable(error: StoreUnavailable) -> Response:
        log.error("the store is unavailable", extra={"action": "store", "error": str(error)})
        message = "the store is not available now, try again"
        if request.method == "POST":
            message = f"not accepted: {message}"
        return refused(Refusal(503, message, retry_after=RETRY_SECONDS))

    def http(error: HTTPException) -> Response:
        status = error.code or 500
        if status == 404:
            return refused(Refusal(404, "no such path"))
        answer = refused(Refusal(status, error.name))
        if allowed := getattr(error, "valid_methods", None):
            answer.headers["Allow"] = ", ".join(sorted(allowed))
        return answer

    def unforeseen(error: Exception) -> Response:
        log.error("a request failed", exc_info=error, extra={"action": "request"})
        return refused(Refusal(500, "internal error; nothing was accepted"))

    app.register_error_handler(Refusal, refused)
    app.register_error_handler(StoreUnavailable, unavailable)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unforeseen)
