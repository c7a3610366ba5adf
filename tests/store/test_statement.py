"""One text for both databases: what is rendered, and that both read it alike."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.store.database import Database
from dispatcher.store.statement import Statement

ROWS = Statement("select {rows}", "id bigint, name text")
RENDERED = [
    # a text, on SQLite, on PostgreSQL
    ("select :a", "select ?", "select %(a)s"),
    ("select :a, :a_1 where x=:a", "select ?, ? where x=?", "select %(a)s, %(a_1)s where x=%(a)s"),
    ("select x::text", "select x::text", "select x::text"),
    ("select 1 {lock}", "select 1 ", "select 1 for update of s"),
    ("select 1 {lock_skip}", "select 1 ", "select 1 for update skip locked"),
]
BATCHES: list[list[tuple[Any, ...]]] = [
    [],
    [(1, "a")],
    [(1, "a"), (1, "a"), (2, None)],
    [(-(1 << 63), ""), ((1 << 63) - 1, "grüße 😀 \u2028 \x1f \"'\\ %s %(id)s :id {rows}")],
    [(n, str(n)) for n in range(3000)],
]


@pytest.mark.parametrize(("text", "sqlite", "postgres"), RENDERED)
def test_rendered(text: str, sqlite: str, postgres: str) -> None:
    statement = Statement(text)
    given = dict.fromkeys(["a", "a_1"], 7)
    assert (statement.sqlite(None, given)[0], statement.postgres) == (sqlite, postgres)


def test_rows_are_bound_values_or_one_json_text() -> None:
    batch = [(1, "a"), (2, None)]
    now = Statement("select :now, {rows} where x = :least or y = :now", "id bigint, name text")
    assert now.sqlite(batch, {"now": 7, "least": 3}) == (
        "select ?, (select column1 as id, column2 as name from (values (?, ?), (?, ?))) as r where x = ? or y = ?",
        [7, 1, "a", 2, None, 3, 7],
    )
    assert "jsonb_array_elements(%(rows)s::jsonb)" in now.postgres
    assert now.postgres_parameters(batch, {"now": 7}) == {"rows": '[[1, "a"], [2, null]]', "now": 7}
    assert now.postgres_parameters(None, {"now": 7}) == {"now": 7}


def test_what_returns_something_is_waited_for() -> None:
    assert Statement("select 1").returns
    assert Statement("insert into x values (1) returning id").returns
    assert Statement("with x as (select 1) update y set a = 1 returning a").returns
    assert not Statement("update x set a = 1").returns


@pytest.mark.parametrize("batch", [[(1, "a"), (2,)], [(1,)], [(1, "a", 2)]])
def test_rows_of_another_length_are_no_batch(batch: list[tuple[Any, ...]]) -> None:
    with pytest.raises(ValueError, match="id, name"):
        ROWS.postgres_parameters(batch, {})
    with pytest.raises(ValueError, match="id, name"):
        ROWS.sqlite(batch, {})


def test_a_batch_comes_back_as_it_went_in(database: Database) -> None:
    there_and_back = Statement("select id, name from {rows} order by id, name", "id bigint, name text")
    for batch in BATCHES:
        with database.read() as tx:
            assert [tuple(row) for row in tx.run(there_and_back, batch)] == sorted(batch, key=lambda row: row[0])


def test_parameters_beside_a_batch(database: Database) -> None:
    above = Statement("select id from {rows} where id > :least order by id limit :most", "id integer")
    with database.read() as tx:
        assert [row[0] for row in tx.run(above, [(n,) for n in range(9)], least=3, most=2)] == [4, 5]


def test_the_clock_is_the_databases_own_and_goes_on_within_a_transaction(database: Database) -> None:
    clock = Statement("select {clock}")
    with database.write() as tx:
        first = tx.run(clock)[0][0]
        while (later := tx.run(clock)[0][0]) == first:
            pass
    assert type(first) is int
    assert 0 < later - first < 60_000_000
    assert 1_790_000_000_000_000 < first < 4_000_000_000_000_000, "microseconds since 1970"


def test_what_returns_nothing(database: Database) -> None:
    with database.write() as tx:
        assert tx.run(Statement("delete from node_leases where node = :node"), node=1) == []
