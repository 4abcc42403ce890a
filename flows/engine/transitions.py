"""The one door to state: reads the rows of an execution under its lock and writes what a board changed, conditionally."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection

from flows.engine.board import Board, Root, Run
from flows.primitives.states import State
from flows.primitives.storable import make_storable


class LostRaceError(Exception):
    """Somebody changed a row between our reading and our writing. Not a fault: read again, or stop."""


_ROOT_COLUMNS = (
    "id", "namespace", "flow_id", "flow_revision", "kind", "state", "histories", "created_at", "ended_at", "inputs", "outputs",
    "variables", "labels", "trigger", "parent_id", "original_id", "original_created_at", "schedule_at", "attempt_number", "error",
    "breakpoints", "caller_execution_id", "caller_task_run_id", "caller_waits", "loop", "depth", "slot_held", "pause_asked",
    "progress", "version", "dispatched_at", "wake_at", "announce_at", "visit_until", "failures",
)  # fmt: skip
_ROOT_JSON = frozenset({"histories", "inputs", "outputs", "variables", "labels", "trigger", "breakpoints", "loop", "progress"})

_RUN_COLUMNS = (
    "id", "task_id", "parent_id", "iteration", "value", "value_path", "state", "histories", "created_at", "ended_at", "attempts",
    "outputs", "plan", "progress", "dynamic", "loss_count", "dispatched_at", "wake_at",
)  # fmt: skip
_RUN_JSON = frozenset({"value_path", "histories", "attempts", "outputs", "plan", "progress"})
_RUN_SELECT = ", ".join(f"t.{name}" for name in _RUN_COLUMNS)


# What a visit must know of the flow comes along, so that it costs no round trip of its own.
_SELECT_ROOT = f"""
SELECT {", ".join(f"e.{name}" for name in _ROOT_COLUMNS)}, f.concurrency_limit,
    EXISTS (SELECT 1 FROM flows_flow l WHERE l.listens AND NOT l.deleted)
FROM flows_execution e LEFT JOIN flows_flow f ON f.namespace = e.namespace AND f.flow_id = e.flow_id WHERE e.id = %s
"""  # noqa: S608  # columns are ours


def read_root(execution_id: str, *, lock: bool) -> Root | None:
    """
    Return the row of an execution, None when there is none. With `lock` the row stays locked until the transaction ends:
    one visit at a time changes an execution.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_ROOT + (" FOR UPDATE OF e" if lock else ""), [execution_id])
        row = cursor.fetchone()
    if row is None:
        return None
    names = (*_ROOT_COLUMNS, "concurrency_limit", "has_listeners")
    values = {name: _load(value) if name in _ROOT_JSON else value for name, value in zip(names, row, strict=True)}
    values["state"] = State(values["state"])
    return Root(seen=values["state"], seen_count=len(values["histories"]), **values)


_PASSED_THROUGH = ("QUEUED", "RUNNING", "PAUSING", "BREAKPOINT", "RESTARTED", "RETRYING", "KILLING")


def has_early_listeners() -> bool:
    """
    Tell whether a flow that listens names a state that others only pass through, which is told to nobody else. This is asked at
    every such state, and sources are long: each process searches them again only when a flow that listens has changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(id), sum(revision), max(updated_at) FROM flows_flow"
            " WHERE listens AND NOT deleted AND NOT disabled"
        )
        return _search_listeners(cursor.fetchone())


@lru_cache(maxsize=1)
def _search_listeners(_mark: tuple[Any, ...]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM flows_flow l JOIN flows_flowrevision r ON r.flow_id = l.id AND r.revision = l.revision"
            " WHERE l.listens AND NOT l.deleted AND NOT l.disabled AND r.source ~ %s)",
            [rf"\y({'|'.join(_PASSED_THROUGH)})\y"],
        )
        return bool(cursor.fetchone()[0])


def read_chain(board: Board, run_id: str) -> Run | None:
    """
    Put on the board a task run, its ancestors and the siblings of each, and return the run, None when it is gone.

    This is all that advancing the run can touch; the rows of other scopes are never read.
    """
    _read_runs(
        board,
        f"""
        WITH RECURSIVE up AS (
            SELECT id, parent_id, scope FROM flows_taskrun WHERE id = %s AND execution_id = %s
            UNION ALL
            SELECT p.id, p.parent_id, p.scope FROM flows_taskrun p JOIN up ON p.id = up.parent_id
        )
        SELECT {_RUN_SELECT} FROM up JOIN flows_taskrun t ON t.execution_id = %s AND t.scope = up.scope ORDER BY t.seq
        """,  # noqa: S608  # columns are ours
        [run_id, board.root.id, board.root.id],
    )
    return board.runs.get(run_id)


def read_scope(board: Board, parent_id: str | None, iteration: int | None) -> None:
    """Put the children of one scope on the board."""
    # The columns are ours.
    sql = f"SELECT {_RUN_SELECT} FROM flows_taskrun t WHERE t.execution_id = %s AND t.scope = %s ORDER BY t.seq"  # noqa: S608
    _read_runs(board, sql, [board.root.id, scope_key(parent_id, iteration)])


def read_all(board: Board) -> None:
    """Put every task run of the execution on the board: for restarts, kills and recovery, never for a plain step."""
    sql = f"SELECT {_RUN_SELECT} FROM flows_taskrun t WHERE t.execution_id = %s ORDER BY t.seq"  # noqa: S608  # columns are ours
    _read_runs(board, sql, [board.root.id])


def read_items(run: Run, start: int, count: int) -> list[str]:
    """Return `count` frozen values of a loop from position `start`; fewer at its end."""
    if count <= 0:
        return []
    if run.items is not None:
        return run.items[start : start + count]
    with connection.cursor() as cursor:
        cursor.execute(
            # A slice by position: unfolding the whole list for each page would make a long loop quadratic.
            "SELECT e.item FROM flows_taskrun t, jsonb_array_elements_text(jsonb_path_query_array(t.items, '$[$first to $last]',"
            " jsonb_build_object('first', %s::int, 'last', %s::int))) WITH ORDINALITY AS e(item, position)"
            " WHERE t.id = %s ORDER BY position",
            [start, start + count - 1, run.id],
        )
        return [value for (value,) in cursor.fetchall()]


def read_outputs(execution_id: str, task_id: str, path: Sequence[str] | None) -> list[tuple[list[str], dict[str, Any]]]:
    """
    Return (value path, outputs) of the ended or opened runs of one task; `path` None means every iteration.

    A run without outputs gives an empty map; a run that was skipped or never began gives nothing.
    """
    sql = "SELECT value_path, outputs, state FROM flows_taskrun WHERE execution_id = %s AND task_id = %s"
    parameters: list[Any] = [execution_id, task_id]
    if path is not None:
        sql += " AND value_path = %s::jsonb"
        parameters.append(dump(list(path)))
    with connection.cursor() as cursor:
        cursor.execute(sql + " ORDER BY seq", parameters)
        rows = cursor.fetchall()
    return [(_load(value_path), _load(outputs) or {}) for value_path, outputs, state in rows if has_outputs(state, outputs)]


def read_task_states(execution_id: str, task_id: str | None = None) -> list[tuple[str, list[str], str]]:
    """Return (task id, value path, state) of the task runs of an execution, or of one of its tasks, in order of creation."""
    sql = "SELECT task_id, value_path, state FROM flows_taskrun WHERE execution_id = %s"
    parameters = [execution_id]
    if task_id is not None:
        sql += " AND task_id = %s"
        parameters.append(task_id)
    with connection.cursor() as cursor:
        cursor.execute(sql + " ORDER BY seq", parameters)
        return [(task_id, _load(path), state) for task_id, path, state in cursor.fetchall()]


def has_outputs(state: str, outputs: Any) -> bool:
    """Tell whether expressions see an entry for a run in `state`."""
    return state != State.SKIPPED and (outputs is not None or state in _ENDED_WITH_OUTPUTS)


_ENDED_WITH_OUTPUTS = frozenset({State.SUCCESS, State.WARNING, State.FAILED, State.KILLED, State.CANCELLED})


def scope_key(parent_id: str | None, iteration: int | None) -> str:
    """Return the scope as the one text that the index knows."""
    return f"{parent_id or ''}:{'' if iteration is None else iteration}"


_INSERT_RUNS = """
INSERT INTO flows_taskrun (id, execution_id, task_id, parent_id, iteration, scope, value, value_path, state, histories,
    created_at, ended_at, attempts, outputs, plan, items, progress, dynamic, loss_count, dispatched_at, wake_at)
SELECT r.id, %s, r.task_id, r.parent_id, r.iteration, r.scope, r.value, r.value_path, r.state, r.histories,
    r.created_at, r.ended_at, r.attempts, r.outputs, r.plan, r.items, r.progress, r.dynamic, r.loss_count,
    r.dispatched_at, r.wake_at
FROM jsonb_to_recordset(%s::jsonb) AS r(position int, id text, task_id text, parent_id text, iteration int, scope text,
    value text, value_path jsonb, state text, histories jsonb, created_at timestamptz, ended_at timestamptz, attempts jsonb,
    outputs jsonb, plan jsonb, items jsonb, progress jsonb, dynamic boolean, loss_count smallint, dispatched_at timestamptz,
    wake_at timestamptz)
ORDER BY r.position
"""

# A lease ends with every write of the engine: whoever holds an old token writes nothing any more.
_UPDATE_RUNS = """
UPDATE flows_taskrun t SET state = r.state, histories = r.histories, ended_at = r.ended_at, attempts = r.attempts,
    outputs = r.outputs, plan = r.plan, items = COALESCE(r.items, t.items), progress = r.progress, loss_count = r.loss_count,
    dispatched_at = r.dispatched_at, wake_at = r.wake_at,
    lease_token = CASE WHEN r.state = 'RUNNING' AND t.state = 'RUNNING' THEN t.lease_token END,
    lease_owner = CASE WHEN r.state = 'RUNNING' AND t.state = 'RUNNING' THEN t.lease_owner END,
    lease_until = CASE WHEN r.state = 'RUNNING' AND t.state = 'RUNNING' THEN t.lease_until END
FROM jsonb_to_recordset(%s::jsonb) AS r(id text, seen text, state text, histories jsonb, ended_at timestamptz, attempts jsonb,
    outputs jsonb, plan jsonb, items jsonb, progress jsonb, loss_count smallint, dispatched_at timestamptz, wake_at timestamptz)
WHERE t.id = r.id AND t.state = r.seen
"""

_UPDATE_ROOT = """
UPDATE flows_execution SET state = %s, histories = %s::jsonb, ended_at = %s, outputs = %s::jsonb, variables = %s::jsonb,
    labels = %s::jsonb, attempt_number = %s, error = %s, caller_waits = %s, slot_held = %s, pause_asked = %s,
    progress = %s::jsonb, version = version + 1, dispatched_at = %s, wake_at = %s, announce_at = %s, visit_until = %s,
    failures = %s, breakpoints = %s::jsonb
WHERE id = %s AND state = %s AND version = %s
"""


def write_board(board: Board) -> None:
    """
    Write everything that changed on the board: rows removed, rows created, rows moved (each only where the database still
    holds the state that was seen), then the execution.

    Must run inside the transaction that locked the execution. Raises LostRaceError when a worker claimed or moved a row
    meanwhile; the caller rolls back and looks again.
    """
    created = [run for run in board.runs.values() if run.seen is None]
    changed = [run for run in board.runs.values() if run.seen is not None and run.is_changed]
    with connection.cursor() as cursor:
        if board.removed:
            cursor.execute("DELETE FROM flows_taskrun WHERE id = ANY(%s)", [board.removed])
        if created:
            rows = [{"position": position, **_run_row(run)} for position, run in enumerate(created)]
            cursor.execute(_INSERT_RUNS, [board.root.id, dump(rows)])
        if changed:
            cursor.execute(_UPDATE_RUNS, [dump([_run_row(run) for run in changed])])
            if cursor.rowcount != len(changed):
                raise LostRaceError(board.root.id)
        if created or changed or board.removed or board.root.is_changed:
            _write_root(cursor, board.root)
    for run in (*created, *changed):
        run.seen, run.is_changed = run.state, False
    board.removed = []


def _write_root(cursor: Any, root: Root) -> None:
    cursor.execute(
        _UPDATE_ROOT,
        [
            root.state.value, dump(root.histories), root.ended_at, None if root.outputs is None else dump(root.outputs),
            dump(root.variables), dump(root.labels), root.attempt_number, root.error, root.caller_waits, root.slot_held,
            root.pause_asked, dump(root.progress), root.dispatched_at, root.wake_at, root.announce_at, root.visit_until,
            root.failures,
            dump(root.breakpoints), root.id, root.seen.value, root.version,
        ],
    )  # fmt: skip
    if cursor.rowcount != 1:
        raise LostRaceError(root.id)
    root.version += 1
    root.seen, root.is_changed = root.state, False


_CLAIM = """
UPDATE flows_taskrun SET state = 'RUNNING', lease_token = %s, lease_owner = %s, lease_until = clock_timestamp() + %s,
    dispatched_at = COALESCE(dispatched_at, %s),
    histories = histories || %s::jsonb, attempts = attempts || %s::jsonb
WHERE id = %s AND state IN ('CREATED', 'RESTARTED')
"""


def claim_run(run_id: str, *, token: str, owner: str, lease_seconds: float, at: datetime) -> bool:
    """
    Take a waiting task run for one worker and open an attempt, or report False: somebody else has it, or it is over.

    At most one caller wins; the lease runs by the clock of the database.
    """
    moment = at.isoformat()
    attempt = {"state": State.RUNNING.value, "startDate": moment, "workerId": owner}
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            [token, owner, f"{lease_seconds} seconds", at, dump([[State.RUNNING.value, moment]]), dump([attempt]), run_id],
        )
        return bool(cursor.rowcount == 1)


def give_back_claim(run_id: str, token: str) -> None:
    """Undo a claim as if it had never been made: the run is none that a worker may run by itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_taskrun SET state = histories->-2->>0, histories = histories - (-1), attempts = attempts - (-1),"
            " lease_token = NULL, lease_owner = NULL, lease_until = NULL WHERE id = %s AND lease_token = %s",
            [run_id, token],
        )


def release_lease(run_id: str) -> None:
    """Take the lease from a run that goes on without a worker: nobody renews it any more, and nothing is lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flows_taskrun SET lease_token = NULL, lease_owner = NULL, lease_until = NULL WHERE id = %s", [run_id]
        )


def holds_lease(run_id: str, token: str) -> bool:
    """Tell whether the row of a task run still carries our token; the row stays locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM flows_taskrun WHERE id = %s AND lease_token = %s FOR UPDATE", [run_id, token])
        return cursor.fetchone() is not None


def _read_runs(board: Board, sql: str, parameters: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    for row in rows:
        values = {name: _load(value) if name in _RUN_JSON else value for name, value in zip(_RUN_COLUMNS, row, strict=True)}
        if values["id"] in board.runs:
            continue
        state = State(values.pop("state"))
        board.add(Run(node=board.graph.get(values["task_id"]), state=state, seen=state, **values))


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "seen": run.seen.value if run.seen else None,
        "task_id": run.task_id,
        "parent_id": run.parent_id,
        "iteration": run.iteration,
        "scope": scope_key(run.parent_id, run.iteration),
        "value": run.value,
        "value_path": run.value_path,
        "state": run.state.value,
        "histories": run.histories,
        "created_at": run.created_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "attempts": run.attempts,
        "outputs": run.outputs,
        "plan": run.plan,
        "items": run.items,
        "progress": run.progress,
        "dynamic": run.dynamic,
        "loss_count": run.loss_count,
        "dispatched_at": run.dispatched_at.isoformat() if run.dispatched_at else None,
        "wake_at": run.wake_at.isoformat() if run.wake_at else None,
    }


def dump(value: Any) -> str:
    """
    Return JSON text that PostgreSQL accepts. NUL characters are left out, halves of surrogate pairs become `?`, and numbers
    that are infinite or not a number become null.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)
        if "\\u0000" not in text and _is_encodable(text):
            return text
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
    return json.dumps(make_storable(value), ensure_ascii=False, separators=(",", ":"), default=str)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _load(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
