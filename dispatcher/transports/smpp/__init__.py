"""SMPP for carriers: the binds of each connection that this process may hold, and what waits for them.

The clients that are kept do not meet what is asked of one: smpp34 cannot tell a wrong password from a mute SMSC and
acknowledges before anything is durable, smpplib has neither a window nor an end of waiting for garbage.
"""

from dispatcher.transports.smpp.session import Ack
from dispatcher.transports.smpp.transport import SmppTransport

__all__ = ["Ack", "SmppTransport"]
