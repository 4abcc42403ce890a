"""New execution rows: written once, in state CREATED, by whoever starts an execution. Later changes go through a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from flows.engine.board import Root
from flows.engine.playground import PLAYGROUND
from flows.engine.templates import FROZEN
from flows.engine.transitions import dump
from flows.models.execution import Execution
from flows.primitives.ids import new_id
from flows.primitives.states import State
from flows.primitives.storable import make_storable

_INSERT = """
INSERT INTO flows_execution (id, namespace, flow_id, flow_revision, kind, state, histories, created_at, inputs, outputs,
    variables, labels, trigger, parent_id, original_id, original_created_at, schedule_at, attempt_number, error, breakpoints,
    caller_execution_id, caller_task_run_id, caller_waits, loop, depth, slot_held, pause_asked, progress, version, dispatched_at,
    wake_at, failures, ended_at, announce_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, NULL, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, false, false, %s, 0,
    %s, %s, 0, %s, %s)
"""


@dataclass(slots=True, kw_only=True)
class NewExecution:
    """
    What is known of an execution when it is created. `labels` are pairs, `inputs` resolved values, `wake_at` the first
    deadline. `state` other than CREATED is only for executions that end before they begin (checks).
    """

    namespace: str
    flow_id: str
    flow_revision: int
    at: datetime
    id: str = field(default_factory=new_id)
    kind: str = "NORMAL"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[tuple[str, str]] = ()
    trigger: Mapping[str, Any] | None = None
    parent_id: str | None = None
    original_id: str | None = None
    original_created_at: datetime | None = None
    schedule_at: datetime | None = None
    attempt_number: int = 1
    error: str = ""
    breakpoints: Sequence[Mapping[str, Any]] = ()
    caller_execution_id: str | None = None
    caller_task_run_id: str | None = None
    caller_waits: bool = False
    loop: Mapping[str, Any] | None = None
    depth: int = 0
    progress: Mapping[str, Any] = field(default_factory=dict)
    wake_at: datetime | None = None
    state: State = State.CREATED


def insert_execution(new: NewExecution) -> str:
    """
    Write the row and return its id. The caller sends the message after its commit; `dispatched_at` says that it will.

    An execution that has to wait for its schedule date is found by the timer sweep through `wake_at`.
    """
    moment = new.at.isoformat()
    histories = [[State.CREATED.value, moment]]
    ended_at = None
    if new.state != State.CREATED:
        histories.append([new.state.value, moment])
        ended_at = new.at
    wake_at = new.wake_at
    if new.schedule_at is not None and new.schedule_at > new.at:
        wake_at = new.schedule_at
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                new.id, new.namespace, new.flow_id, new.flow_revision, new.kind, new.state.value, dump(histories), new.at,
                dump(dict(new.inputs)), dump(dict(new.variables)),
                dump([{"key": key, "value": value} for key, value in new.labels]),
                None if new.trigger is None else dump(dict(new.trigger)), new.parent_id, new.original_id or new.id,
                new.original_created_at or new.at, new.schedule_at, new.attempt_number, make_storable(new.error),
                dump([dict(point) for point in new.breakpoints]), new.caller_execution_id, new.caller_task_run_id,
                new.caller_waits, None if new.loop is None else dump(dict(new.loop)), new.depth, dump(dict(new.progress)), new.at,
                wake_at, ended_at, new.at if ended_at and new.caller_waits else None,
            ],
        )  # fmt: skip
    return new.id


def as_model(new: NewExecution) -> Execution:
    """Return the row that `insert_execution` wrote, without reading it again."""
    moment = new.at.isoformat()
    histories = [[State.CREATED.value, moment]]
    if new.state != State.CREATED:
        histories.append([new.state.value, moment])
    return Execution(
        id=new.id,
        namespace=new.namespace,
        flow_id=new.flow_id,
        flow_revision=new.flow_revision,
        kind=new.kind,
        state=new.state.value,
        histories=histories,
        created_at=new.at,
        ended_at=None if new.state == State.CREATED else new.at,
        inputs=dict(new.inputs),
        variables=dict(new.variables),
        labels=[{"key": key, "value": value} for key, value in new.labels],
        trigger=None if new.trigger is None else dict(new.trigger),
        parent_id=new.parent_id,
        original_id=new.original_id or new.id,
        original_created_at=new.original_created_at or new.at,
        schedule_at=new.schedule_at,
        attempt_number=new.attempt_number,
        error=new.error,
        breakpoints=[dict(point) for point in new.breakpoints],
        caller_execution_id=new.caller_execution_id,
        caller_task_run_id=new.caller_task_run_id,
        caller_waits=new.caller_waits,
        loop=None if new.loop is None else dict(new.loop),
        depth=new.depth,
        progress=dict(new.progress),
        dispatched_at=new.at,
        wake_at=new.wake_at,
    )


def copy_for_retry(root: Root, *, due: datetime, at: datetime) -> str:
    """Create the successor of an execution that is retried as a whole, to start at `due`, and return its id."""
    return insert_execution(
        NewExecution(
            namespace=root.namespace,
            flow_id=root.flow_id,
            flow_revision=root.flow_revision,
            at=at,
            kind=root.kind,
            inputs=root.inputs,
            variables=root.variables if root.kind == "LOOP" else {},
            loop=root.loop,
            labels=[(label["key"], label["value"]) for label in root.labels],
            trigger=root.trigger,
            parent_id=root.id,
            original_id=root.original_id,
            original_created_at=root.original_created_at,
            attempt_number=root.attempt_number + 1,
            caller_execution_id=root.caller_execution_id,
            caller_task_run_id=root.caller_task_run_id,
            caller_waits=root.caller_waits,
            depth=root.depth,
            progress={key: root.progress[key] for key in (FROZEN, PLAYGROUND) if key in root.progress},
            wake_at=due,
            schedule_at=due,
        )
    )
