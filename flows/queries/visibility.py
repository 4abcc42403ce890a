"""What the caller may see: every query over objects of namespaces passes through here, so that no list shows too much."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource

M = TypeVar("M", bound=Model)

_NOTHING = Q(pk__in=[])


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


def can_see(resource: Resource, namespace: str) -> bool:
    """Tell whether the caller may read objects of a namespace."""
    return current_caller().may(Action.READ, resource, namespace)
