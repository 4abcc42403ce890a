"""
Rows with hostile texts that no call would store, written straight into the database of a running system, and a look at which
fields hold such a text. Run inside that system: `manage.py shell -c "from tests.e2e import hostile_rows; hostile_rows.write()"`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import CharField, Field, JSONField, TextField
from django.utils import timezone

from flows.models import (
    Account,
    ApiToken,
    AuditEntry,
    Binding,
    Blueprint,
    BulkJob,
    BulkResult,
    CachedResult,
    Execution,
    Firing,
    Flow,
    FlowRevision,
    FlowTriggerWindow,
    IdempotencyKey,
    KeyValue,
    LogEntry,
    Metric,
    Role,
    TaskRun,
    TemplateRevision,
    TriggerState,
    WebhookEvent,
    Worker,
)
from flows.models.vault import write_secret
from flows.triggers.backfill import Backfill, dump_backfill
from tests.e2e.payloads import list_payloads

NAMESPACE, FLOW = "hostile.texts", "values"
# What stands in addresses has no slash; what breaks lines would be cut there.
TEXTS = [text for text in list_payloads() if "/" not in text and text.isprintable() and "ran(" in text]
TEXT = '"><img src=x onerror=ran(9000)>'
MANY, DAY = 12, timedelta(days=1)

BY_CALLS = frozenset(
    {
        "account.description", "account.preferences", "apitoken.description", "auditentry.after", "auditentry.who",
        "blueprint.description", "blueprint.source", "blueprint.tags", "blueprint.title", "bulkjob.options",
        "dashboard.description", "dashboard.source", "dashboard.title", "execution.inputs", "execution.labels",
        "execution.outputs", "execution.trigger", "execution.variables", "flow.description", "flow.labels",
        "flowrevision.message", "flowrevision.source", "keyvalue.description", "keyvalue.value", "logentry.message",
        "metric.name", "metric.tags", "namespace.description", "namespace.plugin_defaults", "namespace.variables",
        "namespacefile.path", "role.description", "secret.description", "secret.tags", "taskrun.outputs", "taskrun.value",
        "template.description", "templaterevision.source", "usersession.agent", "user.first_name", "user.last_name",
    }
)  # fmt: skip
"""Fields that people, flows, callers and browsers fill through the doors of the platform."""

BY_ROWS = frozenset(
    {
        "account.created_by", "account.oidc_issuer", "account.oidc_subject", "apitoken.name", "apitoken.prefix",
        "auditentry.address", "auditentry.before", "auditentry.namespace", "auditentry.object_id", "auditentry.token",
        "auditentry.what", "binding.created_by", "blueprint.included_tasks", "blueprint.saved_by", "bulkjob.problem",
        "bulkjob.query", "bulkresult.object_id", "bulkresult.reason", "cachedresult.outputs", "cachedresult.task_id",
        "execution.error", "firing.trigger_id", "flow.problem", "flowrevision.saved_by", "flowtriggerwindow.condition_id",
        "flowtriggerwindow.results", "group.name", "idempotencykey.caller", "idempotencykey.key", "keyvalue.key",
        "logentry.task_id", "logentry.thread", "logentry.trigger_id", "metric.task_id", "role.name", "secret.key",
        "taskrun.lease_owner", "taskrun.task_id", "triggerstate.backfill", "triggerstate.evaluation", "triggerstate.state",
        "triggerstate.trigger_id", "triggerstate.type", "triggerstate.worker_id", "webhookevent.payload",
        "webhookevent.trigger_id", "templaterevision.saved_by", "worker.drain_asked_by", "worker.host", "worker.name",
        "worker.queues",
    }
)  # fmt: skip
"""Fields whose texts are checked, or made by the platform and its surroundings: should one ever get through, it stays text."""

NEVER = {
    "a name that addresses are made of, checked where it is stored, and again by the address": (
        "namespace", "flow_id", "template_id", "permissions",
    ),
    "made by the platform from letters and digits": (
        "id", "digest", "kind", "state", "histories", "parent_id", "original_id", "caller_execution_id", "caller_task_run_id",
        "execution_id", "task_run_id", "backfill_id", "fingerprint", "lease_token", "phase", "act", "door", "token_id", "outcome",
        "resource", "action", "result", "family", "origin", "processes", "stop_after", "names", "criteria", "cursor", "uri",
        "password", "email", "username", "address", "namespaces", "attempts", "breakpoints",
    ),
    "shown on no page": (
        "data", "encrypted", "mfa_secret", "mfa_recovery", "plan", "items", "progress", "scope", "value_path", "loop", "key",
    ),
}  # fmt: skip
"""Names of fields that need no hostile text, by the reason."""


def list_text_fields() -> Iterator[tuple[str, Field]]:  # type: ignore[type-arg]
    """Yield every field that holds text or JSON, as `model.field`."""
    for model in [*apps.get_app_config("flows").get_models(), User, Group]:
        for field in model._meta.get_fields():
            if isinstance(field, (CharField, TextField, JSONField)):
                yield f"{model._meta.model_name}.{field.name}", field


def count() -> None:
    """Print how many rows hold a text of ours in each field, as JSON."""
    found = {}
    with connection.cursor() as cursor:
        for name, field in list_text_fields():
            cursor.execute(
                f'SELECT count(*) FROM "{field.model._meta.db_table}" WHERE "{field.column}"::text LIKE %s', ["%ran(%"]
            )
            found[name] = cursor.fetchone()[0]
    json.dump(found, sys.stdout)


def write() -> None:
    """Store the rows."""
    at, owner = timezone.now(), {"namespace": NAMESPACE, "flow_id": FLOW}
    execution = Execution.objects.filter(**owner).latest("created_at")
    ran = {**owner, "execution_id": execution.pk}
    Execution.objects.filter(pk=execution.pk).update(error=TEXT)
    TaskRun.objects.filter(execution=execution).update(task_id=TEXT, lease_owner=TEXT)
    for number, text in enumerate(TEXTS[:MANY]):
        trigger = {**owner, "trigger_id": text}
        TriggerState.objects.create(
            **trigger,
            type=text,
            family="polling",
            flow_revision=1,
            worker_id=text,
            backfill=dump_backfill(Backfill("b", at, at, paused=True, inputs={text: text}, labels=((text, text),))),
            state={text: text},
            evaluation={"at": at.isoformat(), "seconds": 1, "result": "FAILED", "message": text, "executionId": None},
        )
        Firing.objects.create(**trigger, scheduled_at=at, execution_id=execution.pk, fired_at=at)
        FlowTriggerWindow.objects.create(**owner, condition_id=text, starts_at=at, ends_at=at + DAY, results={text: text})
        WebhookEvent.objects.create(**trigger, received_at=at, payload={text: text})
        LogEntry.objects.create(**ran, task_id=text, trigger_id=text, thread=text[:100], level=2, timestamp=at, message=text)
        Metric.objects.create(**ran, task_id=text, kind="counter", name=text, value=1, timestamp=at, tags={text: text})
        CachedResult.objects.create(**ran, key=f"hostile{number}", task_id=text, outputs={text: text}, created_at=at)
        IdempotencyKey.objects.create(caller=text, key=text, fingerprint="0", execution_id=execution.pk, created_at=at)
        KeyValue.objects.create(
            namespace=NAMESPACE, key=text, kind="STRING", value=text, description=text, created_at=at, updated_at=at
        )
        write_secret(NAMESPACE, text, "x", description=text)
        Worker.objects.create(
            name=f"{number} {text}", host=text, queues=[text], slots=1, started_at=at, seen_at=at, drain_asked_at=at,
            drain_asked_by=text,
        )  # fmt: skip
        AuditEntry.objects.create(
            at=at, who=text, kind="PERSON", door="CONSOLE", token=text[:63], address=text[:45], what=text[:63],
            resource="FLOW", action="READ", namespace=text, object_id=text, result="DONE", before={text: text},
            after={text: text},
        )  # fmt: skip
    Group.objects.create(name=TEXT)
    Role.objects.filter(name="hostile1").update(name=TEXT)
    ApiToken.objects.filter(name="token-0").update(name=TEXT, prefix="<b ran(9001)>")
    Binding.objects.update(created_by=TEXT)
    Account.objects.filter(user__username="h1@example.org").update(oidc_subject=TEXT, oidc_issuer=TEXT, created_by=TEXT)
    Blueprint.objects.update(saved_by=TEXT, included_tasks=[TEXT])
    Flow.objects.filter(namespace=NAMESPACE, flow_id="broken").update(problem=TEXT)
    FlowRevision.objects.filter(flow__namespace=NAMESPACE, flow__flow_id=FLOW).update(saved_by=TEXT)
    TemplateRevision.objects.update(saved_by=TEXT)
    job = BulkJob.objects.latest("created_at")
    BulkJob.objects.filter(pk=job.pk).update(problem=TEXT, query=TEXT)
    for text in TEXTS[:MANY]:
        BulkResult.objects.create(job=job, object_id=text, outcome="FAILED", reason=text)
