"""Executions that other executions start: subflows, batches and loop iterations. The row commits with the caller's turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from flows.engine import transitions
from flows.engine.board import Board, Root, Run
from flows.engine.boards import load_board
from flows.engine.graph import empty_graph
from flows.engine.playground import PLAYGROUND
from flows.engine.reruns import prepare_restart
from flows.engine.rows import NewExecution, insert_execution
from flows.engine.starting import StartRequest, prepare_execution, refuse_system_labels
from flows.engine.templates import FROZEN
from flows.models.execution import Execution
from flows.primitives.errors import FlowsError
from flows.primitives.states import ENDED_WELL, TERMINAL, State

if TYPE_CHECKING:
    from flows.engine.turn import Turn


@dataclass(frozen=True, slots=True)
class NewChild:
    """What a Subflow or a batch asks to be started; everything is rendered. `unit` numbers a batch."""

    namespace: str
    flow_id: str
    revision: int | None
    inputs: Mapping[str, Any]
    labels: tuple[tuple[str, str], ...]
    inherit_labels: bool
    schedule_at: datetime | None
    waits: bool
    unit: int | None = None


def start_child(turn: Turn, run: Run, child: NewChild) -> str:
    """Create the execution that a task asks for and return its id. Raises FlowsError when it cannot be started."""
    root = turn.board.root
    refuse_system_labels(child.labels)
    inherited = [
        (label["key"], label["value"]) for label in root.labels if child.inherit_labels or label["key"].startswith("system.")
    ]
    task_type = run.node.task.type if run.node else ""
    request = StartRequest(
        namespace=child.namespace,
        flow_id=child.flow_id,
        revision=child.revision,
        at=turn.board.at,
        inputs=child.inputs,
        labels=child.labels,
        inherited=inherited,
        schedule_at=child.schedule_at,
        trigger={
            "id": run.task_id,
            "type": task_type.split("$")[0],
            "variables": {
                "executionId": root.id,
                "namespace": root.namespace,
                "flowId": root.flow_id,
                "flowRevision": root.flow_revision,
                "taskRunId": run.id,
                **({} if child.unit is None else {"taskRunIteration": child.unit}),
            },
        },
        caller_execution_id=root.id,
        caller_task_run_id=run.id,
        caller_waits=child.waits,
        depth=root.depth + 1,
    )
    new = prepare_execution(request)
    insert_execution(new)
    turn.started.append(new.id)
    return new.id


def start_iteration(turn: Turn, run: Run, item: Mapping[str, Any], index: int) -> str:
    """Create the execution of one Loop iteration and return its id."""
    root = turn.board.root
    new = NewExecution(
        namespace=root.namespace,
        flow_id=root.flow_id,
        flow_revision=root.flow_revision,
        at=turn.board.at,
        kind="LOOP",
        inputs=root.inputs,
        variables=root.variables,
        labels=[(label["key"], label["value"]) for label in root.labels],
        trigger=root.trigger,
        original_id=None,
        caller_execution_id=root.id,
        caller_task_run_id=run.id,
        caller_waits=True,
        depth=root.depth + 1,
        # An iteration runs on the graph of its caller, so it takes the same revisions of the templates.
        progress={key: root.progress[key] for key in (FROZEN, PLAYGROUND) if key in root.progress},
        loop={
            "taskId": run.task_id,
            "taskRunId": run.id,
            "index": index,
            "item": dict(item),
            "executionId": root.id,
            "rootExecutionId": (root.loop or {}).get("rootExecutionId", root.id),
        },
    )
    insert_execution(new)
    turn.started.append(new.id)
    return new.id


def restart_child(turn: Turn, child_id: str) -> bool:
    """
    Restart an ended child in place for the task run that waits for it again; the rows of both commit together.

    False when it cannot be restarted: it is gone, still runs, or nothing of it failed.
    """
    root = transitions.read_root(child_id, lock=True)
    if root is None:
        return False
    # A turn of the same kind on the child's rows. It is written here, and driven by the visit that gets the message.
    inner = type(turn)(load_board(root, at=turn.board.at), turn.services, atomic=None)
    try:
        prepare_restart(inner, actor=f"its caller {turn.board.root.id}")
    except FlowsError:
        return False
    root.caller_waits = True
    inner.write()
    turn.started.append(child_id)
    return True


def stop_children(turn: Turn, run: Run) -> None:
    """Kill the executions that a task run waits for, and those below them, in the transaction that ends the task run."""
    for child_id in _list_alive_below(turn.board.root.id, run.id):
        root = transitions.read_root(child_id, lock=True)
        if root is None or root.is_terminal or root.state == State.KILLING:
            continue
        inner = type(turn)(_load_to_stop(root, turn.board.at), turn.services, atomic=None)
        inner.add_log(None, "WARN", f"Killed by its caller {turn.board.root.id}.")
        inner.stop(State.KILLED)
        # What comes after the end is done by the visit that gets the message, as for a visit that was lost.
        root.visit_until = turn.board.at
        inner.write()
        turn.started.append(child_id)


def _load_to_stop(root: Root, at: datetime) -> Board:
    """Return a board that is good enough to end an execution, even when its flow cannot be read any more."""
    try:
        return load_board(root, at=at)
    except FlowsError:
        return Board(root, empty_graph(root.namespace, root.flow_id), at=at)


def waits_for_paused_only(execution_id: str, run_id: str) -> bool:
    """Tell whether a task run waits for other executions and all of those are paused, so that nothing moves by itself."""
    with connection.cursor() as cursor:
        # An end that was not told yet is progress, too; the successor of an execution that was retried waits in its place.
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM flows_execution WHERE caller_execution_id = %(execution)s"
            " AND caller_task_run_id = %(run)s AND caller_waits AND state = 'PAUSED')"
            " AND NOT EXISTS (SELECT 1 FROM flows_execution WHERE caller_execution_id = %(execution)s"
            " AND caller_task_run_id = %(run)s AND caller_waits AND state NOT IN ('PAUSED', 'RETRIED'))",
            {"execution": execution_id, "run": run_id},
        )
        return bool(cursor.fetchone()[0])


def find_paused_child(execution_id: str, run_id: str) -> str | None:
    """Return the id of the first paused execution that a task run waits for, None when none of them is paused."""
    paused = Execution.objects.filter(
        caller_execution_id=execution_id, caller_task_run_id=run_id, caller_waits=True, state=State.PAUSED
    )
    return paused.order_by("created_at", "loop__index", "id").values_list("id", flat=True).first()


def _list_alive_below(execution_id: str, run_id: str) -> list[str]:
    """Return the ids of executions below a task run that have not ended, callers first: the order in which rows are locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE below AS (SELECT id, state, 1 AS level FROM flows_execution WHERE caller_execution_id = %s"
            " AND caller_task_run_id = %s UNION ALL SELECT e.id, e.state, b.level + 1 FROM flows_execution e"
            " JOIN below b ON e.caller_execution_id = b.id) SELECT id FROM below WHERE state <> ALL(%s) ORDER BY level, id",
            [execution_id, run_id, [state.value for state in TERMINAL]],
        )
        return [row[0] for row in cursor.fetchall()]


def list_children(turn: Turn, run: Run) -> list[Execution]:
    """Return the executions that wait to be counted by a task run, by their number; those that were retried are left out."""
    rows = Execution.objects.filter(caller_execution_id=turn.board.root.id, caller_task_run_id=run.id)
    known = rows.exclude(state=State.RETRIED).only("id", "state", "loop", "trigger")
    return sorted(known, key=number_of)


def number_of(child: Execution) -> int:
    """Return the number of an iteration or a batch, from 0."""
    if child.loop:
        return int(child.loop["index"])
    return int(((child.trigger or {}).get("variables") or {}).get("taskRunIteration", 0))


def take_over_children(turn: Turn, run: Run, *, in_place: bool) -> tuple[dict[str, Any], list[int]]:
    """
    Take stock of the children of a restarted Loop or ForEachItem: those that ended well count, those that run go on, those that
    did not end well are restarted in place where that is wanted and possible.

    Returns the progress to begin with (`started`, `ended`, `states`), and the numbers of children that must be made anew.
    """
    children = list_children(turn, run)
    progress: dict[str, Any] = {"started": 0, "ended": 0, "states": {}}
    missing: list[int] = []
    counted = [child.id for child in children if child.state in TERMINAL]
    # An end that was not told yet is counted here, and must not be told again.
    Execution.objects.filter(id__in=counted).update(caller_waits=False)
    for child in children:
        progress["started"] = max(progress["started"], number_of(child) + 1)
        if child.state in ENDED_WELL:
            progress["ended"] += 1
            progress["states"][child.state] = progress["states"].get(child.state, 0) + 1
        elif child.state in TERMINAL and not (in_place and restart_child(turn, child.id)):
            Execution.objects.filter(id=child.id).update(caller_task_run_id=None)
            missing.append(number_of(child))
    missing += sorted(set(range(progress["started"])) - {number_of(child) for child in children})
    return progress, missing
