"""What the installation knows of its own parts: the workers that report, and one row of figures for each minute."""

from __future__ import annotations

from django.db import models


class Worker(models.Model):
    """
    One worker process that reported. It writes its own row every few seconds; only `drain_asked_at` comes from outside.

    `processes` are the ids of the processes that run its tasks, which name the owner of a task run. `stopped_at` is set by a
    worker that ended as it should: one that is silent without it was lost. All moments are the database's.
    """

    name = models.CharField(primary_key=True, max_length=200)
    host = models.CharField(max_length=200)
    queues = models.JSONField(default=list, help_text="Names of the queues it was started for.")
    slots = models.PositiveIntegerField(default=0, help_text="How many task runs it can have at once.")
    processes = models.JSONField(default=list, help_text="Ids of the processes that run its tasks.")
    memory_bytes = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)
    drain_asked_at = models.DateTimeField(null=True, blank=True)
    drain_asked_by = models.CharField(max_length=254, blank=True, default="")
    is_draining = models.BooleanField(default=False, help_text="Whether it has stopped taking work.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SystemSample(models.Model):
    """What the clock counted in one minute. Whichever clock is first writes the row of a minute."""

    at = models.DateTimeField(primary_key=True, help_text="Begin of the minute.")
    workers = models.PositiveIntegerField(default=0)
    slots = models.PositiveIntegerField(default=0)
    running_tasks = models.PositiveIntegerField(default=0, help_text="Task runs that a worker had.")
    waiting_tasks = models.PositiveIntegerField(default=0, help_text="Task runs that waited for a worker.")
    running_executions = models.PositiveIntegerField(default=0)
    waiting_executions = models.PositiveIntegerField(default=0)
    started = models.PositiveIntegerField(default=0, help_text="Executions created in the minute before.")
    ended = models.PositiveIntegerField(default=0, help_text="Executions that ended in the minute before.")
    failed = models.PositiveIntegerField(default=0, help_text="Those of them that failed.")
    executor_lag_seconds = models.FloatField(default=0)
    scheduler_lag_seconds = models.FloatField(default=0)
    memory_bytes = models.BigIntegerField(default=0, help_text="Of all workers.")
    database_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"
