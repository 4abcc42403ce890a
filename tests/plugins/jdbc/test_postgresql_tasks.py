"""The PostgreSQL plugins on a real server."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.testing import FakeContext
from plugins.jdbc.postgresql.batch import Batch
from plugins.jdbc.postgresql.copy import CopyIn, CopyOut
from plugins.jdbc.postgresql.tasks import Queries, Query, Trigger


@pytest.fixture
def context() -> Iterator[FakeContext]:
    with FakeContext() as made:
        yield made


@pytest.fixture
def table(postgres_url: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:10]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"create table {name} (id int primary key, name text, at timestamptz)")
        yield name
        connection.execute(f"drop table {name}")


def read(postgres_url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(postgres_url) as connection:
        return connection.execute(sql).fetchall()


def test_fetch_gives_rows_and_size(context: FakeContext, postgres_url: str) -> None:
    output = context.run(
        Query(), {"url": postgres_url, "sql": "select n, n * 2 as d from generate_series(1, 2) n", "fetchType": "FETCH"}
    )

    assert output == {"rows": [{"n": 1, "d": 2}, {"n": 2, "d": 4}], "size": 2}
    assert context.metrics.value_of("fetch.size") == 2


def test_fetch_one_gives_the_first_row(context: FakeContext, postgres_url: str) -> None:
    assert context.run(Query(), {"url": postgres_url, "sql": "values (1), (2)", "fetchOne": True}) == {
        "row": {"column1": 1},
        "size": 1,
    }


def test_fetch_one_without_rows_gives_size_zero(context: FakeContext, postgres_url: str) -> None:
    assert context.run(Query(), {"url": postgres_url, "sql": "select 1 where false", "fetchType": "FETCH_ONE"})["size"] == 0


def test_fetch_none_gives_nothing(context: FakeContext, postgres_url: str) -> None:
    assert context.run(Query(), {"url": postgres_url, "sql": "select 1"}) == {}


def test_store_streams_rows_to_a_file(context: FakeContext, postgres_url: str) -> None:
    sql = "select n, timestamptz '2031-05-04 10:00:00Z' as at from generate_series(1, 25000) n"

    output = context.run(Query(), {"url": postgres_url, "sql": sql, "fetchType": "STORE", "fetchSize": 1000})

    rows = list(context.storage.read_rows(output["uri"]))
    assert (output["size"], len(rows), rows[-1]["n"]) == (25000, 25000, 25000)
    assert rows[0]["at"].isoformat() == "2031-05-04T10:00:00+00:00"


def test_fetch_stops_at_the_limit_and_says_what_to_do(context: FakeContext, postgres_url: str) -> None:
    with pytest.raises(TaskFailure, match="fetchType: STORE"):
        context.run(Query(), {"url": postgres_url, "sql": "select generate_series(1, 10001)", "fetchType": "FETCH"})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1::bigint", 1),
        ("1.50::numeric", "1.50"),
        ("1.5::float8", 1.5),
        ("'nan'::float8", "nan"),
        ("true", True),
        ("null", None),
        ("date '2031-05-04'", "2031-05-04"),
        ("date 'infinity'", "infinity"),
        ("time '10:00'", "10:00:00"),
        ("timestamp '2031-05-04 10:00'", "2031-05-04T10:00:00+02:00"),
        ("timestamptz '2031-05-04 10:00Z'", "2031-05-04T12:00:00+02:00"),
        ("'\\x6869'::bytea", "aGk="),
        ("'{\"a\": [1, null]}'::jsonb", {"a": [1, None]}),
        ("array[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("array[1.5, 2]::numeric[]", ["1.5", "2"]),
        ("interval '1 day 2 hours'", "1 day 02:00:00"),
        ("inet '10.0.0.1'", "10.0.0.1"),
        ("'6f1c1b5e-0000-4000-8000-000000000000'::uuid", "6f1c1b5e-0000-4000-8000-000000000000"),
        ("int4range(1, 3)", "[1, 3)"),
    ],
)
def test_values_come_out_as_the_specification_says(
    context: FakeContext, postgres_url: str, expression: str, expected: Any
) -> None:
    raw = {"url": postgres_url, "sql": f"select {expression} as v", "fetchType": "FETCH_ONE", "timeZoneId": "Europe/Paris"}

    assert context.run(Query(), raw)["row"] == {"v": expected}


def test_parameters_are_bound_and_never_become_sql(context: FakeContext, postgres_url: str, table: str) -> None:
    hostile = f"x'); drop table {table}; --"
    raw = {
        "url": postgres_url,
        "parameters": {"id": 7, "name": hostile, "ids": [7, 8], "doc": {"k": 1}},
        "fetchType": "FETCH_ONE",
    }

    context.run(Query(), {**raw, "sql": f"insert into {table} values (:id, :name)"})
    output = context.run(
        Query(), {**raw, "sql": f"select name, :doc::jsonb as doc from {table} where id in (:ids) and name like '%drop%'"}
    )

    assert output["row"] == {"name": hostile, "doc": {"k": 1}}


def test_returning_gives_rows_of_a_change(context: FakeContext, postgres_url: str, table: str) -> None:
    output = context.run(
        Query(), {"url": postgres_url, "sql": f"insert into {table} values (1), (2) returning id", "fetchType": "FETCH"}
    )

    assert output["rows"] == [{"id": 1}, {"id": 2}]
    assert context.metrics.value_of("updated") == 2


def test_select_into_has_no_result_set(context: FakeContext, postgres_url: str) -> None:
    assert context.run(Query(), {"url": postgres_url, "sql": "select 1 as a into temp made", "fetchType": "FETCH"}) == {}


def test_double_column_names_keep_the_last_with_a_warning(context: FakeContext, postgres_url: str) -> None:
    assert context.run(Query(), {"url": postgres_url, "sql": "select 1 as a, 2 as a", "fetchType": "FETCH_ONE"})["row"] == {
        "a": 2
    }
    assert "several columns with the name a" in context.log.messages("WARN")[0]


def test_a_query_takes_one_statement_only(context: FakeContext, postgres_url: str) -> None:
    with pytest.raises(TaskFailure, match='Use the type "Queries"'):
        context.run(Query(), {"url": postgres_url, "sql": "select 1; select 2"})


def test_a_failing_statement_is_named_with_place_and_server_message(context: FakeContext, postgres_url: str) -> None:
    with pytest.raises(TaskFailure) as caught:
        context.run(Queries(), {"url": postgres_url, "sql": "select 1;\nselect nothing_like_it\n", "fetchType": "FETCH"})

    assert caught.value.message.startswith('Statement 2 of 2 failed at line 2, column 8: column "nothing_like_it" does not exist')
    assert "42703" in caught.value.message


def test_queries_give_one_output_for_each_result_set(context: FakeContext, postgres_url: str, table: str) -> None:
    sql = f"insert into {table} values (1, 'a'); select id from {table}; select name from {table};"

    output = context.run(Queries(), {"url": postgres_url, "sql": sql, "fetchType": "FETCH"})

    assert output["outputs"] == [{"rows": [{"id": 1}], "size": 1}, {"rows": [{"name": "a"}], "size": 1}]


@pytest.mark.parametrize(("transaction", "left"), [(True, 0), (False, 1)])
def test_a_transaction_decides_what_a_failure_leaves(
    context: FakeContext, postgres_url: str, table: str, transaction: bool, left: int
) -> None:
    sql = f"insert into {table} values (1); insert into {table} values (1)"

    with pytest.raises(TaskFailure, match="duplicate key"):
        context.run(Queries(), {"url": postgres_url, "sql": sql, "transaction": transaction})

    assert read(postgres_url, f"select count(*) from {table}") == [(left,)]


def test_after_sql_runs_in_the_same_transaction(context: FakeContext, postgres_url: str, table: str) -> None:
    raw = {"url": postgres_url, "sql": f"insert into {table} values (1)", "afterSQL": "select 1/0"}

    with pytest.raises(TaskFailure, match="division by zero"):
        context.run(Query(), raw)

    assert read(postgres_url, f"select count(*) from {table}") == [(0,)]


def test_fetch_one_leaves_its_transaction_intact(context: FakeContext, postgres_url: str, table: str) -> None:
    raw = {"url": postgres_url, "sql": "select generate_series(1, 50000) as n", "afterSQL": f"insert into {table} values (1)"}

    assert context.run(Query(), {**raw, "fetchType": "FETCH_ONE", "fetchSize": 10})["row"] == {"n": 1}
    assert read(postgres_url, f"select count(*) from {table}") == [(1,)]


def test_the_session_is_named_after_the_execution(context: FakeContext, postgres_url: str) -> None:
    output = context.run(
        Query(), {"url": postgres_url, "sql": "select current_setting('application_name') as name", "fetchType": "FETCH_ONE"}
    )

    assert output["row"] == {"name": "Celestra execution1"}


def test_notices_of_the_server_are_logged(context: FakeContext, postgres_url: str) -> None:
    context.run(Query(), {"url": postgres_url, "sql": "do $$ begin raise notice 'half; done'; raise warning 'careful'; end $$"})

    assert (context.log.messages("INFO"), context.log.messages("WARN")) == (["half; done"], ["careful"])


def test_a_wrong_password_is_not_repeated(context: FakeContext) -> None:
    with pytest.raises(TaskFailure) as caught:
        context.run(
            Query(), {"url": "jdbc:postgresql://127.0.0.1:1/x", "username": "u", "password": "s3cret-canary", "sql": "select 1"}
        )

    assert "No connection to the database" in caught.value.message
    assert "s3cret-canary" not in caught.value.message


def test_an_unknown_time_zone_is_refused(context: FakeContext, postgres_url: str) -> None:
    with pytest.raises(TaskFailure, match="Europe/Paris"):
        context.run(Query(), {"url": postgres_url, "sql": "select 1", "timeZoneId": "Mars/Base"})


def test_killing_a_query_cancels_it_on_the_server(context: FakeContext, postgres_url: str) -> None:
    task = Query()
    killer = threading.Thread(target=lambda: (wait_until_active(postgres_url), task.kill()))
    killer.start()
    began_at = time.monotonic()

    with pytest.raises(TaskFailure, match="stopped before"):
        context.run(task, {"url": postgres_url, "sql": "select pg_sleep(60) /* celestra-kill-test */"})

    killer.join()
    assert time.monotonic() - began_at < 20
    assert not active(postgres_url)


def active(postgres_url: str) -> bool:
    sql = (
        "select 1 from pg_stat_activity where query like '%celestra-kill-test%' and state = 'active' and pid <> pg_backend_pid()"
    )
    return bool(read(postgres_url, sql))


def wait_until_active(postgres_url: str) -> None:
    ends_at = time.monotonic() + 20
    while not active(postgres_url) and time.monotonic() < ends_at:
        pass


def test_a_kill_before_the_run_connects_nowhere(context: FakeContext) -> None:
    task = Query()
    task.kill()

    with pytest.raises(TaskFailure, match="stopped"):
        context.run(task, {"url": "jdbc:postgresql://127.0.0.1:1/x", "sql": "select 1"})


@pytest.mark.parametrize("form", ["CSV", "TEXT", "BINARY"])
def test_what_is_copied_out_can_be_copied_in(context: FakeContext, postgres_url: str, table: str, form: str) -> None:
    sql = "select n, 'name; ' || n, null::timestamptz from generate_series(1, 1000) n"
    header = {} if form == "BINARY" else {"header": True}

    out = context.run(CopyOut(), {"url": postgres_url, "sql": sql + ";", "format": form, **header})
    back = context.run(CopyIn(), {"url": postgres_url, "from": out["uri"], "table": table, "format": form, **header})

    assert (out["rowCount"], back) == (1000, {"rowCount": 1000})
    assert read(postgres_url, f"select count(*), min(name), count(at) from {table}") == [(1000, "name; 1", 0)]


def test_copy_options_reach_the_server(context: FakeContext, postgres_url: str, table: str) -> None:
    uri = context.storage.put(b"5|~it~~s~|-\n", "in.csv")
    raw = {
        "format": "CSV",
        "delimiter": "|",
        "quote": "~",
        "nullString": "-",
        "columns": ["ID", "name", "at"],
        "encoding": "UTF8",
    }

    context.run(CopyIn(), {"url": postgres_url, "from": uri, "table": f"public.{table}", **raw})

    assert read(postgres_url, f"select * from {table}") == [(5, "it~s", None)]


def test_a_bad_line_is_named_and_nothing_is_loaded(context: FakeContext, postgres_url: str, table: str) -> None:
    uri = context.storage.put(b"1,a,\nnot a number,b,\n", "in.csv")

    with pytest.raises(TaskFailure, match="line 2"):
        context.run(CopyIn(), {"url": postgres_url, "from": uri, "table": table, "format": "CSV"})

    assert read(postgres_url, f"select count(*) from {table}") == [(0,)]


def test_batch_writes_a_row_file_in_chunks(context: FakeContext, postgres_url: str, table: str) -> None:
    uri, _ = context.storage.write_rows({"id": n, "name": f"n{n}", "at": None} for n in range(2500))

    output = context.run(Batch(), {"url": postgres_url, "from": uri, "table": table, "chunk": 1000})

    assert output == {"rowCount": 2500, "updatedCount": 2500}
    assert context.metrics.value_of("records") == 2500


def test_batch_takes_the_named_columns_for_its_placeholders(context: FakeContext, postgres_url: str, table: str) -> None:
    uri, _ = context.storage.write_rows([{"label": "100%", "key": 3, "other": 1}])
    sql = f"insert into {table} (id, name) values (?, ?)"

    context.run(Batch(), {"url": postgres_url, "from": uri, "sql": sql, "columns": ["key", "label"]})

    assert read(postgres_url, f"select id, name from {table}") == [(3, "100%")]


def test_a_failing_batch_says_what_is_written_already(context: FakeContext, postgres_url: str, table: str) -> None:
    uri, _ = context.storage.write_rows([[1, "a"], [2, "b"], [3, "c"], [3, "d"]])

    with pytest.raises(TaskFailure, match="the 2 rows before it were written"):
        context.run(Batch(), {"url": postgres_url, "from": uri, "sql": f"insert into {table} values (?, ?)", "chunk": 2})

    assert read(postgres_url, f"select count(*) from {table}") == [(2,)]


def test_a_trigger_fires_for_rows_and_marks_them(context: FakeContext, postgres_url: str, table: str) -> None:
    read(postgres_url, f"select 1 from {table}")
    context.run(Query(), {"url": postgres_url, "sql": f"insert into {table} values (1, 'new')"})
    raw = {
        "url": postgres_url,
        "sql": f"select id from {table} where name = 'new'",
        "afterSQL": f"update {table} set name = 'seen'",
    }
    props = load_properties(Trigger.Props, raw, context.render)

    assert Trigger().poll(context, props, {}).variables == {"rows": [{"id": 1}], "size": 1}
    assert Trigger().poll(context, props, {}).variables is None
