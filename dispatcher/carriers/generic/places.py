"""Where something stands in a provider's message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from dispatcher.core.given import NO_TEXT, SettingsError
from dispatcher.core.reading import id_at


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a message: `json:path.0.id`, `form:name`, `query:name`, `header:name`, `regex:...`."""

    kind: str
    path: str

    @staticmethod
    def of(text: object, key: str) -> Place:
        """Read such a place. Raises SettingsError."""
        kind, colon, path = text.partition(":") if isinstance(text, str) else ("", "", "")
        if not colon or not path or kind not in ("json", "form", "query", "header", "regex"):
            raise SettingsError(f"{key}: must be json:, form:, query:, header: or regex: and a path")
        if kind == "regex":
            try:
                if re.compile(path).groups < 1:
                    raise SettingsError(f"{key}: the pattern needs a group in parentheses")
            except (re.error, OverflowError, RecursionError) as error:
                raise SettingsError(f"{key}: {error}") from None
        return Place(kind, path)

    def find(self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]) -> str:
        """What stands there, as text that can be kept; empty where nothing does, or the message cannot be read."""
        return NO_TEXT.sub("", self._find(headers, body, query))

    def find_id(self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str], *, most: int) -> str:
        """The id that stands there, cut at `most`; empty also for what is no id, as `false`, 0 or an object."""
        found = _at(body, self.path) if self.kind == "json" else self._find(headers, body, query)
        return id_at(found, most=most)

    def _find(self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]) -> str:
        match self.kind:
            case "header":
                return headers.get(self.path.lower(), "")
            case "query":
                return query.get(self.path, "")
            case "form":
                return _in_form(body, self.path)
            case "regex":
                found = re.search(self.path, body.decode("utf-8", "replace")[:65_536])
                return (found.group(1) or "") if found else ""
        return _in_json(body, self.path)


def as_text(value: object) -> str:
    """A value of JSON or TOML as one text, the same for both, so that they can be compared."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _in_form(body: bytes, name: str) -> str:
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)).get(name, "")
    except ValueError:  # more fields than Python reads
        return ""


def _in_json(body: bytes, path: str) -> str:
    try:
        return as_text(_at(body, path))
    except RecursionError:
        return ""


def _at(body: bytes, path: str) -> Any:  # noqa: ANN401  # whatever they wrote
    try:
        value: Any = json.loads(body)
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    return value
