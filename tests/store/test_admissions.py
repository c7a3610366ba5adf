"""Admission on both databases: verdicts, keys, places, and what is on disk afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

from dispatcher.core.codes import Code
from dispatcher.core.invitation import Admitted, Candidate, OptOut, Os, Scope
from dispatcher.core.screening import REMEMBERED
from dispatcher.store.admissions import Admissions, admit
from dispatcher.store.database import Database
from dispatcher.store.group import Group
from dispatcher.store.instants import micros
from dispatcher.store.optouts import OptOutBook
from dispatcher.store.statement import Statement
from tests.factories import NOON, candidate, ids, provision

COUNT = Statement("select count(*) from messages")
CALLBACKS = Statement("select kind, status from callbacks")
SEEN = Statement("insert into people (person, address, line_type, os, os_at) values (:person, null, '', :os, :at)")


def stored(database: Database) -> int:
    with database.read() as tx:
        return int(tx.run(COUNT)[0][0])


def opt_out(database: Database, person: str, scope: str, scope_id: int) -> None:
    OptOutBook(database).add([OptOut(person, Scope(scope), scope_id, "test")], NOON)


def test_accepts_and_stores(database: Database) -> None:
    provision(database)
    c = candidate()
    assert Admissions(database).admit([c], NOON) == [Admitted(c.id, Code.ACCEPTED, "", NOON)]
    assert stored(database) == 1


def test_second_invitation_is_a_duplicate_of_the_first_until_the_window_ends(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    admissions = Admissions(database)
    first, second = candidate(), candidate()
    admissions.admit([first], NOON)
    [verdict] = admissions.admit([second], NOON + timedelta(days=6))
    assert (verdict.code, verdict.duplicate_of, verdict.reopens_at) == (
        Code.DUPLICATE, first.id, NOON + timedelta(days=7)
    )  # fmt: skip
    [again] = admissions.admit([candidate()], NOON + timedelta(days=7))
    assert again.code is Code.ACCEPTED
    assert stored(database) == 3
    with database.read() as tx:
        assert [tuple(row) for row in tx.run(CALLBACKS)] == [("final", 128)]


def test_the_first_of_one_group_wins(database: Database) -> None:
    provision(database)
    group = [candidate() for _ in range(5)]
    verdicts = Admissions(database).admit(group, NOON)
    assert [v.code for v in verdicts] == [Code.ACCEPTED] + [Code.DUPLICATE] * 4
    assert {v.duplicate_of for v in verdicts[1:]} == {group[0].id}


def test_other_apps_and_other_people_do_not_collide(database: Database) -> None:
    provision(database, apps=2)
    verdicts = Admissions(database).admit([candidate(), candidate(app_id=2), candidate("+13012223334")], NOON)
    assert {v.code for v in verdicts} == {Code.ACCEPTED}


def test_the_same_key_with_the_same_content_gets_the_first_answer_again(database: Database) -> None:
    provision(database)
    admissions = Admissions(database)
    first = candidate(key="r:1")
    [answer] = admissions.admit([first], NOON)
    [again] = admissions.admit([candidate(key="r:1")], NOON + timedelta(hours=1))
    assert again == Admitted(answer.id, answer.code, answer.reason, answer.planned_at, replayed=True)
    assert stored(database) == 1


def test_a_replayed_duplicate_still_names_the_earlier_one(database: Database) -> None:
    provision(database)
    admissions = Admissions(database)
    earlier = candidate()
    admissions.admit([earlier], NOON)
    [answer] = admissions.admit([candidate(key="r:1")], NOON)
    [again] = admissions.admit([candidate(key="r:1")], NOON)
    assert (again.id, again.code, again.duplicate_of, again.reopens_at, again.reason) == (
        answer.id, Code.DUPLICATE, earlier.id, answer.reopens_at, answer.reason
    )  # fmt: skip


def test_the_same_key_with_other_content_conflicts_and_stores_nothing(database: Database) -> None:
    provision(database)
    admissions = Admissions(database)
    admissions.admit([candidate(key="r:1")], NOON)
    [verdict] = admissions.admit([candidate("+13012223334", key="r:1")], NOON)
    assert verdict.conflict
    assert stored(database) == 1
    [free] = admissions.admit([candidate("+13012223334")], NOON)
    assert free.code is Code.ACCEPTED, "a conflict takes no place"


def test_keys_within_one_group(database: Database) -> None:
    provision(database)
    group = [candidate(key="r:1"), candidate(key="r:1"), candidate("+13012223334", key="r:1"), candidate(key="k:1")]
    verdicts = Admissions(database).admit(group, NOON)
    assert [(v.id, v.code, v.replayed, v.conflict) for v in verdicts] == [
        (group[0].id, Code.ACCEPTED, False, False),
        (group[0].id, Code.ACCEPTED, True, False),
        (group[0].id, Code.ACCEPTED, True, True),
        (group[3].id, Code.DUPLICATE, False, False),
    ]


def test_a_key_is_free_again_after_its_time_and_another_account_never_sees_it(database: Database) -> None:
    provision(database)
    admissions = Admissions(database)
    admissions.admit([candidate(key="r:1")], NOON)
    [other] = admissions.admit([candidate("+13012223334", key="r:1", account_id=2)], NOON)
    [later] = admissions.admit([candidate("+13012223335", key="r:1")], NOON + timedelta(hours=24))
    assert not other.replayed
    assert not later.replayed


def test_opt_outs_of_every_scope_object(database: Database) -> None:
    provision(database, apps=2)
    people = [candidate(f"+1301222333{n}") for n in range(4)]
    for person, scope, scope_id in [(0, "app", 1), (1, "account", 1), (2, "global", 0), (3, "app", 2)]:
        opt_out(database, people[person].person, scope, scope_id)
    verdicts = Admissions(database).admit(people, NOON)
    assert [v.code for v in verdicts] == [Code.OPTED_OUT] * 3 + [Code.ACCEPTED]


def test_an_opted_out_invitation_takes_no_place(database: Database) -> None:
    provision(database, apps=2)
    c = candidate()
    opt_out(database, c.person, "app", 1)
    admissions = Admissions(database)
    admissions.admit([c], NOON)
    with database.write() as tx:
        tx.run(Statement("delete from optouts"))
    [verdict] = admissions.admit([candidate()], NOON)
    assert verdict.code is Code.ACCEPTED


def test_fifty_at_once_for_one_person(database: Database) -> None:
    provision(database)
    verdicts = _at_once(database, [candidate() for _ in range(50)])
    assert sorted(v.code for v in verdicts) == [Code.ACCEPTED] + [Code.DUPLICATE] * 49


def test_fifty_at_once_with_one_key(database: Database) -> None:
    provision(database)
    verdicts = _at_once(database, [candidate(key="r:same") for _ in range(50)])
    assert len({v.id for v in verdicts}) == 1
    assert [v.replayed for v in verdicts].count(False) == 1
    assert stored(database) == 1


def _at_once(database: Database, candidates: list[Candidate]) -> list[Admitted]:
    """Two groups, as two processes would have, fed by all threads together."""
    groups = [Group[Candidate, Admitted](database.write, lambda tx, batch: admit(tx, batch, NOON)) for _ in range(2)]
    barrier = Barrier(len(candidates))

    def post(n: int) -> Admitted:
        barrier.wait()
        return groups[n % 2].put(candidates[n])

    with ThreadPoolExecutor(len(candidates)) as pool:
        return list(pool.map(post, range(len(candidates))))


def test_what_was_learned_of_a_phone_decides_while_it_is_fresh(database: Database) -> None:
    provision(database)
    people = {os: candidate(f"+1301222{n}", os=os) for n, os in enumerate(("IOS", "ANDROID", "FEATURE_PHONE"), 4000)}
    stranger = candidate("+13012225000", os=Os.ANDROID)
    with database.write() as tx:
        for os, one in people.items():
            tx.run(SEEN, person=one.person, os=os, at=micros(NOON))
    group = [replace(one, os=Os.ANDROID) for one in people.values()] + [stranger]
    verdicts = Admissions(database).admit(group, NOON)
    assert [v.code for v in verdicts] == [
        Code.NOT_COMPATIBLE, Code.ACCEPTED, Code.NOT_COMPATIBLE, Code.ACCEPTED
    ]  # fmt: skip
    assert verdicts[0].reason == "Mobile device not compatible: ios seen, ANDROID asked"
    meant = replace(people["IOS"], id=next(ids), os=Os.IOS_ANDROID)
    [passes] = Admissions(database).admit([meant], NOON)
    assert passes.code is Code.ACCEPTED, "a discard holds no place"
    [old] = Admissions(database).admit([replace(people["FEATURE_PHONE"], id=next(ids))], NOON + REMEMBERED)
    assert old.code is Code.ACCEPTED


def test_a_rule_that_objected_before_the_store_is_kept_as_it_is(database: Database) -> None:
    provision(database, callback_url="http://example.com/")
    landline = candidate(code=Code.NOT_MOBILE, reason="Not a mobile phone: fixed")
    [verdict] = Admissions(database).admit([landline], NOON)
    assert (verdict.code, verdict.reason) == (Code.NOT_MOBILE, "Not a mobile phone: fixed")
    with database.read() as tx:
        assert [tuple(row) for row in tx.run(CALLBACKS)] == [("final", 125)]
    [free] = Admissions(database).admit([candidate()], NOON)
    assert free.code is Code.ACCEPTED, "it holds no place"


def test_an_address_that_was_erased_is_kept_again_by_the_next_invitation(database: Database) -> None:
    provision(database, apps=2)
    first = candidate()
    admissions = Admissions(database)
    admissions.admit([first], NOON)
    with database.write() as tx:
        tx.run(Statement("update people set address = null"))
    admissions.admit([candidate(app_id=2)], NOON)
    with database.read() as tx:
        assert [row[0] for row in tx.run(Statement("select address from people"))] == [first.address]


def test_one_person_of_two_apps_in_one_group(database: Database) -> None:
    provision(database, apps=2)
    verdicts = Admissions(database).admit([candidate(), candidate(app_id=2), candidate(app_id=2)], NOON)
    assert [v.code for v in verdicts] == [Code.ACCEPTED, Code.ACCEPTED, Code.DUPLICATE]
    assert verdicts[2].duplicate_of == verdicts[1].id
