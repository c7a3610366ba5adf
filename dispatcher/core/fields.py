"""The fields of a door, declared once: from the declaration come parsing, error messages and the API document.

A door's declaration is a frozen dataclass of Field descriptions by wire name; `read` turns what came in into clean
strings or a Refusal that names every field at fault and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.core.codes import Code, Refusal


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. `most` is its longest length in characters; `choices`, where given, are all that is allowed."""

    name: str
    about: str
    required: bool = False
    most: int = 255
    choices: tuple[str, ...] = ()
    example: str = ""

    def objection(self, value: str) -> str | None:
        """Why this value is not allowed, or None."""
        if len(value) > self.most:
            return f"{self.name}: {len(value)} characters; at most {self.most}"
        if self.choices and value not in self.choices:
            return f"{self.name}: must be one of {', '.join(self.choices)}"
        if not _is_text(value):
            return f"{self.name}: holds a NUL character or half a surrogate pair, which is not text"
        return None


def _is_text(value: str) -> bool:
    if value.isascii():
        return "\x00" not in value
    return not any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value)


Given = Mapping[str, object]
MANY: Final = object()  # a parameter that was given more than once


def gather(pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """The pairs of a form as a mapping in which a doubled name stands out."""
    found: dict[str, object] = {}
    for name, value in pairs:
        found[name] = MANY if name in found else value
    return found


def read(fields: Sequence[Field], given: Given) -> dict[str, str]:
    """Every declared field as a string, empty where it was not given; an empty value is the same as none.

    Raises Refusal 102 with every missing name, else 101 with every field at fault and what is allowed. Names that are
    not declared are ignored, as a form's always were.
    """
    values: dict[str, str] = {}
    missing: list[str] = []
    wrong: list[str] = []
    for field in fields:
        value = given.get(field.name)
        if value is None or value == "":
            values[field.name] = ""
            if field.required:
                missing.append(field.name)
        elif value is MANY:
            wrong.append(f"{field.name}: given more than once")
        elif not isinstance(value, str):
            wrong.append(f"{field.name}: must be a string")
        elif objection := field.objection(value):
            wrong.append(objection)
        else:
            values[field.name] = value
    if missing:
        raise Refusal(Code.MISSING, f"missing: {', '.join(missing)}")
    if wrong:
        raise Refusal(Code.INVALID, "; ".join(wrong))
    return values
