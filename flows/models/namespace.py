"""Namespaces and what they own: variables, plugin defaults, key-value pairs and secrets."""

from __future__ import annotations

from django.db import models


class Namespace(models.Model):
    """A namespace that somebody described or configured. A namespace may also exist through its flows alone."""

    id = models.CharField(primary_key=True, max_length=150)
    description = models.TextField(blank=True, default="")
    variables = models.JSONField(default=dict)
    plugin_defaults = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.id


class KeyValue(models.Model):
    """One typed value of a namespace. An expired pair counts as missing until the purge removes it."""

    namespace = models.CharField(max_length=150)
    key = models.CharField(max_length=256)
    kind = models.CharField(max_length=16, help_text="STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON.")
    value = models.JSONField(null=True)
    description = models.TextField(blank=True, default="")
    revision = models.PositiveIntegerField(default=1)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "key"], name="one_value_per_key")]
        ordering = ["namespace", "key"]

    def __str__(self) -> str:
        return f"{self.namespace}: {self.key}"


class Secret(models.Model):
    """A secret of a namespace, encrypted with the key that stands outside the database. Write-only for every interface."""

    namespace = models.CharField(max_length=150)
    key = models.CharField(max_length=256)
    encrypted = models.TextField(editable=False)
    description = models.TextField(blank=True, default="")
    tags = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "key"], name="one_secret_per_key")]
        ordering = ["namespace", "key"]

    def __str__(self) -> str:
        return f"{self.namespace}: {self.key}"
