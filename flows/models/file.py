"""Index of the files of namespaces. The bytes lie in storage; every write makes a new version."""

from __future__ import annotations

from django.db import models


class NamespaceFile(models.Model):
    """One version of one file of a namespace. `path` has a leading slash; the newest version has the highest number."""

    namespace = models.CharField(max_length=150)
    path = models.CharField(max_length=1024)
    version = models.PositiveIntegerField(default=1)
    uri = models.CharField(max_length=1400)
    size_bytes = models.BigIntegerField()
    is_directory = models.BooleanField(default=False)
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "path", "version"], name="one_file_per_version")]
        indexes = [models.Index(fields=["namespace", "path"], name="namespace_file_current", condition=models.Q(is_current=True))]
        ordering = ["namespace", "path"]

    def __str__(self) -> str:
        return f"{self.namespace}:{self.path}"
