"""
Fills a database with ended executions and log lines, as months of work leave them behind; nothing in it is ever run.

    python -m benchmarks.seed --database postgresql://... --executions 1000000 --logs 5000000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

NAMESPACE_COUNT = 50
FLOW_COUNT = 400
DAYS = 60
BATCH = 100_000
MANY = 500_000

# Number `n` decides everything about a row, so that two runs fill two databases alike.
_FLOWS = """
insert into flows_flow (namespace, flow_id, revision, description, labels, disabled, deleted, problem, listens, running_count,
                        created_at, updated_at)
select 'seed.team' || n %% %(namespaces)s, 'flow-' || n, 1, '', '[]', false, false, '', false, 0, now(), now()
from generate_series(0, %(flows)s - 1) n
on conflict do nothing
"""
_REVISIONS = """
insert into flows_flowrevision (flow_id, revision, source, deleted, saved_by, created_at)
select id, 1, 'id: ' || flow_id || chr(10) || 'namespace: ' || namespace || chr(10)
    || 'tasks:' || chr(10) || '  - {id: say, type: io.kestra.plugin.core.log.Log, message: hello}' || chr(10), false, '', now()
from flows_flow where namespace like 'seed.team%%'
on conflict do nothing
"""
_EXECUTIONS = """
with rows as (
    select n, lpad(to_hex(n), 8, '0') || left(md5('execution' || n), 14) as id,
           (n * 7919::bigint) %% %(flows)s as flow,
           now() - make_interval(secs => %(seconds)s * (1 - n::float8 / %(total)s)) as at,
           (n * 31 %% 600) * interval '100 milliseconds' as length,
           case when n %% 20 = 0 then 'FAILED' when n %% 97 = 0 then 'WARNING' when n %% 101 = 0 then 'KILLED'
                else 'SUCCESS' end as state
    from generate_series(%(first)s::bigint, %(last)s::bigint) n
)
insert into flows_execution (
    id, namespace, flow_id, flow_revision, kind, state, histories, created_at, ended_at, inputs, variables, labels, trigger,
    original_id, attempt_number, original_created_at, error, breakpoints, caller_waits, depth, slot_held, pause_asked, progress,
    version, failures)
select id, 'seed.team' || flow %% %(namespaces)s, 'flow-' || flow, 1, 'NORMAL', state,
       jsonb_build_array(jsonb_build_array('CREATED', to_json(at)), jsonb_build_array('RUNNING', to_json(at)),
                         jsonb_build_array(state, to_json(at + length))),
       at, at + length, jsonb_build_object('day', to_char(at, 'YYYY-MM-DD')), '{}',
       jsonb_build_array(jsonb_build_object('key', 'team', 'value', 'team' || n %% 20),
                         jsonb_build_object('key', 'system.correlationId', 'value', id)),
       case when n %% 3 = 0 then jsonb_build_object('id', 'nightly', 'type', 'io.kestra.plugin.core.trigger.Schedule') end,
       id, 1, at, '', '[]', false, 0, false, false, '{}', 5, 0
from rows
on conflict do nothing
"""
_LOGS = """
with rows as (
    select n, (n * %(executions)s::float8 / %(total)s)::bigint as execution
    from generate_series(%(first)s::bigint, %(last)s::bigint) n
)
insert into flows_logentry (
    namespace, flow_id, execution_id, task_run_id, task_id, attempt_number, level, timestamp, thread, message)
select 'seed.team' || flow %% %(namespaces)s, 'flow-' || flow,
       lpad(to_hex(execution), 8, '0') || left(md5('execution' || execution), 14), left(md5('run' || n), 22), 'say', 0,
       case when n %% 50 = 0 then 4 when n %% 25 = 0 then 3 when n %% 5 = 0 then 1 else 2 end,
       now() - make_interval(secs => %(seconds)s * (1 - n::float8 / %(total)s)), 'worker',
       'Loaded ' || n %% 1000 || ' rows of table_' || n %% 77 || ' into warehouse, batch ' || md5(n::text)
from (select *, (execution * 7919) %% %(flows)s as flow from rows) rows
"""


def seed(url: str, *, executions: int, logs: int) -> None:
    """Fill the database at `url`. Executions and flows that are there already stay; log lines are added."""
    facts = {"namespaces": NAMESPACE_COUNT, "flows": FLOW_COUNT, "seconds": DAYS * 86400, "executions": executions}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        connection.execute(_FLOWS, facts)
        connection.execute(_REVISIONS, facts)
        with _without_indexes(connection, "flows_execution", executions):
            _fill(connection, "executions", _EXECUTIONS, executions, facts)
        with _without_indexes(connection, "flows_logentry", logs):
            _fill(connection, "log lines", _LOGS, logs, facts)
        connection.execute("vacuum analyze")


@contextmanager
def _without_indexes(connection: psycopg.Connection, table: str, count: int) -> Iterator[None]:
    """Take the indexes of a table away while many rows are added: building them once is several times quicker."""
    found = connection.execute(
        "select indexname, indexdef from pg_indexes where tablename = %s and indexdef not like '%% UNIQUE %%'", (table,)
    ).fetchall()
    if count < MANY:
        found = []
    for name, _ in found:
        connection.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
    try:
        yield
    finally:
        connection.execute("set maintenance_work_mem = '512MB'")
        for name, definition in found:
            began = time.monotonic()
            connection.execute(definition)
            print(f"index {name} after {time.monotonic() - began:.0f} s", flush=True)


def _fill(connection: psycopg.Connection, name: str, statement: str, total: int, facts: dict[str, int]) -> None:
    began = time.monotonic()
    for first in range(1, total + 1, BATCH):
        last = min(total, first + BATCH - 1)
        connection.execute(statement, {**facts, "total": total, "first": first, "last": last})
        print(f"{name}: {last:,} of {total:,} after {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Read the arguments and fill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, metavar="URL", help="address of the PostgreSQL database of a system")
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--logs", type=int, default=5_000_000)
    options = parser.parse_args()
    seed(options.database, executions=options.executions, logs=options.logs)


if __name__ == "__main__":
    main()
