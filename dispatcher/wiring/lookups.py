"""Lookups as the settings want them: the provider's words, and the duty in a work process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from dispatcher.core.given import Given, SettingsError
from dispatcher.engine.lookups import Answer, Lookups, Provider
from dispatcher.engine.ports import LOOKUPS, Ring, StoreUnavailable
from dispatcher.lookups import generic, twilio
from dispatcher.loops import Gatherer, Loop
from dispatcher.settings import LookupSettings
from dispatcher.store.database import Database
from dispatcher.store.line_types import LineTypeBook
from dispatcher.wiring.carriers import credentials_of
from dispatcher.wiring.ground import Finding
from dispatcher.wiring.parts import policy_of, utc_now

PROVIDERS: Final[Mapping[str, Callable[[Given], Provider]]] = MappingProxyType(
    {"twilio": twilio.from_settings, "generic": generic.from_settings}
)
SWEEP_SECONDS: Final = 1.0
MARGIN_SECONDS: Final = 5.0
MANY_LOOKUPS: Final = 1000  # are counted no further
LATELY: Final = timedelta(minutes=10)


def provider_of(settings: LookupSettings) -> Provider | None:
    """The provider's words; None where nothing is looked up. Raises SettingsError naming the setting."""
    if not settings.provider:
        return None
    try:
        given = Given(settings.settings, credentials_of(settings.settings))
        made = PROVIDERS[settings.provider](given)
        given.check_known()
    except SettingsError as error:
        raise SettingsError(f"setting lookups.settings.{error}") from None
    return made


def examined(settings: LookupSettings, database: Database) -> Iterator[Finding]:
    """Whether line types are asked, what that came to today, and what went wrong last."""
    now, today = utc_now(), LineTypeBook(database, policy_of(settings)).today(utc_now(), MANY_LOOKUPS)
    if not settings.provider:
        yield Finding(
            "lookups", ok=True, what="off: landlines of North America are learned by carriers' refusals alone"
        )
        return
    try:
        provider_of(settings)
    except SettingsError as error:
        yield Finding("lookups", ok=False, what=str(error), todo="set it; work processes do not start without")
        return
    what = f"{settings.provider}; {today.asked} of {settings.daily_cap} asked today, {today.waiting} wait"
    ok = today.asked < settings.daily_cap
    todo = "raise lookups.daily_cap, or leave it: who is not looked up is texted unasked"
    if ok and today.failed_at is not None and now - today.failed_at < LATELY:
        ok, todo = False, "who is not looked up is texted unasked; it is tried again by itself"
    if today.failed_at is not None:
        what += f"; the last that failed, at {today.failed_at:%H:%M:%S}Z: {today.failure}"
    yield Finding("lookups", ok=ok, what=what, todo=todo)


def looking_up(
    house: ExitStack,
    settings: LookupSettings,
    provider: Provider | None,
    database: Database,
    ring: Ring,
    alive: Callable[[], bool],
    agent: str,
) -> Sequence[Loop]:
    """The loop of lookups, none where nothing is looked up; what is under way when the house ends is waited for."""
    if provider is None:
        return []
    from dispatcher.transports.lookups import RequestsAsker

    answers: Gatherer[Answer] = Gatherer("lookups", unavailable=StoreUnavailable)
    house.callback(answers.stop)
    asker = RequestsAsker(slots=settings.in_flight, timeout=settings.timeout_seconds, user_agent=agent)
    house.callback(asker.close)
    duty = Lookups(
        book=LineTypeBook(database, policy_of(settings)),
        provider=provider,
        asker=asker,
        put=answers.put,
        clock=utc_now,
        ring=ring,
        cap=settings.daily_cap,
        grace=timedelta(seconds=settings.grace_seconds),
        lease=timedelta(seconds=5 * settings.timeout_seconds + MARGIN_SECONDS),  # see the asker
        alive=alive,
    )
    answers.start(duty.settle)
    return [Loop(LOOKUPS, SWEEP_SECONDS, duty.turn, frozenset({LOOKUPS}))]
