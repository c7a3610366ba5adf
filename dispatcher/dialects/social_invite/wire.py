"""The words of the Social Invite API 2.0, and ours beside them. Wire spellings do not leave this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.device import MOST, cleaned
from dispatcher.core.fields import Field, read
from dispatcher.core.invitation import InviteRequest, Os, Standing, store_key
from dispatcher.core.lifecycle import FINAL, State, Word, word
from dispatcher.core.screening import LOOKUP
from dispatcher.engine.clicks import Click, Seen

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

REFERENCE: Final = Field("referenceId", "your own id: the same id with the same content is one invitation")
INVITE: Final = (
    Field("phone", "recipient phone number", required=True, most=65_536, example="3012223333"),
    Field("osType", "mobile OS the invitation is for", required=True, most=16, choices=tuple(Os), example="ANDROID"),
    Field(
        "message", "text of the invitation, sent as given", required=True, most=10_000, example="Join me: https://x.y"
    ),
    Field("appId", "your app, as provisioned", required=True, example="com.example.app"),
    Field("isoCountryCode", "country a national number is read in (default: the app's, else US)", most=2, example="US"),
    Field("senderPhone", "the inviter's phone number", most=64),
    REFERENCE,
    Field("inviterId", "who invites, in your words"),
    Field("inviterName", "who invites, as people read it"),
    Field("campaign", "your name for a group of invitations"),
)
CLICK: Final = (
    Field("messageId", "the invitation whose link was followed, as it was answered"),
    Field("referenceId", "or your own id of it: the newest invitation with that id"),
    Field("userAgent", "the User-Agent of the browser that followed the link", most=MOST),
)
SLIPS: Final = frozenset({"userAgent", "messageId"})  # the API's own printed example of a click is posted here
SLIPPED: Final = "this looks like a click-through report; those go to POST /ws/click"


def invite_from(given: Mapping[str, object], idempotency_key: str) -> InviteRequest:
    """The request of POST /ws/invitation. Raises Refusal 101 or 102."""
    fields = INVITE
    if given.keys() & SLIPS and "phone" not in given:
        raise Refusal(Code.MISSING, f"missing: {', '.join(f.name for f in fields if f.required)}; {SLIPPED}")
    values = read(fields, given)
    return InviteRequest(
        phone=values["phone"],
        text=values["message"],
        app_id=values["appId"],
        os=Os(values["osType"]),
        region=_country(values["isoCountryCode"]),
        sender_phone=values["senderPhone"],
        reference=values["referenceId"],
        idempotency_key=idempotency_key,
        inviter=values["inviterId"],
        inviter_name=values["inviterName"],
        campaign=values["campaign"],
    )


def _country(code: str) -> str:
    if code and not (code.isascii() and code.isalpha() and len(code) == 2):  # upper() makes SS of one letter
        raise Refusal(Code.INVALID, "isoCountryCode: must be an ISO 3166 country code of two letters, such as US")
    return code.upper()


def key_of(given: Mapping[str, object], idempotency_key: str) -> str:
    """The customer's own key of a request that could not be read further, empty where it has none."""
    reference = given.get(REFERENCE.name)
    known = isinstance(reference, str) and not REFERENCE.objection(reference)
    return store_key(idempotency_key, str(reference) if known else "")


def click_from(given: Mapping[str, object], number: Callable[[str], int]) -> Click:
    """The report of POST /ws/click; `number` reads an id. Raises Refusal 101 or 102; no User-Agent is too odd."""
    said = given.get("userAgent")
    values = read(CLICK, {**given, "userAgent": cleaned(said)} if isinstance(said, str) else given)
    named = values["messageId"]
    if not named and not values["referenceId"]:
        raise Refusal(Code.MISSING, "missing: messageId or referenceId")
    return Click(number(named) if named else None, values["referenceId"], values["userAgent"])


def click_body(seen: Seen) -> dict[str, Any]:
    """The answer of POST /ws/click."""
    body: dict[str, Any] = {"messageId": str(seen.message_id), "code": int(Code.CLICKED), "os": seen.device.os}
    if not seen.device.human:
        body |= {"code": int(Code.ACCEPTED), "message": "a link preview or another program: kept, and not a click"}
    return body


def milliseconds(instant: datetime | None) -> int | None:
    """Epoch milliseconds, the unit of every instant on this wire."""
    return None if instant is None else (instant - EPOCH) // MILLISECOND


def status_body(standing: Standing) -> dict[str, Any]:
    """The answer of GET /ws/invitation/{messageId}."""
    public = word(standing.state, sent=standing.sent_at is not None)
    body: dict[str, Any] = {
        "messageId": str(standing.id),
        "status": public,
        "processedDate": None if public is Word.PENDING else milliseconds(standing.sent_at or standing.completed_at),
        "code": int(standing.told_code),
        "message": standing.reason or _sentence(standing.told_code),
        "segments": standing.segments,
        "sender": standing.sender or None,
        "completionDate": milliseconds(standing.completed_at) if standing.state in FINAL else None,
    }
    if standing.clicked_at is not None:
        body["clickedDate"] = milliseconds(standing.clicked_at)
    if standing.reference:
        body["referenceId"] = standing.reference
    if public is Word.PENDING:
        due = standing.state is State.QUEUED and standing.hold != LOOKUP  # an answer may let it go at any time
        body["plannedDate"] = milliseconds(standing.due_at if due else standing.planned_at)
        body["holdReason"] = standing.hold or None
    return body


def _sentence(code: int) -> str:
    return Code(code).sentence
