"""Browsers that are signed in. The key of a session is in the browser's cookie only; the row knows its digest."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class UserSession(models.Model):
    """
    One signed-in browser, or one that is on its way to that. It ends at `ends_at` whatever happens and at `idle_until` when
    nobody uses it; each use moves `idle_until`. With `must_rotate` its next use gives the browser a new key, because the
    rights of the person changed.

    Source: security, S-07.
    """

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="sessions")
    data = models.TextField()
    address = models.CharField(max_length=45, blank=True, default="")
    agent = models.CharField(max_length=200, blank=True, default="")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    idle_until = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)
    must_rotate = models.BooleanField(default=False)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.user or 'nobody'} from {self.address or 'somewhere'}"
