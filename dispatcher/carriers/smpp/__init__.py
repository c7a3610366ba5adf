"""Any SMSC that speaks SMPP 3.4: config/connections/smpp.toml explains every key.

Statuses and receipts: SMPP Protocol Specification v3.4, 5.1.3 and appendix B. Vendors give codes meanings of their own
and write ids in two ways, so both can be set. It neither de-duplicates nor can be asked by our id.
"""

from dispatcher.carriers.smpp.settings import from_settings
from dispatcher.carriers.smpp.words import Smpp

__all__ = ["Smpp", "from_settings"]
