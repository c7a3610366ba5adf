"""Twilio Lookup v2, the package Line Type Intelligence.

https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence: GET /v2/PhoneNumbers/{E.164} with
Fields=line_type_intelligence and HTTP Basic authentication, an API key and its secret, or account SID and auth token.
Numbers of Canada need an approval; without one the answer names error 60601 and no type.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from dispatcher.core.exchange import Fate, Outcome, Request, Response, judged_answer
from dispatcher.core.given import Given
from dispatcher.core.phone import LineType
from dispatcher.core.reading import dig, json_of, text_at

URL: Final = "https://lookups.twilio.com"
TYPES: Final = MappingProxyType(
    {
        "mobile": LineType.MOBILE,
        "landline": LineType.FIXED,
        "fixedVoip": LineType.VOIP,
        "nonFixedVoip": LineType.NON_FIXED_VOIP,
        "personal": LineType.PERSONAL,
        "tollFree": LineType.TOLL_FREE,
        "premium": LineType.PREMIUM,
        "sharedCost": LineType.SHARED_COST,
        "uan": LineType.UAN,
        "voicemail": LineType.VOICEMAIL,
        "pager": LineType.PAGER,
        "unknown": LineType.UNKNOWN,
    }
)
NOT_FOUND: Final = 20404
# Of a number, where the answer is not "valid": false; any other path that is not found is a wrong address of ours.
NO_NUMBER: Final = re.compile(r"The requested resource /PhoneNumbers/(?:\+|%2B)?[0-9]+ was not found", re.ASCII)


@dataclass(frozen=True, slots=True)
class Twilio:
    """One account's words."""

    url: str
    login: str = field(repr=False)

    def build(self, number: str) -> Request:
        """The exchange that asks what this number is."""
        address = f"{self.url}/v2/PhoneNumbers/{quote(number, safe='')}?Fields=line_type_intelligence"
        return Request("GET", address, {"Authorization": f"Basic {self.login}", "Accept": "application/json"})

    def read(self, response: Response) -> LineType | Outcome:
        """What the answer tells. A type that is not known here, or not told, is UNKNOWN."""
        body = json_of(response.body)
        not_found = response.status == 404 and response.fault is None and dig(body, "code") == NOT_FOUND
        if not_found and NO_NUMBER.match(text_at(body, "message")):
            return LineType.NONE
        if outcome := judged_answer(response):
            return outcome
        if response.status != 200:
            code = text_at(body, "code", most=10)
            return Outcome(Fate.NEVER, reason=f"HTTP {response.status}{code and f', error {code}'}")
        if not isinstance(body, dict) or not body.keys() & {"valid", "line_type_intelligence"}:
            return Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")
        if body.get("valid") is False:
            return LineType.NONE
        return TYPES.get(text_at(body, "line_type_intelligence", "type"), LineType.UNKNOWN)


def from_settings(given: Given) -> Twilio:
    """From `url` and the credentials `username` and `password`. Raises SettingsError."""
    login = f"{given.secret('username')}:{given.secret('password')}"
    return Twilio(given.url("url", URL), b64encode(login.encode()).decode())
