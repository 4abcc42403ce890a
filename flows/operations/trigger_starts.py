"""From a firing to an execution: inputs and labels rendered, the execution created, and a FAILED one when that cannot be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from flows.engine.catalog import LoadedFlow
from flows.engine.dispatch import send_execution
from flows.engine.rows import NewExecution, insert_execution
from flows.engine.starting import CORRELATION_LABEL, SYSTEM_PREFIX, StartRequest, prepare_execution
from flows.language.flow import Trigger
from flows.operations.trigger_environment import TriggerRenderer, render_labels
from flows.primitives.errors import FlowsError
from flows.primitives.ids import new_id
from flows.primitives.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStart:
    """
    One execution that a trigger wants.

    Attributes:
        loaded, trigger: the revision and the trigger in it.
        at: aware UTC moment of the firing.
        variables: `trigger.*`, JSON-ready; they are stored with the execution.
        names: more names for rendering inputs and labels, such as the upstream execution.
        inputs, labels: laid over those of the trigger (a backfill's own).
        scheduled_at: the date that fires, None for events.
        execution_id: chosen beforehand, so that the firing can name it.
        correlation_id: of the chain that this execution belongs to.
        depth: how many executions started one another above this one.
    """

    loaded: LoadedFlow
    trigger: Trigger
    at: datetime
    variables: Mapping[str, Any]
    names: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[tuple[str, str]] = ()
    scheduled_at: datetime | None = None
    execution_id: str = field(default_factory=new_id)
    correlation_id: str | None = None
    depth: int = 0


def start_by_trigger(start: TriggerStart) -> NewExecution:
    """
    Create the execution that a trigger asks for and return what was written. Call it in the transaction that records the firing.

    Raises:
        FlowsError: the flow is disabled or gone, or its inputs or labels cannot be made. Nothing is written then.

    Source: flow language, 13.1.
    """
    renderer = TriggerRenderer(start.loaded.flow, revision=start.loaded.revision, at=start.at)
    names = {**start.names, "trigger": start.variables}
    inputs = renderer.typed(dict(start.trigger.inputs or {}), names)
    labels, _ = render_labels(start.trigger, renderer, names)
    request = StartRequest(
        namespace=start.loaded.flow.namespace,
        flow_id=start.loaded.flow.id,
        revision=start.loaded.revision,
        at=start.at,
        inputs={**inputs, **start.inputs},
        labels=_join(start, labels),
        trigger=describe_trigger(start.trigger, start.variables),
        schedule_at=start.scheduled_at,
        execution_id=start.execution_id,
        depth=start.depth,
        may_miss_inputs=start.trigger.family == "flow",
        loaded=start.loaded,
    )
    new = prepare_execution(request)
    insert_execution(new)
    transaction.on_commit(partial(send_execution, new.id))
    return new


def fail_by_trigger(start: TriggerStart, reason: str) -> str:
    """
    Create an execution that is FAILED from the beginning, so that the reason is seen, and return its id.

    Source: flow language, 13.2 (filters that fail) and 13.7 (inputs that fail).
    """
    flow = start.loaded.flow
    own = [(key, value) for key, value in flow.labels if not key.startswith(SYSTEM_PREFIX)]
    labels = dict([*own, *_join(start, [])])
    labels.setdefault(CORRELATION_LABEL, start.execution_id)
    return insert_execution(
        NewExecution(
            id=start.execution_id,
            namespace=flow.namespace,
            flow_id=flow.id,
            flow_revision=start.loaded.revision,
            at=start.at,
            labels=list(labels.items()),
            trigger=describe_trigger(start.trigger, start.variables),
            schedule_at=start.scheduled_at,
            state=State.FAILED,
            error=f'Trigger "{start.trigger.id}" could not start the flow: {reason}',
        )
    )


def start_or_fail(start: TriggerStart) -> tuple[str, bool]:
    """Return the id of the execution and whether it could be started; otherwise it was created as FAILED."""
    try:
        new = start_by_trigger(start)
        return new.id, new.state == State.CREATED
    except FlowsError as error:
        return fail_by_trigger(start, str(error)), False


def describe_trigger(trigger: Trigger, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the map that an execution keeps of the trigger that started it."""
    return {"id": trigger.id, "type": trigger.type, "family": trigger.family, "variables": dict(variables)}


def find_trigger(loaded: LoadedFlow, trigger_id: str) -> Trigger | None:
    """Return the trigger of this id in a revision, or None."""
    return next((trigger for trigger in loaded.flow.triggers if trigger.id == trigger_id), None)


def _join(start: TriggerStart, labels: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    joined = [*labels, *((key, value) for key, value in start.labels if not key.startswith(SYSTEM_PREFIX))]
    if start.correlation_id:
        joined.append((CORRELATION_LABEL, start.correlation_id))
    return joined
