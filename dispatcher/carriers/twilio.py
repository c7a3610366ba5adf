"""Twilio's Messages API. https://www.twilio.com/docs/messaging/api/message-resource.

Statuses: https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
Replies: https://www.twilio.com/docs/messaging/guides/webhook-request
Codes: https://www.twilio.com/docs/api/errors; signatures: https://www.twilio.com/docs/usage/webhooks/webhooks-security

There is no field for an id of ours, no idempotency key, and no question by either: our id travels in the address for
receipts, which Twilio calls as it is and signs.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode, urlsplit

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import (
    Fate,
    Hook,
    Outcome,
    Receipt,
    Reply,
    Request,
    Response,
    Submission,
    Wish,
    judged,
    proves,
)
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.lifecycle import Event
from dispatcher.core.outcomes import (
    INVALID_PHONE,
    LATER,
    LIMITED,
    NEVER,
    NOT_MOBILE,
    OPTED_OUT,
    OTHER_SENDER,
    STOP_CARRIER,
    UNEXPLAINED,
)
from dispatcher.core.reading import clean, id_at, json_of, text_at

BASE_URL: Final = "https://api.twilio.com"
SID: Final = re.compile("[A-Z]{2}[0-9a-f]{32}")
# Without them Twilio calls an address once more where it cannot connect, and never after an answer. All its tries take
# 15 s at most. https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
OVERRIDES: Final = "#rc=5&rp=5xx,ct,rt"
PORTS: Final = {"http": 80, "https": 443}
HASHES: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
MOST: Final = 255  # characters of what is kept of its words

STATUSES: Final = MappingProxyType(
    {
        "accepted": Event.SUBMIT,
        "scheduled": Event.SUBMIT,
        "queued": Event.SUBMIT,
        "sending": Event.SUBMIT,
        "sent": Event.SUBMIT,
        "partially_delivered": Event.SUBMIT,  # told of nowhere; the rest of it may still come
        "delivered": Event.DELIVER,
        "read": Event.DELIVER,
        "undelivered": Event.REFUSE,
        "failed": Event.REFUSE,
        "canceled": Event.REFUSE,
    }
)
WISHES: Final = MappingProxyType({"STOP": Wish.STOP, "START": Wish.START, "HELP": Wish.HELP})

# What codes mean, in answers and in receipts; any other is 124. They are told with HTTP 400 as well as 403 and 404.
CODES: Final[Mapping[str, Outcome]] = MappingProxyType(
    {
        "21211": INVALID_PHONE,  # invalid To
        "21217": INVALID_PHONE,  # does not look valid
        "21265": INVALID_PHONE,  # To is a short code
        "21614": NOT_MOBILE,  # no mobile number
        "21635": NOT_MOBILE,  # a landline
        "21610": OPTED_OUT,
        "30005": INVALID_PHONE,  # unknown or no longer in service
        "30006": NOT_MOBILE,  # a landline, or its carrier cannot be reached
        "21212": OTHER_SENDER,  # invalid From
        "21266": OTHER_SENDER,  # From and To are the same
        "21603": OTHER_SENDER,  # From is missing
        "21606": OTHER_SENDER,  # cannot send texts
        "21611": OTHER_SENDER,  # has a queue of hours
        "21612": OTHER_SENDER,  # cannot send to this To
        "21657": OTHER_SENDER,  # a sender ID that is not supported there
        "21659": OTHER_SENDER,  # no number of Twilio's, or a short code of another country
        "21660": OTHER_SENDER,  # of another account
        "21661": OTHER_SENDER,  # cannot send texts
        "21730": LATER,  # maintenance: "try again later"
        "14107": LIMITED,
        "20429": LIMITED,
        "63017": LIMITED,  # 2,000 texts a second, the account's limit
        "10001": STOP_CARRIER,  # account is not active
        "20003": STOP_CARRIER,  # wrong credentials, or suspended
        "20005": STOP_CARRIER,  # account is not active
        "20008": STOP_CARRIER,  # test credentials
        "20403": STOP_CARRIER,
        "20404": STOP_CARRIER,  # no such account
        "21608": STOP_CARRIER,  # to verified numbers alone: a trial, or no approved compliance profile
        "21609": STOP_CARRIER,  # cannot call our address for receipts
        "30002": STOP_CARRIER,  # suspended
        "63038": STOP_CARRIER,  # the account's limit of a day: nothing leaves for hours
        "90010": STOP_CARRIER,  # account is not active
    }
)
FILTERED: Final = frozenset(
    {
        "30007",  # held as spam
        *("30024", "30032", "30033", "30034", "30035", "30042"),  # the sender is not registered or not fit
        # More to send than it was granted: ten hours' queue, its campaign's rate, its brand's day at T-Mobile.
        *("30001", "30022", "30023", "30027"),
    }
)

# About one text or one number: its country, its length, its handset, its time; held, or over what its sender may send.
EXPLAINED: Final = FILTERED | {"21408", "21617", "30003", "30004", "30008", "30036"}


def from_settings(given: Given) -> Twilio:
    """An account, with the credential that signs its hooks. Raises SettingsError."""
    account = given.text("account_sid", like="AC[0-9a-fA-F]{32}", what="AC and 32 hex digits")
    api_key = given.text("api_key", "", like="SK[0-9a-fA-F]{32}", what="SK and 32 hex digits")
    auth_tokens, api_secret = given.secrets("auth_token"), given.secret("api_secret", optional=True)
    if bool(api_key) != bool(api_secret):
        raise SettingsError("api_key: goes together with credentials.api_secret")
    login = f"{api_key}:{api_secret}" if api_key else f"{account}:{auth_tokens[0]}"
    return Twilio(
        url=f"{given.url('base_url', BASE_URL)}/2010-04-01/Accounts/{account}/Messages.json",
        login=login,
        auth_tokens=auth_tokens,
        shared_keys=given.secrets("shared_key", optional=True),
    )


@dataclass(frozen=True, slots=True)
class Twilio:
    """The words of one account. `login` is user:password.

    `shared_keys` sign hooks where Twilio is set so, else `auth_tokens`.
    """

    url: str
    login: str = field(repr=False)
    auth_tokens: tuple[str, ...] = field(repr=False)
    shared_keys: tuple[str, ...] = field(default=(), repr=False)

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit, in the words and the order of Twilio's own library."""
        callback = mt.receipt_url and mt.receipt_url + OVERRIDES
        form = [("To", mt.to), ("StatusCallback", callback), ("From", mt.sender), ("Body", mt.text)]
        headers = {
            "Authorization": f"Basic {b64encode(self.login.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        return Request("POST", self.url, headers, urlencode([(name, value) for name, value in form if value]).encode())

    def read(self, response: Response) -> Outcome:
        """What became of it: by Twilio's code where there is one, else by the HTTP status."""
        said = None if response.fault else json_of(response.body)
        code = text_at(said, "code", most=9)
        reason = " ".join(filter(None, [code or f"HTTP {response.status}", text_at(said, "message")]))[:MOST]
        known = CODES.get(code)
        if known is None and code and not code.startswith("20") and response.status in (400, 403, 404):
            known = _refused(code)  # codes that begin with 20 are about us, whatever is wrong
        if known and 400 <= response.status < 500:
            return replace(known, reason=reason, retry_after=response.retry_after if known.limit else None)
        if outcome := judged(response, reason):
            return outcome
        if response.status >= 400:
            return replace(UNEXPLAINED, reason=reason)
        return _taken(response.status, said)

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether it is signed over the address and the fields of the form. There is no time in it: replays pass.

        Whether the address is signed with OVERRIDES, which are never sent to us, is told nowhere: either is taken.
        """
        settings = hook.headers.get("x-twilio-webhooks-signature-settings", "")
        algorithm = _algorithm(settings)
        secrets = self.shared_keys if settings else self.auth_tokens
        signature = hook.headers.get("x-twilio-signature", "")
        if not signature or algorithm not in HASHES:
            return False
        try:
            fields = "".join(name + value for name, value in sorted(set(hook.form())))
            signed = [address + end + fields for end in ("", OVERRIDES) for address in _addresses(hook.url)]
        except (Refusal, ValueError):
            return False
        wanted = (_signature(secret, words, HASHES[algorithm]) for words in signed for secret in secrets)
        return any(proves(signature, one) for one in wanted)

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """A receipt, which has a status, or else a reply, which is documented without one and may come by GET."""
        said = {name: clean(value) for name, value in {**hook.query, **dict(hook.form())}.items()}
        ref = id_at(said, "MessageSid", most=MOST) or id_at(said, "SmsSid", most=MOST)
        status, code = said.get("MessageStatus") or said.get("SmsStatus", ""), said.get("ErrorCode", "")
        if "MessageStatus" not in said and status in ("", "receiving", "received"):
            return [_reply(said, ref)]
        if not status or not (ref or hook.key):
            raise Refusal(400, "a receipt without MessageStatus or MessageSid")
        if status not in STATUSES:
            return []
        reason = " ".join(filter(None, [code or status, said.get("ErrorMessage", "")]))[:MOST]
        meant = CODES.get(code, NEVER).code
        return [Receipt(STATUSES[status], hook.key, ref, reason, meant, filtered=code in FILTERED)]


def _refused(code: str) -> Outcome:
    """What a code means that CODES does not have."""
    return NEVER if code in EXPLAINED else UNEXPLAINED


def _taken(status: int, said: object) -> Outcome:
    ref = id_at(said, "sid")
    if not SID.fullmatch(ref):
        return Outcome(Fate.UNKNOWN, reason=f"HTTP {status} without a sid")
    word, code = text_at(said, "status"), text_at(said, "error_code")
    if STATUSES.get(word) is Event.REFUSE:
        known = CODES.get(code) or _refused(code)
        refused = replace(NEVER, code=known.code, unexplained=known.unexplained)
        return replace(refused, ref=ref, reason=f"{word} {code}".strip())
    return Outcome(Fate.TAKEN, ref=ref)


def _reply(said: Mapping[str, str], ref: str) -> Reply:
    if not said.get("From"):
        raise Refusal(400, "neither a receipt nor a reply: MessageStatus or From is missing")
    answered = WISHES.get(said.get("OptOutType", ""))
    return Reply(
        their_number=said["From"], our_number=said.get("To", ""), text=said.get("Body", ""), ref=ref, answered=answered
    )


def _algorithm(settings: str) -> str:
    """The algorithm that the header names, as in key=ID,algorithm=HMAC_SHA256; without one it is the old one."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return "HMAC_SHA1"


def _addresses(url: str) -> tuple[str, str]:
    """The address without a port and with one, for Twilio signs either. Raises ValueError."""
    parts = urlsplit(url)
    port = parts.port or PORTS.get(parts.scheme, 80)
    host = parts.netloc.removesuffix(f":{parts.port}")
    return parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()


def _signature(secret: str, words: str, algorithm: str) -> bytes:
    return b64encode(hmac.new(secret.encode(), words.encode("utf-8", "surrogatepass"), algorithm).digest())
