"""Whatever happens to a message, in whatever order: what the customer was told is never taken back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.core.lifecycle import FINAL, Event, State, Word, advance, word
from tests.properties.drawn import drawn

# What is written beside the step (store.steps and store.receipts): once taken, or perhaps taken, always taken.
# A refusal counts as taken when a receipt brought it, not when it was the answer to the submit.
TAKEN = frozenset({Event.SUBMIT, Event.DELIVER, Event.CLOSE})
Happening = tuple[Event, bool]  # and whether a receipt told it
happenings = st.lists(st.tuples(st.sampled_from(Event), st.booleans()), max_size=40)
CLAIMED, MARKED = (Event.CLAIM, False), (Event.MARK, False)


def life(events: Sequence[Happening]) -> list[tuple[State, bool]]:
    """The states that a message goes through, each with whether a carrier took it."""
    told = [(State.QUEUED, False)]
    marked = False
    for event, by_receipt in events:
        state, sent = told[-1]
        after = advance(state, event)
        marked = marked or (event is Event.MARK and after is not None)
        if after is not None and (marked or event not in TAKEN):  # answers and receipts are found by their attempt
            told.append((after, sent or event in TAKEN or (event is Event.REFUSE and by_receipt)))
    return told


@drawn(500)
@given(happenings)
@example([CLAIMED, MARKED, (Event.LOSE, False), (Event.RETRY, False), CLAIMED, MARKED, (Event.SUBMIT, False)])
@example([CLAIMED, MARKED, (Event.LOSE, False), (Event.CLOSE, False), (Event.DELIVER, True)])
@example([CLAIMED, MARKED, (Event.REFUSE, False), (Event.DELIVER, True)])
def test_the_public_word_never_goes_backwards(events: list[Happening]) -> None:
    lived = life(events)
    for (before, was_sent), (after, sent) in pairwise(lived):
        was, now = word(before, sent=was_sent), word(after, sent=sent)
        assert was is Word.PENDING or now is not Word.PENDING
        assert was is not Word.SENT or now is Word.SENT
        if (was, now) == (Word.DISCARDED, Word.SENT):  # the one exception, and see below
            assert (before, was_sent, after) == (State.FAILED, False, State.DELIVERED)


def test_a_delivery_of_what_the_carrier_refused_turns_discarded_into_sent() -> None:
    """Can it happen that `discarded` becomes `sent`? Yes, by this alone: the carrier contradicts itself.

    It answered the submit with a no (FAILED, never taken), and then brings a receipt that it was delivered.
    """
    refused = [CLAIMED, MARKED, (Event.REFUSE, False)]
    assert word(State.FAILED, sent=False) is Word.DISCARDED
    assert life(refused)[-1] == (State.FAILED, False)
    assert life([*refused, (Event.DELIVER, True)])[-1] == (State.DELIVERED, True)


@drawn(500)
@given(happenings)
def test_final_states_stay_final(events: list[Happening]) -> None:
    for (before, _), (after, _) in pairwise(life(events)):
        assert before not in FINAL or (before, after) == (State.FAILED, State.DELIVERED)


@drawn(500)
@given(happenings)
def test_only_a_marked_message_was_ever_taken(events: list[Happening]) -> None:
    lived = life(events)
    for position, (_, sent) in enumerate(lived):
        assert not sent or State.SUBMITTING in [before for before, _ in lived[:position]]
