"""The state of triggers: when the next firing is due, what holds them, running backfills, and windows of flow triggers."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class TriggerState(models.Model):
    """
    The state row of one schedule, polling or realtime trigger. `last_fired_at` is the last date that fired (a scheduled
    date, not the clock); one execution per (trigger, date) is kept by `firing_key` on the execution's trigger.
    """

    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    trigger_id = models.CharField(max_length=200)
    type = models.CharField(max_length=200)
    family = models.CharField(max_length=16)
    flow_revision = models.PositiveIntegerField()
    fingerprint = models.CharField(max_length=64, blank=True, default="", help_text="Hash of the trigger's properties.")
    disabled = models.BooleanField(default=False, help_text="Switched off at run time; the source may switch it off as well.")
    source_disabled = models.BooleanField(default=False)
    last_fired_at = models.DateTimeField(null=True, blank=True)
    last_triggered_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    execution_id = models.CharField(max_length=32, null=True, blank=True, help_text="The execution that locks the trigger.")
    locked_at = models.DateTimeField(null=True, blank=True)
    evaluating_since = models.DateTimeField(null=True, blank=True)
    worker_id = models.CharField(max_length=200, null=True, blank=True)
    backfill = models.JSONField(null=True, blank=True)
    stop_after = models.JSONField(default=list)
    state = models.JSONField(null=True, blank=True, help_text="What a polling trigger keeps between polls.")
    evaluation = models.JSONField(
        null=True, blank=True, help_text="The last evaluation: {at, seconds, result, message, executionId}."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "flow_id", "trigger_id"], name="one_state_per_trigger")]
        indexes = [
            models.Index(
                fields=["next_at"], name="trigger_due", condition=Q(disabled=False, source_disabled=False, next_at__isnull=False)
            ),
            models.Index(fields=["execution_id"], name="trigger_locked_by", condition=Q(execution_id__isnull=False)),
        ]
        ordering = ["namespace", "flow_id", "trigger_id"]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id}: {self.trigger_id}"


class Firing(models.Model):
    """One decision to start: at most one per trigger and scheduled date, whoever decides and however often."""

    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    trigger_id = models.CharField(max_length=200)
    scheduled_at = models.DateTimeField()
    backfill_id = models.CharField(max_length=32, blank=True, default="")
    execution_id = models.CharField(max_length=32)
    fired_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "flow_id", "trigger_id", "scheduled_at", "backfill_id"], name="one_firing_per_date"
            )
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id}: {self.trigger_id} at {self.scheduled_at}"


class FlowTriggerWindow(models.Model):
    """Which upstream conditions of a flow trigger are satisfied in the window that is open now."""

    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    condition_id = models.CharField(max_length=250)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    results = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "flow_id", "condition_id"], name="one_window_per_condition")]
        indexes = [models.Index(fields=["ends_at"], name="window_expiry")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id}: {self.condition_id}"


class WebhookEvent(models.Model):
    """One buffered call of a batch webhook, taken out by the execution that carries it."""

    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    trigger_id = models.CharField(max_length=200)
    received_at = models.DateTimeField()
    payload = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["namespace", "flow_id", "trigger_id", "id"], name="webhook_buffer")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id}: {self.trigger_id}"
