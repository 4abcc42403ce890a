"""A template and its numbered, immutable revisions: the lists of tasks that flows take in by name."""

from __future__ import annotations

from django.db import models


class Template(models.Model):
    """The template as a name with a newest revision. A deleted one keeps its row: executions that began with it go on."""

    namespace = models.CharField(max_length=150)
    template_id = models.CharField(max_length=100)
    revision = models.PositiveIntegerField(default=1)
    description = models.TextField(blank=True, default="")
    deleted = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "template_id"], name="one_template_per_name")]
        ordering = ["namespace", "template_id"]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.template_id}"


class TemplateRevision(models.Model):
    """One saved text of a template. Never changed after it was written."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="revisions")
    revision = models.PositiveIntegerField()
    source = models.TextField()
    saved_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["template", "revision"], name="one_template_text_per_revision")]
        ordering = ["template", "revision"]

    def __str__(self) -> str:
        return f"{self.template} revision {self.revision}"
