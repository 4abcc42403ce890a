"""A signed-in person and stored things for the tests of the console."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import AsyncClient, Client

from flows.engine.catalog import forget_flows
from flows.models import Execution, Flow, FlowRevision, LogEntry, TaskRun, TriggerState
from flows.ui import live

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
NAMESPACE, FLOW_ID = "company.team", "daily"
SOURCE = """id: daily
namespace: company.team
description: Runs **daily**.
inputs:
  - id: name
    type: STRING
  - id: loud
    type: BOOL
    defaults: false
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "hello {{ inputs.name }}"
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: ["a", "b"]
    tasks:
      - id: say
        type: io.kestra.plugin.core.log.Log
        message: "{{ taskrun.value }}"
triggers:
  - id: nightly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 3 * * *"
"""


@pytest.fixture
def alice(db: None) -> Client:
    """A browser in which Alice is signed in, who owns the installation."""
    # What a process remembers of rows went away with the transaction of another test.
    forget_flows()
    cache.clear()
    client = Client()
    client.force_login(User.objects.create_superuser("alice@example.org", password="Correct-horse-1"))
    # Like every browser after its first page.
    client.cookies["look"] = "theme=system"
    return client


@pytest.fixture
def reader(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncClient:
    """A browser in which Alice is signed in, for streams; nobody waits for stragglers."""
    monkeypatch.setattr(live, "STRAGGLER_SECONDS", 0.0)
    forget_flows()
    client = AsyncClient()
    client.force_login(User.objects.create_superuser("alice@example.org", password="Correct-horse-1"))
    return client


@pytest.fixture
def flow(db: None) -> Flow:
    """A stored flow with one revision and one schedule."""
    return save_flow()


def save_flow(source: str = SOURCE, **fields: Any) -> Flow:
    """Store a flow as it is, without a check."""
    facts = {"namespace": NAMESPACE, "flow_id": FLOW_ID, "created_at": AT, "updated_at": AT, **fields}
    row = Flow.objects.create(**facts)
    FlowRevision.objects.create(flow=row, revision=1, source=source, created_at=AT)
    TriggerState.objects.create(
        namespace=row.namespace,
        flow_id=row.flow_id,
        trigger_id="nightly",
        type="io.kestra.plugin.core.trigger.Schedule",
        family="schedule",
        flow_revision=1,
        next_at=AT,
    )
    forget_flows()
    return row


def save_execution(execution_id: str = "exec1", *, state: str = "SUCCESS", **fields: Any) -> Execution:
    """Store an execution of one minute."""
    ended = state in ("SUCCESS", "FAILED", "KILLED", "WARNING")
    end = AT + timedelta(minutes=1)
    histories = [["CREATED", AT.isoformat()], ["RUNNING", AT.isoformat()]]
    facts: dict[str, Any] = {
        "id": execution_id,
        "namespace": NAMESPACE,
        "flow_id": FLOW_ID,
        "flow_revision": 1,
        "state": state,
        "histories": [*histories, [state, end.isoformat()]] if ended else histories,
        "created_at": AT,
        "ended_at": end if ended else None,
        "original_created_at": AT,
        "original_id": execution_id,
        "inputs": {"name": "Ada"},
    }
    return Execution.objects.create(**{**facts, **fields})


def save_task_run(execution: Execution, task_id: str, *, state: str = "SUCCESS", number: int = 0, **fields: Any) -> TaskRun:
    """Store a task run of two seconds."""
    start, end = AT + timedelta(seconds=number), AT + timedelta(seconds=number + 2)
    facts: dict[str, Any] = {
        "id": f"{execution.id}-{task_id}-{number}",
        "execution": execution,
        "task_id": task_id,
        "scope": f":{number}",
        "state": state,
        "histories": [["CREATED", start.isoformat()], ["RUNNING", start.isoformat()], [state, end.isoformat()]],
        "created_at": start,
        "ended_at": end,
    }
    return TaskRun.objects.create(**{**facts, **fields})


def save_log(execution: Execution, message: str, *, level: int = 2, **fields: Any) -> LogEntry:
    """Store a log line."""
    facts = {"namespace": execution.namespace, "flow_id": execution.flow_id, "execution_id": execution.id, "timestamp": AT}
    return LogEntry.objects.create(**{**facts, "message": message, "level": level, **fields})
