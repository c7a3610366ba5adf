"""Intake: from a request to a durable verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from unicodedata import decimal

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.flows import Flows
from dispatcher.core.invitation import Account, Admitted, App, Candidate, Channel, InviteRequest, Kind, store_key
from dispatcher.core.lifecycle import Word
from dispatcher.core.person import content_digest, person_of
from dispatcher.core.phone import Phone, known_region, parse
from dispatcher.core.screening import AT_INTAKE, AT_THE_DOOR, Facts, screen
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
        earlier: Callable[[int, str, str, datetime], Admitted | None],
        directory: Directory,
        ids: Ids,
        clock: Clock,
        pepper: bytes,
    ) -> None:
        """`admit` waits for the commit of the group, which rings the bell.

        `earlier` tells what an account's key was first answered, a conflict where the content's digest is another.
        """
        self._admit = admit
        self._earlier = earlier
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self._pepper = pepper
        self._flows = Flows()

    def accept(self, account: Account, request: InviteRequest) -> Verdict:
        """Judge and keep one invitation. Raises Refusal where it is turned back, StoreUnavailable if it is not kept.

        A key that was used before is judged before any rule: its first answer stands, whatever has changed since.
        """
        key = store_key(request.idempotency_key, request.reference)
        try:
            app = self._app(account, request)
            phone = parse(request.phone, region_of(app, request))
        except Refusal as refusal:
            raise self.refused(account, key, refusal) from None
        now = self._clock()
        facts = Facts(now=now, region=phone.region, countries=app.countries, line_type=phone.line_type, os=request.os)
        digest = content_digest(
            request.app_id, phone.e164, request.text, request.os, request.sender_phone, request.inviter,
            request.inviter_name, request.campaign,
        )  # fmt: skip
        size = count(request.text)
        objection = next((refusal for _, refusal in at_the_door(account, app, facts, size) if refusal), None)
        if objection is None:
            admitted = self._admit(self._candidate(app, request, phone, size.segments, key, digest, facts))
        elif earlier := self._earlier(account.id, key, digest, now) if key else None:
            admitted = earlier
        else:
            raise objection
        if admitted.conflict:
            raise _used(key)
        return _verdict(admitted)

    def refused(self, account: Account, key: str, refusal: Refusal) -> Refusal:
        """What to answer to a request that is turned back: that its key was used for something else, if it was."""
        return _used(key) if key and self._earlier(account.id, key, "", self._clock()) else refusal

    def _app(self, account: Account, request: InviteRequest) -> App:
        app = self._directory.app(account.id, request.app_id)
        if app is None:
            raise Refusal(Code.NOT_FOUND, "appId: not provisioned for this account")
        return app

    def _candidate(
        self, app: App, request: InviteRequest, phone: Phone, segments: int, key: str, digest: str, facts: Facts
    ) -> Candidate:
        now, objection = facts.now, screen(AT_INTAKE, facts)
        inviter = request.inviter or _digits(request.sender_phone)
        opens, expires = plan_of(app, phone, now)
        return Candidate(
            id=self._ids(),
            account_id=app.account_id,
            app_id=app.id,
            kind=Kind.INVITATION,
            channel=Channel.SMS,
            person=person_of(self._pepper, phone.e164),
            address=phone.e164,
            region=phone.region,
            text=request.text,
            segments=segments,
            os=request.os,
            created_at=now,
            planned_at=opens or now,
            expires_at=expires,
            duplicate_until=now + app.duplicate_window,
            key=key,
            digest=digest,
            reference=request.reference,
            inviter=inviter,
            inviter_name=request.inviter_name,
            campaign=request.campaign,
            flow=self._flows.flow(app.id, inviter, now),
            line_type=phone.line_type,
            code=objection.code if objection else Code.ACCEPTED,
            reason=objection.reason if objection else "",
        )


def region_of(app: App, request: InviteRequest) -> str:
    """The country that a national number is read in: the request's, else the sender's where the app says so.

    Raises:
        Refusal: INVALID, where that is no country.
    """
    if request.region:
        if not known_region(request.region):
            raise Refusal(Code.INVALID, "isoCountryCode: not an ISO 3166 country code such as US or DE")
        return request.region
    if app.country_from_sender and request.sender_phone.startswith("+"):
        try:
            return parse(request.sender_phone, app.country).region
        except Refusal:
            raise Refusal(Code.INVALID, "senderPhone: not a valid number, so its country is not known") from None
    return app.country


def plan_of(app: App, phone: Phone, now: datetime) -> tuple[datetime | None, datetime]:
    """When an invitation that comes now may leave at the earliest, None if at no hour soon; and when it expires."""
    opens = now if app.hours.is_always else app.hours.next_open(now, zones_of(phone.e164, phone.region))
    return opens, (opens or now + NEVER_OPEN) + VALIDITY


def at_the_door(account: Account, app: App, facts: Facts, size: Segments) -> Iterator[tuple[str, Refusal | None]]:
    """What is asked of a request that can be read, in order, each with why it is turned back, if it is."""
    yield "account", Refusal(Code.DENIED, "this account is paused", http=403) if account.paused else None
    for rule in AT_THE_DOOR:
        objection = rule.objection(facts)
        yield rule.name, Refusal(objection.code, objection.reason, http=403) if objection else None
    yield "message", _too_long(app, size) if size.segments > app.most_segments else None


def _too_long(app: App, size: Segments) -> Refusal:
    told = f"{size.segments} segments in {size.encoding}; this app allows at most {app.most_segments}"
    return Refusal(Code.INVALID, f"message: {told}")


def _used(key: str) -> Refusal:
    name = "Idempotency-Key" if key.startswith("k:") else "referenceId"
    return Refusal(409, f"{name}: already used for a different invitation within 24 hours")


def _digits(phone: str) -> str:
    """The digits of a number in whatever script it was written."""
    return "".join(str(decimal(c)) for c in phone if c.isdecimal())


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
