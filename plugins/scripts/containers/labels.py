"""The labels of our containers, by which a container finds back to its task run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.plugin_api.context import RunContext

INSTALLATION = "celestra.io/installation"
"""Which installation of ours started the container; several may share one engine."""

REMOVABLE = "celestra.io/removable"
"""`true` when nobody needs the container once its task run is over."""

TASK_RUN = "kestra.io/taskrun-id"

_LONGEST_VALUE = 63


def make_labels(context: RunContext, *, is_removable: bool) -> dict[str, str]:
    """Return the labels of a container of this attempt. Source: core tasks, 10.4."""
    values = {
        "kestra.io/namespace": context.flow.get("namespace"),
        "kestra.io/flow-id": context.flow.get("id"),
        "kestra.io/task-id": context.task.get("id"),
        "kestra.io/execution-id": context.execution.get("id"),
        TASK_RUN: context.taskrun.get("id"),
        "kestra.io/taskrun-attempt": context.attempt,
    }
    labels = {name: cut_value(str(value)) for name, value in values.items() if value is not None}
    return {**labels, INSTALLATION: name_installation(context.config), REMOVABLE: "true" if is_removable else "false"}


def name_installation(config: Callable[[str, Any], Any]) -> str:
    """Return the name by which this installation tells its containers from those of others."""
    return cut_value(str(config("installation", "default")))


def cut_value(value: str) -> str:
    """Return `value` as a label may hold it: at most 63 characters, and none of `-._` at the end."""
    return value[:_LONGEST_VALUE].rstrip("-._")


def list_own_filters(context: RunContext) -> list[str]:
    """Return the label filters that all containers of this task run match, whichever attempt started them."""
    labels = make_labels(context, is_removable=True)
    return [f"{name}={labels[name]}" for name in (INSTALLATION, "kestra.io/execution-id", TASK_RUN) if name in labels]
