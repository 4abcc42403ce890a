"""Checks of the inputs that a paused execution asks for, before it is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.engine.catalog import get_flow
from flows.engine.starting import resolve_for
from flows.language.inputs import ResolvedInputs
from flows.models import Execution
from flows.primitives.errors import ConflictError, NotFoundError
from flows.primitives.states import State
from flows.queries.asked import find_asked
from flows.queries.visibility import visible


def validate_resume_inputs(execution_id: str, *, inputs: Mapping[str, Any], at: datetime) -> ResolvedInputs:
    """
    Resolve inputs as a resume would, without resuming: those that the execution asks for, or the one that it waits for.
    Uploads are not kept.

    Raises:
        NotFoundError: there is no such execution.
        ConflictError: none of its task runs is paused.

    Source: REST API, 8.2; flow language, 3.6.
    """
    execution = visible(Execution).filter(pk=execution_id).first()
    if execution is None:
        raise NotFoundError(f'Execution "{execution_id}" does not exist.', code="execution-not-found")
    asked = find_asked(execution)
    if asked is None and execution.state != State.PAUSED:
        raise ConflictError(f"Execution {execution_id} is {execution.state}; only a paused execution can be resumed.")
    # Nothing is asked for after a pause by hand.
    asking = asked.execution if asked is not None else execution
    loaded = get_flow(asking.namespace, asking.flow_id, asking.flow_revision)
    return resolve_for(
        loaded,
        inputs,
        execution_id="preview",
        at=at,
        inputs=asked.task.inputs if asked is not None and asked.task is not None else (),
    )
