"""What a refusal teaches of a number, by the answer to a submit and by a receipt, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from dispatcher.core.codes import Code
from dispatcher.core.exchange import Fate, Outcome, Receipt
from dispatcher.core.invitation import Candidate
from dispatcher.core.lifecycle import Event
from dispatcher.core.screening import HEARSAY
from dispatcher.engine.ports import Settled
from dispatcher.store.admissions import Admissions
from dispatcher.store.database import Database
from dispatcher.store.lookups import StoreLookups
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.queue import MessageQueue
from dispatcher.store.receipts import ReceiptBook
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, provision

SECOND = timedelta(seconds=1)
PHONE = "+13012223333"
SUBMITTING = Statement("update messages set state = 'submitting', generation = 1 where id = :id")
ATTEMPT = Statement(
    """insert into attempts (message_id, generation, sender_id, connection_id, worker_id, rule, started_at, fate, ref,
        reason) values (:id, 1, 1, 1, 1, '', 0, '', '', '')"""
)


def answered(database: Database, message_id: int, code: Code) -> None:
    said = Outcome(Fate.NEVER, reason="no", code=code)
    MessageQueue(database).settle([Settled(message_id, 1, Event.REFUSE, said, code, NOON)], NOON)


def reported(database: Database, message_id: int, code: Code) -> None:
    ReceiptBook(database).take(1, [Receipt(Event.REFUSE, key=str(message_id), code=code)], NOON)


Tell = Callable[[Database, int, Code], None]
told_by = pytest.mark.parametrize("tell", [answered, reported])


def admit(database: Database, made: Sequence[Candidate], at: timedelta = SECOND) -> list[Code]:
    return [one.code for one in Admissions(database).admit(made, NOON + at)]


def refused(database: Database, tell: Tell, code: Code) -> None:
    made = candidate(PHONE)
    assert admit(database, [made], timedelta(0)) == [Code.ACCEPTED]
    with database.write() as tx:
        tx.run(SUBMITTING, id=made.id)
        tx.run(ATTEMPT, id=made.id)
    tell(database, made.id, code)


@told_by
def test_a_landline_is_known_for_a_month(database: Database, tell: Tell) -> None:
    provision(database, apps=2, duplicate_seconds=1)
    refused(database, tell, Code.NOT_MOBILE)
    stranger = candidate("+13012224444")
    known = StoreLookups(database).known(stranger.person), StoreLookups(database).known(candidate(PHONE).person)
    assert [each.line_type_from for each in known] == ["", "carrier"]
    assert admit(database, [candidate(PHONE, app_id=2), stranger]) == [Code.NOT_MOBILE, Code.ACCEPTED]
    assert admit(database, [candidate(PHONE, app_id=2)], HEARSAY - SECOND) == [Code.NOT_MOBILE]
    assert admit(database, [candidate(PHONE, app_id=2)], HEARSAY) == [Code.ACCEPTED]


@told_by
def test_a_number_that_nobody_has_may_be_somebodys_after_a_month(database: Database, tell: Tell) -> None:
    provision(database, apps=2, duplicate_seconds=1)
    refused(database, tell, Code.INVALID_PHONE)
    assert admit(database, [candidate(PHONE, app_id=2)], HEARSAY - SECOND) == [Code.INVALID_PHONE]
    assert admit(database, [candidate(PHONE, app_id=2)], HEARSAY) == [Code.ACCEPTED]


@told_by
def test_who_opted_out_with_the_carrier_is_left_alone_by_that_app(database: Database, tell: Tell) -> None:
    provision(database, apps=2)
    made = candidate(PHONE)
    refused(database, tell, Code.OPTED_OUT)
    assert admit(database, [candidate(PHONE), candidate(PHONE, app_id=2)]) == [Code.OPTED_OUT, Code.ACCEPTED]
    assert [(one.scope, one.scope_id, one.source) for one in OptOutBook(database).of(made.person)] == [
        ("app", 1, "carrier")
    ]


@told_by
def test_other_refusals_teach_nothing(database: Database, tell: Tell) -> None:
    provision(database, apps=2)
    refused(database, tell, Code.SEND_FAILED)
    assert admit(database, [candidate(PHONE, app_id=2)]) == [Code.ACCEPTED]


def test_a_refusal_that_came_too_late_teaches_nothing(database: Database) -> None:
    provision(database, apps=2)
    made = candidate(PHONE)
    admit(database, [made], timedelta(0))
    answered(database, made.id, Code.NOT_MOBILE)
    assert admit(database, [candidate(PHONE, app_id=2)]) == [Code.ACCEPTED]
