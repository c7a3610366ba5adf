"""Whatever is answered: nothing raises, and how it is written changes nothing."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.keywords import heard, plain

PIECES = st.sampled_from(["stop", "STOP", "please", "bus", "don't", "texting", "me", "yes", "?", '"', "“", "\n", "--", "remove", "退订", "é"])  # fmt: skip
SENTENCES = st.lists(PIECES | st.text(max_size=8), max_size=30).map(" ".join)


@given(st.text(max_size=1200) | SENTENCES)
def test_whatever_comes_is_read(text: str) -> None:
    heard(text)


@given(st.text())
def test_plain_words_are_plain_already(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.lists(PIECES, max_size=12).map(" ".join), st.sampled_from([" ", "\t", "\u200b ", "\n"]))
def test_case_accents_and_space_around_change_nothing(text: str, space: str) -> None:
    expected = heard(text)
    for written in (text.upper(), text.lower(), unicodedata.normalize("NFD", text), f"{text}{space}"):
        assert heard(written) == expected
