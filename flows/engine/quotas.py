"""Quotas: how many executions of a flow may begin within a period that ends now. Counted under the lock of the flow's row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.engine.concurrency import release_slot
from flows.language.flow import Quota
from flows.models.flow import Flow
from flows.models.quota import FlowStart
from flows.primitives.durations import format_duration
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn


def take_start(turn: Turn) -> bool:
    """
    Count the begin of an execution against the quotas of its revision, or end it as the first full quota says.

    Returns True when the execution may begin. An execution counts once, when it first runs: what waits in the queue, what was
    refused and what is restarted does not count. Never more than the limit begin, because starts of one flow wait for each
    other here. Source: flow language, 2.1, row 20.
    """
    board = turn.board
    root = board.root
    quotas = board.graph.flow.quotas
    if not quotas or any(state == State.RUNNING for state, _ in root.histories):
        return True
    list(Flow.objects.select_for_update().filter(namespace=root.namespace, flow_id=root.flow_id).values_list("id"))
    starts = FlowStart.objects.filter(namespace=root.namespace, flow_id=root.flow_id)
    counts = {quota: starts.filter(started_at__gt=board.at - quota.duration).count() for quota in quotas}
    full = next((quota for quota, count in counts.items() if count >= quota.limit), None)
    if full is not None:
        _refuse(turn, full)
        return False
    starts.filter(started_at__lte=board.at - max(quota.duration for quota in quotas)).delete()
    FlowStart.objects.create(execution_id=root.id, namespace=root.namespace, flow_id=root.flow_id, started_at=board.at)
    return True


def _refuse(turn: Turn, quota: Quota) -> None:
    root = turn.board.root
    period = format_duration(quota.duration)
    reason = f"The quota of {quota.limit} execution(s) in {period} is used up, and its behaviour is {quota.behavior}."
    turn.add_log(None, "ERROR" if quota.behavior == "FAIL" else "WARN", reason)
    root.error = reason if quota.behavior == "FAIL" else ""
    if root.slot_held:
        release_slot(root)
    turn.board.move_root(State.FAILED if quota.behavior == "FAIL" else State.CANCELLED)
    root.announce_at = turn.board.at
