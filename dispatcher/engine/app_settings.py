"""What is settled of an app, each setting checked before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.core.hours import from_mapping
from dispatcher.core.invitation import Policy
from dispatcher.core.placeholders import template_error
from dispatcher.core.segments import count
from dispatcher.engine.callbacks import NAMES
from dispatcher.engine.checks import Wrong, check_texts, is_country, share

CONTENT_TYPES: Final = ("application/json", "application/x-www-form-urlencoded", "application/xml")
MOST_ANSWER: Final = 3  # segments of an answer to STOP, START or HELP
Forbidden = Callable[[str], str | None]  # why a URL may not be called


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What is settled of an app when it is made. `hours` is "always", a description, or None for the default."""

    app_id: str
    callback_url: str = ""
    hours: Mapping[str, Any] | str | None = None
    country: str = "US"
    countries: str = "all"
    network_id: str = ""
    accepted_url: str = ""
    accepted_post_data: str = ""
    accepted_content_type: str = ""
    stop_text: str = ""
    start_text: str = ""
    help_text: str = ""
    policy: str = "at_most_once"
    country_from_sender: bool = False
    callback_clicks: bool = False
    callback_corrections: bool = False
    duplicate_seconds: int = 604_800
    most_segments: int = 10
    weight: float = 1.0


def app_columns(asked: Mapping[str, Any], forbidden: Forbidden) -> dict[str, Any]:
    """The columns of an app that are asked for, named as in AppSettings, each checked. Raises Wrong."""
    columns: dict[str, Callable[[Any], Any]] = {
        "callback_url": lambda url: _url("callback-url", url, NAMES, forbidden),
        "callback_clicks": int,
        "callback_corrections": int,
        "hours": _hours,
        "country": _country,
        "country_from_sender": int,
        "countries": _countries,
        "network_id": _network_id,
        "accepted_url": lambda url: _url("accepted-url", url, frozenset(), forbidden),
        "accepted_post_data": _post_data,
        "accepted_content_type": _content_type,
        "stop_text": lambda text: _answer("stop-text", text),
        "start_text": lambda text: _answer("start-text", text),
        "help_text": lambda text: _answer("help-text", text),
        "policy": _policy,
        "duplicate_seconds": int,
        "most_segments": int,
        "weight": share,
    }
    return {name: check(asked[name]) for name, check in columns.items() if name in asked}


def _url(name: str, url: str, placeholders: frozenset[str], forbidden: Forbidden) -> str:
    if len(url) > 2048:
        raise Wrong(f"{name}: at most 2048 characters")
    if url and (objection := template_error(url, placeholders) or forbidden(url)):
        raise Wrong(f"{name}: {objection}")
    return url


def _hours(asked: Mapping[str, Any] | str | None) -> Mapping[str, Any] | None:
    if asked is None:
        return None
    if isinstance(asked, str):
        if asked != "always":
            raise Wrong("hours: must be always, or a file")
        return {"always": True}
    try:
        return from_mapping(asked).to_mapping()
    except ValueError as error:
        raise Wrong(f"hours: {error}") from None


def _country(asked: str) -> str:
    if not is_country(asked):
        raise Wrong("country: not an ISO 3166 country code such as US or DE")
    return asked.upper()


def _network_id(asked: str) -> str:
    if len(asked) > 255:
        raise Wrong("network-id: at most 255 characters")
    check_texts(network_id=asked)
    return asked


def _post_data(asked: str) -> str:
    check_texts(accepted_post_data=asked)
    return asked


def _answer(name: str, asked: str) -> str:
    check_texts(**{name.replace("-", "_"): asked})
    if (size := count(asked)).segments > MOST_ANSWER:
        raise Wrong(f"{name}: {size.segments} segments; at most {MOST_ANSWER}")
    return asked.strip()


def _content_type(asked: str) -> str:
    if asked not in ("", *CONTENT_TYPES):
        raise Wrong(f"accepted-content-type: must be empty or one of {', '.join(CONTENT_TYPES)}")
    return asked


def _policy(asked: str) -> str:
    if asked not in set(Policy):
        raise Wrong(f"policy: must be one of {', '.join(Policy)}")
    return asked


def _countries(asked: str) -> str:
    if asked == "all":
        return asked
    listed = [part.strip() for part in asked.split(",") if part.strip()]
    for country in listed:
        if not is_country(country):
            raise Wrong(f"countries: {country} is not an ISO 3166 country code")
    if not listed:
        raise Wrong("countries: must be all, or country codes separated by commas")
    return ",".join(sorted({country.upper() for country in listed}))
