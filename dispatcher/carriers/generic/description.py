"""A description, checked key by key before it is used: whatever is wrong with it is one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from dispatcher.carriers.generic.places import Place, as_text
from dispatcher.carriers.generic.words import (
    ESCAPES,
    FORM,
    MARK,
    Generic,
    Refused,
    header_text,
    media_type,
    message_values,
)
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Submission
from dispatcher.core.given import CONTROL, NO_TEXT, NOT_IN_URL, SettingsError

METHODS: Final = ("GET", "POST", "PUT", "PATCH")
FATES: Final = tuple(fate for fate in Fate if fate is not Fate.TAKEN)
CODES: Final = frozenset({Code.INVALID_PHONE, Code.SEND_FAILED, Code.NOT_MOBILE, Code.OPTED_OUT})
HASHES: Final = ("sha1", "sha256", "sha512")
MESSAGE: Final = frozenset(message_values(Submission("", "", "", "", 0)))
MOST_RETRY_SECONDS: Final = 86_400
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # the name of a header: RFC 9110, 5.6.2
PARAMETERS: Final = re.compile(r'(?:;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)  # bodies are written in no other
STATUS: Final = re.compile("[1-5][0-9]{2}")  # as `--set` writes it
KEYS: Final = {
    "": {"request", "credentials", "answer", "receipts", "replies"},
    "request": {"method", "url", "content_type", "headers", "body"},
    "answer": {"id", "taken", "refused"},
    "answer.refused[]": {"status", "where", "equals", "fate", "code", "retry_seconds", "reason"},
    "receipts": {"key", "ref", "status", "reason", "delivered", "failed", "accepted", "codes", "verify"},
    "replies": {"their_number", "our_number", "text", "ref", "said_at", "verify"},
    "verify": {"by", "name", "credential", "before", "hash"},
}


def from_description(described: Mapping[str, Any], credentials: Mapping[str, str]) -> Generic:
    """A carrier from its description and the credentials it names. Raises SettingsError naming the key."""
    _known(described, "")
    _table(described, "credentials")
    _check_credentials(credentials)
    request, answer = _table(described, "request"), _table(described, "answer")
    receipts, replies = _table(described, "receipts"), _table(described, "replies")
    url, headers, body = _url(request), _headers(request), _text(request, "body", "request.body")
    for where, template in (("url", url), ("body", body), *headers.items()):
        for name in MARK.findall(template):
            if name not in MESSAGE and name not in credentials:
                raise SettingsError(f"request: {where} names {{{name}}}, which is neither a value nor a credential")
    return Generic(
        method=_method(request),
        url=url,
        content_type=_content_type(request),
        headers=headers,
        body=body,
        credentials=credentials,
        id_place=Place.of(answer["id"], "answer.id") if "id" in answer else None,
        taken=_taken(answer),
        refused=tuple(_refused(one, f"answer.refused[{n}]") for n, one in enumerate(_refusals(answer))),
        receipts=_receipts(receipts),
        replies=_replies(replies),
        verify_by=_verified(receipts, replies, credentials),
    )


# --- Kinds of values -----------------------------------------------------------------------------------------------


def _known(table: Mapping[str, Any], name: str, shown: str = "") -> None:
    shown = shown or name
    for key in table:
        if key not in KEYS[name]:
            allowed = ", ".join(sorted(KEYS[name]))
            raise SettingsError(f"{shown}{'.' if shown else ''}{key}: unknown; allowed are {allowed}")


def _table(described: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = described.get(name, {})
    if not isinstance(found, Mapping):
        raise SettingsError(f"{name}: must be a table")
    if name in KEYS:
        _known(found, name)
    return found


def _text(table: Mapping[str, Any], name: str, key: str, default: str = "") -> str:
    found = table.get(name, default)
    if not isinstance(found, str) or NO_TEXT.search(found):
        raise SettingsError(f"{key}: must be text")
    return found


def _words(value: object, key: str) -> frozenset[str]:
    """A list of words; one text is a list of one, for `--set` writes nothing else."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str | int | float) for one in listed):
        raise SettingsError(f"{key}: must be a list of texts or numbers")
    return frozenset(map(as_text, listed))


def _status(value: object, key: str) -> int:
    found = int(value) if isinstance(value, str) and STATUS.fullmatch(value) else value
    if isinstance(found, bool) or not isinstance(found, int) or not 100 <= found <= 599:
        raise SettingsError(f"{key}: must be an HTTP status, 100 to 599")
    return found


def _code(value: object, key: str) -> Code:
    if not isinstance(value, int) or value not in CODES:
        raise SettingsError(f"{key}: must be one of {', '.join(str(int(code)) for code in sorted(CODES))}")
    return Code(value)


# --- The request ---------------------------------------------------------------------------------------------------


def _check_credentials(credentials: Mapping[str, str]) -> None:
    for name, value in credentials.items():
        if name in MESSAGE:  # else the secret would be sent to everybody in place of the message
            raise SettingsError(f"credentials.{name}: is the name of a value of the message; choose another")
        if not value.strip():  # else whoever proves nothing would be believed
            raise SettingsError(f"credentials.{name}: is empty")
        if NO_TEXT.search(value) or CONTROL.search(value):
            raise SettingsError(f"credentials.{name}: must be text in UTF-8, without a control character")


def _method(request: Mapping[str, Any]) -> str:
    method = _text(request, "method", "request.method", "POST").upper()
    if method not in METHODS:
        raise SettingsError(f"request.method: must be one of {', '.join(METHODS)}")
    return method


def _url(request: Mapping[str, Any]) -> str:
    url = request.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")) or not _host(url):
        raise SettingsError("request.url: must be an http:// or https:// address, without a placeholder in its host")
    if NOT_IN_URL.search(url):
        raise SettingsError("request.url: holds a backslash, a space or a character that has to be percent-encoded")
    return url


def _host(url: str) -> str:
    """The host of a URL; empty where there is none that can be called, and where a placeholder would choose it."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.port != 0 and not set(parts.netloc) & set("{}") else ""
    except ValueError:
        return ""


def _content_type(request: Mapping[str, Any]) -> str:
    found = _text(request, "content_type", "request.content_type", FORM).strip()
    kind, semicolon, parameters = found.partition(";")
    if media_type(kind) not in ESCAPES or not PARAMETERS.fullmatch(semicolon + parameters):
        allowed = ", ".join(sorted(ESCAPES))
        raise SettingsError(f"request.content_type: must be one of {allowed}, with no parameter but charset=utf-8")
    return found


def _headers(request: Mapping[str, Any]) -> dict[str, str]:
    found = request.get("headers", {})
    if not isinstance(found, Mapping):
        raise SettingsError("request.headers: must be a table")
    for name, value in found.items():
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise SettingsError("request.headers: a name is made of letters, digits and -")
        if name.lower() == "content-type":  # values are escaped by the one, and the other would be believed
            raise SettingsError(f"request.headers.{name}: is told by request.content_type")
        if not isinstance(value, str) or header_text(value) != value:
            raise SettingsError(f"request.headers.{name}: must be text without control characters")
    return dict(found)


# --- The answer ----------------------------------------------------------------------------------------------------


def _taken(answer: Mapping[str, Any]) -> frozenset[int]:
    found = answer.get("taken", [200, 201, 202])
    listed = found if isinstance(found, list | tuple) else [found]
    return frozenset(_status(status, "answer.taken") for status in listed)


def _refusals(answer: Mapping[str, Any]) -> Sequence[object]:
    found = answer.get("refused", ())
    if not isinstance(found, list | tuple):
        raise SettingsError("answer.refused: must be a list of tables")
    return found


def _refused(one: object, key: str) -> Refused:
    if not isinstance(one, Mapping):
        raise SettingsError(f"{key}: must be a table")
    _known(one, "answer.refused[]", key)
    if "status" not in one and "where" not in one:
        raise SettingsError(f"{key}: needs a status, or where and equals")
    if ("where" in one) != ("equals" in one):
        raise SettingsError(f"{key}: where and equals go together")
    equals = one.get("equals", ())
    return Refused(
        fate=_fate(one.get("fate", "never"), f"{key}.fate"),
        status=_status(one["status"], f"{key}.status") if "status" in one else None,
        where=Place.of(one["where"], f"{key}.where") if "where" in one else None,
        equals=_words([equals] if isinstance(equals, int | float) else equals, f"{key}.equals"),
        code=_code(one.get("code", 124), f"{key}.code"),
        retry=_retry(one["retry_seconds"], f"{key}.retry_seconds") if "retry_seconds" in one else None,
        reason=Place.of(one["reason"], f"{key}.reason") if "reason" in one else None,
    )


def _fate(value: object, key: str) -> Fate:
    if value not in FATES:
        raise SettingsError(f"{key}: must be one of {', '.join(FATES)}")
    return Fate(str(value))


def _retry(value: object, key: str) -> timedelta:
    # Compared the way round that neither inf nor nan passes.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_RETRY_SECONDS:
        raise SettingsError(f"{key}: must be a number, 0 to {MOST_RETRY_SECONDS}")
    return timedelta(seconds=value)


# --- Receipts and replies ------------------------------------------------------------------------------------------


def _receipts(table: Mapping[str, Any]) -> Mapping[str, Any]:
    if not table:
        return table
    places = {n: Place.of(table[n], f"receipts.{n}") for n in ("key", "ref", "status", "reason") if n in table}
    if "status" not in places or not places.keys() & {"key", "ref"}:
        raise SettingsError("receipts: needs status, and key or ref")
    words = {n: _words(table.get(n, ()), f"receipts.{n}") for n in ("delivered", "failed", "accepted")}
    codes = table.get("codes", {})
    if not isinstance(codes, Mapping):
        raise SettingsError("receipts.codes: must be a table of reasons and codes")
    return {
        **places,
        **words,
        "codes": {str(said): _code(code, f"receipts.codes.{said}") for said, code in codes.items()},
    }


def _replies(table: Mapping[str, Any]) -> Mapping[str, Place]:
    found = {name: Place.of(table[name], f"replies.{name}") for name in table if name != "verify"}
    if found and not found.keys() >= {"their_number", "our_number", "text"}:
        raise SettingsError("replies: needs their_number, our_number and text")
    return found


def _verified(
    receipts: Mapping[str, Any], replies: Mapping[str, Any], credentials: Mapping[str, str]
) -> Mapping[str, Any] | str:
    """How all that comes to the connection's address is proven: it is one address for receipts and replies."""
    if receipts and "verify" in replies:
        raise SettingsError("replies.verify: is told by receipts.verify, for both come to one address")
    if receipts or replies:
        name = "receipts.verify" if receipts else "replies.verify"
        return _verify((receipts or replies).get("verify"), credentials, name)
    return ""


def _verify(demand: object, credentials: Mapping[str, str], name: str) -> Mapping[str, Any] | str:
    if demand == "none":
        return "none"
    if not isinstance(demand, Mapping):
        raise SettingsError(f'{name}: must be a table, or "none" where anyone who knows the address may report')
    _known(demand, "verify", name)
    if demand.get("by") not in ("header", "query", "hmac") or not demand.get("name"):
        raise SettingsError(f"{name}: needs by (header, query or hmac) and name")
    _text(demand, "name", f"{name}.name")
    if _text(demand, "credential", f"{name}.credential") not in credentials:
        raise SettingsError(f"{name}.credential: must name one of the credentials")
    if "before" in demand and _text(demand, "before", f"{name}.before") not in credentials:
        raise SettingsError(f"{name}.before: must name one of the credentials")
    if demand.get("hash", "sha256") not in HASHES:
        raise SettingsError(f"{name}.hash: must be {', '.join(HASHES[:-1])} or {HASHES[-1]}")
    return demand
