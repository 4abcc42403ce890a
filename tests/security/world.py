"""A namespace filled with everything that can belong to one, each thing bearing a mark by which a stranger would know it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from flows.engine.files import write_namespace_file
from flows.models import (
    Account,
    Binding,
    Execution,
    Flow,
    LogEntry,
    Metric,
    Namespace,
    Secret,
    TaskRun,
    Template,
    TemplateRevision,
    TriggerState,
)
from flows.models.key_values import write_key_value
from flows.operations.flows import save_flow
from flows.primitives.callers import PLATFORM, acting_as
from flows.primitives.ids import new_id
from flows.storage import get_storage
from flows.storage.uri import execution_folder

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
PASSWORD = "correct-Horse-7-battery"
STATES = ("FAILED", "RUNNING", "PAUSED", "QUEUED", "CREATED", "SUCCESS")

FLOW = """\
id: {mark}-flow
namespace: {namespace}
description: {mark} description
labels:
  {mark}-label: {mark}-value
concurrency:
  limit: 5
inputs:
  - id: {mark}day
    type: STRING
    required: false
tasks:
  - id: {mark}hello
    type: io.kestra.plugin.core.log.Log
    message: {mark} hello
  - id: {mark}wait
    type: io.kestra.plugin.core.flow.Pause
triggers:
  - id: {mark}-nightly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 3 * * *"
  - id: {mark}-hook
    type: io.kestra.plugin.core.trigger.Webhook
    key: {mark}-webhook-key
"""
CALLER = """\
id: {mark}-caller
namespace: {namespace}
tasks:
  - id: {mark}sub
    type: io.kestra.plugin.core.flow.Subflow
    namespace: {callee}
    flowId: {callee_id}
"""
TEMPLATE = """\
id: {mark}-template
namespace: {namespace}
tasks:
  - id: {mark}one
    type: io.kestra.plugin.core.log.Log
    message: {mark} template
"""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Filled:
    """What lies in one namespace, by the names under which addresses and bodies speak of it."""

    namespace: str
    mark: str
    executions: dict[str, str]

    def names(self) -> dict[str, str]:
        """Return the names for the templates of addresses and bodies."""
        mark, failed = self.mark, self.executions["FAILED"]
        folder = f"{self.namespace.replace('.', '/')}/{mark}-flow/executions/{failed}"
        return {
            "namespace": self.namespace,
            "mark": mark,
            "flow_id": f"{mark}-flow",
            "trigger_id": f"{mark}-nightly",
            "task_id": f"{mark}hello",
            "key": f"{mark}-key",
            "secret": f"{mark}-secret",
            "template_id": f"{mark}-template",
            "metric": f"{mark}-metric",
            "path": f"/{mark}-file.txt",
            "stored": f"kestra:///{folder}/{mark}.txt",
            **{state.lower(): key for state, key in self.executions.items()},
            "run": f"{failed}run",
            "waiting_run": f"{self.executions['PAUSED']}run",
            "execution_id": failed,
            "task_run_id": f"{failed}run",
        }


def fill(namespace: str, mark: str, *, callee: Filled | None = None) -> Filled:
    """Store two flows, executions in several states with all that belongs to them, keys, secrets, files and a template."""
    with acting_as(PLATFORM):
        save_flow(FLOW.format(mark=mark, namespace=namespace), at=AT)
        to = callee.names() if callee else {"namespace": namespace, "flow_id": f"{mark}-flow"}
        save_flow(CALLER.format(mark=mark, namespace=namespace, callee=to["namespace"], callee_id=to["flow_id"]), at=AT)
        Namespace.objects.update_or_create(
            id=namespace, defaults={"description": f"{mark} description", "variables": {f"{mark}var": f"{mark}-variable"}}
        )
        write_key_value(namespace, f"{mark}-key", f"{mark}-kv", at=AT, description=f"{mark} kv")
        Secret.objects.create(namespace=namespace, key=f"{mark}-secret", encrypted="x", description=f"{mark} secret")
        write_namespace_file(namespace, f"/{mark}-file.txt", f"{mark} content".encode(), at=AT)
        template = Template.objects.create(
            namespace=namespace, template_id=f"{mark}-template", revision=1, created_at=AT, updated_at=AT
        )
        source = TEMPLATE.format(mark=mark, namespace=namespace)
        TemplateRevision.objects.create(template=template, revision=1, source=source, created_at=AT)
        TriggerState.objects.filter(namespace=namespace).update(next_at=AT)
    executions = {state: _add_execution(namespace, mark, state) for state in STATES}
    return Filled(namespace, mark, executions)


def _add_execution(namespace: str, mark: str, state: str) -> str:
    key = f"{mark}{state}{next(_numbers):06d}00000000000000000000"[:24]
    moments = [AT + timedelta(seconds=second) for second in range(3)]
    texts = [moment.isoformat() for moment in moments]
    ended = state in ("FAILED", "SUCCESS")
    histories = [["CREATED", texts[0]]]
    if state not in ("CREATED", "QUEUED"):
        histories += [["RUNNING", texts[1]]]
    if state not in ("CREATED", "RUNNING"):
        histories += [[state, texts[2]]]
    execution = Execution.objects.create(
        id=key,
        namespace=namespace,
        flow_id=f"{mark}-flow",
        flow_revision=1,
        state=state,
        histories=histories,
        created_at=AT,
        ended_at=moments[2] if ended else None,
        original_id=key,
        original_created_at=AT,
        labels=[{"key": f"{mark}-label", "value": f"{mark}-value"}],
        inputs={f"{mark}day": f"{mark}-input"},
        outputs={f"{mark}-out": f"{mark}-output"},
        trigger={"id": f"{mark}-nightly", "type": "io.kestra.plugin.core.trigger.Schedule", "variables": {}},
    )
    if state in ("FAILED", "PAUSED"):
        TaskRun.objects.create(
            id=f"{key}run",
            execution=execution,
            task_id=f"{mark}hello" if state == "FAILED" else f"{mark}wait",
            state=state,
            histories=[["CREATED", texts[0]], ["RUNNING", texts[1]], [state, texts[2]]],
            created_at=AT,
            ended_at=moments[2] if ended else None,
            attempts=[{"state": state, "startDate": texts[1], "endDate": texts[2], "workerId": "worker-1"}],
            outputs={"value": f"{mark}-task-output"},
        )
    owner = {"namespace": namespace, "flow_id": f"{mark}-flow", "execution_id": key, "timestamp": AT}
    LogEntry.objects.create(**owner, task_id=f"{mark}hello", task_run_id=f"{key}run", level=2, message=f"{mark} line")
    Metric.objects.create(
        **owner, task_id=f"{mark}hello", task_run_id=f"{key}run", name=f"{mark}-metric", kind="COUNTER", value=1
    )
    if state == "FAILED":
        folder = execution_folder(namespace, f"{mark}-flow", key)
        get_storage().write(f"{folder}/{mark}.txt", f"{mark} stored".encode())
    return key


def add_person(name: str, role: str = "", namespace: str = "", **fields: Any) -> User:
    """Store a person, with one role in a namespace when one is named."""
    user = User.objects.create_user(name, name, PASSWORD, **fields)
    Account.objects.create(user=user, created_at=AT)
    if role:
        Binding.objects.create(id=new_id(), role_id=role, user=user, namespace=namespace, created_at=AT)
    return user


def list_flow_names(namespace: str) -> list[str]:
    """Return the ids of the flows of a namespace."""
    return list(Flow.objects.filter(namespace=namespace).values_list("flow_id", flat=True))
