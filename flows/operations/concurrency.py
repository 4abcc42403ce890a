"""Putting the count of a flow's concurrency slots right by hand."""

from __future__ import annotations

from django.db import transaction

from flows.models import Execution, Flow
from flows.primitives.errors import ConflictError, NotFoundError


def recount_slots(namespace: str, flow_id: str) -> Flow:
    """
    Set the count of taken slots of a limited flow to what its executions hold, and return its row.

    Raises:
        NotFoundError: no such flow.
        ConflictError: the flow has no limit.

    Source: REST API, 8.1; the number that a caller sends is not taken over, it could let more run than the limit allows.
    """
    with transaction.atomic():
        row = Flow.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, deleted=False).first()
        if row is None:
            raise NotFoundError(f'Flow not found: namespace "{namespace}" has no flow "{flow_id}".', code="flow-not-found")
        if row.concurrency_limit is None:
            raise ConflictError(f'Flow "{row}" does not limit its concurrency.', code="flow-not-limited")
        row.running_count = Execution.objects.filter(namespace=namespace, flow_id=flow_id, slot_held=True).count()
        row.save(update_fields=["running_count"])
    return row
