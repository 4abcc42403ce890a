"""A flow and its numbered, immutable revisions. The text is the truth; everything else is derived from it."""

from __future__ import annotations

from django.db import models


class Flow(models.Model):
    """
    The flow as a name with a published revision, which is what everything runs, and perhaps a draft on top of it.

    `revision` is the number of the newest published revision, 0 while there are drafts alone; every other column tells about
    that revision. `draft_revision` is the number of a draft that is newer. A deleted flow keeps its row, so that its revisions
    go on counting when it comes back.
    """

    namespace = models.CharField(max_length=150)
    flow_id = models.CharField(max_length=100)
    revision = models.PositiveIntegerField(default=1)
    draft_revision = models.PositiveIntegerField(
        null=True, blank=True, help_text="A draft that is newer than the published revision; null means none."
    )
    description = models.TextField(blank=True, default="")
    labels = models.JSONField(default=list, help_text="List of {key, value}, system labels included.")
    disabled = models.BooleanField(default=False)
    deleted = models.BooleanField(default=False)
    problem = models.TextField(
        blank=True, default="", help_text="Why the stored source cannot be used any more; empty when it can."
    )
    concurrency_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Limit of the newest revision; null means none."
    )
    listens = models.BooleanField(default=False, help_text="Has a trigger that fires on other executions.")
    running_count = models.PositiveIntegerField(default=0, help_text="Executions that hold a concurrency slot now.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["namespace", "flow_id"], name="one_flow_per_name"),
            models.CheckConstraint(
                condition=models.Q(draft_revision__isnull=True) | models.Q(draft_revision__gt=models.F("revision")),
                name="draft_is_newer_than_published",
            ),
        ]
        indexes = [models.Index(fields=["id"], name="flow_listener", condition=models.Q(listens=True, deleted=False))]
        ordering = ["namespace", "flow_id"]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.flow_id}"

    @property
    def is_published(self) -> bool:
        """True when there is a revision that executions and triggers run."""
        return self.revision > 0

    @property
    def can_start(self) -> bool:
        """True when an execution can be started, as far as the row tells."""
        return self.is_published and not self.disabled

    @property
    def newest_revision(self) -> int:
        """Number of the revision that was saved last, draft or not; 0 for a row that was not saved yet."""
        return self.draft_revision or self.revision

    @property
    def live_revisions(self) -> list[int]:
        """Numbers of the published revision and of the draft on top of it, those that there are."""
        return [number for number in (self.revision, self.draft_revision) if number]


class FlowRevision(models.Model):
    """
    One saved text of a flow. Never changed after it was written; `deleted` marks the revision that removed the flow, `draft` one
    that was only kept and never published.
    """

    class Origin(models.TextChoices):
        """The way by which a text came in; revisions from before this was written down have none."""

        CONSOLE = "CONSOLE", "console"
        API = "API", "API"
        COMMAND = "COMMAND", "command line"
        IMPORT = "IMPORT", "import"
        ADMIN = "ADMIN", "administration"
        ENGINE = "ENGINE", "platform"

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="revisions")
    revision = models.PositiveIntegerField()
    source = models.TextField()
    deleted = models.BooleanField(default=False)
    draft = models.BooleanField(default=False, db_default=False)
    saved_by = models.CharField(max_length=254, blank=True, default="")
    origin = models.CharField(max_length=8, blank=True, choices=Origin.choices, default="", db_default="")
    message = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Why it was saved, in the words of who did it."
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "revision"], name="one_text_per_revision")]
        ordering = ["flow", "revision"]

    def __str__(self) -> str:
        return f"{self.flow} revision {self.revision}"
