"""Whatever a value holds: it arrives as it was, is never read again, and never leaves its place."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.placeholders import expand, expand_url, template_error, wire_url
from tests.properties.drawn import drawn

NAMES = ("messageId", "referenceId", "phone", "status", "completionDate")
sly = st.sampled_from(["{status}", "<phone>", "%status%", "%25", "%", "+", "&x=1", "#", "/../", "é", "😀", "\x00"])
value = st.lists(sly | st.text(st.characters(codec="utf-8"), max_size=8), max_size=6).map("".join)
values = st.fixed_dictionaries(dict.fromkeys(NAMES, value))
spelled = st.sampled_from(["{%s}", "<%s>", "%%%s%%"])
template = st.lists(st.sampled_from([*NAMES, "{status}", "%20", "x", "<unknown>"]) | st.text(max_size=5)).map("".join)


@drawn(100)
@given(values, spelled)
def test_a_value_arrives_as_it_was(given_values: dict[str, str], spelling: str) -> None:
    query = "&".join(f"{name}={spelling % name}" for name in NAMES)
    parts = urlsplit(wire_url(expand_url(f"https://h.example/cb?{query}", given_values)))
    assert parts.netloc == "h.example"
    assert {name: told[0] for name, told in parse_qs(parts.query, keep_blank_values=True).items()} == given_values


@drawn(100)
@given(values, st.sampled_from(NAMES), spelled)
def test_decoded_it_is_the_value(given_values: dict[str, str], name: str, spelling: str) -> None:
    assert unquote(expand_url(spelling % name, given_values)) == given_values[name]


@drawn(100)
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, sly)), st.lists(st.sampled_from(NAMES)), spelled)
def test_nothing_is_expanded_twice(given_values: dict[str, str], names: list[str], spelling: str) -> None:
    text = expand("".join(spelling % name for name in names), given_values, str)
    assert text == "".join(given_values[name] for name in names)


@drawn(100)
@given(template, values)
def test_what_goes_out_is_ascii_and_stays_so(rest: str, given_values: dict[str, str]) -> None:
    url = wire_url(expand_url(f"http://h.example/{rest}", given_values))
    assert url.isascii()
    assert not set(url) & set(' "<>\\^`{|}#\r\n')
    assert wire_url(url) == url


@drawn(100)
@given(st.text(max_size=30).map("http://{}".format), values)
def test_a_template_without_error_gives_a_url_on_the_same_host(text: str, given_values: dict[str, str]) -> None:
    if template_error(text, NAMES) is None:
        assert urlsplit(wire_url(expand_url(text, given_values))).netloc == urlsplit(wire_url(text)).netloc
