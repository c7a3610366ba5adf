"""Any provider that answers a GET with JSON, described rather than programmed: config/lookups/generic.toml.

The description names the address, the headers, where the line type stands in the answer, and what the provider's words
for it mean. A word that it does not name is UNKNOWN, and so passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from dispatcher.core.exchange import Fate, Outcome, Request, Response, judged_answer
from dispatcher.core.given import CONTROL, NOT_IN_URL, Given, SettingsError
from dispatcher.core.phone import LineType
from dispatcher.core.reading import json_of, text_at

MARK: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
NUMBER, DIGITS = "number", "digits"  # with the plus and without it
HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


@dataclass(frozen=True, slots=True)
class Generic:
    """A described provider's words."""

    url: str
    headers: Mapping[str, str]
    place: tuple[str | int, ...]
    types: Mapping[str, LineType]
    missing: frozenset[int]
    credentials: Mapping[str, str] = field(repr=False)

    def build(self, number: str) -> Request:
        """The exchange that asks what this number is."""
        values = {**self.credentials, NUMBER: number, DIGITS: number.removeprefix("+")}
        url = MARK.sub(lambda mark: quote(values[mark[1]], safe=""), self.url)
        headers = {name: MARK.sub(lambda mark: values[mark[1]], value) for name, value in self.headers.items()}
        return Request("GET", url, headers)

    def read(self, response: Response) -> LineType | Outcome:
        """What the answer tells."""
        if response.status in self.missing and not response.fault:
            return LineType.NONE
        if outcome := judged_answer(response):
            return outcome
        if response.status != 200:
            return Outcome(Fate.NEVER, reason=f"HTTP {response.status}")
        body = json_of(response.body)
        if not isinstance(body, dict | list):
            return Outcome(Fate.UNKNOWN, reason="an answer that cannot be read")
        return self.types.get(text_at(body, *self.place).casefold(), LineType.UNKNOWN)


def from_settings(given: Given) -> Generic:
    """From `url`, `headers`, `type`, `types`, `no_such_number` and the credentials they name. Raises SettingsError."""
    described = given.described()
    if unknown := described.keys() - {"url", "headers", "type", "types", "no_such_number", "credentials"}:
        raise SettingsError(f"{min(unknown)}: unknown; allowed are headers, no_such_number, type, types, url")
    credentials = {name: given.secret(name) for name in given.credentials}
    for name, value in credentials.items():
        if not value.isascii() or not value.isprintable():  # no header takes it
            raise SettingsError(f"credentials.{name}: must be printable ASCII")
    url, headers = _url(given), _headers(described.get("headers", {}))
    for where, template in (("url", url), *headers.items()):
        for name in MARK.findall(template):
            if name not in credentials and name not in (NUMBER, DIGITS):
                raise SettingsError(f"{where}: names {{{name}}}, which is neither number, digits nor a credential")
    if not {NUMBER, DIGITS} & set(MARK.findall(url)):
        raise SettingsError("url: must name {number}, or {digits} where the plus is not wanted")
    path = given.text("type", what="where the line type stands, such as data.line.type")
    return Generic(
        url=url,
        headers=headers,
        place=tuple(int(step) if step.isdigit() else step for step in path.split(".")),
        types=_types(described.get("types")),
        missing=_statuses(described.get("no_such_number", ())),
        credentials=credentials,
    )


def _url(given: Given) -> str:
    url = given.text("url", most=2048)
    try:
        parts = urlsplit(url)
        callable_ = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        callable_ = False
    if not callable_ or set(urlsplit(url).netloc) & set("{}@") or NOT_IN_URL.search(url):
        raise SettingsError("url: must be an http:// or https:// address, without a placeholder or user in its host")
    return url


def _headers(found: object) -> dict[str, str]:
    if not isinstance(found, Mapping):
        raise SettingsError("headers: must be a table")
    for name, value in found.items():
        if not HEADER.fullmatch(name) or not isinstance(value, str) or CONTROL.search(value) or not value.isascii():
            raise SettingsError(f"headers: {name!a} must be a name of letters, digits and -, and an ASCII text")
    return dict(found)


def _types(found: object) -> dict[str, LineType]:
    if not isinstance(found, Mapping) or not found:
        raise SettingsError("types: must be a table of the provider's words and ours")
    for word, ours in found.items():
        if ours not in tuple(LineType):
            raise SettingsError(f"types.{word}: must be one of {', '.join(LineType)}")
    return {word.casefold(): LineType(ours) for word, ours in found.items()}


def _statuses(found: Any) -> frozenset[int]:  # noqa: ANN401 (whatever TOML holds)
    listed = found if isinstance(found, list | tuple) else [found]
    if not all(isinstance(one, int) and 400 <= one <= 499 for one in listed):
        raise SettingsError("no_such_number: must be HTTP statuses, 400 to 499")
    return frozenset(listed)
