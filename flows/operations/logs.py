"""Deleting log lines that somebody chose. Whole executions with their logs are deleted in `executions`."""

from __future__ import annotations

from django.db.models import QuerySet

from flows.engine.catalog import missing_flow
from flows.models import Execution, LogEntry
from flows.operations.acts import act
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Action, Resource


def delete_execution_logs(execution_id: str, rows: QuerySet[LogEntry]) -> int:
    """
    Delete chosen lines of an execution and return how many there were; none for an execution that the caller cannot see.

    Raises:
        ForbiddenError: the caller may read the lines, but not delete them.
    """
    lines = LogEntry.objects.filter(execution_id=execution_id)
    names = Execution.objects.filter(pk=execution_id).values_list("namespace", flat=True)
    # Lines may outlive their execution, and each holds its namespace.
    namespace = names.first() or lines.values_list("namespace", flat=True).first()
    if namespace is None:
        return 0
    missing = NotFoundError(f'Execution "{execution_id}" does not exist.', code="execution-not-found")
    try:
        with act("log.delete", Action.DELETE, Resource.EXECUTION, namespace, execution_id, missing=missing) as doing:
            count, _ = rows.order_by().delete()
            doing.before = {"lines": count}
    except NotFoundError:
        return 0
    return count


def delete_flow_logs(namespace: str, flow_id: str, *, trigger_id: str = "") -> int:
    """
    Delete the lines of a flow, or only those of one of its triggers, and return how many there were.

    Raises:
        ForbiddenError: the caller may not delete executions of the namespace.
    """
    with act(
        "log.delete", Action.DELETE, Resource.EXECUTION, namespace, flow_id, missing=missing_flow(namespace, flow_id)
    ) as doing:
        rows = LogEntry.objects.filter(namespace=namespace, flow_id=flow_id)
        count, _ = (rows.filter(trigger_id=trigger_id) if trigger_id else rows).order_by().delete()
        doing.before = {"lines": count, **({"trigger": trigger_id} if trigger_id else {})}
    return count
