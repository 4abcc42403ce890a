"""Requests that were answered once and may come again."""

from __future__ import annotations

from django.db import models


class IdempotencyKey(models.Model):
    """
    One request that started an execution. `fingerprint` tells a repetition from another request that reuses the key; rows go
    after a day.
    """

    caller = models.CharField(max_length=254)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    execution_id = models.CharField(max_length=32)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="one_request_per_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
