"""Every curl example of seed 004 for what exists, as printed and as meant; and the types, names and codes it promises.

The credentials of the seed are replaced by provisioned ones. In the seed's Markdown an ampersand is printed as `&amp;`:
whoever copies the source sends these five characters, whoever copies the rendered page sends what was meant.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from html import unescape
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from dispatcher.wiring.parts import utc_now
from dispatcher.wiring.work import working
from tests.factories import SECRET
from tests.web.api import DATABASES, FORM, Api, Post, basic, new_database, refused, served, settled

APP: Final = "com.mediocre.sprinklefree"
SEND: Final = (
    'curl --user myApikey:mySecret --data "message=Download+this+awsome+game+http://goo.gl/XYZ&amp;phone=3012223333'
    '&amp;osType=ANDROID&amp;appId=com.mediocre.sprinklefree&amp;referenceId=8s3k3g" "https://si.hookmobile.com/ws/invitation"'
)
QUERY: Final = 'curl --user myApikey:mySecret "https://si.hookmobile.com/ws/invitation2/3"'
CLICK: Final = (
    'curl --user myApikey:mySecret --data "messageId=234234&amp;userAgent=Mozilla%2F5.0%20(iPhone%3B%20CPU%20iPhone'
    "%20OS%206_0_2%20like%20Mac%20OS%20X)%20AppleWebKit%2F536.26%20(KHTML%2C%20like%20Gecko)%20Version%2F6.0%20Mobile"
    '%2F10A551%20Safari%2F8536.25" "https://si.hookmobile.com/ws/invitation"'
)


@pytest.fixture(scope="module", params=DATABASES)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The customer of the seed, with a number of senders and the simulated carrier."""
    with (
        new_database(str(request.param), request, tmp_path_factory.mktemp("seed")) as url,
        served(url, senders=2) as api,
    ):
        api.rows.add_app(1, {"app_id": APP, "callback_secret": "s", "hours": {"always": True}})
        yield api


def curl(api: Api, command: str, user: str = f"key:{SECRET}") -> TestResponse:
    """What the application answers to a command, as the shell would split it and as curl would send it."""
    words = iter(shlex.split(command)[1:])
    method, body, kind, url, headers = "GET", b"", None, "", {}
    for word in words:
        match word:
            case "--user":
                assert next(words) == "myApikey:mySecret"
                headers["Authorization"] = basic(*user.split(":", 1))
            case "--data":
                method, body, kind = "POST", next(words).encode(), FORM
            case _:
                url = word
    assert urlsplit(url).netloc == "si.hookmobile.com"
    return api.send(Post(body, kind, headers, urlsplit(url).path, method))


def invite(api: Api, **given: str) -> TestResponse:
    form = {"phone": "3012223333", "osType": "ANDROID", "message": "Join", "appId": APP} | given
    return api.invite(form)


def status(api: Api, message_id: str) -> dict[str, Any]:
    answer = api.ask(f"/ws/invitation/{message_id}")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    return dict(answer.get_json())


def test_an_invitation_is_sent_and_asked_for(api: Api) -> None:
    answer = curl(api, unescape(SEND))
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    made = answer.get_json()
    assert isinstance(made["messageId"], str)
    assert made["messageId"].isdigit()
    assert (made["code"], made["status"]) == (0, "pending")

    asked = curl(api, QUERY.replace("invitation2/3", f"invitation/{made['messageId']}"))
    assert (asked.status_code, asked.mimetype) == (200, "application/json")
    found = asked.get_json()
    assert (found["status"], found["processedDate"], found["code"]) == ("pending", None, 0)
    assert (found["messageId"], found["referenceId"]) == (made["messageId"], "8s3k3g")

    again = curl(api, unescape(SEND))
    assert again.get_json() == made, "one referenceId, one invitation"
    assert again.headers["Idempotent-Replayed"] == "true"


def test_the_commands_as_they_are_printed_are_answered_helpfully(api: Api) -> None:
    with api.nothing_stored():
        refused(curl(api, SEND), 400, 102, "phone", "osType", "appId")
        refused(curl(api, QUERY), 404, 404, "path")
        for printed in (CLICK, unescape(CLICK)):  # a click, posted to the address of invitations
            refused(curl(api, printed), 400, 102, "phone", "osType", "message", "appId", "/ws/click")


def test_a_click_is_reported_where_the_seed_says(api: Api) -> None:
    made = invite(api, phone="3012227001", referenceId="clicked").get_json()["messageId"]
    meant = unescape(CLICK).replace("/ws/invitation", "/ws/click")
    told = {"messageId": made, "code": 2, "os": "IOS"}
    answer = curl(api, meant.replace("234234", made))
    assert (answer.status_code, answer.mimetype, answer.get_json()) == (200, "application/json", told)
    assert curl(api, meant.replace("messageId=234234", "referenceId=clicked")).get_json() == told
    with api.nothing_stored():
        refused(curl(api, meant), 404, 103)
        refused(curl(api, meant, "myApikey:mySecret"), 401, 100)


def test_the_credentials_of_the_seed_are_nobodys(api: Api) -> None:
    with api.nothing_stored():
        for command in (SEND, unescape(SEND), QUERY, CLICK):
            answer = curl(api, command, "myApikey:mySecret")
            if command is QUERY:
                refused(answer, 404, 404)
            else:
                refused(answer, 401, 100)
        refused(curl(api, QUERY.replace("invitation2/3", "invitation/3"), "myApikey:mySecret"), 401, 100)


@pytest.mark.parametrize("os", ["IOS", "ANDROID", "IOS_ANDROID"])
def test_every_os_type_of_the_seed(api: Api, os: str) -> None:
    assert invite(api, osType=os, phone=f"301222{len(os):04}").status_code == 200


@pytest.mark.parametrize(
    ("country", "phone"),
    [
        ("", "3012224001"),
        ("US", "3012224002"),
        ("DE", "0151 23456789"),
        ("GB", "07400 123456"),
        ("BR", "11 96123-4567"),
    ],
)
def test_the_country_normalises_the_number(api: Api, country: str, phone: str) -> None:
    assert invite(api, isoCountryCode=country, phone=phone).status_code == 200
    assert invite(api, isoCountryCode=country, phone=phone).get_json()["code"] == 128, "the same person"


def test_the_codes_of_requests_that_are_not_accepted(api: Api) -> None:
    with api.nothing_stored():
        refused(api.invite({}, Authorization=None), 401, 100)
        refused(invite(api, osType="SYMBIAN"), 400, 101, "osType")
        refused(invite(api, message=""), 400, 102, "message")
        refused(invite(api, appId="com.nobody"), 404, 103, "appId")
        refused(invite(api, phone="12345"), 400, 123, "phone")
        refused(api.ask("/ws/invitation/234234"), 404, 103)


def test_a_second_invitation_within_seven_days_is_a_duplicate(api: Api) -> None:
    first = invite(api, phone="3012225001").get_json()
    second = invite(api, phone="+1 (301) 222-5001", message="Join again").get_json()
    assert (second["status"], second["code"], second["message"]) == ("discarded", 128, "Duplicate invitation")
    assert second["duplicateOf"] == first["messageId"]
    week = 7 * 24 * 3600 * 1000
    assert 0 <= second["reinviteDate"] - (first["plannedDate"] + week) < 60_000
    found = status(api, second["messageId"])
    assert (found["status"], found["code"]) == ("discarded", 128)
    assert isinstance(found["processedDate"], int)
    assert status(api, first["messageId"])["status"] == "pending"


def test_what_becomes_of_invitations(api: Api) -> None:
    """With the dispatcher at work and the simulated carrier: `pending`, `sent`, `discarded` and nothing else."""
    numbers = {"3012226001": 1, "3015550102": 124, "3015550103": 125, "3015550104": 127, "3015550125": 124}
    made = {invite(api, phone=phone).get_json()["messageId"]: code for phone, code in numbers.items()}
    began = int(utc_now().timestamp()) * 1000
    seen: dict[str, list[tuple[str, int]]] = {number: [] for number in made}
    with working(settled(api.url)):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and any(not told or not told[-1][1] for told in seen.values()):
            for number, told in seen.items():
                found = status(api, number)
                assert found["status"] in ("pending", "sent", "discarded")
                assert (found["processedDate"] is None) == (found["status"] == "pending")
                if not told or told[-1] != (found["status"], found["code"]):
                    told.append((found["status"], found["code"]))
            time.sleep(0.02)
    finals = {number: told[-1] for number, told in seen.items()}
    taken = {"3012226001", "3015550125"}
    assert finals == {
        number: ("sent" if phone in taken else "discarded", code)
        for (number, code), phone in zip(made.items(), numbers, strict=True)
    }
    order = ["pending", "sent", "discarded"]
    for told in seen.values():
        words = [word for word, _ in told]
        assert words == sorted(words, key=order.index), "never backwards"
    for number in made:
        found = status(api, number)
        assert isinstance(found["code"], int)
        assert isinstance(found["processedDate"], int)
        assert began <= found["processedDate"] < began + 60_000, "milliseconds since 1970"
        assert found["completionDate"] >= found["processedDate"]
