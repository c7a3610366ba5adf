"""What no carrier meant to say: answers and hooks of noise, and what may be made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode
from zlib import crc32

from hypothesis import strategies as st

from dispatcher.core.codes import Refusal
from dispatcher.core.exchange import Fate, Fault, Hook, Receipt, Reply, Response
from dispatcher.core.given import NO_TEXT
from dispatcher.core.lifecycle import Event
from dispatcher.engine.transport import Carrier

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAGE: Final = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>delivered</body></html>"
HUGE: Final = b'{"id": ' + b"[" * 60_000
_values: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_statuses: Final = st.sampled_from([0, 100, 200, 201, 202, 204, 207, 299, 302, 400, 401, 403, 404, 422, 429, 500, 503])


def bodies(names: Sequence[str], genuine: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes; JSON and forms of the carrier's own `names` with any values; genuine bodies that end early."""
    named = st.sampled_from(names)
    trees = st.recursive(
        _values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(named | st.text(max_size=5), inner)
    )
    forms = st.lists(st.tuples(named, st.text(max_size=20)), max_size=6)
    cut = st.sampled_from(genuine).flatmap(lambda body: st.integers(0, len(body) - 1).map(lambda end: body[:end]))
    return st.one_of(
        st.binary(max_size=60),
        st.sampled_from([b"", PAGE, HUGE, b"null", b"[]", b"{}", b'"', b"\xff\xfe", b"NaN", b"1e999", b"9" * 5000]),
        trees.map(lambda tree: json.dumps(tree).encode()),
        forms.map(lambda form: urlencode(form).encode()),
        cut,
    )


@st.composite
def broken(draw: st.DrawFn, sample: bytes) -> bytes:
    """A genuine body of JSON of which one part became anything else."""
    value = [json.loads(sample)]
    at: Any = value
    step: Any = 0
    while isinstance(at[step], dict | list) and at[step] and draw(st.booleans()):
        at = at[step]
        step = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
    at[step] = draw(st.recursive(_values, lambda inner: st.lists(inner, max_size=2), max_leaves=4))
    return json.dumps(value[0]).encode()


def responses(names: Sequence[str], genuine: Sequence[bytes]) -> st.SearchStrategy[Response]:
    """Answers of any status with noise in them; `genuine` are JSON that means something only as a whole."""
    headers = st.fixed_dictionaries({}, optional={"retry-after": st.text(max_size=8)})
    fault = st.none() | st.sampled_from(Fault)
    return st.builds(Response, status=_statuses, headers=headers, body=bodies(names, genuine), fault=fault)


def hooks(
    names: Sequence[str], genuine: Sequence[bytes], headers: Sequence[str] = ("x-signature",)
) -> st.SearchStrategy[Hook]:
    """Hooks with noise in body, query and the `headers` that sign them."""
    signed = st.dictionaries(st.sampled_from([*headers, "content-type"]), st.text(max_size=40))
    query = st.dictionaries(st.sampled_from(["id", "token", *names]), st.text(max_size=20))
    url = st.sampled_from(["https://h.example/hooks/x", "https://h.example:99999/hooks/x?id=\udcff", "//[", ""])
    method = st.sampled_from(["GET", "POST", "get", ""])
    return st.builds(Hook, method=method, url=url, query=query, headers=signed, body=bodies(names, genuine))


def read_calmly(carrier: Carrier, response: Response) -> None:
    """Noise is an outcome within bounds, and never a submit that was taken."""
    outcome = carrier.read(response)
    assert outcome.fate is not Fate.TAKEN
    assert len(outcome.reason) <= 255


def heard_calmly(carrier: Carrier, hook: Hook, delivered: Sequence[str]) -> None:
    """Noise is never genuine; what is read of it is refused with 400, or says `delivered` in so many words."""
    assert carrier.verify(hook, NOON) is False
    try:
        events: Sequence[Receipt | Reply] = carrier.events(hook)
    except Refusal as refusal:
        assert refusal.http == 400  # noqa: PT017  # or it is no refusal at all
        return
    said = hook.body.decode("utf-8", "replace") + str(dict(hook.query))
    for event in events:
        if isinstance(event, Receipt):
            assert event.event is not Event.DELIVER or any(word in said for word in delivered)
            assert max(len(event.key), len(event.ref), len(event.reason)) <= 255
            assert not NO_TEXT.search(event.ref + event.reason)
        else:
            assert not NO_TEXT.search(event.ref + event.text + event.their_number + event.our_number)


def short(value: object) -> str:
    """The id of a test with such a value; others have others."""
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:30]}...{crc32(text.encode()):x}"
