"""Deleting log lines that somebody chose. Whole executions with their logs are deleted in `executions`."""

from __future__ import annotations

from django.db.models import QuerySet

from flows.models import LogEntry


def delete_logs(rows: QuerySet[LogEntry]) -> int:
    """Delete the chosen lines and return how many there were."""
    count, _ = rows.order_by().delete()
    return count


def delete_flow_logs(namespace: str, flow_id: str, *, trigger_id: str = "") -> int:
    """Delete the lines of a flow, or only those of one of its triggers, and return how many there were."""
    rows = LogEntry.objects.filter(namespace=namespace, flow_id=flow_id)
    return delete_logs(rows.filter(trigger_id=trigger_id) if trigger_id else rows)
