"""Actions on many objects at once that go on without anybody watching, and what became of each object."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class BulkJob(models.Model):
    """
    One action on many executions, flows or triggers, in the name of a person.

    What it works on is either `names` (what somebody ticked, in that order) or everything that `criteria` matches and that was
    there at `created_at`. `cursor` is the place of the last object that was done, `leased_until` keeps two workers apart.
    `query` is the list's query string, to lead back to it. `door` and `token_id` are the way by which it was asked for: the API
    token, empty without one, narrows what the job may do and who sees it.
    """

    class Phase(models.TextChoices):
        """WAITING and RUNNING go on; the others are final."""

        WAITING = "WAITING"
        RUNNING = "RUNNING"
        DONE = "DONE"
        STOPPED = "STOPPED"
        FAILED = "FAILED"

    id = models.CharField(primary_key=True, max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=45, blank=True, default="")
    door = models.CharField(max_length=16, default="CONSOLE", db_default="CONSOLE")
    token_id = models.CharField(max_length=32, blank=True, default="", db_default="")
    kind = models.CharField(max_length=16)
    act = models.CharField(max_length=32)
    options = models.JSONField(default=dict)
    names = models.JSONField(null=True)
    criteria = models.JSONField(null=True)
    query = models.TextField(default="")
    phase = models.CharField(max_length=16, choices=Phase.choices, default=Phase.WAITING)
    cursor = models.TextField(default="")
    total = models.IntegerField(null=True)
    done_count = models.IntegerField(default=0)
    skipped_count = models.IntegerField(default=0)
    failed_count = models.IntegerField(default=0)
    problem = models.TextField(default="")
    must_stop = models.BooleanField(default=False)
    undone = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="bulk_of_person"),
            models.Index(fields=["created_at"], name="bulk_open", condition=models.Q(ended_at__isnull=True)),
            models.Index(fields=["ended_at"], name="bulk_age"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.kind} {self.id}"


class BulkResult(models.Model):
    """What became of one object of a job; `reason` is empty when it was done. Only the first of each outcome are kept."""

    class Outcome(models.TextChoices):
        """SKIPPED was refused by the rules or the rights, FAILED broke unexpectedly."""

        DONE = "DONE"
        SKIPPED = "SKIPPED"
        FAILED = "FAILED"

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="results", db_index=False)
    object_id = models.CharField(max_length=400)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    reason = models.TextField(default="")

    class Meta:
        indexes = [models.Index(fields=["job", "outcome", "id"], name="bulk_result_list")]

    def __str__(self) -> str:
        return f"{self.object_id} {self.outcome}"
