"""The starts that quotas count."""

from __future__ import annotations

from django.db import models


class FlowStart(models.Model):
    """One execution that began, written only for flows with quotas and kept as long as the longest of them."""

    execution_id = models.CharField(primary_key=True, max_length=32)
    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    started_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["namespace", "flow_id", "started_at"], name="flow_start_by_time")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id} at {self.started_at:%Y-%m-%d %H:%M:%S}"
