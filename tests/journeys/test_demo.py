"""The demo, as a user has it by `make run`; and what README.md says of it, word for word.

On SQLite only, since that is what the demo is for: a file that is not there yet.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.processes import ROOT, Customer, Process, Stage, eventually, family_of, free_port, runs, staged

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
BASE: Final = "http://127.0.0.1:8000"
PHONE: Final = "+14155550172"


@contextmanager
def new_installation(folder: Path) -> Iterator[Stage]:
    with staged(f"sqlite:///{folder}/new/demo.db", folder) as stage:
        yield stage
        assert stage.complaints() == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Customer, dict[str, str]]]:
    """The demo of one who has just read how to begin, its customer, and the form that it shows."""
    with new_installation(tmp_path_factory.mktemp("demo")) as stage:
        process = stage.start("demo", "--port", str(stage.port), "--receiver-port", str(free_port()))
        yield process, *shown(introduction(process))


def callbacks(process: Process) -> list[dict[str, str]]:
    """The callbacks that it has shown."""
    lines = [line for line in process.log.read_text().splitlines() if line.startswith("callback  GET ")]
    return [dict(parse_qsl(urlsplit(line.split()[2]).query, keep_blank_values=True)) for line in lines]


def called_back(process: Process, message_id: str) -> list[int]:
    """The statuses that were called back for an invitation, once there is any."""
    return eventually(
        f"a callback of {message_id}",
        lambda: [int(call["status"]) for call in callbacks(process) if call["id"] == message_id],
    )


@pytest.mark.skipif(not shutil.which("curl"), reason="the commands are curl's")
def test_the_first_minute_of_the_readme(demo: tuple[Process, Customer, dict[str, str]]) -> None:
    process, customer, _ = demo
    section = README.partition("## The first minute")[2].partition("\n## ")[0]
    invite, status, click = re.findall(r"^    (curl .*)$", section, re.MULTILINE)
    assert callbacks(process) == [], "nothing was shown before anything was posted"

    def paste(command: str, message_id: str) -> dict[str, Any]:
        printed = "399775138922364928"
        for said, meant in (
            (printed, message_id),
            ("APIKEY:SECRET", f"{customer.key}:{customer.secret}"),
            (BASE, f"http://127.0.0.1:{customer.port}"),
        ):
            command = command.replace(said, meant)
        done = subprocess.run(
            ["sh", "-c", command], env=os.environ | {"no_proxy": "*"}, capture_output=True, timeout=30, check=True
        )
        return dict(json.loads(done.stdout))

    made = paste(invite, "")
    assert (made["status"], made["code"]) == ("pending", 0)
    message_id = made["messageId"]
    assert customer.final(message_id)["code"] == 1
    assert called_back(process, message_id) == [1]
    assert paste(status, message_id)["message"] == "Invitation delivered"
    assert paste(click, message_id) == {"messageId": message_id, "code": 2, "os": "IOS"}
    assert paste(status, message_id)["code"] == 2
    eventually("the click is called back", lambda: called_back(process, message_id) == [1, 2])
    assert {call["phone"] for call in callbacks(process)} == {PHONE}


CODES: Final = {
    int(code): how for code, how in re.findall(r"^\| (\d+) \| [a-z ]+ \| (.+) \|$", README, re.MULTILINE) if how.strip()
}
CHANGES: Final = [(code, change) for code, how in CODES.items() for change in re.findall("`(.+?)`", how)]


def test_every_code_has_its_place_in_the_readme() -> None:
    assert list(CODES) == [0, 1, 2, 100, 101, 102, 103, 123, 124, 125, 126, 127, 128]
    assert [code for code, _ in CHANGES] == [101, 102, 103, 123, 125, 126]


@pytest.mark.parametrize(("code", "change"), CHANGES)
def test_what_is_changed_in_the_form(demo: tuple[Process, Customer, dict[str, str]], code: int, change: str) -> None:
    process, customer, form = demo
    answer = customer.call("POST", "/ws/invitation", form | dict(parse_qsl(change, keep_blank_values=True)))
    assert answer.json["code"] == code
    if code in (125, 126):
        assert (answer.status, answer.json["status"]) == (200, "discarded")
        assert called_back(process, answer.json["messageId"]) == [code]


def test_a_wrong_secret(demo: tuple[Process, Customer, dict[str, str]]) -> None:
    _, customer, form = demo
    answer = Customer(customer.key, "wrong", customer.port).call("POST", "/ws/invitation", form)
    assert (answer.status, answer.json["code"]) == (401, 100)


# The digits, what comes of the first invitation to such a number, and what answers a second one.
ENDS: Final = [
    ("01", "discarded", 123, 123),
    ("02", "discarded", 124, 0),
    ("03", "discarded", 125, 125),
    ("04", "discarded", 127, 127),
    ("25", "sent", 124, 128),
    ("50", "sent", 1, 128),
]


@pytest.mark.parametrize(("digits", "word", "code", "again"), ENDS, ids=[end[0] for end in ENDS])
def test_the_digits_of_a_number(
    demo: tuple[Process, Customer, dict[str, str]], digits: str, word: str, code: int, again: int
) -> None:
    process, customer, form = demo
    form = form | {"phone": f"+141755501{digits}"}
    first = customer.call("POST", "/ws/invitation", form).json
    assert first["code"] == 0
    found = customer.final(first["messageId"])
    assert (found["status"], found["code"]) == (word, code)
    assert called_back(process, first["messageId"]) == [code]
    second = customer.call("POST", "/ws/invitation", form).json
    assert second["code"] == again
    assert called_back(process, second["messageId"]) == [again or code]


def test_it_shows_a_first_invitation_and_keeps_its_data(tmp_path: Path) -> None:
    with new_installation(tmp_path) as stage:
        words = ("demo", "--port", str(stage.port), "--receiver-port", str(free_port()))
        first = stage.start(*words)
        eventually("it says how to begin", lambda: " --data " in first.log.read_text())
        customer, form = shown(introduction(first))
        answer = customer.call("POST", "/ws/invitation", form)
        assert (answer.status, answer.json["status"]) == (200, "pending")
        message_id = answer.json["messageId"]
        assert customer.final(message_id)["code"] == 1
        called = f"callback  GET /callback?id={message_id}&ref=&phone=%2B1{form['phone'][2:]}&status=1&at="
        eventually("its callback is shown", lambda: called in first.log.read_text())
        family = family_of(first.pid)
        assert len(family) == 6  # the parent, the receiver, web and its two workers, work
        assert first.stop(signal.SIGINT) == 0
        assert not any(map(runs, family))

        port, elsewhere = free_port(), free_port()
        second = stage.start("demo", "--port", str(port), "--receiver-port", str(elsewhere))
        eventually("it says how to begin again", lambda: " --data " in second.log.read_text())
        said = introduction(second)
        assert "secret  " not in said
        command = next(line for line in said.splitlines() if " account add-key " in line).split()
        made = stage.command(*command[command.index("dispatcher") + 1 :])
        again = Customer(made["apiKey"], made["secret"], port)
        assert again.status(message_id)["code"] == 1
        assert f"Callbacks go to http://127.0.0.1:{elsewhere} " in said
        another = again.call("POST", "/ws/invitation", form | {"phone": "+14155550177"}).json["messageId"]
        assert called_back(second, another) == [1]
        assert second.stop(signal.SIGINT) == 0
        assert stage.complaints() == []


def introduction(demo: Process) -> str:
    """What the demo says once the API answers."""
    eventually("it shows how to begin", lambda: "/MESSAGEID" in demo.log.read_text())
    return demo.log.read_text()


def shown(said: str) -> tuple[Customer, dict[str, str]]:
    """The customer and the form of the command that the demo prints."""
    words = shlex.split(next(line for line in said.splitlines() if " --data " in line))
    key, _, secret = words[words.index("--user") + 1].partition(":")
    port = urlsplit(words[-1]).port
    assert port is not None
    assert f"apiKey  {key}" in said
    return Customer(key, secret, port), dict(parse_qsl(words[words.index("--data") + 1]))
