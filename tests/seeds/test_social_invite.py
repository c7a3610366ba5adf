"""The Social Invite API 2.0 as it is printed: its three commands, its names and defaults, and its list of features.

The commands are run by a shell and by curl, with nothing replaced but the address of the server. Where the document
slips, what it prints is answered helpfully, and what it means works: an ampersand is `&amp;` in its Markdown source,
the status of an invitation stands at /ws/invitation/{messageId}, and clicks go to /ws/click.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from dispatcher.store.admissions import admit
from dispatcher.store.instants import micros
from dispatcher.store.statement import Statement
from dispatcher.wiring.parts import utc_now
from tests.factories import candidate
from tests.seeds.house import APP, DAYTIME, DEDICATED, ITS_OWN, OTHER, POOL, House
from tests.web.api import phone

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
CURLRC: Final = 'silent\nnoproxy = "*"\nwrite-out = "\\n%{http_code} %{content_type}"\n'
TEXT: Final = Statement("select text, inviter from messages where id = :id")
A_WEEK_PASSES: Final = Statement(
    "update duplicate_slots set until_at = until_at - :week where message_id = :id returning message_id"
)
WEEK: Final = timedelta(days=7)


# --- Its commands --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shell:
    """Pastes commands. curl's own options stand in a file, so that the commands stay as they are printed."""

    house: House
    home: Path

    def __call__(self, command: str) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the JSON that a command is answered with."""
        command = command.replace("https://si.hookmobile.com", f"http://127.0.0.1:{self.house.stage.port}")
        done = subprocess.run(
            ["sh", "-c", command],
            env=os.environ | {"CURL_HOME": str(self.home)},
            capture_output=True,
            timeout=30,
            check=True,
        )
        body, _, said = done.stdout.decode().rpartition("\n")
        status, kind = said.split(" ", 1)
        assert kind == "application/json"
        return int(status), json.loads(body)


@pytest.fixture
def paste(house: House, tmp_path: Path) -> Shell:
    if not shutil.which("curl"):
        pytest.skip("the printed commands are curl's")
    (tmp_path / ".curlrc").write_text(CURLRC)
    return Shell(house, tmp_path)


def existing(house: House, message_id: int) -> None:
    """An invitation with the very id that the document prints."""
    now = utc_now()
    with house.database.write() as tx:
        made = candidate(
            phone=f"+1{phone()}",
            id=message_id,
            created_at=now,
            planned_at=now,
            expires_at=now + timedelta(days=1),
            duplicate_until=now + WEEK,
        )
        [admitted] = admit(tx, [made], now)
    assert admitted.code == 0


def test_the_command_that_sends(house: House, paste: Shell) -> None:
    status, made = paste(unescape(SEND))
    assert (status, made["code"], made["status"]) == (200, 0, "pending")
    assert isinstance(made["messageId"], str)
    assert made["messageId"].isdigit()
    assert paste(unescape(SEND)) == (200, made), "one referenceId, one invitation"

    with house.database.read() as tx:
        assert tx.run(TEXT, id=int(made["messageId"])) == [("Download this awsome game http://goo.gl/XYZ", "")]
    found = house.customer.final(made["messageId"])
    assert (found["status"], found["code"], found["referenceId"]) == ("sent", 1, "8s3k3g")
    [told] = house.called_back(made["messageId"])
    assert told | {"at": ""} == {
        "id": made["messageId"],
        "ref": "8s3k3g",
        "phone": "+13012223333",
        "status": "1",
        "at": "",
    }


def test_the_command_that_sends_with_the_ampersands_of_the_source(paste: Shell) -> None:
    status, said = paste(SEND)
    assert (status, said["code"]) == (400, 102)
    assert "phone, osType, appId" in said["message"]


def test_the_command_that_asks(house: House, paste: Shell) -> None:
    status, said = paste(QUERY)
    assert (status, said["code"]) == (404, 404)
    assert "path" in said["message"]
    meant = QUERY.replace("/ws/invitation2/3", "/ws/invitation/3")
    status, said = paste(meant)
    assert (status, said["code"]) == (404, 103)
    existing(house, 3)
    assert house.customer.final("3")["code"] == 1
    status, said = paste(meant)
    assert (status, said["messageId"], said["status"]) == (200, "3", "sent")
    assert abs(said["processedDate"] / 1000 - utc_now().timestamp()) < 60, "milliseconds since 1970"


def test_the_command_that_reports_a_click(house: House, paste: Shell) -> None:
    for printed in (CLICK, unescape(CLICK)):  # to the address of invitations
        status, said = paste(printed)
        assert (status, said["code"]) == (400, 102)
        assert "POST /ws/click" in said["message"]
    meant = unescape(CLICK).replace("/ws/invitation", "/ws/click")
    status, said = paste(meant)
    assert (status, said["code"]) == (404, 103)
    existing(house, 234234)
    assert house.customer.final("234234")["code"] == 1
    assert paste(meant) == (200, {"messageId": "234234", "code": 2, "os": "IOS"})
    assert house.customer.status("234234")["code"] == 2


def test_a_click_is_reported_by_the_reference_too(house: House, paste: Shell) -> None:
    made = house.accepted(referenceId="clicked")
    meant = unescape(CLICK).replace("/ws/invitation", "/ws/click").replace("messageId=234234", "referenceId=clicked")
    assert paste(meant) == (200, {"messageId": made, "code": 2, "os": "IOS"})


# --- Its form variables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["phone", "osType", "message", "appId"])
def test_a_required_variable(house: House, name: str) -> None:
    answer = house.invite(**{name: ""})
    assert (answer.status, answer.json["code"]) == (400, 102)
    assert name in answer.json["message"]


@pytest.mark.parametrize("os", ["IOS", "ANDROID", "IOS_ANDROID"])
def test_every_os_type(house: House, os: str) -> None:
    house.accepted(osType=os)


def test_the_optional_variables_may_be_left_out_or_empty(house: House) -> None:
    for given in ({}, {"isoCountryCode": "", "senderPhone": "", "referenceId": ""}):
        made = house.accepted(**given)
        assert "referenceId" not in house.customer.final(made)
        assert house.called_back(made)[0]["ref"] == ""


def test_the_country_is_the_united_states_unless_it_is_named(house: House) -> None:
    number = phone()
    first = house.accepted(phone=number)
    for given in ({"isoCountryCode": "US"}, {"isoCountryCode": ""}, {"phone": f"+1{number}", "isoCountryCode": "DE"}):
        answer = house.invite(**{"phone": number} | given)
        assert (answer.json["code"], answer.json["duplicateOf"]) == (128, first), "the same person"


@pytest.mark.parametrize(
    ("country", "number", "e164"),
    [
        ("DE", "0151 23456789", "+4915123456789"),
        ("GB", "07400 123456", "+447400123456"),
        ("BR", "11 96123-4567", "+5511961234567"),
        ("IN", "081234 56789", "+918123456789"),
    ],
)
def test_the_country_normalises_the_number_to_e164(house: House, country: str, number: str, e164: str) -> None:
    made = house.accepted(phone=number, isoCountryCode=country)
    assert house.called_back(made)[0]["phone"] == e164


def test_values_are_url_encoded_both_ways(house: House) -> None:
    text = "A & B = 100 % + ü \N{PARTY POPPER}\nhttp://goo.gl/XYZ?a=b&c=d#e"
    made = house.accepted(message=text, referenceId="1&2=3 %7B {phone}", senderPhone="+1 (301) 222-4444")
    with house.database.read() as tx:
        assert tx.run(TEXT, id=int(made)) == [(text, "13012224444")]
    assert house.called_back(made)[0]["ref"] == "1&2=3 %7B {phone}"


# --- Its features --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["+493023125000", "+442079460000", "+33199000000"])
def test_feature_1_landlines_are_removed(house: House, number: str) -> None:
    answer = house.invite(phone=number)
    assert (answer.json["status"], answer.json["code"]) == ("discarded", 125)


@pytest.mark.parametrize("os", ["IOS", "ANDROID", "IOS_ANDROID"])
def test_feature_2_known_feature_phones_are_removed(house: House, os: str) -> None:
    number = phone()
    seen = house.click(house.accepted(phone=number), "Nokia6300/2.0 (05.50) Profile/MIDP-2.0 Configuration/CLDC-1.1")
    assert seen.json["os"] == "FEATURE_PHONE"
    answer = house.invite(phone=number, osType=os, appId=OTHER)
    assert (answer.json["status"], answer.json["code"]) == ("discarded", 126)


def test_feature_3_senders_take_turns_and_may_be_dedicated(house: House) -> None:
    def senders(app_id: str) -> set[str]:
        return {house.customer.final(house.accepted(appId=app_id))["sender"] for _ in range(9)}

    assert senders(APP) == set(POOL)
    assert senders(DEDICATED) == {ITS_OWN}


# At every hour of the day it is day in one of these and night in another.
PLACES: Final = {
    "America/New_York": "212555{:04}",
    "Pacific/Honolulu": "808555{:04}",
    "Europe/London": "+44740012{:04}",
    "Asia/Tokyo": "+8190123{:05}",
}


def test_feature_4_invitations_are_sent_during_day_time(house: House) -> None:
    now = utc_now()
    hours = {zone: now.astimezone(ZoneInfo(zone)).hour for zone in PLACES}
    [day, *_] = [zone for zone, hour in hours.items() if 10 <= hour < 19]
    [night, *_] = [zone for zone, hour in hours.items() if hour >= 21 or hour < 8]
    sleeping = house.accepted(phone=PLACES[night].format(2001), appId=DAYTIME)
    assert house.customer.final(house.accepted(phone=PLACES[day].format(2002), appId=DAYTIME))["code"] == 1

    found = house.customer.status(sleeping)
    assert (found["status"], found["processedDate"], found["holdReason"]) == ("pending", None, "quiet hours")
    planned = datetime.fromtimestamp(found["plannedDate"] / 1000, UTC)
    assert now < planned < now + timedelta(days=1)
    assert planned.astimezone(ZoneInfo(night)).time().isoformat() == "09:00:00"


def test_feature_5_opt_outs_are_kept_for_each_application(house: House) -> None:
    number = phone()
    house.stage.command("optout", "add", number, "--app", APP)
    answer = house.invite(phone=number)
    assert (answer.json["status"], answer.json["code"]) == ("discarded", 127)
    house.accepted(phone=number, appId=OTHER)


def spelled(number: str) -> str:
    return f"+1 ({number[:3]}) {number[3:6]}-{number[6:]}"


@pytest.mark.parametrize("spelling", [str, spelled], ids=["as before", "spelled otherwise"])
def test_feature_6_nobody_is_invited_twice_by_an_app_in_seven_days(
    house: House, spelling: Callable[[str], str]
) -> None:
    number = phone()
    began = utc_now()
    first = house.accepted(phone=number)
    again = {"phone": spelling(number), "message": "Join me again"}
    second = house.invite(**again).json
    assert (second["status"], second["code"], second["message"]) == ("discarded", 128, "Duplicate invitation")
    assert second["duplicateOf"] == first
    reinvite = datetime.fromtimestamp(second["reinviteDate"] / 1000, UTC)
    assert abs(reinvite - (began + WEEK)) < timedelta(minutes=1)
    house.accepted(**again, appId=OTHER)

    with house.database.write() as tx:
        assert tx.run(A_WEEK_PASSES, id=int(first), week=micros(began + WEEK) - micros(began)) == [(int(first),)]
    house.accepted(**again)
