"""A connection's settings and credentials, read key by key: whatever is wrong with them is one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")  # NUL and halves of surrogate pairs: no database keeps them
CONTROL: Final = re.compile("[\x00-\x1f\x7f]")  # would begin another header, or another line
NOT_IN_URL: Final = re.compile(r"[^!-~]|\\")
CREDENTIALS: Final = "credentials"
WORDS: Final = {"true": True, "yes": True, "false": False, "no": False}  # as `--set` writes them


class SettingsError(ValueError):
    """Settings with which a connection cannot work; the message is one sentence for its operator."""


class Given:
    """What an operator gave for a connection. Each reader raises SettingsError naming its key and what is allowed."""

    def __init__(self, settings: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        """`credentials` are the secrets themselves, by the names that `settings["credentials"]` gives them."""
        self.settings = settings
        self.credentials = credentials
        self._asked: dict[str, None] = {}

    def text(self, name: str, default: str | None = None, *, most: int = 255, like: str = "", what: str = "") -> str:
        """A text of 1 to `most` characters that matches the pattern `like`, told as `what`; `default` if it is absent.

        Without a default it is needed.
        """
        self._asked[name] = None
        value = self.settings.get(name)
        if value is None:
            if default is None:
                raise SettingsError(f"{name}: is missing")
            return default
        if isinstance(value, int) and not isinstance(value, bool):  # digits, as TOML reads them without quotes
            value = str(value)
        if not isinstance(value, str) or not 1 <= len(value) <= most or NO_TEXT.search(value) or CONTROL.search(value):
            raise SettingsError(f"{name}: must be a text of 1 to {most} characters")
        if like and not re.fullmatch(like, value):
            raise SettingsError(f"{name}: must be {what or like}")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of these words."""
        value = self.text(name, default)
        if value not in choices:
            raise SettingsError(f"{name}: must be one of {', '.join(choices)}")
        return value

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number."""
        value = self.text(name, str(default))
        if not re.fullmatch("[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise SettingsError(f"{name}: must be a whole number, {least} to {most}")
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        self._asked[name] = None
        value = self.settings.get(name, default)
        found = WORDS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise SettingsError(f"{name}: must be true or false")
        return found

    def url(self, name: str, default: str | None = None) -> str:
        """An http or https address without query or user, and without a slash at its end."""
        value = self.text(name, default, most=2048)
        if not value.startswith(("http://", "https://")) or NOT_IN_URL.search(value) or not _callable(value):
            raise SettingsError(f"{name}: must be an http:// or https:// address, without a user or a query")
        return value.rstrip("/")

    def table(self, name: str) -> Mapping[str, Any]:
        """A table, empty if it is absent; its keys are the caller's to check."""
        self._asked[name] = None
        value = self.settings.get(name, {})
        if not isinstance(value, Mapping):
            raise SettingsError(f"{name}: must be a table")
        return value

    def secret(self, name: str, *, optional: bool = False, lines: bool = False) -> str:
        """A credential, "" for an optional one that is absent; `lines`: it may have several, as a key in PEM has."""
        self._asked[f"{CREDENTIALS}.{name}"] = None
        value = self.credentials.get(name)
        if value is None and not optional:
            raise SettingsError(f"{CREDENTIALS}.{name}: is missing; say where it stands, env:VARIABLE or file:/path")
        if value is not None and (not value.strip() or NO_TEXT.search(value)):
            raise SettingsError(f"{CREDENTIALS}.{name}: must be text in UTF-8, and not empty")
        if value is not None and not lines and CONTROL.search(value):
            raise SettingsError(f"{CREDENTIALS}.{name}: must hold no control character, nor the end of a line")
        return value or ""

    def secrets(self, name: str, *, optional: bool = False) -> tuple[str, ...]:
        """A credential that proves hooks and, while it is changed, the one before it, `NAME_before`."""
        former = self.secret(f"{name}_before", optional=True)
        return tuple(filter(None, (self.secret(name, optional=optional and not former), former)))

    def described(self) -> Mapping[str, Any]:
        """All settings, for a carrier that reads them by itself and knows what is unknown."""
        self._asked |= dict.fromkeys([*self.settings, *(f"{CREDENTIALS}.{name}" for name in self.credentials)])
        return self.settings

    def check_known(self) -> None:
        """Raise SettingsError for a key or a credential that nobody asked for: it is misspelt, or another carrier's."""
        given = [name for name in self.settings if name != CREDENTIALS]
        given += [f"{CREDENTIALS}.{name}" for name in self.credentials]
        for name in given:
            if name not in self._asked:
                raise SettingsError(f"{name}: unknown; allowed are {', '.join(sorted(self._asked))}")


def _callable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment and "@" not in url
    except ValueError:
        return False
