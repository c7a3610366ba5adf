"""The life of a message against a table of its own, which is not made from STEPS."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.core.lifecycle import (
    FINAL,
    UNSENT,
    Event,
    State,
    Word,
    advance,
    diagram,
    proven_by_click,
    sources,
    word,
)

# Every pair: a column is an event, a line a state; a dot is an event that comes too late to matter.
TABLE = """
               claim    defer   mark        submit     retry   refuse  lose      deliver    close   discard    cancel     expire
    queued     claimed  .       .           submitted  .       .       .         delivered  .       discarded  cancelled  expired
    claimed    .        queued  submitting  .          .       .       .         delivered  .       discarded  cancelled  expired
    submitting .        .       .           submitted  queued  failed  in_doubt  delivered  .       .          .          .
    in_doubt   .        .       .           submitted  queued  failed  .         delivered  failed  .          .          .
    submitted  .        .       .           .          .       failed  .         delivered  failed  .          .          .
    failed     .        .       .           .          .       .       .         delivered  .       .          .          .
    delivered  .        .       .           .          .       .       .         .          .       .          .          .
    discarded  .        .       .           .          .       .       .         .          .       .          .          .
    cancelled  .        .       .           .          .       .       .         .          .       .          .          .
    expired    .        .       .           .          .       .       .         .          .       .          .          .
"""  # noqa: E501
HEAD, *LINES = (line.split() for line in TABLE.strip().splitlines())
PAIRS = [(state, event, after) for state, *row in LINES for event, after in zip(HEAD, row, strict=True)]

WORDS = [
    (State.QUEUED, False, Word.PENDING),
    (State.CLAIMED, False, Word.PENDING),
    (State.SUBMITTING, False, Word.PENDING),
    (State.IN_DOUBT, False, Word.PENDING),
    (State.SUBMITTED, True, Word.SENT),
    (State.DELIVERED, True, Word.SENT),
    (State.FAILED, True, Word.SENT),  # undelivered, or closed in doubt
    (State.FAILED, False, Word.DISCARDED),  # refused by every carrier
    (State.DISCARDED, False, Word.DISCARDED),
    (State.CANCELLED, False, Word.DISCARDED),
    (State.EXPIRED, False, Word.DISCARDED),
    # queued again after a doubt (at_least_once), then stopped: it may have been read, and the word never goes back
    (State.DISCARDED, True, Word.SENT),
    (State.CANCELLED, True, Word.SENT),
    (State.EXPIRED, True, Word.SENT),
]
# What no row should show, and what is said if one does: what is not final is pending, what a carrier has is sent.
ODD_WORDS = [
    (State.QUEUED, True, Word.PENDING),
    (State.CLAIMED, True, Word.PENDING),
    (State.SUBMITTING, True, Word.PENDING),
    (State.IN_DOUBT, True, Word.PENDING),
    (State.SUBMITTED, False, Word.SENT),
    (State.DELIVERED, False, Word.SENT),
]


def test_the_table_names_every_state_and_every_event() -> None:
    assert {line[0] for line in LINES} == set(State)
    assert set(HEAD) == set(Event)
    assert len(PAIRS) == len(State) * len(Event)


@pytest.mark.parametrize(("state", "event", "after"), PAIRS)
def test_every_pair(state: str, event: str, after: str) -> None:
    assert advance(State(state), Event(event)) == (None if after == "." else State(after))


@pytest.mark.parametrize("event", Event)
def test_the_guard_of_an_event_is_its_column(event: Event) -> None:
    assert set(sources(event)) == {s for s, e, after in PAIRS if e == event and after != "."}


def test_final_is_what_no_event_leaves_but_a_late_delivery() -> None:
    open_ended = {State(s) for s, e, after in PAIRS if after != "." and (s, e) != ("failed", "deliver")}
    assert set(State) - open_ended == FINAL


def test_unsent_is_what_comes_before_the_mark() -> None:
    assert {State.QUEUED, State.CLAIMED} == UNSENT


@pytest.mark.parametrize(("state", "sent", "public"), WORDS + ODD_WORDS)
def test_the_public_word(state: State, sent: bool, public: Word) -> None:
    assert word(state, sent=sent) is public


def test_every_state_has_its_word_for_both_answers() -> None:
    assert {(state, sent) for state, sent, _ in WORDS + ODD_WORDS} == {(s, b) for s in State for b in (True, False)}


def test_a_click_ends_doubts_and_failures_and_nothing_else() -> None:
    lifted = {(state, sent) for state in State for sent in (True, False) if proven_by_click(state, sent=sent)}
    either = {(state, sent) for state in (State.SUBMITTING, State.IN_DOUBT) for sent in (True, False)}
    assert lifted == either | {(State.QUEUED, True), (State.CLAIMED, True), (State.FAILED, True)}
    assert all(advance(state, Event.DELIVER) for state, _ in lifted)


def test_the_diagram_shows_each_step_once() -> None:
    steps = {f"{state} --> {after}: {event}" for state, event, after in PAIRS if after != "."}
    head, *drawn = [line.strip() for line in diagram().splitlines()]
    assert head == "stateDiagram-v2"
    assert sorted(drawn) == sorted(steps | {"[*] --> queued", "[*] --> discarded: known at intake"})


def test_the_docs_show_the_diagram_as_it_is() -> None:
    page = Path(__file__).parents[2] / "docs" / "lifecycle.md"
    drawings = re.findall(r"```mermaid\n(.*?)\n```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert drawings == [diagram()], "docs/lifecycle.md is behind STEPS: `make docs` redraws it"
