"""Twilio's own library, against the same stand-in: our requests are its requests, our verdicts its verdicts."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import SIGNATURE_HEADER, SIGNATURE_SETTINGS_HEADER, RequestValidator
from twilio.request_validator import get_signature_algorithm as algorithm_of
from twilio.rest import Client
from werkzeug.datastructures import MultiDict

from dispatcher.carriers.twilio import OVERRIDES, Twilio, from_settings
from dispatcher.core.exchange import Fate, Hook, Outcome, Response, Submission
from dispatcher.core.given import Given
from tests.carriers.noise import NOON
from tests.carriers.stand import Stand, carried
from tests.carriers.texts import SUBMISSIONS

ACCOUNT: Final = "AC" + "0a" * 16
SID: Final = "SM" + "0c" * 16
TOKEN, SHARED = "12345", "shared"
CREATED: Final = json.dumps({"sid": SID, "status": "queued", "account_sid": ACCOUNT}).encode()


def carrier(base_url: str = "https://api.twilio.com", **more: str) -> Twilio:
    secrets = {"auth_token": TOKEN, "shared_key": SHARED, "api_secret": "s3cret"}
    if "api_key" not in more:
        del secrets["api_secret"]
    return from_settings(Given({"account_sid": ACCOUNT, "base_url": base_url, **more}, secrets))


def theirs(stand: Stand, *login: str) -> Client:
    client = Client(*login, account_sid=ACCOUNT)
    client.api.base_url = stand.url
    return client


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Stand(Response(201, body=CREATED)) as stand:
        yield stand


# --- Requests ------------------------------------------------------------------------------------------------------

SAID: Final = ("Authorization", "Content-Type", "Accept")
KEY: Final = "SK" + "0b" * 16


@pytest.mark.parametrize("mt", SUBMISSIONS)
@pytest.mark.parametrize("login", [(ACCOUNT, TOKEN), (KEY, "s3cret")], ids=["token", "key"])
def test_our_submit_is_theirs(stand: Stand, mt: Submission, login: tuple[str, str]) -> None:
    stand.answer = Response(201, body=CREATED)
    message = theirs(stand, *login).messages.create(
        to=mt.to, from_=mt.sender, body=mt.text, status_callback=mt.receipt_url + OVERRIDES
    )
    wanted = stand.take()
    ours = carrier(stand.url, **({"api_key": KEY} if login[0] == KEY else {}))
    outcome = ours.read(carried(ours.build(mt, NOON)))
    assert stand.take().said(*SAID) == wanted.said(*SAID)
    assert outcome == Outcome(Fate.TAKEN, ref=message.sid)


def test_a_refusal_is_read_as_they_read_it(stand: Stand) -> None:
    stand.answer = Response(400, body=b'{"code": 21211, "message": "Invalid \'To\' Phone Number", "status": 400}')
    mt = SUBMISSIONS[0]
    with pytest.raises(TwilioRestException) as raised:
        theirs(stand, ACCOUNT, TOKEN).messages.create(to=mt.to, from_=mt.sender, body=mt.text)
    ours = carrier(stand.url)
    outcome = ours.read(carried(ours.build(mt, NOON)))
    stand.seen.clear()
    assert outcome.reason == f"{raised.value.code} Invalid 'To' Phone Number"


# --- Signatures ----------------------------------------------------------------------------------------------------

URL: Final = "https://us.example/hooks/main?id=234234"
FORM: Final = [
    ("MessageSid", SID),
    ("MessageStatus", "delivered"),
    ("To", "+13012223333"),
    ("Body", "é ~\n&=+"),
    ("b", ""),
]


def signed(
    url: str = URL, form: list[tuple[str, str]] = FORM, secret: str = TOKEN, settings: str = "", signed_as: str = URL
) -> Hook:
    """A hook at `url`, signed by their library for `signed_as`."""
    signature = RequestValidator(secret).compute_signature(signed_as, MultiDict(form), algorithm_of(settings))
    headers = {SIGNATURE_HEADER.lower(): signature}
    if settings:
        headers[SIGNATURE_SETTINGS_HEADER.lower()] = settings
    return Hook("POST", url, dict(parse_qsl(urlsplit(url).query)), headers, urlencode(form).encode())


def accepted_by_them(hook: Hook) -> bool:
    """What their validator says of it, with the secret that its header asks for."""
    settings = hook.headers.get(SIGNATURE_SETTINGS_HEADER.lower(), "")
    validator = RequestValidator(SHARED if settings else TOKEN)
    try:
        form = MultiDict(hook.form())
    except Exception:
        return False
    signature = hook.headers.get(SIGNATURE_HEADER.lower(), "")
    return bool(validator.validate(hook.url, form, signature, algorithm_of(settings)))


def tampered(hook: Hook, **headers: str | None) -> Hook:
    given: Mapping[str, str | None] = {**hook.headers, **{n.replace("_", "-"): value for n, value in headers.items()}}
    return replace(hook, headers={name: value for name, value in given.items() if value is not None})


SHA256: Final = "key=webhooks_1,algorithm=HMAC_SHA256"
ODD: Final = "https://us.example/hooks/main?id=a%2Fb+c&x=%C3%A9&x&"
GOOD: Final = [
    signed(),
    signed(secret=SHARED, settings=SHA256),
    signed(secret=SHARED, settings=SHA256.lower().replace("key", "key ")),
    signed(secret=SHARED, settings="key=webhooks_1"),
    signed(secret=SHARED, settings="algorithm=HMAC_SHA256,algorithm=HMAC_SHA1"),
    signed(ODD, signed_as=ODD),
    signed(form=[*FORM, ("A", "2"), ("A", "1"), ("A", "2"), ("a", "0")]),
    signed(form=[("B", "1"), ("b", "2"), ("B", "0")]),
    signed(form=[]),
    signed(signed_as=URL.replace(".example", ".example:443")),
    signed(URL.replace(".example", ".example:8443"), signed_as=URL.replace(".example", ".example:8443")),
    signed(URL.replace(".example", ".example:8443")),
    signed(URL.replace("https", "http"), signed_as=URL.replace("https", "http").replace(".example", ".example:80")),
]
BAD: Final = [
    signed(secret="another"),
    signed(secret=""),
    signed(secret=SHARED),
    signed(secret=TOKEN, settings=SHA256),
    tampered(signed(secret=SHARED, settings=SHA256), x_twilio_webhooks_signature_settings=None),
    tampered(signed(secret=SHARED, settings=SHA256), x_twilio_webhooks_signature_settings="algorithm=HMAC_MD5"),
    signed(URL + "0"),
    signed(URL.replace("234234", "234235")),
    signed(URL.replace("https", "http")),
    signed(URL.replace("us.example", "eu.example")),
    signed(URL.replace(".example", ".example:8443"), signed_as=URL.replace(".example", ".example:8444")),
    replace(signed(), body=signed().body.replace(b"delivered", b"failed")),
    replace(signed(), body=signed().body + b"&x=1"),
    replace(signed(), body=b""),
    replace(signed(), body=b"\xff"),
    replace(signed(), body=b"a=%FF"),
    tampered(signed(), x_twilio_signature=None),
    tampered(signed(), x_twilio_signature=""),
    tampered(signed(), x_twilio_signature="é" * 28),
    tampered(signed(), x_twilio_signature=signed().headers["x-twilio-signature"].swapcase()),
    tampered(signed(), x_twilio_signature=signed().headers["x-twilio-signature"].rstrip("=")),
    tampered(signed(), x_twilio_signature=b64encode(hmac.new(TOKEN.encode(), b"", "sha1").digest()).decode()),
]


@pytest.mark.parametrize("hook", GOOD)
def test_what_they_accept_we_accept(hook: Hook) -> None:
    assert accepted_by_them(hook)
    assert carrier().verify(hook, NOON)


@pytest.mark.parametrize("hook", BAD)
def test_what_they_refuse_we_refuse(hook: Hook) -> None:
    assert not accepted_by_them(hook)
    assert not carrier().verify(hook, NOON)


@pytest.mark.parametrize("address", [URL, URL.replace(".example", ".example:443")])
def test_an_address_may_be_signed_with_what_says_how_to_repeat_it(address: str) -> None:
    """The fragment is never sent to us; their validator, which is told of it, signs it along."""
    hook = signed(signed_as=address + OVERRIDES)
    assert accepted_by_them(replace(hook, url=hook.url + OVERRIDES))
    assert carrier().verify(hook, NOON)
    assert not carrier().verify(signed(signed_as=f"{address}#rc=1"), NOON)


def test_the_former_token_signs_until_it_is_taken_away() -> None:
    both = {"auth_token": "new", "auth_token_before": TOKEN, "shared_key": "newer", "shared_key_before": SHARED}
    changing = from_settings(Given({"account_sid": ACCOUNT}, both))
    assert changing.login == f"{ACCOUNT}:new"
    for secret in ("new", TOKEN):
        assert changing.verify(signed(secret=secret), NOON)
        assert not changing.verify(signed(secret=secret, settings=SHA256), NOON)
    for secret in ("newer", SHARED):
        assert changing.verify(signed(secret=secret, settings=SHA256), NOON)
        assert not changing.verify(signed(secret=secret), NOON)


def test_without_a_shared_key_nothing_is_signed_with_one() -> None:
    unshared = from_settings(Given({"account_sid": ACCOUNT}, {"auth_token": TOKEN}))
    assert unshared.verify(signed(), NOON)
    for secret in ("", SHARED, TOKEN):
        assert not unshared.verify(signed(secret=secret, settings=SHA256), NOON)


def test_a_fixed_example() -> None:
    """So that a change of their library is not followed unseen."""
    url = "https://h.example/hook/1?k=a%2Fb"
    form = urlencode({"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+13012223333", "Body": "é ~"}).encode()
    hook = Hook("POST", url, {}, {"x-twilio-signature": "HFvqYKm//iwUZZCSm19tIpSrtFU="}, form)
    assert carrier().verify(hook, NOON)
