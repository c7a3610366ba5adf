"""Every status code of the Social Invite API over HTTP, by whatever makes it, and the callback of each final one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from dispatcher.core.codes import Code
from tests.processes import Customer
from tests.seeds.house import APP, IPHONE, OTHER, US_ONLY, House
from tests.web.api import phone

FIRST: Final = {"phone": "3012223333", "osType": "ANDROID", "message": "Join me", "appId": APP}
ABROAD: Final = {"phone": "+4915123456789", "appId": US_ONLY}

# What is asked, the HTTP status, the code, and a word of the message.
REFUSED: Final[list[tuple[str, str, dict[str, str] | None, int, int, str]]] = [
    ("POST", "/ws/invitation", FIRST | ABROAD, 403, 100, "DE"),
    ("POST", "/ws/invitation", FIRST | {"osType": "SYMBIAN"}, 400, 101, "osType"),
    ("POST", "/ws/invitation", FIRST | {"isoCountryCode": "XX"}, 400, 101, "isoCountryCode"),
    ("POST", "/ws/invitation", FIRST | {"phone": "", "message": ""}, 400, 102, "phone, message"),
    ("POST", "/ws/invitation", FIRST | {"appId": "com.nobody"}, 404, 103, "appId"),
    ("POST", "/ws/invitation", FIRST | {"phone": "12345"}, 400, 123, "phone"),
    ("GET", "/ws/invitation/234235", None, 404, 103, "not found"),
    ("POST", "/ws/click", {"messageId": "234235", "referenceId": "\0"}, 400, 101, "referenceId"),
    ("POST", "/ws/click", {"userAgent": IPHONE}, 400, 102, "messageId"),
    ("POST", "/ws/click", {"messageId": "234235", "userAgent": IPHONE}, 404, 103, "not found"),
]


@pytest.mark.parametrize(("method", "path", "form", "status", "code", "word"), REFUSED)
def test_a_request_that_is_turned_back(
    house: House, method: str, path: str, form: dict[str, str] | None, status: int, code: int, word: str
) -> None:
    answer = house.customer.call(method, path, form)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json.keys() == {"code", "message"}
    assert word in answer.json["message"]


@pytest.mark.parametrize(("key", "secret"), [("", ""), ("myApiKey", "wrong"), ("MYAPIKEY", "mySecret")])
@pytest.mark.parametrize("asked", ["POST /ws/invitation", "GET /ws/invitation/3", "POST /ws/click"])
def test_a_credential_that_is_not_known(house: House, asked: str, key: str, secret: str) -> None:
    method, path = asked.split(" ")
    answer = Customer(key, secret, house.stage.port).call(method, path, FIRST if method == "POST" else None)
    assert (answer.status, answer.json["code"]) == (401, 100)
    assert answer.headers["www-authenticate"].startswith("Basic ")


# --- What becomes of invitations that are taken --------------------------------------------------------------------


def nothing(house: House, number: str) -> None:
    pass


def seen_on_an_iphone(house: House, number: str) -> None:
    assert house.click(house.accepted(phone=number, appId=OTHER)).json["os"] == "IOS"


def opted_out(house: House, number: str) -> None:
    house.stage.command("optout", "add", number, "--app", APP)


def invited(house: House, number: str) -> None:
    house.customer.final(house.accepted(phone=number))


@dataclass(frozen=True, slots=True)
class Case:
    """What is so before, who is invited, the code of the answer, and what it ends as."""

    before: Callable[[House, str], None]
    number: str  # empty: of somebody new, whom the carrier delivers to
    answered: int
    ends: tuple[str, int]


CASES: Final = {
    "delivered": Case(nothing, "", 0, ("sent", 1)),
    "invalid, says the carrier": Case(nothing, "+13015550101", 0, ("discarded", 123)),
    "refused by the carrier": Case(nothing, "+13015550102", 0, ("discarded", 124)),
    "failed, says the receipt": Case(nothing, "+13015550125", 0, ("sent", 124)),
    "a landline by its number": Case(nothing, "+493023125000", 125, ("discarded", 125)),
    "a landline, says the carrier": Case(nothing, "+13015550103", 0, ("discarded", 125)),
    "a landline, said the carrier": Case(invited, "+13025550103", 125, ("discarded", 125)),
    "not compatible": Case(seen_on_an_iphone, "", 126, ("discarded", 126)),
    "opted out": Case(opted_out, "", 127, ("discarded", 127)),
    "opted out, says the carrier": Case(nothing, "+13015550104", 0, ("discarded", 127)),
    "opted out, said the carrier": Case(invited, "+13025550104", 127, ("discarded", 127)),
    "duplicate": Case(invited, "", 128, ("discarded", 128)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_invitation_that_is_taken(house: House, case: Case) -> None:
    number = case.number or f"+1{phone()}"
    case.before(house, number)
    answer = house.invite(phone=number, referenceId=f"ref {number}")
    assert (answer.status, answer.json["code"]) == (200, case.answered)
    assert answer.json["status"] == ("discarded" if case.answered else "pending")

    found = house.customer.final(answer.json["messageId"])
    assert (found["status"], found["code"]) == case.ends
    assert found["processedDate"] <= found["completionDate"]
    if case.answered:
        assert found["message"] == answer.json["message"]

    [told] = house.called_back(found["messageId"])
    assert told == {
        "id": found["messageId"],
        "ref": f"ref {number}",
        "phone": number,
        "status": str(found["code"]),
        "at": str(found["completionDate"]),
    }


def test_an_invitation_that_is_clicked(house: House) -> None:
    message_id = house.accepted()
    assert house.customer.final(message_id)["code"] == 1
    house.called_back(message_id)
    answer = house.click(message_id)
    assert (answer.status, answer.json["code"]) == (200, 2)
    found = house.customer.status(message_id)
    assert (found["status"], found["code"], found["message"]) == ("sent", 2, "Invitation clicked")
    assert [told["status"] for told in house.called_back(message_id, 2)] == ["1", "2"]


def test_no_code_is_left_out() -> None:
    """All that the API lists, by this file's tables; 2 and 401 by tests of their own."""
    told = {code for *_, code, _ in REFUSED} | {0, 2} | {code for case in CASES.values() for code in case.ends[1:]}
    assert told == set(Code)
