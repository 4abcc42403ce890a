"""What the engine asks of the layers above it, put together once."""

from __future__ import annotations

from datetime import datetime

from flows.engine.services import Services
from flows.models import Execution
from flows.operations.flow_triggers import fire_flow_triggers
from flows.operations.platform import FlowPlatform
from flows.operations.schedules import on_execution_ended
from flows.primitives.states import TERMINAL


def announce(execution_id: str, at: datetime) -> None:
    """Unlock the trigger that started an execution and fire the flow triggers that listen to it. Idempotent."""
    execution = Execution.objects.filter(id=execution_id).first()
    if execution is None:
        return
    if execution.state in TERMINAL:
        on_execution_ended(execution)
    fire_flow_triggers(execution, at=at)


def restart_child(child_id: str, task_run_id: str) -> None:
    """Restart a failed subflow in place for the task run that waits for it again."""
    from flows.operations.executions import restart_for_caller

    restart_for_caller(child_id, task_run_id)


SERVICES = Services(make_platform=FlowPlatform, announce=announce, restart_child=restart_child)
"""The services of every process of the product."""
