"""What holds for every carrier: it speaks the words of the port, has an example and a place in the docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from dispatcher.carriers import generic, infobip, kannel, plivo, simulated, sinch, smpp, telnyx, twilio, vonage
from dispatcher.core.given import Given
from dispatcher.engine.transport import Carrier
from dispatcher.wiring.carriers import CARRIERS

ROOT: Final = Path(__file__).parents[2]
# They are loaded by name, so it is here that types are checked.
MAKERS: Final[Mapping[str, Callable[[Given], Carrier]]] = {
    "generic": generic.from_settings,
    "infobip": infobip.from_settings,
    "kannel": kannel.from_settings,
    "plivo": plivo.from_settings,
    "simulated": simulated.from_settings,
    "sinch": sinch.from_settings,
    "smpp": smpp.from_settings,
    "telnyx": telnyx.from_settings,
    "twilio": twilio.from_settings,
    "vonage": vonage.from_settings,
}


def test_all_are_known() -> None:
    assert tuple(MAKERS) == CARRIERS


@pytest.mark.parametrize("name", [name for name in CARRIERS if name != "simulated"])
def test_it_is_explained(name: str) -> None:
    assert (ROOT / "config" / "connections" / f"{name}.toml").is_file()
    assert f"## {name}" in (ROOT / "docs" / "carriers.md").read_text("utf-8").casefold()
