"""Telnyx's own SDK says the same to the same stand-in, and takes the same signatures for genuine."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from freezegun import freeze_time

from dispatcher.carriers.telnyx import Telnyx, from_settings
from dispatcher.core.exchange import Fate, Hook, Outcome, Response, Submission
from dispatcher.core.given import Given
from tests.carriers.noise import short
from tests.carriers.stand import Stand, carried
from tests.carriers.texts import SUBMISSIONS

NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
TAKEN: Final = b'{"data": {"id": "m1", "record_type": "message", "to": [{"phone_number": "+1", "status": "queued"}]}}'
HEADERS: Final = ("Authorization", "Content-Type", "Accept", "Idempotency-Key")


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Stand(Response(200, body=TAKEN)) as stand:
        yield stand


def ours(stand: Stand, **more: str) -> Telnyx:
    return from_settings(Given({"base_url": f"{stand.url}/v2", **more}, {"api_key": "KEY1", "public_key": PUBLIC}))


@pytest.mark.parametrize("mt", SUBMISSIONS, ids=short)
def test_the_submit(stand: Stand, mt: Submission) -> None:
    from telnyx import Telnyx as Sdk

    carrier = ours(stand, messaging_profile_id="40017f0e-0000")
    request = carrier.build(mt, NOW)
    answer = carried(request)
    assert carrier.read(answer) == Outcome(Fate.TAKEN, ref="m1")
    we = stand.take()
    more: dict[str, Any] = {}
    if not mt.sender.lstrip("+").isdigit():
        more["messaging_profile_id"] = "40017f0e-0000"
    if json.loads(we.body).get("encoding"):
        more["encoding"] = "ucs2"
    with Sdk(api_key="KEY1", base_url=f"{stand.url}/v2", max_retries=0) as sdk:
        made = sdk.messages.send(
            to=mt.to,
            from_=mt.sender,
            text=mt.text,
            webhook_url=mt.receipt_url,
            use_profile_webhooks=False,
            idempotency_key=request.headers["Idempotency-Key"],
            **more,
        )
    assert made.data.id == "m1"
    assert we.said(*HEADERS) == stand.take().said(*HEADERS)


BODY: Final = json.dumps({"data": {"event_type": "message.finalized", "id": "e1", "payload": {"id": "m1"}}})
STAMP: Final = str(int(NOW.timestamp()))


def sign(stamp: str, body: str, key: Ed25519PrivateKey = PRIVATE) -> str:
    return b64encode(key.sign(f"{stamp}|{body}".encode())).decode()


def shifted(seconds: int) -> tuple[str, dict[str, str]]:
    stamp = str(int(STAMP) + seconds)
    return BODY, {"Telnyx-Signature-Ed25519": sign(stamp, BODY), "Telnyx-Timestamp": stamp}


_, GENUINE = shifted(0)
SIGNATURES: Final = [
    *((str(seconds), *shifted(seconds)) for seconds in (0, -299, 299, -300, 300, -301, 301, -86_400, 86_400)),
    ("umlauts", "ü" + BODY, GENUINE | {"Telnyx-Signature-Ed25519": sign(STAMP, "ü" + BODY)}),
    ("another body", BODY + " ", GENUINE),
    ("an empty body", "", GENUINE),
    ("another key", BODY, GENUINE | {"Telnyx-Signature-Ed25519": sign(STAMP, BODY, Ed25519PrivateKey.generate())}),
    ("another time", BODY, GENUINE | {"Telnyx-Timestamp": str(int(STAMP) + 1)}),
    ("no signature", BODY, {"Telnyx-Timestamp": STAMP}),
    ("no time", BODY, {"Telnyx-Signature-Ed25519": GENUINE["Telnyx-Signature-Ed25519"]}),
    ("an empty signature", BODY, GENUINE | {"Telnyx-Signature-Ed25519": ""}),
    ("zeros", BODY, GENUINE | {"Telnyx-Signature-Ed25519": b64encode(bytes(64)).decode()}),
    ("a short one", BODY, GENUINE | {"Telnyx-Signature-Ed25519": b64encode(bytes(63)).decode()}),
    ("no base64", BODY, GENUINE | {"Telnyx-Signature-Ed25519": "****"}),
    ("no digits", BODY, GENUINE | {"Telnyx-Timestamp": "noon"}),
]


@pytest.mark.parametrize(("name", "body", "headers"), SIGNATURES, ids=[name for name, _, _ in SIGNATURES])
def test_signatures(stand: Stand, name: str, body: str, headers: dict[str, str]) -> None:
    lowered = {header.lower(): value for header, value in headers.items()}
    we = ours(stand).verify(Hook("POST", "", {}, lowered, body.encode()), NOW)
    assert we is genuine(body, headers)
    assert we is (name in {"0", "-299", "299", "-300", "300", "umlauts"})


def genuine(body: str, headers: dict[str, str]) -> bool:
    """What the SDK says."""
    from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

    try:
        with freeze_time(NOW):
            verify_webhook_signature(body, headers, PUBLIC)
    except WebhookVerificationError:
        return False
    return True
