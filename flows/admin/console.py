"""Where the console shows an object that stands on an admin page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import reverse

from flows.models import (
    Account,
    Blueprint,
    Dashboard,
    Execution,
    Firing,
    Flow,
    FlowRevision,
    KeyValue,
    LogEntry,
    Metric,
    Namespace,
    NamespaceFile,
    Role,
    Secret,
    TaskRun,
    TriggerState,
)


def _of_execution(row: Any) -> str:
    return reverse("ui:execution-short", args=[row.execution_id]) if row.execution_id else ""


def _of_tab(tab: str) -> Callable[[Any], str]:
    return lambda row: reverse("ui:namespace-tab", args=[row.namespace, tab])


_PAGES: dict[type[Model], Callable[[Any], str]] = {
    Execution: lambda row: reverse("ui:execution", args=[row.namespace, row.flow_id, row.pk]),
    TaskRun: _of_execution,
    LogEntry: _of_execution,
    Metric: _of_execution,
    Firing: _of_execution,
    Flow: lambda row: reverse("ui:flow", args=[row.namespace, row.flow_id]),
    FlowRevision: lambda row: reverse("ui:flow-tab", args=[row.flow.namespace, row.flow.flow_id, "revisions"]),
    TriggerState: lambda row: reverse("ui:flow-tab", args=[row.namespace, row.flow_id, "triggers"]),
    Namespace: lambda row: reverse("ui:namespace", args=[row.pk]),
    KeyValue: _of_tab("kv"),
    Secret: _of_tab("secrets"),
    NamespaceFile: _of_tab("files"),
    Blueprint: lambda row: reverse("ui:blueprint", args=[row.pk]),
    Dashboard: lambda row: reverse("ui:dashboard", args=[row.pk]),
    User: lambda row: reverse("ui:user", args=[str(row.pk)]),
    Account: lambda row: reverse("ui:user", args=[str(row.pk)]),
    Group: lambda row: reverse("ui:group", args=[row.name]),
    Role: lambda row: reverse("ui:role", args=[row.name]),
}


def find_console_address(row: Model) -> str:
    """Return the address of the console's page of an object; empty when it has none of its own."""
    page = _PAGES.get(type(row))
    return page(row) if page else ""
