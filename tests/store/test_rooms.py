"""A sender's daily cap on both databases: what counts against it, and what is given back once it was not sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import pytest

from dispatcher.core.exchange import Fate, Receipt
from dispatcher.core.lifecycle import Event
from dispatcher.engine.ports import Marked, Settled
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.inquiries import InquiryBook
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.rescue import Sweeper
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, provision
from tests.store.test_queue import ATTEMPTS, EXPIRE_LEASES, HORIZON, mark, queued, run, settled, take

USED = Statement("select id, used from senders order by id")
# What was sent, or may have been: of attempts, by their sender.
MAY_HAVE_LEFT = Statement(
    """select s.id, coalesce((select sum(m.segments) from attempts a join messages m on m.id = a.message_id
        where a.sender_id = s.id and a.fate in ('', 'unknown', 'taken')), 0)
    from senders s order by s.id"""
)
UNSENT = [
    (Event.RETRY, Fate.LATER),
    (Event.RETRY, Fate.OTHER_SENDER),
    (Event.RETRY, Fate.STOP_CARRIER),
    (Event.REFUSE, Fate.NEVER),
    (Event.REFUSE, Fate.LATER),
]
SENT = [(Event.SUBMIT, Fate.TAKEN), (Event.DELIVER, Fate.TAKEN), (Event.LOSE, Fate.UNKNOWN)]


def used(database: Database) -> int:
    return int(sum(row[1] for row in run(database, USED)))


def marked_three(database: Database) -> Marked:
    """A text of three segments beside one of two whose submit is under way."""
    provision(database)
    queued(database, segments=2)
    mark(database, take(database))
    Admissions(database).admit([candidate("+13012229999", segments=3)], NOON)
    [marked] = mark(database, take(database))
    assert used(database) == 5
    return marked


def settle(database: Database, *results: Settled) -> None:
    MessageQueue(database).settle(results, NOON)


@pytest.mark.parametrize(("event", "fate"), UNSENT)
def test_what_surely_was_not_sent_is_given_back_once(database: Database, event: Event, fate: Fate) -> None:
    result = settled(marked_three(database).row, event, fate, due_at=NOON)
    settle(database, result, result)
    assert used(database) == 2
    settle(database, result)
    assert used(database) == 2


@pytest.mark.parametrize(("event", "fate"), SENT)
def test_what_was_or_may_have_been_sent_counts(database: Database, event: Event, fate: Fate) -> None:
    settle(database, settled(marked_three(database).row, event, fate))
    assert used(database) == 5


def test_a_text_of_which_a_part_was_taken_counts(database: Database) -> None:
    settle(database, settled(marked_three(database).row, Event.REFUSE, Fate.NEVER, sent=True))
    assert used(database) == 5


def test_a_new_days_cap_is_not_for_yesterdays_texts(database: Database) -> None:
    marked = marked_three(database)
    run(database, Statement("update senders set day = day + 1, used = 4"))
    settle(database, settled(marked.row, Event.RETRY, Fate.LATER))
    assert used(database) == 4


def test_what_a_receipt_told_of_is_not_given_back(database: Database) -> None:
    marked = marked_three(database)
    ReceiptBook(database).take(1, [Receipt(Event.DELIVER, key=str(marked.row.id))], NOON)
    settle(database, settled(marked.row, Event.RETRY, Fate.LATER))
    assert used(database) == 5


def test_a_mark_that_is_not_on_disk_gives_nothing_back(database: Database) -> None:
    marked = marked_three(database)
    run(database, Statement("delete from attempts where message_id = :id"), id=marked.row.id)
    settle(database, settled(marked.row, Event.RETRY, Fate.LATER))
    assert used(database) == 5


def test_the_result_of_an_older_generation_is_heeded_too(database: Database) -> None:
    """It was queued again in doubt, and goes once more: only one of the two counts when the first was not sent."""
    provision(database, policy="at_least_once")
    queued(database, segments=3)
    [first] = mark(database, take(database))
    run(database, EXPIRE_LEASES)
    Sweeper(database).rescue(NOON, timedelta(0), 100)
    mark(database, take(database))
    assert used(database) == 6
    settle(database, settled(first.row, Event.RETRY, Fate.LATER))
    assert used(database) == 3


def asked(database: Database, *, submits: bool) -> Marked:
    """A doubt about which its carrier was asked."""
    marked = marked_three(database)
    settle(database, settled(marked.row, Event.LOSE, Fate.UNKNOWN, ask_at=NOON))
    book = InquiryBook(database)
    doubts = [(doubt, NOON + timedelta(hours=1)) for doubt in book.doubts(1, NOON, 10)]
    assert len(book.ask(doubts, submits=submits, horizon=HORIZON, worker_id=1, now=NOON)) == 1
    assert used(database) == 5
    return marked


@pytest.mark.parametrize("submits", [False, True])
def test_only_the_answer_gives_back_what_its_carrier_was_asked_about(database: Database, *, submits: bool) -> None:
    """For the one who asks may have sent it."""
    marked = asked(database, submits=submits)
    for event in (Event.RETRY, Event.REFUSE):
        settle(database, settled(marked.row, event, Fate.LATER))
        if event is Event.RETRY:
            assert used(database) == 5
            answer = settled(marked.row, Event.REFUSE, Fate.NEVER)
            assert InquiryBook(database).settle([answer, answer], NOON) == 2
            assert used(database) == 2
    assert used(database) == 2


def test_many_who_tell_of_one_attempt_give_it_back_once(database: Database) -> None:
    marked = marked_three(database)
    run(database, Statement("update messages set generation = generation + 1"))  # nobody waits for its row
    result = settled(marked.row, Event.RETRY, Fate.LATER)
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda _: settle(database, result), range(8))] == [None] * 8
    assert used(database) == 2


class History:
    """What several processes do in any order: results come late, twice or never, and carriers are asked."""

    def __init__(self, database: Database, seed: int, *, asking: bool) -> None:
        self.database, self.random, self.asking = database, Random(seed), asking
        self.marked: dict[tuple[int, int], Marked] = {}
        self.truth: dict[tuple[int, int], tuple[Event, Fate]] = {}

    def mark(self) -> None:
        """Take some of what is due; each submit has one truth, which its process may learn or not."""
        for marked in mark(self.database, take(self.database, self.random.randint(1, 6))):
            key = marked.row.id, marked.row.generation
            self.marked[key], self.truth[key] = marked, self.random.choice([*UNSENT, *SENT])

    def settle(self) -> None:
        """Some results, of each message one at most, of any age, and told before or not."""
        chosen = {key[0]: key for key in self.random.sample([*self.marked], len(self.marked) // 2)}
        settle(self.database, *(self.result(key) for key in chosen.values()))

    def result(self, key: tuple[int, int]) -> Settled:
        """The truth about a submit."""
        event, fate = self.truth[key]
        ask_at = NOON if self.asking and fate is Fate.UNKNOWN else None
        return settled(self.marked[key].row, event, fate, due_at=NOON, ask_at=ask_at)

    def sweep(self) -> None:
        """Processes die, and doubts are closed or go again."""
        if self.random.random() < 0.3:
            run(self.database, EXPIRE_LEASES)
        ask_at = NOON if self.asking else None
        Sweeper(self.database).rescue(NOON, timedelta(minutes=self.random.choice([0, 1])), 100, [1], ask_at)

    def ask(self) -> None:
        """Some carriers are asked about a doubt, and some of those tell."""
        book = InquiryBook(self.database)
        doubts = [(doubt, NOON) for doubt in book.doubts(1, NOON, 3)]
        claimed = book.ask(doubts, submits=self.random.random() < 0.5, horizon=HORIZON, worker_id=1, now=NOON)
        keys = [(doubt.marked.row.id, doubt.marked.row.generation) for doubt in claimed]
        told = [key for key in keys if self.truth[key][1] is not Fate.UNKNOWN and self.random.random() < 0.5]
        book.settle([self.result(key) for key in told], NOON)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("asking", [False, True])
def test_what_counts_is_what_was_or_may_have_been_sent(database: Database, seed: int, *, asking: bool) -> None:
    provision(database, senders=2, policy="at_least_once")
    for segments in (1, 2, 3):
        queued(database, 8, segments=segments, duplicate_until=NOON)
    history = History(database, seed, asking=asking)
    deeds = [history.mark, history.mark, history.settle, history.sweep, *[history.ask] * asking]
    for _ in range(40):
        history.random.choice(deeds)()
        counts, left = run(database, USED), run(database, MAY_HAVE_LEFT)
        if asking:  # a process's own result gives nothing back where another may have submitted meanwhile
            assert all(mine[1] >= sent[1] for mine, sent in zip(counts, left, strict=True))
        else:
            assert counts == left
    assert {row[2] for row in run(database, ATTEMPTS)} >= {"taken", "unknown", "later", "never"}
