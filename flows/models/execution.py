"""One run of one revision of a flow. The row is also the root scope of its task runs and its own outbox entry."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q


class Execution(models.Model):
    """
    An execution. Only `flows.engine.transitions` writes `state`.

    `version` counts the engine's writes, so that a visit notices that somebody else was here. `progress` holds the small
    counters of the root scope; `wake_at` is the moment at which the engine must look again (schedule date, SLA deadline).
    `dispatched_at` is null while no message was sent for work that waits: the sweep finds such rows.
    `visit_until` is the lease of a visit that committed a part of its work and goes on.
    """

    id = models.CharField(primary_key=True, max_length=32)
    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    flow_revision = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, default="NORMAL")
    state = models.CharField(max_length=16)
    histories = models.JSONField(default=list, help_text="List of [state, ISO moment], in order.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    inputs = models.JSONField(default=dict)
    outputs = models.JSONField(null=True, blank=True)
    variables = models.JSONField(default=dict, help_text="What SetVariables laid over the flow's variables.")
    labels = models.JSONField(default=list, help_text="List of {key, value}, system labels included.")
    trigger = models.JSONField(null=True, blank=True, help_text="{id, type, variables} of what started it.")
    parent_id = models.CharField(max_length=32, null=True, blank=True, help_text="The execution it was replayed or retried from.")
    original_id = models.CharField(max_length=32)
    schedule_at = models.DateTimeField(null=True, blank=True)
    attempt_number = models.PositiveIntegerField(default=1)
    original_created_at = models.DateTimeField()
    error = models.TextField(blank=True, default="", help_text="The engine's own reason for the end, if it has one.")
    breakpoints = models.JSONField(default=list)

    # Who waits for this execution: the task run of a Subflow, Loop or ForEachItem in another execution.
    caller_execution_id = models.CharField(max_length=32, null=True, blank=True)
    caller_task_run_id = models.CharField(max_length=32, null=True, blank=True)
    caller_waits = models.BooleanField(default=False, help_text="True until the waiting task run was told about the end.")
    loop = models.JSONField(null=True, blank=True, help_text="Facts of the Loop iteration that this execution is.")
    depth = models.PositiveIntegerField(default=0, help_text="How many executions started one another above this one.")

    slot_held = models.BooleanField(default=False, help_text="Holds one of the flow's concurrency slots.")
    pause_asked = models.BooleanField(default=False, help_text="Paused by hand: nothing new starts until it is resumed.")
    progress = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    wake_at = models.DateTimeField(null=True, blank=True)
    announce_at = models.DateTimeField(null=True, blank=True, help_text="Since when a change waits to be told to who listens.")
    visit_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Engine errors met while processing it in a row.")

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at", "id"], name="execution_newest"),
            models.Index(fields=["namespace", "flow_id", "-created_at"], name="execution_of_flow"),
            models.Index(fields=["state", "-created_at"], name="execution_by_state"),
            GinIndex(fields=["labels"], opclasses=["jsonb_path_ops"], name="execution_labels"),
            models.Index(
                fields=["caller_execution_id"], name="execution_callees", condition=Q(caller_execution_id__isnull=False)
            ),
            models.Index(fields=["parent_id"], name="execution_children", condition=Q(parent_id__isnull=False)),
            models.Index(fields=["wake_at"], name="execution_due", condition=Q(wake_at__isnull=False)),
            models.Index(fields=["visit_until"], name="execution_visited", condition=Q(visit_until__isnull=False)),
            models.Index(
                fields=["created_at"], name="execution_waiting", condition=Q(state__in=["CREATED", "QUEUED", "RESTARTED"])
            ),
            models.Index(fields=["announce_at"], name="execution_untold", condition=Q(announce_at__isnull=False)),
            # For lists. Partial ones are written once in the life of an execution, not at each of its moves.
            models.Index(
                fields=["-created_at", "id"],
                name="execution_called",
                condition=Q(caller_execution_id__isnull=False) | Q(trigger__variables__executionId__isnull=False),
            ),
            models.Index(fields=["ended_at", "created_at"], name="execution_by_end", condition=Q(ended_at__isnull=False)),
            models.Index(F("ended_at") - F("created_at"), name="execution_by_length", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.namespace}/{self.flow_id}, {self.state})"
