"""The ordered rules that may object to an invitation, each with its code and its sentence. The order is the policy.

A rule judges by facts; what is not known passes, and whoever knows more asks again: the door knows the number, the
store knows the person, dispatch knows the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Kind, Os
from dispatcher.core.phone import NOWHERE, LineType

# What a range was given out for must be, or may be, mobile phones. The others are landlines, are paid for by whoever is
# texted or by whoever texts (premium, shared cost, personal: also how fraud makes money), or take no texts.
MAY_BE_MOBILE: Final = frozenset({LineType.MOBILE, LineType.FIXED_OR_MOBILE, LineType.UNKNOWN})
# What a carrier's refusal says of a number: it is given out anew after a while, or it was its network that was away, as
# the same words often mean (Twilio's 30006, Telnyx's 40001). To suffer it again costs one text.
HEARSAY: Final = timedelta(days=30)
UNTOLD: Final = frozenset({LineType.FIXED_OR_MOBILE, LineType.UNKNOWN})  # worth a lookup
REMEMBERED: Final = timedelta(days=730)  # people change phones and numbers change hands, so what was learned grows old


NEVER: Final = datetime.max.replace(tzinfo=UTC)


class KnownOs(StrEnum):
    """What a number's phone was last seen to be."""

    IOS = "IOS"
    ANDROID = "ANDROID"
    FEATURE_PHONE = "FEATURE_PHONE"


class Source(StrEnum):
    """Who told what is known of a number."""

    CARRIER = "carrier"
    CLICK = "click"
    IMPORT = "import"
    LOOKUP = "lookup"


@dataclass(frozen=True, slots=True)
class LinePolicy:
    """What line types are worth: which get a text, and how long the answer of a lookup counts.

    `grace` is how long a first text waits for a lookup; None where nothing is looked up.
    """

    grace: timedelta | None = None
    keep: timedelta = timedelta(days=60)
    textable: frozenset[LineType] = MAY_BE_MOBILE


NO_LOOKUPS: Final = LinePolicy()
LOOKUP: Final = "lookup"  # why a row waits that goes as soon as an answer comes, and when its grace ends at the latest


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an invitation when it is screened; every default means that it is not known or not so."""

    now: datetime
    expires_at: datetime = NEVER
    region: str = ""
    countries: frozenset[str] | None = None
    line_type: LineType = LineType.UNKNOWN
    textable: frozenset[LineType] = MAY_BE_MOBILE
    os: Os = Os.IOS_ANDROID
    known_os: KnownOs | None = None
    address_known: bool = True
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """A rule's no. `expired` tells that time ran out rather than that a rule forbade it."""

    code: Code
    reason: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its name: what it objects to, and what it looked at in words, empty where nothing is known."""

    name: str
    objection: Callable[[Facts], Objection | None]
    saw: Callable[[Facts], str]


def _foreign(facts: Facts) -> Objection | None:
    """The app does not invite to that country."""
    if facts.countries is None or facts.region in facts.countries:
        return None
    return Objection(Code.DENIED, f"phone: country {facts.region} is not allowed for this app")


def _not_mobile(facts: Facts) -> Objection | None:
    """No mobile phone can be behind that number."""
    if facts.region == NOWHERE:  # satellite phones and services: dear, and in no known zone
        return Objection(Code.NOT_MOBILE, f"{Code.NOT_MOBILE.sentence}: a number of no country")
    if facts.line_type in facts.textable:
        return None
    if facts.line_type is LineType.NONE:
        return Objection(Code.INVALID_PHONE, f"{Code.INVALID_PHONE.sentence}: nobody can have that number")
    return Objection(Code.NOT_MOBILE, f"{Code.NOT_MOBILE.sentence}: {facts.line_type.replace('_', ' ')}")


def _not_compatible(facts: Facts) -> Objection | None:
    """The phone behind the number is known, and it is not the one that the app is for."""
    known, meant = facts.known_os, facts.os
    if known is None or (known is not KnownOs.FEATURE_PHONE and meant in (Os.IOS_ANDROID, Os(known))):
        return None
    return Objection(
        Code.NOT_COMPATIBLE, f"{Code.NOT_COMPATIBLE.sentence}: {known.lower().replace('_', ' ')} seen, {meant} asked"
    )


def _opted_out(facts: Facts) -> Objection | None:
    """The person said STOP, or an operator said so for them."""
    return Objection(Code.OPTED_OUT, Code.OPTED_OUT.sentence) if facts.opted_out else None


def _erased(facts: Facts) -> Objection | None:
    """The person's address was erased while the invitation waited."""
    return None if facts.address_known else Objection(Code.SEND_FAILED, "the recipient's data was erased")


def _expired(facts: Facts) -> Objection | None:
    """It waited longer than it is worth sending."""
    late = facts.now >= facts.expires_at
    return Objection(Code.SEND_FAILED, "expired before it could be sent", expired=True) if late else None


COUNTRY: Final = Rule("country", _foreign, lambda facts: facts.region)
LINE_TYPE: Final = Rule(
    "line type", _not_mobile, lambda facts: "" if facts.line_type is LineType.UNKNOWN else facts.line_type
)
DEVICE: Final = Rule("device", _not_compatible, lambda facts: facts.known_os or "")
OPT_OUT: Final = Rule("opt-out", _opted_out, lambda facts: "opted out" if facts.opted_out else "no opt-out")
ERASED: Final = Rule("erased", _erased, lambda facts: "address kept" if facts.address_known else "address erased")
EXPIRED: Final = Rule("validity", _expired, lambda facts: f"until {facts.expires_at.isoformat()}")

AT_THE_DOOR: Final = (COUNTRY,)  # turned back: nothing is stored
AT_INTAKE: Final = (LINE_TYPE, DEVICE, OPT_OUT)  # accepted and discarded; the last rule is the place of app and person
AT_DISPATCH: Final[Mapping[Kind, Sequence[Rule]]] = MappingProxyType(
    {
        Kind.INVITATION: (ERASED, OPT_OUT, EXPIRED),  # never duplicate again: it would find its own slot
        Kind.CONFIRMATION: (ERASED, EXPIRED),  # the one text that an opt-out allows
        Kind.HELP: (ERASED, EXPIRED),
        Kind.SESSION: (ERASED, OPT_OUT, EXPIRED),
    }
)
KEEPS_HOURS: Final = frozenset({Kind.INVITATION})  # answers to a person's own text go out at once


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a person: what was learned of the number, when and from whom, and whether they opted out.

    A word is "" for nothing; a source is "" where nobody asks for it.
    """

    line_type: str = ""
    line_type_at: datetime | None = None
    os: str = ""
    os_at: datetime | None = None
    opted_out: bool = False
    line_type_from: str = ""
    os_from: str = ""

    def facts(self, os: Os, now: datetime, policy: LinePolicy = NO_LOOKUPS) -> Facts:
        """What of it counts now, for an invitation to such a device."""
        line_type = remembered(self.line_type, self.line_type_at, now, self.line_type_kept(policy))
        seen = remembered(self.os, self.os_at, now)
        return Facts(
            now=now,
            os=os,
            line_type=LineType(line_type) if line_type else LineType.UNKNOWN,
            textable=policy.textable,
            known_os=KnownOs(seen) if seen else None,
            opted_out=self.opted_out,
        )

    def line_type_kept(self, policy: LinePolicy) -> timedelta:
        """How long what is known of the line counts."""
        kept: Mapping[str, timedelta] = {Source.LOOKUP: policy.keep, Source.CARRIER: HEARSAY}
        return kept.get(self.line_type_from, REMEMBERED)

    def wants_lookup(self, line_type: LineType, now: datetime, policy: LinePolicy) -> bool:
        """Whether a number whose range tells `line_type` is to be looked up before it is texted."""
        return policy.grace is not None and line_type in UNTOLD and not self.fresh_line_type(now, policy)

    def fresh_line_type(self, now: datetime, policy: LinePolicy) -> str:
        """What is known of the line, unless it is so old that a lookup is worth its price; "" for nothing."""
        return remembered(self.line_type, self.line_type_at, now, min(policy.keep, self.line_type_kept(policy)))


def remembered(learned: str, learned_at: datetime | None, now: datetime, kept: timedelta = REMEMBERED) -> str:
    """What was learned about a number, unless it is too long ago."""
    return learned if learned_at is not None and learned_at > now - kept else ""


def screen(rules: Sequence[Rule], facts: Facts) -> Objection | None:
    """The first objection, or None when the invitation may go on."""
    return next((objection for rule in rules if (objection := rule.objection(facts))), None)
