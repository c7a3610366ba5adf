"""Plivo's own library, against the same stand-in: our requests are its requests, our verdicts its verdicts."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import plivo
import plivo.rest.client
import pytest
from plivo.exceptions import ValidationError
from plivo.utils import validate_signature, validate_v3_signature
from plivo.utils.signature_v3 import construct_post_url, get_signature_v3

from dispatcher.carriers.plivo import Plivo, from_settings
from dispatcher.core.exchange import Fate, Hook, Outcome, Response, Submission
from dispatcher.core.given import Given
from tests.carriers.noise import NOON
from tests.carriers.stand import Stand, carried
from tests.carriers.texts import SUBMISSIONS

ACCOUNT: Final = "MA" + "0A" * 9
UUID: Final = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
TOKEN: Final = "MjQ"
QUEUED: Final = json.dumps({"api_id": "a", "message": "message(s) queued", "message_uuid": [UUID]}).encode()


def carrier(base_url: str = "https://api.plivo.com") -> Plivo:
    return from_settings(Given({"auth_id": ACCOUNT, "base_url": base_url}, {"auth_token": TOKEN}))


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Stand(Response(202, body=QUEUED)) as stand, pytest.MonkeyPatch.context() as patch:
        patch.setattr(plivo.rest.client, "PLIVO_API_BASE_URI", f"{stand.url}/v1/Account")
        yield stand


# --- Requests ------------------------------------------------------------------------------------------------------

SAID: Final = ("Authorization", "Content-Type", "Accept")


@pytest.mark.parametrize("mt", SUBMISSIONS)
def test_our_submit_is_theirs(stand: Stand, mt: Submission) -> None:
    with plivo.RestClient(ACCOUNT, TOKEN) as client:
        made = client.messages.create(src=mt.sender, dst=mt.to, text=mt.text, url=mt.receipt_url, method="POST")
    wanted = stand.take()
    ours = carrier(stand.url)
    outcome = ours.read(carried(ours.build(mt, NOON)))
    assert stand.take().said(*SAID) == wanted.said(*SAID)
    assert outcome == Outcome(Fate.TAKEN, ref=made.message_uuid[0])


# --- Signatures ----------------------------------------------------------------------------------------------------

URL: Final = "https://us.example/hooks/main?id=234234"
PLAIN: Final = "https://us.example/hooks/main"
NONCE: Final = "12345678"
Form = list[tuple[str, str]]
FORM: Final[Form] = [
    ("Status", "delivered"),
    ("MessageUUID", UUID),
    ("To", "13012223333"),
    ("Text", "é ~\n&=+"),
    ("b", ""),
]


def grouped(form: Form) -> dict[str, Any]:
    """The form as their library takes it: a repeated name has a list."""
    listed: dict[str, list[str]] = {}
    for name, value in form:
        listed.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in listed.items()}


def v3(url: str, form: Form, token: str = TOKEN) -> str:
    return str(get_signature_v3(token.encode(), construct_post_url(url, grouped(form)).decode(), NONCE).decode())


def v2(url: str, token: str = TOKEN) -> str:
    return b64encode(hmac.new(token.encode(), (url.partition("?")[0] + NONCE).encode(), "sha256").digest()).decode()


def hooked(url: str = URL, form: Form = FORM, **headers: str) -> Hook:
    named = {f"x-plivo-signature-{name.replace('_', '-')}": value for name, value in headers.items()}
    nonces = {"x-plivo-signature-v3-nonce": NONCE, "x-plivo-signature-v2-nonce": NONCE}
    return Hook("POST", url, dict(parse_qsl(urlsplit(url).query)), nonces | named, urlencode(form).encode())


def accepted_by_them(hook: Hook) -> bool:
    """Whether either of their validators accepts it, for the account itself or as the main one."""
    said: Mapping[str, str] = {name.removeprefix("x-plivo-signature-"): value for name, value in hook.headers.items()}
    try:
        form = hook.form()
    except Exception:
        return False
    for main in ("", "ma-"):
        try:
            if said.get("v3-nonce") and validate_v3_signature(
                "POST", hook.url, said["v3-nonce"], TOKEN, said.get(f"{main}v3", ""), grouped(form)
            ):
                return True
            if said.get("v2-nonce") and validate_signature(
                hook.url, said["v2-nonce"], said.get(f"{main}v2", ""), TOKEN
            ):
                return True
        except ValidationError:
            return False
    return False


ODD: Final = "https://us.example/hooks/main?id=a%2Fb+c&x=2&x=1&y=&a=%26"
TWICE: Final[Form] = [("L", "z"), ("L", "y"), ("E", ""), ("l", "1"), ("L", "z")]
GOOD: Final = [
    hooked(v3=v3(URL, FORM)),
    hooked(ma_v3=v3(URL, FORM)),
    hooked(v3=f"another,{v3(URL, FORM)}"),
    hooked(v3="another", ma_v3=v3(URL, FORM)),
    hooked(PLAIN, v3=v3(PLAIN, FORM)),
    hooked(PLAIN, [], v3=v3(PLAIN, [])),
    hooked(URL, [], v3=v3(URL, [])),
    hooked(ODD, v3=v3(ODD, FORM)),
    hooked(ODD, TWICE, v3=v3(ODD, TWICE)),
    hooked("https://us.example:8443/hooks/main?id=7", v3=v3("https://us.example:8443/hooks/main?id=7", FORM)),
    hooked(v2=v2(URL)),
    hooked(ma_v2=v2(URL)),
    hooked(v2=v2(URL), v3="another"),
    hooked(URL + "0", [*FORM, ("x", "1")], v2=v2(URL)),  # V2 covers neither query nor form
]
BAD: Final = [
    hooked(),
    hooked(v3="", v2=""),
    hooked(v3=v3(URL, FORM, "another")),
    hooked(v3=v3(URL, FORM, "")),
    hooked(v2=v2(URL, "another")),
    hooked(v2=v2(URL, "")),
    hooked(v2=v3(URL, FORM)),
    hooked(v3=v2(URL)),
    hooked(v2=f"another,{v2(URL)}"),
    hooked(v3=v3(URL, FORM), v3_nonce="12345679"),
    hooked(v3=v3(URL, FORM), v3_nonce=""),
    hooked(v2=v2(URL), v2_nonce=""),
    hooked(URL + "0", v3=v3(URL, FORM)),
    hooked(PLAIN, v3=v3(URL, FORM)),
    hooked(URL.replace("https", "http"), v3=v3(URL, FORM), v2=v2(URL)),
    hooked(URL.replace(".example", ".example:443"), v3=v3(URL, FORM), v2=v2(URL)),
    hooked(URL.replace("main", "Main"), v3=v3(URL, FORM), v2=v2(URL)),
    hooked(form=[*FORM, ("x", "1")], v3=v3(URL, FORM)),
    hooked(form=[], v3=v3(URL, FORM)),
    replace(hooked(v3=v3(URL, FORM)), body=urlencode(FORM).encode().replace(b"delivered", b"failed")),
    replace(hooked(v3=v3(URL, FORM)), body=b"\xff"),
    hooked(v3="é" * 44, v2="é" * 44),
    hooked(v3=v3(URL, FORM).swapcase(), v2=v2(URL).swapcase()),
    hooked(v3=v3(URL, FORM).rstrip("="), v2=v2(URL).rstrip("=")),
]


@pytest.mark.parametrize("hook", GOOD)
def test_what_they_accept_we_accept(hook: Hook) -> None:
    assert accepted_by_them(hook)
    assert carrier().verify(hook, NOON)


@pytest.mark.parametrize("hook", BAD)
def test_what_they_refuse_we_refuse(hook: Hook) -> None:
    assert not accepted_by_them(hook)
    assert not carrier().verify(hook, NOON)


def test_fixed_examples() -> None:
    """So that a change of their library is not followed unseen."""
    url = "https://h.example/hook/1?k=b&a=1"
    form = [("MessageUUID", "u1"), ("Status", "delivered"), ("To", "13012223333")]
    assert carrier().verify(hooked(url, form, v2="iLAet29JaVxYO8MXiemSXaidVA6WCzRRlIU/PHU3gyM="), NOON)
    assert carrier().verify(hooked(url, form, v3="EhGvne3RzzokuJaJbbTdeOx6fDE/IdsqlxOf8tBXoe0="), NOON)
