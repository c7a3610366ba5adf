"""What a deliver_sm tells of an MT: by optional parameters, which win, and by the text of appendix B."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dispatcher.core.lifecycle import Event
from dispatcher.core.smpp import Short, Tag

# esm_class, bits 5 to 2 (5.2.12). What a handset acknowledges itself, 0x08 and 0x10, proves nothing: it is as it likes.
KIND: Final = 0x3C
FINAL: Final = 0x04
HANDSET: Final = 0x08
INTERMEDIATE: Final = 0x20
STATES: Final = MappingProxyType(
    {1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD"}
)
# By their first four letters: some write them out.
EVENTS: Final = MappingProxyType(
    {
        "DELI": Event.DELIVER,
        "EXPI": Event.REFUSE,
        "DELE": Event.REFUSE,
        "UNDE": Event.REFUSE,
        "REJE": Event.REFUSE,
        "FAIL": Event.REFUSE,
        "ENRO": Event.SUBMIT,
        "ACCE": Event.SUBMIT,
        "UNKN": Event.SUBMIT,
    }
)
FIELD: Final = re.compile(r"(?:^|[\s,;])(id|stat|err)\s*:\s*([^\s,;\0]*)", re.IGNORECASE)
MOST_READ: Final = 500  # letters of an ordinary text, in which it is looked for
QUOTES: Final = "\"'"  # which some put around values
# Some SMSCs mark a receipt as an ordinary text, or as a handset's word. Nobody writes such a text by chance, but
# anybody can on purpose. So it counts of a text that went to the very number it came from, and no other is forged.
UNMARKED: Final = re.compile(r"\s*id\s*:\s*[^\s:]+\s.*\bdone date\s*:.*\bstat\s*:", re.IGNORECASE | re.DOTALL)
BEGINS_TEXT: Final = re.compile(r"\btext\s*:", re.IGNORECASE)  # what follows is the message, which may say stat: too


@dataclass(frozen=True, slots=True)
class Told:
    """A receipt as it was written; `event` is None for a state that nobody knows."""

    ref: str
    state: str
    error: str
    event: Event | None
    marked: bool = True


def receipt_of(short: Short, text: str) -> Told | None:
    """The receipt, None where it is a reply. `text` is to be read as Latin-1: SMSCs write it in plain letters."""
    kind = short.esm_class & KIND
    marked = kind in (FINAL, INTERMEDIATE) or (kind == 0 and Tag.RECEIPTED_MESSAGE_ID in short.tags)
    if not marked and not (kind in (0, HANDSET) and UNMARKED.match(text[:MOST_READ])):
        return None
    found = FIELD.findall(BEGINS_TEXT.split(text, 1)[0])
    fields = {name.lower(): value.strip(QUOTES) for name, value in reversed(found)}
    state = _state(short.tags) or fields.get("stat", "").upper()
    event = EVENTS.get(state[:4])
    if not marked and not event:
        return None
    return Told(
        ref=_text(short.tags.get(Tag.RECEIPTED_MESSAGE_ID, b"")) or fields.get("id", ""),
        state=state,
        error=_error(short.tags) or fields.get("err", "").lstrip("0"),
        event=Event.SUBMIT if event and kind == INTERMEDIATE else event,
        marked=marked,
    )


def _state(tags: Mapping[int, bytes]) -> str:
    value = tags.get(Tag.MESSAGE_STATE, b"")
    return STATES.get(value[-1], "") if value else ""


def _error(tags: Mapping[int, bytes]) -> str:
    """Of network_error_code (5.3.2.31) the code, without the kind of network."""
    value = tags.get(Tag.NETWORK_ERROR_CODE, b"")
    return str(int.from_bytes(value[1:], "big") or "") if len(value) == 3 else ""


def _text(octets: bytes) -> str:
    return octets.partition(b"\0")[0].decode("latin-1").strip()
