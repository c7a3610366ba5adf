"""Who is meant, without saying it: the keyed hash under which everything about a recipient is kept."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b


def person_of(pepper: bytes, address: str) -> str:
    """The 22-character key of an address (E.164, or an e-mail address, which is compared without its case).

    128 bits of a keyed hash (BLAKE2b, RFC 7693): without the pepper it cannot be turned back by trying all numbers, as
    a bare hash could. Unlike the HMAC of the standard library it keeps the interpreter's lock, which a busy door would
    wait for again.
    """
    digest = blake2b(address.casefold().encode(), key=pepper, digest_size=16).digest()
    return urlsafe_b64encode(digest).decode()[:22]


def content_digest(*parts: str) -> str:
    """A 22-character digest of a request's content, by which a repeat of the same key is known to be the same."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return urlsafe_b64encode(blake2b(joined.encode(), digest_size=16).digest()).decode()[:22]
