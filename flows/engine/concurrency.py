"""Concurrency slots: taken and given back by one conditional update on the flow's row, in the transaction of the move."""

from __future__ import annotations

from django.db.models import F

from flows.engine.board import Root
from flows.models.execution import Execution
from flows.models.flow import Flow
from flows.primitives.states import TERMINAL, State

_FLOW_BATCH = 50
# What ended holds nothing; naming the others keeps the count from reading the whole history of a flow.
_HOLDING = [state.value for state in State if state not in TERMINAL]


def take_slot(root: Root) -> bool:
    """
    Take one of the flow's slots for an execution that is locked by the caller. The limit of the newest revision applies.

    Returns True when a slot was taken or none is needed. Never more than the limit are held: the count is compared and
    raised by one statement. The slots of those that were created earlier and are queued stay theirs: whose message comes
    first does not matter. Source: flow language, 11.
    """
    if root.slot_held or root.concurrency_limit is None:
        return True
    earlier = Execution.objects.filter(
        namespace=root.namespace, flow_id=root.flow_id, state=State.QUEUED, created_at__lt=root.created_at
    ).count()
    free = Flow.objects.filter(namespace=root.namespace, flow_id=root.flow_id, running_count__lt=F("concurrency_limit") - earlier)
    taken = free.update(running_count=F("running_count") + 1)
    if taken:
        root.slot_held = True
        root.is_changed = True
    return bool(taken)


def force_slot(root: Root) -> None:
    """Count an execution that a person started over the limit, so that its end gives back what it took."""
    taken = Flow.objects.filter(namespace=root.namespace, flow_id=root.flow_id, concurrency_limit__isnull=False).update(
        running_count=F("running_count") + 1
    )
    root.slot_held = bool(taken)
    root.is_changed = True


def release_slot(root: Root) -> None:
    """Give the slot of a locked execution back."""
    Flow.objects.filter(namespace=root.namespace, flow_id=root.flow_id, running_count__gt=0).update(
        running_count=F("running_count") - 1
    )
    root.slot_held = False
    root.progress["hadSlot"] = True
    root.is_changed = True


def list_next_queued(namespace: str, flow_id: str) -> list[str]:
    """Return the ids of the queued executions that fit into the free slots of a flow, the oldest first."""
    row = Flow.objects.filter(namespace=namespace, flow_id=flow_id).values("concurrency_limit", "running_count").first()
    if row is None:
        return []
    limit = row["concurrency_limit"]
    free = _FLOW_BATCH if limit is None else max(0, limit - row["running_count"])
    queued = Execution.objects.filter(namespace=namespace, flow_id=flow_id, state=State.QUEUED).order_by("created_at", "id")
    return list(queued.values_list("id", flat=True)[:free])


def correct_counts() -> int:
    """Set every flow's count to what its executions hold; returns how many were wrong. For the sweep."""
    wrong = 0
    for flow in Flow.objects.filter(running_count__gt=0).only("id", "namespace", "flow_id", "running_count"):
        held = Execution.objects.filter(
            namespace=flow.namespace, flow_id=flow.flow_id, slot_held=True, state__in=_HOLDING
        ).count()
        if held != flow.running_count:
            wrong += Flow.objects.filter(id=flow.id, running_count=flow.running_count).update(running_count=held)
    return wrong
