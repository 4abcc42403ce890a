"""Concurrency slots: taken and given back by one conditional update on the flow's row, in the transaction of the move."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from flows.engine.board import Root
from flows.models.execution import Execution
from flows.models.flow import Flow
from flows.primitives.states import TERMINAL, State

_FLOW_BATCH = 50
# The message of what was just created comes at once; one that was lost is sent again, and nobody waits for it longer than this.
_ON_THE_WAY = timedelta(seconds=10)
# What ended holds nothing; naming the others keeps the count from reading the whole history of a flow.
_HOLDING = [state.value for state in State if state not in TERMINAL]


def take_slot(root: Root) -> bool:
    """
    Take one of the flow's slots for an execution that is locked by the caller. The limit of the newest revision applies.

    Returns True when a slot was taken or none is needed. Never more than the limit are held, and none stays free while one
    waits: the flow's row is locked until the caller's transaction ends, so that what asks and what gives back wait for each
    other. The slots of those that were created earlier and have not begun stay theirs: whose message comes first does not
    matter. Source: flow language, 11.
    """
    if root.slot_held or root.concurrency_limit is None:
        return True
    flow = Flow.objects.filter(namespace=root.namespace, flow_id=root.flow_id)
    row = flow.select_for_update().values("concurrency_limit", "running_count").first()
    if row is None or row["concurrency_limit"] is None:
        return True
    free = row["concurrency_limit"] - row["running_count"]
    if free <= 0 or _count_earlier(root, most=free) >= free:
        return False
    flow.update(running_count=F("running_count") + 1)
    root.slot_held = True
    root.is_changed = True
    return True


def _count_earlier(root: Root, *, most: int) -> int:
    """Return how many executions of the flow stand before this one in the queue or are on their way to it, `most` at the most."""
    is_coming = Q(state=State.CREATED, created_at__gte=Now() - _ON_THE_WAY) & (Q(schedule_at=None) | Q(schedule_at__lte=Now()))
    earlier = Execution.objects.filter(
        Q(state=State.QUEUED) | is_coming,
        namespace=root.namespace,
        flow_id=root.flow_id,
        kind="NORMAL",
        created_at__lt=root.created_at,
    )
    return len(earlier.values_list("id")[:most])


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
