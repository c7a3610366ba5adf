"""Instants as the database keeps them: whole microseconds since 1970 UTC in a BIGINT, exact and ordered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def micros(instant: datetime) -> int:
    """Whole microseconds since 1970 UTC."""
    return (instant - EPOCH) // MICROSECOND


def instant(value: int) -> datetime:
    """The aware UTC datetime of such a number."""
    return EPOCH + timedelta(microseconds=value)
