"""Executions that other executions start: subflows, batches and loop iterations. The row commits with the caller's turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flows.engine.board import Run
from flows.engine.rows import NewExecution, insert_execution
from flows.engine.starting import StartRequest, prepare_execution, refuse_system_labels
from flows.engine.templates import FROZEN

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
        progress={FROZEN: root.progress[FROZEN]} if FROZEN in root.progress else {},
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
