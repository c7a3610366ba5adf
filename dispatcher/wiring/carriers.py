"""The carriers that can be connected to, by name; their credentials, read from where they stand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dispatcher.core.discretion import Discretion
from dispatcher.core.given import CREDENTIALS, Given, SettingsError
from dispatcher.engine.transport import Carrier
from dispatcher.store.connections import Contract

CARRIERS: Final = (
    "generic",
    "infobip",
    "kannel",
    "plivo",
    "simulated",
    "sinch",
    "smpp",
    "telnyx",
    "twilio",
    "vonage",
)
NO_HOOKS: Final = frozenset({"simulated", "smpp"})  # what these tell comes another way


def carrier_of(carrier: str, settings: Mapping[str, Any]) -> Carrier:
    """The words of a connection. Raises SettingsError."""
    if carrier not in CARRIERS:
        raise SettingsError(f"carrier: must be one of {', '.join(CARRIERS)}")
    given = Given(settings, credentials_of(settings))
    words = import_module(f"dispatcher.carriers.{carrier}")  # only what is spoken here: some need much to sign with
    made: Carrier = words.from_settings(given)
    given.check_known()
    return made


def tells(contract: Contract) -> bool:
    """Whether a connection reports what became of a text that it took."""
    return contract.carrier != "generic" or bool(contract.settings.get("receipts"))


def takes_hooks(contract: Contract) -> bool:
    """Whether the carrier of a connection has anything to say to us by HTTP: a receipt or a reply."""
    if contract.carrier == "generic":
        return bool(contract.settings.get("receipts") or contract.settings.get("replies"))
    return contract.carrier not in NO_HOOKS


def hook_url(contract: Contract, public_url: str) -> str:
    """Where the carrier of a connection reports to; "" where it reports nothing by HTTP."""
    silent = contract.carrier in NO_HOOKS or not tells(contract)
    return "" if silent else f"{public_url}/hooks/{contract.name}"


def discretion_of(contract: Contract) -> Discretion:
    """What nobody should read of what a connection tells. Raises SettingsError."""
    return Discretion.about(credentials_of(contract.settings).values())


def credentials_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The credentials that a connection names, read from where they stand. Raises SettingsError."""
    places = settings.get(CREDENTIALS, {})
    if not isinstance(places, Mapping):
        raise SettingsError("credentials: must be a table")
    return {name: _credential(name, str(place)) for name, place in places.items()}


def _credential(name: str, place: str) -> str:
    kind, _, where = place.partition(":")
    if kind not in ("env", "file"):
        raise SettingsError(f"credentials.{name}: must be env:VARIABLE or file:/path, not the secret itself")
    value = (_variable(name, where) if kind == "env" else _content(name, where)).strip()  # a file ends with a line end
    if not value:  # it would prove nothing, neither theirs nor ours
        raise SettingsError(f"credentials.{name}: {where} is empty")
    return value


def _variable(name: str, variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise SettingsError(f"credentials.{name}: the environment has no {variable}")
    return value


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):  # the latter for what is not UTF-8, and for a path with NUL
        raise SettingsError(f"credentials.{name}: {path} cannot be read") from None
