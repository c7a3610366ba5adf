"""Explain: what would become of an invitation that came at an instant, rule by rule, each with the data it used.

The rules are those of intake and dispatch, asked in their order; all of them are asked, also after an objection. What
is kept of the person and the senders' room are as they are now. Nothing is stored, and no sender's room is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.invitation import Account, App, InviteRequest, OptOut, Scope
from dispatcher.core.person import person_of
from dispatcher.core.phone import Phone, parse
from dispatcher.core.screening import (
    AT_INTAKE,
    COUNTRY,
    DEVICE,
    EXPIRED,
    LINE_TYPE,
    NO_LOOKUPS,
    OPT_OUT,
    REMEMBERED,
    Facts,
    Known,
    LinePolicy,
    Rule,
    Source,
    remembered,
)
from dispatcher.core.segments import count
from dispatcher.core.senders import Pool, Sender
from dispatcher.core.zones import zones_of
from dispatcher.engine.intake import at_the_door, plan_of, region_of

MOST_SENDERS: Final = 5  # whose hindrances are told one by one
REACHES: Final = MappingProxyType(
    {Scope.APP: "of this app", Scope.ACCOUNT: "of its account", Scope.GLOBAL: "of everything"}
)

FROM: Final[Mapping[str, str]] = MappingProxyType(
    {
        Source.CARRIER: " from a carrier's refusal",
        Source.CLICK: " from a click",
        Source.IMPORT: " from an import",
        Source.LOOKUP: " from a lookup",
    }
)


class Verdict(StrEnum):
    """A rule's word: nothing against it, an objection, not yet, or nothing is known that it could judge by."""

    PASS = "pass"  # noqa: S105 (a word of the answer)
    OBJECT = "object"
    WAIT = "wait"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, its verdict, and the data it used, in words."""

    rule: str
    verdict: Verdict
    because: str
    code: Code = Code.ACCEPTED


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of an invitation. `code` is that of the first objection, which intake would answer.

    `next_open_at` is the first instant at which every zone is open, None if there is none soon; `sender` is who would
    send it now, by the rule that the last finding names. Where the number cannot be read, `phone` is empty and nothing
    that follows from it is told.
    """

    phone: str
    code: Code
    message: str
    next_open_at: datetime | None
    zones: Sequence[str]
    sender: str
    rules: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an app and a person: the invitation that holds it, and until when."""

    message_id: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Hindrance:
    """A sender of an app that cannot be used now, why, and until when, where that ends by itself."""

    sender: str
    why: str
    until: datetime | None = None


class Lookups(Protocol):
    """What is kept, as far as a rule asks for it."""

    def known(self, person: str) -> Known:
        """What was learned of a person's number."""
        ...

    def opt_outs(self, person: str) -> Sequence[OptOut]:
        """Every opt-out of a person."""
        ...

    def place(self, app_id: int, person: str) -> Place | None:
        """Who holds this place, or held it last."""
        ...

    def sticky_sender(self, app_id: int, person: str, now: datetime) -> int | None:
        """The sender that this person knows from this app."""
        ...

    def ailments(self, sender: Sender) -> Sequence[str]:
        """Why a sender or its connection has less than its whole share, or can send nothing at all for now."""
        ...

    def hindrances(self, app_id: int) -> Sequence[Hindrance]:
        """The senders of this app that cannot be used now: its own, else the shared ones."""
        ...


class Explain:
    """Tells what would become of an invitation, and why."""

    def __init__(
        self, *, lookups: Lookups, pools: Callable[[], Iterable[Pool]], pepper: bytes, policy: LinePolicy = NO_LOOKUPS
    ) -> None:
        """`pools` reads the senders that may be used now, with their room; the second where the first has none."""
        self._lookups = lookups
        self._pools = pools
        self._pepper = pepper
        self._policy = policy

    def explain(self, account: Account, app: App, request: InviteRequest, at: datetime) -> Explanation:
        """What would become of this request, posted for this app of this account at this instant."""
        try:
            region = region_of(app, request)
            phone = parse(request.phone, region)
        except Refusal as refusal:
            unread = Finding("number", Verdict.OBJECT, refusal.message, Code(refusal.code))
            return _explanation("", None, (), "", [unread, _paused(app)])
        person = person_of(self._pepper, phone.e164)
        opens, expires = plan_of(app, phone, at)
        zones = zones_of(phone.e164, phone.region)
        sender, room = self._sender(app, phone, person, count(request.text).segments, at)
        found = [
            Finding("number", Verdict.PASS, f"{phone.e164} is a number of {phone.region}, read as in {region.upper()}"),
            *_door(account, app, phone, request, at),
            *self._intake(app, phone, person, request, at),
            _validity(opens or at, expires),
            _paused(app),
            _hours(app, zones, at, opens),
            room,
        ]
        return _explanation(phone.e164, opens, zones, sender, found)

    def _intake(self, app: App, phone: Phone, person: str, request: InviteRequest, at: datetime) -> Iterator[Finding]:
        """The door knows the number, the store knows the person; then the place of app and person."""
        opt_outs = [o for o in self._lookups.opt_outs(person) if _reaches(o, app)]
        known = replace(self._lookups.known(person), opted_out=bool(opt_outs))
        door = Facts(now=at, region=phone.region, line_type=phone.line_type, os=request.os)
        store = known.facts(request.os, at, self._policy)
        words = {
            LINE_TYPE: f"{_words(phone.line_type)} by its number; {self._line(known, phone, at)}",
            DEVICE: f"{request.os} asked; {_learned(known.os, known.os_at, known.os_from, at, REMEMBERED)}",
            OPT_OUT: "; ".join(map(_told, opt_outs)) or "no opt-out",
        }
        for rule in AT_INTAKE:
            yield _judged(rule, (door, store), words[rule])
        place = self._lookups.place(app.id, person)
        if place is None or place.until <= at:
            days = f"{app.duplicate_window / timedelta(days=1):g}"
            yield Finding("duplicate", Verdict.PASS, f"not invited by this app within {days} days")
        else:
            because = f"invited as {place.message_id}; may be invited again at {_instant(place.until)}"
            yield Finding("duplicate", Verdict.OBJECT, because, Code.DUPLICATE)

    def _line(self, known: Known, phone: Phone, at: datetime) -> str:
        """What is known of the line beside its number, and whether it would be asked first."""
        kept = known.line_type_kept(self._policy)
        told = _learned(known.line_type, known.line_type_at, known.line_type_from, at, kept)
        if self._policy.grace is None or not known.wants_lookup(phone.line_type, at, self._policy):
            return told
        return f"{told}; a lookup is asked first, for {self._policy.grace.total_seconds():g} s at most"

    def _sender(self, app: App, phone: Phone, person: str, segments: int, at: datetime) -> tuple[str, Finding]:
        """Who would send it now, and by which rule; why nobody, where that is so."""
        known = self._lookups.sticky_sender(app.id, person, at)
        for pool in self._pools():
            if choice := pool.choose(app.id, phone.region, phone.e164, known, segments):
                break
        else:
            return "", Finding("sender", Verdict.WAIT, _why_none(self._lookups.hindrances(app.id)))
        because = "; ".join([f"{choice.sender.number}: {choice.rule}", *self._lookups.ailments(choice.sender)])
        if choice.fits:
            return choice.sender.number, Finding("sender", Verdict.PASS, because)
        ahead = timedelta(microseconds=max(0, choice.slot - pool.now))
        because = f"{because}; has room in {ahead.total_seconds():.0f} s"
        return choice.sender.number, Finding("sender", Verdict.WAIT, because)


def _explanation(
    phone: str, opens: datetime | None, zones: Sequence[str], sender: str, found: Sequence[Finding]
) -> Explanation:
    first = next((finding for finding in found if finding.verdict is Verdict.OBJECT), None)
    code = first.code if first else Code.ACCEPTED
    return Explanation(phone, code, first.because if first else code.sentence, opens, zones, sender, found)


# --- Each rule's finding -------------------------------------------------------------------------------------------


def _door(account: Account, app: App, phone: Phone, request: InviteRequest, at: datetime) -> Iterator[Finding]:
    facts, size = Facts(now=at, region=phone.region, countries=app.countries), count(request.text)
    countries = "all" if app.countries is None else ", ".join(sorted(app.countries))
    words = {
        "account": "not paused",
        COUNTRY.name: f"{phone.region}; allowed: {countries}",
        "message": f"{size.segments} of at most {app.most_segments} segments, in {size.encoding}",
    }
    for rule, refusal in at_the_door(account, app, facts, size):
        if refusal:
            yield Finding(rule, Verdict.OBJECT, refusal.message, Code(refusal.code))
        elif rule == "message" and not request.text:
            yield Finding(rule, Verdict.UNKNOWN, "no text given")
        else:
            yield Finding(rule, Verdict.PASS, words[rule])


def _judged(rule: Rule, facts: Sequence[Facts], because: str) -> Finding:
    """What a rule says of these facts, of which each holds what another room knows."""
    for each in facts:
        if objection := rule.objection(each):
            return Finding(rule.name, Verdict.OBJECT, f"{objection.reason} ({because})", objection.code)
    known = any(rule.saw(each) for each in facts)
    return Finding(rule.name, Verdict.PASS if known else Verdict.UNKNOWN, because)


def _validity(planned: datetime, expires: datetime) -> Finding:
    return _judged(EXPIRED, [Facts(now=planned, expires_at=expires)], f"worth sending until {_instant(expires)}")


def _paused(app: App) -> Finding:
    return Finding("app", Verdict.WAIT, "app paused") if app.paused else Finding("app", Verdict.PASS, "not paused")


def _hours(app: App, zones: Sequence[str], at: datetime, opens: datetime | None) -> Finding:
    where = ", ".join(zones)
    if app.hours.is_always:
        return Finding("open hours", Verdict.PASS, "always open")
    if opens is None:
        why = f"no common open hour soon in {where}" if zones else "no time zone of it is known"
        return Finding("open hours", Verdict.WAIT, why)
    if opens > at:
        return Finding("open hours", Verdict.WAIT, f"quiet hours; open in {where} at {_instant(opens)}")
    closes = app.hours.closes_at(at, zones)
    until = f" until {_instant(closes)}" if closes else ""
    return Finding("open hours", Verdict.PASS, f"open in {where}{until}")


# --- Data in words -------------------------------------------------------------------------------------------------


def _reaches(optout: OptOut, app: App) -> bool:
    scopes = {Scope.GLOBAL: optout.scope_id, Scope.ACCOUNT: app.account_id, Scope.APP: app.id}
    return scopes[optout.scope] == optout.scope_id


def _told(optout: OptOut) -> str:
    since = f" since {_instant(optout.created_at)}" if optout.created_at else ""
    return f"{REACHES[optout.scope]}{since}, by {optout.source}"


def _learned(word: str, at: datetime | None, source: str, now: datetime, kept: timedelta) -> str:
    if not word or at is None:
        return "nothing learned"
    old = "" if remembered(word, at, now, kept) else ", too long ago to count"
    return f"{_words(word)} learned at {_instant(at)}{FROM.get(source, '')}{old}"


def _why_none(hindrances: Sequence[Hindrance]) -> str:
    told = [
        f"{each.sender} {each.why}" + (f", until {_instant(each.until)}" if each.until else "")
        for each in hindrances[:MOST_SENDERS]
    ]
    if len(hindrances) > MOST_SENDERS:
        told.append(f"and {len(hindrances) - MOST_SENDERS} more")
    return f"no sender: {'; '.join(told) or 'there is none'}"


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
