"""The newest runs of one flow, for the editor and the flow's pages: what values they had and how their tasks went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from flows.models import Execution, KeyValue, NamespaceFile, Secret, TaskRun
from flows.models.key_values import list_namespace_chain
from flows.primitives.rights import Resource
from flows.primitives.states import TERMINAL
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.executions import filter_executions
from flows.queries.visibility import can_see, visible

MOST_NAMES = 300
MOST_FIRINGS = 5000


# Written by hand, with parameters only: the ORM has no lateral join, and a window over all runs would read the whole history.
_OF_EACH = (
    "from unnest(%s::text[], %s::text[]) as wanted(namespace, flow_id) "
    "cross join lateral (select x.id, x.state, x.created_at, x.ended_at from flows_execution x "
    "where x.namespace = wanted.namespace and x.flow_id = wanted.flow_id and x.kind = 'NORMAL' "
    "order by x.created_at desc limit %s) e"
)
_LAST_RUNS = (
    f"select e.id, wanted.namespace, wanted.flow_id, e.state, e.created_at, e.ended_at {_OF_EACH} order by e.created_at desc"
)
_DIGEST = (
    "select md5(string_agg(concat_ws(' ', e.id, e.state, extract(epoch from e.ended_at)), "  # noqa: S608  # ours
    f"',' order by e.created_at, e.id)), bool_or(e.ended_at is null) {_OF_EACH}"
)


class Run(NamedTuple):
    """What lists show of an execution. A page holds a thousand of them, so no more of it is read."""

    id: str
    namespace: str
    flow_id: str
    state: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest ended execution of a flow and the outputs of its tasks outside loops, by task id."""

    execution: Execution
    outputs: Mapping[str, Mapping[str, Any]]


def list_newest_runs(namespace: str, flow_id: str, *, at: datetime, count: int = 30) -> list[Execution]:
    """Return the newest executions of a flow, newest first."""
    wanted = Criteria(
        members=(Condition("namespace", Operation.EQUALS, namespace), Condition("flowId", Operation.EQUALS, flow_id))
    )
    return list(filter_executions(wanted, at=at).order_by("-created_at")[:count])


def list_last_runs(names: Sequence[tuple[str, str]], *, count: int) -> dict[tuple[str, str], list[Run]]:
    """
    Return the newest executions of each flow, newest first, in one query that takes each flow's rows from its index.

    Args:
        names: pairs of namespace and flow id, at most a page of them.
    """
    names = [name for name in names if can_see(Resource.EXECUTION, name[0])]
    if not names:
        return {}
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_LAST_RUNS, [*_make_parameters(names), count])
        for row in map(Run._make, cursor.fetchall()):
            found[row.namespace, row.flow_id].append(row)
    return found


def digest_last_runs(names: Sequence[tuple[str, str]], *, count: int) -> tuple[str, bool]:
    """
    Return a text that is another one when `list_last_runs` would return something else, empty without any run, and whether one
    of the runs has not ended. One query.
    """
    names = [name for name in names if can_see(Resource.EXECUTION, name[0])]
    if not names:
        return "", False
    with connection.cursor() as cursor:
        cursor.execute(_DIGEST, [*_make_parameters(names), count])
        digest, is_running = cursor.fetchone()
    return digest or "", bool(is_running)


def _make_parameters(names: Sequence[tuple[str, str]]) -> list[list[str]]:
    return [[name for name, _ in names], [flow_id for _, flow_id in names]]


def find_median_length(namespace: str, flow_id: str, *, count: int = 20) -> timedelta | None:
    """Return the median length of the newest executions that have ended, of at most `count` looked at; None without one."""
    runs = list_last_runs([(namespace, flow_id)], count=count).get((namespace, flow_id), [])
    lengths = sorted(run.ended_at - run.created_at for run in runs if run.ended_at)
    return lengths[len(lengths) // 2] if lengths else None


def find_last_run(namespace: str, flow_id: str, *, at: datetime) -> LastRun | None:
    """Return the newest execution that has ended, with the outputs of its tasks; None without one."""
    runs = list_newest_runs(namespace, flow_id, at=at, count=10)
    execution = next((run for run in runs if run.state in TERMINAL), None)
    if execution is None:
        return None
    rows = visible(TaskRun).filter(execution_id=execution.id, value_path=[]).values_list("task_id", "outputs").order_by("seq")
    return LastRun(execution, {task_id: outputs for task_id, outputs in rows[:1000] if isinstance(outputs, dict)})


def list_task_states(execution_ids: Sequence[str]) -> dict[tuple[str, str], list[TaskRun]]:
    """Return the task runs of some executions by (execution id, task id), in one query."""
    found: dict[tuple[str, str], list[TaskRun]] = {}
    rows = visible(TaskRun).filter(execution_id__in=execution_ids).order_by("seq")
    for row in rows.only("id", "execution_id", "task_id", "state", "created_at", "ended_at", "seq")[:20_000]:
        found.setdefault((row.execution_id, row.task_id), []).append(row)
    return found


def list_owned_names(namespace: str, kind: str) -> list[str]:
    """Return the names that expressions of a namespace may use: `kv` keys and `secret` names, parents included, `file` paths."""
    chain = list_namespace_chain(namespace)
    if kind == "file":
        files = visible(NamespaceFile).filter(namespace=namespace, is_current=True, is_directory=False)
        return sorted(files.values_list("path", flat=True)[:MOST_NAMES])
    model = KeyValue if kind == "kv" else Secret
    return sorted(set(visible(model).filter(namespace__in=chain).values_list("key", flat=True)[:MOST_NAMES]))


def list_firings_between(
    namespace: str, flow_id: str, trigger_id: str, *, start: datetime, end: datetime
) -> dict[datetime, Execution]:
    """Return the executions that a schedule started for dates in [start, end], by date in UTC."""
    rows = visible(Execution).filter(namespace=namespace, flow_id=flow_id, trigger__id=trigger_id)
    found: dict[datetime, Execution] = {}
    for row in rows.only("id", "namespace", "flow_id", "state", "trigger", "created_at").order_by("created_at")[:MOST_FIRINGS]:
        written = ((row.trigger or {}).get("variables") or {}).get("date")
        try:
            date = datetime.fromisoformat(str(written))
        except ValueError:
            continue
        if date.tzinfo is not None and start <= date <= end:
            found[date] = row
    return found
