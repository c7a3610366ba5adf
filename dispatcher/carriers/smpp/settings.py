"""The settings of a connection by SMPP, key by key."""

from __future__ import annotations

import re
from typing import Any, Final

from dispatcher.carriers.smpp.words import IdForm, Long, Smpp
from dispatcher.core.alphabets import Alphabet
from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome
from dispatcher.core.given import Given, SettingsError
from dispatcher.core.smpp import Address, Terms

PORT: Final = 2775
HOST: Final = r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+"  # a name, or an IPv6 address
PRINTABLE: Final = "[ -~]+"
CODES: Final = (Code.INVALID_PHONE, Code.SEND_FAILED, Code.NOT_MOBILE, Code.OPTED_OUT)
FATES: Final = tuple(fate for fate in Fate if fate is not Fate.TAKEN)
FILTERED: Final = "filtered"
STATUS: Final = re.compile("0x[0-9A-Fa-f]{1,8}")


def from_settings(given: Given) -> Smpp:
    """The words of a connection, with the terms on which it binds. Raises SettingsError."""
    return Smpp(
        terms=_terms(given),
        alphabet=Alphabet(given.choice("alphabet", [a for a in Alphabet if a is not Alphabet.UCS2], Alphabet.GSM)),
        data_coding=given.number("data_coding", 0, least=0, most=255),
        long=Long(given.choice("long", [*Long], Long.UDH)),
        short_code=_short_code(given),
        id_form=IdForm(given.choice("id_form", [*IdForm], IdForm.SAME)),
        statuses=dict(_status(*pair) for pair in given.table("statuses").items()),
        errors=dict(_error(*pair) for pair in given.table("errors").items()),
    )


def _terms(given: Given) -> Terms:
    password = given.secret("password")
    if not re.fullmatch(PRINTABLE, password) or len(password) > 8:  # 5.2.2
        raise SettingsError("credentials.password: must be 1 to 8 printable characters")
    terms = Terms(
        host=given.text("host", like=HOST, what="the name or address of a host"),
        port=given.number("port", PORT, least=1, most=65_535),
        system_id=given.text("system_id", most=15, like=PRINTABLE, what="printable characters"),
        password=password,
        system_type=given.text("system_type", "", most=12, like=PRINTABLE, what="printable characters"),
        pair=given.choice("bind", ["transceiver", "pair"], "transceiver") == "pair",
        binds=given.number("binds", 1, least=1, most=64),
        window=given.number("window", 10, least=1, most=1000),
        enquire_seconds=given.number("enquire_seconds", 30, least=5, most=3600),
        tls=given.flag("tls", default=False),
        ca_file=given.text("ca_file", "", most=4096),
    )
    if terms.ca_file and not terms.tls:
        raise SettingsError("ca_file: is of no use without tls")
    return terms


def _short_code(given: Given) -> Address:
    ton, _, npi = given.text("short_code", "0/0", like="[0-6]/[0-9]{1,2}", what="TON/NPI, such as 3/0").partition("/")
    return Address(int(ton), int(npi), "")


def _status(key: str, value: Any) -> tuple[int, Outcome]:  # noqa: ANN401
    name = f"statuses.{key}"
    if not STATUS.fullmatch(key) or not int(key, 16):
        raise SettingsError(f"{name}: a status is written as 0x45")
    status = int(key, 16)
    if value in FATES:
        return status, Outcome(Fate(value), limit=value == Fate.LATER)
    return status, Outcome(Fate.NEVER, code=_code(name, value, FATES))


def _error(key: str, value: Any) -> tuple[str, Code | None]:  # noqa: ANN401
    return key.lstrip("0"), None if value == FILTERED else _code(f"errors.{key}", value, (FILTERED,))


def _code(name: str, value: Any, words: tuple[str, ...]) -> Code:  # noqa: ANN401
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    if number not in CODES or isinstance(number, bool):
        raise SettingsError(f"{name}: must be one of {', '.join([*words, *(str(int(code)) for code in CODES)])}")
    return Code(number)
