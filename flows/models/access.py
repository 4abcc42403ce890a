"""Who may call us without a password: API tokens of people. The token itself is never stored."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """
    A bearer token of one person. `digest` is a keyed hash of the random token; `prefix` is its beginning, which tells a
    person which token a row stands for. Revoking deletes the row, so that the next look finds nothing.
    """

    id = models.CharField(primary_key=True, max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True, default="")
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    can_write = models.BooleanField(default=True)
    namespaces = models.JSONField(default=list, help_text="Namespaces it reaches, with all below them; empty means all.")
    lifetime_seconds = models.BigIntegerField()
    extends = models.BooleanField(default=False, help_text="Each use moves the end of its life.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_per_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
