"""Instants as the database keeps them: whole microseconds since 1970 UTC in a BIGINT, exact and ordered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
# No lease, and no rest of a connection or an endpoint, is set farther ahead of the database's clock (settings:
# work.lease_seconds). One that is farther was set before that clock was set back, and counts as over: work would else
# stand still for as long as it jumped.
AHEAD: Final = timedelta(hours=1) // MICROSECOND


def micros(instant: datetime) -> int:
    """Whole microseconds since 1970 UTC."""
    return (instant - EPOCH) // MICROSECOND


def maybe_micros(instant: datetime | None) -> int | None:
    """The same, for a column that may be null."""
    return None if instant is None else micros(instant)


def maybe(value: int | None) -> datetime | None:
    """The same as `instant`, for a column that may be null."""
    return None if value is None else instant(value)


def instant(value: int) -> datetime:
    """The aware UTC datetime of such a number."""
    return EPOCH + timedelta(microseconds=value)
