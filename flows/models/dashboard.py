"""Dashboards as people write them: the YAML text and the few parts of it that lists show."""

from __future__ import annotations

from django.db import models


class Dashboard(models.Model):
    """A dashboard. The text is the truth; the other columns repeat parts of it for searches."""

    id = models.CharField(primary_key=True, max_length=100)
    title = models.CharField(max_length=250)
    description = models.TextField(blank=True, default="")
    source = models.TextField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.title} ({self.id})"
