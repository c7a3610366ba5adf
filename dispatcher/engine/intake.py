"""Intake: from a request to a durable verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.invitation import Account, Admitted, App, Candidate, Channel, InviteRequest, Kind
from dispatcher.core.lifecycle import Word
from dispatcher.core.person import content_digest, person_of
from dispatcher.core.phone import Phone, known_region, parse
from dispatcher.core.segments import Segments, count
from dispatcher.core.zones import zones_of
from dispatcher.engine.ports import Clock, Directory, Ids

VALIDITY: Final = timedelta(hours=24)
NEVER_OPEN: Final = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to an invitation: the public word, the code, and what goes with them."""

    message_id: int
    word: Word
    code: Code
    message: str
    planned_at: datetime | None = None
    duplicate_of: int | None = None
    reopens_at: datetime | None = None
    replayed: bool = False


class Intake:
    """Accepts invitations. Accepted means durable: `accept` returns when its group is on disk."""

    def __init__(
        self,
        *,
        admit: Callable[[Candidate], Admitted],
        directory: Directory,
        ids: Ids,
        clock: Clock,
        pepper: bytes,
    ) -> None:
        """`admit` waits for the commit of the group, which rings the bell."""
        self._admit = admit
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self._pepper = pepper

    def accept(self, account: Account, request: InviteRequest) -> Verdict:
        """Judge and keep one invitation. Raises Refusal where it is turned back, StoreUnavailable if it is not kept."""
        app = self._directory.app(account.id, request.app_id)
        if app is None:
            raise Refusal(Code.NOT_FOUND, "appId: not provisioned for this account")
        if account.paused:
            raise Refusal(Code.DENIED, "this account is paused", http=403)
        phone = parse(request.phone, self._region(app, request))
        if app.countries is not None and phone.region not in app.countries:
            raise Refusal(Code.DENIED, f"phone: country {phone.region} is not allowed for this app", http=403)
        admitted = self._admit(self._candidate(account, app, request, phone))
        if admitted.conflict:
            name = "Idempotency-Key" if request.idempotency_key else "referenceId"
            raise Refusal(409, f"{name}: already used for a different invitation within 24 hours")
        return _verdict(admitted)

    def _region(self, app: App, request: InviteRequest) -> str:
        """The country that a national number is read in: the request's, else the sender's where the app says so."""
        if request.region:
            if not known_region(request.region):
                raise Refusal(Code.INVALID, "isoCountryCode: not an ISO 3166 country code such as US or DE")
            return request.region
        if app.country_from_sender and request.sender_phone.startswith("+"):
            return parse(request.sender_phone, app.country).region
        return app.country

    def _candidate(self, account: Account, app: App, request: InviteRequest, phone: Phone) -> Candidate:
        now = self._clock()
        size = _sized(request.text, app)
        opens = now if app.hours.is_always else app.hours.next_open(now, zones_of(phone.e164, phone.region))
        planned = opens or now
        digest = content_digest(
            request.app_id, phone.e164, request.text, request.os, request.sender_phone, request.inviter,
            request.inviter_name, request.campaign,
        )  # fmt: skip
        header, reference = request.idempotency_key, request.reference
        return Candidate(
            id=self._ids(),
            account_id=account.id,
            app_id=app.id,
            kind=Kind.INVITATION,
            channel=Channel.SMS,
            person=person_of(self._pepper, phone.e164),
            address=phone.e164,
            region=phone.region,
            text=request.text,
            segments=size.segments,
            os=request.os,
            created_at=now,
            planned_at=planned,
            expires_at=(planned if opens else now + NEVER_OPEN) + VALIDITY,
            duplicate_until=now + app.duplicate_window,
            key=f"k:{header}" if header else f"r:{reference}" if reference else "",
            digest=digest,
            reference=reference,
            inviter=request.inviter or "".join(c for c in request.sender_phone if c.isdigit()),
            inviter_name=request.inviter_name,
            campaign=request.campaign,
        )


def _sized(text: str, app: App) -> Segments:
    size = count(text)
    if size.segments > app.most_segments:
        raise Refusal(
            Code.INVALID,
            f"message: {size.segments} segments in {size.encoding}; this app allows at most {app.most_segments}",
        )
    return size


def _verdict(admitted: Admitted) -> Verdict:
    return Verdict(
        message_id=admitted.id,
        word=Word.DISCARDED if admitted.code else Word.PENDING,
        code=admitted.code,
        message=admitted.reason,
        planned_at=None if admitted.code else admitted.planned_at,
        duplicate_of=admitted.duplicate_of,
        reopens_at=admitted.reopens_at,
        replayed=admitted.replayed,
    )
