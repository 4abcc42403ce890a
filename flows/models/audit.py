"""What people and programs did: rows that a trigger of the database lets nobody change or delete."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """
    One act or one refusal. `what` names the act (`execution.kill`), `before` and `after` hold what it changed, without secret
    values; `door` and `kind` are words of `flows/primitives/callers.py`.

    Source: security, S-34.
    """

    class Result(models.TextChoices):
        DONE = "DONE"
        DENIED = "DENIED"
        FAILED = "FAILED"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    who = models.CharField(max_length=254, blank=True, default="")
    kind = models.CharField(max_length=10)
    door = models.CharField(max_length=8)
    token = models.CharField(max_length=63, blank=True, default="")
    address = models.CharField(max_length=45, blank=True, default="")
    what = models.CharField(max_length=63)
    resource = models.CharField(max_length=12)
    action = models.CharField(max_length=6)
    namespace = models.CharField(max_length=150, blank=True, default="")
    object_id = models.CharField(max_length=255, blank=True, default="")
    result = models.CharField(max_length=6, choices=Result)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["who", "-id"], name="audit_who"),
            models.Index(fields=["resource", "namespace", "object_id"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who or self.kind} {self.what} {self.object_id}: {self.result}"
