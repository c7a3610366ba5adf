"""The door of the Social Invite API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from dispatcher.core.codes import Code, Refusal
from dispatcher.dialects.social_invite import wire
from dispatcher.engine.clicks import Clicks
from dispatcher.engine.intake import Intake, Verdict
from dispatcher.engine.ports import Queries
from dispatcher.web.kit import WebKit


def door(intake: Intake, queries: Queries, clicks: Clicks, kit: WebKit) -> Blueprint:
    """POST /ws/invitation, GET /ws/invitation/{messageId} and POST /ws/click."""
    ws = Blueprint("social_invite", __name__, url_prefix="/ws")

    @ws.post("/invitation")
    def invite() -> Response:
        account = kit.account(request)
        given, key = kit.parameters(request), kit.idempotency_key(request)
        try:
            asked = wire.invite_from(given, key)
        except Refusal as refusal:
            raise intake.refused(account, wire.key_of(given, key), refusal) from None
        verdict = intake.accept(account, asked)
        headers = {"Idempotent-Replayed": "true"} if verdict.replayed else None
        return kit.json(_verdict_body(verdict), headers=headers)

    @ws.get("/invitation/<message_id>")
    def status(message_id: str) -> Response:
        account = kit.account(request)
        standing = queries.standing(account.id, kit.number(message_id))
        if standing is None:
            raise Refusal(Code.NOT_FOUND, Code.NOT_FOUND.sentence)
        return kit.json(wire.status_body(standing))

    @ws.post("/click")
    def click() -> Response:
        account = kit.account(request)
        return kit.json(wire.click_body(clicks.report(account, wire.click_from(kit.parameters(request), kit.number))))

    return ws


def _verdict_body(verdict: Verdict) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messageId": str(verdict.message_id),
        "status": verdict.word,
        "code": int(verdict.code),
    }
    if verdict.message:
        body["message"] = verdict.message
    if verdict.planned_at is not None:
        body["plannedDate"] = wire.milliseconds(verdict.planned_at)
    if verdict.duplicate_of is not None:
        body["duplicateOf"] = str(verdict.duplicate_of)
        body["reinviteDate"] = wire.milliseconds(verdict.reopens_at)
    return body
