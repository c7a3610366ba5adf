"""Any HTTP provider, described rather than programmed: config/connections/generic.toml explains every key.

The description says how a submit is asked for, how the answer tells the id or the refusal, and how receipts arrive at
/hooks/{connection}. Values are escaped for where they stand; what the description does not cover is judged by the HTTP
status alone (core.exchange.judged).
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus
from xml.sax.saxutils import escape as xml_escape

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.exchange import Fate, Hook, Outcome, Receipt, Reply, Request, Response, Submission, judged
from dispatcher.core.lifecycle import Event

MARK: Final = re.compile(r"\{(\w+)\}")
FORM: Final = "application/x-www-form-urlencoded"
METHODS: Final = ("GET", "POST", "PUT", "PATCH")
CODES: Final = frozenset({Code.INVALID_PHONE, Code.SEND_FAILED, Code.NOT_MOBILE, Code.OPTED_OUT})
MESSAGE: Final = frozenset({"to", "to_digits", "from", "from_digits", "text", "key", "segments", "receipt_url"})
KEYS: Final = {
    "": {"request", "credentials", "answer", "receipts"},
    "request": {"method", "url", "content_type", "headers", "body"},
    "answer": {"id", "taken", "refused"},
    "answer.refused[]": {"status", "where", "equals", "fate", "code", "retry_seconds", "reason"},
    "receipts": {"key", "ref", "status", "reason", "delivered", "failed", "accepted", "codes", "verify"},
    "receipts.verify": {"by", "name", "credential", "hash"},
}


def _json_text(value: str) -> str:
    return json.dumps(value)[1:-1]


def _header(value: str) -> str:
    return "".join(c for c in value if c.isprintable())


ESCAPES: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {FORM: quote_plus, "application/json": _json_text, "application/xml": xml_escape, "text/xml": xml_escape}
)


class DescriptionError(ValueError):
    """A description that cannot work, in one sentence."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a message: `json:path.0.id`, `form:name`, `query:name`, `header:name`, `regex:...`."""

    kind: str
    path: str

    @staticmethod
    def of(text: str, key: str) -> Place:
        """Read such a place. Raises DescriptionError."""
        kind, colon, path = str(text).partition(":")
        if not colon or not path or kind not in ("json", "form", "query", "header", "regex"):
            raise DescriptionError(f"{key}: must be json:, form:, query:, header: or regex: and a path")
        if kind == "regex":
            try:
                if re.compile(path).groups < 1:
                    raise DescriptionError(f"{key}: the pattern needs a group in parentheses")
            except re.error as error:
                raise DescriptionError(f"{key}: {error}") from None
        return Place(kind, path)

    def find(self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]) -> str:
        """What stands there, as text; empty where nothing does, or where the message cannot be read."""
        match self.kind:
            case "header":
                return headers.get(self.path.lower(), "")
            case "query":
                return query.get(self.path, "")
            case "form":
                return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)).get(self.path, "")
            case "regex":
                found = re.search(self.path, body.decode("utf-8", "replace")[:65_536])
                return (found.group(1) or "") if found else ""
        return _at(body, self.path)


def _at(body: bytes, path: str) -> str:
    try:
        value: Any = json.loads(body)
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Refused:
    """One way in which the provider says no: by status, and by what stands somewhere in its answer."""

    fate: Fate
    status: int | None
    where: Place | None
    equals: frozenset[str]
    code: Code
    retry: timedelta | None
    reason: Place | None

    def outcome(self, response: Response) -> Outcome | None:
        """The outcome, if this is it."""
        if self.status is not None and response.status != self.status:
            return None
        said = self.where.find(response.headers, response.body, {}) if self.where else ""
        if self.where and said not in self.equals:
            return None
        reason = self.reason.find(response.headers, response.body, {}) if self.reason else said
        return Outcome(
            self.fate,
            reason=(reason or f"HTTP {response.status}")[:255],
            code=self.code,
            retry_after=response.retry_after or self.retry,
            limit=self.fate is Fate.LATER,
        )


@dataclass(frozen=True, slots=True)
class Generic:
    """A described provider. The repr shows neither credentials nor the templates that may hold them."""

    method: str
    url: str
    content_type: str
    headers: Mapping[str, str]
    body: str
    credentials: Mapping[str, str]
    id_place: Place | None
    taken: frozenset[int]
    refused: tuple[Refused, ...]
    receipts: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Generic({self.method} {self.url.partition('?')[0]})"

    def build(self, mt: Submission, now: datetime) -> Request:
        """The submit, as described."""
        values = {
            "to": mt.to,
            "to_digits": mt.to.removeprefix("+"),
            "from": mt.sender,
            "from_digits": mt.sender.removeprefix("+"),
            "text": mt.text,
            "key": mt.key,
            "segments": str(mt.segments),
            "receipt_url": mt.receipt_url,
            **self.credentials,
        }
        headers = {name: _fill(value, values, _header) for name, value in self.headers.items()}
        if self.body:
            headers["Content-Type"] = self.content_type
        body = _fill(self.body, values, ESCAPES.get(self.content_type, str)).encode()
        return Request(self.method, _fill(self.url, values, lambda v: quote(v, safe="")), headers, body)

    def read(self, response: Response) -> Outcome:
        """What became of it: the described refusals first, then what the status tells, then the id."""
        if response.status and response.fault is None:
            for refused in self.refused:
                if outcome := refused.outcome(response):
                    return outcome
        if outcome := judged(response):
            return outcome
        if response.status in self.taken:
            ref = self.id_place.find(response.headers, response.body, {}) if self.id_place else ""
            if self.id_place and not ref:  # it says yes in a way we do not know: nobody can tell
                return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status} without an id")
            return Outcome(Fate.TAKEN, ref=ref[:255])
        if response.status >= 400:
            return Outcome(Fate.NEVER, reason=f"HTTP {response.status}")
        return Outcome(Fate.UNKNOWN, reason=f"HTTP {response.status}")

    def verify(self, hook: Hook, now: datetime) -> bool:
        """Whether the hook carries what the description demands; without any such demand, none is genuine."""
        demand = self.receipts.get("verify")
        if not isinstance(demand, Mapping):
            return demand == "none"
        secret = self.credentials[demand["credential"]]
        given = (hook.query if demand["by"] == "query" else hook.headers).get(demand["name"].lower(), "")
        if demand["by"] == "query":
            given = hook.query.get(demand["name"], "")
        if demand["by"] != "hmac":
            return hmac.compare_digest(given.encode(), secret.encode())
        digest = hmac.new(secret.encode(), hook.body, demand.get("hash", "sha256")).digest()
        given = given.rpartition("=")[2] if given[-1:] != "=" else given
        return any(
            hmac.compare_digest(given.encode(), expected) for expected in (digest.hex().encode(), b64encode(digest))
        )

    def events(self, hook: Hook) -> Sequence[Receipt | Reply]:
        """The receipt in a hook; none where its status is neither delivered, failed nor accepted."""
        said = {name: self._said(hook, name) for name in ("key", "ref", "status", "reason")}
        if not said["status"] or not (said["key"] or said["ref"]):
            raise Refusal(400, "receipt: no id or no status where the description says they stand")
        for event, words in ((Event.DELIVER, "delivered"), (Event.REFUSE, "failed"), (Event.SUBMIT, "accepted")):
            if said["status"] in self.receipts.get(words, ()):
                code = Code(self.receipts.get("codes", {}).get(said["reason"], Code.SEND_FAILED))
                return [Receipt(event, said["key"], said["ref"], said["reason"] or said["status"], code)]
        return []

    def _said(self, hook: Hook, name: str) -> str:
        place = self.receipts.get(name)
        return place.find(hook.headers, hook.body, hook.query)[:255] if place else ""


def _fill(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    return MARK.sub(lambda mark: escape(values[mark[1]]) if mark[1] in values else mark[0], template)


def from_description(described: Mapping[str, Any], credentials: Mapping[str, str]) -> Generic:
    """A carrier from its description and the credentials it names. Raises DescriptionError naming the key."""
    _known(described, "")
    request, answer = _table(described, "request"), _table(described, "answer")
    method = str(request.get("method", "POST")).upper()
    if method not in METHODS:
        raise DescriptionError(f"request.method: must be one of {', '.join(METHODS)}")
    url = str(request.get("url", ""))
    if not url.startswith(("http://", "https://")) or "{" in url.split("/")[2]:
        raise DescriptionError("request.url: must be an http:// or https:// address, without a placeholder in its host")
    headers, body = request.get("headers", {}), str(request.get("body", ""))
    for where, template in {"url": url, "body": body, **headers}.items():
        for name in MARK.findall(str(template)):
            if name not in MESSAGE and name not in credentials:
                raise DescriptionError(f"request: {where} names {{{name}}}, which is neither a value nor a credential")
    taken = answer.get("taken", [200, 201, 202])
    return Generic(
        method=method,
        url=url,
        content_type=str(request.get("content_type", FORM)),
        headers={str(name): str(value) for name, value in headers.items()},
        body=body,
        credentials=credentials,
        id_place=Place.of(answer["id"], "answer.id") if "id" in answer else None,
        taken=frozenset(int(status) for status in taken),
        refused=tuple(_refused(one, f"answer.refused[{n}]") for n, one in enumerate(answer.get("refused", ()))),
        receipts=_receipts(_table(described, "receipts"), credentials),
    )


def _table(described: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = described.get(name, {})
    if not isinstance(found, Mapping):
        raise DescriptionError(f"{name}: must be a table")
    _known(found, name)
    return found


def _known(table: Mapping[str, Any], name: str) -> None:
    for key in table:
        if key not in KEYS[name]:
            allowed = ", ".join(sorted(KEYS[name]))
            raise DescriptionError(f"{name}{'.' if name else ''}{key}: unknown; allowed are {allowed}")


def _refused(one: Mapping[str, Any], key: str) -> Refused:
    _known(one, "answer.refused[]")
    try:
        fate = Fate(one.get("fate", "never"))
    except ValueError:
        raise DescriptionError(f"{key}.fate: must be one of {', '.join(Fate)}") from None
    if "status" not in one and "where" not in one:
        raise DescriptionError(f"{key}: needs a status, or where and equals")
    if ("where" in one) != ("equals" in one):
        raise DescriptionError(f"{key}: where and equals go together")
    equals = one.get("equals", ())
    retry = one.get("retry_seconds")
    return Refused(
        fate=fate,
        status=None if "status" not in one else int(one["status"]),
        where=Place.of(one["where"], f"{key}.where") if "where" in one else None,
        equals=frozenset([str(equals)] if isinstance(equals, str | int) else [str(e) for e in equals]),
        code=_code(one.get("code", 124), f"{key}.code"),
        retry=None if retry is None else timedelta(seconds=float(retry)),
        reason=Place.of(one["reason"], f"{key}.reason") if "reason" in one else None,
    )


def _code(value: object, key: str) -> Code:
    if value not in CODES:
        raise DescriptionError(f"{key}: must be one of {', '.join(str(int(code)) for code in sorted(CODES))}")
    return Code(int(str(value)))


def _receipts(table: Mapping[str, Any], credentials: Mapping[str, str]) -> Mapping[str, Any]:
    if not table:
        return table
    places = {n: Place.of(table[n], f"receipts.{n}") for n in ("key", "ref", "status", "reason") if n in table}
    if "status" not in places or not places.keys() & {"key", "ref"}:
        raise DescriptionError("receipts: needs status, and key or ref")
    verify = table.get("verify")
    if isinstance(verify, Mapping):
        _known(verify, "receipts.verify")
        if verify.get("by") not in ("header", "query", "hmac") or not verify.get("name"):
            raise DescriptionError("receipts.verify: needs by (header, query or hmac) and name")
        if verify.get("credential") not in credentials:
            raise DescriptionError("receipts.verify.credential: must name one of the credentials")
        if verify.get("hash", "sha256") not in ("sha1", "sha256", "sha512"):
            raise DescriptionError("receipts.verify.hash: must be sha1, sha256 or sha512")
    elif verify != "none":
        raise DescriptionError(
            'receipts.verify: must be a table, or "none" where anyone who knows the address may report'
        )
    words = {n: frozenset(map(str, table.get(n, ()))) for n in ("delivered", "failed", "accepted")}
    codes = {str(said): _code(code, f"receipts.codes.{said}") for said, code in table.get("codes", {}).items()}
    return {**places, **words, "codes": codes, "verify": verify}
