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


SERVICES = Services(make_platform=FlowPlatform, announce=announce)
"""The services of every process of the product."""
