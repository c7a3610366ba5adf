"""Any HTTP provider, described rather than programmed: config/connections/generic.toml explains every key.

The description says how a submit is asked for, how the answer tells the id or the refusal, and how receipts arrive at
/hooks/{connection}. Values are escaped for where they stand; what the description does not cover is judged by the HTTP
status alone (core.exchange.judged).
"""

from dispatcher.carriers.generic.description import from_description
from dispatcher.carriers.generic.places import Place
from dispatcher.carriers.generic.words import Generic
from dispatcher.core.given import Given

__all__ = ["Generic", "Place", "from_description", "from_settings"]


def from_settings(given: Given) -> Generic:
    """The carrier that is described. Raises SettingsError."""
    return from_description(given.described(), given.credentials)
