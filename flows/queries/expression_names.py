"""The names that an expression in a flow may use, by kind, for completion in editors."""

from __future__ import annotations

from flows.expressions import list_filters, list_functions
from flows.language.flow import Flow
from flows.models import KeyValue, NamespaceFile, Secret
from flows.queries.visibility import visible

EXECUTION_NAMES = (
    "execution.id",
    "execution.startDate",
    "execution.originalId",
    "flow.id",
    "flow.namespace",
    "flow.revision",
    "flow.tenantId",
    "taskrun.id",
    "taskrun.startDate",
    "taskrun.value",
    "taskrun.attemptsCount",
    "trigger",
)
MOST_NAMES = 1000


def list_expression_names(flow: Flow, *, task_id: str = "") -> dict[str, list[str]]:
    """
    Return the names by kind.

    Args:
        task_id: leave out outputs of this task and of those behind it; empty for all.
    """
    before: list[str] = []
    for task in flow.all_tasks():
        if task.id == task_id:
            break
        before.append(f"outputs.{task.id}")
    in_namespace = {"namespace": flow.namespace}
    files = visible(NamespaceFile).filter(**in_namespace, is_current=True, is_directory=False)
    return {
        "taskOutputs": before,
        "inputs": [f"inputs.{one.id}" for one in flow.inputs],
        "variables": [f"vars.{name}" for name in flow.variables],
        "secrets": list(visible(Secret).filter(**in_namespace).values_list("key", flat=True)[:MOST_NAMES]),
        "kvPairs": list(visible(KeyValue).filter(**in_namespace).values_list("key", flat=True)[:MOST_NAMES]),
        "namespaceFiles": list(files.values_list("path", flat=True)[:MOST_NAMES]),
        "filters": sorted(signature.name for signature in list_filters()),
        "functions": sorted(signature.name for signature in list_functions()),
        "executionContext": list(EXECUTION_NAMES),
        "appContext": [],
    }
