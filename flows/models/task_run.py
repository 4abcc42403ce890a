"""A task inside an execution (and its iteration value), with its attempts, its lease and its place in the tree."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class TaskRun(models.Model):
    """
    A task run. Only `flows.engine.transitions` writes `state`.

    `parent_id` and `iteration` name the scope it belongs to (null parent: the execution itself). `value_path` holds the
    iteration values from the outermost loop inwards, its own last. `plan` is what a flowable froze when it began (chosen
    branch, list of values) and never changes; `progress` holds its small counters. A worker that runs it owns it by
    `lease_token` until `lease_until` (database time). `wake_at` is the moment at which the engine must look again.
    """

    seq = models.BigAutoField(primary_key=True)
    id = models.CharField(max_length=32, unique=True)
    execution = models.ForeignKey("flows.Execution", on_delete=models.CASCADE, related_name="task_runs", db_index=False)
    task_id = models.CharField(max_length=200)
    parent_id = models.CharField(max_length=32, null=True, blank=True)
    iteration = models.IntegerField(null=True, blank=True)
    scope = models.CharField(
        max_length=48, default=":", help_text="`parent_id:iteration` as one text, so that an index can find it."
    )
    value = models.TextField(null=True, blank=True)
    value_path = models.JSONField(default=list, help_text="List of texts.")
    state = models.CharField(max_length=16)
    histories = models.JSONField(default=list, help_text="List of [state, ISO moment], in order.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    attempts = models.JSONField(default=list, help_text="List of {state, startDate, endDate, workerId}, in order.")
    outputs = models.JSONField(null=True, blank=True)
    plan = models.JSONField(null=True, blank=True)
    items = models.JSONField(null=True, blank=True, help_text="The frozen values of a loop, a list of texts; read one by one.")
    progress = models.JSONField(null=True, blank=True)
    dynamic = models.BooleanField(default=False)
    loss_count = models.PositiveSmallIntegerField(default=0, help_text="Attempts lost to the death of a worker.")
    dispatched_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.CharField(max_length=36, null=True, blank=True)
    lease_owner = models.CharField(max_length=200, null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    wake_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["seq"]
        constraints = [
            # A child is created once only in its scope, whoever is asked to create it, and however often.
            models.UniqueConstraint(fields=["execution", "scope", "task_id"], name="one_run_per_scope"),
        ]
        indexes = [
            models.Index(fields=["execution", "task_id"], name="task_run_of_task"),
            models.Index(fields=["created_at"], name="task_run_waiting", condition=Q(state="CREATED")),
            models.Index(fields=["lease_until"], name="task_run_leased", condition=Q(lease_until__isnull=False)),
            models.Index(fields=["wake_at"], name="task_run_due", condition=Q(wake_at__isnull=False)),
            # For the inbox: an execution may have ended although a task after its end waits for a person.
            models.Index(fields=["execution"], name="task_run_paused", condition=Q(state__in=["PAUSED", "BREAKPOINT"])),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} ({self.id}, {self.state})"
