"""What every door needs of a request: who asks, with which words; and how it is answered."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from flask import Request, Response
from werkzeug.datastructures import Headers

from dispatcher.core.codes import Code, Refusal
from dispatcher.core.fields import gather
from dispatcher.core.invitation import Account
from dispatcher.engine.ports import Directory

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_BYTES: Final = 65_536
MOST_FIELDS: Final = 100
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LARGEST_ID: Final = (1 << 63) - 1
ALWAYS: Final = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))
_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


class Whole(Response):
    """A response whose headers are all set and need no correcting, which takes as long as the rest of it."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """As they are."""
        return self.headers


class WebKit:
    """The tools of the doors."""

    def __init__(self, directory: Directory) -> None:
        """Ask this directory who is who."""
        self._directory = directory

    def account(self, request: Request) -> Account:
        """The account behind the Basic credentials; Refusal 100 with 401 for anything that is not exactly one."""
        header = request.environ.get("HTTP_AUTHORIZATION", "")
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() == "basic" and len(encoded) <= 1024:
            try:
                key, colon, secret = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
            except (Base64Error, ValueError):
                key, colon, secret = "", "", ""
            if colon and key and "\x00" not in key:
                account = self._directory.account(key, hashlib.sha256(secret.encode()).hexdigest())
                if account is not None:
                    return account
        raise Refusal(Code.DENIED, "apiKey or secret is wrong or missing (HTTP Basic authentication)")

    def parameters(self, request: Request) -> Mapping[str, object]:
        """The parameters of a form, or of a JSON object with the same names. Refusal 413, 415 or 101."""
        kind = request.mimetype
        if kind not in (FORM, JSON):
            raise Refusal(415, f"Content-Type: must be {FORM} or {JSON}")
        body = self.body(request)
        if kind == JSON:
            return _json_object(body)
        if body.startswith(BYTE_ORDER_MARK):
            raise Refusal(Code.INVALID, f"body: not {FORM} in UTF-8 but with a byte order mark before it")
        try:
            return gather(
                parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
            )
        except UnicodeDecodeError:
            raise Refusal(Code.INVALID, f"body: not {FORM} in UTF-8") from None
        except ValueError:
            raise Refusal(Code.INVALID, f"body: more than {MOST_FIELDS} parameters") from None

    def body(self, request: Request, *, most: int = MOST_BYTES, chunked: bool = False) -> bytes:
        """The body, whole. Refusal 411 without a length, 413 beyond `most` bytes, 400 when it ends early.

        Read here and counted: a server may hand over what came before a client went away as if it were all. So a
        `chunked` body, whose length nobody tells, is taken only where half of one does no harm.
        """
        if "HTTP_TRANSFER_ENCODING" in request.environ:
            if chunked:
                return _in_chunks(request, most)
            raise Refusal(411, "Content-Length: is needed; a chunked body is not taken")
        stream = request.environ["wsgi.input"]
        length = request.content_length or 0
        if "CONTENT_LENGTH" not in request.environ and request.environ.get("wsgi.input_terminated") and stream.read(1):
            raise Refusal(411, "Content-Length: is needed")
        if length > most:
            raise Refusal(413, f"body: at most {most} bytes")
        body = stream.read(length) if length else b""
        while len(body) < length and (more := stream.read(length - len(body))):
            body += more
        if len(body) < length:
            raise Refusal(400, "body: shorter than its Content-Length")
        return bytes(body)

    def idempotency_key(self, request: Request) -> str:
        """The Idempotency-Key header, bounded; empty where there is none."""
        key: str | None = request.environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return ""
        key = key.strip()  # a server hands over what it cannot read as an empty one
        if not key or len(key) > 255 or not key.isascii() or not key.isprintable():
            raise Refusal(Code.INVALID, "Idempotency-Key: 1 to 255 printable ASCII characters")
        return key

    def number(self, text: str) -> int:
        """A message id from a path; -1, which nothing has, for anything that is not one."""
        if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST_ID:
            return int(text)
        return -1

    def json(self, body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """An answer in JSON."""
        text = _encode(body).encode()
        told = [*ALWAYS, ("Content-Type", JSON), ("Content-Length", str(len(text))), *(headers or {}).items()]
        return Whole([text], status, told, direct_passthrough=True)

    def text(self, body: bytes, kind: str) -> Response:
        """An answer of that type."""
        told = [*ALWAYS, ("Content-Type", kind), ("Content-Length", str(len(body)))]
        return Whole([body], 200, told, direct_passthrough=True)

    def nothing(self, status: int = 204) -> Response:
        """An answer that says no more than that it is done."""
        told = () if status == 204 else (("Content-Type", "text/plain"), ("Content-Length", "0"))
        return Whole([], status, [*ALWAYS, *told], direct_passthrough=True)


def _in_chunks(request: Request, most: int) -> bytes:
    body = bytes(request.environ["wsgi.input"].read(most + 1))
    if len(body) > most:
        raise Refusal(413, f"body: at most {most} bytes")
    return body


def _json_object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_pairs)
    except UnicodeDecodeError:
        raise Refusal(Code.INVALID, "body: not JSON in UTF-8") from None
    except (ValueError, RecursionError):
        raise Refusal(Code.INVALID, "body: not valid JSON") from None
    if not isinstance(found, dict):
        raise Refusal(Code.INVALID, "body: must be a JSON object")
    return found


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    return gather(pairs)
