"""What a number and a text are, told from this program's own tables; and, where asked, what was learned of a number."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatcher.cli.common import AsJson, Failed, answer, instant, one_sentence, settings


def lookup(
    phone: Annotated[str, typer.Argument(help="The number as somebody typed it.")],
    country: Annotated[str, typer.Option(help="The country that a national number is read in.")] = "US",
    known: Annotated[bool, typer.Option("--known", help="Tell also what the database knows of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a number is: its country, line type and every time zone that it may be in. Nobody is asked."""
    from dispatcher.core.codes import Refusal
    from dispatcher.core.phone import known_region, parse
    from dispatcher.core.zones import zones_of

    if not known_region(country):
        raise Failed("country: not an ISO 3166 country code such as US or DE")
    try:
        found = parse(phone, country)
    except Refusal as refusal:
        nothing: dict[str, object] = {"e164": None, "valid": False, "lineType": None, "region": None, "zones": []}
        answer(nothing | {"reason": refusal.message}, as_json=as_json)
        return
    told = {"e164": found.e164, "valid": True, "lineType": found.line_type, "region": found.region}
    told |= {"zones": list(zones_of(found.e164, found.region))}
    answer(told | (_learned(found.e164) if known else {}), as_json=as_json)


def _learned(e164: str) -> dict[str, object]:
    from dispatcher.wiring.explain import knowing

    with one_sentence(), knowing(settings()) as known_of:
        known = known_of(e164)
    return {
        "knownLineType": known.line_type or None,
        "knownLineTypeFrom": known.line_type_from or None,
        "knownLineTypeAt": instant(known.line_type_at),
        "knownOs": known.os or None,
        "knownOsFrom": known.os_from or None,
        "knownOsAt": instant(known.os_at),
    }


def segments(text: Annotated[str, typer.Argument(help="The text of a message.")], as_json: AsJson = False) -> None:
    """Tell how many segments a text takes, and which of its characters make it dear."""
    from dispatcher.core.segments import count

    if any("\ud800" <= char <= "\udfff" for char in text):
        raise Failed("text: must be UTF-8")
    size = count(text)
    told = {"encoding": size.encoding, "units": size.units, "segments": size.segments}
    answer(told | {"costly": list(size.costly)}, as_json=as_json)
