"""The rules in their order: which object to what, for each kind that goes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Kind
from dispatcher.core.screening import AT_DISPATCH, AT_INTAKE, KEEPS_HOURS, Facts, Objection, screen

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FINE = Facts(now=NOON, expires_at=NOON + timedelta(microseconds=1))
STOP = replace(FINE, opted_out=True)
LATE = replace(FINE, expires_at=NOON)
GONE = replace(FINE, address_known=False)
ALL_AT_ONCE = replace(LATE, opted_out=True, address_known=False)

OPTED_OUT = Objection(Code.OPTED_OUT, "User opted-out")
EXPIRED = Objection(Code.SEND_FAILED, "expired before it could be sent", expired=True)
ERASED = Objection(Code.SEND_FAILED, "the recipient's data was erased")

# What each kind is told: by nothing, by a STOP, when it is late, when the address is gone, by all of it together.
KINDS = [
    (Kind.INVITATION, [None, OPTED_OUT, EXPIRED, ERASED, ERASED]),
    (Kind.CONFIRMATION, [None, None, EXPIRED, ERASED, ERASED]),  # the one text that an opt-out allows
    (Kind.HELP, [None, None, EXPIRED, ERASED, ERASED]),
    (Kind.SESSION, [None, OPTED_OUT, EXPIRED, ERASED, ERASED]),
]


@pytest.mark.parametrize(("kind", "told"), KINDS)
def test_at_dispatch(kind: Kind, told: list[Objection | None]) -> None:
    assert [screen(AT_DISPATCH[kind], facts) for facts in (FINE, STOP, LATE, GONE, ALL_AT_ONCE)] == told


def test_an_opt_out_comes_before_lateness() -> None:
    assert screen(AT_DISPATCH[Kind.INVITATION], replace(LATE, opted_out=True)) == OPTED_OUT


@pytest.mark.parametrize(("facts", "told"), [(FINE, None), (STOP, OPTED_OUT), (LATE, None), (GONE, None)])
def test_at_intake(facts: Facts, told: Objection | None) -> None:
    assert screen(AT_INTAKE, facts) == told


def test_every_kind_has_its_rules_and_only_invitations_keep_hours() -> None:
    assert set(AT_DISPATCH) == set(Kind) == {kind for kind, _ in KINDS}
    assert {Kind.INVITATION} == KEEPS_HOURS


def test_no_rules_object_to_nothing() -> None:
    assert screen((), ALL_AT_ONCE) is None
