"""The words of seed 004, with the additions of contract.md section 1. Wire spellings do not leave this file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.fields import Field, read
from dispatcher.core.invitation import InviteRequest, Os, Standing
from dispatcher.core.lifecycle import FINAL, State, Word, word

INVITE: Final = (
    Field("phone", "recipient phone number", required=True, most=64, example="3012223333"),
    Field("osType", "mobile OS the invitation is for", required=True, most=16, choices=tuple(Os), example="ANDROID"),
    Field(
        "message", "text of the invitation, sent as given", required=True, most=10_000, example="Join me: https://x.y"
    ),
    Field("appId", "your app, as provisioned", required=True, example="com.example.app"),
    Field("isoCountryCode", "country a national number is read in (default: the app's, else US)", most=2, example="US"),
    Field("senderPhone", "the inviter's phone number", most=64),
    Field("referenceId", "your own id: the same id with the same content is one invitation"),
    Field("inviterId", "who invites, in your words"),
    Field("inviterName", "who invites, as people read it"),
    Field("campaign", "your name for a group of invitations"),
)
SLIPS: Final = {"userAgent": "this looks like a click-through report; those go to POST /ws/click"}


def invite_from(given: Mapping[str, object], idempotency_key: str) -> InviteRequest:
    """The request of POST /ws/invitation. Raises Refusal 101 or 102."""
    fields = INVITE
    if "userAgent" in given and "phone" not in given:
        raise Refusal(Code.MISSING, f"missing: {', '.join(f.name for f in fields if f.required)}; {SLIPS['userAgent']}")
    values = read(fields, given)
    return InviteRequest(
        phone=values["phone"],
        text=values["message"],
        app_id=values["appId"],
        os=Os(values["osType"]),
        region=values["isoCountryCode"].upper(),
        sender_phone=values["senderPhone"],
        reference=values["referenceId"],
        idempotency_key=idempotency_key,
        inviter=values["inviterId"],
        inviter_name=values["inviterName"],
        campaign=values["campaign"],
    )


def milliseconds(instant: datetime | None) -> int | None:
    """Epoch milliseconds, the unit of every instant on this wire."""
    return None if instant is None else int(instant.timestamp() * 1000)


def status_body(standing: Standing) -> dict[str, Any]:
    """The answer of GET /ws/invitation/{messageId}."""
    public = word(standing.state, sent=standing.sent_at is not None)
    body: dict[str, Any] = {
        "messageId": str(standing.id),
        "status": public,
        "processedDate": milliseconds(standing.sent_at or standing.completed_at),
        "code": standing.code,
        "message": standing.reason or _sentence(standing.code),
        "segments": standing.segments,
        "sender": standing.sender or None,
        "completionDate": milliseconds(standing.completed_at) if standing.state in FINAL else None,
    }
    if standing.reference:
        body["referenceId"] = standing.reference
    if public is Word.PENDING:
        body["plannedDate"] = milliseconds(standing.due_at if standing.state is State.QUEUED else standing.planned_at)
        body["holdReason"] = standing.hold or None
    return body


def _sentence(code: int) -> str:
    return Code(code).sentence
