"""Flows for the tests of triggers, saved as a person would save them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml

from flows.models import Execution, TriggerState
from flows.operations.flows import save_flow

NAMESPACE = "company.team"
START = datetime(2031, 5, 4, 12, 0, 30, tzinfo=UTC)

SCHEDULE = "io.kestra.plugin.core.trigger.Schedule"
ON_DATES = "io.kestra.plugin.core.trigger.ScheduleOnDates"
FLOW = "io.kestra.plugin.core.trigger.Flow"
WEBHOOK = "io.kestra.plugin.core.trigger.Webhook"
BATCH = "io.kestra.plugin.core.trigger.BatchWebhook"


def save(flow_id: str, *triggers: dict[str, Any], at: datetime = START, **more: Any) -> None:
    """Save a flow of one light task with these triggers."""
    task = {"id": "show", "type": "io.kestra.plugin.core.debug.Return", "format": "{{ trigger | json }}"}
    flow = {"id": flow_id, "namespace": NAMESPACE, "tasks": [task], **more}
    if triggers:
        flow["triggers"] = list(triggers)
    save_flow(yaml.safe_dump(flow, sort_keys=False), at=at, actor="alice@example.org")


def schedule(trigger_id: str = "every", cron: str = "*/10 * * * *", **more: Any) -> dict[str, Any]:
    """Return a Schedule trigger."""
    return {"id": trigger_id, "type": SCHEDULE, "cron": cron, **more}


def state(flow_id: str, trigger_id: str = "every") -> TriggerState:
    """Return the state row of a trigger as it stands now."""
    return TriggerState.objects.get(namespace=NAMESPACE, flow_id=flow_id, trigger_id=trigger_id)


def executions(flow_id: str) -> list[Execution]:
    """Return the executions of a flow by their date, then by creation."""
    return list(Execution.objects.filter(flow_id=flow_id).order_by("schedule_at", "created_at", "id"))


def end(execution: Execution, final: str = "SUCCESS", at: datetime = START, **more: Any) -> Execution:
    """Put an execution at its end, as the engine would leave the row."""
    execution.state = final
    execution.ended_at = at
    execution.histories = [*execution.histories, [final, at.isoformat()]]
    for name, value in more.items():
        setattr(execution, name, value)
    execution.save()
    return execution
