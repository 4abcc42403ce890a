"""The execution that a flow trigger or condition looks at, as plain facts, and the names that expressions see of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


def _no_outputs() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class UpstreamExecution:
    """
    What is known of an execution whose state just changed.

    Attributes:
        state: its current state, as the API spells it.
        kind: `NORMAL`, `LOOP`, `TEST` or `PLAYGROUND`.
        labels: (key, value) pairs in order, system labels included, a key may come twice.
        outputs: flow outputs, None while they are not computed.
        depth: how many executions started one another above it.
        attempt_states: per task run the states of its attempts in order.
        load_task_outputs: gives task outputs by task id; called only when an expression needs them.
    """

    id: str
    namespace: str
    flow_id: str
    revision: int
    state: str
    kind: str = "NORMAL"
    labels: tuple[tuple[str, str], ...] = ()
    outputs: Mapping[str, Any] | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    original_id: str | None = None
    first_failed_task_id: str | None = None
    last_task_id: str | None = None
    attempt_states: tuple[tuple[str, ...], ...] = ()
    depth: int = 0
    variables: Mapping[str, Any] = field(default_factory=dict)
    trigger_variables: Mapping[str, Any] = field(default_factory=dict)
    load_task_outputs: Callable[[], Mapping[str, Any]] = _no_outputs


def nest_labels(labels: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """
    Return labels as expressions see them: dots are levels, the first value of a key wins.

    A key that is both a value and the start of longer keys keeps what came first. Source: flow language, 1.3.
    """
    nested: dict[str, Any] = {}
    for key, value in labels:
        level = nested
        *parents, last = key.split(".")
        for name in parents:
            below = level.setdefault(name, {})
            if not isinstance(below, dict):
                break
            level = below
        else:
            level.setdefault(last, value)
    return nested


def upstream_variables(execution: UpstreamExecution, *, with_task_outputs: bool = False) -> dict[str, Any]:
    """
    Return the names that an expression about an upstream execution may use.

    Returns:
        `flow`, `execution`, `labels`, `vars`, and as short names `namespace`, `flowId`, `state` and `outputs`. `outputs` holds
        the flow outputs and, when asked for, the task outputs too; `trigger` holds what started the upstream execution.

    Source: flow language, 13.7; the short names are a decision of that section.
    """
    flow_outputs = dict(execution.outputs or {})
    outputs = {**execution.load_task_outputs(), **flow_outputs} if with_task_outputs else flow_outputs
    return {
        "flow": {"id": execution.flow_id, "namespace": execution.namespace, "revision": execution.revision},
        "execution": {
            "id": execution.id,
            "state": execution.state,
            "startDate": execution.start_at,
            "endDate": execution.end_at,
            "originalId": execution.original_id or execution.id,
            "outputs": flow_outputs,
        },
        "labels": nest_labels(execution.labels),
        "vars": dict(execution.variables),
        "trigger": dict(execution.trigger_variables),
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "state": execution.state,
        "outputs": outputs,
    }
