"""Running one task of a flow, or the flow up to it, apart from history: what the editor's run marks do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.engine import dispatch, transitions
from flows.engine.board import Board, Run
from flows.engine.catalog import find_current
from flows.engine.playground import KIND, PLAYGROUND, find_unit, list_before, load_part, parse_part
from flows.engine.rows import as_model, insert_execution
from flows.engine.starting import StartRequest, prepare_execution
from flows.language.flow import Flow, Input
from flows.models import Execution, TaskRun
from flows.operations.acts import Act, act, check_right
from flows.operations.flow_checks import find_names
from flows.primitives.errors import InvalidError
from flows.primitives.ids import new_id
from flows.primitives.rights import Action, Resource
from flows.primitives.states import State
from flows.queries.visibility import visible

KEPT_RUNS = 10
_DONE = (State.SUCCESS, State.WARNING)


def start_playground(
    source: str, *, task_id: str, up_to: bool = False, inputs: Mapping[str, Any] | None = None, at: datetime, actor: str = ""
) -> Execution:
    """
    Run a task of a text that need not be saved, and return its execution, which no list and no figure shows.

    Args:
        task_id: the task; inside a loop or a working directory the whole of that runs.
        up_to: run everything up to the task anew. Otherwise the task runs alone, and earlier tasks are taken over with the
            outputs of their newest good run.
        inputs: by dotted id; those of the newest run where they are missing.

    Raises:
        InvalidError: the text has faults, the flow was never saved, or an input is wrong.
        NotFoundError: the text has no such task.
    """
    namespace, flow_id = find_names(source)
    if namespace:
        # What runs is a text that nobody saved, so it needs the right to save it, too.
        check_right(Action.UPDATE, Resource.FLOW, namespace, what="execution.start", object_id=flow_id or "")
    with act("execution.start", Action.CREATE, Resource.EXECUTION, namespace or "", flow_id or "", atomic=False) as doing:
        doing.after = {"flow": flow_id, "task": task_id, "kind": KIND}
        execution = _start(source, doing, task_id=task_id, up_to=up_to, inputs=inputs, at=at, actor=actor)
    return execution


def _start(
    source: str, doing: Act, *, task_id: str, up_to: bool, inputs: Mapping[str, Any] | None, at: datetime, actor: str
) -> Execution:
    flow = parse_part(source)
    row = find_current(flow.namespace, flow.id)
    if row is None:
        raise InvalidError("Save the flow once before you run a part of it.", code="playground-unsaved")
    unit = find_unit(flow, task_id)
    taken = {} if up_to else _find_results(flow, [task.id for task in list_before(flow, unit)])
    facts = {"source": source, "taskId": unit.id, "upTo": up_to, "kept": list(taken)}
    last = _find_last(flow)
    request = StartRequest(
        namespace=flow.namespace,
        flow_id=flow.id,
        at=at,
        kind=KIND,
        inputs={**(_plain_inputs(flow.inputs, last.inputs) if last else {}), **(inputs or {})},
        actor=actor,
        may_miss_inputs=True,
        loaded=load_part(facts, row.newest_revision),
    )
    new = prepare_execution(request)
    new.progress = {PLAYGROUND: facts, "restarted": True}
    # Files of the runs whose results are taken over may be read.
    new.parent_id = next((found.execution_id for found in taken.values()), None)
    with transaction.atomic():
        insert_execution(new)
        _take_over(new.id, list(taken.values()), at)
        _forget_old(flow)
        doing.object_id = new.id
        doing.write_now()
        transaction.on_commit(lambda: dispatch.send_execution(new.id))
    return as_model(new)


def list_playground_runs(namespace: str, flow_id: str) -> list[Execution]:
    """Return the kept playground executions of a flow, newest first."""
    return list(visible(Execution).filter(namespace=namespace, flow_id=flow_id, kind=KIND).order_by("-created_at")[:KEPT_RUNS])


def _find_last(flow: Flow) -> Execution | None:
    rows = Execution.objects.filter(namespace=flow.namespace, flow_id=flow.id, kind__in=("NORMAL", KIND))
    return rows.order_by("-created_at").first()


def _find_results(flow: Flow, task_ids: Sequence[str]) -> dict[str, TaskRun]:
    """Return the newest good run of each task, from the newest good execution or the playground; some may be absent."""
    rows = Execution.objects.filter(namespace=flow.namespace, flow_id=flow.id).order_by("-created_at")
    good = list(rows.filter(kind="NORMAL", state__in=_DONE)[:1]) or list(rows.filter(kind="NORMAL", ended_at__isnull=False)[:1])
    order = sorted([*good, *rows.filter(kind=KIND)[:KEPT_RUNS]], key=lambda row: row.created_at, reverse=True)
    ages = {row.id: age for age, row in enumerate(order)}
    runs = TaskRun.objects.filter(execution_id__in=ages, task_id__in=task_ids, state__in=_DONE, value_path=[])
    newest: dict[str, TaskRun] = {}
    for run in sorted(runs, key=lambda run: ages[run.execution_id]):
        newest.setdefault(run.task_id, run)
    return {task_id: newest[task_id] for task_id in task_ids if task_id in newest}


def _take_over(execution_id: str, runs: Sequence[TaskRun], at: datetime) -> None:
    root = transitions.read_root(execution_id, lock=True)
    assert root is not None
    target = Board(root, load_part(root.progress[PLAYGROUND], root.flow_revision).graph, at=at)
    below: dict[tuple[str, str], list[TaskRun]] = {}
    inner = TaskRun.objects.filter(execution_id__in={run.execution_id for run in runs}, parent_id__isnull=False, state__in=_DONE)
    for run in inner.order_by("seq"):
        below.setdefault((run.execution_id, run.parent_id or ""), []).append(run)
    pending: list[tuple[TaskRun, str | None]] = [(run, None) for run in runs]
    while pending:
        run, parent_id = pending.pop(0)
        copy = _copy(run, parent_id, target, at)
        target.add(copy)
        pending += [(child, copy.id) for child in below.get((run.execution_id, run.id), [])]
    target.recount()
    transitions.write_board(target)


def _copy(run: TaskRun, parent_id: str | None, target: Board, at: datetime) -> Run:
    return Run(
        id=new_id(),
        task_id=run.task_id,
        node=target.graph.get(run.task_id),
        parent_id=parent_id,
        iteration=run.iteration if parent_id else None,
        value=run.value,
        value_path=list(run.value_path),
        state=State(run.state),
        seen=None,
        histories=list(run.histories),
        created_at=run.created_at,
        ended_at=run.ended_at or at,
        attempts=list(run.attempts),
        outputs=run.outputs,
        plan=run.plan,
        progress={**(run.progress or {}), "takenOver": True},
        is_changed=True,
    )


def _forget_old(flow: Flow) -> None:
    """Delete all but the newest ended runs: the playground is no history."""
    rows = Execution.objects.filter(namespace=flow.namespace, flow_id=flow.id, kind=KIND, ended_at__isnull=False)
    doomed = list(rows.order_by("-created_at").values_list("pk", flat=True)[KEPT_RUNS:])
    if doomed:
        Execution.objects.filter(pk__in=doomed).delete()


def _plain_inputs(inputs: Sequence[Input], values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of an earlier run that a new one may be given again: no secrets, no uploads."""
    found: dict[str, Any] = {}
    for one in inputs:
        name = f"{prefix}{one.id}"
        value: Any = values
        for part in one.id.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if one.type == "FORM" and isinstance(value, Mapping):
            found.update(_plain_inputs(one.children, value, f"{name}."))
        elif value is not None and one.type not in ("SECRET", "FILE", "FORM"):
            found[name] = value
    return found
