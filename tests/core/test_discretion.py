"""What a reason does not tell: credentials in all spellings by which they travel, and people's numbers."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from dispatcher.core.discretion import CUT, MASK, MOST_SECRET, Discretion
from dispatcher.core.exchange import Fate, Outcome, Receipt
from dispatcher.core.lifecycle import Event

PHONE = "+13012223333"
SECRETS = ["SeCrEtPw", "p w&/é\"+%<'x", "0123456789abcdef" * 4, "key\nof several\nlines", "abcd", "\udcffabc"]
TOLD = [
    ("21614 +13012223333 is no mobile", "21614 +1301•••3333 is no mobile"),
    ("13012223333, 13012223333", "1301•••3333, 1301•••3333"),
    ("to 3012223333", "to 301•••3333"),
    ("(301) 222-3333", "(301) •••-3333"),
    ("+1-301-222-3333", "+1-301-•••-3333"),
    ("+1 301 222 3333.", "+1 301 ••• 3333."),
    ("301.222.3333 30005", "301.•••.3333 30005"),
    ("to=%2B13012223333&from=1", "to=%2B1301•••3333&from=1"),
    ("+13012223334", "+13012223334"),
    ("222 of 3333", "222 of 3333"),
    ("HTTP 400", "HTTP 400"),
    ("none", "none"),
    ("", ""),
]


@pytest.mark.parametrize(("said", "kept"), TOLD)
def test_a_reason_does_not_tell_the_number(said: str, kept: str) -> None:
    said_of_it = Outcome(Fate.NEVER, ref="r", reason=said)
    assert Discretion().outcome(said_of_it, PHONE) == Outcome(Fate.NEVER, ref="r", reason=kept)


def test_a_number_too_short_to_be_known_stays() -> None:
    assert Discretion().reason("HTTP 4000000", "+4000000") == "HTTP 4000000"


def test_a_number_that_was_cut_off_is_not_told() -> None:
    assert Discretion().reason("x" * (CUT - 10) + " 301222333", PHONE) == "x" * (CUT - 10) + f" {MASK}"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("+1 (301) 222-3333 is a landline", "+1 (301) •••-3333 is a landline"),
        ("id 30005 to 4512345678", "id 30005 to 451•••5678"),
        ("UNDELIV 011", "UNDELIV 011"),
        ("2026-11-22", "2•••-11-22"),
        ("", ""),
    ],
)
def test_a_receipt_tells_no_number(said: str, kept: str) -> None:
    receipt = Receipt(Event.REFUSE, ref="13012223333", reason=said)
    assert Discretion().receipt(receipt) == Receipt(Event.REFUSE, ref="13012223333", reason=kept)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_reason_does_not_tell_a_credential(secret: str) -> None:
    coded, formed = quote(secret, safe="", errors="surrogatepass"), quote_plus(secret, errors="surrogatepass")
    doubled = quote(coded.replace("%", "%%"), safe="")  # as Kannel's own address for receipts has it
    lowered = re.sub("%..", lambda code: code[0].lower(), formed)
    discretion = Discretion.about([secret, "abc"])
    for spelling in (secret, coded, formed, lowered, doubled, json.dumps(secret)[1:-1], escape(secret)):
        assert discretion.reason(f"No page /?p={spelling}&q=1 abc", PHONE) == f"No page /?p={MASK}&q=1 abc"


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "u:", "us:", "use:"])
@pytest.mark.parametrize("after", ["", ":more"])
def test_a_reason_does_not_tell_a_login(secret: str, before: str, after: str) -> None:
    octets = secret.encode("utf-8", "surrogatepass")
    login = b64encode(before.encode() + octets + after.encode()).decode()
    begins, ends = -(-len(before) * 8 // 6), (len(before) + len(octets)) * 8 // 6
    kept = Discretion.about([secret]).reason(f"Basic {login} is wrong", PHONE)
    if len(octets) < MOST_SECRET:
        assert kept == f"Basic {login[:begins]}{MASK}{login[ends:]} is wrong"
    else:
        assert kept == f"Basic {login[:begins]}{MASK} is wrong"


def test_a_credential_that_was_cut_off_is_not_told() -> None:
    discretion = Discretion.about(["SeCrEtPw"])
    for length in range(4, 9):
        assert discretion.reason(f"Not Found: /?p={'SeCrEtPw'[:length]}", PHONE) == f"Not Found: /?p={MASK}"
    assert discretion.reason("Not Found: /?p=SeC", PHONE) == "Not Found: /?p=SeC"
    assert discretion.reason("SeCrEt is a word", PHONE) == "SeCrEt is a word"


def test_a_signed_token_is_not_told() -> None:
    said = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjF9.c2lnbmF0dXJl was refused"
    assert Discretion.about([]).reason(said, PHONE) == f"Bearer {MASK} was refused"


def test_a_repr_shows_no_credential() -> None:
    assert repr(Discretion.about(["SeCrEtPw"])) == "Discretion()"
