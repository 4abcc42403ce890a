"""Log lines and metrics of executions. Written in batches by workers; ids only, so that a purge never locks executions."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Func, Q, Value

WORD_MARKS = "./:_-@=,;()[]{}<>\"'|\\"
"""Signs that part words for searches, besides blanks: the database alone would take `company.team` for one word."""

SEARCHED_CHARACTERS = 10_000
"""How much of a message is searched; the index refuses texts with more than a mebibyte of words."""

LOG_WORDS = SearchVector(
    Func(
        Func(F("message"), Value(SEARCHED_CHARACTERS), function="left", output_field=models.TextField()),
        Value(WORD_MARKS),
        Value(" " * len(WORD_MARKS)),
        function="translate",
        output_field=models.TextField(),
    ),
    config="simple",
)
"""The words of a message in lower case. Searches must use this very expression, so that the index serves them."""


class LogEntry(models.Model):
    """One log line. `level` is a number: TRACE 0, DEBUG 1, INFO 2, WARN 3, ERROR 4."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    execution_id = models.CharField(max_length=32, null=True)
    task_run_id = models.CharField(max_length=32, null=True)
    task_id = models.CharField(max_length=200, null=True)
    trigger_id = models.CharField(max_length=200, null=True)
    attempt_number = models.PositiveSmallIntegerField(default=0)
    level = models.PositiveSmallIntegerField()
    timestamp = models.DateTimeField()
    thread = models.CharField(max_length=100, blank=True, default="")
    message = models.TextField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["execution_id", "id"], name="log_of_execution"),
            models.Index(fields=["-timestamp"], name="log_newest"),
            models.Index(fields=["namespace", "flow_id", "-timestamp"], name="log_of_flow"),
            models.Index(fields=["-timestamp", "namespace", "level"], name="log_serious", condition=Q(level__gte=3)),
            GinIndex(LOG_WORDS, name="log_words"),
        ]

    def __str__(self) -> str:
        return self.message[:80]


class Metric(models.Model):
    """One metric entry of an attempt. Timers are stored in milliseconds."""

    id = models.BigAutoField(primary_key=True)
    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    execution_id = models.CharField(max_length=32)
    task_run_id = models.CharField(max_length=32, null=True)
    task_id = models.CharField(max_length=200, null=True)
    kind = models.CharField(max_length=8, help_text="counter, timer or gauge.")
    name = models.CharField(max_length=200)
    value = models.FloatField()
    tags = models.JSONField(default=dict)
    timestamp = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["execution_id", "id"], name="metric_of_execution"),
            models.Index(fields=["namespace", "flow_id", "name", "-timestamp"], name="metric_of_flow"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.value}"
