"""Any HTTP provider, described rather than programmed: config/connections/generic.toml explains every key.

The description says how a submit is asked for, how the answer tells the id or the refusal, and how receipts arrive at
/hooks/{connection}. Values are escaped for where they stand; what the description does not cover is judged by the HTTP
status alone (core.exchange.judged).
"""

from dispatcher.carriers.generic.description import from_description
from dispatcher.carriers.generic.places import DescriptionError, Place
from dispatcher.carriers.generic.words import Generic

__all__ = ["DescriptionError", "Generic", "Place", "from_description"]
