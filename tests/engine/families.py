"""Executions that start others, driven together: what messages would cause for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flows.engine import recovery
from flows.models import Execution
from flows.operations.services import SERVICES
from tests.support import driving

CORE = driving.CORE


def settle(*, rounds: int = 30) -> None:
    """Do what messages would do for every execution until nothing waits any more."""
    for _ in range(rounds):
        waiting = list(
            Execution.objects.filter(state__in=["CREATED", "RESTARTED", "QUEUED"], schedule_at=None).values_list("id", flat=True)
        )
        before = [(row.id, row.state) for row in Execution.objects.all()]
        for execution_id in waiting:
            driving.visit(execution_id)
        done = sum(driving.work(execution_id) for execution_id in Execution.objects.values_list("id", flat=True))
        recovery.announce_untold(SERVICES, datetime.now(UTC) + timedelta(seconds=10))
        if not done and before == [(row.id, row.state) for row in Execution.objects.all()]:
            return


def settle_visits_only() -> None:
    """Visit every execution that waits for its first visit."""
    for execution_id in Execution.objects.filter(state="CREATED").values_list("id", flat=True):
        driving.visit(execution_id)


def children_of(execution_id: str) -> list[Execution]:
    """Return the executions that an execution started, oldest first."""
    return list(Execution.objects.filter(caller_execution_id=execution_id).order_by("created_at", "id"))


def exit_task(task_id: str, state: str) -> dict[str, Any]:
    """Return a task that ends the execution."""
    return {"id": task_id, "type": f"{CORE}.execution.Exit", "state": state}
