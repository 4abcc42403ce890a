"""Results of tasks that may be used again instead of running the task."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class CachedResult(models.Model):
    """
    The outputs of a task run that ended well. `key` is a keyed hash of everything that decides about the result, so that
    neither properties nor secrets can be read from it; `expires_at` is null when the result never expires.
    """

    key = models.CharField(primary_key=True, max_length=64)
    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    task_id = models.CharField(max_length=200)
    execution_id = models.CharField(max_length=32, help_text="The execution whose task run made the result.")
    outputs = models.JSONField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="cached_result_expiry", condition=Q(expires_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id}: {self.task_id}"
