"""The playground: one task, or a flow up to a task, run apart from history on a text that need not be saved. It writes no row."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.engine.catalog import LoadedFlow, list_namespace_defaults
from flows.engine.graph import build_graph
from flows.language.flow import Flow, Task
from flows.language.parse import parse_flow
from flows.plugin_api.registry import get_registry
from flows.primitives.errors import InvalidError, NotFoundError

PLAYGROUND = "playground"
"""Key in an execution's progress. Its value: `{source, taskId, upTo, kept}`; `kept` names what was taken over."""

KIND = "PLAYGROUND"
_CLEAR = frozenset({"sequence", "parallel", "dag", "if", "switch", "allow-failure"})
_CACHE_SIZE = 50

_cache: OrderedDict[tuple[Any, ...], LoadedFlow] = OrderedDict()
_lock = threading.Lock()


def load_part(facts: Mapping[str, Any], revision: int) -> LoadedFlow:
    """
    Return the part of a flow that a playground execution runs on.

    Raises:
        InvalidError: the text has faults.
        NotFoundError: it has no such task.
    """
    source, task_id, kept = str(facts["source"]), str(facts["taskId"]), tuple(facts.get("kept") or ())
    key = (hashlib.sha256(source.encode()).digest(), task_id, bool(facts.get("upTo")), kept, revision)
    with _lock:
        found = _cache.get(key)
    if found is None:
        flow = parse_part(source)
        part = cut_up_to(flow, task_id) if facts.get("upTo") else cut_only(flow, task_id, kept)
        found = LoadedFlow(part, revision, source, build_graph(part))
        with _lock:
            _cache[key] = found
            while len(_cache) > _CACHE_SIZE:
                _cache.popitem(last=False)
    return found


def parse_part(source: str) -> Flow:
    """Return the typed flow of a text that may not be saved. Raises InvalidError with every fault."""
    result = parse_flow(source, get_registry())
    if result.flow is not None and (defaults := list_namespace_defaults(result.flow.namespace)):
        result = parse_flow(source, get_registry(), namespace_defaults=defaults)
    if result.flow is None:
        errors = [problem for problem in result.problems if problem.severity == "ERROR"]
        raise InvalidError("; ".join(str(error) for error in errors), code="invalid-flow", problems=errors)
    return result.flow


def list_units(tasks: Sequence[Task]) -> Iterator[Task]:
    """
    Yield the tasks that can run alone, in the order of the text: groups that only arrange are opened, loops and working
    directories stay whole, because their tasks need an iteration or a folder.
    """
    for task in tasks:
        if task.arrangement in _CLEAR:
            inner = [child for name, children in task.branches.items() if name not in ("errors", "finally") for child in children]
            yield from list_units(inner)
        else:
            yield task


def find_unit(flow: Flow, task_id: str) -> Task:
    """Return the task itself, or the loop or working directory around it. Raises NotFoundError."""
    found: Task | None = None
    for task in flow.all_tasks():
        if task.id == task_id:
            found = task
    if found is None:
        raise NotFoundError(f'The flow has no task "{task_id}".', code="task-not-found")
    for unit in list_units((*flow.tasks, *flow.errors, *flow.finally_, *flow.after_execution)):
        if unit is found or _holds(unit, found):
            return unit
    return found


def list_before(flow: Flow, unit: Task) -> list[Task]:
    """Return the units that stand before a unit in the text."""
    before: list[Task] = []
    for task in list_units(flow.tasks):
        if task is unit or _holds(unit, task):
            break
        before.append(task)
    return before


def cut_only(flow: Flow, task_id: str, kept: Sequence[str]) -> Flow:
    """Return a flow of one unit, behind those whose results are taken over."""
    unit = find_unit(flow, task_id)
    wanted = set(kept)
    tasks = [task for task in list_before(flow, unit) if task.id in wanted]
    return _bare(flow, (*tasks, replace(unit, disabled=False)))


def cut_up_to(flow: Flow, task_id: str) -> Flow:
    """Return a flow that ends with a unit: what stands behind it in its sequences is left out."""
    unit = find_unit(flow, task_id)
    return _bare(flow, _trim(flow.tasks, unit) if any(_holds(task, unit) for task in flow.tasks) else (unit,))


def _bare(flow: Flow, tasks: tuple[Task, ...]) -> Flow:
    return replace(
        flow, tasks=tasks, errors=(), finally_=(), after_execution=(), outputs=(), triggers=(), slas=(), checks=(), quotas=(),
        concurrency=None, disabled=False,
    )  # fmt: skip


def _trim(tasks: Sequence[Task], unit: Task) -> tuple[Task, ...]:
    kept: list[Task] = []
    for task in tasks:
        if task is unit or not _holds(task, unit):
            kept.append(task)
        elif task.arrangement == "sequence":
            kept.append(replace(task, branches={**task.branches, "tasks": _trim(task.branches.get("tasks", ()), unit)}))
        else:
            kept.append(task)
        if _holds(task, unit):
            break
    return tuple(kept)


def _holds(task: Task, wanted: Task) -> bool:
    return task is wanted or any(_holds(child, wanted) for child in task.children())
