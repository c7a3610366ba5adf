"""The rules in their order: which object to what, at the door, at intake, and for each kind that goes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Kind, Os
from dispatcher.core.phone import LineType
from dispatcher.core.screening import (
    AT_DISPATCH,
    AT_INTAKE,
    AT_THE_DOOR,
    COUNTRY,
    DEVICE,
    ERASED,
    EXPIRED,
    KEEPS_HOURS,
    LINE_TYPE,
    NO_LOOKUPS,
    OPT_OUT,
    REMEMBERED,
    Facts,
    Known,
    KnownOs,
    LinePolicy,
    Objection,
    Rule,
    remembered,
    screen,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FINE = Facts(now=NOON, expires_at=NOON + timedelta(microseconds=1))
STOP = replace(FINE, opted_out=True)
LATE = replace(FINE, expires_at=NOON)
GONE = replace(FINE, address_known=False)
ALL_AT_ONCE = replace(LATE, opted_out=True, address_known=False)

OPTED_OUT = Objection(Code.OPTED_OUT, "User opted-out")
TOO_LATE = Objection(Code.SEND_FAILED, "expired before it could be sent", expired=True)
NO_ADDRESS = Objection(Code.SEND_FAILED, "the recipient's data was erased")

# What each kind is told: by nothing, by a STOP, when it is late, when the address is gone, by all of it together.
KINDS = [
    (Kind.INVITATION, [None, OPTED_OUT, TOO_LATE, NO_ADDRESS, NO_ADDRESS]),
    (Kind.CONFIRMATION, [None, None, TOO_LATE, NO_ADDRESS, NO_ADDRESS]),  # the one text that an opt-out allows
    (Kind.HELP, [None, None, TOO_LATE, NO_ADDRESS, NO_ADDRESS]),
    (Kind.SESSION, [None, OPTED_OUT, TOO_LATE, NO_ADDRESS, NO_ADDRESS]),
]


@pytest.mark.parametrize(("kind", "told"), KINDS)
def test_at_dispatch(kind: Kind, told: list[Objection | None]) -> None:
    assert [screen(AT_DISPATCH[kind], facts) for facts in (FINE, STOP, LATE, GONE, ALL_AT_ONCE)] == told


def test_an_opt_out_comes_before_lateness() -> None:
    assert screen(AT_DISPATCH[Kind.INVITATION], replace(LATE, opted_out=True)) == OPTED_OUT


@pytest.mark.parametrize(("facts", "told"), [(FINE, None), (STOP, OPTED_OUT), (LATE, None), (GONE, None)])
def test_at_intake(facts: Facts, told: Objection | None) -> None:
    assert screen(AT_INTAKE, facts) == told


PASSES = {LineType.MOBILE, LineType.FIXED_OR_MOBILE, LineType.UNKNOWN}


@pytest.mark.parametrize("line_type", LineType)
def test_only_what_may_be_a_mobile_phone_is_texted(line_type: LineType) -> None:
    objection = screen(AT_INTAKE, replace(FINE, line_type=line_type))
    if line_type in PASSES:
        assert objection is None
    elif line_type is LineType.NONE:
        assert objection == Objection(Code.INVALID_PHONE, "Invalid phone: nobody can have that number")
    else:
        assert objection == Objection(Code.NOT_MOBILE, f"Not a mobile phone: {line_type.replace('_', ' ')}")


def test_a_policy_may_text_more_line_types() -> None:
    policy = LinePolicy(textable=frozenset({LineType.NON_FIXED_VOIP}))
    facts = Known("non_fixed_voip", NOON, line_type_from="lookup").facts(Os.IOS, NOON, policy)
    assert screen(AT_INTAKE, facts) is None
    assert screen(AT_INTAKE, replace(facts, line_type=LineType.MOBILE)) is not None


ON = LinePolicy(grace=timedelta(seconds=30), keep=timedelta(days=60))
JUST = NOON - timedelta(days=60)
# What is known of a line, since when and from whom; what of it counts, and whether its number is asked about.
LINES = [
    (Known(), LineType.UNKNOWN, True),
    (Known("mobile", NOON, line_type_from="lookup"), LineType.MOBILE, False),
    (Known("mobile", JUST + MICROSECOND, line_type_from="lookup"), LineType.MOBILE, False),
    (Known("mobile", JUST, line_type_from="lookup"), LineType.UNKNOWN, True),
    (Known("fixed", JUST, line_type_from="lookup"), LineType.UNKNOWN, True),
    (Known("fixed", JUST, line_type_from="import"), LineType.FIXED, True),
    (Known("fixed", NOON - timedelta(days=29), line_type_from="carrier"), LineType.FIXED, False),
    (Known("fixed", NOON - timedelta(days=30), line_type_from="carrier"), LineType.UNKNOWN, True),
    (Known("mobile", JUST, line_type_from="import"), LineType.MOBILE, True),
    (Known("unknown", NOON, line_type_from="lookup"), LineType.UNKNOWN, False),
    (Known("none", NOON - timedelta(days=29), line_type_from="carrier"), LineType.NONE, False),
    (Known("none", NOON - timedelta(days=30), line_type_from="carrier"), LineType.UNKNOWN, True),
]


@pytest.mark.parametrize(("known", "counts", "asked"), LINES)
def test_what_is_known_of_a_line_and_what_is_asked(known: Known, counts: LineType, asked: bool) -> None:
    assert known.facts(Os.IOS, NOON, ON).line_type is counts
    assert known.wants_lookup(LineType.FIXED_OR_MOBILE, NOON, ON) is asked
    assert not known.wants_lookup(LineType.MOBILE, NOON, ON)
    assert not known.wants_lookup(LineType.FIXED_OR_MOBILE, NOON, NO_LOOKUPS)


@pytest.mark.parametrize("line_type", LineType)
def test_a_satellite_phone_is_never_texted(line_type: LineType) -> None:
    told = Objection(Code.NOT_MOBILE, "Not a mobile phone: a number of no country")
    assert screen(AT_INTAKE, replace(FINE, region="001", line_type=line_type)) == told


# What the phone is known to be, and for which apps it is not the right one.
DEVICES: list[tuple[KnownOs | None, set[Os]]] = [
    (None, set()),
    (KnownOs.IOS, {Os.ANDROID}),
    (KnownOs.ANDROID, {Os.IOS}),
    (KnownOs.FEATURE_PHONE, {Os.IOS, Os.ANDROID, Os.IOS_ANDROID}),
]


@pytest.mark.parametrize(("known", "refused"), DEVICES)
@pytest.mark.parametrize("asked", Os)
def test_a_device_that_is_known_must_fit(known: KnownOs | None, refused: set[Os], asked: Os) -> None:
    objection = screen(AT_INTAKE, replace(FINE, known_os=known, os=asked))
    assert (objection and objection.code) == (Code.NOT_COMPATIBLE if asked in refused else None)


def test_what_a_device_is_refused_with() -> None:
    objection = screen(AT_INTAKE, replace(FINE, known_os=KnownOs.FEATURE_PHONE, os=Os.IOS))
    assert objection == Objection(Code.NOT_COMPATIBLE, "Mobile device not compatible: feature phone seen, IOS asked")


def test_the_order_at_intake() -> None:
    facts = replace(STOP, line_type=LineType.FIXED, known_os=KnownOs.IOS, os=Os.ANDROID)
    codes = []
    for better in ({}, {"line_type": LineType.MOBILE}, {"known_os": KnownOs.ANDROID}, {"opted_out": False}):
        facts = replace(facts, **better)
        codes.append(objection.code if (objection := screen(AT_INTAKE, facts)) else None)
    assert codes == [Code.NOT_MOBILE, Code.NOT_COMPATIBLE, Code.OPTED_OUT, None]


@pytest.mark.parametrize(("countries", "told"), [(None, None), ({"US"}, None), ({"CA", "DE"}, Code.DENIED)])
def test_countries_at_the_door(countries: set[str] | None, told: Code | None) -> None:
    allowed = None if countries is None else frozenset(countries)
    objection = screen(AT_THE_DOOR, replace(FINE, region="US", countries=allowed))
    assert (objection and objection.code) == told


SEEN = [
    (COUNTRY, FINE, ""),
    (COUNTRY, replace(FINE, region="DE"), "DE"),
    (LINE_TYPE, FINE, ""),
    (LINE_TYPE, replace(FINE, line_type=LineType.PREMIUM), "premium"),
    (DEVICE, FINE, ""),
    (DEVICE, replace(FINE, known_os=KnownOs.IOS), "IOS"),
    (OPT_OUT, FINE, "no opt-out"),
    (OPT_OUT, STOP, "opted out"),
    (ERASED, FINE, "address kept"),
    (ERASED, GONE, "address erased"),
    (EXPIRED, LATE, "until 2026-11-22T12:00:00+00:00"),
]


@pytest.mark.parametrize(("rule", "facts", "saw"), SEEN)
def test_a_rule_tells_what_it_saw(rule: Rule, facts: Facts, saw: str) -> None:
    assert rule.saw(facts) == saw


def test_every_rule_has_a_name_of_its_own() -> None:
    rules = {*AT_THE_DOOR, *AT_INTAKE, *(rule for rules in AT_DISPATCH.values() for rule in rules)}
    assert len({rule.name for rule in rules}) == len(rules) == len({rule for rule, _, _ in SEEN})


@pytest.mark.parametrize(
    ("learned", "at", "told"),
    [
        ("IOS", NOON, "IOS"),
        ("IOS", None, ""),
        ("", NOON, ""),
        ("IOS", NOON - REMEMBERED, ""),
        ("IOS", NOON - REMEMBERED + timedelta(microseconds=1), "IOS"),
    ],
)
def test_what_was_learned_grows_old(learned: str, at: datetime | None, told: str) -> None:
    assert remembered(learned, at, NOON) == told


def test_what_is_kept_of_a_person_counts_while_it_is_remembered() -> None:
    kept = Known("fixed", NOON, "FEATURE_PHONE", NOON, opted_out=True)
    old = replace(kept, line_type_at=NOON - REMEMBERED, os_at=NOON - REMEMBERED, opted_out=False)
    assert kept.facts(Os.IOS, NOON) == Facts(
        now=NOON, os=Os.IOS, line_type=LineType.FIXED, known_os=KnownOs.FEATURE_PHONE, opted_out=True
    )
    assert old.facts(Os.IOS, NOON) == Known().facts(Os.IOS, NOON) == Facts(now=NOON, os=Os.IOS)


def test_every_kind_has_its_rules_and_only_invitations_keep_hours() -> None:
    assert set(AT_DISPATCH) == set(Kind) == {kind for kind, _ in KINDS}
    assert {Kind.INVITATION} == KEEPS_HOURS


def test_no_rules_object_to_nothing() -> None:
    assert screen((), ALL_AT_ONCE) is None
