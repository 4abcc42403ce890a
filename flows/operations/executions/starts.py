"""What runs an execution from its start or again: start with inputs and checks, restart, replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from flows.engine import dispatch
from flows.engine.catalog import get_flow, missing_flow
from flows.engine.reruns import copy_for_replay, prepare_restart
from flows.engine.rows import as_model, insert_execution
from flows.engine.starting import StartRequest, prepare_execution, resolve_for
from flows.engine.starting import list_failing_checks as failing_checks_of
from flows.engine.turn import Turn
from flows.language.flow import Check
from flows.language.inputs import ResolvedInputs
from flows.models import Execution
from flows.operations.acts import act
from flows.operations.executions.reach import act_on_execution, reload_execution, turn_execution
from flows.primitives.errors import InvalidError
from flows.primitives.problems import Problem
from flows.primitives.rights import Action, Resource
from flows.primitives.states import State
from flows.queries.flows import load_startable_flow
from flows.queries.visibility import can_see


def start_execution(
    *,
    namespace: str,
    flow_id: str,
    revision: int | None = None,
    inputs: Mapping[str, Any] | None = None,
    labels: Sequence[tuple[str, str]] = (),
    trigger: Mapping[str, Any] | None = None,
    schedule_at: datetime | None = None,
    at: datetime,
    actor: str = "",
    execution_id: str | None = None,
    kind: str = "NORMAL",
    breakpoints: Sequence[Mapping[str, Any]] = (),
) -> Execution:
    """
    Create an execution and ask a worker for it. It exists, whatever happens to broker and workers, when this returns.

    Args:
        inputs: dotted id to text, bool, number, list, map or upload; defaults fill the rest.
        labels: the caller's own pairs, laid over those of the flow.
        schedule_at: aware moment before which it does not begin.

    Raises:
        NotFoundError, ConflictError (disabled), InvalidError (inputs, labels, a blocking check).
    """
    request = StartRequest(
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        at=at,
        inputs=inputs,
        labels=labels,
        trigger=trigger,
        schedule_at=schedule_at,
        execution_id=execution_id,
        kind=kind,
        breakpoints=breakpoints,
        actor=actor,
    )
    missing = None if can_see(Resource.FLOW, namespace) else missing_flow(namespace, flow_id, revision)
    with act("execution.start", Action.CREATE, Resource.EXECUTION, namespace, flow_id, missing=missing, atomic=False) as doing:
        new = prepare_execution(request)
        doing.object_id, doing.after = new.id, {"flow": flow_id, "revision": new.flow_revision}
        with transaction.atomic():
            insert_execution(new)
            doing.write_now()
            if new.state == State.CREATED:
                transaction.on_commit(lambda: dispatch.send_execution(new.id))
    return as_model(new)


def validate_inputs(
    *, namespace: str, flow_id: str, revision: int | None = None, inputs: Mapping[str, Any], at: datetime | None = None
) -> ResolvedInputs:
    """Resolve inputs as a start would, without starting: every problem of every input. Uploads are not stored."""
    loaded = load_startable_flow(namespace, flow_id, revision)
    return resolve_for(loaded, inputs, execution_id="preview", at=at or timezone.now())


def list_failing_checks(*, namespace: str, flow_id: str, values: Mapping[str, Any], at: datetime) -> list[Check]:
    """Return the checks of a flow that do not hold for resolved input values, so that a form can tell before it is sent."""
    return failing_checks_of(load_startable_flow(namespace, flow_id), values, at)


def restart_execution(
    execution_id: str, *, task_run_id: str | None = None, revision: int | None = None, at: datetime, actor: str = ""
) -> Execution:
    """
    Run an ended or paused execution again from what failed, under the same id; with another revision under a new id.

    With `task_run_id` only that task run begins again, and what follows it; others that failed stay as they are.

    Raises ConflictError when it still runs, InvalidError when nothing of it failed, NotFoundError for an unknown task run.
    Source: flow language, 10.4.
    """
    with act_on_execution("execution.restart", execution_id) as (row, doing):
        if revision is not None and revision != row.flow_revision:
            is_whole = task_run_id is None
            return replay_execution(
                execution_id, task_run_id=task_run_id, revision=revision, from_failure=is_whole, at=at, actor=actor
            )

        def restart(turn: Turn) -> None:
            prepare_restart(turn, only=task_run_id, actor=actor)

        turn_execution(execution_id, restart, doing=doing, at=at)
        dispatch.send_execution(execution_id)
    return reload_execution(execution_id)


def replay_execution(
    execution_id: str,
    *,
    task_run_id: str | None = None,
    revision: int | None = None,
    inputs: Mapping[str, Any] | None = None,
    breakpoints: Sequence[Mapping[str, Any]] = (),
    from_failure: bool = False,
    at: datetime,
    actor: str = "",
) -> Execution:
    """
    Start a new execution from an earlier one: from the beginning, or from a task run whose predecessors are kept.

    Raises InvalidError for an unknown task run, ConflictError while the execution still runs. Source: flow language, 10.5.
    """
    with act_on_execution("execution.replay", execution_id, Action.CREATE) as (row, doing):
        values: Mapping[str, Any] | None = None
        new_id: str
        loaded = get_flow(row.namespace, row.flow_id, revision or row.flow_revision)
        if inputs is not None:
            given = {**_flatten(row.inputs), **inputs}
            resolved = resolve_for(loaded, given, execution_id=execution_id, at=at)
            refuse_problems(resolved)
            values = resolved.values
        with transaction.atomic():
            new_id = copy_for_replay(
                execution_id,
                loaded=loaded,
                task_run_id=task_run_id,
                from_failure=from_failure,
                inputs=values,
                breakpoints=breakpoints,
                actor=actor,
                at=at,
            )
            doing.after = {"replay": new_id}
            doing.write_now()
            transaction.on_commit(lambda: dispatch.send_execution(new_id))
    return reload_execution(new_id)


class InputsRefusedError(InvalidError):
    """Values of inputs cannot be used; `resolved` tells what became of each, so that a form can say it at the field."""

    code = "input-invalid"

    def __init__(self, resolved: ResolvedInputs) -> None:
        messages = [problem.message for problem in resolved.problems]
        super().__init__("; ".join(messages), problems=[Problem(self.code, text) for text in messages])
        self.resolved = resolved


def refuse_problems(resolved: ResolvedInputs) -> None:
    """Raise InputsRefusedError with everything that is wrong with resolved inputs."""
    if resolved.problems:
        raise InputsRefusedError(resolved)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested input values by dotted id; a map is also given whole, for inputs whose value is a map."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat[f"{prefix}{key}"] = value
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
    return flat
