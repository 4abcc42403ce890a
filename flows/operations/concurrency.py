"""Putting the count of a flow's concurrency slots right by hand."""

from __future__ import annotations

from django.db import transaction

from flows.models import Execution, Flow
from flows.operations.acts import act
from flows.primitives.errors import ConflictError, NotFoundError
from flows.primitives.rights import Action, Resource


def recount_slots(namespace: str, flow_id: str) -> Flow:
    """
    Set the count of taken slots of a limited flow to what its executions hold, and return its row.

    Raises:
        NotFoundError: no such flow.
        ConflictError: the flow has no limit.

    Source: REST API, 8.1; the number that a caller sends is not taken over, it could let more run than the limit allows.
    """
    missing = NotFoundError(f'Flow not found: namespace "{namespace}" has no flow "{flow_id}".', code="flow-not-found")
    with (
        act("flow.recount-slots", Action.UPDATE, Resource.FLOW, namespace, flow_id, missing=missing) as doing,
        transaction.atomic(),
    ):
        row = Flow.objects.select_for_update().filter(namespace=namespace, flow_id=flow_id, deleted=False).first()
        if row is None:
            raise missing
        if row.concurrency_limit is None:
            raise ConflictError(f'Flow "{row}" does not limit its concurrency.', code="flow-not-limited")
        doing.before = {"running": row.running_count}
        row.running_count = Execution.objects.filter(namespace=namespace, flow_id=flow_id, slot_held=True).count()
        row.save(update_fields=["running_count"])
        doing.after = {"running": row.running_count}
    return row
