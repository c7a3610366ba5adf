"""The status codes of the Social Invite API 2.0: number, sentence, HTTP status, written once."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """One outcome word of the wire; `sentence` is what a customer reads, `http` the status that carries it."""

    sentence: str
    http: int

    def __new__(cls, value: int, sentence: str = "", http: int = 200) -> Code:
        """Attach the sentence and the HTTP status to the number."""
        code = int.__new__(cls, value)
        code._value_, code.sentence, code.http = value, sentence, http
        return code

    ACCEPTED = 0, "Invitation request accepted"
    DELIVERED = 1, "Invitation delivered"
    CLICKED = 2, "Invitation clicked"

    DENIED = 100, "Permission denied", 401
    INVALID = 101, "Invalid parameter(s) in your API call", 400
    MISSING = 102, "Missing parameter(s) in your API call", 400
    NOT_FOUND = 103, "Resource not found", 404

    INVALID_PHONE = 123, "Invalid phone", 400
    SEND_FAILED = 124, "Send failed"
    NOT_MOBILE = 125, "Not a mobile phone"
    NOT_COMPATIBLE = 126, "Mobile device not compatible"
    OPTED_OUT = 127, "User opted-out"
    DUPLICATE = 128, "Duplicate invitation"


class Refusal(Exception):
    """A request that is turned back at the door: a code, a sentence for the customer, the HTTP status.

    `code` is one of the API's codes, or the HTTP status itself where the API has no word.
    `retry_after` is whole seconds, sent as Retry-After.
    """

    def __init__(self, code: int, message: str, *, http: int | None = None, retry_after: int | None = None) -> None:
        """Refuse with `code`; the HTTP status follows from it unless given."""
        super().__init__(message)
        self.code = int(code)
        self.message = message
        self.http = http or (code.http if isinstance(code, Code) else int(code))
        self.retry_after = retry_after
