"""What the caller may see: every query over objects of namespaces passes through here, so that no list shows too much."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from flows.models import (
    Execution,
    Flow,
    FlowRevision,
    KeyValue,
    LogEntry,
    Metric,
    Namespace,
    NamespaceFile,
    Secret,
    TaskRun,
    Template,
    TemplateRevision,
    TriggerState,
)
from flows.primitives.callers import current_caller
from flows.primitives.rights import EVERYWHERE, Action, Resource

M = TypeVar("M", bound=Model)

_NOTHING = Q(pk__in=[])
_OWNERS: dict[type[Model], tuple[Resource, str]] = {
    Execution: (Resource.EXECUTION, "namespace"),
    TaskRun: (Resource.EXECUTION, "execution__namespace"),
    LogEntry: (Resource.EXECUTION, "namespace"),
    Metric: (Resource.EXECUTION, "namespace"),
    Flow: (Resource.FLOW, "namespace"),
    FlowRevision: (Resource.FLOW, "flow__namespace"),
    TriggerState: (Resource.TRIGGER, "namespace"),
    Template: (Resource.TEMPLATE, "namespace"),
    TemplateRevision: (Resource.TEMPLATE, "template__namespace"),
    Namespace: (Resource.NAMESPACE, "id"),
    NamespaceFile: (Resource.FILE, "namespace"),
    KeyValue: (Resource.KVSTORE, "namespace"),
    Secret: (Resource.SECRET, "namespace"),
}
"""Which right shows the rows of a model, and the lookup of the namespace that they belong to."""


def match_visible(resource: Resource, *, field: str = "namespace", action: Action = Action.READ) -> Q:
    """
    Return the condition for rows whose namespace the caller's right reaches; it matches everything for who sees everything.

    Args:
        field: lookup of the column that holds the namespace.

    Source: security, S-02 and S-03.
    """
    reached = current_caller().list_reached(resource, action)
    if reached is None:
        return Q()
    condition = _NOTHING
    for namespace in reached:
        condition |= Q(**{field: namespace}) | Q(**{f"{field}__startswith": f"{namespace}."})
    return condition


def show_visible(rows: QuerySet[M], resource: Resource, *, field: str = "namespace") -> QuerySet[M]:
    """Return the rows that the caller may read."""
    return rows.filter(match_visible(resource, field=field))


def visible(model: type[M]) -> QuerySet[M]:
    """Return all rows of a model that the caller may read. Who sees everything pays for no condition."""
    resource, field = _OWNERS[model]
    return model._default_manager.filter(match_visible(resource, field=field))


def can_see(resource: Resource, namespace: str = EVERYWHERE) -> bool:
    """Tell whether the caller may read objects of a namespace."""
    return current_caller().may(Action.READ, resource, namespace)
