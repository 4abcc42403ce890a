"""Blueprints that people saved themselves. Those that ship with the product are files and have no rows."""

from __future__ import annotations

from django.db import models


class Blueprint(models.Model):
    """
    A flow to begin with, kept under a title. The text is the truth; the other columns are for lists and searches.

    `tags` is a list of texts, `included_tasks` a sorted list of the types that the text names.
    """

    id = models.CharField(primary_key=True, max_length=100)
    title = models.CharField(max_length=150)
    description = models.TextField(blank=True, default="")
    tags = models.JSONField(default=list, blank=True)
    included_tasks = models.JSONField(default=list, blank=True)
    source = models.TextField()
    saved_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["title", "id"]

    def __str__(self) -> str:
        return self.title
