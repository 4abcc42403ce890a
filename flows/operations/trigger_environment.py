"""What expressions of triggers see and may ask for: flow, labels, variables, secrets, key-values. No execution exists yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.engine.environment import FlowEnvironment
from flows.engine.variables import read_environment
from flows.expressions import render
from flows.language.flow import Flow as TypedFlow
from flows.language.flow import Trigger
from flows.operations.namespaces import read_inherited_variables
from flows.primitives.errors import FlowsError
from flows.triggers.conditions import Situation, evaluate_trigger, has_filters
from flows.triggers.schedule import DateFilter, Schedule
from flows.triggers.upstream import nest_labels


class TriggerRenderer:
    """
    Renders the texts of one trigger of a flow. Callable as the pure rules expect: text and more names in, value out.

    `base` holds what is the same for every rendering and is made on first use.
    """

    def __init__(self, flow: TypedFlow, *, revision: int, at: datetime) -> None:
        self._flow = flow
        self._revision = revision
        self._environment = FlowEnvironment(flow.namespace, at=at)
        self._base: dict[str, Any] | None = None

    @property
    def base(self) -> Mapping[str, Any]:
        """The names that do not depend on the event."""
        if self._base is None:
            flow = self._flow
            self._base = {
                "flow": {"id": flow.id, "namespace": flow.namespace, "revision": self._revision, "tenantId": "main"},
                "labels": nest_labels(flow.labels),
                "vars": dict(flow.variables),
                "envs": read_environment(),
                "globals": {},
                "namespace": _LazyVariables(flow.namespace),
            }
        return self._base

    def __call__(self, text: Any, variables: Mapping[str, Any]) -> Any:
        return render(text, {**self.base, **variables}, environment=self._environment)

    def typed(self, value: Any, variables: Mapping[str, Any]) -> Any:
        """Render a value, map or list; a text that is one expression keeps the type of its value."""
        return render(value, {**self.base, **variables}, typed=True, environment=self._environment)


class _LazyVariables(Mapping[str, Any]):
    """The variables of a namespace, read when an expression asks for the first of them."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._values: dict[str, Any] | None = None

    def _read(self) -> dict[str, Any]:
        if self._values is None:
            self._values = read_inherited_variables(self._namespace)
        return self._values

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Any:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def make_date_filter(
    flow: TypedFlow, trigger: Trigger, schedule: Schedule, *, at: datetime, revision: int = 0
) -> DateFilter | None:
    """
    Return the filter that `when` and the conditions of a schedule put on its dates, or None when there is none.

    The filter raises FlowsError for a date that it cannot answer.
    """
    if not has_filters(trigger):
        return None
    renderer = TriggerRenderer(flow, revision=revision, at=at)

    def accepts(date: datetime) -> bool:
        local = date.astimezone(schedule.zone)
        trigger_names = {"date": local, "timestamp": local}
        situation = Situation(
            render=renderer,
            variables={"trigger": trigger_names, "schedule": trigger_names},
            date=local,
            namespace=flow.namespace,
            flow_id=flow.id,
        )
        return bool(evaluate_trigger(trigger, situation))

    return accepts


def render_labels(
    trigger: Trigger, renderer: TriggerRenderer, variables: Mapping[str, Any]
) -> tuple[list[tuple[str, str]], list[str]]:
    """
    Return the rendered labels of a trigger, and one warning for each that was dropped.

    A label that cannot be rendered, renders to nothing or claims a system key is dropped. Source: flow language, 5.3.
    """
    labels, warnings = [], []
    for key, value in trigger.labels:
        try:
            text = renderer(value, variables) if isinstance(value, str) else value
        except FlowsError as error:
            warnings.append(f'Label "{key}" of trigger "{trigger.id}" is left out: {error}')
            continue
        if text is None or str(text) == "" or key.startswith("system."):
            warnings.append(f'Label "{key}" of trigger "{trigger.id}" is left out: it is empty or belongs to the system.')
            continue
        labels.append((key, str(text).lower() if isinstance(text, bool) else str(text)))
    return labels, warnings
