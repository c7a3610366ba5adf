"""Vonage Messages API, channel SMS: https://developer.vonage.com/en/api/messages.

Statuses and codes: https://developer.vonage.com/en/messages/concepts/messages-status-callbacks and
https://developer.vonage.com/en/api-errors/messages; signed webhooks:
https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks. It neither de-duplicates nor
can be asked by our reference: what is in doubt is resolved by a receipt, which carries our id.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import (
    MOST_KEY,
    Fate,
    Hook,
    Outcome,
    Receipt,
    Reply,
    Request,
    Response,
    Submission,
    judged,
)
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import (
    INVALID_PHONE,
    LATER,
    LIMITED,
    NEVER,
    OPTED_OUT,
    OTHER_SENDER,
    STOP_CARRIER,
    UNEXPLAINED,
)
from dispatcher.core.reading import dig, id_at, instant_of, json_of, text_at

BASE_URL: Final = "https://api.nexmo.com"
UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
LIFE: Final = 900  # seconds that a token of ours is good for, as in the vendor's SDK
FRESH: Final = 300  # seconds for which one token serves all submits: signing takes half a millisecond
LEAST_BITS: Final = 2048
OLDEST: Final = timedelta(hours=25)  # they try a webhook again for 24 hours, and may not sign it anew
AHEAD: Final = timedelta(minutes=5)  # their clock may be
MOST: Final = 255
MOST_TEXT: Final = 4096  # of a reply, more than a phone sends

STATUSES: Final = MappingProxyType(
    {
        "submitted": Event.SUBMIT,  # passed to the network, and charged
        "delivered": Event.DELIVER,
        "read": Event.DELIVER,
        "rejected": Event.REFUSE,
        "undeliverable": Event.REFUSE,
    }
)
UNKNOWN_END: Final = "1490"  # some segments were never reported on: a word on the whole is still missing

CODES: Final = MappingProxyType(
    {
        "1000": LIMITED,
        "1241": LIMITED,
        "throttled": LIMITED,
        "1100": LATER,  # "was not submitted because there was a communication failure"
        "1170": INVALID_PHONE,
        "1190": INVALID_PHONE,  # absent for good
        "1300": INVALID_PHONE,  # no user of the network
        "1430": INVALID_PHONE,
        "1050": OPTED_OUT,  # on a list of numbers that may not receive messages
        "1240": OPTED_OUT,  # the person sent STOP
        "1120": OTHER_SENDER,
        "1420": OTHER_SENDER,
        "1460": OTHER_SENDER,  # its daily limit, by 10DLC or the like
        "1476": OTHER_SENDER,  # on a "do not originate" list
        "1481": OTHER_SENDER,
        "1060": STOP_CARRIER,
        "1070": STOP_CARRIER,  # no credit
        "1080": STOP_CARRIER,
        "1140": STOP_CARRIER,  # a facility that the account has not
        "1160": STOP_CARRIER,  # demo mode: to numbers on a list alone
        "account-suspended": STOP_CARRIER,
        "application-suspended": STOP_CARRIER,
        "forbidden": STOP_CARRIER,
        "invalid-api-key": STOP_CARRIER,
        "invalid-ip": STOP_CARRIER,
        "invalid-signature": STOP_CARRIER,
        "jwt-expired": STOP_CARRIER,
        "jwt-revoked": STOP_CARRIER,
        "low-balance": STOP_CARRIER,
        "multiple-auth-methods": STOP_CARRIER,
        "not-found": STOP_CARRIER,  # no such path or application
        "unauthorized": STOP_CARRIER,
        "unprovisioned": STOP_CARRIER,
    }
)
# About one text or one number, and nothing lasting. 1040 is "for example, due to an unrecognised prefix".
PASSING: Final = frozenset(
    {"1040", "1090", "1180", "1200", "1220", "1230", "1250", "1260", "1270", "1280", "1290", "1360", "1470"}
)
# Of receipts: about content or registration, so are those of OTHER_SENDER.
FILTERED: Final = frozenset({"1210", "1282", "1480", "1482", "1483", "1484", "2001"})

SIGNED: Final = jwt.PyJWS(algorithms=["HS256"])


def from_settings(given: Given) -> Vonage:
    """By an application and its private key, else by an account's key and secret. Raises SettingsError."""
    application = given.text("application_id", "", like=UUID, what="an application's id, as the dashboard shows it")
    private_key = given.secret("private_key", optional=True, lines=True)
    api_key = given.text("api_key", "", like="[!-9;-~]+", what="printable characters without a colon")
    api_secret = given.secret("api_secret", optional=True)
    ways = tuple(map(bool, (application, private_key, api_key, api_secret)))
    if ways not in ((True, True, False, False), (False, False, True, True)):
        raise SettingsError(
            "application_id: give it with credentials.private_key, or else api_key with credentials.api_secret"
        )
    if private_key:
        _check_key(private_key)
    basic = "" if application else b64encode(f"{api_key}:{api_secret}".encode()).decode()
    signature_secrets = given.secrets("signature_secret")
    return Vonage(given.url("base_url", BASE_URL), application, private_key, basic, signature_secrets)


def _check_key(pem: str) -> None:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError where it has a password
        raise SettingsError("credentials.private_key: must be a private key in PEM, without a password") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise SettingsError(f"credentials.private_key: must be an RSA key of {LEAST_BITS} bits or more")


@lru_cache(maxsize=64)
def application_token(application_id: str, private_key: str, issued: int) -> str:
    """The token of an application from `issued` on, in seconds since 1970; from the same arguments, the same token."""
    jti = str(uuid5(NAMESPACE_URL, f"{application_id} {issued}"))
    claims = {"application_id": application_id, "iat": issued, "jti": jti, "exp": issued + LIFE}
    return jwt.encode(claims, private_key, algorithm="RS256", headers={"alg": "RS256", "typ": "JWT"})


@dataclass(frozen=True, slots=True)
class Vonage:
    """The words of one account, or of one application of it."""

    base_url: str
    application_id: str
    private_key: str = field(repr=False)
    basic: str = field(repr=False)
    signature_secrets: tuple[str, ...] = field(repr=False)

    def build(self, mt: Submission, now: datetime) -> Request:
        """One text to one number. They choose the alphabet by the text, as we counted it."""
        hooks = {"webhook_url": mt.receipt_url, "webhook_version": "v1"} if mt.receipt_url else {}
        message = {
            "to": mt.to.removeprefix("+"),
            "client_ref": mt.key,
            **hooks,
            "from": mt.sender.removeprefix("+"),
            "text": mt.text,
            "channel": "sms",
            "message_type": "text",
        }
        headers = {
            "Authorization": self._authorization(now),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        return Request("POST", f"{self.base_url}/v1/messages", headers, json.dumps(message).encode())

    def _authorization(self, now: datetime) -> str:
        if self.basic:
            return f"Basic {self.basic}"
        seconds = int(now.timestamp())
        return f"Bearer {application_token(self.application_id, self.private_key, seconds - seconds % FRESH)}"

    def read(self, response: Response) -> Outcome:
        """202 with an id is taken; a problem (RFC 9457) tells its code at the end of its type."""
        said = None if response.fault else json_of(response.body)
        ref = id_at(said, "message_uuid")
        if ref and 200 <= response.status < 300:
            return Outcome(Fate.TAKEN, ref=ref)
        code, reason = _problem(said)
        if response.status >= 400 and (known := CODES.get(code)):
            return replace(known, reason=reason, retry_after=response.retry_after)
        if outcome := judged(response, reason):
            return outcome
        if response.status < 400:
            return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without an id")
        refused = NEVER if code in PASSING or code in FILTERED else UNEXPLAINED
        return replace(refused, reason=reason or f"HTTP {response.status}")

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether a token signed with the account's secret comes with it, is of these hours, and is about this body."""
        scheme, _, token = hook.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        claims = self._claims(token.strip())
        oldest, latest = (now - OLDEST).timestamp(), (now + AHEAD).timestamp()
        issued, ends = _instant(claims, "iat"), _instant(claims, "exp")
        if issued is None or not oldest <= issued <= latest:
            return False
        if dig(claims, "exp") is not None and (ends is None or ends <= now.timestamp()):
            return False
        return _is_of(text_at(claims, "payload_hash").lower(), hook.body)

    def _claims(self, token: str) -> object:
        """What a token says that is signed with a secret of the account; None of any other."""
        for secret in self.signature_secrets:
            with suppress(jwt.PyJWTError, ValueError):
                return json_of(SIGNED.decode(token, secret, algorithms=["HS256"]))
        return None

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """One status or one reply per hook; nothing for a status that is not known, nor for a reply without text."""
        said = json_of(hook.body)
        if not isinstance(said, Mapping):
            raise Refusal(400, "body: not a JSON object")
        ref = id_at(said, "message_uuid")
        if "status" in said:
            return _receipts(said, ref)
        their_number, our_number = text_at(said, "from"), text_at(said, "to")
        if not their_number:
            raise Refusal(400, "body: neither a status nor a message of API version v1")
        text = text_at(said, "text", most=MOST_TEXT) or text_at(said, "image", "caption", most=MOST_TEXT)
        if not text:
            return []
        said_at = instant_of(text_at(said, "timestamp"))
        return [Reply(their_number=their_number, our_number=our_number, text=text, ref=ref, said_at=said_at)]


def _receipts(said: Mapping[str, Any], ref: str) -> Sequence[Receipt]:
    key = id_at(said, "client_ref", most=MOST_KEY)  # not the one in the query, which is not signed
    status = text_at(said, "status")
    if not status or not (key or ref):
        raise Refusal(400, "body: a status without a word or an id")
    code, reason = _problem(said.get("error"))
    event = Event.SUBMIT if code == UNKNOWN_END else STATUSES.get(status)
    if event is None:
        return []
    known = CODES.get(code, NEVER)
    filtered = event is Event.REFUSE and (known is OTHER_SENDER or code in FILTERED)
    return [Receipt(event, key, ref, reason or status, known.code, filtered)]


def _problem(said: object) -> tuple[str, str]:
    """The code of a problem, which older accounts get as its title, and what it says."""
    title = text_at(said, "title")
    code = text_at(said, "type").partition("#")[2] or title
    detail = text_at(said, "detail") or title
    return code, (code if code == detail else f"{code} {detail}" if code else detail)[:MOST]


def _instant(claims: object, name: str) -> float | None:
    found = dig(claims, name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _is_of(payload_hash: str, body: bytes) -> bool:
    """Whether it is the hash of the body or, as their examples have it, of its JSON written without spaces."""
    if payload_hash == sha256(body).hexdigest():
        return True
    try:
        written = json.dumps(json_of(body), ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):  # halves of surrogate pairs, or too deep
        return False
    return payload_hash == sha256(written).hexdigest()
