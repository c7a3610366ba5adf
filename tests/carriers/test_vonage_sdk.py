"""What Vonage's own SDK (vonage 4) sends and accepts, beside ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dispatcher.carriers.vonage import Vonage, from_settings
from dispatcher.core.exchange import Fate, Hook, Response, Submission
from dispatcher.core.given import Given
from dispatcher.wiring.parts import utc_now
from tests.carriers.stand import Seen, Stand, carried
from tests.carriers.test_vonage import FORGED, GENUINE, SECRET, SECRETS

if TYPE_CHECKING:
    from vonage import Vonage as Sdk

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
APPLICATION: Final = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
TAKEN: Final = Response(202, body=b'{"message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}')
RECEIPT_URL: Final = "https://us.example/hooks/v?id=234234&x=%2B"
MATTERS: Final = ("Authorization", "Content-Type", "Accept")
TEXTS: Final = [
    "Join me",
    "Hé [x] {y} ~ | € \\ ^",
    "“Quoted” \N{PILE OF POO} नमस्ते",
    "\"1\" & 'b' + c = 100 % <d> / ; : ? #",
    "two\nlines\ttab\r\n",
    "0123456789" * 160,
]
SENDERS: Final = ["12015550160", "12345", "Example"]


def sdk(stand: Stand, **auth: str) -> Sdk:
    """The vendor's client, whose https:// is sent in the open, and once only."""
    from vonage import Auth, HttpClientOptions, Vonage

    host = stand.url.removeprefix("http://")
    made = Vonage(Auth(**auth), HttpClientOptions(api_host=host, max_retries=0))
    session = made.http_client._session
    send: Callable[..., Any] = session.request

    def request(method: str, url: str, **more: object) -> object:
        return send(method, url.replace("https://", "http://", 1), **more)

    session.request = request
    return made


def theirs(stand: Stand, client: Sdk, text: str, sender: str, **more: str) -> Seen:
    from vonage_messages import Sms

    client.messages.send(Sms(to="13012223333", from_=sender, text=text, client_ref="234234", **more))
    client.http_client._session.close()
    return stand.take()


def ours(stand: Stand, carrier: Vonage, text: str, sender: str, receipt_url: str, now: datetime = NOON) -> Seen:
    mt = Submission("234234", sender, "+13012223333", text, 1, receipt_url)
    outcome = carrier.read(carried(carrier.build(mt, now)))
    assert (outcome.fate, outcome.ref) == (Fate.TAKEN, "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab")
    return stand.take()


def carrier(stand: Stand, settings: dict[str, str], **credentials: str) -> Vonage:
    return from_settings(Given(settings | {"base_url": stand.url}, {"signature_secret": SECRET, **credentials}))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:12]))
def test_the_same_request_as_an_account(text: str) -> None:
    with Stand(TAKEN) as stand:
        mine = carrier(stand, {"api_key": "abcd1234"}, api_secret="sEcReT")
        for sender in SENDERS:
            client = sdk(stand, api_key="abcd1234", api_secret="sEcReT")
            told = {"webhook_url": RECEIPT_URL, "webhook_version": "v1"}
            expected = theirs(stand, client, text, sender, **told).said(*MATTERS)
            assert ours(stand, mine, text, sender, RECEIPT_URL).said(*MATTERS) == expected


def test_the_same_request_without_a_receipt_url() -> None:
    with Stand(TAKEN) as stand:
        mine = carrier(stand, {"api_key": "abcd1234"}, api_secret="sEcReT")
        client = sdk(stand, api_key="abcd1234", api_secret="sEcReT")
        expected = theirs(stand, client, "Join me", "12345").said(*MATTERS)
        assert ours(stand, mine, "Join me", "12345", "").said(*MATTERS) == expected


def test_the_same_request_as_an_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, its token included: the SDK signs it at the instant and under the name of ours."""
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with Stand(TAKEN) as stand:
        mine = carrier(stand, {"application_id": APPLICATION}, private_key=key)
        seen = ours(stand, mine, TEXTS[2], "12345", RECEIPT_URL)
        token = jwt.decode(seen.headers["authorization"].partition(" ")[2], options={"verify_signature": False})
        monkeypatch.setattr("vonage_jwt.jwt.time", lambda: token["iat"])
        monkeypatch.setattr("vonage_jwt.jwt.uuid4", lambda: UUID(token["jti"]))
        client = sdk(stand, application_id=APPLICATION, private_key=key)
        told = {"webhook_url": RECEIPT_URL, "webhook_version": "v1"}
        assert seen.said(*MATTERS) == theirs(stand, client, TEXTS[2], "12345", **told).said(*MATTERS)


def accepted_there(hook: Hook) -> bool:
    from vonage_jwt import VonageVerifyJwtError, verify_signature

    try:
        return bool(verify_signature(hook.headers.get("authorization", "").partition(" ")[2], SECRET))
    except VonageVerifyJwtError:
        return False


MINE: Final = from_settings(Given({"api_key": "abcd1234"}, SECRETS))
# Their validator looks at the clock, and at neither the body, nor the scheme, nor how old a token is.
LENIENT: Final = {"another scheme", "another body", "a body that is longer", "an empty body", "a deep body"}
LENIENT_TOO: Final = {
    "half of a surrogate pair",
    "no hash",
    "the hash is a list",
    "the hash is no text",
    "too old",
    "of true",
}


def again(hook: Hook, moved: float) -> Hook:
    """The hook as it would be signed now: their validator has no clock but the machine's."""
    scheme, _, token = hook.headers.get("authorization", "").partition(" ")
    return Hook(hook.method, hook.url, headers={"authorization": f"{scheme} {resigned(token, moved)}"}, body=hook.body)


def resigned(token: str, moved: float) -> str:
    try:
        said = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    except (jwt.PyJWTError, ValueError):
        return token
    times = {name: said[name] + moved for name in ("iat", "exp") if isinstance(said.get(name), int | float)}
    return jwt.encode(said | times, SECRET)


@pytest.mark.parametrize("name", [*GENUINE, *FORGED])
def test_the_same_verdict_on_a_signature(name: str) -> None:
    """They accept whatever we accept, but for a clock of theirs that is ahead; and what they refuse, we refuse."""
    now = utc_now()
    hook = again({**GENUINE, **FORGED}[name], now.timestamp() - NOON.timestamp())
    assert MINE.verify(hook, now) is (name in GENUINE)
    expected = name in LENIENT | LENIENT_TOO or (name in GENUINE and name != "their clock is ahead")
    assert accepted_there(hook) is expected
